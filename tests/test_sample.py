"""The bundled sample is what its README says: the demonstration is worth something only if its flaws are known."""

from __future__ import annotations

import ast
import csv
import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import phase0
from phase0.text import tokens

SAMPLE = Path(phase0.__file__).parent / "sample"
README = (SAMPLE / "README.md").read_text(encoding="utf-8")


class Planted(NamedTuple):
    rows: int
    bad: int
    copies: int
    broken: int


FILES = {
    "alpaca_style.json": Planted(155, 11, 17, 0),
    "chat_style.jsonl": Planted(90, 7, 10, 4),
    "messages_style.jsonl": Planted(79, 6, 10, 3),
    "qa_style.csv": Planted(63, 4, 7, 2),
    "hh_style.jsonl": Planted(43, 2, 4, 2),
    "prompt_completion.jsonl": Planted(66, 5, 7, 3),
    "instructions_only.jsonl": Planted(21, 0, 0, 1),
    "oasst_style.jsonl": Planted(26, 0, 0, 2),
}
NEAR, EXACT = 45, 10  # of the copies
PYTHON = re.compile(r"```python\n(.*?)```", re.DOTALL)


class Pair(NamedTuple):
    asked: str
    answer: str


def alpaca(row: Any) -> list[Pair]:
    given = [row["instruction"].strip(), row["input"].strip()]
    return [Pair("\n\n".join(filter(None, given)), row["output"].strip())]


def chat(row: Any) -> list[Pair]:
    return turns([(turn["from"], turn["value"]) for turn in row["conversations"]], "human", "gpt")


def messages(row: Any) -> list[Pair]:
    return turns([(turn["role"], turn["content"]) for turn in row["messages"]], "user", "assistant")


def qa(row: Any) -> list[Pair]:
    question, answer = row
    return [Pair(question, answer)]


def hh(row: Any) -> list[Pair]:
    before, *said = re.split(r"\n\n(Human|Assistant): ?", row["chosen"])
    assert before == "", "a transcript starts with a speaker"
    return turns(list(zip(said[::2], said[1::2], strict=True)), "Human", "Assistant")


def prompt_completion(row: Any) -> list[Pair]:
    return [Pair(row["prompt"].strip(), row["completion"])]


def instruction(row: Any) -> list[Pair]:
    return [Pair(row["instruction"].strip(), "")]


def tree(row: Any) -> list[Pair]:
    def below(message: Any) -> Iterator[Pair]:
        best = min(message["replies"], key=lambda reply: reply["rank"])
        yield Pair(message["text"], best["text"])
        for follow_up in best["replies"]:
            yield from below(follow_up)

    return list(below(row["prompt"]))


def turns(said: list[tuple[str, str]], user: str, assistant: str) -> list[Pair]:
    assert said[-1][0] == assistant, "the last word is the assistant's"
    asked = [text for speaker, text in said if speaker == user]
    return [Pair(asked[-1], said[-1][1].strip())]


READ: dict[str, Callable[[Any], list[Pair]]] = dict(
    zip(FILES, (alpaca, chat, messages, qa, hh, prompt_completion, instruction, tree), strict=True)
)


def raw_rows(name: str) -> list[Any]:
    """JSONL as lines of text, everything else parsed."""
    text = (SAMPLE / name).read_text(encoding="utf-8")
    if name.endswith(".json"):
        return list(json.loads(text))
    if name.endswith(".csv"):
        return list(csv.reader(text.splitlines(keepends=True), strict=True))[1:]
    return text.removesuffix("\n").split("\n")


def pairs(name: str, row: Any) -> list[Pair] | None:
    """What a row says, or None where it is broken."""
    try:
        found = READ[name](json.loads(row) if isinstance(row, str) else row)
        for pair in found:
            f"{pair.asked}{pair.answer}".encode()  # a lone surrogate is no text
    except (ValueError, LookupError, TypeError, AttributeError, AssertionError):
        return None
    return found if all(pair.asked for pair in found) else None


def readable() -> dict[str, list[Pair]]:
    """`file:row` of every row that is not broken, with what it says."""
    found = {}
    for name in FILES:
        for number, row in enumerate(raw_rows(name), 1):
            said = pairs(name, row)
            if said is not None:
                found[f"{name}:{number}"] = said
    return found


ROWS = readable()


def section(title: str) -> list[list[str]]:
    """The cells of the table under a heading of the README, without its head."""
    body = README.split(f"## {title}\n")[1].split("\n## ")[0]
    lines = [line for line in body.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def named(cell: str) -> list[str]:
    return re.findall(r"`([^`]+:\d+)`", cell)


BAD = {cells[0]: named(cells[2]) for cells in section("Bad answers")}
ALL_BAD = {row for rows in BAD.values() for row in rows}


def per_file(rows: list[str]) -> Counter[str]:
    return Counter(row.partition(":")[0] for row in rows)


def shingles(pair: Pair) -> set[tuple[str, ...]]:
    words = tokens(f"{pair.asked}\n{pair.answer}")
    return {tuple(words[i : i + 5]) for i in range(max(1, len(words) - 4))}


def similar() -> dict[frozenset[str], float]:
    """The Jaccard similarity of every two answered rows that share at least one word 5-gram."""
    sets = {(row, part): shingles(pair) for row, said in ROWS.items() for part, pair in enumerate(said) if pair.answer}
    holders = defaultdict(list)
    for key, grams in sets.items():
        for gram in grams:
            holders[gram].append(key)
    shared = Counter(two for keys in holders.values() for two in combinations(keys, 2))
    found: dict[frozenset[str], float] = {}
    for (one, other), count in shared.items():
        rows = frozenset((one[0], other[0]))
        found[rows] = max(found.get(rows, 0.0), count / (len(sets[one]) + len(sets[other]) - count))
    return found


@pytest.fixture(scope="module")
def similarity() -> dict[frozenset[str], float]:
    return similar()


@pytest.mark.parametrize("name", FILES)
def test_a_file_has_as_many_rows_and_broken_rows_as_stated(name: str) -> None:
    rows = raw_rows(name)
    broken = [f"{name}:{number}" for number, row in enumerate(rows, 1) if pairs(name, row) is None]
    assert (len(rows), len(broken)) == (FILES[name].rows, FILES[name].broken)
    assert broken == [row for cells in section("Broken lines") for row in named(cells[0]) if row.startswith(f"{name}:")]


def test_the_folder_holds_the_files_and_the_readme_and_stays_small() -> None:
    files = {path.name: path.stat().st_size for path in SAMPLE.iterdir() if path.is_file()}
    assert set(files) == {*FILES, "README.md"}
    assert sum(files.values()) < 700_000


def test_the_readme_counts_what_the_test_counts() -> None:
    table = {cells[0].strip("`"): [int(cell) for cell in cells[3:]] for cells in section("Files")}
    for name, planted in FILES.items():
        rows, good, *flaws = table[name]
        assert Planted(rows, *flaws) == planted
        assert rows == good + sum(flaws)
    assert table["all"] == [sum(column) for column in zip(*(table[name] for name in FILES), strict=True)]


def test_the_bad_answers_listed_are_there_and_as_many_as_stated() -> None:
    assert all(int(cells[1]) == len(named(cells[2])) for cells in section("Bad answers"))
    assert set(ROWS) >= ALL_BAD
    counts = per_file(sorted(ALL_BAD))
    assert {name: counts[name] for name in FILES} == {name: planted.bad for name, planted in FILES.items()}


def test_exactly_the_rows_listed_as_empty_have_an_empty_answer() -> None:
    empty = {row for row, said in ROWS.items() if not said[-1].answer and not row.startswith("instructions_only")}
    assert empty == set(BAD["empty answer"])


def test_python_parses_in_every_row_except_those_listed() -> None:
    def parses(row: str) -> bool:
        try:
            for block in PYTHON.findall("\n".join(pair.answer for pair in ROWS[row])):
                ast.parse(block)
        except SyntaxError:
            return False
        return True

    assert {row for row in ROWS if not parses(row)} == set(BAD["Python that does not parse"])


def test_fences_are_closed_in_good_rows() -> None:
    assert not [row for row in ROWS.keys() - ALL_BAD if any(pair.answer.count("```") % 2 for pair in ROWS[row])]


def test_the_copies_listed_are_near_duplicates_and_nothing_else_is(similarity: dict[frozenset[str], float]) -> None:
    listed = {frozenset(named(copy) + named(base)): float(j.split()[0]) for copy, base, j in section("Copies")}
    found = {rows: j for rows, j in similarity.items() if j >= 0.8}
    assert found == pytest.approx(listed, abs=0.0005)
    assert len(listed) == NEAR + EXACT


def test_the_copies_are_spread_over_the_files_as_stated() -> None:
    counts = per_file([row for cells in section("Copies") for row in named(cells[0])])
    assert {name: counts[name] for name in FILES} == {name: planted.copies for name, planted in FILES.items()}


def test_exactly_ten_copies_are_word_for_word() -> None:
    same = [cells[0] for cells in section("Copies") if ROWS[named(cells[0])[0]][-1] == ROWS[named(cells[1])[0]][-1]]
    assert same == [cells[0] for cells in section("Copies") if cells[2].endswith("(word for word)")]
    assert len(same) == EXACT


def test_pairs_that_are_only_alike_stay_below_the_threshold(similarity: dict[frozenset[str], float]) -> None:
    alike = section("Alike, but not copies")
    assert alike
    for row, other, j in alike:
        assert similarity[frozenset(named(row) + named(other))] == pytest.approx(float(j), abs=0.0005)
        assert float(j) < 0.8
