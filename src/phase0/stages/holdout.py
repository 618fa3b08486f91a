"""Which rows are for validation: whole groups of rows that resemble each other, drawn by the hash of what they say.

A row that resembles one of training measures memory, not skill. So rows are on one side that a chain of these connects:
equal prompts, a common first turn, prompts or whole rows whose Jaccard similarity reaches 0.5. Near-duplicates are
looked for where the work runs; what connects and what is drawn is decided in one place, in 100 bytes for each row.

Shapes: R rows that may be written.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from phase0.dedup import REMOVER, dedup, load_kernels
from phase0.dedup.flat import I64, U64, Part, Strings, flat
from phase0.errors import UsageError
from phase0.partitioned.arrays import store
from phase0.partitioned.bounds import bounds
from phase0.partitioned.found import edges, repeated
from phase0.partitioned.layout import Rule
from phase0.partitioned.search import search
from phase0.partitioned.site import Site
from phase0.records import Record
from phase0.stages.export_parts import Fates, Measured, Piece, records_of
from phase0.stages.formats import prompt, whole

THRESHOLD = "0.5"  # Jaccard of word 5-grams: of two texts of 50 words it is reached with up to three of them changed
_WIDTH = 5
_SAMPLED = 200  # rows of a piece that tell which shingles are common
_TOGETHER = 1 << 20  # pairs

Near = tuple[I64, I64]
"""Rows, and of each another that it resembles."""


class Drawn(NamedTuple):
    """What was decided, and what a manifest says of it."""

    fates: Fates
    figures: dict[str, Any]


def held_out(site: Site, rows: Measured, share: float, seed: int) -> Drawn:
    """Draw rows for validation. Raises UsageError where no group of rows fits into the share."""
    survey = _survey(rows)
    groups, compared = _groups(site, rows, survey)
    chosen = drawn(groups, survey.hashes_R, share)
    if not len(chosen):
        raise UsageError(
            f"no rows for validation: a share of {share:g} of {len(groups)} rows is "
            f"{round(share * len(groups))}, and no group of rows that resemble each other is that small"
        )
    held = np.zeros(rows.bases[-1], np.bool_)
    held[survey.numbers_R[chosen]] = True
    path = site.folder / "held.npy"
    store(path, held)
    figures = {
        "asked": share,
        "share": round(len(chosen) / len(groups), 6),
        "rows": len(chosen),
        "groups": len(np.unique(groups[chosen])),
        "largest_group": int(np.bincount(groups).max()),
        "threshold": THRESHOLD,
        "seed": seed,
        **compared,
    }
    return Drawn(Fates(rows.bases, path), figures)


def drawn(groups_R: I64, hashes_R: U64, share: float) -> I64:  # noqa: N803
    """Places of the rows to hold out: groups, each named by its first row, in the order of their least hash, each taken
    that still fits.

    The answer is of the rows alone, not of their order, as long as the hashes are.
    """
    order = np.lexsort((hashes_R, groups_R))
    begins = np.flatnonzero(np.diff(groups_R[order], prepend=-1))
    sizes = np.diff(begins, append=len(order))
    room, is_drawn = round(share * len(groups_R)), np.zeros(len(groups_R), np.bool_)
    for at in np.argsort(hashes_R[order[begins]], kind="stable"):
        if not room:
            break
        if sizes[at] <= room:
            is_drawn[order[begins[at] : begins[at] + sizes[at]]] = True
            room -= int(sizes[at])
    return np.flatnonzero(is_drawn)


class _Survey(NamedTuple):
    """Rows that may be written."""

    numbers_R: I64  # noqa: N815 - of each, its place among all rows that can be read
    hashes_R: U64  # noqa: N815 - of what it says
    openings_R: U64  # noqa: N815 - of its first turn
    prompts_R: U64  # noqa: N815 - of all that comes before the response


def _survey(rows: Measured) -> _Survey:
    found = [np.load(piece.rows()) for piece in rows.pieces]
    numbers = [some[:, 0].astype(np.int64) + base for some, base in zip(found, rows.bases[:-1], strict=True)]
    columns = (np.concatenate([np.empty(0, np.uint64), *(some[:, at] for some in found)]) for at in (1, 2, 3))
    return _Survey(np.concatenate([np.empty(0, np.int64), *numbers]), *columns)


def _groups(site: Site, rows: Measured, survey: _Survey) -> tuple[I64, dict[str, Any]]:
    """Of each row the first of its group, and how pairs were looked for."""
    load_kernels(site.progress, REMOVER)
    from phase0.dedup.kernels.choosing import connect

    roots = np.arange(len(survey.numbers_R), dtype=np.int32)
    for keys in (survey.openings_R, survey.prompts_R):
        _, firsts, of = np.unique(keys, return_index=True, return_inverse=True)
        connect(firsts[of].astype(np.int32), np.arange(len(of), dtype=np.int32), roots)
    how: dict[str, Any] = {}
    for of_row in (prompt, whole):
        found = _in_partitions if site.engine.spread else _at_once
        near, how = found(site.at(of_row.__name__), rows, of_row)
        for ones, others in _many(near, len(roots)):
            connect(ones.astype(np.int32), others.astype(np.int32), roots)
        shutil.rmtree(site.folder / of_row.__name__, ignore_errors=True)
    return roots.astype(np.int64), how


def _many(near: Iterable[Near], rows: int) -> Iterator[Near]:
    """Pairs, many together: to connect some takes a look at every row."""
    waiting, count = list[Near](), 0
    for pair in chain(near, [None]):
        if pair is not None:
            waiting.append(pair)
            count += len(pair[0])
        if count > max(_TOGETHER, rows // 8) or (pair is None and waiting):
            yield np.concatenate([one for one, _ in waiting]), np.concatenate([other for _, other in waiting])
            waiting, count = [], 0


def _at_once(site: Site, rows: Measured, of: Callable[[Record], str]) -> tuple[list[Near], dict[str, Any]]:
    """Rows that chains of near-duplicates connect, each with one of its component; and how they were found."""
    texts, workers = _Texts(rows.pieces, of), site.engine.threads
    found = dedup(texts, threshold=THRESHOLD, clusters="transitive", workers=workers, progress=site.progress)
    ends = np.array([removed[:2] for removed in found.removed], np.int64).reshape(-1, 2)
    return [(ends[:, 0], ends[:, 1])], {"method": found.method, "missed_share": found.missed_share}


def _in_partitions(site: Site, rows: Measured, of: Callable[[Record], str]) -> tuple[Iterator[Near], dict[str, Any]]:
    """Every pair of near-duplicates, and every row that another equals; and how they were found."""
    from phase0.dedup.near import asked, how_found

    how = asked(THRESHOLD, _WIDTH, method="auto", clusters="transitive", workers=site.engine.threads)
    banding, method, missed = how_found(how, site.progress)
    units = [PieceTexts(piece, of) for piece in rows.pieces]
    rule, sizes = Rule(how.threshold, how.width, banding), [unit.extent for unit in units]
    limit = how.memory.limit // how.workers
    cut = bounds(sum(sizes), max(sizes, default=0), rule, limit, site.engine.cores)
    job = search(site, units, rule, cut).job
    pairs = (block for unit in range(len(units)) for block in edges(job.layout.pairs(unit), 0))
    same = ((row, first) for part in range(job.partitions) for row, first in repeated(job.layout.same(part)))
    return chain(pairs, same), {"method": method, "missed_share": missed}


class _Texts:
    """A text of each row of some pieces that may be written: drawn as often as it is iterated."""

    def __init__(self, pieces: Sequence[Piece], of: Callable[[Record], str]) -> None:
        self._pieces, self._of = pieces, of

    def __iter__(self) -> Iterator[str]:
        for piece in self._pieces:
            chosen = set(np.load(piece.rows())[:, 0].tolist())
            for place, record in enumerate(records_of(piece.span)):
                if place in chosen:
                    yield self._of(record)


class PieceTexts(NamedTuple):
    """A piece as a unit of the search for near-duplicates; see `partitioned.units.Unit`."""

    piece: Piece
    of: Callable[[Record], str]

    @property
    def extent(self) -> int:
        return self.piece.extent

    def open(self, folder: Path) -> _Told:  # noqa: ARG002 - nothing must be laid out
        return _Told(_Texts([self.piece], self.of))


class _Told(Strings):
    """The texts of a piece; see `partitioned.units.Told`."""

    def __init__(self, texts: _Texts) -> None:
        super().__init__(texts, once=True)
        self._some = texts

    def sample(self) -> Part:
        return Part([flat(list(islice(self._some, _SAMPLED)))], 1.0)

    def keep(self, folder: Path, sizes_D: I64) -> int:  # noqa: ARG002, N803
        return 0
