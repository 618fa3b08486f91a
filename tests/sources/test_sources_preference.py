import pytest
from reading import example, reason, recognised, said

USER, GOOD, BAD = (
    {"role": role, "content": text} for role, text in [("user", "q"), ("assistant", "a"), ("assistant", "b")]
)


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "q", "chosen": "a", "rejected": "b"},
        {"question": "q", "chosen": "a", "rejected": "b", "system": ""},  # orca_dpo_pairs
        {"prompt": "q", "chosen": [USER, GOOD], "rejected": [USER, BAD], "messages": [USER, GOOD], "score_chosen": 9},
        {"prompt": [USER], "chosen": [GOOD], "rejected": [BAD]},
        {"chosen": [USER, GOOD], "rejected": [USER, BAD], "source": "s"},
        {"chosen_messages": [USER, GOOD], "rejected_messages": [USER, BAD]},
        {"messages": [USER], "chosen": GOOD, "rejected": BAD},
        {
            "conversations": [{"from": "human", "value": "q"}],
            "chosen": {"from": "gpt", "value": "a"},
            "rejected": {"from": "gpt", "value": "b"},
        },
        {"prompt": "\n\nHuman: q\n\nAssistant:", "response": "a", "chosen": " a", "rejected": "b"},
    ],
)
def test_preference_takes_the_chosen_answer_in_every_shape(row):
    assert recognised(row) == "preference"
    read = example("preference", row)
    assert (read.instruction, read.response.strip(), read.history, read.flags) == ("q", "a", (), ())


def test_preference_keeps_earlier_turns_of_a_transcript_prompt():
    row = {"prompt": "\n\nHuman: a\n\nAssistant: b\n\nHuman: c\n\nAssistant:", "chosen": "d", "rejected": "e"}
    read = example("preference", row)
    assert (read.instruction, said(read)) == ("c", [("user", "a"), ("assistant", "b")])


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ({"prompt": "q", "rejected": "b"}, "missing_field"),
        ({"chosen": "a", "rejected": "b"}, "missing_field"),
        ({"prompt": "q", "chosen": 1, "rejected": "b"}, "bad_type"),
        ({"prompt": 1, "chosen": "a", "rejected": "b"}, "bad_type"),
        ({"chosen": [USER], "rejected": [USER]}, "no_response"),
        ({"prompt": "q", "chosen": [], "rejected": []}, "no_response"),
    ],
)
def test_preference_gives_a_reason_where_nothing_was_chosen(row, code):
    assert reason("preference", row).reason == code
