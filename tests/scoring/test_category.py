"""The borders between the categories, and what `categorise` promises of any text whatever."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phase0.records import CATEGORIES
from phase0.scoring import cues, marks, seeing
from phase0.scoring.category import categorise
from phase0.scoring.seeing import ASK_CHARS, HEAD_CHARS, RESPONSE_CHARS, TAIL_CHARS

SAMPLE = Path(__file__).parents[2] / "benchmarks" / "data" / "categories.jsonl"


def sample() -> list[dict[str, str]]:
    return [json.loads(line) for line in SAMPLE.read_text(encoding="utf-8").split("\n") if line]


@given(st.text(), st.none() | st.text(), st.none() | st.text())
def test_any_text_has_one_of_the_five_categories_and_always_the_same(instruction, response, system):
    found = categorise(instruction, response, system=system)
    assert found in CATEGORIES
    assert categorise(instruction, response, system=system) == found


@pytest.mark.parametrize(
    "text", ["", " ", "\n\n", "\ud800", "\x00", "﷽" * 50, "?", "[", "🙂🙂🙂", "\u2028", "ß" * 3000]
)
def test_odd_texts_do_not_raise(text):
    assert categorise(text) in CATEGORIES
    assert categorise("Tell me about rivers.", text) in CATEGORIES


@pytest.mark.parametrize(
    ("instruction", "expected"),
    [
        ("Write a function that prints a poem.", "code"),
        ("Write a poem about a function that never returns.", "creative"),
        ("Write a summary of the poem below.", "general"),
        ("Write an email to my landlord about the heating.", "general"),
        ("Write a Python program that computes the area of a circle.", "code"),
        ("What is the area of a circle with a radius of 3 cm?", "reasoning"),
        ("How many people live in Peru?", "general"),
        ("Peru has 6 ports with 9 cranes each. How many cranes are there in total?", "reasoning"),
        ("You are a sleepy troll under a bridge. I want to cross.", "creative"),
        ("You are given a list of cities. Group them by country.", "general"),
        ("Hello!", "other"),
        ("Hello! Could you explain to me how tides come about?", "general"),
        ("Who created you?", "other"),
        ("Who created the Eiffel Tower?", "general"),
    ],
)
def test_near_neighbours_fall_on_their_own_side_of_the_border(instruction, expected):
    assert categorise(instruction) == expected


@pytest.mark.parametrize(
    ("instruction", "expected"),
    [
        ("写一首关于河流的诗", "creative"),
        ("用python写一个函数", "code"),
        ("你好，你是谁？", "other"),
        ("二つの数の最大公約数を計算してください。確率も証明してください。", "reasoning"),
        ("Escribe un poema sobre la lluvia", "creative"),
        ("Écris une fonction Python qui trie une liste", "code"),
        ("Schreibe ein Gedicht über den Wind", "creative"),
        ("Реши уравнение: 2x + 6 = 10", "reasoning"),
        ("Wie heißt du?", "other"),
        ("¿Dónde nace el río Amazonas?", "general"),
    ],
)
def test_the_main_cues_are_known_in_other_languages(instruction, expected):
    assert categorise(instruction) == expected


def test_a_program_in_the_answer_makes_a_bare_request_code():
    asked = "Reverse the given words."
    assert categorise(asked) == "general"
    assert categorise(asked, "def reverse(words):\n    return [word[::-1] for word in words]\n") == "code"


def test_a_tool_call_in_the_answer_makes_a_plain_question_other():
    asked = "What is the temperature in Lima?"
    assert categorise(asked, "It is mild in Lima.") == "general"
    assert categorise(asked, '<tool_call>{"name": "weather", "arguments": {"city": "Lima"}}</tool_call>') == "other"


def test_a_refused_wish_is_other_whatever_it_asks_for():
    asked = "Describe how to get into my neighbour's flat."
    assert categorise(asked, "I'm sorry, but I can't help with that.") == "other"


def test_a_text_that_is_handed_over_weighs_less_than_the_request():
    verses = "The poem of the dragon and the wizard\nhad a stanza about a pirate and a haiku\nfor a mermaid."
    assert categorise(verses.replace("\n", " ")) == "creative"
    assert categorise(f"What do the lines below say about the sea?\n\n{verses}") == "general"


def test_prices_are_not_taken_for_formulas():
    assert categorise("Is a lamp for $20 from the flea market better than one for $35 from a shop?") == "general"
    assert categorise("Determine $x$ where $x^2 = 49$.") == "reasoning"


def test_a_system_prompt_counts_only_when_it_asks_for_role_play():
    asked = "I open the heavy door and look around."
    assert categorise(asked, system="You are a helpful assistant.") == categorise(asked)
    assert categorise(asked, system="This is a roleplay in a sunken city. Stay in character.") == "creative"


@given(st.text(max_size=200), st.text(max_size=200))
def test_only_the_stated_parts_of_long_texts_are_read(middle, end):
    head, tail = "Explain tides. " * (HEAD_CHARS // 15 + 1), "and so on, " * (TAIL_CHARS // 11 + 1)
    assert categorise(f"{head}{middle}{tail}") == categorise(f"{head}{tail}")
    answer = "The Moon pulls at the sea. " * (RESPONSE_CHARS // 27 + 1)
    assert categorise("Explain tides.", answer + end) == categorise("Explain tides.", answer)


@pytest.mark.parametrize(
    "unit",
    ["$=", "_a", "((((", "a.a(", "\\frac", "1-1", "\t", "import ", "a, ", "```", "写写写", "=x", "<", "\n{", "[a]"],
)
@pytest.mark.timeout(20)  # against a pattern that backtracks: that takes minutes, a row takes about a millisecond
def test_no_text_makes_it_hang(unit):
    long = unit * (200_000 // len(unit))
    assert categorise(long, long) in CATEGORIES


def test_the_request_is_split_from_what_is_handed_over():
    def split(text):
        parts = seeing.parts_of(text, None)
        return parts.ask, parts.matter

    assert split("What is a tide?") == ("What is a tide?", "")
    assert split("Shorten this text: It was late.") == ("Shorten this text:", " It was late.")
    ask, matter = split("Read these notes from the meeting.\nWe met at noon.\nWho was late?")
    assert (ask, matter) == ("Read these notes from the meeting.\n\nWho was late?", "\nWe met at noon.")
    ask, matter = split("a" * (ASK_CHARS + 50))
    assert (len(ask), len(matter)) == (ASK_CHARS, 50)


@pytest.mark.parametrize("table", [cues.CUES, cues.THINGS, cues.UNSPACED_CUES])
def test_every_cue_stands_once_in_a_known_category_with_a_weight(table):
    cues = [(cue, name) for cue, name, _ in marks.weights(table)]
    assert {name for _, name in cues} <= set(CATEGORIES)
    assert all(weight > 0 for _, _, weight in marks.weights(table))
    assert [cue for cue, times in Counter(cues).items() if times > 1] == []


def test_every_phrase_can_be_found_in_the_words_of_a_text():
    """A phrase that the word pattern would cut otherwise could never match."""
    phrases = [phrase for phrase, _, _ in marks.weights(cues.CUES)]
    assert [phrase for phrase in phrases if seeing._WORD.findall(phrase.lower()) != phrase.split(" ")] == []


def test_the_labelled_sample_is_what_the_benchmark_needs():
    rows = sample()
    assert all(set(row) == {"instruction", "response", "category", "split"} for row in rows)
    assert {row["split"] for row in rows} == {"dev", "test"}
    assert {row["category"] for row in rows} == set(CATEGORIES)
    assert len({row["instruction"] for row in rows}) == len(rows) >= 320


@pytest.mark.parametrize(("split", "floor"), [("dev", 0.95), ("test", 0.82)])
def test_agreement_with_the_labelled_sample_does_not_sink(split, floor):
    rows = [row for row in sample() if row["split"] == split]
    right = sum(categorise(row["instruction"], row["response"]) == row["category"] for row in rows)
    assert right / len(rows) >= floor
