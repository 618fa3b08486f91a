"""How much memory a worker needs, and how many partitions make it enough. Everything is in bytes."""

from __future__ import annotations

from typing import NamedTuple

from phase0.dedup.memory import BASE, spelled
from phase0.errors import UsageError
from phase0.partitioned.layout import Rule

UNIT = 64 << 20  # bytes of input to a unit
_BLOCKS = 64 << 20  # blocks of text while their sets are made: words, hashes, keys
_TOLD = 6  # bytes that are known of its rows for each byte of a unit, where rows are as short as they get (40 bytes)
_PLACES = 2  # bytes of these that are still needed when rows are sent and counted
_LEAST_ROOM = 32 << 20
_RECORD = 160  # bytes of a record where it is joined
_SHINGLE = 5  # bytes of text to a shingle, of English
_ROW = 500  # bytes of a row, where it has a record for each band
_MOST_BITS = 14


class Bounds(NamedTuple):
    """How work is cut so that it fits."""

    bits: int  # there are 2 ** bits partitions
    room: int  # bytes a task may hold beside what every process takes
    worker: int  # bytes that a worker needs at most

    def told(self, workers: int) -> str:
        """For a person."""
        each = "a worker needs" if workers == 1 else f"each of {workers} workers needs"
        return f"{1 << self.bits} partitions; {each} at most {spelled(self.worker)}"


def worker_memory(unit_bytes: int, room: int) -> int:
    """What a worker takes at most: what every process does, and what takes most of all that it is given to do. Reading
    a unit takes blocks of text and what is known of its rows; all else takes a part of that, and the room for what is
    sorted and compared.

    How many partitions there are does not matter: one that does not fit into the room is joined in blocks, in more
    time. Nor does it matter how many rows there are, or how many have a key in common.
    """
    return BASE + max(_BLOCKS + _TOLD * unit_bytes, _PLACES * unit_bytes + room)


def bounds(total_bytes: int, unit_bytes: int, rule: Rule, limit: int, workers: int) -> Bounds:
    """As much room as the limit for a worker allows, and so many partitions that each fits into it at once and every
    worker has some. Raises UsageError where there is no room."""
    least = worker_memory(unit_bytes, _LEAST_ROOM)
    if limit < least:
        raise UsageError(
            f"{spelled(limit)} of memory are too little for a worker; with inputs cut into {spelled(unit_bytes)} it "
            f"needs {spelled(least)}. Use fewer workers, or allow more."
        )
    needed = joined_bytes(total_bytes, rule)
    room = max(_LEAST_ROOM, min(limit - BASE - _PLACES * unit_bytes, needed))
    bits = max(needed // room, 4 * workers - 1).bit_length()
    return Bounds(min(bits, _MOST_BITS), room, worker_memory(unit_bytes, room))


def joined_bytes(total_bytes: int, rule: Rule) -> int:
    """About how much all records take where they are joined."""
    if rule.banding is not None:
        return total_bytes // _ROW * rule.banding.bands * _RECORD
    return int(total_bytes / _SHINGLE * (1 - rule.threshold)) * _RECORD + total_bytes // _ROW * _RECORD
