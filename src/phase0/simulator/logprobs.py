"""Made-up log-probabilities, by token of the answer: the same for the same answer, and never more likely than sure."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import msgspec

from phase0.simulator import tokens
from phase0.simulator.chance import fraction

_WORDS = (
    "the",
    " a",
    " it",
    "\n",
    ".",
    ",",
    " is",
    " to",
    " of",
    " in",
    "Yes",
    "No",
    "A",
    "B",
    "1",
    "5",
    "0",
    "!",
    "I",
    "?",
)
_HALVED = [halvings * math.log(2) for halvings in range(1, 32)]  # each takes half of what is left: a sum below 1
_NUMBER = b"\0"  # where a number is to stand: JSON has no such byte
_encode = msgspec.json.Encoder().encode
_OPPOSITES = {"yes": "no", "no": "yes", "true": "false", "false": "true"}


def of(text: str, digest: bytes, top: int) -> msgspec.Raw:
    """`choices[].logprobs` of a text as JSON, with the `top` likeliest tokens at every place.

    But for its numbers, what is said of a token is the same wherever it stands: a verdict is 15 kB, most of which has
    been written before.
    """
    said, numbers = [b'{"content":['], list[float]()
    for place, piece in enumerate(tokens.pieces(text)):
        likely = 0.4 + 0.599 * fraction(0, "logprob", digest, place)
        own, left = math.log(likely), math.log1p(-likely)
        start, *rest = _form(piece, top)
        said[-1] += b"," + start if place else start
        said += rest
        numbers.append(own)
        if top:
            numbers.append(own)
            numbers += [left - halved for halved in _HALVED[: len(rest) - 2]]
    said[-1] += b'],"refusal":null}'
    whole = [b""] * (len(said) + len(numbers))
    whole[::2] = said
    whole[1::2] = _encode(numbers)[1:-1].split(b",") if numbers else []
    return msgspec.Raw(b"".join(whole))


@lru_cache(maxsize=4096)  # answers in one form are mostly the same few tokens
def _form(piece: str, top: int) -> tuple[bytes, ...]:
    """What stands around the numbers of a token: its own logprob, then those of the `top` likeliest, itself first."""
    listed = [piece, *_others(piece)[: max(top - 1, 0)]][:top]
    told = _told(piece) | {"top_logprobs": [_told(one) for one in listed]}
    return tuple(_encode(told).split(_NUMBER))


def _told(token: str) -> dict[str, Any]:
    return {"token": token, "logprob": msgspec.Raw(_NUMBER), "bytes": list(token.encode())}


def _others(piece: str) -> list[str]:
    """Tokens that might have stood in its place: for a number its neighbours, for a letter the other letters."""
    word = piece.strip()
    space = piece[: len(piece) - len(piece.lstrip())]
    near: list[str] = []
    if word.isdecimal() and len(word) < 3:
        number = int(word)
        near = [str(number + step) for step in (1, -1, 2, -2, 3, -3) if number + step >= 0]
    elif len(word) == 1 and "A" <= word <= "E":
        near = [letter for letter in "ABCDE" if letter != word]
    elif word.lower() in _OPPOSITES:
        near = [_OPPOSITES[word.lower()], _OPPOSITES[word.lower()].capitalize()]
    return [other for other in dict.fromkeys([*(space + other for other in near), *_WORDS]) if other != piece]
