"""Wishes of the instruction that can be counted: how many items, sentences or words, and in which format."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from phase0.scoring.evidence.demand import Limit
from phase0.scoring.evidence.reading import Finding, Reading

_ITEM = re.compile(r"[ \t]*(?:[-*•+–]|\(?\d{1,3}[.):]|#{1,4} ?\d|\*\*\d{1,3}[.)]|\(?[a-z][.)])[ \t]*\S")
_NUMBERED = re.compile(r"[ \t]*(?:\*\*|#{1,4} )?\(?\d{1,3}[.):]")
_SENTENCE = re.compile(r"[.!?。！？]+(?=[\"')\]]?(?:\s|$))")
_MORE = re.compile(r"[a-z]{2}[.!?] +[A-Z]")
_TAGS = re.compile(r"<(?:html|div|p|table|ul|ol|h\d|body|span|a|!doctype)\b", re.IGNORECASE)


def find(reading: Reading) -> Iterator[Finding]:
    """Each countable wish, kept or not."""
    wish = reading.ask.wish
    if wish.items is not None and wish.items > 1:
        yield from _items(reading, wish.items)
    if wish.limit is not None and wish.items is None:  # with items, each of them is meant
        yield from _limit(reading, wish.limit)
    if wish.form is not None:
        yield from _form(reading, wish.form)


def _items(reading: Reading, wanted: int) -> Iterator[Finding]:
    got = items(reading.lines, wanted)
    if got is None:
        return
    detail = f"{got} of {wanted} items"
    if got == wanted or (got > wanted and "at least" in reading.ask.wish_text):
        yield Finding("helpfulness", "constraint_met", 0.5, detail)
        yield Finding("correctness", "constraint_met", 0.5, detail)
    else:
        miss = min(1.0, abs(got - wanted) / wanted)
        yield Finding("helpfulness", "constraint_missed", -0.5 - 1.5 * miss, detail)
        yield Finding("correctness", "constraint_missed", -0.5 - 1.5 * miss, detail)


def items(lines: list[str], wanted: int) -> int | None:
    """How many items a list has; None where no list can be told. Numbered lines are the list if there are any."""
    numbered = [line for line in lines if _NUMBERED.match(line)]
    if len(numbered) >= 2:
        return len(numbered)
    marked = [line for line in lines if _ITEM.match(line)]
    if len(marked) >= 2:
        return len(marked)
    filled = [line for line in lines if line.strip()]
    if len(filled) == 1:
        commas = filled[0].count(",") + filled[0].count(";") + 1
        return commas if commas == wanted and not _MORE.search(filled[0]) else None  # sentences are no list
    return len(filled) if len(filled) == wanted else None


def _limit(reading: Reading, limit: Limit) -> Iterator[Finding]:
    got = _measure(reading, limit.unit)
    detail = f"{got} {limit.unit}{'s' * (got != 1)}"
    if limit.low <= got <= limit.high:
        yield Finding("helpfulness", "constraint_met", 0.5, detail)
        yield Finding("correctness", "constraint_met", 0.4, detail)
        return
    excess = (limit.low / max(got, 1) if got < limit.low else got / limit.high) - 1
    weight = min(1.0, 0.2 + excess)
    yield Finding("helpfulness", "constraint_missed", -2 * weight, detail)
    yield Finding("correctness", "constraint_missed", -2 * weight, detail)


def _measure(reading: Reading, unit: str) -> int:
    if unit == "word":
        return len(reading.response.split())
    if unit == "sentence":
        return max(1, len(_SENTENCE.findall(reading.prose)))
    parts = [part.strip() for part in reading.response.split("\n\n")]
    return sum(1 for part in parts if part and not part.endswith(":"))  # "Here is a summary:" is no paragraph


def _form(reading: Reading, form: str) -> Iterator[Finding]:
    kept = _keeps(reading, form)
    if kept:
        yield Finding("helpfulness", "constraint_met", 0.6, form)
        yield Finding("correctness", "constraint_met", 0.4, form)
    else:
        yield Finding("helpfulness", "constraint_missed", -1.5, f"no {form}")
        yield Finding("correctness", "constraint_missed", -1, f"no {form}")


def _keeps(reading: Reading, form: str) -> bool:
    if form == "json":
        return (
            any(is_json(block.code) for block in reading.blocks)
            or is_json(reading.response)
            or _embedded_json(reading.response)
        )
    if form == "table":
        return sum("|" in line or "\t" in line for line in reading.lines) >= 2 or "<table" in reading.low
    if form == "csv":
        return sum("," in line for line in reading.lines) >= 1
    if form.startswith(("bullet", "numbered")):
        return sum(_ITEM.match(line) is not None for line in reading.lines) >= 2
    if form in ("html", "xml"):
        return _TAGS.search(reading.response) is not None or ("<" in reading.response and "</" in reading.response)
    return ":" in reading.response  # YAML


def is_json(text: str) -> bool:
    """Whether a whole text is one JSON object or array."""
    text = text.strip()
    if not text.startswith(("{", "[")):
        return False
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False
    return True


def _embedded_json(text: str) -> bool:
    """Whether the text from the first brace to the last is JSON: an answer may introduce it in a sentence."""
    starts = [at for at in (text.find("{"), text.find("[")) if at >= 0]
    end = max(text.rfind("}"), text.rfind("]"))
    return bool(starts) and is_json(text[min(starts) : end + 1])
