"""The layouts whose rows stand alone: what each makes of its rows and of every quirk known of them."""

import msgspec
import pytest
from reading import example, examples, found, reason, recognised, said

from phase0 import records
from phase0.records import Meta, Origin, Turn
from phase0.sources import Example


def test_standard_reads_what_phase0_writes():
    record = records.make(
        instruction="q",
        response="a",
        source="m",
        quality_score=8.5,
        system="s",
        history=[Turn("user", "x"), Turn("tool", "y")],
        meta=Meta(origin=Origin(dataset="d", revision=None, row="f:1")),
    )
    row = msgspec.json.decode(records.encode(record))
    assert recognised(row) == "standard"
    assert example("standard", row) == Example(
        instruction="q", response="a", source="m", quality_score=8.5, system="s", history=record.history
    )


def test_standard_reads_plain_pairs_and_takes_the_model_for_the_source():
    row = {"instruction": "q", "response": "a", "model": "m"}
    assert recognised(row) == "standard"
    assert example("standard", row) == Example(instruction="q", response="a", source="m")


def test_standard_knows_a_null_response_as_not_yet_known_but_misses_an_absent_one():
    assert example("standard", {"instruction": "q", "response": None}).response is None
    assert reason("standard", {"instruction": "q"}).reason == "missing_field"


@pytest.mark.parametrize(
    ("field", "value", "code", "at"),
    [
        ("response", True, "bad_type", "response"),
        ("response", ["a"], "bad_type", "response"),
        ("source", 3, "bad_type", "source"),
        ("quality_score", True, "bad_type", "quality_score"),
        ("quality_score", "8", "bad_type", "quality_score"),
        ("quality_score", 10**400, "score_out_of_range", "quality_score"),
        ("quality_score", float("nan"), "score_out_of_range", "quality_score"),
        ("quality_score", 0, "score_out_of_range", "quality_score"),
        ("history", "x", "bad_type", "history"),
        ("history", ["x"], "not_an_object", "history[0]"),
        ("history", [{"role": "human", "content": "x"}], "unknown_role", "history[0]"),
        ("history", [{"role": "user"}], "missing_field", "content"),
    ],
)
def test_standard_names_the_field_that_is_wrong(field, value, code, at):
    error = reason("standard", {"instruction": "q", "response": "a", field: value})
    assert (error.reason, error.field) == (code, at)


def test_alpaca_joins_instruction_and_input_by_one_blank_line():
    row = {"instruction": "Add.\n", "input": "1, 2", "output": "3", "text": "Below is …", "category": "maths"}
    assert recognised(row) == "alpaca"
    assert example("alpaca", row) == Example(instruction="Add.\n\n1, 2", response="3")


@pytest.mark.parametrize("nothing", ["", "  \n", "<noinput>", "No input", "\\<noinput\\>", "N/A", "(no input).", None])
def test_alpaca_leaves_out_an_input_that_says_there_is_none(nothing):
    assert example("alpaca", {"instruction": "Go.", "input": nothing, "output": "x"}).instruction == "Go."


@pytest.mark.parametrize("something", ["none", "Na", "no inputs were given", "0", "?"])
def test_alpaca_keeps_an_input_that_only_resembles_none(something):
    assert example("alpaca", {"instruction": "Go.", "input": something, "output": "x"}).instruction.endswith(something)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"instruction": "q", "context": "c", "response": "a", "category": "qa"}, ("q\n\nc", "a", None)),  # Dolly
        ({"dataset": "d", "instruction": "q", "output": "a", "generator": "gpt"}, ("q", "a", "gpt")),  # AlpacaEval
        ({"input": "q", "output": "a"}, ("q", "a", None)),  # evolved instructions
        ({"instruction": "q", "input": "", "response": "b", "output": "a"}, ("q", "a", None)),  # both answer fields
        ({"prompt": "p", "instruction": "q", "input": "i", "response": " a", "target": "t"}, ("q\n\ni", " a", None)),
    ],
)
def test_alpaca_reads_its_relatives(row, expected):
    assert recognised(row) == "alpaca"
    read = example("alpaca", row)
    assert (read.instruction, read.response, read.source) == expected


def test_alpaca_keeps_an_empty_answer_and_refuses_a_missing_or_a_wrong_one():
    assert example("alpaca", {"instruction": "q", "output": ""}).response == ""
    assert reason("alpaca", {"instruction": "q", "output": None}).reason == "missing_field"
    error = reason("alpaca", {"instruction": "q", "output": True})
    assert (error.reason, error.field, error.detail) == ("bad_type", "output", "output is true, not text")


def test_alpaca_reads_system_and_history_pairs():
    read = example("alpaca", {"instruction": "c", "output": "d", "system": "s", "history": [["a", "b"]]})
    assert (read.system, said(read)) == ("s", [("user", "a"), ("assistant", "b")])
    for bad in (["a"], [["a"]], [["a", 1]], "ab"):
        assert reason("alpaca", {"instruction": "c", "output": "d", "history": bad}).reason == "bad_type"


def test_hh_takes_the_chosen_transcript():
    chosen = "\n\nHuman: a\n\nAssistant: b\n\nc\n\nHuman: d\n\nAssistant: e"
    row = {"chosen": chosen, "rejected": chosen + "?"}
    assert recognised(row) == "hh"
    read = example("hh", row)
    assert (read.instruction, read.response) == ("d", "e")
    assert said(read) == [("user", "a"), ("assistant", "b\n\nc")]


@pytest.mark.parametrize(
    ("chosen", "code"),
    [
        ("\n\nHuman: a\n\nAssistant: ", "empty_response"),
        ("\n\nHuman: a\n\nAssistant:", "empty_response"),
        ("\n\nHuman: a\n\nAssistant: b\n\nHuman: c\n\nAssistant:  \n", "empty_response"),
        ("\n\nHuman: a", "no_response"),
        ("\n\nAssistant: a", "no_user_turn"),
        ("Once upon a time\n\nHuman: a\n\nAssistant: b", "no_transcript"),
        ("no marks", "no_transcript"),
        ("", "no_transcript"),
        (None, "missing_field"),
        (["\n\nHuman: a"], "bad_type"),
    ],
)
def test_hh_gives_a_reason_where_there_is_no_answer(chosen, code):
    assert reason("hh", {"chosen": chosen, "rejected": ""}).reason == code


def test_hh_joins_a_role_that_speaks_twice():
    read = example("hh", {"chosen": "\n\nHuman: a\n\nAssistant: b\n\nAssistant: c"})
    assert (read.response, read.flags) == ("b\n\nc", ("joined_turns",))


def test_hh_begins_a_turn_only_after_a_blank_line_and_flags_a_model_that_speaks_for_the_human():
    read = example("hh", {"chosen": "\n\nHuman: a\nAssistant: x\n\nAssistant: Sure.  Human: b\nHuman: c"})
    assert (read.instruction, read.response) == ("a\nAssistant: x", "Sure.  Human: b\nHuman: c")
    assert read.flags == ("speaks_for_human",)
    assert example("hh", {"chosen": "\n\nHuman: a\n\nAssistant: A superHuman: rare."}).flags == ()


def test_hh_reads_a_transcript_that_lacks_its_first_line_ends_or_ends_with_the_human():
    assert example("hh", {"chosen": "Human: a\n\nAssistant: b"}).instruction == "a"
    assert example("hh", {"chosen": "\n\nHuman: a\n\nAssistant: b\n\nHuman: bye"}).flags == ("cut_end",)


def test_sharegpt_reads_system_weight_and_model():
    row = {
        "conversations": [
            {"from": "system", "value": "s", "weight": None},
            {"from": "human", "value": "a", "weight": 0},
            {"from": "gpt", "value": "b", "weight": 1},
        ],
        "instruction": "a",
        "response": "b",
        "model": "m",
    }
    assert recognised(row) == "sharegpt"
    assert example("sharegpt", row) == Example(instruction="a", response="b", system="s", source="m")


def test_sharegpt_takes_system_text_from_beside_the_dialogue():
    row = {"conversations": [{"from": "user", "value": "a"}, {"from": "assistant", "value": "b"}], "system_prompt": "s"}
    assert example("sharegpt", row).system == "s"


def test_sharegpt_keeps_calls_and_observations():
    turns = [("human", "a"), ("function_call", "f()"), ("observation", "1"), ("gpt", "b")]
    row = {"conversations": [{"from": who, "value": what} for who, what in turns], "tools": '[{"name": "f"}]'}
    read = example("sharegpt", row)
    assert (read.instruction, read.response, read.system) == ("a", "b", 'Tools:\n[{"name": "f"}]')
    assert said(read) == [("user", "a"), ("assistant", "f()"), ("tool", "1")]
    assert "tools" in read.flags


@pytest.mark.parametrize("field", ["messages", "conversation", "conversations"])
def test_messages_are_read_under_each_of_their_names(field):
    row = {field: [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}], "id": "1", "prompt": "a"}
    assert recognised(row) == "messages"
    assert example("messages", row) == Example(instruction="a", response="b")


def test_messages_misses_its_field():
    assert reason("messages", {"message": []}).reason == "missing_field"


def test_guanaco_reads_a_transcript_in_one_text():
    row = {"text": "### Human: a### Assistant: b### Human: c### Assistant: ### Title\nd"}
    assert recognised(row) == "guanaco"
    read = example("guanaco", row)
    assert (read.instruction, read.response, said(read)) == ("c", "### Title\nd", [("user", "a"), ("assistant", "b")])


def test_guanaco_takes_the_output_as_the_last_turn_uncut():
    row = {"input": "### Human: a ### Assistant:", "output": "b\n### Human: is a heading"}
    assert recognised(row) == "guanaco"
    assert example("guanaco", row) == Example(instruction="a", response="b\n### Human: is a heading")


def test_self_instruct_gives_one_example_per_instance_and_loses_none_to_a_bad_one():
    row = {
        "id": "t",
        "instruction": "Add.",
        "instances": [{"input": "1, 2", "output": "3"}, {"input": "", "output": 3}, 7, {"input": "", "output": "0"}],
    }
    assert recognised(row) == "self_instruct"
    one, two, three, four = found("self_instruct", row)
    assert one.outcome == Example(instruction="Add.\n\n1, 2", response="3")
    assert (two.outcome.reason, three.outcome.reason) == ("bad_type", "not_an_object")
    assert four == (1, 3, Example(instruction="Add.", response="0"))
    assert reason("self_instruct", {"instruction": "Add.", "instances": []}).reason == "no_examples"


def test_comparison_gives_both_answers_and_names_authors_only_where_the_row_does():
    pandalm = {"instruction": "q", "input": "i", "cmp_key": "x_y", "response1": "a", "response2": True}
    assert recognised(pandalm) == "comparison"
    first, second = found("comparison", pandalm)
    assert first.outcome == Example(instruction="q\n\ni", response="a")
    assert (second.outcome.reason, second.outcome.field) == ("bad_type", "response2")
    judged = {"instruction": "q", "output_1": "a", "output_2": "b", "generator_1": "x", "generator_2": "y"}
    assert recognised(judged) == "comparison"
    assert [read.source for read in examples("comparison", judged)] == ["x", "y"]
    asked = {"prompt": "q", "response_a": "a", "response_b": "", "model_a": "x"}
    assert [(read.instruction, read.response, read.source) for read in examples("comparison", asked)] == [
        ("q", "a", "x"),
        ("q", "", None),
    ]
    assert reason("comparison", {"instruction": "q", "response1": "a"}).reason == "missing_field"


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"question": "q", "answer": "a", "subject": "s"}, ("q", "a", None)),
        ({"problem": "q", "solution": "because 3", "answer": "3"}, ("q", "because 3", None)),  # NuminaMath, MATH
        ({"query": "q", "response": "a", "type": "t"}, ("q", "a", None)),  # MetaMath
        ({"id": "1", "system_prompt": "s", "question": "q", "response": "a"}, ("q", "a", "s")),  # OpenOrca
        ({"system_prompt": "", "question": "q", "response": "a"}, ("q", "a", None)),
    ],
)
def test_question_answer_reads_its_relatives(row, expected):
    assert recognised(row) == "question_answer"
    read = example("question_answer", row)
    assert (read.instruction, read.response, read.system) == expected


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("48/2 = <<48/2=24>>24 clips\n#### 24", "48/2 = 24 clips\n#### 24"),
        ("$<<.5*2=1.0>>1 and <<83.3>>83.3", "$1 and 83.3"),
        ("How many? ** 2+2 = <<2+2=4>>4", "How many? ** 2+2 = 4"),
        ("cout << a == b >> c; x <<=y>>2; 1 << 2 >> 3", "cout << a == b >> c; x <<=y>>2; 1 << 2 >> 3"),
        ('cout << x << "=" << y >> z;', 'cout << x << "=" << y >> z;'),
        ("unclosed <<3/440=0.006", "unclosed <<3/440=0.006"),
    ],
)
def test_question_answer_removes_calculator_marks_and_nothing_else(written, kept):
    assert example("question_answer", {"question": "q", "answer": written}).response == kept


def test_question_answer_gives_the_solution_of_every_model_with_its_name():
    row = {
        "question": "q",
        "ground_truth": "A: 1",
        "small": {"is_correct": False, "solution": "A: <<1+1=2>>2"},
        "large": {"is_correct": True, "solution": "A: 1"},
        "broken": {"is_correct": True, "solution": None},
    }
    assert recognised(row) == "question_answer"
    truth, small, large, broken = (item.outcome for item in found("question_answer", row))
    assert truth == Example(instruction="q", response="A: 1")
    assert small == Example(instruction="q", response="A: 2", source="small", flags=("marked_incorrect",))
    assert large == Example(instruction="q", response="A: 1", source="large")
    assert (broken.reason, broken.field) == ("bad_type", "broken.solution")


@pytest.mark.parametrize("field", ["completion", "response", "output", "answer"])
def test_prompt_completion_reads_its_answer_under_each_name(field):
    row = {"prompt": "q\n", field: " a", "helpfulness": 3}
    assert recognised(row) == "prompt_completion"
    assert example("prompt_completion", row) == Example(instruction="q\n", response=" a")


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("Company<|endoftext|>", "Company"),
        ("<|endoftext|>", ""),
        ("a\n<|endoftext|> <|endoftext|>\n", "a\n"),
        ("a <|endoftext|> b ", "a <|endoftext|> b "),
    ],
)
def test_prompt_completion_removes_the_end_mark_at_the_end_alone(written, kept):
    assert example("prompt_completion", {"prompt": "q", "completion": written}).response == kept


def test_prompt_completion_gives_one_example_per_completion_with_its_model():
    row = {"prompt": "q", "completions": [{"model": "x", "completion": "a"}, {"model": "y"}, "b"]}
    assert recognised(row) == "prompt_completion"
    one, two, three = (item.outcome for item in found("prompt_completion", row))
    assert one == Example(instruction="q", response="a", source="x")
    assert two.reason == "missing_field"
    assert three == Example(instruction="q", response="b")
    assert reason("prompt_completion", {"prompt": "q", "completions": []}).reason == "no_examples"


def test_prompt_completion_finds_helpsteer_s_earlier_turns_in_the_prompt():
    prompt = "a\n<extra_id_1>Assistant\nb\n<extra_id_1>User\nc"
    read = example("prompt_completion", {"prompt": prompt, "response": "d"})
    assert (read.instruction, read.response, said(read)) == ("c", "d", [("user", "a"), ("assistant", "b")])


def test_prompt_completion_reads_prompt_and_completion_as_messages():
    row = {"prompt": [{"role": "user", "content": "q"}], "completion": [{"role": "assistant", "content": "a"}]}
    assert recognised(row) == "prompt_completion"
    assert example("prompt_completion", row) == Example(instruction="q", response="a")


@pytest.mark.parametrize(
    "row",
    [
        "q",
        {"instruction": "q"},
        {"idx": 1, "Skill": "Maths", "Instruction": "q"},
        {"prompt": "q"},
        {"input": "q"},
        {"question": "q"},
        {"prompt": [{"role": "user", "content": "q"}], "reward_model": {}},
        {"question_id": 1, "turns": ["q"]},
    ],
)
def test_instruction_only_reads_prompts_under_every_name_without_a_response(row):
    assert recognised(row) == "instruction_only"
    assert example("instruction_only", row) == Example(instruction="q")


def test_instruction_only_joins_the_input_and_drops_follow_ups_that_need_an_answer():
    assert example("instruction_only", {"instruction": "q", "input": "i"}).instruction == "q\n\ni"
    assert example("instruction_only", {"turns": ["q", "more"]}) == Example(
        instruction="q", flags=("followups_dropped",)
    )


@pytest.mark.parametrize("row", [{"turns": []}, {"turns": "q"}, {"turns": [1]}, {"prompt": 1}])
def test_instruction_only_refuses_what_is_not_text(row):
    assert reason("instruction_only", row).reason == "bad_type"


def test_lines_and_parts_say_where_an_example_stood():
    rows = [{"instruction": "q", "output": "a"}, 3, {"instruction": "q", "output": "b"}]
    assert [(item.line, item.part) for item in found("alpaca", *rows)] == [(1, 0), (2, 0), (3, 0)]
    assert found("alpaca", 3)[0].outcome.reason == "not_an_object"
