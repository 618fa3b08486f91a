"""What the layouts make of real public files, each byte for byte as published: set PHASE0_DEV_DATA to their folder."""

import gzip
import json
import os
import zlib
from collections import Counter
from pathlib import Path

import pytest

from phase0 import sources
from phase0.errors import DataError, RowError
from phase0.sources import Example

# file: (layout, rows, examples, reasons). Rows are those that are valid JSON.
FILES = {
    "alpaca/alpaca_en_demo.json.gz": ("alpaca", 999, 999, {}),
    "alpaca/alpaca_zh_demo.json.gz": ("alpaca", 1000, 1000, {}),
    "alpaca/alpagasus-claude_t45.json.gz": ("alpaca", 5305, 5305, {}),
    "alpaca/alpagasus-helpfulness_t45.json.gz": ("alpaca", 2022, 2022, {}),
    "alpaca/alpagasus-random_9k.json.gz": ("alpaca", 9229, 9229, {}),
    "alpaca/code_alpaca_2k.json.gz": ("alpaca", 2017, 2017, {}),
    "alpaca/gpteacher-codegen-instruct.json.gz": ("alpaca", 4535, 4535, {}),
    "alpaca/gpteacher-roleplay-instruct.json.gz": ("alpaca", 1923, 1923, {}),
    "alpaca/gpteacher-toolformer-similarity-0.6.json.gz": ("alpaca", 2396, 2396, {}),
    "alpaca/gsm_8k_train.json.gz": ("alpaca", 7473, 7473, {}),
    "alpaca/identity.json": ("alpaca", 91, 91, {}),
    "alpaca/new_codealpaca.json.gz": ("alpaca", 4535, 4535, {}),
    "alpaca_eval/gpt-4o-2024-05-13.model_outputs.json.gz": ("alpaca", 805, 805, {}),
    "anthropic-hh/harmless-base-test.jsonl.gz": ("hh", 2312, 2308, {"empty_response": 4}),
    "dolly/dolly_3k.json.gz": ("alpaca", 2996, 2996, {}),
    "dpo/dpo_zh_demo.json.gz": ("preference", 300, 300, {}),
    "dpo/v1_dpo_demo.jsonl": ("preference", 10, 10, {}),
    "gsm8k/example_model_solutions.jsonl.gz": ("question_answer", 1319, 5 * 1319, {}),
    "gsm8k/test_socratic.jsonl.gz": ("question_answer", 1319, 1319, {}),
    "gsm8k/train.jsonl.gz": ("question_answer", 7473, 7473, {}),
    "instructionwild/seed_prompts_ch.jsonl": ("instruction_only", 429, 429, {}),
    "instructionwild/seed_prompts_en.jsonl": ("instruction_only", 429, 429, {}),
    "instructionwild/user_1.jsonl": ("instruction_only", 429, 429, {}),
    "instructionwild/user_2.jsonl": ("instruction_only", 246, 246, {}),  # two more lines are not JSON
    "mt_bench/question.jsonl": ("instruction_only", 80, 80, {}),
    "oasst/en_100_message.jsonl.gz": ("oasst", 100, 254, {"no_response": 226}),
    "oasst/en_100_tree.jsonl.gz": ("oasst", 100, 254, {"no_response": 226}),
    "oasst/prompt_lottery_en_250_text.jsonl": ("instruction_only", 250, 250, {}),
    "oasst/qlora-oa_questions.jsonl.gz": ("guanaco", 953, 953, {}),
    "open-instruct/eval_instances_tulu_1.jsonl.gz": ("prompt_completion", 996, 1992, {}),
    "openai-messages/v1_sft_demo.jsonl.gz": ("messages", 500, 500, {}),
    "pandalm/testset-v1.json.gz": ("comparison", 999, 2 * 999 - 6, {"bad_type": 6}),
    "parquet/camel_gt_dataset.parquet": ("question_answer", 27, 27, {}),
    "parquet/reasoning_dataset.parquet": ("question_answer", 5, 5, {}),
    "self-instruct/code_seed_tasks.jsonl": ("self_instruct", 21, 21, {}),
    "self-instruct/davinci_predictions.jsonl.gz": ("alpaca", 252, 252, {}),
    "self-instruct/seed_tasks.jsonl": ("self_instruct", 175, 175, {}),
    "self-instruct/t0/cnn_dailymail_3_0_0_news_summary.jsonl.gz": ("prompt_completion", 200, 200, {}),
    "self-instruct/t0/dbpedia_14_pick_one_category_for_the_following_text.jsonl": ("prompt_completion", 200, 200, {}),
    "self-instruct/t0/trec_fine_grained_open.jsonl": ("prompt_completion", 200, 200, {}),
    "self-instruct/text-davinci-003_predictions.jsonl.gz": ("alpaca", 252, 252, {}),
    "self-instruct/user_oriented_instructions.jsonl": ("self_instruct", 252, 252, {}),
    "sharegpt/dummy_conversation.json": ("sharegpt", 500, 500, {}),
    "sharegpt/glaive_toolcall_en_demo.json.gz": ("sharegpt", 300, 300, {}),
    "sharegpt/glaive_toolcall_zh_demo.json.gz": ("sharegpt", 300, 300, {}),
    "wizardlm/WizardLM_testset.jsonl": ("instruction_only", 218, 218, {}),
    "wizardlm/wizardlm.508e.json": ("alpaca", 8, 8, {}),
    "wizardlm/wizardlm.9186.json": ("alpaca", 35, 35, {}),
    "wizardlm/wizardlm.c5c5.json": ("alpaca", 9, 9, {}),
    "wizardlm/wizardlm.cf3c.json": ("alpaca", 9, 9, {}),
}
REFUSED = {
    "mt_bench/reference_answer-gpt-4.jsonl": "No known layout has these fields: question_id, answer_id",  # no questions
    "not-instructions/c4_demo.jsonl.gz": "running text",
}
UNREADABLE = {"not-instructions/hh-helpful-base-test.lfs-pointer.jsonl.gz"}  # no gzip at all, but a Git LFS pointer


@pytest.fixture(scope="module")
def raw():
    data = os.environ.get("PHASE0_DEV_DATA")
    if not data:
        pytest.skip("PHASE0_DEV_DATA does not name a folder of public data")
    return Path(data) / "raw"


def rows_of(path):
    if path.suffix == ".parquet":
        from pyarrow import parquet

        return parquet.read_table(path).to_pylist()
    raw = path.read_bytes()
    content = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8")
    if content.startswith("["):
        return json.loads(content)
    return [row for line in content.split("\n") if line.strip() for row in parsed(line)]


def parsed(line):
    try:
        return [json.loads(line)]
    except ValueError:
        return []


def outcomes(raw, file):
    rows = rows_of(raw / file)
    layout = sources.recognise(rows)
    return layout.name, len(rows), [item.outcome for item in layout.read(enumerate(rows, 1))]


def kept(raw, file):
    return [outcome for outcome in outcomes(raw, file)[2] if isinstance(outcome, Example)]


def test_every_public_file_is_in_the_table(raw):
    files = {path.relative_to(raw).as_posix() for path in raw.rglob("*") if path.is_file()}
    assert files == FILES.keys() | REFUSED.keys() | UNREADABLE


@pytest.mark.parametrize("file", FILES)
def test_a_public_file_gives_these_examples_and_reasons(raw, file):
    name, rows, found = outcomes(raw, file)
    reasons = Counter(outcome.reason for outcome in found if isinstance(outcome, RowError))
    assert (name, rows, len(found) - reasons.total(), dict(reasons)) == FILES[file]
    for outcome in found:
        assert isinstance(outcome, RowError) or outcome.instruction.strip()


@pytest.mark.parametrize("file", REFUSED)
def test_a_file_that_holds_no_instructions_is_refused(raw, file):
    with pytest.raises(DataError, match=REFUSED[file]):
        sources.recognise(rows_of(raw / file))


@pytest.mark.parametrize("file", UNREADABLE)
def test_a_file_that_is_not_what_its_name_says_holds_no_rows(raw, file):
    with pytest.raises((gzip.BadGzipFile, zlib.error)):
        rows_of(raw / file)


def test_an_alpaca_eval_answer_names_its_model(raw):
    found = kept(raw, "alpaca_eval/gpt-4o-2024-05-13.model_outputs.json.gz")
    assert {example.source for example in found} == {"gpt-4o-2024-05-13"}
    assert found[0].instruction == "What are the names of some famous actors that started their careers on Broadway?"
    assert found[0].response.startswith("Many well-known actors began their careers on Broadway")


def test_hh_dialogues_end_with_the_assistant_and_alternate(raw):
    found = kept(raw, "anthropic-hh/harmless-base-test.jsonl.gz")
    assert Counter(flag for example in found for flag in example.flags) == {"speaks_for_human": 23, "joined_turns": 8}
    for example in found:
        assert [turn.role for turn in example.history] == ["user", "assistant"] * (len(example.history) // 2)


def test_both_exports_of_the_same_trees_give_the_same_examples(raw):
    trees, messages = (kept(raw, f"oasst/en_100_{shape}.jsonl.gz") for shape in ("tree", "message"))
    assert [example.response for example in trees] == [example.response for example in messages]
    assert [example.history for example in trees] == [example.history for example in messages]


def test_no_calculator_mark_is_left_in_gsm8k(raw):
    found = kept(raw, "gsm8k/train.jsonl.gz")
    assert not [example for example in found if "<<" in example.response or ">>" in example.response]
    assert all("\n#### " in example.response for example in found)


def test_every_text_of_a_tool_dialogue_is_kept(raw):
    file = "sharegpt/glaive_toolcall_en_demo.json.gz"
    for row, example in zip(rows_of(raw / file), kept(raw, file), strict=True):
        spoken = [turn["value"] for turn in row["conversations"]]
        asked = [] if "instruction_in_history" in example.flags else [example.instruction]
        assert [*(turn.content for turn in example.history), *asked, example.response] == spoken


def test_empty_completions_stay_empty_text(raw):
    found = kept(raw, "self-instruct/t0/trec_fine_grained_open.jsonl")
    assert {example.response for example in found} == {""}


def test_no_transcript_mark_is_left_in_the_turns_of_guanaco(raw):
    for example in kept(raw, "oasst/qlora-oa_questions.jsonl.gz"):
        assert "### Assistant:" not in example.instruction
        assert [turn.role for turn in example.history] == ["user", "assistant"] * (len(example.history) // 2)
