"""De-duplication in partitions at size: the pairs of the local engine, and no worker beyond what was told before."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import partial
from multiprocessing import parent_process
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from searched import banded_pairs, joined_pairs

from phase0.dedup import COUNTER, REMOVER, load_kernels
from phase0.dedup.bands import choose
from phase0.dedup.memory import spelled
from phase0.dedup.sets import read_sets
from phase0.engine import Engine, Item, Result
from phase0.engine.local import Local
from phase0.partitioned.bounds import bounds
from phase0.partitioned.layout import Rule
from phase0.partitioned.search import search
from phase0.partitioned.site import Site
from phase0.progress import SILENT
from phase0.stages.row_files import RowFiles
from phase0.stages.row_readings import AsRow
from phase0.stages.unit_rows import units_of
from phase0.stages.verify import verify

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc, which Linux alone has"),
]

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "dedup"
ROWS = 300_000
UNIT = 16 << 20
WORKERS = 2


class Watched(NamedTuple):
    """An engine whose workers tell how much memory they took."""

    engine: Engine
    peaks: list[int]

    @property
    def threads(self) -> int:
        return self.engine.threads

    @property
    def cores(self) -> int:
        return self.engine.cores

    @property
    def spread(self) -> bool:
        return self.engine.spread

    @contextmanager
    def kept(self) -> Iterator[Watched]:
        with self.engine.kept() as kept:
            yield Watched(kept, self.peaks)

    def map(self, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        for result, peak in self.engine.map(partial(_watched, work), items):
            self.peaks.append(peak)
            yield result


def _watched(work: Callable[[Any], Any], item: Any) -> tuple[Any, int]:
    """`getrusage` would tell of the parent, too, what it took before it started this process."""
    result = work(item)
    if parent_process() is None:  # a single item is worked on here, where much else is held
        return result, 0
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return result, next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM:"))


@pytest.fixture(scope="module")
def rows(dev_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    sys.path.insert(0, str(BENCHMARK))
    made: Path = importlib.import_module("rows").make(ROWS, 0, tmp_path_factory.mktemp("generated"), dev_data).rows
    sys.path.remove(str(BENCHMARK))
    for name in ("pairs", "rows"):
        sys.modules.pop(name, None)
    return made


@pytest.mark.parametrize(("threshold", "banded"), [("4/5", False), ("7/10", False), ("1/2", True)])
@pytest.mark.parametrize("limit", [360 << 20, 1 << 30])
def test_workers_keep_to_what_was_told_and_find_every_pair(rows, tmp_path, threshold, banded, limit):
    load_kernels(SILENT, (*REMOVER, "json", "rows", "minhashing", "partitioning", "arranging"))
    t = Fraction(threshold)
    rule = Rule(t, 5, choose(t) if banded else None)
    cut = bounds(rows.stat().st_size, UNIT, rule, limit, WORKERS)
    engine = Watched(Local(WORKERS), [])
    found = search(Site(engine, tmp_path, SILENT), units_of([rows], AsRow(), UNIT), rule, cut)
    figures = found.figures
    print(f"\n{figures.rows:,} rows, {threshold}, {cut.told(WORKERS)}; took {spelled(max(engine.peaks))}")
    print(f"{figures.told()}; {figures.shuffled}")
    assert max(engine.peaks) <= cut.worker <= limit
    sets = read_sets(RowFiles([rows], AsRow(), tmp_path), 5, WORKERS, SILENT)
    expected = banded_pairs(sets, t, rule.banding, WORKERS) if rule.banding else joined_pairs(sets, t, WORKERS)
    parts = [np.load(found.job.layout.pairs(unit)) for unit in range(found.job.units)]
    one, other, shared, union = np.concatenate(parts, axis=1)
    assert (one < other).all()
    assert np.array_equal(union, sets.sizes_D[one] + sets.sizes_D[other] - shared)
    ones, others = np.minimum(expected.ones_P, expected.others_P), np.maximum(expected.ones_P, expected.others_P)
    columns = ((other, one, shared), (others, ones, expected.shared_P))
    mine, theirs = (np.stack(pairs)[:, np.lexsort(pairs)] for pairs in columns)
    assert np.array_equal(mine, theirs)


def test_workers_of_a_verification_keep_to_what_the_documentation_says(rows, tmp_path):
    load_kernels(SILENT, (*COUNTER, "recounting_parts", "scanning"))
    engine = Watched(Local(WORKERS, spread=True), [])
    found = verify([rows], workspace=tmp_path, engine=engine)
    print(f"\n{found.rows:,} rows, {found.duplicates.pairs:,} pairs; a worker took {spelled(max(engine.peaks))}")
    assert max(engine.peaks) <= 512 << 20
    assert found == verify([rows], engine=Local(WORKERS))
