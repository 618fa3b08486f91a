"""Every pair of near-duplicates and no other: the prefix-filter join of `kernels.joining` on all cores.

Shapes: D rows, N sets in ascending order of size, X partitions, E entries, P pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from phase0.dedup.flat import I64
from phase0.dedup.kernels.joining import (
    ENTRY_WORDS,
    NO_KEYS,
    PREFIXES,
    WHOLE_SETS,
    collapse,
    count_entries,
    join,
    place_entries,
    table_size,
)
from phase0.dedup.memory import ENTRY, PAIR
from phase0.dedup.search import (
    I32,
    TOO_MANY,
    Collected,
    Connected,
    Limits,
    Looking,
    Ordered,
    Pairs,
    counted,
    each_once,
    emitted,
    finished,
)
from phase0.dedup.sets import U64, Sets
from phase0.dedup.threads import in_order
from phase0.progress import Progress

_ENTRIES_A_PARTITION = 50_000  # 1.6 MB with its table: a core's cache
_SPANS = 16  # sets are laid out in so many pieces of work, or more where they are on disk
_GROUPS = 64  # partitions are joined in so many
_OPEN = 1024  # partitions that are written to together: a core finds about as many pages without a search
_REPEATED = 32  # times that a pair may be met before its keys are looked up
_ROW_ON_DISK = 160 << 10  # bytes that become resident when two sets are compared


class Entries(NamedTuple):
    """The prefixes of all sets by partition, for some of the partitions."""

    bits: int
    entries_E3: U64  # noqa: N815 - see `place_entries`
    starts_X1: I64  # noqa: N815


class Layout(NamedTuple):
    """Where entries go."""

    bits: int
    counts: I64  # shape (spans, X)
    bounds: list[tuple[int, int]]  # of each span its sets


def distinct(sets: Sets) -> I32:
    """The first row with the same set as each row, -1 for a row without tokens.

    Where prefixes alone are held, sets are the same that have these, and the fingerprint of 64 bits, in common.
    """
    rows = len(sets.sizes_D)
    same, table = np.empty(rows, np.int32), np.full(table_size(rows), -1, np.int32)
    step = rows if sets.shelf is None else max(16, sets.shelf.window // _ROW_ON_DISK)
    for first in range(0, rows, max(1, step)):
        last = min(first + step, rows)
        collapse(sets.prints_D, sets.keys_S, sets.starts_D, sets.held_D, first, last, table, same)
        sets.release()
    return same


class Join(NamedTuple):
    """The join as a `search.Search`. Entries that do not fit into memory are laid out and joined in several passes."""

    looking: Looking

    def find(self, ordered: Ordered, limit: int, progress: Progress) -> Pairs | None:
        """See `search.Search`."""
        looking, on_disk = self.looking, self.looking.sets.shelf is not None
        limits = Limits.of(ordered, limit, _REPEATED if on_disk else 1)
        found = Collected(limits, possible=on_disk)
        for part in _worked(looking, ordered, partial(_joined, looking, ordered, limits), progress):
            if not found.add(part):
                progress.finish(TOO_MANY)
                return None
        pairs, at_hand = found.pairs(), looking.sets.at_hand
        looking.pages.keep(looking.room() - PAIR * len(pairs.ones_P) if at_hand else 0)
        pairs = pairs if at_hand else counted(looking, ordered, pairs)
        return finished(ordered, pairs, limit, progress)

    def connect(self, ordered: Ordered, progress: Progress) -> Pairs:
        """See `search.Search`."""
        found = Connected(ordered)
        work = partial(_connected, self.looking, ordered, found)
        pairs = found.all(_worked(self.looking, ordered, work, progress), progress)
        self.looking.pages.keep(0)
        return pairs


def _worked(
    looking: Looking, ordered: Ordered, work: Callable[[Entries, tuple[int, int]], Any], progress: Progress
) -> Iterator[Any]:
    """The answers of work(entries, group of partitions), one after another."""
    with ThreadPoolExecutor(looking.workers) as pool:
        layout = _layout(looking, ordered, pool)
        passes = _passes(looking, layout)
        progress.start("join", len(passes) * _GROUPS, "parts")
        most = max(int(layout.counts[:, first:last].sum()) for first, last in passes)
        room = looking.pages.take(most * ENTRY_WORDS, np.uint64).reshape(most, ENTRY_WORDS)
        for partitions in passes:
            entries = _entries(looking, ordered, layout, pool, partitions, room=room)
            bounds = np.linspace(0, len(entries.starts_X1) - 1, _GROUPS + 1).astype(np.int64)
            for answer in in_order(
                pool, looking.workers, [(work, entries, group) for group in pairwise(bounds.tolist())]
            ):
                yield answer
                progress.advance(1)
    looking.pages.give(room)


def _layout(looking: Looking, ordered: Ordered, pool: ThreadPoolExecutor) -> Layout:
    p, q = looking.threshold.as_integer_ratio()
    prefixes = int((ordered.sizes_N - -(-ordered.sizes_N * p // q) + 1).sum())
    bits = max(0, (prefixes // _ENTRIES_A_PARTITION).bit_length())
    spans = looking.spans(ordered, _SPANS)
    layout = Layout(bits, np.zeros((len(spans), 1 << bits), np.int64), spans)
    arrays = (looking.sets.keys_S, ordered.starts_N, ordered.sizes_N)
    _each(count_entries, arrays, looking, layout, pool)
    return layout


def _passes(looking: Looking, layout: Layout) -> list[tuple[int, int]]:
    """Runs of partitions whose entries fit into memory together, and of so few that writing to all of them is fast."""
    room = looking.room() // ENTRY
    ends = np.cumsum(layout.counts.sum(axis=0))
    cuts = [0]
    while cuts[-1] < len(ends):
        before = int(ends[cuts[-1] - 1]) if cuts[-1] else 0
        fitting = min(cuts[-1] + _OPEN, int(np.searchsorted(ends, before + room, side="right")))
        cuts.append(max(cuts[-1] + 1, fitting))
    return list(pairwise(cuts))


def _entries(
    looking: Looking,
    ordered: Ordered,
    layout: Layout,
    pool: ThreadPoolExecutor,
    partitions: tuple[int, int],
    *,
    room: U64,
) -> Entries:
    """Those of some partitions, in memory that those of others were in."""
    first, last = partitions
    chosen = layout.counts[:, first:last]
    starts = np.zeros(last - first + 1, np.int64)
    np.cumsum(chosen.sum(axis=0), out=starts[1:])
    places = np.full_like(layout.counts, -1)  # where each span begins to write in each partition
    places[:, first:last] = starts[:-1] + np.cumsum(chosen, axis=0) - chosen
    entries = room[: starts[-1]]
    arrays = (looking.sets.keys_S, ordered.starts_N, ordered.sizes_N, ordered.kinds_N)
    _each(place_entries, arrays, looking, layout._replace(counts=places), pool, entries)
    return Entries(layout.bits, entries, starts)


def _each(
    work: Callable[..., Any],
    arrays: tuple[Any, ...],
    looking: Looking,
    layout: Layout,
    pool: ThreadPoolExecutor,
    *outputs: Any,
) -> None:
    """Let a kernel do all spans."""
    ratio = looking.threshold.as_integer_ratio()

    def span(at: int) -> None:
        work(*arrays, *layout.bounds[at], *ratio, layout.bits, layout.counts[at], *outputs)
        looking.sets.release()

    for done in [pool.submit(span, at) for at in range(len(layout.bounds))]:
        done.result()


def _joined(
    looking: Looking, ordered: Ordered, limits: Limits, entries: Entries, group: tuple[int, int]
) -> Pairs | None:
    on_disk = looking.sets.shelf is not None
    known = NO_KEYS if on_disk else (WHOLE_SETS if looking.sets.at_hand else PREFIXES)
    room = min(limits.pairs, (1 << 14) + len(ordered.rows_N) // (4 if on_disk else 32))
    arrays = (looking.sets.keys_S, ordered.starts_N, ordered.sizes_N, ordered.ends_Z, ordered.sketches_N8)
    given = (*arrays, *looking.threshold.as_integer_ratio(), *entries, *group, ordered.apart, known)
    made = emitted(partial(join, *given), room, limits)
    return each_once(made) if on_disk and made is not None else made


def _connected(
    looking: Looking, ordered: Ordered, found: Connected, entries: Entries, group: tuple[int, int]
) -> tuple[I32, int]:
    from phase0.dedup.kernels.connecting import connect_sets  # compiled where pairs are too many, and nowhere else

    roots, seen = found.roots_N.copy(), np.zeros(1, np.int64)
    arrays = (looking.sets.keys_S, ordered.starts_N, ordered.sizes_N, ordered.sketches_N8)
    rules = (*looking.threshold.as_integer_ratio(), entries.bits)
    connect_sets(*arrays, *rules, entries.entries_E3, entries.starts_X1, *group, ordered.apart, roots, seen)
    looking.sets.release()
    return roots, int(seen[0])
