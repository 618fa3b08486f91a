"""The bill: exact, complete whatever happens to the client, and without a key in it."""

from __future__ import annotations

import asyncio
import http.client
import json
import signal
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from provider import CHAT, GPT, LLAMA, MODELS, Provider, jsonl, lines_of, question, said

from phase0.errors import Phase0Error, UsageError
from phase0.simulator import Faults, Simulated, serving, simulated
from phase0.simulator.journal import entries, fingerprint
from phase0.simulator.settings import BatchLife, Latency, Settings

CLIENT = """
import http.client, itertools, json, sys
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
for number in itertools.count():
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": f"Question {number}"}]}
    connection.request("POST", "/v1/chat/completions", json.dumps(body), {"authorization": "Bearer sk-secret"})
    connection.getresponse().read()
    print(number, flush=True)
"""


def test_a_bill_is_the_price_times_the_tokens_to_the_last_digit(tmp_path: Path) -> None:
    with Provider(tmp_path) as provider:
        used = [said(provider.chat(f"Question {number}"))["usage"] for number in range(7)]
        prompts = sum(one["prompt_tokens"] for one in used)
        answers = sum(one["completion_tokens"] for one in used)
        bill = provider.bill()
        assert bill.usd == Decimal(prompts) * Decimal("2.50") / 10**6 + Decimal(answers) * Decimal(10) / 10**6
        assert bill.tokens == (prompts, answers)
        assert bill.usd == sum((entry.usd or Decimal() for entry in provider.requests()), Decimal())


def test_the_bill_keeps_keys_models_and_ways_of_buying_apart(tmp_path: Path) -> None:
    settings = Settings(models=MODELS, batches=BatchLife(running=1))
    with Provider(tmp_path, settings) as provider:
        provider.chat(key="sk-a")
        provider.chat(key="sk-b")
        provider.chat(key="sk-b", model=LLAMA.name)
        file = provider.upload(jsonl(lines_of(3)))
        asked = {"input_file_id": file, "endpoint": CHAT, "completion_window": "24h"}
        assert provider.send("POST", "/v1/batches", asked).status == 200
        provider.clock.skip(10)
        found = {(line.key, line.model, line.mode): line.requests for line in provider.bill().lines}
        assert found == {
            (fingerprint("sk-a"), GPT.name, "online"): 1,
            (fingerprint("sk-b"), GPT.name, "online"): 1,
            (fingerprint("sk-b"), LLAMA.name, "online"): 1,
            (fingerprint("sk-test"), GPT.name, "batch"): 3,
        }


def test_a_price_that_nobody_knows_is_not_zero(tmp_path: Path) -> None:
    with Provider(tmp_path, Settings()) as provider:
        provider.chat(model="anything")
        assert provider.bill().usd is None
        assert provider.bill().requests == 1


@given(
    st.lists(
        st.sampled_from(["rate_limit", "server_error", "lost", "malformed", "empty", "blocked", None]), max_size=30
    )
)
def test_the_sums_close_whatever_goes_wrong(tmp_path_factory: pytest.TempPathFactory, faults: list[str | None]) -> None:
    with Provider(tmp_path_factory.mktemp("bill")) as provider:
        provider.service.force(list(faults))
        for number in range(len(faults)):
            provider.chat(f"Question {number}")
        charged = [entry for entry in provider.requests() if entry.charged]
        bill = provider.bill()
        assert len(provider.requests()) == len(faults)
        assert bill.requests == len(charged)
        assert bill.lost == sum(not entry.delivered for entry in charged)
        assert bill.tokens == (sum(one.tokens_in for one in charged), sum(one.tokens_out for one in charged))


def test_no_key_is_written_anywhere(tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    with simulated(Settings(models=MODELS, keys=("sk-very-secret",), journal=str(journal))) as running:
        post(running, question(), key="sk-very-secret")
        post(running, question(), key="sk-another-secret")
        bill = running.bill()
    assert b"secret" not in journal.read_bytes()
    assert "secret" not in repr(bill)
    assert [entry.status for entry in entries(journal)] == [200, 401]
    assert bill.lines[0].key == fingerprint("sk-very-secret")


def test_killing_the_client_loses_no_entry(tmp_path: Path) -> None:
    with simulated(Settings(models=MODELS)) as running:
        with subprocess.Popen([sys.executable, "-c", CLIENT, str(running.port)], stdout=subprocess.PIPE) as client:
            assert client.stdout is not None
            for _ in range(25):
                last = int(client.stdout.readline())
            client.send_signal(signal.SIGKILL)
            rest = [int(line) for line in client.stdout.read().splitlines()]
        read = max([last, *rest]) + 1
        charged = running.bill().requests
        assert read <= charged <= read + 1
        assert len(running.requests()) == charged


def test_killing_the_provider_leaves_every_answered_request_in_its_journal(tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    with simulated(Settings(models=MODELS, journal=str(journal))) as running:
        for number in range(20):
            post(running, question(f"Question {number}"))
        import os

        os.kill(running.pid, signal.SIGKILL)
    assert len(list(entries(journal))) == 20


def test_a_request_is_charged_when_it_arrives_even_if_nobody_waits_for_the_answer(tmp_path: Path) -> None:
    with simulated(Settings(models=MODELS, latency=Latency(median=60))) as running:
        connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=30)
        connection.request("POST", CHAT, json.dumps(question()))
        until = time.monotonic() + 30
        while running.bill().requests == 0:
            assert time.monotonic() < until
            time.sleep(0.01)
        connection.close()
        assert running.bill().requests == 1


def test_a_batch_that_nobody_looks_at_is_on_the_bill_when_it_has_ended() -> None:
    with simulated(Settings(models=MODELS)) as running:
        boundary = b'--x\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n--x\r\n'
        boundary += b'Content-Disposition: form-data; name="file"; filename="in.jsonl"\r\n\r\n' + jsonl(lines_of(9))
        file = post(running, boundary + b"\r\n--x--\r\n", path="/v1/files", kind="multipart/form-data; boundary=x")
        asked = {"input_file_id": file["id"], "endpoint": CHAT, "completion_window": "24h"}
        post(running, asked, path="/v1/batches")
        assert running.bill().requests == 0
        running.skip(100)
        assert running.bill().requests == 9
        assert sum(entry.mode == "batch" for entry in running.requests()) == 9


def test_a_provider_in_the_caller_s_loop_is_the_same_provider() -> None:
    async def ask() -> None:
        async with serving(Settings(models=MODELS)) as running:
            reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
            body = json.dumps(question()).encode()
            writer.write(
                b"POST %b HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%b" % (CHAT.encode(), len(body), body)
            )
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 OK\r\n")
            running.force("server_error")
            writer.write(
                b"POST %b HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%b" % (CHAT.encode(), len(body), body)
            )
            await reader.readuntil(b"HTTP/1.1 500 Internal Server Error\r\n")
            writer.close()
            await writer.wait_closed()
            assert (await running.bill()).requests == 1
            assert [entry.status for entry in running.requests()] == [200, 500]

    asyncio.run(ask())


def test_ending_does_not_wait_for_clients_that_keep_their_connection_or_get_no_answer() -> None:
    start = time.monotonic()
    with simulated(Settings(models=MODELS)) as running:
        idle = http.client.HTTPConnection("127.0.0.1", running.port)
        idle.request("GET", "/v1/models")
        idle.getresponse().read()
        running.force("stall")
        hanging = http.client.HTTPConnection("127.0.0.1", running.port)
        hanging.request("POST", CHAT, json.dumps(question()))
    assert time.monotonic() - start < 60  # not for ever; the clock of a busy machine says no more than that
    idle.close()
    hanging.close()


def test_what_the_simulator_cannot_do_is_said_where_it_was_asked() -> None:
    with pytest.raises(UsageError, match="speed is 0"), simulated(Settings(speed=0)):
        pass
    with simulated() as running:
        with pytest.raises(Phase0Error, match="no fault called 'nonsense'"):
            running.force("nonsense")
        with pytest.raises(Phase0Error, match="rates are from 0 to 1"):
            running.change(Faults(lost=2.0))


def test_the_plain_provider_says_one_thing_to_everybody_and_bills_nothing() -> None:
    with simulated(Settings(plain=True)) as running:
        first, second = post(running, question("A")), post(running, question("B"))
        assert first == second
        assert first["choices"][0]["finish_reason"] == "stop"
        assert running.bill().requests == 0


def post(
    running: Simulated, body: object, *, path: str = CHAT, key: str = "sk-1", kind: str = "application/json"
) -> dict:  # type: ignore[type-arg]
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=30)
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    connection.request("POST", path, raw, {"authorization": f"Bearer {key}", "content-type": kind})
    found = dict(json.loads(connection.getresponse().read()))
    connection.close()
    return found
