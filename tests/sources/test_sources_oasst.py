import pytest
from hypothesis import given
from hypothesis import strategies as st
from reading import example, examples, found, reason, recognised, said

from phase0.errors import RowError
from phase0.sources import Example


def message(name, role, replies=(), **fields):
    return {"message_id": name, "parent_id": None, "role": role, "text": name, "replies": list(replies), **fields}


def ask(name, *replies, **fields):
    return message(name, "prompter", replies, **fields)


def reply(name, *replies, **fields):
    return message(name, "assistant", replies, **fields)


def tree(root, **fields):
    return {"message_tree_id": root["message_id"], "tree_state": "ready_for_export", "prompt": root, **fields}


def flattened(root, state="ready_for_export"):
    """The flat rows of a tree as the parquet export has them, parents first."""
    rows, open_ = [], [(root, None)]
    while open_:
        node, parent = open_.pop(0)
        row = {key: value for key, value in node.items() if key != "replies"}
        rows.append({**row, "parent_id": parent, "message_tree_id": root["message_id"], "tree_state": state})
        open_ += [(child, node["message_id"]) for child in node["replies"]]
    return rows


DEEP = ask("q1", reply("a1", ask("q2", reply("a2", rank=1), reply("b2", rank=0)), rank=1), reply("b1", rank=0))


@pytest.mark.parametrize("row", [tree(DEEP), DEEP, flattened(DEEP)[1]])
def test_each_of_the_three_shapes_is_recognised(row):
    assert recognised(row) == "oasst"


@pytest.mark.parametrize("row", [tree(DEEP), DEEP])
def test_every_prompt_of_a_tree_gives_its_best_answer_after_what_really_led_to_it(row):
    first, second = examples("oasst", row)
    assert (first.instruction, first.response, said(first)) == ("q1", "b1", [])
    assert (second.instruction, second.response) == ("q2", "b2")
    assert said(second) == [("user", "q1"), ("assistant", "a1")]  # not b1: it was a1 that q2 replied to


def test_flat_messages_give_the_same_examples_and_a_reason_for_each_reply_nobody_needs():
    rows = flattened(DEEP)
    outcomes = {item.line: item.outcome for item in found("oasst", *rows)}
    by_name = {rows[line - 1]["message_id"]: outcome for line, outcome in outcomes.items()}
    assert [by_name["q1"], by_name["q2"]] == examples("oasst", tree(DEEP))
    assert {name: outcome.reason for name, outcome in by_name.items() if name[0] != "q"} == {"a2": "outranked"}


def test_flat_trees_need_not_stand_together_nor_parents_come_first():
    rows = [*flattened(DEEP), *flattened(ask("p", reply("r")))]
    shuffled = rows[::-1]
    kept = {item.outcome.instruction for item in found("oasst", *shuffled) if isinstance(item.outcome, Example)}
    assert kept == {"q1", "q2", "p"}


def test_a_ranked_reply_comes_before_an_unranked_one_and_without_ranks_the_first_is_taken():
    assert example("oasst", ask("q", reply("a"), reply("b", rank=2), reply("c", rank=1))).response == "c"
    assert example("oasst", ask("q", reply("a", rank=None), reply("b", rank=float("nan")))).response == "a"
    assert example("oasst", ask("q", reply("a", rank=1.0), reply("b", rank=0.0))).response == "b"


def test_a_reply_that_was_deleted_or_turned_down_is_never_taken():
    assert example("oasst", ask("q", reply("a", rank=0, deleted=True), reply("b", rank=1))).response == "b"
    assert example("oasst", ask("q", reply("a", review_result=False), reply("b"))).response == "b"
    assert example("oasst", ask("q", reply("a", review_result=None))).response == "a"
    assert reason("oasst", ask("q", reply("a", deleted=True))).reason == "no_response"


@pytest.mark.parametrize(
    ("mark", "code"), [({"deleted": True}, "deleted"), ({"review_result": False}, "review_failed")]
)
def test_nothing_is_read_at_or_below_a_message_that_is_marked(mark, code):
    below = ask("q1", reply("a1", ask("q2", reply("a2")), **mark), reply("b1"))
    first, second = (item.outcome for item in found("oasst", tree(below)))
    assert first.response == "b1"
    assert (second.reason, "an earlier message" in second.detail) == (code, True)
    assert reason("oasst", ask("q", reply("a"), **mark)).reason == code


def test_a_prompt_without_reply_gives_a_reason():
    assert reason("oasst", tree(ask("q"))).reason == "no_response"


def test_only_trees_that_are_ready_are_read():
    assert reason("oasst", tree(DEEP, tree_state="growing")).reason == "tree_not_ready"
    rows = flattened(ask("q", reply("a")), state="aborted_low_grade")
    assert [item.outcome.reason for item in found("oasst", *rows)] == ["tree_not_ready"] * 2


def test_synthetic_text_is_flagged_and_its_model_is_the_source():
    made = ask("q", reply("a", synthetic=True, model_name="chip"), synthetic=True, model_name="chip")
    assert example("oasst", made) == Example(instruction="q", response="a", source="chip", flags=("synthetic",))
    asked = ask("q", reply("a", model_name="person"), synthetic=True)
    assert example("oasst", asked) == Example(instruction="q", response="a", flags=("synthetic",))


def test_messages_whose_tree_is_not_there_are_named():
    child = ask("q2", reply("a2"), parent_id="gone")
    assert reason("oasst", child).reason == "missing_parent"
    rows = [row for row in flattened(DEEP) if row["message_id"] != "a1"]
    reasons = {
        rows[item.line - 1]["message_id"]: getattr(item.outcome, "reason", "kept") for item in found("oasst", *rows)
    }
    assert reasons == {"q1": "kept", "q2": "missing_parent", "a2": "missing_parent", "b2": "missing_parent"}


def test_messages_that_reply_to_each_other_are_not_followed_round_and_round():
    rows = [
        {"message_id": "x", "parent_id": "y", "role": "prompter", "text": "x"},
        {"message_id": "y", "parent_id": "x", "role": "assistant", "text": "y"},
        {"message_id": "z", "parent_id": "z", "role": "prompter", "text": "z"},
    ]
    assert [item.outcome.reason for item in found("oasst", *rows)] == ["missing_parent"] * 3


def test_a_message_that_is_there_twice_counts_once():
    rows = flattened(ask("q", reply("a")))
    outcomes = [item.outcome for item in found("oasst", *rows, rows[1])]
    assert outcomes[0].response == "a"
    assert [outcome.reason for outcome in outcomes[1:]] == ["duplicate_id"]


def test_equal_ids_in_two_trees_are_two_messages():
    rows = flattened(ask("q", reply("a")))
    other = [{**row, "message_tree_id": "other", "text": row["text"].upper()} for row in rows]
    assert [(read.instruction, read.response) for read in examples("oasst", *rows, *other)] == [("q", "a"), ("Q", "A")]


@pytest.mark.parametrize(
    ("row", "code"),
    [
        (7, "not_an_object"),
        ({"message_id": "x", "text": "x"}, "missing_field"),
        ({"message_id": "x", "text": "x", "role": "narrator"}, "unknown_role"),
        ({"message_id": 1, "text": "x", "role": "prompter"}, "bad_type"),
        ({"message_id": "x", "text": None, "role": "prompter"}, "missing_field"),
        ({"message_id": "x", "text": "x", "role": "prompter", "rank": "0"}, "bad_type"),
        ({"prompt": {}}, "missing_field"),
        (tree(reply("a")), "no_user_turn"),
    ],
)
def test_what_is_no_message_gives_a_reason(row, code):
    assert reason("oasst", row).reason == code


def test_a_broken_reply_costs_only_what_hangs_on_it():
    broken = ask("q", {"role": "assistant"}, 7, reply("a"))
    assert example("oasst", broken).response == "a"


@st.composite
def trees(draw):
    """A random tree of alternating roles in which every text is its own."""
    size = draw(st.integers(1, 14))
    nodes = [ask("m0")]
    roles = ["prompter"]
    for number in range(1, size):
        parent = draw(st.integers(0, number - 1))
        role = "assistant" if roles[parent] == "prompter" else "prompter"
        marks = draw(
            st.sampled_from([{}, {}, {}, {"rank": 0}, {"rank": 1}, {"deleted": True}, {"review_result": False}])
        )
        node = message(f"m{number}", role, **marks)
        nodes[parent]["replies"].append(node)
        nodes.append(node)
        roles.append(role)
    return nodes[0]


@given(trees(), st.randoms())
def test_flat_and_nested_agree_and_every_flat_row_has_an_outcome_or_is_part_of_an_example(root, random):
    nested = [item.outcome for item in found("oasst", tree(root))]
    rows = flattened(root)
    flat = found("oasst", *rows)
    assert len({item.line for item in flat}) == len(flat)
    kept = [item.outcome for item in flat if isinstance(item.outcome, Example)]
    assert {e.instruction: e for e in kept} == {e.instruction: e for e in nested if isinstance(e, Example)}
    assert sum(isinstance(o, RowError) for o in nested) == sum(
        isinstance(item.outcome, RowError) and rows[item.line - 1]["role"] == "prompter" for item in flat
    )
    used = {content for e in kept for _, content in [*said(e), ("", e.instruction), ("", e.response)]}
    silent = {row["text"] for line, row in enumerate(rows, 1) if line not in {item.line for item in flat}}
    assert silent <= used
