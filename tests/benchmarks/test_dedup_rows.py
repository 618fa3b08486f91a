import gzip
import importlib
import json
import sys
from fractions import Fraction
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
NAMES = ("pairs", "rows", "truth", "environments", "compare")
SHARED = ("shared", "shared.machine", "shared.measure", "shared.tools")
ROWS = 300
WORDS = [f"word{number}" for number in range(20)]


@pytest.fixture(scope="module")
def benchmark():
    """The benchmark's files, which import each other by their bare names; nothing of them stays behind."""
    before = list(sys.path)
    sys.path[:0] = [str(BENCHMARKS / "dedup"), str(BENCHMARKS)]
    yield {name: importlib.import_module(name) for name in (*SHARED, *NAMES)}
    sys.path[:] = before
    for name in (*NAMES, *SHARED):
        del sys.modules[name]


@pytest.fixture(scope="module")
def rows(benchmark):
    return benchmark["rows"]


@pytest.fixture(scope="module")
def pairs(benchmark):
    return benchmark["pairs"]


@pytest.fixture(scope="module")
def truth(benchmark):
    return benchmark["truth"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    (folder / "corpus").mkdir()
    with gzip.open(folder / "corpus" / "made.jsonl.gz", "wt", encoding="utf-8") as file:
        for number in range(200):
            asked = f"What of {sentence(number, 9)}?"
            answer = " ".join(f"{sentence(number * 31 + part, 8 + part)} café 第{part}." for part in range(5))
            file.write(json.dumps({"instruction": asked, "response": answer, "source": "made"}) + "\n")
    return folder


def sentence(number: int, words: int) -> str:
    return " ".join(
        f"{WORDS[(number * 7 + place * place) % len(WORDS)]}{(number + place) % 53}" for place in range(words)
    )


@pytest.fixture(scope="module")
def made(rows, data, tmp_path_factory):
    return rows.make(ROWS, 3, tmp_path_factory.mktemp("cache"), data, processes=1)


def read(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def recorded(path: Path) -> list[list[int]]:
    return [list(map(int, line.split("\t"))) for line in path.read_text().splitlines()[1:]]


def texts_of(path: Path) -> list[str]:
    return [f"{row['instruction']}\n{row['response']}" for row in read(path)]


def test_every_row_has_the_standard_fields_and_a_score_from_1_to_10(made):
    assert all(list(row) == ["instruction", "response", "source", "quality_score"] for row in read(made.rows))
    assert all(1 <= row["quality_score"] <= 10 for row in read(made.rows))


def test_the_same_arguments_make_the_same_bytes_by_one_process_and_by_two(rows, data, made, tmp_path):
    again = rows.make(ROWS, 3, tmp_path, data, processes=2)
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in made]


def test_another_seed_makes_other_rows(rows, data, made, tmp_path):
    assert rows.make(ROWS, 4, tmp_path, data, processes=1).rows.read_bytes() != made.rows.read_bytes()


def test_what_the_cache_has_is_not_made_again(rows, made, tmp_path):
    before = made.rows.stat().st_mtime_ns
    assert rows.make(ROWS, 3, made.rows.parent, tmp_path / "no such data", processes=1) == made
    assert made.rows.stat().st_mtime_ns == before


def test_an_interrupted_file_is_never_taken_for_a_finished_one(rows, data, tmp_path, monkeypatch):
    def broken(*_):
        yield rows.Block(b"{}\n", b"")
        raise KeyboardInterrupt

    monkeypatch.setattr(rows, "blocks", broken)
    with pytest.raises(KeyboardInterrupt):
        rows.make(ROWS, 3, tmp_path, data, processes=1)
    assert not list(tmp_path.glob("*.jsonl"))


def test_the_kinds_have_their_shares_and_no_edit_is_the_base_of_another(rows):
    layout = rows.layout(1000, 200, 0)
    edits = np.flatnonzero(layout.base_N >= 0)
    real = layout.real_N[layout.real_N >= 0]
    assert len(edits) == 240
    assert len(real) == 200 == len(set(real.tolist()))
    assert not set(layout.base_N[edits].tolist()) & set(edits.tolist())
    assert not (layout.real_N[edits] >= 0).any()


def test_the_recorded_overlap_of_every_edit_is_that_of_the_two_written_texts(made, pairs):
    sets = [pairs.shingles(text) for text in texts_of(made.rows)]
    edits = recorded(made.truth)
    assert len(edits) == round(0.24 * ROWS)
    assert all(
        [shared, union] == [len(sets[edit] & sets[base]), len(sets[edit] | sets[base])]
        for edit, base, shared, union in edits
    )


def test_the_jaccard_of_edits_is_spread_from_a_half_to_one(made):
    likeness = [shared / union for _, _, shared, union in recorded(made.truth)]
    assert sum(0.5 <= one <= 1 for one in likeness) > 0.7 * len(likeness)
    for low in (0.5, 0.6, 0.7, 0.8, 0.9):
        assert any(low <= one < low + 0.1 for one in likeness)
    assert 1.0 in likeness


@pytest.mark.parametrize("threshold", ["1/2", "4/5", "9/10"])
def test_the_exact_pairs_are_those_of_comparing_all_with_all(made, pairs, threshold):
    limit = Fraction(threshold)
    texts = [*texts_of(made.rows)[:120], "", "?!", "one", "one", "one two", "One, two!", *texts_of(made.rows)[:3]]
    lines = [json.dumps({"instruction": text, "response": None}).encode() for text in texts]
    sets = [pairs.shingles(text) for text in texts]
    wanted = [
        (a, b)
        for a, b in combinations(range(len(sets)), 2)
        if sets[a] and sets[b] and Fraction(len(sets[a] & sets[b]), len(sets[a] | sets[b])) >= limit
    ]
    found = pairs.true_pairs(pairs.read_sets(lines), limit)
    assert wanted
    assert list(zip(found.first_P.tolist(), found.second_P.tolist(), strict=True)) == wanted


@pytest.fixture
def chain(pairs, truth):
    """Rows 0–1–2 are a chain, 3 and 4 a pair, 5 alone."""
    return truth.clustered(6, pairs.Pairs(np.array([0, 1, 3]), np.array([1, 2, 4])))


@pytest.mark.parametrize(
    ("kept", "verdict"),
    [
        ([0, 2, 3, 5], (2, 1.0, 1.0, 0, 0)),  # what greedy keeps
        ([0, 3, 5], (3, 1.0, 2 / 3, 0, 0)),  # 2 goes for 1, which went too
        ([0, 1, 2, 3, 4, 5], (0, 0.0, 1.0, 0, 2)),  # nothing goes
        ([0, 2, 5], (3, 1.0, 1 / 3, 1, 0)),  # nobody stays of 3 and 4
        ([0, 2, 3], (3, 1.0, 2 / 3, 0, 0)),  # 5 is like nobody
        ([0, 1, 3, 5], (2, 2 / 3, 1.0, 0, 1)),
    ],
)
def test_a_verdict_counts_what_was_found_what_was_wrong_what_was_lost_and_what_is_left(truth, chain, kept, verdict):
    assert truth.judge(chain, np.array(kept)) == pytest.approx(verdict)


def test_recorded_edits_alone_give_recall_and_claim_nothing_else(truth, tmp_path):
    file = tmp_path / "truth.tsv"
    file.write_text("edit\tbase\tshared\tunion\n1\t0\t4\t5\n2\t3\t9\t10\n4\t0\t79\t100\n")
    verdict = truth.judge_recorded(file, 5, np.array([0, 2, 3, 4]), Fraction(4, 5))
    assert verdict == (1, 0.5, None, None, None)


def test_kept_lines_are_found_by_their_bytes_and_order(benchmark, tmp_path):
    source, output = tmp_path / "in", tmp_path / "out"
    source.write_bytes(b"a\nb\na\nc\n")
    output.write_bytes(b"b\na\n")
    assert benchmark["compare"].kept_lines(source, output).tolist() == [1, 2]
    output.write_bytes(b"c\nb\n")
    with pytest.raises(SystemExit, match="not the input's next"):
        benchmark["compare"].kept_lines(source, output)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_run_counts_the_time_and_memory_of_its_children_and_a_failure_is_told(benchmark, tmp_path):
    measure = benchmark["shared.measure"]
    child = "x = bytearray(60 << 20); import time; t = time.process_time()\nwhile time.process_time() < t + 0.3: pass"
    start = f"subprocess.Popen([sys.executable, '-c', {child!r}])"
    both = f"import subprocess, sys; [process.wait() for process in [{start}, {start}]]"
    took = measure.run([sys.executable, "-c", both], {}, 2, tmp_path / "log")
    assert took.cpu > 0.6
    assert took.peak > 120 / 1024
    with pytest.raises(measure.RunFailed, match=r"ended with 3: so it is"):
        measure.run([sys.executable, "-c", "print('so it is'); raise SystemExit(3)"], {}, 2, tmp_path / "log")


def test_a_tool_that_fails_in_a_later_round_keeps_its_figures_and_says_why_it_has_fewer(benchmark):
    compare, run = benchmark["compare"], benchmark["shared.measure"].Measured(2.0, 3.0, 1.0)
    outcomes = {
        "polars parse": compare.Outcome([run, run], None, None),
        "daft": compare.Outcome([run], None, "ended with 137: killed"),
        "gaoya": compare.Outcome([], None, "ended with 1: no module"),
    }
    assert compare.failures(outcomes) == ["daft failed in round 2: ended with 137: killed"]
    lines = [compare.line(name, outcome, [run, run], []) for name, outcome in outcomes.items()]
    assert [line[:3] for line in lines] == [
        ["polars parse", "2", "2.00"],
        ["daft", "1", "2.00"],
        ["gaoya", "0", "ended with 1: no module"],
    ]


def test_the_machine_is_named_with_its_processor(benchmark, monkeypatch):
    machine = benchmark["shared.machine"]
    told = "processor\t: 0\nmodel name\t: Some CPU @ 2 GHz \nmodel name\t: another\n"
    monkeypatch.setattr(machine.Path, "read_text", lambda *_: told)
    assert "cores (Some CPU @ 2 GHz), Python 3." in machine.machine()
    monkeypatch.setattr(machine.Path, "read_text", lambda *_: "processor : 0\n")
    assert machine.processor() == (machine.platform.processor() or machine.platform.machine())
