"""A small world for students: exchanges that the tests make, and a judge whose taste is known."""

from __future__ import annotations

import random
from functools import cache

import numpy as np
import xxhash

from phase0.scoring.distilling import Held
from phase0.scoring.features import Exchange, Features, features
from phase0.scoring.sampling import Frame

_TOPICS = ["rivers", "bread", "chess", "rain", "glass", "bees", "wool", "maps", "iron", "tea"]
_GOOD = ["because", "measured", "example", "therefore", "compare", "source", "detail", "precise"]
_BAD = ["whatever", "stuff", "maybe", "dunno", "things", "somehow", "blah", "etc"]


@cache
def exchanges(count: int) -> tuple[Exchange, ...]:
    """Answers that hold good words and bad ones in shares that vary."""
    made = []
    for number in range(count):
        draw = random.Random(number)
        share = draw.random()
        words = [draw.choice(_GOOD if draw.random() < share else _BAD) for _ in range(draw.randint(12, 40))]
        topic = draw.choice(_TOPICS)
        made.append(Exchange(f"Tell me about {topic}, case {number}.", f"On {topic}: {' '.join(words)}."))
    return tuple(made)


@cache
def seen(count: int) -> Features:
    return features(exchanges(count))


def keys(count: int) -> np.ndarray:
    return np.array([xxhash.xxh3_64_intdigest(each.instruction.encode()) for each in exchanges(count)], np.uint64)


def rows(count: int) -> Held:
    found = seen(count)
    return Held(Frame(keys(count), np.array([np.rint(found.local_R * 2).astype(np.int64)])), found)


def verdicts(count: int, *, noise: float = 0.4, seed: int = 0) -> np.ndarray:
    """What the judge says of each: whole numbers from 1 to 10, by the share of good words, with noise of its own."""
    draw = np.random.default_rng(seed)
    good = np.array([_good(each.response) for each in exchanges(count)])
    scores = 2 + 9 * good[:, None] + draw.normal(0, noise, (count, 4))
    return np.clip(np.rint(scores), 1, 10)


def _good(response: str) -> float:
    words = response.split()
    return sum(word.strip(".") in _GOOD for word in words) / len(words)
