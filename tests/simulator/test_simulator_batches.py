"""Batches: every state, every end, every fault of a line, in both dialects."""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from provider import GPT, LLAMA, MODELS, Provider, error_of, jsonl, lines_of, said, text_of

from phase0.simulator.settings import BatchLife, Faults, Settings

LIFE = BatchLife(validating=10, running=100, finalizing=5, cancelling=20, window=1000)
ENDPOINT = "/v1/chat/completions"


def settings(**more: Any) -> Settings:
    return Settings(models=MODELS, batches=LIFE, **more)


def create(provider: Provider, body: bytes, *, key: str = "sk-test", **more: Any) -> dict[str, Any]:
    file = provider.upload(body)
    asked = {"input_file_id": file, "endpoint": ENDPOINT, "completion_window": "24h", **more}
    sent = provider.send("POST", "/v1/batches", asked, key=key)
    assert sent.status == 200, sent.body
    return dict(said(sent))


def state(provider: Provider, name: str, root: str = "/v1") -> dict[str, Any]:
    return dict(said(provider.send("GET", f"{root}/batches/{name}")))


def lines(provider: Provider, file: str | None) -> list[dict[str, Any]]:
    if file is None:
        return []
    return [json.loads(line) for line in provider.send("GET", f"/v1/files/{file}/content").body.splitlines()]


def ended(provider: Provider, name: str) -> dict[str, Any]:
    provider.clock.skip(LIFE.window + 1)
    return state(provider, name)


def ids(found: list[dict[str, Any]]) -> list[str]:
    return [line["custom_id"] for line in found]


def test_a_batch_goes_through_its_states_by_the_clock_and_answers_every_line(tmp_path: Path) -> None:
    with Provider(tmp_path, settings()) as provider:
        made = create(provider, jsonl(lines_of(10)), metadata={"tag": "run-1/shard-2"})
        assert (made["status"], made["output_file_id"]) == ("validating", None)
        seen = []
        for seconds in (9, 2, 98, 4, 3):
            provider.clock.skip(seconds)
            seen.append(state(provider, made["id"])["status"])
        assert seen == ["validating", "in_progress", "in_progress", "finalizing", "completed"]
        batch = state(provider, made["id"])
        assert batch["request_counts"] == {"total": 10, "completed": 10, "failed": 0}
        assert batch["metadata"] == {"tag": "run-1/shard-2"}
        assert batch["error_file_id"] is None
        assert batch["completed_at"] - batch["created_at"] == 115
        assert batch["expires_at"] - batch["created_at"] == 1000
        assert sorted(ids(lines(provider, batch["output_file_id"]))) == sorted(f"r{number}" for number in range(10))


def test_a_line_says_what_the_same_request_says_online_at_half_the_price(tmp_path: Path) -> None:
    with Provider(tmp_path, settings()) as provider:
        batch = ended(provider, create(provider, jsonl(lines_of(3)))["id"])
        answers = {line["custom_id"]: line["response"] for line in lines(provider, batch["output_file_id"])}
        for number in range(3):
            online = provider.chat(f"Question {number}")
            assert answers[f"r{number}"]["body"]["choices"][0]["message"]["content"] == text_of(online)
            assert answers[f"r{number}"]["body"]["usage"] == said(online)["usage"]
        bill = {line.mode: line for line in provider.bill().lines}
        assert (bill["batch"].tokens_in, bill["batch"].tokens_out) == (
            bill["online"].tokens_in,
            bill["online"].tokens_out,
        )
        assert bill["batch"].usd == (bill["online"].usd or Decimal()) / 2


def test_a_batch_is_charged_once_however_often_it_is_looked_at(tmp_path: Path) -> None:
    with Provider(tmp_path, settings()) as provider:
        made = create(provider, jsonl(lines_of(5)))
        assert provider.bill().requests == 0
        for _ in range(3):
            ended(provider, made["id"])
        assert provider.bill().requests == 5
        assert sorted(entry.custom_id or "" for entry in provider.requests() if entry.mode == "batch") == ids(
            lines_of(5)
        )


def test_progress_is_counted_while_it_runs(tmp_path: Path) -> None:
    with Provider(tmp_path, settings()) as provider:
        made = create(provider, jsonl(lines_of(100)))
        provider.clock.skip(10 + 30)
        assert state(provider, made["id"])["request_counts"]["completed"] == 30


@pytest.mark.parametrize(
    ("body", "code", "line"),
    [
        (b"", "empty_file", None),
        (jsonl(lines_of(2)) + b"not json\n", "invalid_json_line", 3),
        (jsonl(lines_of(1)) + jsonl(lines_of(1)), "duplicate_custom_id", 2),
        (jsonl(lines_of(2, url="/v1/embeddings")), "url_mismatch", 1),
        (jsonl([*lines_of(1), {**lines_of(2, model=LLAMA.name)[1]}]), "model_mismatch", 2),
        (jsonl([{"custom_id": "a", "body": {}}]), "invalid_method", 1),
        (jsonl(lines_of(6)), "too_many_tasks", None),
    ],
)
def test_a_file_that_validation_refuses_fails_later_with_its_code_and_line(
    tmp_path: Path, body: bytes, code: str, line: int | None
) -> None:
    life = msgspec.structs.replace(LIFE, max_requests=5)
    with Provider(tmp_path, Settings(models=MODELS, batches=life)) as provider:
        made = create(provider, body)
        assert (made["status"], made["errors"]) == ("validating", None)
        batch = ended(provider, made["id"])
        assert batch["status"] == "failed"
        assert (batch["errors"]["data"][0]["code"], batch["errors"]["data"][0]["line"]) == (code, line)
        assert batch["failed_at"] is not None
        assert (batch["output_file_id"], batch["error_file_id"]) == (None, None)
        assert provider.bill().requests == 0


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"input_file_id": "file-none"}, "input_file_id"),
        ({"endpoint": "/v1/embeddings"}, "endpoint"),
        ({"completion_window": "1h"}, "completion_window"),
        ({"metadata": {"k" * 65: "v"}}, "64 characters"),
        ({"metadata": {"k": "v" * 513}}, "512"),
        ({"metadata": {str(number): "v" for number in range(17)}}, "17 pairs"),
    ],
)
def test_a_batch_that_cannot_be_made_is_refused_at_once(tmp_path: Path, change: dict[str, Any], told: str) -> None:
    with Provider(tmp_path, settings()) as provider:
        asked = {"input_file_id": provider.upload(b"{}"), "endpoint": ENDPOINT, "completion_window": "24h", **change}
        sent = provider.send("POST", "/v1/batches", asked)
        assert sent.status == 400
        assert told in said(sent)["error"]["message"]
        assert said(provider.send("GET", "/v1/batches"))["data"] == []


def test_a_file_of_another_purpose_makes_no_batch(tmp_path: Path) -> None:
    with Provider(tmp_path, settings()) as provider:
        asked = {
            "input_file_id": provider.upload(b"{}", purpose="batch-api"),
            "endpoint": ENDPOINT,
            "completion_window": "24h",
        }
        assert "batch-api" in said(provider.send("POST", "/v1/batches", asked))["error"]["message"]


def test_a_full_queue_of_tokens_fails_the_batch_and_has_room_again_when_others_have_ended(tmp_path: Path) -> None:
    # A line of lines_of has 4 + 3 + 3 or 4 tokens.
    narrow = msgspec.structs.replace(GPT, enqueued_tokens=150)
    with Provider(tmp_path, Settings(models=(narrow,), batches=LIFE)) as provider:
        first, second = create(provider, jsonl(lines_of(10))), create(provider, jsonl(lines_of(9)))
        provider.clock.skip(11)
        assert state(provider, first["id"])["status"] == "in_progress"
        refused = state(provider, second["id"])
        assert refused["status"] == "failed"
        assert refused["errors"]["data"][0]["code"] == "token_limit_exceeded"
        assert "Limit: 150 enqueued tokens" in refused["errors"]["data"][0]["message"]
        ended(provider, first["id"])
        assert ended(provider, create(provider, jsonl(lines_of(9)))["id"])["status"] == "completed"


def test_a_model_that_takes_no_batches_fails_them(tmp_path: Path) -> None:
    alone = msgspec.structs.replace(GPT, takes_batches=False)
    with Provider(tmp_path, Settings(models=(alone,), batches=LIFE)) as provider:
        assert (
            ended(provider, create(provider, jsonl(lines_of(1)))["id"])["errors"]["data"][0]["code"] == "invalid_model"
        )


def test_a_cancelled_batch_keeps_the_lines_that_were_answered_and_names_the_others(tmp_path: Path) -> None:
    with Provider(tmp_path, settings()) as provider:
        made = create(provider, jsonl(lines_of(100)))
        provider.clock.skip(10 + 40)
        assert said(provider.send("POST", f"/v1/batches/{made['id']}/cancel"))["status"] == "cancelling"
        provider.clock.skip(19)
        assert state(provider, made["id"])["status"] == "cancelling"
        provider.clock.skip(2)
        batch = state(provider, made["id"])
        assert batch["status"] == "cancelled"
        done, undone = lines(provider, batch["output_file_id"]), lines(provider, batch["error_file_id"])
        assert (len(done), len(undone)) == (40, 60)
        assert {line["error"]["code"] for line in undone} == {"batch_cancelled"}
        assert sorted(ids(done) + ids(undone)) == sorted(ids(lines_of(100)))
        assert ids(done) != ids(lines_of(40))  # holes everywhere, not a tail
        assert provider.bill().requests == 40
        assert provider.send("POST", f"/v1/batches/{made['id']}/cancel").status == 409


def test_a_batch_cancelled_before_it_began_has_no_output(tmp_path: Path) -> None:
    with Provider(tmp_path, settings()) as provider:
        made = create(provider, jsonl(lines_of(4)))
        provider.send("POST", f"/v1/batches/{made['id']}/cancel")
        batch = ended(provider, made["id"])
        assert (batch["status"], batch["output_file_id"]) == ("cancelled", None)
        assert len(lines(provider, batch["error_file_id"])) == 4


@pytest.mark.parametrize(
    ("fate", "status", "answered", "code"),
    [
        ("batch_expired", "expired", 50, "batch_expired"),
        ("batch_cancelled", "cancelled", 50, "batch_cancelled"),
        ("batch_no_output", "completed", 0, None),
    ],
)
def test_a_batch_that_ends_badly_still_says_what_became_of_every_line(
    tmp_path: Path, fate: str, status: str, answered: int, code: str | None
) -> None:
    with Provider(tmp_path, settings(faults=msgspec.convert({fate: 1.0}, Faults))) as provider:
        batch = ended(provider, create(provider, jsonl(lines_of(100)))["id"])
        assert batch["status"] == status
        done, undone = lines(provider, batch["output_file_id"]), lines(provider, batch["error_file_id"])
        assert (len(done), len(undone)) == (answered, 100 - answered)
        assert (batch["output_file_id"] is None) == (answered == 0)
        assert {line["error"] and line["error"]["code"] for line in undone} == {code}
        assert provider.bill().requests == answered


def test_a_batch_that_takes_longer_than_its_window_expires(tmp_path: Path) -> None:
    life = msgspec.structs.replace(LIFE, window=60)
    with Provider(tmp_path, Settings(models=MODELS, batches=life)) as provider:
        made = create(provider, jsonl(lines_of(100)))
        provider.clock.skip(61)
        batch = state(provider, made["id"])
        assert batch["status"] == "expired"
        assert len(lines(provider, batch["output_file_id"])) == 50


@pytest.mark.parametrize("code", ["token_limit_exceeded", "too_many_tasks"])
def test_a_good_file_can_be_refused_with_any_code(tmp_path: Path, code: str) -> None:
    with Provider(tmp_path, settings(faults=Faults(batch_failed=1.0, failed_code=code))) as provider:
        batch = ended(provider, create(provider, jsonl(lines_of(3)))["id"])
        assert batch["errors"]["data"][0]["code"] == code


def test_a_batch_sent_again_draws_its_fate_again(tmp_path: Path) -> None:
    with Provider(tmp_path, settings(faults=Faults(batch_failed=0.5))) as provider:
        names = [create(provider, jsonl(lines_of(2)))["id"] for _ in range(40)]
        provider.clock.skip(2000)
        assert Counter(state(provider, name)["status"] for name in names).keys() == {"failed", "completed"}


def spoilt(tmp_path: Path, faults: Faults, count: int = 400) -> tuple[list[bytes], list[bytes], Provider]:
    with Provider(tmp_path, settings(faults=faults)) as provider:
        batch = ended(provider, create(provider, jsonl(lines_of(count)))["id"])
        files = [batch["output_file_id"], batch["error_file_id"]]
        bodies = [provider.send("GET", f"/v1/files/{file}/content").body.splitlines() if file else [] for file in files]
        return bodies[0], bodies[1], provider


def test_lines_fail_with_a_status_of_their_own_and_are_not_charged(tmp_path: Path) -> None:
    output, errors, provider = spoilt(tmp_path, Faults(line_error=0.2))
    assert 50 < len(errors) < 110
    assert len(output) + len(errors) == 400
    assert {json.loads(line)["response"]["status_code"] for line in errors} == {500}
    assert provider.journal.bill().requests == len(output)


def test_lines_go_missing_and_are_charged_as_lost(tmp_path: Path) -> None:
    output, errors, provider = spoilt(tmp_path, Faults(line_missing=0.2))
    assert 290 < len(output) < 350
    assert not errors
    assert (provider.journal.bill().requests, provider.journal.bill().lost) == (400, 400 - len(output))


def test_lines_come_twice_but_are_charged_once(tmp_path: Path) -> None:
    output, _, provider = spoilt(tmp_path, Faults(line_duplicate=0.2))
    counts = Counter(json.loads(line)["custom_id"] for line in output)
    assert len(counts) == 400
    assert 50 < sum(count == 2 for count in counts.values()) < 110
    assert provider.journal.bill().requests == 400


def test_lines_come_under_names_that_nobody_sent(tmp_path: Path) -> None:
    output, _, provider = spoilt(tmp_path, Faults(line_wrong_id=0.2))
    strange = [line for line in output if json.loads(line)["custom_id"] not in ids(lines_of(400))]
    assert 50 < len(strange) < 110
    assert provider.journal.bill().lost == len(strange)


def test_lines_are_cut_in_the_middle(tmp_path: Path) -> None:
    output, _, provider = spoilt(tmp_path, Faults(line_malformed=0.2))
    broken = 0
    for line in output:
        try:
            json.loads(line)
        except json.JSONDecodeError:
            broken += 1
    assert 50 < broken < 110
    assert provider.journal.bill().lost == broken


def test_lines_are_shuffled_and_all_there(tmp_path: Path) -> None:
    output, _, _ = spoilt(tmp_path, Faults(shuffled=1.0))
    found = [json.loads(line)["custom_id"] for line in output]
    assert found != ids(lines_of(400))
    assert sorted(found) == sorted(ids(lines_of(400)))


def test_faults_of_lines_are_the_same_in_the_same_file_and_others_under_another_seed(tmp_path: Path) -> None:
    found = []
    for number, seed in enumerate((1, 1, 2)):
        place = tmp_path / str(number)
        place.mkdir()
        with Provider(place, settings(seed=seed, faults=Faults(line_missing=0.5))) as provider:
            batch = ended(provider, create(provider, jsonl(lines_of(50)))["id"])
            found.append(ids(lines(provider, batch["output_file_id"])))
    assert found[0] == found[1] != found[2]


def test_faults_of_the_answer_are_those_that_the_request_meets_online(tmp_path: Path) -> None:
    faults = Faults(refusal=0.2, blocked=0.2, content_filter=0.2, empty=0.2)
    with Provider(tmp_path, settings(faults=faults)) as provider:
        batch = ended(provider, create(provider, jsonl(lines_of(60)))["id"])
        found = {**{line["custom_id"]: line for line in lines(provider, batch["output_file_id"])}}
        refused = {line["custom_id"] for line in lines(provider, batch["error_file_id"])}
        assert refused
        for number in range(60):
            online = provider.chat(f"Question {number}")
            name = f"r{number}"
            assert (online.status == 400) == (name in refused)
            if name in found:
                body = found[name]["response"]["body"]
                assert body["choices"] == said(online)["choices"]


def test_the_list_is_paged_newest_first_and_holds_ones_own_alone(tmp_path: Path) -> None:
    with Provider(tmp_path, settings()) as provider:
        made = [create(provider, jsonl(lines_of(1)), metadata={"tag": str(number)})["id"] for number in range(7)]
        seen: list[str] = []
        after = ""
        while True:
            page = said(provider.send("GET", f"/v1/batches?limit=3{after}"))
            seen += [batch["id"] for batch in page["data"]]
            assert (page["first_id"], page["last_id"]) == (page["data"][0]["id"], page["data"][-1]["id"])
            if not page["has_more"]:
                break
            after = f"&after={page['last_id']}"
        assert seen == made[::-1]
        assert said(provider.send("GET", "/v1/batches", key="another"))["data"] == []
        assert provider.send("GET", f"/v1/batches/{made[0]}", key="another").status == 404
        assert provider.send("GET", "/v1/batches?limit=0").status == 400


def test_a_batch_or_file_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with Provider(tmp_path, settings()) as provider:
        for path in ("/v1/batches/batch_x", "/v1/files/file-x", "/v1/files/file-x/content", "/v1/nothing", "/nothing"):
            assert provider.send("GET", path).status == 404
        assert error_of(provider.send("POST", "/v1/batches/batch_x/cancel")) is None
