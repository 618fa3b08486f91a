"""Evaluation sets that tests make: questions of made-up words, so that no two share a phrase by chance."""

from __future__ import annotations

import random

_SYLLABLES = [a + b for a in "bdfgklmnprstvz" for b in ("a", "e", "i", "o", "u", "an", "el", "or")]


def words(seed: object, count: int) -> list[str]:
    """So many made-up words, the same ones for the same seed."""
    draw = random.Random(str(seed))
    return ["".join(draw.choices(_SYLLABLES, k=3)) for _ in range(count)]


def sentence(seed: object, count: int) -> str:
    return " ".join(words(seed, count))


PROBLEM = (
    "Mira has 14 boxes of pencils and gives 5 of them to her neighbour Tom. Each box that is left holds 12 pencils, "
    "and she sells every pencil for 3 cents. How many cents does Mira earn with the pencils?"
)
SHORT = "Which metal is liquid at the temperature of a warm room?"  # 11 words
TINY = "Why do cats purr?"
