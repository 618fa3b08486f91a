"""What the nodes of a cluster are asked before they are given work: is phase0 there, and are the files?

A node that does not see the folder of the work would fail in the middle of it, or worse, write into one of its own.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import Any, NamedTuple, TypeAlias

from phase0 import __version__


class Node(NamedTuple):
    """A machine of the cluster that can do work."""

    name: str  # as a person knows it: address and host
    cores: int


class Answer(NamedTuple):
    """What a node says of itself."""

    python: str
    phase0: str  # its version; empty where it cannot be imported
    why: str  # why it cannot
    unseen: Sequence[tuple[str, str]]  # files that it does not see as the asker does, each with the reason


Tokens: TypeAlias = Sequence[tuple[str, str, int]]
"""Files that a node must be able to read: name, what it says (empty: it is not read), bytes (-1: a folder)."""

Told: TypeAlias = tuple[str, str, str, list[tuple[str, str]]]
"""The fields of an Answer, as one is told by who may not know that type."""


def nodes_of(listed: Sequence[Mapping[str, Any]]) -> dict[str, Node]:
    """The nodes that are alive and have cores, by id, out of what `ray.nodes()` lists."""
    found = {}
    for one in listed:
        cores = int(one.get("Resources", {}).get("CPU", 0))
        if one["Alive"] and cores:
            names = dict.fromkeys([one["NodeManagerAddress"], one.get("NodeManagerHostname") or ""])
            found[one["NodeID"]] = Node(" ".join(names).strip(), cores)
    return found


def complaint(answer: Answer) -> str | None:
    """What keeps a node from doing the work, in words that follow its name; None where nothing does."""
    if _minor(answer.python) != _minor(platform.python_version()):
        return f"has Python {answer.python}, and this is {platform.python_version()}; they must be of one minor version"
    if not answer.phase0:
        return f"has no phase0 ({answer.why}); pip install 'phase0[ray]=={__version__}' there"
    if answer.phase0 != __version__:
        return f"has phase0 {answer.phase0}, and this is {__version__}; install the same on both"
    for place, why in answer.unseen:
        return f"does not see {place} ({why}); every node must see the same files under the same paths"
    return None


def _minor(version: str) -> list[str]:
    return version.split(".")[:2]


@contextmanager
def tokens(places: Sequence[Path]) -> Iterator[Tokens]:
    """What a node must be able to read to see these places: a file in each folder that is there for the block alone,
    the size of each file.

    A place that is not there yet is seen by whoever sees the folder that it will be made in.
    """
    made: list[Path] = []
    try:
        wanted = []
        for place in dict.fromkeys(_standing(place.absolute()) for place in places):
            if place.is_file():
                wanted.append((str(place), "", place.stat().st_size))
                continue
            word = token_hex(16)
            token = place / f".phase0-{word}"
            try:
                token.write_text(word)
            except OSError:
                wanted.append((str(place), "", -1))  # it is only read from: that it is there must do
            else:
                made.append(token)
                wanted.append((str(token), word, len(word)))
        yield wanted
    finally:
        for token in made:
            with suppress(OSError):
                token.unlink()


def _standing(place: Path) -> Path:
    """The place itself, or the nearest folder above it that there is."""
    return next(path for path in (place, *place.parents) if path.exists())


def question() -> Callable[[Tokens], Told]:
    """What a node is asked, as a function that travels as its code: a node without phase0 can import none of it."""

    def asked(tokens: Tokens) -> Told:
        import platform
        from pathlib import Path

        version, why = "", ""
        try:
            import phase0

            version = phase0.__version__
        except (ImportError, AttributeError) as error:  # an empty folder of that name can be imported too
            why = str(error)
        unseen = []
        for name, word, size in tokens:
            place = Path(name)
            try:
                same = size in {-1, place.stat().st_size} and (not word or place.read_text() == word)
            except OSError as error:
                unseen.append((name, error.strerror or str(error)))
            else:
                if not same:
                    unseen.append((name, "it is another file there"))
        return platform.python_version(), version, why, unseen

    return asked
