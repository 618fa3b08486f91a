"""A simulated judge answers in the form it is asked for, or with a fault; no fault ever becomes a number."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from made import record
from provider import Provider, said, text_of

from phase0.catalog.models import Endpoint, servers, teacher
from phase0.exchanges.rubric import Rubric, Verdict
from phase0.exchanges.sheet import OffFormError, read
from phase0.providers import connect
from phase0.providers.openai import body_of
from phase0.records import DIMENSIONS, Record, Request
from phase0.simulator.settings import JUDGED, Faults, Replayed, Settings
from phase0.simulator.wire import Sent

JUDGE = Rubric(teacher("gpt-4o-mini"))
ENDPOINT = Endpoint(server=servers()["openai"], url="http://localhost/v1", model_id="gpt-4o-mini")
ANY = Settings()
TENTH = 0.1
COUNT = 600


def ask(provider: Provider, request: Request) -> Sent:
    return provider.send("POST", "/v1/chat/completions", body_of(ENDPOINT)(request))


def judged(provider: Provider, row: Record) -> Verdict:
    """What becomes of a row that is put to the simulator, through the provider's own reader."""
    (request,) = JUDGE.ask(row)
    return JUDGE.judged(row, [connect(ENDPOINT, None).read(ask(provider, request).body)])


def test_a_judge_is_answered_with_scores_always_the_same_and_with_their_probabilities(tmp_path: Path) -> None:
    with Provider(tmp_path, ANY) as provider:
        verdicts = [judged(provider, record(number)) for number in range(60)]
        assert verdicts[:10] == [judged(provider, record(number)) for number in range(10)]
        assert {verdict.state for verdict in verdicts} == {"scored"}
        values = [getattr(verdict.scores, name) for verdict in verdicts for name in DIMENSIONS]
        assert min(values) < 5 < 9 < max(values)
        assert sum(value != int(value) for value in values) > 100  # expected values are seldom whole


def test_the_expected_value_is_that_of_the_labels_beside_each_number(tmp_path: Path) -> None:
    with Provider(tmp_path, ANY) as provider:
        for number in range(30):
            (request,) = JUDGE.ask(record(number))
            sent = ask(provider, request)
            content = said(sent)["choices"][0]["logprobs"]["content"]
            at = [one for one in content if one["token"].isdigit()]
            assert len(at) == 4
            verdict = JUDGE.judged(record(number), [connect(ENDPOINT, None).read(sent.body)])
            listed = [{top["token"]: math.exp(top["logprob"]) for top in one["top_logprobs"]} for one in at]
            ten_is_a_token = any("10" in tops for tops in listed)
            for name, one, tops in zip(DIMENSIONS, at, listed, strict=True):
                labels = [(int(token), weight) for token, weight in tops.items() if token in LABELS]
                mean = sum(label * weight for label, weight in labels) / sum(weight for _, weight in labels)
                sure = ten_is_a_token or "1" not in tops
                tenths = math.floor(mean * 10 + 0.5 + 1e-9) if sure else 10 * int(one["token"])
                assert getattr(verdict.scores, name) == tenths / 10


LABELS = {str(label) for label in range(1, 11)}


def test_samples_differ_from_each_other(tmp_path: Path) -> None:
    with Provider(tmp_path, ANY) as provider:
        requests = Rubric(teacher("gpt-4o-mini"), samples=3).ask(record(1))
        assert len({text_of(ask(provider, request)) for request in requests}) == 3


def test_scores_that_a_file_has_are_replayed_to_the_judge_that_gave_them(tmp_path: Path) -> None:
    rows = [record(number) for number in range(20)]
    sheets = [dict.fromkeys(DIMENSIONS, 1 + number % 10) for number in range(20)]
    lines = [
        {"instruction": JUDGE.ask(row)[0].messages[1][1], "response": json.dumps(sheet), "model": "gpt-4o-mini"}
        for row, sheet in zip(rows, sheets, strict=True)
    ]
    path = tmp_path / "scores.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with Provider(tmp_path, Settings(answers=(Replayed(path=str(path)),))) as provider:
        for row, sheet in zip(rows, sheets, strict=True):
            (request,) = JUDGE.ask(row)
            assert json.loads(text_of(ask(provider, request))) == sheet
            assert judged(provider, row).state == "scored"
        assert judged(provider, record(99)).state == "scored"


# Faults.


@pytest.mark.parametrize("fault", JUDGED)
def test_a_judge_s_fault_happens_at_its_rate_and_only_to_answers_in_a_form(tmp_path: Path, fault: str) -> None:
    with Provider(tmp_path, Settings(faults=Faults(**{fault: 0.2}))) as provider:  # type: ignore[arg-type]
        states = Counter(judged(provider, record(number)).state for number in range(COUNT))
        other = "abstained" if fault == "abstained" else "unreadable"
        assert set(states) == {"scored", other}
        assert abs(states[other] - COUNT * 0.2) < 5 * (COUNT * 0.16) ** 0.5
        asked = provider.requests()
        assert sum(entry.fault == fault for entry in asked) == states[other]
        assert all(provider.chat(f"Question {number}").status == 200 for number in range(50))
        assert not any(entry.fault for entry in provider.requests()[len(asked) :])


@pytest.mark.parametrize("fault", ["off_form", "off_scale", "injected"])
def test_a_fault_has_many_forms_and_none_of_them_is_a_sheet(tmp_path: Path, fault: str) -> None:
    with Provider(tmp_path, Settings(faults=Faults(**{fault: 1.0}))) as provider:  # type: ignore[arg-type]
        texts = [text_of(ask(provider, JUDGE.ask(record(number))[0])) for number in range(200)]
    reasons = set()
    for text in texts:
        with pytest.raises(OffFormError) as error:
            read(text)
        reasons.add(str(error.value)[:25])
    assert len(reasons) >= 4


TENTHS = {
    "off_form": "unreadable",
    "off_scale": "unreadable",
    "injected": "unreadable",
    "length": "unreadable",
    "declined": "unreadable",
    "empty": "unreadable",
    "refusal": "refused",
    "content_filter": "refused",
    "abstained": "abstained",
}


def test_with_every_fault_at_a_tenth_none_becomes_a_number_and_the_rest_all_do(tmp_path: Path) -> None:
    """Malformed, off the scale, injected, cut off, declined, empty, refused, filtered, abstained: nine of ten fail."""
    faults: Any = dict.fromkeys(TENTHS, TENTH)
    with Provider(tmp_path, Settings(seed=5, faults=Faults(**faults))) as provider:
        verdicts = [judged(provider, record(number)) for number in range(COUNT)]
        met = [entry.fault for entry in provider.requests()]
    for verdict, fault in zip(verdicts, met, strict=True):
        assert verdict.state == TENTHS.get(fault or "", "scored")
        assert (verdict.scores is None) == (fault is not None)
    for fault in (*TENTHS, None):
        assert abs(met.count(fault) - COUNT * TENTH) < 5 * (COUNT * TENTH * (1 - TENTH)) ** 0.5


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_ten_thousand_answers_with_every_fault_at_a_tenth_have_no_number_that_is_none(tmp_path: Path) -> None:
    faults: Any = dict.fromkeys(TENTHS, TENTH)
    found: Counter[tuple[str, str]] = Counter()
    with Provider(tmp_path, Settings(seed=6, faults=Faults(**faults))) as provider:
        verdicts = [judged(provider, record(number)) for number in range(10_000)]
        for verdict, entry in zip(verdicts, provider.requests(), strict=True):
            assert (verdict.scores is None) == (entry.fault is not None)
            found[entry.fault or "none", verdict.state] += 1
    for (fault, state), count in sorted(found.items()):
        print(f"{fault:15} {state:11} {count:6,}")
    assert dict(iter(found)) == {**TENTHS, "none": "scored"}
