"""Made-up log-probabilities, by token of the answer: the same for the same answer, and never more likely than sure."""

from __future__ import annotations

import math

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
    alternatives, left = [_alternative(piece, likely)], 1 - likely
    for other in _others(piece)[: max(top - 1, 0)]:
        left /= 2  # each takes half of what is left, so they never sum to more than 1
        alternatives.append(_alternative(other, left))
    alternatives.sort(key=lambda one: -one.logprob)
    return TokenLogprob(piece, math.log(likely), list(piece.encode()), alternatives[:top])


def _alternative(token: str, probability: float) -> Alternative:
    return Alternative(token, math.log(probability), list(token.encode()))


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
    found = [space + other for other in near] + list(_WORDS)
    return [other for other in dict.fromkeys(found) if other != piece]
