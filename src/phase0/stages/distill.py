"""Give every row an answer. Each call takes its own share of the rows; together the calls cover every row once.

Rows are ranked by a hash of their content, and a call claims a range of ranks: shares are exact to one row, whatever
the order of the calls, and the same call again gets the same rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xxhash

from phase0.dataset import BadRow, Manifest, expand, file_digest, read_records
from phase0.errors import UsageError, near_miss
from phase0.exchanges import EXCHANGES, Exchange
from phase0.progress import SILENT, Progress
from phase0.records import digest, encode
from phase0.registry import load
from phase0.stages.output import StageOutput, check_output, stage_output
from phase0.stages.parts import finished
from phase0.workspace import claim, workspace_of

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Parts = Sequence[tuple[Decimal, Decimal]]
WHOLE: Parts = ((Decimal(0), Decimal(100)),)

# Teachers of the recipe that can only be asked over the network: known names, so that a typing error is told from them.
REMOTE = ("llama-405b", "gpt-4o", "qwen-coder-480b")


def distill(
    inputs: Iterable[str | Path],
    output: str | Path,
    *,
    teacher: str = "original",
    percentage: str | float | Decimal = 100,
    workspace: Path | None = None,
    progress: Progress = SILENT,
) -> Manifest:
    """Answer `percentage` of the rows of the inputs with one teacher.

    The share is claimed in the workspace under (content of the inputs, output), so that other calls on the same inputs
    take other rows. `original` keeps the dataset's own answer; a row that has none is dropped. Raises UsageError for
    an unknown teacher, or when more than the whole is claimed.
    """
    check_teacher(teacher)
    paths, output = expand(inputs), Path(output)
    check_output(output, paths)  # before a share is claimed for a call that cannot go on
    share = _decimal(percentage)
    parts = claim(
        workspace_of(output, workspace),
        input_digest=digest([file_digest(path) for path in paths]),
        output=output,
        teacher=teacher,
        percentage=share,
    )
    return distill_parts(paths, output, teacher=teacher, parts=parts, progress=progress)


def distill_parts(paths: Sequence[Path], output: Path, *, teacher: str, parts: Parts, progress: Progress) -> Manifest:
    """Answer the rows whose rank falls into `parts` of the line from 0 to 100."""
    exchange: Exchange = load("teacher", EXCHANGES, teacher)()
    settings = distill_settings(teacher, parts)
    with stage_output("distill", output, paths, settings) as out:
        progress.start(f"rank rows for {teacher}", None)
        keys = _keys(paths, progress)
        mine = selected(keys, parts)
        progress.start(f"distill {teacher}", len(keys))
        for number in range(len(paths)):
            mine = mine[_answer(out, number, mine, exchange, progress) :]
        out.figures = {"teacher": teacher, "share": str(sum((b - a for a, b in parts), Decimal(0)))}
        progress.finish()
    return finished(output)


def distill_settings(teacher: str, parts: Parts) -> dict[str, Any]:
    """What a manifest says of how rows were chosen and answered."""
    return {"teacher": teacher, "parts": [[str(start), str(stop)] for start, stop in parts]}


def check_teacher(teacher: str) -> None:
    """Raise UsageError for a teacher that this version cannot ask."""
    if teacher in EXCHANGES:
        return
    if teacher in REMOTE:
        raise UsageError(
            f"teacher {teacher!r} is asked over the network, which is not built yet. "
            "`--teacher original` keeps the dataset's own answers."
        )
    known = (*EXCHANGES, *REMOTE)
    raise UsageError(f"there is no teacher called {teacher!r}.{near_miss(teacher, known)} Known: {', '.join(known)}.")


def selected(keys: npt.NDArray[np.uint64], parts: Parts) -> npt.NDArray[np.bool_]:
    """Which rows fall into `parts` of the line from 0 to 100, by rank of their keys.

    keys: (N,) one per row; equal keys rank in the order of the rows. Ranks from floor(N·start/100) up to
    floor(N·stop/100) are taken: parts that cover the line cover every row once, whatever N is. A part's count is exact
    to one row.
    """
    import numpy as np

    order = np.argsort(keys, kind="stable")
    chosen = np.zeros(len(keys), dtype=np.bool_)
    for start, stop in parts:
        first, last = (int(len(keys) * Fraction(edge) / 100) for edge in (start, stop))
        chosen[order[first:last]] = True
    return chosen


def _keys(paths: Sequence[Path], progress: Progress) -> npt.NDArray[np.uint64]:
    """One 64-bit key per row, from what the row says; an unreadable row's key is that of its bytes."""
    from array import array

    import numpy as np

    keys = array("Q")
    for path in paths:
        for item in read_records(path):
            content = item.raw if isinstance(item, BadRow) else item[2].id.encode()
            keys.append(xxhash.xxh3_64_intdigest(content))
            progress.advance(1)
    return np.frombuffer(keys, dtype=np.uint64) if keys else np.empty(0, dtype=np.uint64)


def _answer(out: StageOutput, number: int, mine: npt.NDArray[np.bool_], exchange: Exchange, progress: Progress) -> int:
    """Answer this call's rows of one input; `mine` starts with that input's rows. Returns how many it holds."""
    rows = 0
    for item, is_mine in zip(read_records(out.inputs[number]), mine, strict=False):
        rows += 1
        progress.advance(1)
        if not is_mine:
            continue
        if isinstance(item, BadRow):
            out.drop_bad(item, number)
            continue
        line, raw, record = item
        if exchange.ask(record):
            raise UsageError("this teacher asks a model, and nothing sends requests yet; its answers cannot be had")
        answered = exchange.read(record, ())
        if isinstance(answered, str):
            out.drop(raw, line=line, reason=answered, evidence={}, file=number)
        else:
            for made in answered:
                out.keep(encode(made), number)
    out.sums[number].read = rows
    return rows


def _decimal(value: str | float | Decimal) -> Decimal:
    try:
        return Decimal(str(value).removesuffix("%"))
    except ArithmeticError:
        raise UsageError(f"--percentage is {value!r}, not a number") from None
