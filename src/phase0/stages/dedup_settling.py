"""A group of components is decided by the very code that decides all rows of one machine, on rows numbered anew.

A group is as large as fits; where the pairs of a component do not, its rows are decided block by block from the best
on, as they are there. Rows of a component must fit: ROW bytes each.

Shapes: R rows of the group, C columns.
"""

from __future__ import annotations

from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from phase0.dedup.decide import Known, removed_by_component, removed_greedily
from phase0.dedup.flat import I64
from phase0.dedup.memory import spelled
from phase0.dedup.pages import Reused
from phase0.dedup.sets import Sets
from phase0.errors import DataError
from phase0.partitioned.dealing import Dealt, columns, dealing
from phase0.partitioned.grouping import Grouped
from phase0.partitioned.listed import Listed
from phase0.partitioned.site import Site
from phase0.progress import Silent
from phase0.stages.dedup_evidence import Gone, told
from phase0.stages.dedup_job import Job, columns_of, job_at
from phase0.stages.placed_rows import PlacedRows
from phase0.stages.row_ids import Ids
from phase0.stages.row_lines import Rows

ROW = 600  # bytes of a row while its group is decided
PAIR = 64  # and of a pair, where all are held

_TOLD = ("size_R", "begin_R", "end_R", "line_R", "length_R", "quality_R", "plain_R")
_DESCRIBED = 3 + len(_TOLD)  # numbers of a row in its group: itself, the first of its set, its file, and these


class Dropping(NamedTuple):
    """What goes, in slices by unit: (row, kept, shared, union, file of the kept, its line, length of its id), and the
    ids, each in whole words."""

    rows: Dealt
    ids: Dealt


class Settled(NamedTuple):
    """What goes, and what it comes to."""

    gone: Dropping
    removed: int
    clusters: int  # rows that stay for others
    by_others: int  # how many go for a row of another dataset


def settle(site: Site, job: Path, found: Grouped, groups: int) -> Settled:
    """Decide every group."""
    units, folder = len(job_at(job).units), site.folder
    rows = Dealt(folder / "rows", units, _DESCRIBED)
    site.do("describe rows", partial(_describe, job, found.members, rows.folder, groups), range(units), "units")
    site.progress.start("choose what stays", groups, "groups")
    left = site.each(partial(_settle, job, rows, found.pairs, folder), range(groups))
    removed = sum(one.removed for one in left)
    site.progress.finish(f"{removed:,} of {found.rows:,} rows that have a near-duplicate go")
    for said in sorted({said for one in left for said in one.said}):
        site.progress.say(said)
    gone = Dropping(Dealt(folder / "gone", groups, 7), Dealt(folder / "ids", groups, 1))
    return Settled(gone, removed, sum(one.clusters for one in left), sum(one.by_others for one in left))


def _describe(job: Path, members: Dealt, folder: Path, groups: int, number: int) -> None:
    """Deal what is known of a unit's rows out to their groups."""
    unit = job_at(job).units[number]
    with dealing(folder, number, _DESCRIBED, groups) as out:
        for block in members.blocks(number):
            row, first, group = block.T
            known = [column[row - unit.base] for column in columns_of(unit, _TOLD)]
            words = [column.view(np.int64) if column.dtype == np.float64 else column for column in known]
            words[_TOLD.index("line_R")] = words[_TOLD.index("line_R")] + unit.before
            out.add(columns(row, first, np.full(len(row), unit.file), *words), group)


class _Left(NamedTuple):
    removed: int
    clusters: int
    by_others: int
    said: list[str]


def _settle(job_file: Path, described: Dealt, pairs: Dealt, folder: Path, number: int) -> _Left:
    job, heard = job_at(job_file), _Heard()
    _check_room(job, described.records(number))
    table = described.table(number)
    table = np.ascontiguousarray(table[:, np.argsort(table[0])])
    rows_R = table[0]  # noqa: N806
    files = PlacedRows(job.places(), job.reading, _rows(table))
    known = Known(
        texts=files,
        width=job.width,
        threshold=Fraction(*job.threshold),
        sets=_sizes(table[3]),
        same=np.searchsorted(rows_R, table[1]).astype(np.int32),
        fixed=int(np.searchsorted(rows_R, job.fixed)),
        search=Listed(pairs, number, rows_R),
        room=job.room,
        pages=Reused(),
        workers=1,
        method="",
        exact=True,
        missed_share=0.0,
    )
    by = removed_by_component if job.clusters == "transitive" else removed_greedily
    removals = by(known, job.reading.rank(files), heard).removals
    _publish(job, (folder, number), told(files, removals), rows_R[removals.rows_R], rows_R[removals.kept_R])
    by_others = int((removals.kept_R < known.fixed).sum())
    return _Left(len(removals.rows_R), len(np.unique(removals.kept_R)), by_others, heard.said)


def _check_room(job: Job, rows: int) -> None:
    """Raise DataError where a group does not fit into a worker: only a component can make it so large."""
    if rows * ROW > job.most:
        raise DataError(
            f"{rows:,} rows are connected by near-duplicates, so that one worker decides them, which takes "
            f"{spelled(rows * ROW)}; it may take {spelled(job.most)}: allow more memory (--max-memory) or fewer workers"
        )


def _rows(table_CR: I64) -> Rows:  # noqa: N803
    """The rows of a group; nobody asks for their sources."""
    _, _, file, _, begin, end, line, length, quality, plain = table_CR
    none = np.zeros(len(file), np.int64)
    return Rows(
        file.astype(np.int32), begin, end, line, length, quality.view(np.float64), none, plain.astype(np.bool_), [], []
    )


def _sizes(sizes_R: I64) -> Sets:  # noqa: N803
    """Sets of which the sizes are known and nothing else: their pairs were found before."""
    no_keys = np.empty(0, np.uint64)
    return Sets(no_keys, np.zeros_like(sizes_R), sizes_R, np.empty((len(sizes_R), 0), np.uint64), no_keys)


def _publish(job: Job, place: tuple[Path, int], gone: Gone, row: I64, kept: I64) -> None:
    """Deal what goes out to the units of its rows, with all that is told of the rows that stay."""
    (folder, number), lengths = place, gone.ids.end_R - gone.ids.begin_R
    bases = np.array([unit.base for unit in job.units], np.int64)
    unit = np.searchsorted(bases, row, side="right") - 1
    told_of = columns(row, kept, gone.shared_R, gone.union_R, gone.kept_file_R, gone.kept_line_R, lengths)
    with dealing(folder / "gone", number, 7, len(bases)) as out:
        out.add(told_of, unit)
    with dealing(folder / "ids", number, 1, len(bases)) as out:
        out.add(*_words(gone.ids, unit))


def _words(ids: Ids, unit_R: I64) -> tuple[I64, I64]:  # noqa: N803
    """Texts as records of one number, each padded to whole ones, and where each of these goes."""
    lengths = ids.end_R - ids.begin_R
    words = -(-lengths // 8)
    text, within = np.zeros(8 * int(words.sum()), np.uint8), np.arange(int(lengths.sum()))
    starts, begins = 8 * (np.cumsum(words) - words), np.cumsum(lengths) - lengths
    text[within + np.repeat(starts - begins, lengths)] = ids.text_B[within + np.repeat(ids.begin_R - begins, lengths)]
    return text.view(np.int64)[:, None], np.repeat(unit_R, words)


class _Heard(Silent):
    """What a group's worker would say."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, message: str) -> None:
        self.said.append(message)
