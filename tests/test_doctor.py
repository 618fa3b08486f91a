"""The doctor finds what would stop a plan, says what to do about it, and spends nothing unless asked to."""

from __future__ import annotations

import asyncio
import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from loopback import KEY, Asked, answer, completion, run, serving

from phase0 import doctor as module
from phase0.cli import status_of
from phase0.doctor import Finding, Here, doctor
from phase0.plan import Plan, plan_from

TODAY = date(2026, 11, 22)
NO_DISK = {"download": {"inputs": ["x.jsonl"]}}


def plan(*teachers: str, judge: str = "local") -> Plan:
    shares = {name: 100 // len(teachers) for name in teachers}
    shares[teachers[0]] += 100 - sum(shares.values())
    return plan_from({"name": "p", **NO_DISK, "distill": {"mix": shares}, "score": {"model": judge}})


def examine(
    wanted: Plan, *answers: bytes, today: date = TODAY, free: int = 10**12, live: bool = False, **variables: str
) -> tuple[list[Finding], list[Asked]]:
    """What the doctor finds where OpenAI is on loopback and gives these answers."""

    async def whole() -> tuple[list[Finding], list[Asked]]:
        async with serving(*answers or (b"",)) as loopback:
            known = {"OPENAI_BASE_URL": loopback.url, **variables}
            found = await asyncio.to_thread(doctor, wanted, Here(known, today, free), live=live)
            return found, loopback.asked

    return run(whole())


def of(found: list[Finding], who: str, check: str) -> list[tuple[str, str]]:
    return [(finding.verdict, finding.detail) for finding in found if (finding.who, finding.check) == (who, check)]


def listing(**models: str | None) -> bytes:
    return answer({"data": [{"id": name.replace("_", "-"), "shutdown_date": end} for name, end in models.items()]})


def test_a_plan_that_asks_nobody_needs_nothing() -> None:
    found, asked = examine(plan("original"))
    assert [finding.verdict for finding in found] == ["ok", "ok", "ok"]
    assert asked == []


def test_a_key_that_is_not_set_is_named_and_nobody_is_asked() -> None:
    found, asked = examine(plan("gpt-4o"))
    assert of(found, "gpt-4o", "key") == [("fail", "set OPENAI_API_KEY to ask openai")]
    assert asked == []


def test_all_keys_that_would_do_are_named() -> None:
    found, _ = examine(plan("llama-405b"))
    ((verdict, detail),) = of(found, "llama-405b", "key")
    assert verdict == "fail"
    assert {"OPENROUTER_API_KEY", "REPLICATE_API_TOKEN", "TOGETHER_API_KEY"} <= set(detail.split())


def test_a_model_that_is_listed_priced_and_takes_batches_is_well() -> None:
    found, asked = examine(plan("gpt-6-luna"), listing(gpt_6_luna=None), OPENAI_API_KEY=KEY)
    assert {finding.verdict for finding in found} == {"ok"}
    assert of(found, "gpt-6-luna", "batch") == [("ok", "openai takes up to 50,000 requests in 24h, 50% cheaper")]
    assert "$0.10 in, $0.50 out" in of(found, "gpt-6-luna", "price")[0][1]
    assert [one.path for one in asked] == ["/v1/models"]


def test_a_model_that_is_not_listed_names_its_replacement() -> None:
    found, _ = examine(plan("gpt-4o"), listing(gpt_4o_old=None), OPENAI_API_KEY=KEY)
    ((verdict, detail),) = of(found, "gpt-4o", "model")
    assert verdict == "fail"
    assert detail == (
        "openai does not list 'gpt-4o'. Did you mean 'gpt-4o-old'? Take gpt-6.1-sol (openai) in its place."
    )


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"", "the connection broke"),
        (answer({"error": {"message": "Incorrect API key", "code": "invalid_api_key"}}, 401), "Check OPENAI_API_KEY"),
        (answer(b"<html><title>Sorry</title>", 503), "a web page called 'Sorry'"),
        (answer(b"{}"), "no list of models"),
    ],
)
def test_an_endpoint_that_cannot_be_asked_fails_with_what_it_said(said: bytes, words: str) -> None:
    found, _ = examine(plan("gpt-4o-mini"), said, OPENAI_API_KEY=KEY)
    ((verdict, detail),) = of(found, "gpt-4o-mini", "model")
    assert verdict == "fail"
    assert words in detail
    assert "Take gpt-6-luna" in detail
    assert KEY not in "".join(map(str, found))


@pytest.mark.parametrize(
    ("today", "verdict", "words"),
    [
        (date(2026, 10, 1), None, ""),
        (date(2026, 11, 22), "warn", "is switched off on 2027-01-14, in 53 days"),
        (date(2027, 1, 14), "fail", "was switched off on 2027-01-14"),
        (date(2027, 6, 1), "fail", "Take gpt-6-luna (openai) in its place"),
    ],
)
def test_the_end_of_a_model_is_warned_about_and_then_told(today: date, verdict: str | None, words: str) -> None:
    found, _ = examine(plan("original", judge="gpt-4o-mini"), today=today)
    told = of(found, "gpt-4o-mini", "lifetime")
    assert [one for one, _ in told] == ([verdict] if verdict else [])
    assert all(words in detail for _, detail in told)


def test_a_judge_is_warned_about_that_is_of_a_teachers_family() -> None:
    found, _ = examine(plan("gpt-4o", "llama-405b", judge="gpt-4o-mini"))
    ((verdict, detail),) = of(found, "gpt-4o-mini", "family")
    assert verdict == "warn"
    assert "gpt-4o-mini judges answers of gpt-4o, of its own family (gpt)" in detail
    assert of(examine(plan("llama-405b", judge="gpt-4o-mini"))[0], "gpt-4o-mini", "family") == []


def test_the_end_that_an_endpoint_announces_counts_too() -> None:
    found, _ = examine(plan("gpt-6-luna"), listing(gpt_6_luna="2026-12-01"), OPENAI_API_KEY=KEY)
    assert of(found, "gpt-6-luna", "lifetime") == [
        ("warn", "gpt-6-luna is switched off on 2026-12-01, in 9 days (openai).")
    ]


def test_one_endpoint_that_works_makes_the_others_a_warning() -> None:
    async def whole() -> list[Finding]:
        model = answer({"data": [{"id": "Qwen/Qwen3-Coder-480B-A35B-Instruct"}]})
        async with serving(model) as good, serving(answer({"data": []})) as bad:
            known = {
                "HF_INFERENCE_BASE_URL": good.url,
                "HF_TOKEN": KEY,
                "DEEPINFRA_BASE_URL": bad.url,
                "DEEPINFRA_TOKEN": KEY,
            }
            return await asyncio.to_thread(doctor, plan("qwen-coder-480b"), Here(known, TODAY, 10**12))

    found = run(whole())
    assert [verdict for verdict, _ in of(found, "qwen-coder-480b", "model")] == ["ok", "warn"]
    assert "fail" not in {finding.verdict for finding in found}


def test_an_unknown_price_fails_with_the_way_to_give_one() -> None:
    async def whole() -> list[Finding]:
        async with serving(answer({})) as loopback:
            known = {"REPLICATE_BASE_URL": loopback.url, "REPLICATE_API_TOKEN": KEY}
            return await asyncio.to_thread(doctor, plan("llama-405b"), Here(known, TODAY, 10**12))

    found = run(whole())
    assert of(found, "llama-405b", "price") == [("fail", "unknown at replicate; give it with --price IN,OUT")]
    assert of(found, "llama-405b", "model") == [("ok", "replicate lists meta/meta-llama-3.1-405b-instruct")]


def test_live_asks_for_a_few_tokens_and_shows_them() -> None:
    said = (listing(gpt_6_luna=None), answer(completion()))
    found, asked = examine(plan("gpt-6-luna"), *said, live=True, OPENAI_API_KEY=KEY)
    assert of(found, "gpt-6-luna", "answer") == [("ok", "openai answered 'Hi.' (3 tokens in, 2 out)")]
    assert [one.method for one in asked] == ["GET", "POST"]
    assert json.loads(asked[1].body)["max_completion_tokens"] == 16


def test_live_tells_of_an_account_without_credit() -> None:
    broke = answer({"error": {"message": "You exceeded your quota", "type": "insufficient_quota"}}, 429)
    found, _ = examine(plan("gpt-6-luna"), listing(gpt_6_luna=None), broke, live=True, OPENAI_API_KEY=KEY)
    ((verdict, detail),) = of(found, "gpt-6-luna", "answer")
    assert verdict == "fail"
    assert "out of credit" in detail


def test_a_name_that_is_no_teacher_suggests_one() -> None:
    found, _ = examine(plan("gpt-4"))
    ((verdict, detail),) = of(found, "gpt-4", "model")
    assert verdict == "fail"
    assert "Did you mean 'gpt-4o'" in detail


def test_a_disk_without_room_fails() -> None:
    wanted = plan_from({"name": "p", "download": {"datasets": ["alpaca"]}})
    assert of(examine(wanted, free=10**9)[0], "disk", "space")[0][0] == "fail"
    assert of(examine(wanted, free=10**11)[0], "disk", "space")[0][0] == "ok"


def test_the_command_prints_a_table_and_its_status_says_whether_something_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    path = tmp_path / "plan.toml"
    path.write_text('name = "p"\n[download]\ninputs = ["x"]\n[distill.mix]\ngpt-4o = 100\n', encoding="utf-8")
    assert status_of(["doctor", str(path)]) == 1
    table = capsys.readouterr().out
    assert "fail  gpt-4o  key" in table
    assert "1 fail" in table
    assert status_of(["doctor", str(path), "--set", "distill.mix={ original = 100 }"]) == 0
    assert status_of(["doctor", str(tmp_path / "none.toml")]) == 2


def test_the_tiny_request_is_tiny() -> None:
    assert len(module._HELLO[0][1]) < 60


def test_any_price_may_stand_in_for_the_catalogue_s() -> None:
    def nobody_knows(endpoint: Any) -> None:
        return None

    async def whole() -> list[Finding]:
        async with serving(listing(gpt_4o=None)) as loopback:
            known = {"OPENAI_BASE_URL": loopback.url, "OPENAI_API_KEY": KEY}
            here = Here(known, TODAY, 10**12)
            return await asyncio.to_thread(doctor, plan("gpt-4o"), here, price=nobody_knows)

    assert of(run(whole()), "gpt-4o", "price")[0][0] == "fail"
