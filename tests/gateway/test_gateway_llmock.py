"""The whole client against llmock, a server that nobody here wrote, which grades from its journal how it was asked.

A strict grade allows no warning: waits kept, retries bounded and further and further apart, nothing broken accepted.
llmock breaks streams only, and the client asks for none; so here its faults of streams meet whole replies too. One of
its rules is replaced by a stricter one that a busy machine cannot break: see `graded`.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest
from buyer import PRICE, questions
from loopback import endpoint

from phase0.gateway.budget import Budget
from phase0.gateway.line import Line, Route
from phase0.gateway.online import Options, buy
from phase0.gateway.summary import Summary
from phase0.ledger import Ledger
from phase0.providers import connect

pytest.importorskip("llmock", reason="the test server llmock is not installed")

MOST = 16  # in flight
Script = Callable[[Any], object]


@pytest.fixture
def broken_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Faults of streams break replies that are no streams: an end too early, or what is no JSON."""
    from llmock import middleware

    class Whole(middleware._Tracker):  # type: ignore[misc, name-defined]
        async def send(self, message: Any) -> None:
            if message["type"] == "http.response.start" and self._plan.stream_fault is not None:
                kept = [header for header in message["headers"] if header[0] != b"content-length"]
                await super().send({**message, "headers": kept})
                self._is_sse = message["status"] == 200
            else:
                await super().send(message)

        def _record(self, fault: Any) -> None:
            super()._record(fault)
            self.fault_kind = "truncate"  # to its journal a broken attempt is no success: the next one is its retry

    monkeypatch.setattr(middleware, "_Tracker", Whole)


def breaking(llmock: Any, kind: str, times: int) -> None:
    from llmock.scenarios import Match, StreamFault

    llmock.add(StreamFault(kind, after_chunks=0, times=times, match=Match(path="*/chat/completions")))


async def _buy(llmock: Any, folder: Path, count: int, options: Options, meanwhile: Script | None) -> Summary:
    provider = connect(endpoint(llmock.base_url(), "openai", "m"), "test", timeout=20)
    line = Line("m", (Route("openai", provider, PRICE, most=MOST),), 60, lambda asked: [20] * len(asked))
    if meanwhile:
        asyncio.get_running_loop().call_later(2.0, meanwhile, llmock)
    try:
        with Ledger(folder / "ledger.sqlite") as ledger:
            return await buy(questions(count), line, ledger, Budget(None), options=options)
    finally:
        await provider.close()


def buying(
    llmock: Any,
    folder: Path,
    count: int,
    *,
    seed: int = 0,
    meanwhile: Script | None = None,
    patience: float = 1800.0,
) -> tuple[Summary, Any]:
    """What became of it, and llmock's verdict, which is not good in vain: everything was asked."""
    options = Options(random=Random(seed).random, patience=patience)
    summary = asyncio.run(_buy(llmock, folder, count, options, meanwhile))
    return summary, llmock.verdict()


def whole(folder: Path, summary: Summary, count: int) -> None:
    """Every question has an answer, and each of them can be read."""
    assert (summary.ended, summary.replies, summary.failed, summary.refused) == ("done", count, 0, 0)
    with Ledger(folder / "ledger.sqlite") as ledger:
        assert ledger.known([request.key for request in questions(count)]) == {each.key for each in questions(count)}


def hurried(call: Any) -> list[str]:
    """Its retries that came before the least that their number of failures asks for: half a second, and twice as much
    for each more. A 429 is no failure, and says itself for how long to wait."""
    found, failures = [], 0
    for before, after in pairwise(call.attempts):
        failures += before.status != 429
        waited, least = after.started_at - before.ended_at, 0.5 * 2.0 ** (failures - 1)
        if before.status != 429 and waited < least:
            found.append(f"failure {failures} ({before.fault}): {waited:.3f} s instead of at least {least} s")
    return found


def graded(verdict: Any) -> None:
    """As llmock grades strictly, but that retries are further and further apart is measured by the least they wait.

    llmock's rule wants each gap between two requests to be longer than the one before. It takes for backoff what the
    machine's load adds to a gap, and what all waited together (a Retry-After, a server that was down): after a minute
    of outage it would want the next try a minute later.
    """
    late = [finding for finding in verdict.findings if finding.code != "no_backoff"]
    assert not late, verdict.render()
    assert not [each for call in verdict.calls for each in hurried(call)]


def limited(llmock: Any) -> None:
    llmock.rate_limit(times=6, retry_after=0.5)


def cut(llmock: Any) -> None:
    breaking(llmock, "truncate", 12)


def corrupted(llmock: Any) -> None:
    breaking(llmock, "malformed", 12)


def disconnected(llmock: Any) -> None:
    breaking(llmock, "disconnect", 8)


def failing(llmock: Any) -> None:
    for status in (500, 502, 503, 504):
        llmock.fail(status, times=2, retry_after=0.5)


def recovered(llmock: Any) -> None:
    llmock._server.state.scenarios.clear()


def everything(llmock: Any) -> None:
    for fault in (limited, cut, corrupted, failing):
        fault(llmock)


@pytest.mark.usefixtures("broken_whole")
@pytest.mark.parametrize(
    ("fault", "kinds"),
    [
        (limited, {"scenario:429": 6}),
        (failing, {"scenario:500": 2, "scenario:502": 2, "scenario:503": 2, "scenario:504": 2}),
        (cut, {"stream:truncate@0": 12}),
        (corrupted, {"stream:malformed@0": 12}),
        (disconnected, {"stream:disconnect@0": 8}),
    ],
)
def test_each_of_its_faults_alone_is_met_as_its_strictest_grade_asks(
    llmock: Any, tmp_path: Path, fault: Script, kinds: dict[str, int]
) -> None:
    fault(llmock)
    summary, verdict = buying(llmock, tmp_path, 40)
    whole(tmp_path, summary, 40)
    assert Counter(record.fault for record in llmock.requests if record.fault) == kinds
    assert len(verdict.calls) == 40
    graded(verdict)


@pytest.mark.usefixtures("broken_whole")
def test_all_of_its_faults_together_are_met_as_its_strictest_grade_asks(llmock: Any, tmp_path: Path) -> None:
    everything(llmock)
    summary, verdict = buying(llmock, tmp_path, 60)
    whole(tmp_path, summary, 60)
    assert verdict.faults == 6 + 12 + 12 + 8
    graded(verdict)


@pytest.mark.soak  # a minute, because it gives all that a minute may have at once
@pytest.mark.timeout(600)
def test_its_limits_are_kept_to_the_letter(llmock: Any, tmp_path: Path) -> None:
    """A bucket of 900 requests that fills with 15 a second; the 429s tell for how long to wait."""
    llmock.limits(rpm=900)
    summary, verdict = buying(llmock, tmp_path, 930)
    whole(tmp_path, summary, 930)
    graded(verdict)


def test_an_outage_is_waited_out_with_one_request_now_and_then(llmock: Any, tmp_path: Path) -> None:
    llmock.outage()
    summary, verdict = buying(llmock, tmp_path, 40, meanwhile=recovered)
    whole(tmp_path, summary, 40)
    assert MOST <= verdict.faults <= MOST + 10
    graded(verdict)


def test_an_outage_without_end_ends_the_run_and_no_row_is_given_up(llmock: Any, tmp_path: Path) -> None:
    llmock.outage()
    summary, verdict = buying(llmock, tmp_path, 40, patience=3.0)
    assert (summary.ended, summary.failed, summary.left) == ("unreachable", 0, 40)
    verdict.assert_ok()


def mixed(llmock: Any, folder: Path, count: int, seed: int) -> Any:
    """The verdict on one run, in which a fifth of all requests meets a fault, of one kind after another.

    From its queue llmock serves the first to come, until it is empty: that is no mixture but an outage at the start,
    through which the client waits for minutes.
    """
    from llmock.scenarios import Plan, RequestInfo

    llmock.reset()
    for fault in (limited, cut, corrupted, disconnected, failing):
        fault(llmock)
    random, queue = Random(seed), llmock._server.state.scenarios
    asked = RequestInfo("openai", "POST", "/v1/chat/completions")
    faults = [queue.plan_for(asked) for _ in range(sum(each.times for each in queue.pending()))]
    dealt = random.sample(faults, min(count // 4, len(faults))) + [Plan()] * (count - 1)
    random.shuffle(dealt)
    plans = [Plan(), *dealt]  # from the end: after the last answer nobody asks
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(queue, "plan_for", lambda _: plans.pop() if plans else Plan())
        summary, verdict = buying(llmock, folder, count, seed=seed)
    whole(folder, summary, count)
    assert (len(verdict.calls), plans) == (count, [])
    graded(verdict)
    return verdict


@pytest.mark.usefixtures("broken_whole")
def test_a_mixed_run_is_graded_strictly(llmock: Any, tmp_path: Path) -> None:
    verdict = mixed(llmock, tmp_path / "run", 40, seed=0)
    assert (verdict.attempts, verdict.faults) == (50, 10)


@pytest.mark.soak  # two minutes, which are the waits that llmock asks for
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("broken_whole")
def test_twelve_mixed_runs_are_graded_strictly(llmock: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    attempts = faults = again = 0
    for seed in range(12):
        began = time.monotonic()
        verdict = mixed(llmock, tmp_path / str(seed), 200, seed)
        attempts, faults = attempts + verdict.attempts, faults + verdict.faults
        again += sum(len(call.attempts) > 2 for call in verdict.calls)
        with capsys.disabled():
            print(f"\nllmock: run {seed}, {verdict.faults} faults, {time.monotonic() - began:.1f} s", end="")
    with capsys.disabled():
        print(f"\nllmock: 12 runs, 2,400 questions, {attempts:,} attempts, {faults} faults, {again} met more than one")
    assert (attempts, faults) == (12 * 246, 12 * 46)
