"""The input of a partitioned de-duplication in units: spans of plain files, cut by their own bytes, and whole files of
every other kind, each of which is laid out as plain lines where it is first read."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from phase0.dataset import whole
from phase0.dedup.flat import I64
from phase0.partitioned.arrays import store
from phase0.progress import SILENT
from phase0.stages.dedup_job import Bad, as_bad, as_row, keep_unit
from phase0.stages.row_files import RowFiles, are_lines
from phase0.stages.row_lines import Reading


class FileUnit(NamedTuple):
    """The rows of a file that begin at byte `begin` or behind it and before `end`."""

    file: int
    path: Path
    begin: int
    end: int
    reading: Reading
    is_plain: bool

    @property
    def extent(self) -> int:
        return self.end - self.begin

    def open(self, folder: Path) -> UnitRows:
        """Its texts; see `partitioned.units.Unit`."""
        rows = UnitRows(self, folder)
        if not self.is_plain:
            rows.lay_out_once()
        return rows

    def rows_at(self, folder: Path) -> Path:
        """Where its bytes are, if this is its folder."""
        return self.path if self.is_plain else _lines(folder)


def units_of(paths: Sequence[Path], reading: Reading, size: int) -> list[FileUnit]:
    """Files cut into units of about so many bytes."""
    found = []
    for file, path in enumerate(paths):
        extent, is_plain = path.stat().st_size, are_lines(path)
        step = size if is_plain else max(1, extent)
        found += [
            FileUnit(file, path, begin, min(begin + step, extent), reading, is_plain)
            for begin in range(0, max(1, extent), step)
        ]
    return found


class UnitRows(RowFiles):
    """The rows of a unit."""

    def __init__(self, unit: FileUnit, folder: Path) -> None:
        super().__init__([unit.path], unit.reading, folder)
        self._unit = unit

    def spans(self) -> list[tuple[int, int]]:
        return [(self._unit.begin, self._unit.end)] if self._unit.is_plain else super().spans()

    def lay_out_once(self) -> None:
        """Lay the rows out, or find them where they were laid out before."""
        mark, numbers = self._folder / "laid-out.json", self._folder / "numbers.npy"
        if mark.exists():
            self._plain[0] = _lines(self._folder)
            self._numbers[0] = array("q", np.load(numbers).tobytes())
            self._bad = [(0, as_row(bad)) for bad in msgspec.json.decode(mark.read_bytes(), type=list[Bad])]
            return
        self.lay_out(SILENT)
        store(numbers, np.array(self._numbers[0], np.int64))
        with whole(mark) as file:  # last: it says that the others are there
            file.write(msgspec.json.encode([as_bad(row) for _, row in self._bad]))

    def keep(self, folder: Path, sizes_D: I64) -> int:  # noqa: N803
        """See `partitioned.units.Told`."""
        lines = sum(chunk.newlines for chunk in self._chunks)
        keep_unit(folder, self.rows(), sizes_D)
        return lines


def _lines(folder: Path) -> Path:
    return folder / "0.lines"
