"""What is exported loads: with `datasets` in every format, and with the trainers' own code where it is installed.

Nothing here needs the network. Without `datasets`, TRL, LLaMA-Factory or OpenAI's client the tests of each are skipped.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
import sys
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from made import record

import phase0
from phase0.records import Record, Turn, encode
from phase0.stages.formats import DATASET_INFO, FORMATS, SUFFIXES, chat

TURNS = (Turn(role="user", content="Hi"), Turn(role="assistant", content="Hello"))
TOOL = (*TURNS, Turn(role="tool", content="3"))
ODD = '=1+1, "quoted"\r\nsecond line\ttab\rreturn </script> \u2028 ∑ NA'


@pytest.fixture(scope="module")
def hub_offline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A place for what loading leaves; nothing is asked for over the network."""
    place = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "HF_HUB_DISABLE_TELEMETRY"):
            patch.setenv(name, "1")
        patch.setenv("HF_HOME", str(place / "home"))
        yield place


@pytest.fixture(scope="module")
def datasets(hub_offline: Path) -> Any:
    module = pytest.importorskip("datasets", reason="datasets is not installed: pip install datasets")
    module.disable_progress_bars()
    module.config.HF_DATASETS_CACHE = hub_offline
    return module


def examples() -> list[Record]:
    return [
        record(1),
        record(2, system="Be brief."),
        record(3, history=TURNS, system="Be brief."),
        record(4, history=TURNS),
        record(5, instruction="And?", history=(*TURNS, *TURNS)),
        record(6, instruction=ODD, response=ODD, quality_score=8.5),
        record(7, instruction="null", response="NA"),
        *(record(number) for number in range(10, 30)),
    ]


def exported(folder: Path, rows: list[Record], name: str, **how: Any) -> Path:
    (folder / "in.jsonl").write_bytes(b"".join(encode(row) + b"\n" for row in rows))
    phase0.export([folder / "in.jsonl"], folder / "out", to=name, **how)
    return folder / "out" / name


def loaded(datasets: Any, cache: Path, folder: Path, **how: Any) -> Any:
    """Every split of a folder's files."""
    files = {path.stem: str(path) for path in sorted(folder.iterdir()) if path.suffix in {".jsonl", ".parquet", ".csv"}}
    kind = {".jsonl": "json", ".parquet": "parquet", ".csv": "csv"}[Path(files["train"]).suffix]
    return datasets.load_dataset(kind, data_files=files, cache_dir=str(cache), **how)


def expected(name: str, rows: list[Record]) -> list[dict[str, Any]]:
    return [made for row in rows if isinstance(made := FORMATS[name](row), dict)]


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "csv"])
def test_a_format_loads_with_datasets_and_every_row_comes_back(
    datasets: Any, hub_offline: Path, tmp_path: Path, name: str
) -> None:
    folder = exported(tmp_path, examples(), name, validation=0.2)
    splits = loaded(datasets, hub_offline, folder)
    assert sorted(splits) == ["train", "validation"]
    back = [row for split in splits.values() for row in split]
    wanted = expected(name, examples())
    assert sorted(back, key=json.dumps) == sorted(wanted, key=json.dumps)
    assert splits["train"].features == splits["validation"].features


def test_csv_loads_with_datasets_and_text_comes_back_exactly(datasets: Any, hub_offline: Path, tmp_path: Path) -> None:
    folder = exported(tmp_path, examples(), "csv")
    assert SUFFIXES["csv"] == ".csv"
    (split,) = loaded(datasets, hub_offline, folder, keep_default_na=False).values()
    for row, was in zip(split, examples(), strict=True):
        assert (row["instruction"], row["response"]) == (was.instruction, was.response)
        assert row["system"] == (was.system or "")
        turns = json.loads(row["history"]) if row["history"] else []
        assert [(turn["role"], turn["content"]) for turn in turns] == [
            (turn.role, turn.content) for turn in was.history
        ]


@pytest.mark.parametrize("name", ["trl", "llama-factory-alpaca", "llama-factory-sharegpt", "parquet"])
def test_what_only_late_rows_have_does_not_stop_a_large_file_from_loading(
    datasets: Any, hub_offline: Path, tmp_path: Path, name: str
) -> None:
    body = "x" * 2500  # 5,000 of them are more than the 10 MB whose rows settle the types of a JSONL file
    rows = [record(number, response=body) for number in range(5000)]
    rows.append(record(5000, system="Be brief.", quality_score=7.5))
    if name != "llama-factory-alpaca":
        rows.append(record(5001, history=TURNS))
    (split,) = loaded(datasets, hub_offline, exported(tmp_path, rows, name)).values()
    assert len(split) == len(rows)
    assert [split[at] for at in range(4999, len(rows))] == expected(name, rows[4999:])


def test_openai_takes_every_row_as_messages_of_a_chat(tmp_path: Path) -> None:
    chat_types = pytest.importorskip(
        "openai.types.chat", reason="the OpenAI client is not installed: pip install openai"
    )
    from pydantic import TypeAdapter

    accepts = TypeAdapter(list[chat_types.ChatCompletionMessageParam])
    folder = exported(tmp_path, [*examples(), record(9, history=TOOL)], "openai")
    rows = [json.loads(line) for line in (folder / "train.jsonl").read_bytes().splitlines()]
    assert len(rows) == len(examples())
    for row in rows:
        assert list(row) == ["messages"]
        assert accepts.validate_python(row["messages"], strict=True)
        assert row["messages"][-1]["role"] == "assistant"


CHATML = "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}"


@pytest.fixture(scope="module")
def trl(datasets: Any) -> Any:
    return pytest.importorskip("trl.data_utils", reason="trl (--no-deps) or transformers is not installed")


@pytest.fixture(scope="module")
def tokenizer(trl: Any) -> Any:
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    made = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel({"?": 0}, unk_token="?")))
    made.chat_template = CHATML
    return made


@pytest.mark.parametrize("name", ["trl", "trl-prompt-completion", "openai", "axolotl"])
def test_trl_reads_the_conversation_and_its_template_says_all_of_it(
    datasets: Any, hub_offline: Path, trl: Any, tokenizer: Any, tmp_path: Path, name: str
) -> None:
    (split,) = loaded(datasets, hub_offline, exported(tmp_path, examples(), name)).values()
    for row, was in zip(split, examples(), strict=True):
        assert trl.is_conversational(row)
        said = trl.apply_chat_template(row, tokenizer)
        text = said["text"] if "messages" in row else said["prompt"] + said["completion"]
        assert text == "".join(f"<|{turn['role']}|>{turn['content']}<|end|>" for turn in chat(was))
        if "completion" in said:
            assert was.response in said["completion"]
            assert was.instruction in said["prompt"]


def test_trl_reads_bare_prompts_and_completions_as_text(
    datasets: Any, hub_offline: Path, trl: Any, tmp_path: Path
) -> None:
    (split,) = loaded(datasets, hub_offline, exported(tmp_path, examples(), "prompt-completion")).values()
    assert len(split) == len(expected("prompt-completion", examples())) > 10
    assert not any(trl.is_conversational(row) for row in split)


@pytest.fixture
def llama_factory(datasets: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """LLaMA-Factory's own reader of `dataset_info.json` and its converters.

    Its packages import torch when they begin, so they are entered without their beginnings, and the two modules of
    constants and of the machine, which import torch too, are replaced by the three names that are used of them.
    """
    found = importlib.util.find_spec("llamafactory")
    if found is None or not found.submodule_search_locations:
        pytest.skip("LLaMA-Factory is not installed: pip install --no-deps llamafactory")
    root = Path(next(iter(found.submodule_search_locations)))
    for name, place in {"": root, ".data": root / "data", ".extras": root / "extras"}.items():
        package = ModuleType(f"llamafactory{name}")
        package.__path__ = [str(place)]
        package.__spec__ = ModuleSpec(package.__name__, None, is_package=True)
        monkeypatch.setitem(sys.modules, package.__name__, package)
    never = {"use_modelscope": lambda: False, "use_openmind": lambda: False}
    for name, values in {
        "misc": never,
        "constants": {"DATA_CONFIG": "dataset_info.json", "RUNNING_LOG": "log"},
    }.items():
        module = ModuleType(f"llamafactory.extras.{name}")
        vars(module).update(values)
        monkeypatch.setitem(sys.modules, module.__name__, module)
    for name in ("parser", "converter", "data_utils"):
        monkeypatch.delitem(sys.modules, f"llamafactory.data.{name}", raising=False)
    parser = importlib.import_module("llamafactory.data.parser")
    converter = importlib.import_module("llamafactory.data.converter")
    yield SimpleNamespace(parser=parser, converter=converter)
    for name in [name for name in sys.modules if name.startswith("llamafactory")]:
        monkeypatch.delitem(sys.modules, name)


@pytest.mark.parametrize("name", DATASET_INFO)
def test_llama_factory_finds_the_files_and_reads_every_conversation(
    datasets: Any, hub_offline: Path, llama_factory: Any, tmp_path: Path, name: str
) -> None:
    folder = exported(tmp_path, [*examples(), record(9, history=TOOL[:1])], name, validation=0.2)
    wanted = [row for row in examples() if isinstance(FORMATS[name](row), dict)]
    found = llama_factory.parser.get_dataset_list(["phase0", "phase0_validation"], str(folder))
    said = []
    for split in found:
        path = folder / split.dataset_name
        assert split.load_from == "file"
        rows = datasets.load_dataset("json", data_files=str(path), split="train", cache_dir=str(hub_offline))
        convert = llama_factory.converter.get_dataset_converter(split.formatting, split, SimpleNamespace(media_dir=""))
        said += [convert(row) for row in rows]
    assert len(said) == len(wanted)
    roles = {"tool": "observation"}
    for row in wanted:
        turns = [
            turn | {"role": roles.get(turn["role"], turn["role"])} for turn in chat(row) if turn["role"] != "system"
        ]
        match = {"_prompt": turns[:-1], "_response": turns[-1:], "_system": row.system or ""}
        assert any(match.items() <= each.items() for each in said), row


def fenced(language: str) -> list[str]:
    page = (Path(__file__).parents[2] / "docs/training.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


@pytest.fixture
def as_on_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what the page's first command writes."""
    forms = [name for name in FORMATS if name in (*DATASET_INFO, *SUFFIXES, "openai", "axolotl") or "trl" in name]
    (tmp_path / "in.jsonl").write_bytes(b"".join(encode(row) + b"\n" for row in examples()))
    phase0.export([tmp_path / "in.jsonl"], tmp_path / "runs/quickstart/export", to=forms, validation=0.2)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_python_of_the_page_that_needs_no_model_loads_the_files(
    datasets: Any, hub_offline: Path, as_on_the_page: Path
) -> None:
    found: dict[str, Any] = {}
    for block in fenced("py"):
        if not re.search(r"Trainer|OpenAI", block):
            exec(block, found)
    assert as_on_the_page.is_dir()
    assert set(found["data"]) == {"train", "validation"}
    assert found["table"]["instruction"] == found["sheet"]["instruction"]


def test_the_settings_of_the_page_name_files_and_datasets_that_are_there(as_on_the_page: Path) -> None:
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed; it comes with datasets")
    axolotl, llama_factory = map(yaml.safe_load, fenced("yaml"))
    for entry in (*axolotl["datasets"], *axolotl["test_datasets"]):
        rows = [json.loads(line) for line in (as_on_the_page / entry["path"]).read_bytes().splitlines()]
        assert {role for row in rows for role in row} == {entry["field_messages"]}
    folder = as_on_the_page / llama_factory["dataset_dir"]
    told = json.loads((folder / "dataset_info.json").read_bytes())
    assert set(told) == {llama_factory["dataset"], llama_factory["eval_dataset"]}
    assert all((folder / entry["file_name"]).is_file() for entry in told.values())
