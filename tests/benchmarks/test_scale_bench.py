import importlib
import os
import sys
from pathlib import Path

import pytest
from made import write_records

from phase0.engine.local import Local
from phase0.stages.deduplicate import deduplicate

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
OURS = ("stages", "extrapolate", "compare", "namespaces")
SHARED = ("rows", "pairs", "truth", "shared", "shared.machine", "shared.measure", "shared.tools", "shared.results")
FEW, MANY = 100_000, 1_000_000


@pytest.fixture(scope="module")
def benchmark():
    """The benchmark's files, which import each other by their bare names; nothing of them stays behind."""
    before = list(sys.path)
    sys.path[:0] = [str(BENCHMARKS / "scale"), str(BENCHMARKS)]
    yield {name: importlib.import_module(name) for name in (*OURS, "shared.measure")}
    sys.path[:] = before
    for name in (*OURS, *SHARED):
        sys.modules.pop(name, None)


def section(rows: int, read: float, joined: float) -> str:
    """As stages.py writes it."""
    return (
        f"## {rows:,} rows\n\n5 of {rows:,} rows removed, {rows // 1000:,} MB of JSONL. Something.\n\n"
        "A worker took 1,200 MiB at most, within the 1.3 GiB that were stated.\n\n"
        "Of sets in mapped files, all were looked at once, 7 MB, and where 10 pairs met, 3 MB at most.\n\n"
        "| step | tasks | wall s | CPU s | read MB | written MB | peak MiB |\n|---|--:|--:|--:|--:|--:|--:|\n"
        f"| read the words | 4 | 1.0 | {read} | 100 | 50 | 400 |\n"
        "| send what rows can meet at | 4 | 1.0 | 0.0 | 0 | 50 | 400 |\n"
        f"| join | 4 | 1.0 | {joined} | 10 | 5 | 1200 |\n"
        "| count pairs | 4 | 1.0 | 0.0 | 10 | 5 | 1200 |\n"
        "| between | 0 | 1.0 | 2.0 | 1 | 1 | 0 |\n"
        "| start workers | 0 | 0.0 | 9.0 | 0 | 0 | 0 |\n\n"
    )


@pytest.fixture
def sizes(benchmark):
    text = "# Title\n\n`command` printed:\n\n" + section(MANY, 100.0, 100.0) + section(FEW, 20.0, 1.0)
    return benchmark["extrapolate"].measured(text)


def test_what_was_measured_is_read_back(sizes, benchmark) -> None:
    few, many = sizes
    assert (few.rows, many.rows, many.size, many.units, many.peak) == (FEW, MANY, 1e9, 4, 1200)
    assert many.bound == int(1.3 * 2**30)
    cost = benchmark["extrapolate"].Cost
    assert many.steps["read the words"] == cost(100.0, 100e6, 50e6)
    assert many.steps["count pairs"] == cost(0.0, 13e6, 5e6)
    assert list(many.steps)[-2:] == ["between", "start workers"]


def test_results_of_another_script_are_refused(benchmark) -> None:
    with pytest.raises(SystemExit, match=r"stages\.py"):
        benchmark["extrapolate"].measured("# Title\n\n## 10 rows\n\n| a |\n|---|\n")


def test_steps_where_rows_meet_grow_as_measured_and_no_other_less_than_the_rows(sizes, benchmark) -> None:
    grows = benchmark["extrapolate"].exponents
    assert grows("join", *sizes) == pytest.approx((2.0, 1.0, 1.0))
    assert grows("read the words", *sizes) == (1.0, 1.0, 1.0)
    assert grows("join", sizes[1], sizes[1]) == (1.0, 1.0, 1.0)


def test_ten_times_the_rows_cost_what_the_formula_says(sizes, benchmark) -> None:
    extrapolate = benchmark["extrapolate"]
    asked = extrapolate.Asked(10 * MANY, 2, 1e6, 0.001, (extrapolate.Instance("small", 2, 8, 3600.0),))
    lines = extrapolate.told(sizes, asked)
    assert lines[0].startswith("COMPUTED, not measured")
    units, partitions, opened = extrapolate.pieces(sizes[1], asked)
    assert (units, opened) == (40, 4 * 40 * partitions)
    reading, sending, counting = 1500, 570, 180  # seconds of a folder that gives a megabyte in each
    joining = 100 * 10**2 / extrapolate.BUSY / 2  # of cores: its work grows with the square
    alone = 10 * 2  # the command's own two seconds do not spread
    seconds = reading + sending + joining + counting + alone + opened * 0.001 / 2
    assert f"| small | 3600.0 | 1 | 3 of 8 | {seconds:,.0f} |" in lines[-2]


def test_an_instance_that_is_no_instance_is_refused(benchmark) -> None:
    with pytest.raises(benchmark["extrapolate"].argparse.ArgumentTypeError, match="NAME:CORES:GIB:DOLLARS"):
        benchmark["extrapolate"].instance("c7i.16xlarge:64")


def test_what_tools_say_of_their_shuffle_is_understood(benchmark) -> None:
    shuffled = benchmark["compare"].shuffled
    assert shuffled("… among 100 rows; 1,234 bytes were shuffled for a row", 100) == 1234
    assert shuffled("shuffled 1000 bytes\n", 100) == 10
    assert shuffled("nothing of the kind", 100) is None


def test_what_is_compared_may_be_named_in_whole_or_in_part(benchmark) -> None:
    chosen = benchmark["compare"].chosen
    assert chosen(["phase0 local", "2 nodes"]) == ["phase0 local", "phase0 ray, 2 nodes"]
    assert chosen(["local"]) == ["phase0 local", "phase0 local, shards"]
    assert chosen(None) == list(benchmark["compare"].NAMES)


def test_shards_are_joined_in_the_order_of_their_names(benchmark, tmp_path) -> None:
    folder = tmp_path / "kept"
    folder.mkdir()
    for number in (1, 0, 2):
        (folder / f"part-{number:06}.jsonl").write_text(f"{number}\n")
    (folder / "manifest.json").write_text("{}")
    whole = benchmark["compare"].joined(folder)
    assert whole.read_text() == "0\n1\n2\n"
    assert list(tmp_path.iterdir()) == [whole]


def test_tasks_tell_what_they_took_and_do_what_they_did(benchmark, tmp_path) -> None:
    stages = benchmark["stages"]
    rows = tmp_path / "rows.jsonl"
    write_records(rows, 50)
    heard = stages.Steps()
    engine = stages.Watched(Local(1, spread=True), heard)
    deduplicate([rows], tmp_path / "watched.jsonl", engine=engine, max_memory="1900MiB", progress=heard)
    deduplicate([rows], tmp_path / "plain.jsonl")
    assert (tmp_path / "watched.jsonl").read_bytes() == (tmp_path / "plain.jsonl").read_bytes()
    heard.finish()
    run = stages.Run(50, rows.stat().st_size, heard, stages.stated(heard.said), 0.0, 0.0, 0)
    assert (heard.rows, run.bound > 250 << 20) == (50, True)
    assert heard.keys > 50
    table = {name: line for name, *line in stages.lines(run)}
    assert {"read the words", "find equal rows", "join", "count pairs", "between"} <= set(table)
    assert float(table["read the words"][-1]) > 0
    few, many = benchmark["extrapolate"].measured(f"# Title\n\n{stages.section(run)}\n\n{stages.section(run)}")
    assert (few.rows, few.units, few.steps.keys()) == (50, 1, table.keys())
    assert few == many


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_processor_time_of_a_process_that_nobody_waits_for_counts(benchmark, tmp_path) -> None:
    busy = "import time\nwhile time.process_time() < 0.5: pass\nprint(flush=True)\ntime.sleep(60)"
    code = f"""import subprocess, sys, time
left = subprocess.Popen([sys.executable, "-c", {busy!r}], stdout=subprocess.PIPE)
left.stdout.readline()
time.sleep(1)  # several looks of the watch
left.kill()
left.returncode = 0  # so that nobody waits for it
"""
    took = benchmark["shared.measure"].run([sys.executable, "-c", code], os.environ, 2, tmp_path / "said.txt")
    assert 0.4 < took.cpu < 10
    assert took.wall > 0.5


def test_where_no_namespace_can_be_made_nothing_is_done_and_the_reason_told(
    benchmark, tmp_path, monkeypatch, capsys
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["namespaces.py", "--cache", str(tmp_path / "cache"), "--data", str(tmp_path)])
    benchmark["namespaces"].main()
    assert capsys.readouterr().out == "skipped: there is no `ip` (iproute2)\n"
    assert list(tmp_path.iterdir()) == []
