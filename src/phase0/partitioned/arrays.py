"""Arrays in files: numpy's own format, written whole or row by row, published when complete."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy

from phase0.partitioned.exchange import published


def store(path: Path, array: npt.NDArray[Any]) -> None:
    """Write an array."""
    with published(path) as file:
        np.save(file, array, allow_pickle=False)


@contextmanager
def growing(
    path: Path, kind: npt.DTypeLike, *columns: int, turned: bool = False
) -> Iterator[Callable[[npt.NDArray[Any]], None]]:
    """An array to be written row by row: what is answered appends some, of shape (rows, *columns). With `turned` its
    readers see the shape (*columns, rows)."""
    rows = 0
    with published(path) as file:

        def append(some: npt.NDArray[Any]) -> None:
            nonlocal rows
            rows += len(some)
            file.write(np.ascontiguousarray(some, kind).data)

        _head(file, kind, (0, *columns), turned=turned)  # numpy leaves room for the number of rows to grow
        yield append
        file.seek(0)
        _head(file, kind, (rows, *columns), turned=turned)


def _head(file: Any, kind: npt.DTypeLike, shape: tuple[int, ...], *, turned: bool) -> None:
    seen = shape[::-1] if turned else shape
    described = {"descr": npy.dtype_to_descr(np.dtype(kind)), "fortran_order": turned, "shape": seen}
    npy.write_array_header_1_0(file, described)


def mapped(path: Path) -> npt.NDArray[Any]:
    """An array of which only what is looked at is read. Nothing that is done to it reaches the file."""
    found: npt.NDArray[Any] = np.load(path, mmap_mode="c")
    return found
