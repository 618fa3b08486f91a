"""Tokens as the simulated provider counts and charges them: o200k, for every model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from typing import NamedTuple

_PER_MESSAGE, _PER_REPLY = 4, 3  # the frame of a chat: role and separators, and the start of the answer
_NO_CUT = 1 << 40


class Cut(NamedTuple):
    """The first tokens of a text, how many it was allowed, and how many it has as a whole."""

    text: str
    kept: int
    whole: int


def count(text: str) -> int:
    """The tokens of a text."""
    return cut(text, _NO_CUT).whole


def cut(text: str, most: int) -> Cut:
    """At most so many tokens of a text. One call, since it takes 2 µs where toktok's counting takes 25."""
    kept, whole = _truncate()(text, most, "o200k_base")
    return Cut(kept, min(most, whole), whole)


def of_prompt(contents: Sequence[str]) -> int:
    """What the messages of a chat cost as input. What stands before the last is kept: it is many chats' own."""
    *before, last = contents
    return _PER_REPLY + sum([_PER_MESSAGE + _kept(content) for content in before]) + _PER_MESSAGE + count(last)


_kept = lru_cache(maxsize=64)(count)


@lru_cache(maxsize=512)  # judges give the same answers over and over
def pieces(text: str) -> tuple[str, ...]:
    """A text token by token. A token that ends inside a character is empty; the next one has the character."""
    truncate, found, done = _truncate(), [], 0
    for place in range(1, count(text) + 1):
        upto = len(truncate(text, place, "o200k_base")[0])
        found.append(text[done:upto])
        done = upto
    return tuple(found)


@cache
def _truncate() -> Callable[[str, int, str], tuple[str, int]]:
    import toktok  # 60 MB of vocabulary

    truncate: Callable[[str, int, str], tuple[str, int]] = toktok.truncate
    return truncate
