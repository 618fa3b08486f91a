"""The expected score: not the label that a judge wrote, but the mean of all ten, weighed by how likely each was.

As in G-Eval (Liu et al. 2023), over the labels that are listed, whose probabilities are made to sum to 1. Where it
cannot be told surely at which token a label stands, or what a token there means, the label counts as it was written.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import accumulate, chain
from typing import NamedTuple

from phase0.dataset.rows import NOT_JSON
from phase0.exchanges.sheet import places
from phase0.records import TokenLogprobs

_LABELS = {str(label): label for label in range(1, 11)}
_SPACE = " \t\r\n"
_SURE = 1e-6  # a logarithm above this is no probability's


def tenths_of(labels: Mapping[str, int], text: str, logprobs: Sequence[TokenLogprobs] | None) -> dict[str, int]:
    """Scores in tenths, by dimension: expected values where the logprobs are those of this text, else the labels."""
    written = {name: label * 10 for name, label in labels.items()}
    if not logprobs or "".join([token.token for token in logprobs]) != text:
        return written
    try:
        return written | _expected(text, logprobs)
    except NOT_JSON:  # what is listed for the place of a label is no list of tokens
        return written


class _Place(NamedTuple):
    """A label in an answer, the number of the token that it begins with, and how likely each label is there as far as
    it is listed. Not `sure` where a number that is listed is no probability."""

    label: str
    number: int
    weights: dict[int, float]
    sure: bool


def _expected(text: str, logprobs: Sequence[TokenLogprobs]) -> dict[str, int]:
    """The expected values, in tenths, of those labels for which they can be told."""
    ends = list(accumulate([len(token.token) for token in logprobs]))
    at_labels: dict[str, _Place] = {}
    for name, (start, end) in places(text).items():
        number = bisect_right(ends, start)
        token = logprobs[number]
        if ends[number] - len(token.token.lstrip(_SPACE)) == start:
            at_labels[name] = _place(text[start:end], number, token)
    whole_ten = any(10 in place.weights for place in at_labels.values())
    found = {name: _at(logprobs, place, whole_ten=whole_ten) for name, place in at_labels.items()}
    return {name: tenths for name, tenths in found.items() if tenths is not None}


def _place(label: str, number: int, token: TokenLogprobs) -> _Place:
    """A label that begins with this token. Raises what NOT_JSON names where the list for it cannot be read."""
    weights: dict[int, float] = {}
    sure = True
    for one, logprob in _listed(token).items():
        is_chance = logprob <= _SURE
        sure = sure and is_chance
        listed = _LABELS.get(one.lstrip(_SPACE))
        if listed is not None:
            weights[listed] = weights.get(listed, 0.0) + (math.exp(logprob) if is_chance else 0.0)
    return _Place(label, number, weights, sure)


def _at(logprobs: Sequence[TokenLogprobs], place: _Place, *, whole_ten: bool) -> int | None:
    """The expected value in tenths where a label begins with a token; None where tokens and label do not fit.

    `whole_ten`: the tokenizer has a token for ten, so that a 1 is a one.
    """
    label, number, weights, sure = place
    written = logprobs[number].token.lstrip(_SPACE)
    following = logprobs[number + 1] if number + 1 < len(logprobs) else None
    split = (written, label, following and following.token) == ("1", "10", "0")
    if (written != label and not split) or not sure or not weights:
        return None
    others = {listed: weight for listed, weight in weights.items() if listed != 1}
    alone = weights.get(1, 0.0)
    if written == "1" and following is not None:  # what stands behind it says how often it is a ten
        tens = _tens(_listed(following))
        return None if tens is None else _mean(others, {1: alone * (1 - tens), 10: alone * tens})
    if whole_ten or not alone:
        return _mean(others, {1: alone})
    # Only a tokenizer that writes ten with two tokens leaves this open, and only a likely 1 makes a difference.
    one, ten = _mean(others, {1: alone}), _mean(others, {10: alone})
    return one if one == ten else None


def _tens(listed: Mapping[str, float]) -> float | None:
    """How likely a 0 follows a 1, of all that may stand behind it: a 0, or what is no digit."""
    zero = other = 0.0
    for word, logprob in listed.items():
        if not logprob <= _SURE:
            return None
        if word == "0":
            zero += math.exp(logprob)
        elif not word[:1].isdigit():
            other += math.exp(logprob)
    return zero / (zero + other) if zero + other else None


def _listed(at: TokenLogprobs) -> dict[str, float]:
    """The tokens that are listed for a place, and the one that stands there."""
    return {likely.token: likely.logprob for likely in at.top()} | {at.token: at.logprob}


def _mean(weights: Mapping[int, float], more: Mapping[int, float]) -> int | None:
    """The mean of labels in tenths, rounded half up; None where nothing is likely."""
    total = weighed = 0.0
    for label, weight in chain(weights.items(), more.items()):
        total += weight
        weighed += label * weight
    # Sums of floats: what is meant to be a half is not quite one.
    return math.floor(weighed / total * 10 + 0.5 + 1e-9) if total else None
