"""The expected score: not the label that a judge wrote, but the mean of all ten, weighed by how likely each was.

As in G-Eval (Liu et al. 2023), over the labels that are listed, whose probabilities are made to sum to 1. Where it
cannot be told surely at which token a label stands, or what a token there means, the label counts as it was written.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from phase0.exchanges.sheet import places
from phase0.records import TokenLogprobs

_LABELS = {str(label): label for label in range(1, 11)}
_SPACE = " \t\r\n"
_SURE = 1e-6  # a logarithm above this is no probability's


def tenths_of(labels: Mapping[str, int], text: str, logprobs: Sequence[TokenLogprobs] | None) -> dict[str, int]:
    """Scores in tenths, by dimension: expected values where the logprobs are those of this text, else the labels."""
    found = {name: label * 10 for name, label in labels.items()}
    if not logprobs or "".join(token.token for token in logprobs) != text:
        return found
    starts: dict[int, int] = {}
    at = 0
    for number, token in enumerate(logprobs):
        at += len(token.token)
        starts[at - len(token.token.lstrip(_SPACE))] = number
    at_labels = {
        name: (starts[start], text[start:end]) for name, (start, end) in places(text).items() if start in starts
    }
    whole_ten = any(_is_ten(token) for number, _ in at_labels.values() for token in _listed(logprobs[number]))
    for name, (number, label) in at_labels.items():
        expected = _at(logprobs, number, label, whole_ten=whole_ten)
        if expected is not None:
            found[name] = expected
    return found


def _is_ten(token: str) -> bool:
    return token.lstrip(_SPACE) == "10"


def _at(logprobs: Sequence[TokenLogprobs], number: int, label: str, *, whole_ten: bool) -> int | None:
    """The expected value in tenths where a label begins with a token; None where tokens and label do not fit.

    `whole_ten`: the tokenizer has a token for ten, so that a 1 is a one.
    """
    written = logprobs[number].token.lstrip(_SPACE)
    following = logprobs[number + 1] if number + 1 < len(logprobs) else None
    split = (written, label, following and following.token) == ("1", "10", "0")
    if written != label and not split:
        return None
    weights = _weights(logprobs[number])
    if not weights:
        return None
    alone = weights.pop(1, 0.0)
    if written == "1" and following is not None:  # what stands behind it says how often it is a ten
        tens = _tens(following)
        return None if tens is None else _mean(weights, {1: alone * (1 - tens), 10: alone * tens})
    if whole_ten:
        return _mean(weights, {1: alone})
    # Only a tokenizer that writes ten with two tokens leaves this open, and only a likely 1 makes a difference.
    one, ten = _mean(weights, {1: alone}), _mean(weights, {10: alone})
    return one if one == ten else None


def _weights(at: TokenLogprobs) -> dict[int, float]:
    """How likely each label is at a token, as far as it is listed; empty where a number is no probability."""
    found: dict[int, float] = {}
    for token, logprob in _listed(at).items():
        if not logprob <= _SURE:
            return {}
        label = _LABELS.get(token.lstrip(_SPACE))
        if label is not None:
            found[label] = found.get(label, 0.0) + math.exp(logprob)
    return found


def _tens(at: TokenLogprobs) -> float | None:
    """How likely a 0 follows a 1, of all that may stand behind it: a 0, or what is no digit."""
    zero = other = 0.0
    for word, logprob in _listed(at).items():
        if not logprob <= _SURE:
            return None
        if word == "0":
            zero += math.exp(logprob)
        elif not word[:1].isdigit():
            other += math.exp(logprob)
    return zero / (zero + other) if zero + other else None


def _listed(at: TokenLogprobs) -> dict[str, float]:
    """The tokens that are listed for a place, and the one that stands there."""
    return {likely.token: likely.logprob for likely in at.top} | {at.token: at.logprob}


def _mean(weights: Mapping[int, float], more: Mapping[int, float]) -> int | None:
    """The mean of labels in tenths, rounded half up; None where nothing is likely."""
    all_ = [*weights.items(), *more.items()]
    total = sum(weight for _, weight in all_)
    if not total:
        return None
    mean = sum(label * weight for label, weight in all_) / total
    return math.floor(mean * 10 + 0.5 + 1e-9)  # sums of floats: what is meant to be a half is not quite one
