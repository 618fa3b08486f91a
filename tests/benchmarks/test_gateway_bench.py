import asyncio
import importlib
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from phase0.gateway.summary import Tally
from phase0.simulator import Settings, simulated

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
NAMES = ("shared", "shared.measure", "shared.tools", "shared.results", "clients", "compare", "limits")


@pytest.fixture(scope="module")
def benchmark():
    """The benchmark's files, which import each other by their bare names; nothing of them stays behind."""
    before = list(sys.path)
    sys.path[:0] = [str(BENCHMARKS / "gateway"), str(BENCHMARKS)]
    yield {name: importlib.import_module(name) for name in NAMES}
    sys.path[:] = before
    for name in NAMES:
        del sys.modules[name]


@pytest.fixture(scope="module")
def clients(benchmark):
    return benchmark["clients"]


@pytest.fixture(scope="module")
def provider():
    with simulated(Settings(plain=True)) as running:
        yield running


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("client", ["OURS", "BARE"])
def test_a_client_gets_every_answer_and_tells_what_they_took(clients, provider, tmp_path, client, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(BENCHMARKS.parent / "src"))
    took = clients.run(getattr(clients, client), provider, 40, 4, tmp_path)
    assert took.rate > 0
    assert 0.01 < took.cpu < 100
    assert 0 < took.served < 100
    assert 10 < took.peak < 2000
    assert list(tmp_path.iterdir()) == []


def test_a_client_that_fails_is_told_by_the_end_of_what_it_said(benchmark, clients, provider, tmp_path):
    (tmp_path / "failing.py").write_text("raise SystemExit('no way')")
    failing = clients.Tool("failing", tmp_path / "failing.py", ())
    with pytest.raises(benchmark["shared.measure"].RunFailed, match="no way"):
        clients.run(failing, provider, 4, 2, tmp_path)


def test_a_client_that_lacks_answers_has_no_result(benchmark, clients, provider, tmp_path):
    (tmp_path / "lazy.py").write_text("""print('{"seconds": 1, "cpu": 1, "peak": 1, "answers": 3}')""")
    lazy = clients.Tool("lazy", tmp_path / "lazy.py", ())
    with pytest.raises(benchmark["shared.measure"].RunFailed, match="lazy has 3 answers to 4 questions"):
        clients.run(lazy, provider, 4, 2, tmp_path)


def test_a_ratio_is_the_median_of_those_within_rounds(benchmark, clients):
    """A busy moment that slows a whole round down changes nothing."""
    run, compare = clients.Run, benchmark["compare"]
    runs = {
        clients.OURS: [run(rate, 0.2, 0.1, 100) for rate in (1000, 100, 900)],
        clients.BARE: [run(rate, 0.1, 0.1, 40) for rate in (2000, 200, 1000)],
    }
    assert compare.ratio(runs, clients.OURS, clients.BARE, "rate") == 0.5
    assert compare.ratio(runs, clients.OURS, clients.CURATOR, "rate") is None
    assert compare.line(runs, clients.OURS)[1:] == ["3", "900", "0.200", "0.100", "100", "0.50", "2.00", "1.00"]


@pytest.mark.parametrize(
    ("ours", "met"), [((4000, 0.2), ["met"] * 4), ((600, 0.5), ["MISSED", "MISSED", "MISSED", "MISSED"])]
)
def test_every_bar_says_whether_it_is_met(benchmark, clients, ours, met):
    run = clients.Run
    rates = {clients.BARE: 6000, clients.OPENAI: 700, clients.CURATOR: 450}
    runs = {clients.OURS: [run(*ours, 0.1, 100)], **{tool: [run(rate, 1, 0.1, 40)] for tool, rate in rates.items()}}
    told = benchmark["compare"].bars(runs)
    assert [line.rpartition(": ")[2] for line in told] == met


def test_the_shortest_time_is_that_of_the_limit_that_binds_less_what_is_saved_at_the_start(benchmark):
    case = benchmark["limits"].Case("x", "openai", 600, 60_000, 60.0)
    assert case.shortest(6_000, 100_000) == 9 * 60
    assert case.shortest(6_000, 1_200_000) == 19 * 60
    assert case._replace(burst=1.0).shortest(6_000, 1) == 599


def test_the_clock_of_a_fast_loop_goes_on_by_what_was_waited_and_stands_still_meanwhile(benchmark):
    with asyncio.Runner(loop_factory=lambda: benchmark["limits"].FastLoop(1000.0)) as runner:

        async def wait():
            loop = asyncio.get_running_loop()
            began = loop.time()
            sum(range(1_000_000))
            assert loop.time() == began
            await asyncio.sleep(5)
            return loop.time() - began

        assert runner.run(wait()) == pytest.approx(5, abs=0.001)


@pytest.mark.parametrize("case", [0, 1, 3])
def test_a_run_under_limits_answers_everything_and_is_never_faster_than_possible(benchmark, case):
    limits = benchmark["limits"]
    outcome = limits.measured(limits.CASES[case], 700, 200.0)
    assert outcome.summary.replies == 700
    assert outcome.shortest <= outcome.seconds < 1.6 * outcome.shortest + 65  # a minute that is begun for a few
    assert outcome.limited < 0.1


@pytest.mark.parametrize(("seconds", "limited", "said"), [(610, 0, "met"), (630, 0, "MISSED"), (610, 100, "MISSED")])
def test_both_bars_of_a_run_under_limits_have_to_hold(benchmark, seconds, limited, said):
    limits = benchmark["limits"]
    tally = Tally()
    tally.replies, tally.sent, tally.limited, tally.cost = 6_600, 6_700, limited, Decimal(1)
    case = limits.Case("x", "openai", 600, 60_000, 60.0)
    assert limits.line(limits.Outcome(case, seconds, tally.summary()))[-1] == said


def test_results_name_the_command_without_the_folder_of_this_machine(benchmark, tmp_path, monkeypatch):
    results = benchmark["shared.results"]
    monkeypatch.setattr(results, "FOLDER", tmp_path / "results")
    monkeypatch.setattr(sys, "argv", ["x", "--cache", str(tmp_path), "--write"])
    results.keep("made", "Made", [results.table(("", "n"), [("a", "1")])], Path("/b/gateway/compare.py"), tmp_path)
    assert (tmp_path / "results" / "made.md").read_text() == (
        "# Made\n\n`python benchmarks/gateway/compare.py --cache DIR --write` printed:\n\n"
        "|  | n |\n| ---|--: |\n| a | 1 |\n"
    )
