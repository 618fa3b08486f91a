"""`phase0 simulate`: what it is told, what it says, and how it ends."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from phase0.cli import status_of
from phase0.cli.simulating import _model, _replayed
from phase0.errors import UsageError
from phase0.simulator.journal import entries
from phase0.simulator.settings import Model, Replayed


@pytest.mark.skipif(os.name == "nt", reason="ends by a POSIX signal")
def test_it_serves_until_it_is_interrupted_and_prints_the_bill(tmp_path: Path) -> None:
    answers = tmp_path / "answers.jsonl"
    answers.write_text(json.dumps({"instruction": "Two and two?", "response": "Four."}) + "\n")
    command = [sys.executable, "-m", "phase0", "simulate", "--port", "0", "--model", "gpt-4o=2.50,10", "other"]
    command += ["--answers", f"gpt-4o={answers}", "--journal", str(tmp_path / "journal.jsonl")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8") as process:
        assert process.stdout is not None
        port = int(re.match(r"OPENAI_BASE_URL=http://127\.0\.0\.1:(\d+)/v1$", process.stdout.readline())[1])  # type: ignore[index]
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Two and two?"}]}
        connection.request("POST", "/v1/chat/completions", json.dumps(body))
        reply = json.loads(connection.getresponse().read())
        connection.close()
        process.send_signal(signal.SIGINT)
        told = process.stdout.read()
    assert process.returncode == 0
    assert reply["choices"][0]["message"]["content"] == "Four."
    used = reply["usage"]
    usd = (Decimal("2.50") * used["prompt_tokens"] + 10 * used["completion_tokens"]) / 10**6
    assert f"gpt-4o (online): 1 requests, {used['prompt_tokens']} + 2 tokens, ${usd:.6f}" in told
    assert [entry.status for entry in entries(tmp_path / "journal.jsonl")] == [200]


def test_a_port_that_is_taken_is_no_bug(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert status_of(["simulate", "--port", port]) == 2
    said = capsys.readouterr().err
    assert f"Port {port} of this machine cannot be used" in said
    assert "Port 0 takes a free one" in said


def test_models_and_prices_are_read_from_what_is_typed() -> None:
    assert _model("a/b") == Model(name="a/b")
    assert _model("a=2.5,10") == Model(name="a", price=(Decimal("2.5"), Decimal(10)))
    both = Model(name="a", price=(Decimal(2), Decimal(10)), batch_price=(Decimal(1), Decimal(5)))
    assert _model("a=2,10,1,5") == both
    for wrong in ("a=2", "a=x,y", "=1,2", "a=-1,2", "a=1,2,3"):
        with pytest.raises(UsageError, match="should read NAME"):
            _model(wrong)


def test_answers_name_their_model_or_leave_it_to_the_file(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text("")
    assert _replayed(str(file)) == Replayed(path=str(file))
    assert _replayed(f"org/model={file}") == Replayed(path=str(file), model="org/model")
    with pytest.raises(UsageError, match="no file 'missing'"):
        _replayed("missing")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--faults", "lost=2"], "rates are from 0 to 1"),
        (["--faults", "lsot=0.1"], "Did you mean 'lost'"),
        (["--speed", "0"], "speed is 0"),
        (["--model", "a=b"], "should read NAME"),
        (["--requests-per-minute", "0"], "Must be >= 1"),
    ],
)
def test_what_cannot_be_simulated_is_said_in_one_line(
    options: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status_of(["simulate", *options]) == 2
    said = capsys.readouterr().err
    assert told in said
    assert said.count("\n") == 1
