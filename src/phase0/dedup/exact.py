"""Every pair of near-duplicates and no other: the prefix-filter join of `kernels.joining` on all cores.

Shapes: D rows, N sets in ascending order of size, X partitions, E entries, P pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from phase0.dedup.flat import I64
from phase0.dedup.kernels.joining import collapse, count_entries, join, place_entries, table_size
from phase0.dedup.memory import ENTRY
from phase0.dedup.search import (
    I32,
    NO_LIMIT,
    Limits,
    Looking,
    Ordered,
    Pairs,
    all_of,
    by_size,
    counted,
    each_once,
    finished,
)
from phase0.dedup.sets import U64, Sets
from phase0.dedup.threads import in_order
from phase0.progress import Progress

__all__ = ["I32", "Pairs", "by_size", "distinct", "find", "near_pairs"]

_ENTRIES_A_PARTITION = 50_000  # 1.2 MB with its table: a core's cache
_SPANS = 16  # sets are laid out in so many pieces of work, or more where they are on disk
_GROUPS = 64  # partitions are joined in so many
_CROWDED = 1 << 20  # pairs to be looked up, repeated ones too, before they are sorted out
_REPEATED = 32  # times that a pair may be met before its keys are looked up
_ROW_ON_DISK = 160 << 10  # bytes that become resident when two sets are compared


class Entries(NamedTuple):
    """The prefixes of all sets by partition, for some of the partitions."""

    bits: int
    keys_E: U64  # noqa: N815
    sets_E: I32  # noqa: N815
    rests_E: I32  # noqa: N815
    starts_X1: I64  # noqa: N815


class Layout(NamedTuple):
    """Where entries go."""

    bits: int
    counts: I64  # shape (spans, X)
    bounds: list[tuple[int, int]]  # of each span its sets


def distinct(sets: Sets) -> I32:
    """The first row with the same set as each row, -1 for a row without tokens."""
    rows = len(sets.sizes_D)
    same, table = np.empty(rows, np.int32), np.full(table_size(rows), -1, np.int32)
    step = rows if sets.shelf is None else max(16, sets.shelf.window // _ROW_ON_DISK)
    for first in range(0, rows, max(1, step)):
        last = min(first + step, rows)
        collapse(sets.prints_D, sets.keys_S, sets.starts_D, sets.sizes_D, first, last, table, same)
        sets.release()
    return same


def near_pairs(sets: Sets, same: I32, threshold: Fraction, workers: int, progress: Progress) -> Pairs:
    """Every pair of different sets that reaches the threshold, each once, in no order that means anything."""
    firsts = np.flatnonzero(same == np.arange(len(same)))
    found = find(Looking(sets, threshold, workers), by_size(sets, firsts), NO_LIMIT, progress)
    assert found is not None  # noqa: S101 - there is no limit
    return found


def find(looking: Looking, ordered: Ordered, limit: int, progress: Progress) -> Pairs | None:
    """See `search.Find`. Entries that do not fit into memory are laid out and joined in several passes."""
    on_disk = looking.sets.shelf is not None
    limits = Limits.of(ordered, limit, _REPEATED if on_disk else 1)
    with ThreadPoolExecutor(looking.workers) as pool:
        layout = _layout(looking, ordered, pool)
        passes = _passes(looking, layout)
        progress.start("join", len(passes) * _GROUPS, "parts")
        parts: list[Pairs] = []
        total, compared, crowded = 0, 0, _CROWDED
        for first, last in passes:
            entries = _entries(looking, ordered, layout, pool, (first, last))
            for part in _groups(looking, ordered, entries, limits, pool=pool, progress=progress):
                if part is not None:
                    parts.append(part)
                    total, compared = total + len(part.ones_P), compared + part.compared
                if on_disk and total > crowded:
                    parts = [each_once(all_of(parts))]
                    total = len(parts[0].ones_P)
                    crowded = 2 * total + _CROWDED
                if part is None or total > limits.pairs or compared > limits.compared:
                    progress.finish("too many pairs to be held")
                    return None
            del entries
    pairs = all_of(parts)
    if on_disk:
        pairs = counted(looking, ordered, each_once(pairs))
    return finished(ordered, pairs, limit, progress)


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
    """Runs of partitions whose entries fit into memory together."""
    room = looking.room() // ENTRY
    ends = np.cumsum(layout.counts.sum(axis=0))
    cuts = [0]
    while cuts[-1] < len(ends):
        before = int(ends[cuts[-1] - 1]) if cuts[-1] else 0
        cuts.append(max(cuts[-1] + 1, int(np.searchsorted(ends, before + room, side="right"))))
    return list(pairwise(cuts))


def _entries(
    looking: Looking, ordered: Ordered, layout: Layout, pool: ThreadPoolExecutor, partitions: tuple[int, int]
) -> Entries:
    first, last = partitions
    chosen = layout.counts[:, first:last]
    starts = np.zeros(last - first + 1, np.int64)
    np.cumsum(chosen.sum(axis=0), out=starts[1:])
    places = np.full_like(layout.counts, -1)  # where each span begins to write in each partition
    places[:, first:last] = starts[:-1] + np.cumsum(chosen, axis=0) - chosen
    size = int(starts[-1])
    keys, owners, rests = np.empty(size, np.uint64), np.empty(size, np.int32), np.empty(size, np.int32)
    arrays = (looking.sets.keys_S, ordered.starts_N, ordered.sizes_N, ordered.kinds_N)
    _each(place_entries, arrays, looking, layout._replace(counts=places), pool, keys, owners, rests)
    return Entries(layout.bits, keys, owners, rests, starts)


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


def _groups(
    looking: Looking,
    ordered: Ordered,
    entries: Entries,
    limits: Limits,
    *,
    pool: ThreadPoolExecutor,
    progress: Progress,
) -> Iterator[Pairs | None]:
    """The pairs of some partitions after another."""
    bounds = np.linspace(0, len(entries.starts_X1) - 1, _GROUPS + 1).astype(np.int64)
    calls = ((partial(_joined, looking, ordered, entries, limits), group) for group in pairwise(bounds.tolist()))
    for part in in_order(pool, looking.workers, calls):
        yield part
        progress.advance(1)


def _joined(
    looking: Looking, ordered: Ordered, entries: Entries, limits: Limits, group: tuple[int, int]
) -> Pairs | None:
    on_disk = looking.sets.shelf is not None
    room = min(limits.pairs, (1 << 14) + len(ordered.rows_N) // 32)
    while True:
        seen = np.zeros(1, np.int64)
        ones, others, shared = (np.empty(room, np.int32) for _ in range(3))
        found = join(
            looking.sets.keys_S,
            ordered.starts_N,
            ordered.sizes_N,
            ordered.sketches_N8,
            *looking.threshold.as_integer_ratio(),
            entries.bits,
            *entries[1:5],
            *group,
            ordered.apart,
            not on_disk,
            np.array(limits, np.int64),
            ones,
            others,
            shared,
            seen,
        )
        if found > limits.pairs:
            return None
        if found <= room:
            made = Pairs(ones[:found].copy(), others[:found].copy(), shared[:found].copy(), int(seen[0]))
            return each_once(made) if on_disk else made
        room = found
