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
