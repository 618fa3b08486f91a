"""What is still to be bought, in the order in which it was asked for: nothing that the ledger has, nothing twice.

Requests are read a few at a time, so that they may be a stream of millions.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import count, islice

from phase0.errors import ProviderError
from phase0.gateway.line import Line, input_tokens, largest_reply
from phase0.gateway.policy import Again
from phase0.gateway.summary import Tally
from phase0.ledger import Bought, Ledger
from phase0.providers import reading
from phase0.records import Asked, Reply, Request, canonical

_PART = 256  # requests that are looked up together
_WAITING = 10_000  # requests that wait for another try, before new ones have to wait too


class Order:
    """One question that has no answer yet."""

    __slots__ = ("body", "key", "largest", "request", "tokens_in", "tries")

    def __init__(self, request: Request, body: Asked, tokens_in: int, largest: int) -> None:
        self.request = request
        self.body = body  # what the ledger keeps
        self.key = body.key
        self.tokens_in = tokens_in
        self.largest = largest  # tokens of its answer
        self.tries = 0  # that failed, not counting 429s


class Orders:
    """A stream of requests, less what needs no asking."""

    def __init__(
        self, requests: Iterable[Request], line: Line, ledger: Ledger, again: Again | None, tally: Tally
    ) -> None:
        self._requests: Iterator[Request] = iter(requests)
        self._line = line
        self._ledger = ledger
        self._again = again
        self._tally = tally
        self._open: set[str] = set()  # keys that were handed out or wait here
        self.waiting: deque[Order] = deque()
        self.exhausted = False

    def fill(self) -> None:
        """Look at a few more requests."""
        part = list(islice(self._requests, _PART))
        self.exhausted = len(part) < _PART
        self._add(part)

    def follow(self, request: Request, reply: Reply) -> None:
        """Ask what follows from a reply, if anything does."""
        following = self._again(request, reply) if self._again else None
        if following is not None:
            self.ask(following)

    def ask(self, following: Request) -> None:
        """Ask a question that follows from an answer."""
        self._tally.follow_ups += 1
        self._add([following])

    def done(self, key: str) -> None:
        """This question is answered, refused or given up."""
        self._open.discard(key)

    def count(self) -> int:
        """Read the stream to its end; how many questions would still have to be asked."""
        while not self.exhausted:
            self.waiting.clear()
            self.fill()
        return self._tally.open

    def _add(self, requests: list[Request]) -> None:
        self._tally.asked += len(requests)
        new: dict[str, tuple[Request, Asked]] = {}
        for request in requests:
            body = Asked(canonical(request))
            key = body.key
            if key in self._open or key in new:
                self._tally.shared += 1
            else:
                new[key] = request, body
        for key, bought in self._found(list(new)).items():
            request, _ = new.pop(key)
            self._tally.found += 1
            if bought is not None:
                self._reread(request, bought)
        if new:
            counts = (self._line.tokens_of or input_tokens)([request for request, _ in new.values()])
            for (key, (request, body)), tokens_in in zip(new.items(), counts, strict=True):
                self._open.add(key)
                largest = largest_reply(request, self._line.max_output)
                self.waiting.append(Order(request, body, tokens_in, largest))

    def _found(self, keys: list[str]) -> dict[str, Bought | None]:
        """What has an answer. The answer itself only where a question may follow from it."""
        if self._again is None:
            return dict.fromkeys(self._ledger.known(keys))
        return dict(self._ledger.find(keys))

    def _reread(self, request: Request, bought: Bought) -> None:
        """A run that was stopped may have stored an answer, but not asked what follows from it."""
        if bought.status != "reply":
            return
        routes = self._line.routes
        provider = next((route.provider for route in routes if route.name == bought.server), None)
        try:
            reply = (provider or reading(bought.server)).read(bought.raw)
        except ProviderError:  # it is no reply after all: whoever needs the answer will say so
            return
        self.follow(request, reply)


class Queue:
    """Orders that may be sent, and those that wait for another try. Times are those of one clock, in seconds."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._later: list[tuple[float, int, Order]] = []  # by when it is due; equal ones in their order
        self._serial = count()

    @property
    def is_empty(self) -> bool:
        return self._orders.exhausted and not self._orders.waiting and not self._later

    def peek(self, now: float) -> Order | None:
        """The order that is next: another try that is due, else a new one. None where there is none now."""
        later, orders = self._later, self._orders
        if later and later[0][0] <= now:
            return later[0][2]
        if orders.waiting:
            return orders.waiting[0] if len(later) < _WAITING else None
        if not orders.exhausted:
            orders.fill()
        return orders.waiting[0] if orders.waiting else None

    def again_in(self, now: float) -> float | None:
        """Seconds until there may be one, where `peek` gave none; None where nothing comes by itself."""
        if not self._orders.exhausted and not self._orders.waiting:
            return 0.0  # a part at a time: what is in flight wants the event loop too
        return max(0.0, self._later[0][0] - now) if self._later else None

    def pop(self, order: Order) -> None:
        """Take the order that `peek` gave."""
        if self._later and self._later[0][2] is order:
            heapq.heappop(self._later)
        else:
            self._orders.waiting.popleft()

    def put_off(self, order: Order, due: float) -> None:
        """Have an order sent again, when it is due."""
        heapq.heappush(self._later, (due, next(self._serial), order))
