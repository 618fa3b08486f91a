import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reading import said

from phase0.errors import RowError
from phase0.sources import dialogue


def read(*messages, **beside):
    return dialogue.example(
        dialogue.read([{"role": role, "content": content} for role, content in messages], "m"), **beside
    )


def test_the_last_answer_is_the_response_and_the_turn_before_it_the_instruction():
    found = read(("system", "Be brief."), ("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d"))
    assert (found.instruction, found.response, found.system) == ("c", "d", "Be brief.")
    assert said(found) == [("user", "a"), ("assistant", "b")]
    assert found.flags == ()


def test_an_unanswered_turn_at_the_end_is_dropped_and_flagged():
    found = read(("user", "a"), ("assistant", "b"), ("user", "thanks"))
    assert (found.instruction, found.response, found.history, found.flags) == ("a", "b", (), ("cut_end",))


def test_one_user_turn_alone_is_an_instruction_without_response():
    found = read(("system", "s"), ("user", "a"))
    assert (found.instruction, found.response, found.system) == ("a", None, "s")


def test_an_opening_by_the_assistant_is_history():
    found = read(("assistant", "Hello!"), ("user", "a"), ("assistant", "b"))
    assert said(found) == [("assistant", "Hello!")]


def test_turns_of_one_role_are_joined_by_a_blank_line():
    found = read(("user", "a"), ("user", "b\n"), ("user", ""), ("user", "c"), ("assistant", "d"), ("assistant", "e"))
    assert (found.instruction, found.response, found.flags) == ("a\n\nb\n\nc", "d\n\ne", ("joined_turns",))


def test_tool_results_stay_apart_and_between_question_and_answer_history_keeps_their_order():
    turns = [("user", "weather?"), ("assistant", "call()"), ("tool", "sun"), ("tool", "wind"), ("assistant", "Sunny.")]
    found = read(*turns)
    assert (found.instruction, found.response) == ("weather?", "Sunny.")
    assert said(found) == turns[:-1]
    assert found.flags == ("instruction_in_history", "tools")


def test_a_tool_dialogue_that_goes_on_keeps_the_tool_turns_in_plain_history():
    turns = [("user", "w?"), ("assistant", "call()"), ("tool", "sun"), ("assistant", "Sunny."), ("user", "thanks")]
    found = read(*turns, ("assistant", "Welcome."))
    assert (found.instruction, said(found), found.flags) == ("thanks", turns[:-1], ("tools",))


def test_system_turns_become_the_system_text_wherever_they_stand():
    found = read(("system", "one"), ("user", "a"), ("developer", "two"), ("assistant", "b"))
    assert (found.system, found.flags) == ("one\n\ntwo", ("system_moved",))


def test_a_system_text_given_in_the_row_and_in_the_dialogue_counts_once():
    assert read(("system", "s"), ("user", "a"), ("assistant", "b"), system="s").system == "s"


@pytest.mark.parametrize("tools", ["[]", "", "{}", " ", None, [], {}])
def test_no_tools_leave_no_trace(tools):
    found = read(("user", "a"), ("assistant", "b"), tools=tools)
    assert (found.system, found.flags) == (None, ())


@pytest.mark.parametrize("tools", ['[{"name": "f"}]', [{"name": "f"}]])
def test_tools_stand_in_the_system_text_as_json(tools):
    found = read(("user", "a"), ("assistant", "b"), system="s", tools=tools)
    assert (found.system, found.flags) == ('s\n\nTools:\n[{"name": "f"}]', ("tools",))


@pytest.mark.parametrize("spelling", ["user", "human", "Human", " USER ", "prompter"])
def test_every_spelling_of_the_user_is_the_user(spelling):
    assert read((spelling, "a"), ("gpt", "b")).instruction == "a"


def test_content_in_parts_is_joined_and_both_spellings_of_a_part_are_read():
    parts = [{"type": "text", "text": "one"}, {"type": "text", "value": "two"}, "three"]
    found = dialogue.example(dialogue.read([{"role": "user", "content": parts}], "m"))
    assert found.instruction == "one\n\ntwo\n\nthree"


def test_a_tool_call_without_words_is_kept_as_json():
    call = [{"type": "function", "function": {"name": "f", "arguments": "{}"}}]
    turns = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": None, "tool_calls": call},
        {"role": "tool", "content": "r", "tool_call_id": "1"},
        {"role": "assistant", "content": "b"},
    ]
    found = dialogue.example(dialogue.read(turns, "m"))
    assert said(found)[1] == ("assistant", '[{"type": "function", "function": {"name": "f", "arguments": "{}"}}]')
    assert "tools" in found.flags


def test_an_empty_answer_stays_empty_text():
    assert read(("user", "a"), ("assistant", "")).response == ""


@pytest.mark.parametrize(
    ("messages", "reason", "field"),
    [
        ("text", "bad_type", "m"),
        ([1], "not_an_object", "m[0]"),
        ([{"content": "a"}], "missing_field", "m[0]"),
        ([{"role": "user"}], "missing_field", "m[0]"),
        ([{"role": 3, "content": "a"}], "bad_type", "m[0].role"),
        ([{"role": "narrator", "content": "a"}], "unknown_role", "m[0]"),
        ([{"role": "user", "content": 3}], "bad_type", "m[0]"),
        ([{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}], "not_text", "m[0]"),
        ([{"role": "user", "content": [{"type": "text"}]}], "missing_field", "m[0]"),
    ],
)
def test_what_is_no_message_is_named_with_its_place(messages, reason, field):
    with pytest.raises(RowError) as caught:
        dialogue.read(messages, "m")
    assert (caught.value.reason, caught.value.field) == (reason, field)


@pytest.mark.parametrize(
    ("roles", "reason"),
    [
        ([], "no_user_turn"),
        (["system"], "no_user_turn"),
        (["assistant"], "no_user_turn"),
        (["assistant", "user"], "no_user_turn"),
        (["user", "tool", "user"], "no_response"),
        (["tool"], "no_response"),
    ],
)
def test_a_dialogue_without_question_or_answer_gives_a_reason(roles, reason):
    with pytest.raises(RowError) as caught:
        read(*((role, "x") for role in roles))
    assert caught.value.reason == reason


@given(st.lists(st.sampled_from(["user", "assistant", "tool"]), min_size=1, max_size=12))
def test_no_word_before_the_last_answer_is_lost_and_all_stand_in_their_order(roles):
    turns = [(role, f"<{number}>") for number, role in enumerate(roles)]
    try:
        found = read(*turns)
    except RowError:
        return
    asked = [] if "instruction_in_history" in found.flags else [found.instruction]
    kept = "".join([content for _, content in said(found)] + asked + [found.response or ""]).replace("\n\n", "")
    end = max((place for place, (role, _) in enumerate(turns) if role == "assistant"), default=len(turns) - 1)
    assert kept == "".join(content for _, content in turns[: end + 1])
    assert ("cut_end" in found.flags) == (end + 1 < len(turns))


def test_a_transcript_is_cut_at_its_marks_and_its_turns_are_stripped():
    turns = dialogue.split("A: x \n B:y A: z", re.compile("(A|B):"), "f")
    assert turns == [
        {"role": "A", "content": "x"},
        {"role": "B", "content": "y"},
        {"role": "A", "content": "z"},
    ]


@pytest.mark.parametrize("transcript", ["", "no mark", "before A: x"])
def test_a_transcript_begins_with_a_mark(transcript):
    with pytest.raises(RowError) as caught:
        dialogue.split(transcript, re.compile("(A|B):"), "f")
    assert caught.value.reason == "no_transcript"
