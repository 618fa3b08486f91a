"""Answered rows: from the ledger alone, in input order, each kept or dropped with its reason; and what they cost."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kept import Kept, bought, read, refused, replied
from made import record, write_lines
from stagefiles import check_sums, dropped_of, rows_of

from phase0.catalog.models import teachers
from phase0.dataset import Manifest, manifest_of
from phase0.errors import UsageError
from phase0.exchanges.teach import Teach
from phase0.gateway.policy import follow_up
from phase0.ledger import FILE, Bought, Failure, Ledger
from phase0.progress import SILENT
from phase0.records import Request, encode
from phase0.stages.answered import all_answered, ask_and_write, write_answered
from phase0.stages.answers import Answers
from phase0.stages.means import Asking, Means
from phase0.stages.output import stage_output
from phase0.workspace import MARK

GPT = teachers()["gpt-4o"]
TEACH = Teach(GPT)


def question(number: int) -> Request:
    return TEACH.ask(record(number))[0]


def rows(folder: Path, *lines: bytes | int) -> Path:
    """Rows by number, or as they are."""
    return write_lines(
        folder / "in.jsonl", [line if isinstance(line, bytes) else encode(record(line)) for line in lines]
    )


def write(folder: Path, source: Path, *found: Bought, failed: tuple[Failure, ...] = (), mine: Any = None) -> Any:
    answers = Answers(Kept(found, failed), follow_up(8192), read)  # type: ignore[arg-type]
    count = source.read_bytes().count(b"\n")
    chosen = np.ones(count, np.bool_) if mine is None else np.array(mine)
    with stage_output("distill", folder / "out.jsonl", [source], {}) as out:
        out.sums[0].read = int(chosen.sum())
        return write_answered(out, chosen, TEACH, answers, SILENT)


def test_rows_are_kept_with_their_answers_or_dropped_with_the_reason_in_input_order(tmp_path: Path) -> None:
    source = rows(tmp_path, 0, 1, b"{broken", 2, 3, 4)
    failure = Failure(question(3).key, "server_error", "HTTP 500", "r")
    write(
        tmp_path,
        source,
        replied(question(4), "Four."),
        refused(question(1), "content_filter"),
        replied(question(0), "Zero."),
        failed=(failure,),
    )
    check_sums(tmp_path / "out.jsonl")
    assert [(row["response"], row["source"]) for row in rows_of(tmp_path / "out.jsonl")] == [
        ("Zero.", "gpt-4o"),
        ("Four.", "gpt-4o"),
    ]
    lost = [(row["line"], row["reason"], row["evidence"].get("detail")) for row in dropped_of(tmp_path / "out.jsonl")]
    assert [(line, reason) for line, reason, _ in lost] == [
        (2, "content_filter"),
        (3, "invalid_json"),
        (4, "not_asked"),
        (5, "server_error"),
    ]
    assert lost[3][2] == "HTTP 500"


def test_rows_of_other_teachers_are_left_alone(tmp_path: Path) -> None:
    source = rows(tmp_path, 0, 1, 2, 3)
    write(tmp_path, source, *(replied(question(number)) for number in range(4)), mine=[True, False, False, True])
    assert [row["instruction"] for row in rows_of(tmp_path / "out.jsonl")] == ["Count to 0.", "Count to 3."]
    assert dropped_of(tmp_path / "out.jsonl") == []


def test_rows_that_ask_the_same_share_an_answer_that_is_paid_once(tmp_path: Path) -> None:
    source = rows(tmp_path, 1, 1, 2, *[1] * 600)
    spent = write(tmp_path, source, replied(question(1)), replied(question(2)))
    assert len(rows_of(tmp_path / "out.jsonl")) == 603
    assert (spent.cost, spent.tokens_in, spent.tokens_out) == (Decimal("0.02"), 6, 10)


def test_a_cost_that_nobody_knows_is_not_added_up_as_nothing(tmp_path: Path) -> None:
    spent = write(
        tmp_path, rows(tmp_path, 1, 2, 3), *(replied(question(n), cost=None if n == 2 else 1) for n in (1, 2, 3))
    )
    assert spent.cost is None
    assert spent.tokens_in == 9


# From a ledger on the disk, by nobody who could ask.

RAW = b'{"choices":[{"message":{"content":"Answer %d."},"finish_reason":"stop"}],"usage":{}}'


def keep(workspace: Path, *numbers: int) -> None:
    (workspace / MARK).mkdir(exist_ok=True)
    with Ledger(workspace / MARK / FILE) as ledger:
        for number in numbers:
            ledger.store(bought(question(number), raw=RAW % number)).result()  # type: ignore[union-attr]


def ask(workspace: Path, source: Path, name: str = "out") -> Manifest | None:
    mine = np.ones(source.read_bytes().count(b"\n"), np.bool_)
    output = workspace / f"{name}.jsonl"
    with stage_output("distill", output, [source], {}) as out:
        ask_and_write(out, mine, TEACH, GPT, Asking(Means(), workspace, "r"), progress=SILENT)
    return manifest_of(output)


def test_what_the_ledger_has_needs_no_key_and_gives_the_same_bytes_whenever_it_was_bought(tmp_path: Path) -> None:
    source = rows(tmp_path, *range(50))
    made = []
    for name, order in (("a", range(50)), ("b", reversed(range(50)))):
        (tmp_path / name).mkdir()
        keep(tmp_path / name, *order)
        manifest = ask(tmp_path / name, source)
        assert manifest is not None
        assert manifest.cost_usd == "0.5"
        assert manifest.figures == {"model": "gpt-4o", "tokens_in": 150, "tokens_out": 250}
        made.append((tmp_path / name / "out.jsonl").read_bytes())
    assert made[0] == made[1]
    assert b"Answer 49." in made[0]


def test_one_answer_that_is_missing_needs_a_key_and_leaves_the_old_output(tmp_path: Path) -> None:
    keep(tmp_path, 0, 1)
    ask(tmp_path, rows(tmp_path, 0, 1))
    before = (tmp_path / "out.jsonl").read_bytes()
    source = rows(tmp_path, 0, 1, 2)
    with pytest.raises(UsageError, match="set OPENAI_API_KEY"):
        ask(tmp_path, source)
    assert (tmp_path / "out.jsonl").read_bytes() == before
    every = np.ones(3, np.bool_)
    assert not all_answered([source], every, TEACH, GPT, tmp_path)
    keep(tmp_path, 2)
    assert all_answered([source], every, TEACH, GPT, tmp_path)
