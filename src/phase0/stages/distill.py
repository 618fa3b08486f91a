"""Give every row an answer. Each call takes its own share of the rows; together the calls cover every row once.

Rows are ranked by a hash of their content, and a call claims a range of ranks: shares are exact to one row, whatever
the order of the calls, and the same call again gets the same rows. A teacher that is a model is asked for what the
ledger lacks; then the rows are written from the ledger alone, in input order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

import xxhash

from phase0.catalog.models import Teacher, teachers
from phase0.catalog.models import teacher as find_teacher
from phase0.dataset import BadRow, Manifest, expand, file_digest, read_records
from phase0.errors import UsageError, near_miss
from phase0.exchanges import EXCHANGES, Exchange
from phase0.exchanges.teach import Teach
from phase0.ledger import FILE as LEDGER
from phase0.progress import SILENT, Progress
from phase0.records import CATEGORIES, digest
from phase0.registry import load
from phase0.stages.allocation import Lines, Share, Taken
from phase0.stages.answered import all_answered, ask_and_write, write_answered
from phase0.stages.buying import can_be_asked
from phase0.stages.means import Asking, Means, places, wanted
from phase0.stages.output import check_output, relative, stage_output
from phase0.stages.parts import finished
from phase0.workspace import MARK, claim, offered, workspace_of

_NUMBERS = {category: number for number, category in enumerate(CATEGORIES)}


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
    content = digest([file_digest(path) for path in paths])
    wish: _Wish = {"input_digest": content, "output": output, "teacher": teacher, "percentage": share}
    if asked.model is not None and not can_be_asked(asked.model, asked.means):
        mine = Share(offered(place, **wish)).rows(_read(paths, SILENT).lines)
        if not all_answered(paths, mine, asked.exchange, asked.model, place):
            check_teacher(teacher, asked.means, ready=True)
    which = Share(claim(place, **wish))
    asking = Asking(asked.means, place, relative(output.resolve(), place))
    return distill_rows(paths, output, teacher=teacher, which=which, asking=asking, progress=progress)


class _Wish(TypedDict):
    """What a share is claimed with."""

    input_digest: str
    output: Path
    teacher: str
    percentage: Decimal


def distill_rows(
    paths: Sequence[Path], output: Path, *, teacher: str, which: Share | Taken, asking: Asking, progress: Progress
) -> Manifest:
    """Answer some of the rows with one teacher."""
    asked = _checked(teacher, asking.means)
    with stage_output("distill", output, paths, distill_settings(teacher, which, asking.means)) as out:
        progress.start(f"rank rows for {teacher}", None)
        read = _read(out.inputs, progress)
        for sums, rows in zip(out.sums, read.rows, strict=True):
            sums.read += rows
        mine = which.rows(read.lines)
        progress.finish()
        out.figures = {"teacher": teacher} | which.figures()
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


def distill_settings(teacher: str, which: Share | Taken, means: Means | None = None) -> dict[str, Any]:
    """What a manifest says of how rows were chosen and answered: by which model, asked how, wherever it was."""
    settings: dict[str, Any] = {"teacher": teacher} | which.settings()
    model = _checked(teacher, means or Means()).model
    if model is not None:
        settings |= {"model": model.model, "style": digest((model.style, model.styles))}
        if means is not None and means.rehearsal is not None:
            settings["rehearsal"] = True
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


class _Read(NamedTuple):
    """What was read of files: so many rows in each, and what decides who answers them."""

    rows: tuple[int, ...]
    lines: Lines


def _read(paths: Sequence[Path], progress: Progress) -> _Read:
    """A row is told by its id and its category; an unreadable one by its bytes."""
    from array import array

    import numpy as np

    keys, categories, ends = array("Q"), array("b"), [0]
    for path in paths:
        for item in read_records(path):
            keys.append(xxhash.xxh3_64_intdigest(item.raw if isinstance(item, BadRow) else item[2].id.encode()))
            categories.append(-1 if isinstance(item, BadRow) else _NUMBERS.get(item[2].meta.category or "", -1))
            progress.advance(1)
        ends.append(len(keys))
    rows = tuple(stop - start for start, stop in pairwise(ends))
    return _Read(rows, Lines(np.array(keys, np.uint64), np.array(categories, np.int8)))


def _decimal(value: str | float | Decimal) -> Decimal:
    try:
        return Decimal(str(value).removesuffix("%"))
    except ArithmeticError:
        raise UsageError(f"--percentage is {value!r}, not a number") from None
