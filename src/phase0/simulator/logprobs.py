"""Made-up log-probabilities, by token of the answer: the same for the same answer, and never more likely than sure."""

from __future__ import annotations

import math
from functools import lru_cache

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
_HALF = math.log(2)
_OPPOSITES = {"yes": "no", "no": "yes", "true": "false", "false": "true"}


class Alternative(msgspec.Struct, frozen=True):
    """A token that might have stood there."""

    token: str
    logprob: float
    bytes: list[int]


class TokenLogprob(msgspec.Struct, frozen=True):
    """A token that stands there, and the likeliest ones for its place, itself among them."""

    token: str
    logprob: float
    bytes: list[int]
    top_logprobs: list[Alternative]


class Logprobs(msgspec.Struct, frozen=True):
    """`choices[].logprobs`."""

    content: list[TokenLogprob]
    refusal: None = None


def of(text: str, digest: bytes, top: int) -> Logprobs:
    """Those of a text, with the `top` likeliest tokens at every place."""
    return Logprobs([_token(piece, digest, place, top) for place, piece in enumerate(tokens.pieces(text))])


def _token(piece: str, digest: bytes, place: int, top: int) -> TokenLogprob:
    likely = 0.4 + 0.599 * fraction(0, "logprob", digest, place)
    own = Alternative(piece, math.log(likely), list(piece.encode()))
    left = math.log1p(-likely)
    others = [
        Alternative(token, left - halvings * _HALF, said)  # each takes half of what is left, so all sum to less than 1
        for halvings, (token, said) in enumerate(_others(piece)[: max(top - 1, 0)], 1)
    ]
    return TokenLogprob(piece, own.logprob, own.bytes, [own, *others][:top])


@lru_cache(maxsize=4096)  # answers in one form are mostly the same few tokens
def _others(piece: str) -> list[tuple[str, list[int]]]:
    """Tokens that might have stood in its place, with their bytes: for a number its neighbours, for a letter the other
    letters."""
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
    found = [space + other for other in near] + list(_WORDS)
    return [(other, list(other.encode())) for other in dict.fromkeys(found) if other != piece]
