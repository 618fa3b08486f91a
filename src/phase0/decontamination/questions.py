"""Evaluation sets as questions: which fields of an item are its question and its choices, and where they stood.

Only questions are looked for. Answers never are: a text that gives a right answer is not contaminated.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from string import ascii_uppercase
from typing import Any, NamedTuple

import msgspec

from phase0.dataset import BadRow, read
from phase0.dataset.containers import plain
from phase0.dataset.rows import MAX_ROW, NOT_JSON
from phase0.errors import DataError
from phase0.text import tokens

QUESTION = (
    ("body", "question"),  # fields that make one question together come first
    ("instruction", "input"),
    ("question",),
    ("problem",),
    ("prompt",),
    ("instruction",),
    ("turns",),
    ("query",),
    ("question_text",),
    ("problem_statement",),
    ("text",),
    ("input",),
    ("goal",),
    ("ctx",),
    ("sentence",),
    ("messages",),
    ("conversations",),
)
"""Fields that hold the question, in the order in which they are looked for. Case does not matter."""
CHOICES = (("choices",), ("options",), ("answer_choices",), ("endings",), ("a", "b", "c", "d"))
"""Fields that hold what can be chosen from."""
_NAMES = ("id", "task_id", "question_id", "qid", "unique_id", "uid", "idx", "index")
_ASKING = ("user", "human", None)
_CHOICE = re.compile(r"^[ \t]*\(?([A-J])[.):][ \t]*(?=\S)", re.MULTILINE)
_HEADING = re.compile(r"(?:answer )?(?:options|choices):?\s*\Z", re.IGNORECASE)


class Place(NamedTuple):
    """Where a question stands: the number of its set, the item's own name, its line."""

    set: int
    item: str
    line: int


class Question(NamedTuple):
    """One question, and every place it stands at. `own` of its words are the question, behind them are choices."""

    text: str
    own: int
    places: tuple[Place, ...]


class Counted(NamedTuple):
    """One set: how many items it holds, and what could not be looked for."""

    items: int
    unread: int  # items without a question
    too_short: int  # questions with fewer words than are evidence


class Fields(NamedTuple):
    """Fields that the caller names, joined in this order, instead of those that are known."""

    question: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()


def questions_of(paths: Sequence[Path], fields: Fields, width: int, least: int) -> tuple[list[Question], list[Counted]]:
    """The different questions of some sets, and what each set holds.

    Questions of the same words are one. One with fewer than `width` words is joined by its choices; one that still has
    fewer than `least` is not looked for. Raises DataError for a file in which no item has a question.
    """
    places: dict[tuple[str, ...], list[Place]] = {}
    texts: dict[tuple[str, ...], tuple[str, int]] = {}
    counted = []
    for number, path in enumerate(paths):
        items = unread = short = 0
        for line, item in _items(path):
            items += 1
            found = [] if not isinstance(item, dict) else list(_asked(item, fields))
            unread += not found
            for alone, listed in found:
                own = tokens(alone)
                whole = listed if len(own) < width else alone
                words = tuple(tokens(whole))
                if len(words) < least:
                    short += 1
                    continue
                texts.setdefault(words, (whole, len(own)))
                places.setdefault(words, []).append(Place(number, _name(item, path, line), line))
        if unread == items:
            raise DataError(_no_question(path, items, fields))
        counted.append(Counted(items, unread, short))
    return [Question(*texts[words], tuple(places[words])) for words in places], counted


def _no_question(path: Path, items: int, fields: Fields) -> str:
    if not items:
        return f"{path}: holds no items to compare with"
    named = f"a field {' or '.join(fields.question)}" if fields.question else "a field that is known to be a question"
    return f"{path}: none of its {items:,} items has {named}; name it with --question (`question` in a plan)"


def _items(path: Path) -> Iterator[tuple[int, Any]]:
    """Every item with its line. Of a file that is one object, the items are the longest array in it."""
    if (held := _held(path)) is not None:
        yield from enumerate(held, 1)
        return
    for row in read(path):
        if isinstance(row, BadRow):
            raise DataError(f"{path}:{row.line}: {row.error.detail}; an evaluation set with a gap proves nothing")
        yield row.line, row.data


def _held(path: Path) -> list[Any] | None:
    try:
        with plain(path) as file:
            data = msgspec.json.decode(file.read(MAX_ROW))
    except NOT_JSON:  # after its first row, where there are several
        return None
    return _array(data) if isinstance(data, dict) and not any(_asked(data, Fields())) else None


def _array(data: Mapping[str, Any]) -> list[Any] | None:
    arrays = [value for value in data.values() if isinstance(value, list) and value and isinstance(value[0], dict)]
    return max(arrays, key=len, default=None)


def _asked(item: Mapping[str, Any], fields: Fields) -> Iterator[tuple[str, str]]:
    """The questions of an item, each alone and with its choices: one, or one for each turn of a conversation."""
    by_name = {name.lower(): value for name, value in item.items()}
    named = tuple(name.lower() for name in fields.question)
    for names in (named,) if named else QUESTION:
        texts = [_texts(by_name.get(name)) for name in names]
        if not (any if named else all)(texts):
            continue
        for parts in zip(*filter(None, texts), strict=False):
            turn = "\n".join(parts)
            yield _alone(turn), "\n".join([turn, *_choices(by_name, fields)])
        return


def _choices(by_name: Mapping[str, Any], fields: Fields) -> list[str]:
    """The choices in fields of their own, lettered as they are when they are asked."""
    named = tuple(name.lower() for name in fields.choices)
    for names in (named,) if named else CHOICES:
        if all(name in by_name for name in names):
            texts = [text for name in names for text in _texts(by_name[name])]
            return [f"{letter}. {text}" for letter, text in zip(ascii_uppercase, texts, strict=False)]
    return []


def _texts(value: Any) -> list[str]:
    """The texts in a field: itself, those of a list or an object, or what people say in a list of messages."""
    if isinstance(value, str):
        return [value] if value.strip() else []
    if isinstance(value, dict):
        inner = value.get("text", value.get("content", value.get("value", list(value.values()))))
        return _texts(inner) if value.get("role", value.get("from")) in _ASKING else []
    if isinstance(value, list):
        return [text for part in value for text in _texts(part)]
    return []


def _alone(text: str) -> str:
    """A question without the lettered choices behind it, where its text lists any: lines that begin with A, B, …"""
    found = list(_CHOICE.finditer(text))
    for first, second in pairwise(found):
        if first[1] == "A" and second[1] == "B" and text[: first.start()].strip():
            return _HEADING.sub("", text[: first.start()]).strip()
    return text


def _name(item: Mapping[str, Any], path: Path, line: int) -> str:
    by_name = {name.lower(): value for name, value in item.items()}
    known = (by_name[name] for name in _NAMES if isinstance(by_name.get(name), (str, int)))
    return str(next(known, f"{path.name}:{line}"))
