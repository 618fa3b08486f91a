"""Batches as Together has them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from provider import CHAT, LLAMA, MODELS, Provider, jsonl, lines_of, said

from phase0.simulator.settings import BatchLife, Faults, Settings

SETTINGS = Settings(models=MODELS, batches=BatchLife(validating=10, running=100, finalizing=5, window=1000))
ROOT = "/together/v1"


def create(provider: Provider, body: bytes, name: str = "in.jsonl") -> dict[str, Any]:
    file = provider.upload(body, purpose="batch-api", path=f"{ROOT}/files/upload", name=name)
    found: dict[str, Any] = said(provider.send("POST", f"{ROOT}/batches", {"input_file_id": file, "endpoint": CHAT}))
    return found


def state(provider: Provider, name: str) -> dict[str, Any]:
    return dict(said(provider.send("GET", f"{ROOT}/batches/{name}")))


def lines(provider: Provider, file: str | None) -> list[dict[str, Any]]:
    return [json.loads(line) for line in provider.send("GET", f"{ROOT}/files/{file}/content").body.splitlines()]


def test_together_wraps_what_it_creates_and_speaks_in_capitals(tmp_path: Path) -> None:
    bare = [{"custom_id": line["custom_id"], "body": line["body"]} for line in lines_of(20, model=LLAMA.name)]
    with Provider(tmp_path, SETTINGS) as provider:
        made = create(provider, jsonl(bare))
        assert set(made) == {"job", "warning"}
        assert made["job"]["status"] == "VALIDATING"
        seen = []
        for seconds in (11, 98, 4, 10):
            provider.clock.skip(seconds)
            seen.append(state(provider, made["job"]["id"])["status"])
        assert seen == ["IN_PROGRESS", "IN_PROGRESS", "IN_PROGRESS", "COMPLETED"]
        batch = state(provider, made["job"]["id"])
        assert batch["progress"] == 100.0
        assert not {"metadata", "request_counts", "object"} & set(batch)
        line = lines(provider, batch["output_file_id"])[0]
        assert set(line) == {"custom_id", "response"}
        assert line["response"]["body"]["choices"][0]["finish_reason"] == "eos"


def test_a_batch_is_found_by_the_name_of_its_file(tmp_path: Path) -> None:
    with Provider(tmp_path, SETTINGS) as provider:
        made = [create(provider, jsonl(lines_of(1)), name=f"tag-{number}.jsonl")["job"] for number in range(3)]
        files = {file["filename"]: file["id"] for file in said(provider.send("GET", f"{ROOT}/files"))["data"]}
        listed = said(provider.send("GET", f"{ROOT}/batches"))
        assert [job["id"] for job in listed] == [job["id"] for job in reversed(made)]
        assert [job["id"] for job in listed if job["input_file_id"] == files["tag-1.jsonl"]] == [made[1]["id"]]


def test_together_fails_with_a_sentence_and_leaves_out_what_it_never_reached(tmp_path: Path) -> None:
    faults = Faults(batch_expired=1.0, line_error=0.5)
    settings = Settings(models=MODELS, batches=SETTINGS.batches, faults=faults)
    with Provider(tmp_path, settings) as provider:
        names = [create(provider, body)["job"]["id"] for body in (jsonl(lines_of(100)), b"nonsense\n")]
        provider.clock.skip(2000)
        expired, failed = (state(provider, name) for name in names)
        assert (expired["status"], failed["status"]) == ("EXPIRED", "FAILED")
        assert failed["error"].startswith("invalid_json_line: ")
        done, wrong = lines(provider, expired["output_file_id"]), lines(provider, expired["error_file_id"])
        assert len(done) + len(wrong) == 50
        assert all(set(line) == {"custom_id", "error"} for line in wrong)
