"""What units send to partitions, so that near-duplicates meet there: a record for each key of a row's prefix, or for
each of its bands.

Shapes: D rows of a unit, N sets, S keys, R records, A bands.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from phase0.dedup.bands import Banding
from phase0.dedup.flat import I64
from phase0.dedup.kernels.hashing import MULTIPLIER
from phase0.dedup.kernels.joining import count_entries
from phase0.dedup.kernels.minhashing import band_keys
from phase0.dedup.kernels.partitioning import AGAINST, FOUND_BY_LARGER, ROW_SHIFT, WIDTH, place_prefixes
from phase0.dedup.minhash import borrowing_order
from phase0.dedup.sets import U64
from phase0.partitioned.arrays import mapped
from phase0.partitioned.exchange import Outbox, sent
from phase0.partitioned.layout import Job, Rule
from phase0.partitioned.same import later_rows

_RECORD = 8 * WIDTH  # bytes
_GROUPED = 3 * _RECORD  # bytes of a record while a block of them is grouped by partition
_BAND = 0x9E3779B97F4A7C15  # odd, so that equal keys of different bands become different


class _Sets(NamedTuple):
    """Sets to be joined."""

    keys_S: U64  # noqa: N815 - the suffix is the shape
    starts_N: I64  # noqa: N815
    sizes_N: I64  # noqa: N815
    rows_N: I64  # noqa: N815
    sketches_N8: U64  # noqa: N815
    marks: int


def send_entries(job: Job, unit: int) -> int:
    """Send the records of the first rows of all sets in a unit, a block of rows at a time. Answers how many bytes."""
    place = job.layout.unit(unit)
    starts, sketches, base = np.load(place / "starts.npy"), mapped(place / "sketches.npy"), int(job.bases()[unit])
    sizes = np.diff(starts)
    is_joined = (sizes > 0) & ~later_rows(job, unit, len(sizes))
    marks = AGAINST if unit < job.others else 0
    send = _send_prefixes if job.rule.banding is None else _send_bands
    with sent(job.layout.box("entries", unit), WIDTH, job.partitions) as outbox:
        for first, last in _blocks(8 * sizes + _GROUPED * records_of(sizes, job.rule), job.room):
            local = np.flatnonzero(is_joined[first:last]) + first
            keys = _read(place / "keys.npy", int(starts[first]), int(starts[last]))
            send(
                job,
                _Sets(keys, starts[local] - starts[first], sizes[local], local + base, sketches[local], marks),
                outbox,
            )
    return outbox.bytes


def records_of(sizes_D: I64, rule: Rule) -> I64:  # noqa: N803
    """How many records each row is worth. Shape (D,)."""
    if rule.banding is not None:
        return np.where(sizes_D > 0, rule.banding.bands, 0)
    p, q = rule.threshold.as_integer_ratio()
    return np.where(sizes_D > 0, sizes_D - -(-sizes_D * p // q) + 1, 0)


def _blocks(costs_D: I64, room: int) -> Iterator[tuple[int, int]]:  # noqa: N803
    """Runs of rows that cost no more than there is room for, or are one row."""
    ends = np.cumsum(costs_D)
    first = 0
    while first < len(ends):
        before = int(ends[first - 1]) if first else 0
        last = max(first + 1, int(np.searchsorted(ends, before + room, side="right")))
        yield first, last
        first = last


def _read(path: Path, first: int, last: int) -> U64:
    """Some keys of a unit, read in one go."""
    keys = np.empty(last - first, np.uint64)
    keys[:] = mapped(path)[first:last]
    return keys


def _send_prefixes(job: Job, sets: _Sets, outbox: Outbox) -> None:
    ratio = job.rule.threshold.as_integer_ratio()
    counts = np.zeros(job.partitions, np.int64)
    count_entries(sets.keys_S, sets.starts_N, sets.sizes_N, 0, len(sets.sizes_N), *ratio, job.bits, counts)
    records = np.empty((int(counts.sum()), WIDTH), np.uint64)
    place_prefixes(*sets, *ratio, job.bits, np.cumsum(counts) - counts, records)
    outbox.add_grouped(records, counts)


def _send_bands(job: Job, sets: _Sets, outbox: Outbox) -> None:
    """A record of a band says of itself what one of a prefix says that holds a single key."""
    banding = job.rule.banding
    if banding is None or not len(sets.sizes_N):
        return
    keys = numbered_bands(signed_bands(sets.keys_S, sets.starts_N, sets.sizes_N, banding)).reshape(-1)
    records = np.empty((len(keys), WIDTH), np.uint64)
    records[:, 0] = records[:, 1] = keys
    marked = (sets.rows_N << ROW_SHIFT | sets.marks | FOUND_BY_LARGER).astype(np.uint64)
    records[:, 2] = np.tile(marked, banding.bands)
    records[:, 3] = np.tile((sets.sizes_N << 32 | sets.sizes_N).astype(np.uint64), banding.bands)
    folded = np.bitwise_xor.reduce(sets.sketches_N8.reshape(len(marked), -1, WIDTH - 4), axis=1)
    records[:, 4:] = np.tile(folded, (banding.bands, 1))
    outbox.add(records, (keys & np.uint64(job.partitions - 1)).astype(np.int64))


def signed_bands(keys_S: U64, starts_N: I64, sizes_N: I64, banding: Banding) -> U64:  # noqa: N803
    """The key of each band of each set. Shape (A, N)."""
    made = np.empty((banding.bands, len(sizes_N)), np.uint64)
    band_keys(keys_S, starts_N, sizes_N, 0, len(sizes_N), borrowing_order(), 0, banding.rows, made)
    return made


def numbered_bands(keys_AN: U64, bands_A: I64 | None = None) -> U64:  # noqa: N803
    """Keys that say in which band they are, and whose lowest bits are as good as any. Shape (A, N)."""
    bands = np.arange(len(keys_AN)) if bands_A is None else bands_A
    steps = (bands.astype(np.uint64) + np.uint64(1)) * np.uint64(_BAND)
    mixed: U64 = (keys_AN ^ steps.reshape(-1, *[1] * (keys_AN.ndim - 1))) * np.uint64(MULTIPLIER)
    return mixed ^ (mixed >> np.uint64(32))
