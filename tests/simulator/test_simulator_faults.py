"""Every fault happens as often as its rate says, to the same requests under the same seed, and costs what it should."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from provider import CHAT, MODELS, Provider, error_of, question, said

from phase0.errors import UsageError
from phase0.simulator.settings import AFTER, BEFORE, CONTENT, NAMES, Faults, Settings, check, parse_faults
from phase0.simulator.wire import Sent

COUNT, RATE = 1500, 0.2
ROAD = (*BEFORE, *AFTER)


def readable(sent: Sent) -> Any:
    try:
        return json.loads(sent.body)
    except ValueError:
        return None


def choice(sent: Sent) -> Any:
    found = readable(sent) or {}
    return (found.get("choices") or [{}])[0]


def error(status: int, code: str | None) -> Callable[[Sent], bool]:
    return lambda sent: sent.status == status and error_of(sent) == code


def has(sent: Sent, header: str) -> bool:
    return any(name == header for name, _ in sent.headers)


SHOWS: dict[str, Callable[[Sent], bool]] = {
    "rate_limit": lambda sent: sent.status == 429 and has(sent, "retry-after"),
    "rate_limit_bare": lambda sent: sent.status == 429 and not has(sent, "retry-after"),
    "slow_down": lambda sent: error(429, "slow_down")(sent) and has(sent, "retry-after"),
    "server_error": error(500, "server_error"),
    "bad_gateway": lambda sent: sent.status == 502 and readable(sent) is None and b"<html>" in sent.body,
    "overloaded": error(503, "server_is_overloaded"),
    "stall": lambda sent: sent.ending == "silence",
    "dropped": lambda sent: sent.ending == "hang_up",
    "no_quota": error(429, "insufficient_quota"),
    "bad_key": error(401, "invalid_api_key"),
    "no_access": lambda sent: sent.status == 403,
    "unknown_model": error(404, "model_not_found"),
    "too_long": error(400, "context_length_exceeded"),
    "lost": lambda sent: sent.ending == "hang_up",
    "truncated": lambda sent: sent.ending == "cut",
    "malformed": lambda sent: sent.status == 200 and readable(sent) is None,
    "no_reply": lambda sent: sent.status == 200 and readable(sent) is not None and not choice(sent),
    "no_finish": lambda sent: bool(choice(sent)) and choice(sent)["finish_reason"] is None,
    "length": lambda sent: choice(sent).get("finish_reason") == "length",
    "content_filter": lambda sent: choice(sent).get("finish_reason") == "content_filter",
    "blocked": error(400, "content_filter"),
    "empty": lambda sent: bool(choice(sent)) and choice(sent)["message"]["content"] == "",
    "refusal": lambda sent: bool(choice(sent)) and choice(sent)["message"]["refusal"] is not None,
    "declined": lambda sent: "I can't help" in (choice(sent).get("message", {}).get("content") or ""),
}


def struck(sent: Sent, fault: str) -> bool:
    if sent.ending == "hang_up":
        return fault in {"dropped", "lost"}
    if sent.ending == "silence":
        return fault == "stall"
    return SHOWS[fault](sent)


def settings(seed: int = 0, **rates: float) -> Settings:
    return Settings(models=MODELS, seed=seed, faults=Faults(**rates))  # type: ignore[arg-type]


def ask(provider: Provider, numbers: list[int]) -> dict[int, Sent]:
    return {number: provider.chat(f"Question number {number}", max_tokens=3000) for number in numbers}


@pytest.mark.parametrize("fault", [*ROAD, *CONTENT])
def test_a_fault_happens_at_its_rate_and_is_charged_only_if_work_was_done(tmp_path: Path, fault: str) -> None:
    with Provider(tmp_path, settings(**{fault: RATE})) as provider:
        sent = ask(provider, list(range(COUNT)))
        hit = {number for number, one in sent.items() if struck(one, fault)}
        # Five standard deviations of a binomial on either side: one false alarm in a million.
        assert abs(len(hit) - COUNT * RATE) < 5 * (COUNT * RATE * (1 - RATE)) ** 0.5
        assert all(choice(sent[number])["finish_reason"] == "stop" for number in set(sent) - hit)
        entries = provider.requests()
        assert {number for number, entry in enumerate(entries) if entry.fault == fault} == hit
        bill = provider.bill()
        unpaid = fault in BEFORE or fault == "blocked"
        assert bill.requests == (COUNT - len(hit) if unpaid else COUNT)
        assert bill.lost == (len(hit) if fault in AFTER else 0)


def test_every_fault_of_the_road_and_of_the_answer_has_a_test() -> None:
    assert set(SHOWS) == {*ROAD, *CONTENT}
    assert set(NAMES) | {"retry_after", "failed_code"} == {field.name for field in msgspec.structs.fields(Faults)}


def test_which_requests_meet_a_fault_depends_on_the_seed_and_not_on_their_order(tmp_path: Path) -> None:
    found = []
    for number, (seed, mixed) in enumerate(((7, False), (7, True), (8, False))):
        place = tmp_path / str(number)
        place.mkdir()
        numbers = list(range(300))
        if mixed:
            random.Random(1).shuffle(numbers)
        with Provider(place, settings(seed, server_error=0.3, empty=0.3)) as provider:
            sent = ask(provider, numbers)
            found.append({number for number, one in sent.items() if one.status == 500 or struck(one, "empty")})
    assert found[0] == found[1] != found[2]


def test_a_fault_of_the_road_may_be_gone_at_the_next_try_and_one_of_the_answer_stays(tmp_path: Path) -> None:
    with Provider(tmp_path, settings(server_error=0.5, refusal=0.5)) as provider:
        tries = [[provider.chat(f"Question {number}") for _ in range(6)] for number in range(60)]
        assert sum(len({one.status for one in sent}) == 2 for sent in tries) > 50
        for sent in tries:
            assert len({struck(one, "refusal") for one in sent if one.status == 200}) <= 1


def test_an_answer_that_was_cut_may_be_whole_with_a_larger_cap(tmp_path: Path) -> None:
    with Provider(tmp_path, settings(length=0.5)) as provider:
        cut = [number for number, one in ask(provider, list(range(100))).items() if struck(one, "length")]
        again = [provider.chat(f"Question number {number}", max_tokens=4000) for number in cut]
        assert 15 < sum(struck(one, "length") for one in again) < 35


def test_mixed_faults_each_keep_their_rate(tmp_path: Path) -> None:
    names = ("rate_limit", "server_error", "dropped", "malformed")
    with Provider(tmp_path, settings(**dict.fromkeys(names, 0.1), empty=0.2)) as provider:
        ask(provider, list(range(COUNT)))
        met = [entry.fault for entry in provider.requests()]
        for name in names:
            assert abs(met.count(name) - 150) < 5 * (150 * 0.9) ** 0.5
        assert abs(met.count("empty") - COUNT * 0.6 * 0.2) < 5 * (180 * 0.9) ** 0.5


def test_a_malformed_body_is_cut_short_or_html_or_nothing(tmp_path: Path) -> None:
    with Provider(tmp_path, settings(malformed=1.0)) as provider:
        bodies = [provider.chat("x" * number).body for number in range(6)]
        assert {body[:1] for body in bodies} == {b"{", b"<", b""}


@pytest.mark.parametrize("fault", ["truncated", "malformed", "no_finish", "no_reply", "lost"])
def test_a_stream_meets_the_faults_too(tmp_path: Path, fault: str) -> None:
    with Provider(tmp_path, settings(**{fault: 1.0})) as provider:
        sent = provider.chat("Tell me a long story", stream=True)
        text = b"".join(sent.events)
        if fault in {"truncated", "lost"}:
            assert sent.ending == {"truncated": "cut", "lost": "hang_up"}[fault]
        elif fault == "malformed":
            assert any(readable(Sent(200, event[6:])) is None for event in sent.events if b"[DONE]" not in event)
        else:
            assert b'"finish_reason":"stop"' not in text
        assert provider.bill().lost == 1


def test_files_and_batches_meet_the_faults_that_any_address_meets(tmp_path: Path) -> None:
    with Provider(tmp_path, settings(server_error=0.3, rate_limit=0.3)) as provider:
        statuses = [provider.send("GET", f"/v1/batches?limit={number}").status for number in range(1, 100)]
        statuses += [provider.send("GET", "/v1/models").status for _ in range(100)]
        assert 20 < statuses.count(500) < 100
        assert 20 < statuses.count(429) < 100
        assert provider.send("GET", "/_simulator/bill").status == 200


def test_a_file_may_break_off_while_it_is_read(tmp_path: Path) -> None:
    with Provider(tmp_path) as provider:
        file = provider.upload(b"line\n" * 100)
        provider.service.change(Faults(truncated=0.5))
        endings = [provider.send("GET", f"/v1/files/{file}/content").ending for _ in range(50)]
        assert set(endings) == {"whole", "cut"}


def test_a_batch_whose_answer_is_lost_has_been_made(tmp_path: Path) -> None:
    with Provider(tmp_path) as provider:
        file = provider.upload(b"")
        asked = {"input_file_id": file, "endpoint": CHAT, "completion_window": "24h", "metadata": {"tag": "t"}}
        provider.service.change(Faults(lost=1.0))
        assert provider.send("POST", "/v1/batches", asked).ending == "hang_up"
        provider.service.change(Faults())
        assert [batch["metadata"] for batch in said(provider.send("GET", "/v1/batches"))["data"]] == [{"tag": "t"}]


def test_other_rates_hold_from_now_on_with_what_they_ask_for(tmp_path: Path) -> None:
    with Provider(tmp_path, settings(server_error=1.0)) as provider:
        assert provider.chat().status == 500
        provider.service.change(Faults(rate_limit=1.0, retry_after=7.0))
        assert dict(provider.chat().headers)["retry-after"] == "7"
        provider.service.change(Faults())
        assert provider.chat().status == 200


def test_faults_can_be_ordered_one_by_one(tmp_path: Path) -> None:
    with Provider(tmp_path) as provider:
        provider.service.force(["rate_limit", None, "server_error"])
        assert provider.send("GET", "/v1/models").status == 200  # asks for no answer, uses up none
        assert [provider.chat().status for _ in range(5)] == [429, 200, 500, 200, 200]
        with pytest.raises(UsageError, match="no fault called 'serverr'"):
            provider.service.force(["serverr"])


def test_credit_that_is_used_up_is_a_429_at_openai_and_a_402_at_replicate(tmp_path: Path) -> None:
    with Provider(tmp_path, settings(no_quota=1.0)) as provider:
        assert provider.chat().status == 429
        sent = provider.send("POST", "/replicate/v1/models/meta/llama/predictions", {"input": {"prompt": "Hi"}})
        assert sent.status == 402


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/replicate/v1/models/meta/llama/predictions"])
def test_errors_are_worded_as_their_provider_words_them(tmp_path: Path, path: str) -> None:
    with Provider(tmp_path, settings(server_error=1.0)) as provider:
        body = question() if "chat" in path else {"input": {"prompt": "Hi"}}
        found = said(provider.send("POST", path, body))
        assert ("detail" in found) == ("replicate" in path)
        assert ("error" in found) == ("chat" in path)


@pytest.mark.parametrize(
    ("rates", "told"),
    [
        ({"server_error": 1.5}, "rates are from 0 to 1"),
        ({"server_error": -0.1}, "rates are from 0 to 1"),
        ({"server_error": 0.6, "dropped": 0.6}, "sum to 1.2"),
        ({"empty": 0.6, "refusal": 0.6}, "sum to 1.2"),
    ],
)
def test_rates_that_cannot_all_be_true_are_refused(rates: dict[str, float], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        check(settings(**rates))


def test_rates_of_different_kinds_may_sum_to_more_than_one() -> None:
    check(settings(server_error=0.9, empty=0.9, line_missing=0.9, batch_expired=0.9, shuffled=0.9))


def test_faults_are_read_from_a_line() -> None:
    assert parse_faults("server_error=0.1, lost=1", retry_after=3) == Faults(server_error=0.1, lost=1.0, retry_after=3)
    assert parse_faults("") == Faults()
    for wrong, told in (
        ("lsot=0.1", "Did you mean 'lost'"),
        ("lost", "should read lost=RATE"),
        ("lost=a", "lost=RATE"),
    ):
        with pytest.raises(UsageError, match=told):
            parse_faults(wrong)


def test_every_fault_is_described_on_the_page_of_the_command() -> None:
    page = (Path(__file__).parents[2] / "docs" / "commands.md").read_text(encoding="utf-8")
    section = page.partition("\n## phase0 simulate\n")[2].partition("\n## ")[0]
    cells = [
        line.split("|")[1] for line in section.splitlines() if line.startswith("| `") and "--" not in line.split("|")[1]
    ]
    described = [name.strip(" `") for cell in cells for name in cell.split(",")]
    assert sorted(described) == sorted(NAMES)
