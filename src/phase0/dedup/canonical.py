"""Texts to canonical text, in which tokens are runs of bytes: all that the remover and the second count share.

Shapes: B bytes, D rows.
"""

from __future__ import annotations

import unicodedata
from typing import NamedTuple

import numpy as np

from phase0.dedup.flat import I64, U8, Flat, flat
from phase0.dedup.kernels.canonical import PADDING, canonical
from phase0.dedup.letters import learn, letters, settled_letters
from phase0.text import tokens


class Canonical(NamedTuple):
    """Rows as canonical text; row d is text_B[begins_D[d]:ends_D[d]], with zeros behind it."""

    text_B: U8  # noqa: N815
    begins_D: I64  # noqa: N815
    ends_D: I64  # noqa: N815


def room_for(size: int, rows: int) -> int:
    """Bytes that the canonical text of `rows` rows needs whose text is `size` bytes, as a rule."""
    return 2 * size + PADDING * rows


def canonical_rows(chunk: Flat, out_B: U8 | None = None) -> Canonical:  # noqa: N803
    """The tokens of some texts as canonical text; written to `out_B` if it is given and there is room."""
    rows = len(chunk.starts_D1) - 1
    room = room_for(int(chunk.starts_D1[-1]), rows)
    text = np.empty(room, np.uint8) if out_B is None or len(out_B) < room else out_B
    begins, ends = np.empty(rows, np.int64), np.empty(rows, np.int64)
    table = None
    while table is not letters():
        table = letters()
        canonical(chunk.text_B, chunk.starts_D1, table, text, begins, ends)
        odd = np.flatnonzero(ends < begins)
        if not len(odd):
            return Canonical(text, begins, ends)
        learn()  # or another thread did, meanwhile
    spelled = [one + bytes(PADDING) for one in _spelled([_text(chunk, row) for row in odd.tolist()])]
    at = int(max(begins[-1], ends[-1])) + PADDING
    end = at + sum(map(len, spelled))
    if end > len(text):  # decomposed text that NFC makes longer
        text = np.concatenate((text[:at], np.empty(end - at, np.uint8)))
    text[at:end] = np.frombuffer(b"".join(spelled), np.uint8)
    ends_of = at + np.cumsum([len(one) for one in spelled])
    begins[odd] = np.append(at, ends_of[:-1])
    ends[odd] = ends_of - PADDING
    return Canonical(text, begins, ends)


def _spelled(rows: list[str]) -> list[bytes]:
    """The canonical text of rows whose characters depend on their neighbours: NFC and lower case come before the table;
    `phase0.text.tokens` itself is asked where a character is in no table."""
    settled = [unicodedata.normalize("NFC", row).lower() for row in rows]
    chunk = flat(settled)
    text = np.empty(room_for(len(chunk.text_B), len(rows)), np.uint8)
    begins, ends = np.empty(len(rows), np.int64), np.empty(len(rows), np.int64)
    canonical(chunk.text_B, chunk.starts_D1, settled_letters(), text, begins, ends)
    return [
        text[begin:end].tobytes() if begin <= end else b"\0".join(token.encode() for token in tokens(row))
        for row, begin, end in zip(rows, begins.tolist(), ends.tolist(), strict=True)
    ]


def _text(chunk: Flat, row: int) -> str:
    return chunk.text_B[chunk.starts_D1[row] : chunk.starts_D1[row + 1]].tobytes().decode()
