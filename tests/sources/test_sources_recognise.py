import pytest
from hypothesis import given
from hypothesis import strategies as st
from reading import found, recognised

from phase0 import sources
from phase0.errors import DataError, UsageError
from phase0.sources import SOURCES, Example

ALPACA = {"instruction": "q", "input": "", "output": "a"}


@pytest.mark.parametrize("name", SOURCES)
def test_every_registered_layout_loads_under_its_own_name(name):
    assert sources.layout(name).name == name


def test_an_unknown_layout_suggests_the_near_miss():
    with pytest.raises(UsageError, match=r"no layout called 'alpacca'\. Did you mean 'alpaca'"):
        sources.layout("alpacca")


def test_one_odd_row_in_ten_does_not_hide_the_layout():
    assert recognised(*[ALPACA] * 9, {"odd": 1}) == "alpaca"


def test_two_odd_rows_in_ten_do_and_the_message_counts_the_nearest_layout():
    with pytest.raises(DataError, match=r"fields: instruction, input, output, odd\. 8 of 10 rows look like alpaca\."):
        recognised(*[ALPACA] * 8, {"odd": 1}, {"odd": 2})


def test_only_the_first_fifty_rows_decide():
    assert recognised(*[ALPACA] * 50, *[{"odd": 1}] * 500) == "alpaca"


def test_fields_of_the_wrong_type_name_the_layout_that_was_meant():
    with pytest.raises(DataError, match=r"fields: instruction, output\. They would be alpaca, if numbers and nulls"):
        recognised({"instruction": 5, "output": []})


def test_running_text_is_refused_as_such():
    with pytest.raises(DataError, match=r"running text \(fields: text, url\), not instructions"):
        recognised({"text": "Call us today!", "url": "x"})


def test_rows_of_no_known_layout_are_refused_with_their_fields_and_the_known_layouts():
    with pytest.raises(DataError, match=r"these fields: question_id, choices\. Known: oasst, .*instruction_only"):
        recognised({"question_id": 1, "choices": [{"turns": ["a"]}]})


@pytest.mark.parametrize("rows", [[], [None], [1, 2], [[]]])
def test_no_rows_and_rows_without_fields_are_refused(rows):
    with pytest.raises(DataError):
        sources.recognise(rows)


@pytest.mark.parametrize(
    "answered",
    [
        {"instruction": "q", "output": "a"},
        {"prompt": "q", "completion": "a"},
        {"question": "q", "answer": "a"},
        {"prompt": "q", "chosen": "a", "rejected": "b"},
        {"instruction": "q", "instances": [{"input": "", "output": "a"}]},
    ],
)
def test_a_row_with_an_answer_is_never_taken_for_an_instruction_alone(answered):
    assert recognised(answered) != "instruction_only"


FIELDS = [
    *("instruction", "input", "output", "response", "source", "quality_score", "system", "history", "context", "tools"),
    *("chosen", "rejected", "chosen_messages", "rejected_messages", "prompt", "completion", "completions", "answer"),
    *("conversations", "messages", "conversation", "from", "value", "role", "content", "type", "text", "tool_calls"),
    *("question", "solution", "is_correct", "instances", "turns", "response1", "response2", "message_id", "parent_id"),
    *("message_tree_id", "tree_state", "replies", "rank", "deleted", "review_result", "synthetic", "model_name"),
]
TEXTS = st.sampled_from(
    [
        *(
            "",
            " ",
            "a",
            "user",
            "assistant",
            "prompter",
            "system",
            "human",
            "gpt",
            "tool",
            "function_call",
            "text",
            "[]",
        ),
        *("\n\nHuman: a\n\nAssistant: b", "\n\nHuman: a\n\nAssistant:", "### Human: a### Assistant:", "<|endoftext|>"),
        *("ready_for_export", "a\n<extra_id_1>Assistant\nb", "<<1=1>>", "\ud800", "\x00"),
    ]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS | st.text(max_size=5)
ROWS = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=7),
    max_leaves=30,
)


@pytest.mark.parametrize("name", SOURCES)
@given(rows=st.lists(ROWS, max_size=5))
def test_no_row_makes_a_layout_raise_and_every_row_is_accounted_for(name, rows):
    layout = sources.layout(name)
    for row in rows:
        assert layout.recognises(row) in (True, False)
    outcomes = found(name, *rows)
    assert len({(item.line, item.part) for item in outcomes}) == len(outcomes)
    if name != "oasst":  # its flat messages are part of each other's examples: tested with its trees
        assert [line for line, _ in enumerate(rows, 1)] == sorted({item.line for item in outcomes})
    for item in outcomes:
        if isinstance(item.outcome, Example):
            assert isinstance(item.outcome.instruction, str)
            assert isinstance(item.outcome.response, (str, type(None)))
        else:
            assert item.outcome.reason in sources.__doc__


@given(rows=st.lists(ROWS, max_size=5))
def test_recognition_names_a_layout_or_refuses_and_never_fails(rows):
    try:
        name = sources.recognise(rows).name
    except DataError:
        return
    assert name in SOURCES
