"""Arrays of hundreds of megabytes, whose memory is taken in small pages as it is written."""

from __future__ import annotations

import mmap
import sys
import threading
from typing import Any

import numpy as np
import numpy.typing as npt

_LARGE = 1 << 22  # bytes from which numpy asks for huge pages


def untouched(size: int, kind: npt.DTypeLike) -> npt.NDArray[Any]:
    """An array with nothing in it yet. Raises MemoryError where there is no room for it.

    For large arrays numpy asks for huge pages of 2 MB. In a virtual machine that gives unused memory back to its host
    their first touch takes 0.6 to 2.4 s a GB, that of small pages 0.45 s. They would save looking up where a page is,
    but kernels here read runs of several KB: measured, they gain nothing.
    """
    length = size * np.dtype(kind).itemsize
    if length < _LARGE or sys.platform == "win32":
        return np.empty(size, kind)
    try:
        pages = mmap.mmap(-1, length, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except OSError as error:
        raise MemoryError(f"no room for {length:,} bytes") from error
    return np.frombuffer(pages, kind)


class Scratch(threading.local):
    """Memory that a thread uses again and again: of what is new each page must be given by the system first, which
    takes longer than reading a file into it."""

    def __init__(self) -> None:
        self._room_B: npt.NDArray[np.uint8] = np.empty(0, np.uint8)

    def room(self, size: int) -> npt.NDArray[np.uint8]:
        """So many bytes, the same as before."""
        if len(self._room_B) < size:
            self._room_B = np.empty(size + (size >> 2), np.uint8)
        return self._room_B[:size]


class Reused:
    """Memory of one large array after another: the pages of what is given back are there already. Mutable."""

    def __init__(self) -> None:
        self._free_B: npt.NDArray[np.uint8] | None = None

    def take(self, size: int, kind: npt.DTypeLike) -> npt.NDArray[Any]:
        """An array with anything in it. What was given back and is too small for it is let go before."""
        free, self._free_B = self._free_B, None
        length = size * np.dtype(kind).itemsize
        if free is None or len(free) < length:
            del free
            return untouched(size, kind)
        return free[:length].view(kind)

    def give(self, array: npt.NDArray[Any]) -> None:
        """Nobody looks at an array any more that was taken."""
        self._free_B = array.reshape(-1).view(np.uint8)

    def keep(self, most: int) -> None:
        """Let go of what was given back, if it is more than so many bytes."""
        if self._free_B is not None and len(self._free_B) > most:
            self._free_B = None
