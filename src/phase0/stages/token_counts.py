"""Tokens of many texts, counted by one thread of the process whoever asks.

toktok keeps what words come to by thread: two threads that count in turn take a quarter more CPU time than one, two at
once twice as much, and those that it starts itself for a call half as much again (measured on 100,000 rows, in calls of
a thousand). So others go on with their own work while that one counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache

ENCODING = "o200k_base"


def count_tokens(texts: Sequence[str]) -> Future[list[int]]:
    """How many tokens each of the texts has."""
    return _counter().submit(_counted, texts)


@cache
def _counter() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, "tokens")


def _counted(texts: Sequence[str]) -> list[int]:
    import toktok  # 60 MB of vocabulary

    # with_special is off: "<|endoftext|>" in a row is text that somebody wrote, and is counted as such
    counts: list[int] = toktok.batch_count(texts, ENCODING, threads=1)
    return counts
