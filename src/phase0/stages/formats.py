"""The row forms that trainers load: each is a pure function from a record to its row, or to the reason why it has none.

Every row of a form has the same columns, with a value of the same type in each: `datasets` settles the types of a JSONL
file by its first block (10 MB), and fails where a later row has another column, or text where there was only null.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from phase0.records import Record

Row = dict[str, Any]
Form = Callable[[Record], Row | str]

_SHAREGPT = {"user": "human", "assistant": "gpt", "tool": "observation", "system": "system"}
_ASKS, _ANSWERS = ("human", "observation"), ("gpt",)


def chat(record: Record) -> list[dict[str, str]]:
    """The whole conversation, its system prompt first and its response last."""
    system = [{"role": "system", "content": record.system}] if record.system else []
    turns = [{"role": turn.role, "content": turn.content} for turn in record.history]
    asked = [] if _told_before(record) else [{"role": "user", "content": record.instruction}]
    return [*system, *turns, *asked, {"role": "assistant", "content": record.response or ""}]


def prompt(record: Record) -> str:
    """All that is said before the response, without the system prompt."""
    return "\n".join(turn["content"] for turn in chat(record)[:-1] if turn["role"] != "system")


def whole(record: Record) -> str:
    """The prompt and the response."""
    return f"{prompt(record)}\n{record.response}"


def openai(record: Record) -> Row | str:
    """What OpenAI's fine-tuning takes. There a tool's turn answers a call by its id, and rows have no ids of calls."""
    if any(turn.role == "tool" for turn in record.history):
        return "needs_tool_calls"
    return {"messages": chat(record)}


def messages(record: Record) -> Row | str:
    """Chat messages as TRL, Axolotl and most others load them."""
    return {"messages": chat(record)}


def conversational_completion(record: Record) -> Row | str:
    """TRL's prompt and completion, both as messages: by its default only the completion is learned."""
    turns = chat(record)
    return {"prompt": turns[:-1], "completion": turns[-1:]}


def prompt_completion(record: Record) -> Row | str:
    """TRL's prompt and completion as bare text. It has no place for earlier turns or a system prompt."""
    if record.system or record.history:
        return "needs_messages"
    return {"prompt": record.instruction, "completion": record.response}


def alpaca(record: Record) -> Row | str:
    """Alpaca's three fields, with LLaMA-Factory's `system`; empty text is none to it. It has no place for turns."""
    if record.history:
        return "needs_messages"
    return {
        "instruction": record.instruction,
        "input": "",
        "output": record.response,
        "system": record.system or "",
    }


def sharegpt(record: Record) -> Row | str:
    """ShareGPT's conversations. LLaMA-Factory skips one in which questions and answers do not take turns."""
    turns = [{"from": _SHAREGPT[turn["role"]], "value": turn["content"]} for turn in chat(record)]
    said = turns[1:] if record.system else turns
    takes_turns = len(said) % 2 == 0 and all(
        turn["from"] in (_ANSWERS if at % 2 else _ASKS) for at, turn in enumerate(said)
    )
    return {"conversations": turns} if takes_turns else "needs_alternation"


def columns(record: Record) -> Row | str:
    """A table's columns; null where there is no system prompt, no earlier turn, no score."""
    return {
        "instruction": record.instruction,
        "response": record.response,
        "source": record.source,
        "quality_score": record.quality_score,
        "system": record.system,
        "history": [{"role": turn.role, "content": turn.content} for turn in record.history] or None,
        "category": record.meta.category,
        "license": record.meta.license,
        "id": record.id,
    }


FORMATS: dict[str, Form] = {
    "openai": openai,
    "trl": messages,
    "trl-prompt-completion": conversational_completion,
    "axolotl": messages,
    "llama-factory-alpaca": alpaca,
    "llama-factory-sharegpt": sharegpt,
    "parquet": columns,
    "csv": columns,
    "messages": messages,
    "prompt-completion": prompt_completion,
    "alpaca": alpaca,
    "sharegpt": sharegpt,
}
"""By name: a function from a record to its row, or to the code of the reason why it has none."""

SUFFIXES = {"parquet": ".parquet", "csv": ".csv"}
"""Of the files of a format; of all others `.jsonl`."""

DATASET_INFO: dict[str, Row] = {
    "llama-factory-alpaca": {
        "formatting": "alpaca",
        "columns": {"prompt": "instruction", "query": "input", "response": "output", "system": "system"},
    },
    "llama-factory-sharegpt": {"formatting": "sharegpt", "columns": {"messages": "conversations"}},
}
"""How LLaMA-Factory's `dataset_info.json` describes a file of a format, without the file's name."""


def _told_before(record: Record) -> bool:
    """Whether the history already ends the question: tool calls stand between it and the response."""
    return "instruction_in_history" in record.meta.flags
