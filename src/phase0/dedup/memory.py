"""How much memory de-duplication may take, what it needs, and what is done when the one is less than the other.

Everything is in bytes. What is needed is counted from rows and shingles by costs that were measured; before they are
known it is estimated from a sample of the texts.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from phase0.errors import DataError, UsageError
from phase0.progress import Progress, many

BASE = 200 << 20  # the interpreter, numpy, compiled kernels, and blocks that are being read
ROW = 440  # places, ranks and counts of a row, its sketch twice, and what is left of it when rows are chosen
KEY = 8  # a shingle
ENTRY = 24  # a key of a prefix, with the one before it, its set and its place
PASSES = 4  # entries are laid out in up to so many parts before keys go to disk, which costs more
BAND_KEY = 8  # a band of a set
PAIR = 64  # of near-duplicates, while rows are chosen
SHARE_OF_FREE = 0.9  # of what the machine has free
WORTH_SAYING = 256 << 20  # what needs less than this beyond BASE is not worth a line

_NO_THREAD = "can't start new thread"  # so Python says that there is no room for its stack
_UNITS = {"": 1, "B": 1}
_UNITS |= {prefix + end: 1000**power for power, prefix in enumerate("KMGT", 1) for end in ("B",)}
_UNITS |= {prefix + end: 1024**power for power, prefix in enumerate("KMGT", 1) for end in ("", "IB")}
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*")


class Memory(NamedTuple):
    """A limit, and what one row and one shingle cost under it by the method that is used."""

    limit: int
    folder: Path | None = None  # where keys go that do not fit; None for the system's own place
    row: float = ROW  # with all that the method keeps of a row
    entries: float = 1.0  # entries of prefixes to a shingle
    prefixes: bool = False  # whether prefixes alone may be held, as the rest of a set can be read again

    def held(self, rows: int) -> int:
        """What stays in memory whatever goes to disk."""
        return BASE + int(rows * ROW)

    def keys(self, rows: int, shingles: int) -> int:
        """What holding all keys takes, when the rest is done in parts."""
        return BASE + int(rows * self.row + shingles * (KEY + ENTRY * self.entries / PASSES))

    def whole(self, rows: int, shingles: int) -> int:
        """What doing everything at once takes."""
        return BASE + int(rows * self.row + shingles * (KEY + ENTRY * self.entries))

    def of_prefixes(self) -> Memory:
        """The same where every key that is held is one of a prefix."""
        return self._replace(entries=1.0)

    def segment(self) -> int:
        """Bytes of keys that are sorted together when they are on disk."""
        return min(256 << 20, self.limit // 32)

    def window(self) -> int:
        """Bytes of keys on disk that may be resident at once."""
        return self.limit // 8


UNLIMITED = Memory(1 << 62)


def memory_size(given: str | int | None) -> int | None:
    """Bytes of "8GiB", "500MB", "2G" or a number: B and iB as usual, K, M, G and T alone are powers of 1024."""
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, (str, int)):
        raise UsageError(f"The memory is {given!r}, not a size. Write it like 8GiB, 500MB or 2G.")
    found = _SIZE.fullmatch(str(given))
    unit = _UNITS.get(found[2].upper()) if found else None
    size = int(float(found[1]) * unit) if found and unit else 0
    if size < 1:
        raise UsageError(f"The memory is {given!r}, not a size. Write it like 8GiB, 500MB or 2G.")
    return size


def free_memory() -> int:
    """What the machine, or the container that this process is in, can still give."""
    free = [1 << 62]
    with contextlib.suppress(OSError, ValueError, IndexError):
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
        free += [int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:")]
    with contextlib.suppress(OSError, ValueError):  # "max" where there is no limit
        group = Path("/sys/fs/cgroup")
        free.append(int((group / "memory.max").read_text()) - int((group / "memory.current").read_text()))
    if len(free) == 1:
        with contextlib.suppress(OSError, ValueError, AttributeError):
            free.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return max(0, min(free))


def spelled(size: float) -> str:
    """A size for people: "3.1 GiB"."""
    return f"{size / (1 << 30):.1f} GiB" if size >= 1 << 30 else f"{max(1, round(size / (1 << 20)))} MiB"


class Sample(NamedTuple):
    """What a part of the texts holds, and how many times as much there is in all."""

    rows: int
    shingles: int
    times: float


class Storage(NamedTuple):
    """Where keys are, and which."""

    prefixes: bool = False  # those of prefixes alone
    on_disk: bool = False  # from the beginning


def plan(memory: Memory, sample: Sample | None, progress: Progress) -> Storage:
    """Say what is needed before it starts, and choose what takes the least time of all that fits.

    Raises DataError where they cannot: rows beyond what the limit can hold, or a disk without room.
    """
    if sample is None:
        return Storage()
    rows, shingles = int(sample.rows * sample.times), int(sample.shingles * sample.times)
    allowed = f"{spelled(memory.limit)} allowed"
    whole, held = memory.whole(rows, shingles), memory.held(rows)
    if whole <= memory.limit:
        if whole - BASE > WORTH_SAYING:
            progress.say(f"needs about {spelled(whole)} for about {many(rows, 'row')}; {allowed}")
        return Storage()
    if (held + memory.window()) * 4 // 5 > memory.limit:  # the estimate is on the high side
        raise too_little(memory, rows, about="about ")
    if memory.keys(rows, shingles) <= memory.limit:
        progress.say(f"needs about {spelled(whole)} at once for about {many(rows, 'row')}; {allowed}, so in parts")
        return Storage()
    if memory.prefixes:
        shingles = int(shingles * memory.entries)
        if memory.of_prefixes().keys(rows, shingles) <= memory.limit:
            progress.say(
                f"needs about {spelled(whole)} at once for about {many(rows, 'row')}; {allowed}, "
                "so in parts, and rows that may be near-duplicates are read again"
            )
            return Storage(prefixes=True)
    size = KEY * shingles + 2 * memory.segment()  # while sets are laid out, hashes that were read make room
    place = memory.folder or Path(tempfile.gettempdir())
    free = shutil.disk_usage(place).free
    if size > free:
        raise DataError(
            f"{place}: {spelled(size)} are needed for what does not fit into {spelled(memory.limit)} of memory, "
            f"and {spelled(free)} are free; allow {spelled(whole)} of memory or make room"
        )
    progress.say(
        f"needs about {spelled(whole)} for about {many(rows, 'row')}; {allowed}, so up to {spelled(size)} go to {place}"
    )
    return Storage(prefixes=memory.prefixes, on_disk=True)


def check_rows(memory: Memory, rows: int) -> None:
    """Raise DataError when what is kept of every row is more than the limit."""
    if memory.held(rows) + memory.window() > memory.limit:
        raise too_little(memory, rows)


def too_little(memory: Memory, rows: int, about: str = "") -> DataError:
    """The error of a limit under which nothing can be done."""
    least = spelled(1.2 * memory.held(rows))
    need = f"{about}{many(rows, 'row')} {'needs' if rows == 1 else 'need'} at least {least} of memory"
    return DataError(f"{need}, and {spelled(memory.limit)} are allowed")


@contextmanager
def bounded(memory: Memory) -> Iterator[None]:
    """Memory that the machine does not have, as one clear line."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and str(error) != _NO_THREAD:
            raise
        why = str(error) or "no more is given"
        raise DataError(
            f"the machine has too little memory ({why}); {spelled(memory.limit)} were thought to be free: end other "
            "programs, or allow less, so that more is done on disk"
        ) from error
