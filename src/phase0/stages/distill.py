"""Give every row an answer. Each call takes its own share of the rows; together the calls cover every row once.

Rows are ranked by a hash of their content, and a call claims a range of ranks: shares are exact to one row, whatever
the order of the calls, and the same call again gets the same rows. A teacher that is a model is asked for what the
ledger lacks; then the rows are written from the ledger alone, in input order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import xxhash

from phase0.catalog.models import Teacher, teachers
from phase0.catalog.models import teacher as find_teacher
from phase0.dataset import BadRow, Manifest, expand, file_digest, read_records
from phase0.errors import UsageError, near_miss
from phase0.exchanges import EXCHANGES, Exchange
from phase0.exchanges.teach import Teach
from phase0.ledger import FILE as LEDGER
from phase0.progress import SILENT, Progress
from phase0.records import digest
from phase0.registry import load
from phase0.stages.answered import ask_and_write, write_answered
from phase0.stages.means import Asking, Means, places, wanted
from phase0.stages.output import StageOutput, check_output, relative, stage_output
from phase0.stages.parts import finished
from phase0.workspace import MARK, claim, workspace_of

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Parts = Sequence[tuple[Decimal, Decimal]]
WHOLE: Parts = ((Decimal(0), Decimal(100)),)


def distill(
    inputs: Iterable[str | Path],
    output: str | Path,
    *,
    teacher: str = "original",
    percentage: str | float | Decimal = 100,
    workspace: Path | None = None,
    means: Means | None = None,
    progress: Progress = SILENT,
) -> Manifest:
    """Answer `percentage` of the rows of the inputs with one teacher.

    The share is claimed in the workspace under (content of the inputs, output), so that other calls on the same inputs
    take other rows. `original` keeps the dataset's own answer; a row that has none is dropped. Every other teacher is a
    model of the catalogue, asked by the `means` that are given for what the workspace's ledger lacks.
    Raises UsageError for an unknown teacher, without a key or a price, or when more than the whole is claimed, and
    Unfinished when it was stopped or the budget is spent: the same call goes on.
    """
    asked = _checked(teacher, means or Means())
    paths, output = expand(inputs), Path(output)
    check_output(output, paths)  # before a share is claimed for a call that cannot go on
    share = _decimal(percentage)
    place = workspace_of(output, workspace)
    check_teacher(teacher, asked.means, ready=not (place / MARK / LEDGER).exists())
    parts = claim(
        place,
        input_digest=digest([file_digest(path) for path in paths]),
        output=output,
        teacher=teacher,
        percentage=share,
    )
    asking = Asking(asked.means, place, relative(output.resolve(), place))
    return distill_parts(paths, output, teacher=teacher, parts=parts, asking=asking, progress=progress)


def distill_parts(
    paths: Sequence[Path], output: Path, *, teacher: str, parts: Parts, asking: Asking, progress: Progress
) -> Manifest:
    """Answer the rows whose rank falls into `parts` of the line from 0 to 100."""
    asked = _checked(teacher, asking.means)
    with stage_output("distill", output, paths, distill_settings(teacher, parts, asking.means)) as out:
        progress.start(f"rank rows for {teacher}", None)
        mine = selected(_keys(out, progress), parts)
        progress.finish()
        out.figures = {"teacher": teacher, "share": str(sum((b - a for a, b in parts), Decimal(0)))}
        if asked.model is None:
            write_answered(out, mine, asked.exchange, None, progress)
        else:
            ask_and_write(out, mine, asked.exchange, asked.model, asking, progress=progress)
    return finished(output)


class _Asked(NamedTuple):
    """By which exchange rows are answered, and who is asked. `model` is None for the dataset's own answers."""

    exchange: Exchange
    model: Teacher | None
    means: Means


def distill_settings(teacher: str, parts: Parts, means: Means | None = None) -> dict[str, Any]:
    """What a manifest says of how rows were chosen and answered: by which model, asked how, wherever it was."""
    settings: dict[str, Any] = {"teacher": teacher, "parts": [[str(start), str(stop)] for start, stop in parts]}
    model = _checked(teacher, means or Means()).model
    if model is not None:
        settings |= {"model": model.model, "style": digest((model.style, model.styles))}
    return settings


def check_teacher(teacher: str, means: Means, *, ready: bool) -> None:
    """Raise UsageError for a teacher that nobody knows, and, if it must be `ready`, for one that cannot be asked."""
    asked = _checked(teacher, means)
    if asked.model is not None and ready:
        places(asked.model, asked.means, datetime.now(UTC).date())


def _checked(teacher: str, means: Means) -> _Asked:
    if teacher in EXCHANGES:
        return _Asked(load("teacher", EXCHANGES, teacher)(), None, means)
    known = (*EXCHANGES, *teachers())
    if teacher not in known and all(teacher != entry.model for entry in teachers().values()):
        near = near_miss(teacher, known)
        raise UsageError(f"there is no teacher called {teacher!r}.{near} Known: {', '.join(known)}.")
    model = wanted(find_teacher(teacher), means)
    return _Asked(Teach(model), model, means)


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


def _keys(out: StageOutput, progress: Progress) -> npt.NDArray[np.uint64]:
    """One 64-bit key per row, from what the row says; an unreadable row's key is that of its bytes."""
    from array import array

    import numpy as np

    keys = array("Q")
    for number, path in enumerate(out.inputs):
        for item in read_records(path):
            out.sums[number].read += 1
            content = item.raw if isinstance(item, BadRow) else item[2].id.encode()
            keys.append(xxhash.xxh3_64_intdigest(content))
            progress.advance(1)
    return np.frombuffer(keys, dtype=np.uint64) if keys else np.empty(0, dtype=np.uint64)


def _decimal(value: str | float | Decimal) -> Decimal:
    try:
        return Decimal(str(value).removesuffix("%"))
    except ArithmeticError:
        raise UsageError(f"--percentage is {value!r}, not a number") from None
