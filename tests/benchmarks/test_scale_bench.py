import importlib
import sys
from pathlib import Path

import pytest
from made import write_records

from phase0.engine.local import Local
from phase0.stages.deduplicate import deduplicate

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
NAMES = ("compare", "extrapolate", "stages", "rows", "pairs", "truth")
SHARED = ("shared", "shared.measure", "shared.tools", "shared.results")
FEW, MANY = 100_000, 1_000_000


@pytest.fixture(scope="module")
def benchmark():
    """The benchmark's files, which import each other by their bare names; nothing of them stays behind."""
    before = list(sys.path)
    sys.path[:0] = [str(BENCHMARKS / "scale"), str(BENCHMARKS)]
    yield {name: importlib.import_module(name) for name in ("stages", "extrapolate", "compare")}
    sys.path[:] = before
    for name in (*NAMES, *SHARED):
        sys.modules.pop(name, None)


def section(rows: int, read: float, joined: float) -> str:
    return (
        f"## {rows:,} rows\n\nA worker took 1,200 MiB at most, within the 1.3 GiB that were stated.\n\n"
        "| step | tasks | wall s | CPU s | read MB | written MB | peak MiB |\n|---|--:|--:|--:|--:|--:|--:|\n"
        f"| read the words | 4 | 1.0 | {read} | 100 | 50 | 400 |\n"
        f"| join | 4 | 1.0 | {joined} | 10 | 5 | 1200 |\n"
        "| between | 0 | 1.0 | 2.0 | 1 | 1 | 0 |\n\n"
    )


@pytest.fixture
def sizes(benchmark):
    text = "# Title\n\n`command` printed:\n\n" + section(FEW, 20.0, 1.0) + section(MANY, 100.0, 100.0)
    return benchmark["extrapolate"].measured(text)


def test_what_was_measured_is_read_back(sizes, benchmark) -> None:
    few, many = sizes
    assert (few.rows, many.rows, many.peak, many.bound) == (FEW, MANY, 1200, "1.3 GiB")
    assert many.steps["read the words"] == benchmark["extrapolate"].Cost(100.0, 100e6, 50e6)
    assert list(many.steps) == ["read the words", "join", "between"]


def test_steps_where_rows_meet_grow_as_measured_and_no_other_less_than_the_rows(sizes, benchmark) -> None:
    grows = benchmark["extrapolate"].exponent
    assert grows("join", *sizes) == pytest.approx(2.0)
    assert grows("read the words", *sizes) == 1.0
    assert grows("join", sizes[1], sizes[1]) == 1.0


def test_as_many_rows_as_were_measured_cost_what_was_measured(sizes, benchmark) -> None:
    lines = benchmark["extrapolate"].told(sizes, MANY, 2, (benchmark["extrapolate"].Instance("small", 2, 8, 3600.0),))
    assert lines[0].startswith("COMPUTED, not measured")
    busy = (200 / 2 / benchmark["extrapolate"].BUSY + 2) / 3600  # hours: the command's own two seconds are not spread
    assert f"| small | 3600.0 | 1 | {busy * 3600:.0f} |" in lines[-2]


def test_an_instance_that_is_no_instance_is_refused(benchmark) -> None:
    with pytest.raises(benchmark["extrapolate"].argparse.ArgumentTypeError, match="NAME:CORES:GIB:DOLLARS"):
        benchmark["extrapolate"].instance("c7i.16xlarge:64")


def test_what_tools_say_of_their_shuffle_is_understood(benchmark) -> None:
    shuffled = benchmark["compare"].shuffled
    assert shuffled("… among 100 rows; 1,234 bytes were shuffled for a row", 100) == 1234
    assert shuffled("shuffled 1000 bytes\n", 100) == 10
    assert shuffled("nothing of the kind", 100) is None


def test_tasks_tell_what_they_took_and_do_what_they_did(benchmark, tmp_path) -> None:
    stages = benchmark["stages"]
    rows = tmp_path / "rows.jsonl"
    write_records(rows, 50)
    heard = stages.Steps()
    engine = stages.Watched(Local(1, spread=True), heard)
    deduplicate([rows], tmp_path / "watched.jsonl", engine=engine, max_memory="1900MiB", progress=heard)
    deduplicate([rows], tmp_path / "plain.jsonl")
    assert (tmp_path / "watched.jsonl").read_bytes() == (tmp_path / "plain.jsonl").read_bytes()
    assert stages.stated(heard.said) > 300 << 20
    heard.finish()
    run = stages.Run(50, rows.stat().st_size, heard.steps, heard.said, stages.stated(heard.said), 0.0, {"removed": 0})
    table = {name: line for name, *line in stages.lines(run)}
    assert {"read the words", "find equal rows", "join", "count pairs", "between"} <= set(table)
    assert float(table["read the words"][-1]) > 0
