"""Replicate's predictions."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from provider import Provider, said, text_of

from phase0.simulator.settings import Faults, Latency, Limits, Model, Settings

NAME = "meta/meta-llama-3.1-405b-instruct"
MODELS = (Model(name=NAME, price=(Decimal("9.5"), Decimal("9.5"))),)
SLOW = Settings(models=MODELS, latency=Latency(median=100.0))


def predict(provider: Provider, prompt: str = "Hi", *, prefer: str = "", **more: Any) -> Any:
    path = f"/replicate/v1/models/{NAME}/predictions"
    return provider.send("POST", path, {"input": {"prompt": prompt, **more}}, prefer=prefer)


def test_a_prediction_that_is_waited_for_is_whole_and_says_what_the_model_says_in_a_chat(tmp_path: Path) -> None:
    with Provider(tmp_path, Settings(models=MODELS)) as provider:
        sent = predict(provider, "Why?", prefer="wait")
        made = said(sent)
        assert (sent.status, made["status"]) == (201, "succeeded")
        assert len(made["output"]) > 1
        assert "".join(made["output"]) == text_of(provider.chat("Why?", model=NAME, max_tokens=512))
        assert made["metrics"]["output_token_count"] == provider.bill().lines[1].tokens_out
        assert [line.mode for line in provider.bill().lines] == ["online", "prediction"]


def test_a_prediction_that_is_not_waited_for_is_polled_until_it_is_done(tmp_path: Path) -> None:
    with Provider(tmp_path, SLOW) as provider:
        made = said(predict(provider))
        assert (made["status"], made["output"], made["completed_at"]) == ("starting", None, None)
        path = made["urls"]["get"].removeprefix("http://127.0.0.1:1")
        assert path == f"/replicate/v1/predictions/{made['id']}"
        seen = []
        for _ in range(4):
            provider.clock.skip(30)
            seen.append(said(provider.send("GET", path))["status"])
        assert seen == ["processing", "processing", "processing", "succeeded"]
        assert provider.send("GET", path, key="another").status == 404
        assert provider.bill().requests == 1


def test_a_connection_is_held_as_long_as_was_asked_and_no_longer_than_a_minute(tmp_path: Path) -> None:
    with Provider(tmp_path, SLOW) as provider:
        for prefer, seconds in (("", 0), ("wait=5", 5), ("wait", 60), ("wait=90", 60)):
            sent = predict(provider, prefer=prefer)
            assert sent.wait == seconds
            assert said(sent)["status"] == ("processing" if seconds == 60 else "starting")


def test_a_prediction_can_be_cancelled_while_it_runs(tmp_path: Path) -> None:
    with Provider(tmp_path, SLOW) as provider:
        made = said(predict(provider))
        cancel = made["urls"]["cancel"].removeprefix("http://127.0.0.1:1")
        assert said(provider.send("POST", cancel))["status"] == "canceled"
        provider.clock.skip(200)
        assert said(provider.send("POST", cancel))["status"] == "canceled"
        done = said(predict(provider, "Another", prefer="wait"))
        provider.clock.skip(200)
        assert said(provider.send("POST", f"/replicate/v1/predictions/{done['id']}/cancel"))["status"] == "succeeded"


def test_a_blocked_prompt_and_a_broken_answer_are_failed_predictions(tmp_path: Path) -> None:
    for fault, told in (("blocked", "filtered"), ("no_finish", "interrupted")):
        (tmp_path / fault).mkdir()
        faults = Faults(blocked=1.0) if fault == "blocked" else Faults(no_finish=1.0)
        with Provider(tmp_path / fault, Settings(models=MODELS, faults=faults)) as provider:
            made = said(predict(provider, prefer="wait"))
            assert (made["status"], made["output"]) == ("failed", None)
            assert told in made["error"]


@pytest.mark.parametrize("body", [b"{", b"[]", b"{}", b'{"input": 5}'])
def test_a_body_without_an_input_cannot_be_processed(tmp_path: Path, body: bytes) -> None:
    with Provider(tmp_path, Settings(models=MODELS)) as provider:
        sent = provider.send("POST", f"/replicate/v1/models/{NAME}/predictions", body)
        assert sent.status == 422
        assert "detail" in said(sent)


def test_limits_and_unknown_models_are_told_as_replicate_tells_them(tmp_path: Path) -> None:
    with Provider(tmp_path, Settings(models=MODELS, limits=Limits(requests_per_minute=1))) as provider:
        assert predict(provider).status == 201
        limited = predict(provider)
        assert limited.status == 429
        assert "Rate limit" in said(limited)["detail"]
        assert dict(limited.headers)["retry-after"] == "60"
        sent = provider.send("POST", "/replicate/v1/models/no/body/predictions", {"input": {"prompt": "Hi"}})
        assert (sent.status, set(said(sent))) == (404, {"detail", "status"})


def test_a_system_prompt_and_a_cap_are_heeded(tmp_path: Path) -> None:
    with Provider(tmp_path, Settings(models=MODELS)) as provider:
        short = said(predict(provider, "Why?", max_tokens=3, system_prompt="Be short."))
        assert short["metrics"]["output_token_count"] == 3
        assert short["metrics"]["input_token_count"] > said(predict(provider, "Why?"))["metrics"]["input_token_count"]


def test_a_model_is_described(tmp_path: Path) -> None:
    with Provider(tmp_path, Settings(models=MODELS)) as provider:
        found = said(provider.send("GET", f"/replicate/v1/models/{NAME}"))
        assert (found["owner"], found["name"]) == ("meta", "meta-llama-3.1-405b-instruct")
        assert provider.send("GET", "/replicate/v1/models/no/body").status == 404
