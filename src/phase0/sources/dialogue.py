"""The one rule for dialogues: the last assistant turn is the response, the user turn before it the instruction, and
all earlier turns are history.

- Turns of one role in a row are joined by a blank line (flag `joined_turns`); tool results stay apart.
- Whatever follows the last assistant turn is dropped: nobody answered it (flag `cut_end`).
- System turns become the system text, wherever they stand (flag `system_moved` if a turn came before one).
- Where tool calls and their results lie between the instruction and the response, history holds every turn before the
  response, the instruction included (flag `instruction_in_history`): nothing is lost and the order stays true.
- A dialogue of user turns alone is an instruction without a response; one that nobody asks anything in is an error.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from phase0.errors import RowError
from phase0.records import Role, Turn
from phase0.sources import Example
from phase0.sources.fields import kind, mapping, paragraphs, sequence, string

SPEAKERS: dict[str, Role] = {
    "user": "user",
    "human": "user",
    "prompter": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "function_call": "assistant",
    "tool_call": "assistant",
    "observation": "tool",
    "tool": "tool",
    "function": "tool",
    "function_response": "tool",
    "tool_response": "tool",
}
_SYSTEM = ("system", "developer")
_CALLS = ("function_call", "tool_call")


class Dialogue(NamedTuple):
    """Turns in the order they were said, no two of one role in a row except tool results."""

    system: tuple[str, ...]
    turns: tuple[Turn, ...]
    flags: frozenset[str]


class _Message(NamedTuple):
    role: Role | None  # None: the system
    content: str
    calls: bool  # asks a tool for something, or is what the tool said


def read(messages: Any, field: str) -> Dialogue:
    """Messages as `{role, content}` or `{from, value}`, put in order. `field` is what errors call them."""
    system: list[str] = []
    turns: list[Turn] = []
    flags = set()
    for number, message in enumerate(sequence(messages, field)):
        role, content, calls = _message(message, f"{field}[{number}]")
        if calls:
            flags.add("tools")
        if role is None:
            if turns:
                flags.add("system_moved")
            system.append(content)
        elif turns and turns[-1].role == role != "tool":
            flags.add("joined_turns")
            turns[-1] = Turn(role, paragraphs(turns[-1].content, content))
        else:
            turns.append(Turn(role, content))
    return Dialogue(tuple(system), tuple(turns), frozenset(flags))


def example(dialogue: Dialogue, *, system: str | None = None, tools: Any = None, source: str | None = None) -> Example:
    """The example in a dialogue, by the rule above. `system` and `tools` are what the row says beside it."""
    turns, flags = dialogue.turns, set(dialogue.flags)
    offered = _offered(tools)
    if offered:
        flags.add("tools")
    said = dict.fromkeys((system or "", *dialogue.system, offered))  # a row may give one system text twice
    standing = paragraphs(*said) or None
    last = _last(turns, "assistant")
    if last is None:
        if len(turns) != 1 or turns[0].role != "user":
            raise RowError("no_response" if turns else "no_user_turn", f"no answer in a dialogue of {len(turns)} turns")
        return Example(instruction=turns[0].content, system=standing, source=source, flags=tuple(sorted(flags)))
    asked = _last(turns[:last], "user")
    if asked is None:
        raise RowError("no_user_turn", "no user turn comes before the last assistant turn")
    if last + 1 < len(turns):
        flags.add("cut_end")
    if last > asked + 1:
        flags.add("instruction_in_history")
    return Example(
        instruction=turns[asked].content,
        response=turns[last].content,
        system=standing,
        history=turns[: asked if last == asked + 1 else last],
        source=source,
        flags=tuple(sorted(flags)),
    )


def row_system(row: dict[str, Any]) -> str | None:
    """The system text that stands beside a dialogue, where it is text."""
    texts = (row.get(key) for key in ("system", "system_prompt"))
    return next((value for value in texts if isinstance(value, str) and value.strip()), None)


def split(transcript: str, marker: re.Pattern[str], field: str, *, opening: str | None = None) -> list[dict[str, str]]:
    """Cut a transcript at its role markers, of which the pattern captures the role. Turns are stripped.

    Text before the first marker is a turn of the role `opening`, or an error where no role opens unmarked. A text
    without any marker is one such turn, left as it is.
    """
    before, *rest = marker.split(transcript)
    if opening is not None and not rest:
        return [{"role": opening, "content": before}]
    turns = [{"role": role, "content": said.strip()} for role, said in zip(rest[::2], rest[1::2], strict=True)]
    if opening is not None:
        return [{"role": opening, "content": before.strip()}, *turns]
    if not turns or before.strip():
        raise RowError("no_transcript", f"{field} does not start with a marked turn", field=field)
    return turns


def is_dialogue(value: Any, *keys: str) -> bool:
    """Whether this is a list of messages whose first one has all these keys."""
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict) and set(keys) <= value[0].keys()


def _message(value: Any, field: str) -> _Message:
    message = mapping(value, field)
    speaker = _first(message, ("role", "from"), field)
    name = string(speaker, f"{field}.role").strip().lower()
    if name in _SYSTEM:
        return _Message(None, _content(message, field), calls=False)
    role = SPEAKERS.get(name)
    if role is None:
        raise RowError("unknown_role", f"{field} is said by {speaker!r}, a role phase0 does not know", field=field)
    calls = message.get("tool_calls") or message.get("function_call")
    if not calls:
        return _Message(role, _content(message, field), calls=role == "tool" or name in _CALLS)
    spoken = _content(message, field) if message.get("content") is not None else ""
    return _Message(role, paragraphs(spoken, _json(calls)), calls=True)


def _content(message: dict[str, Any], field: str) -> str:
    value = _first(message, ("content", "value", "text"), field)
    if isinstance(value, str):
        return value
    if not isinstance(value, list):
        raise RowError("bad_type", f"{field}.content is {kind(value)}, not text or a list of parts", field=field)
    return paragraphs(*(_part(part, field) for part in value))


def _part(part: Any, field: str) -> str:
    if isinstance(part, str):
        return part
    what = mapping(part, field).get("type", "text")
    if what != "text":
        raise RowError("not_text", f"{field} holds a part of type {what!r}: only text can be kept", field=field)
    return string(_first(part, ("text", "value"), field), field)


def _first(message: dict[str, Any], names: Sequence[str], field: str) -> Any:
    for name in names:
        if message.get(name) is not None:
            return message[name]
    raise RowError("missing_field", f"{field} has no {' or '.join(names)}", field=field)


def _last(turns: Iterable[Turn], role: Role) -> int | None:
    return max((place for place, turn in enumerate(turns) if turn.role == role), default=None)


def _offered(tools: Any) -> str:
    listing = tools if isinstance(tools, str) else _json(tools) if tools else ""
    return "" if listing.strip() in ("", "[]", "{}") else f"Tools:\n{listing}"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)  # Parquet may hold dates
