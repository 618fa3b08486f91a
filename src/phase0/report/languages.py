"""Which languages the responses of a dataset are in, by a sample: for the header of its card."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from pathlib import Path

import msgspec

from phase0.dataset import BadRow, raw_rows
from phase0.dataset.rows import NOT_JSON
from phase0.scoring.evidence.language import language_of
from phase0.text import tokens

SAMPLE = 1000  # rows, evenly spread: a language of 1 % of the rows is missed once in 20,000 samples
_CODES = {"greek": "el", "hebrew": "he", "thai": "th", "hangul": "ko"}  # scripts that one language alone uses widely
_NO_CODE = {"latin", "cyrillic", "arabic", "devanagari", "east", ""}
_LOOKED_AT = 2_000  # characters of a response


class LanguageShare(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of a sample in one language. None is of those too short to tell, or in a script of several languages."""

    language: str | None  # ISO 639-1
    rows: int
    share: float


class _Row(msgspec.Struct, frozen=True):
    response: str | None = None


_decode = msgspec.json.Decoder(_Row).decode


def languages(path: Path, rows: int) -> tuple[LanguageShare, ...]:
    """The languages of every k-th row of a file that holds so many, most rows first and None last."""
    found = Counter[str | None]()
    for item in islice(raw_rows(path), 0, None, max(1, rows // SAMPLE)):
        if not isinstance(item, BadRow):
            found[_language(item[1])] += 1
    total = found.total()
    ordered = sorted(found.items(), key=lambda one: (one[0] is None, -one[1], one[0] or ""))
    return tuple(LanguageShare(language=name, rows=count, share=count / total) for name, count in ordered)


def _language(raw: bytes) -> str | None:
    try:
        text = (_decode(raw).response or "")[:_LOOKED_AT]
    except NOT_JSON:
        return None
    told = language_of(text, tokens(text)) or ""
    return None if told in _NO_CODE else _CODES.get(told, told)
