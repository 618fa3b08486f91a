"""Hand a finished dataset over: the row formats that trainers load. Each format is one pure function and one line."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec

from phase0.dataset import BadRow, Manifest, expand, lineage, meta_folder, read_records
from phase0.errors import UsageError, near_miss
from phase0.progress import SILENT, Progress
from phase0.records import Record
from phase0.stages.output import stage_output
from phase0.stages.parts import finished
from phase0.stages.publish import FULL

Row = dict[str, Any]


def messages(record: Record) -> Row | str:
    """OpenAI's chat form, which TRL, Axolotl and LLaMA-Factory load too."""
    system = [{"role": "system", "content": record.system}] if record.system else []
    turns = [{"role": turn.role, "content": turn.content} for turn in record.history]
    asked = [] if _told_before(record) else [{"role": "user", "content": record.instruction}]
    return {"messages": [*system, *turns, *asked, {"role": "assistant", "content": record.response}]}


def prompt_completion(record: Record) -> Row | str:
    """TRL's prompt and completion. It has no place for earlier turns or a system prompt."""
    if record.system or record.history:
        return "needs_messages"
    return {"prompt": record.instruction, "completion": record.response}


def alpaca(record: Record) -> Row | str:
    """Alpaca's three fields, with LLaMA-Factory's `system` and `history` where there are any."""
    pairs = _pairs(record)
    if pairs is None:
        return "needs_messages"
    row: Row = {"instruction": record.instruction, "input": "", "output": record.response}
    return row | ({"system": record.system} if record.system else {}) | ({"history": pairs} if pairs else {})


def sharegpt(record: Record) -> Row | str:
    """ShareGPT's conversations, as Axolotl and LLaMA-Factory load them."""
    names = {"user": "human", "assistant": "gpt", "tool": "observation"}
    turns = [{"from": names[turn.role], "value": turn.content} for turn in record.history]
    asked = [] if _told_before(record) else [{"from": "human", "value": record.instruction}]
    row: Row = {"conversations": [*turns, *asked, {"from": "gpt", "value": record.response}]}
    return row | ({"system": record.system} if record.system else {})


FORMATS: dict[str, Callable[[Record], Row | str]] = {
    "messages": messages,
    "prompt-completion": prompt_completion,
    "alpaca": alpaca,
    "sharegpt": sharegpt,
}
"""By name: a function from a record to its row, or to the code of the reason why it has none."""


def export(
    inputs: Iterable[str | Path], output: str | Path, *, to: str = "messages", progress: Progress = SILENT
) -> Manifest:
    """Write a dataset in the form that a trainer loads; the suffix of `output` still decides the file format.

    For a published dataset the full rows beside it are read, so that system prompts and earlier turns are there. A row
    that the format has no place for is dropped with its reason. Raises UsageError for an unknown format.
    """
    if to not in FORMATS:
        raise UsageError(
            f"there is no export format called {to!r}.{near_miss(to, FORMATS)} Known: {', '.join(FORMATS)}."
        )
    paths = [_full(path) for path in expand(inputs)]
    with stage_output("export", Path(output), paths, {"to": to}) as out:
        progress.start(f"export {to}", None)
        for file, path in enumerate(paths):
            for item in read_records(path):
                out.sums[file].read += 1
                progress.advance(1)
                if isinstance(item, BadRow):
                    out.drop_bad(item, file)
                    continue
                line, raw, record = item
                row = FORMATS[to](record) if record.response is not None else "no_response"
                if isinstance(row, str):
                    out.drop(raw, line=line, reason=row, evidence={"format": to}, file=file)
                else:
                    out.keep(msgspec.json.encode(row), file)
        progress.finish()
    return finished(Path(output))


def _full(path: Path) -> Path:
    """The full rows of a published file, where they are those that its manifest names; else the file itself."""
    made = lineage(path)
    full = meta_folder(path) / FULL
    is_published = bool(made) and made[-1].manifest.stage == "publish" and made[-1].path == path.resolve()
    return full if is_published and full.exists() else path


def _told_before(record: Record) -> bool:
    """Whether the history already ends the question: tool calls stand between it and the response."""
    return "instruction_in_history" in record.meta.flags


def _pairs(record: Record) -> list[list[str]] | None:
    """Earlier turns as pairs of question and answer; None where they are not."""
    roles = [turn.role for turn in record.history]
    if _told_before(record) or roles != ["user", "assistant"] * (len(roles) // 2):
        return None
    texts = [turn.content for turn in record.history]
    return [list(pair) for pair in zip(texts[::2], texts[1::2], strict=True)]
