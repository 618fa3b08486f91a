"""`phase0 ledger` shows what was spent to the last digit, and carries replies from one workspace to another."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from phase0.cli import status_of
from phase0.ledger import FILE, Bought, Ledger
from phase0.records import Request, digest
from phase0.workspace import MARK


def bought(number: int, model: str, cost: str | None, **fields: str) -> Bought:
    import msgspec

    request = Request(model=model, messages=(("user", str(number)),))
    return Bought(
        key=digest(request),
        request=msgspec.json.encode(request, order="deterministic"),
        model=model,
        server=fields.get("server", "openai"),
        mode="online",
        raw=b"{}",
        status="refused" if "reason" in fields else "reply",
        reason=fields.get("reason"),
        tokens_in=1000,
        tokens_out=None if cost is None else 2000,
        cost=None if cost is None else Decimal(cost),
        run=fields.get("run", "first"),
        at=1_763_800_000.0 + 86_400 * number,
    )


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    with Ledger(tmp_path / "a" / MARK / FILE) as ledger:
        for later in [
            ledger.store(bought(0, "gpt-4o", "0.0225")),
            ledger.store(bought(0, "gpt-4o", "0.0225", run="again")),
            ledger.store(bought(1, "gpt-4o", "0", reason="content_filter")),
            ledger.store(bought(2, "llama", "1234.000000000001", server="openrouter")),
            ledger.store(bought(3, "llama", None)),
        ]:
            later.result()
    return tmp_path / "a"


def test_spend_is_a_table_that_adds_up(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(["ledger", "--workspace", str(workspace)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "model     requests  refused  again  unpriced  tokens in  tokens out       dollars",
        "llama            2        0      0         1      2,000       2,000  1,234.000000",
        "gpt-4o           3        1      1         0      3,000       6,000      0.045000",
        "together         5        1      1         1      5,000       8,000  1,234.045000",
    ]


@pytest.mark.parametrize(
    ("by", "names"),
    [
        ("run", ["first", "again"]),
        ("server", ["openrouter", "openai"]),
        ("day", ["2025-11-24", "2025-11-22", "2025-11-23", "2025-11-25"]),
    ],
)
def test_spend_is_told_by_what_was_asked_for(
    workspace: Path, capsys: pytest.CaptureFixture[str], by: str, names: list[str]
) -> None:
    assert status_of(["ledger", "--by", by, "--workspace", str(workspace)]) == 0
    told = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert told == [by, *names, "together"]


def test_sums_in_json_are_exact(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(["ledger", "--json", "--workspace", str(workspace)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [(each["name"], each["cost"]) for each in told] == [
        ("llama", "1234.000000000001"),
        ("gpt-4o", "0.045000000000"),
    ]


def test_replies_go_from_one_workspace_to_another(
    workspace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file, other = tmp_path / "replies.jsonl.gz", tmp_path / "b"
    monkeypatch.chdir(workspace)  # the workspace is found from where we are
    monkeypatch.delenv("PHASE0_WORKSPACE", raising=False)
    assert status_of(["ledger", "export", "--output", str(file)]) == 0
    assert capsys.readouterr().out == f"4 replies → {file}\n"
    for new in (4, 0):
        assert status_of(["ledger", "import", "--input", str(file), "--workspace", str(other)]) == 0
        assert capsys.readouterr().out == f"{file}: 4 replies, {new} of them new\n"
    assert status_of(["ledger", "--workspace", str(other)]) == 0
    assert "together         0" in capsys.readouterr().out


def test_a_workspace_without_a_ledger_is_told_and_gets_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["ledger"], ["ledger", "export", "--output", str(tmp_path / "x.jsonl")]):
        assert status_of([*command, "--workspace", str(tmp_path)]) == 2
        assert "there is no ledger yet" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_no_export_is_refused_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.jsonl").write_text('{"instruction": "Count."}\n', encoding="utf-8")
    assert status_of(["ledger", "import", "--input", str(tmp_path / "x.jsonl"), "--workspace", str(tmp_path)]) == 2
    told = capsys.readouterr().err
    assert "x.jsonl:1: is not an exported reply" in told
    assert told.count("\n") == 1


@pytest.mark.parametrize("command", ["ledger", "batches"])
def test_the_ledger_of_a_folder_below_is_pointed_to(
    command: str, workspace: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(workspace.parent)
    assert status_of([command]) == 2
    assert "There is one in a: --workspace a." in capsys.readouterr().err
