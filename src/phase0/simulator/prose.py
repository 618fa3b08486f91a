"""Made-up answers: plain English that says nothing, always the same for the same question.

Sentences come from a table of 256, so that one byte of a digest chooses one: an answer costs microseconds.
"""

from __future__ import annotations

import hashlib

_OPENINGS = (
    "A good start",
    "The short version",
    "In most cases this",
    "One common approach",
    "The important part",
    "For a small project this",
    "The usual way",
    "Once that works, this",
    "Seen from outside it",
    "What people forget first",
    "The second step",
    "With some practice it",
    "The simplest example",
    "Over a longer time this",
    "On a quiet day it",
    "The hardest question",
)
_ENDINGS = (
    "is to write down what you already know.",
    "takes a few minutes and needs no special tools.",
    "depends on how much time there is before the deadline.",
    "works better when each part is checked on its own.",
    "means that two people can share the same plan.",
    "comes from asking somebody who has done it before.",
    "is easier to explain with a drawing than with numbers.",
    "saves more money than any of the later changes.",
    "can wait until the first results are on the table.",
    "should be repeated every week, even in a busy month.",
    "gives a clear answer in about nine of ten attempts.",
    "leaves enough room for a mistake or a late idea.",
    "matters less than the order in which things are done.",
    "turns into a habit after the third or fourth round.",
    "keeps the rest of the work simple and predictable.",
    "needs a second look from someone with fresh eyes.",
)
SENTENCES = tuple(f"{opening} {ending}" for opening in _OPENINGS for ending in _ENDINGS)
_FOLLOWING = tuple(f" {sentence}" for sentence in SENTENCES)
_STARTING = tuple(f"\n\n{sentence}" for sentence in SENTENCES)
REFUSAL = "I'm sorry, but I can't help with that request."

# Sentences of an answer, by one byte: 2 to 56, half of them up to 14, skewed as lengths of real answers are.
_LENGTHS = tuple(2 + int(9 * (1 / (1 - byte / 300) - 1) ** 0.9 + byte / 22) for byte in range(256))
_PARAGRAPH = 5
_LENT = 100  # characters of the question that lend words


def made_up(question: str, digest: bytes) -> str:
    """An answer to a question. `digest` decides it; the question lends it some of its words."""
    drawn = hashlib.blake2b(digest, digest_size=64).digest()
    wanted = _LENGTHS[drawn[0]]
    sentences = [_FOLLOWING[byte] for byte in drawn[1 : wanted + 1]]
    for place in range(0, wanted, _PARAGRAPH):
        sentences[place] = _STARTING[drawn[place + 1]]
    words = [word for word in question[:_LENT].split() if len(word) > 4 and word.isalpha()]
    if words:
        for place in range(2, wanted, 3):
            sentences[place] += f" That holds for {words[drawn[place] % len(words)]} too."
    about = f"This is about {', '.join(dict.fromkeys(words[:6]))}." if words else "In short:"
    return f"{about} {''.join(sentences).lstrip()}"
