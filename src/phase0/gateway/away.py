"""Questions in batches that are out and that a purchase does not pick up: asked here too, they would be paid for twice.

Such a batch was sent to another server, or by another mode, or cannot be reached with the settings of this call.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from phase0.gateway.line import Line
from phase0.gateway.policy import Again
from phase0.gateway.summary import Summary
from phase0.ledger import Batch, Ledger
from phase0.records import Reply, Request

_NAMED = 3  # batches of which a message gives the tags


class Away:
    """What is left alone, and how much of it was met."""

    def __init__(self, ledger: Ledger, batches: Iterable[Batch] = ()) -> None:
        self._ledger = ledger
        self._keys: set[str] = set()
        self._met: set[str] = set()
        self._where: set[str] = set()
        for batch in batches:
            self.add(batch)

    @property
    def count(self) -> int:
        """How many questions are away, asked for or not."""
        return len(self._keys)

    def add(self, batch: Batch) -> None:
        """Leave a batch alone from here on. What was answered in another way is found in the ledger all the same."""
        self._keys.update(set(batch.keys) - self._ledger.known(batch.keys))
        self._where.add(batch.where)

    def meet(self, keys: Iterable[str]) -> set[str]:
        """Those of these questions, which have been asked for, that are away."""
        met = self._keys.intersection(keys)
        self._met |= met
        return met

    def less(self, requests: Iterable[Request]) -> Iterator[Request]:
        """The requests that are not away."""
        return filter(self._is_here, requests)

    def less_following(self, again: Again | None) -> Again | None:
        """The same for questions that follow from answers."""
        if again is None:
            return None

        def here(request: Request, reply: Reply) -> Request | None:
            following = again(request, reply)
            return following if following is not None and self._is_here(following) else None

        return here

    def _is_here(self, request: Request) -> bool:
        if not self._keys or (key := request.key) not in self._keys:
            return True
        self._met.add(key)
        return False

    def told(self, summary: Summary) -> Summary:
        """The summary of a purchase, with what is away left."""
        count = len(self._met)
        if not count:
            return summary
        summary = summary._replace(asked=summary.asked + count, left=summary.left + count)
        if summary.ended != "done":
            return summary
        detail = (
            f"{count:,} questions are in batches at {', '.join(sorted(self._where))}, and are not paid for twice. "
            "`phase0 batches` lists them, --resume brings in those that have ended, --cancel calls them back."
        )
        return summary._replace(ended="submitted", detail=detail)


def out_of_reach(batches: Iterable[Batch], line: Line) -> Iterator[str]:
    """A line for each place where batches are out and that no route leads to."""
    reached = {route.destination.address for route in line.routes if route.destination is not None}
    places: dict[str, list[Batch]] = {}
    for batch in batches:
        if batch.destination is not None and batch.destination.address not in reached:
            places.setdefault(batch.destination.address, []).append(batch)
    for where, there in places.items():
        count = sum(len(batch.keys) for batch in there)
        yield (
            f"{named(there)} with {count:,} questions {'is' if len(there) == 1 else 'are'} out at {where}, where this "
            "call does not ask: left alone, and not bought again. `phase0 batches` asks there; its --forget gives up."
        )


def named(batches: list[Batch]) -> str:
    """Batches by their tags, the first few of them."""
    tags = ", ".join(batch.tag for batch in batches[:_NAMED])
    more = len(batches) - _NAMED
    return f"batch{'' if len(batches) == 1 else 'es'} {tags}{f' and {more} more' if more > 0 else ''}"
