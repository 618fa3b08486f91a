"""Every answer that was paid for, by the digest of its question: raw as it came, on the disk before anybody reads it.

One SQLite file for a workspace, shared by threads and by processes. What a future confirmed survives a kill and a
power cut.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent import futures
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from phase0.ledger import transfer
from phase0.ledger.changes import Change, Fail, Intend, Sent, Settled, Stake, store_of
from phase0.ledger.entries import Batch, Bought, Destination, Failure, Imported, Spend, units_up
from phase0.ledger.reading import By, Reader
from phase0.ledger.schema import prepare
from phase0.ledger.writing import Later, Writer

__all__ = ["Batch", "Bought", "By", "Destination", "Failure", "Imported", "Ledger", "Spend"]

_AT_ONCE = 1000  # answers that are read together

FILE = "ledger.sqlite"
"""The name of the ledger in a workspace's own folder."""


class Ledger:
    """An open ledger, for all threads of a process. `clock` dates batches, in seconds since 1970.

    Raises DataError where the file is damaged, cannot be written, or is from a newer phase0.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        prepare(path)
        self.path = path
        self._clock = clock
        self._reader = Reader(path)
        self._writer = Writer(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Commit what waits and let go of the file."""
        self._writer.close()
        self._reader.close()

    def find(self, keys: Sequence[str]) -> dict[str, Bought]:
        """The answers that are there, by key. What `store` has not yet confirmed may be missing."""
        return {bought.key: bought for bought in self._reader.find(keys)}

    def known(self, keys: Iterable[str]) -> set[str]:
        """Those of these keys that have an answer."""
        return set(self._reader.known(keys))

    def store(self, bought: Bought) -> Later:
        """Keep an answer. The future resolves when it is on the disk: to True, or to False where the question had an
        answer already, which stands.

        On an event loop it is that loop's own future, elsewhere one of `concurrent.futures`; asyncio.wrap_future
        takes both. It fails with DataError or BusyError where the answer could not be kept. Raises ValueError for an
        answer that is none: a key that is not the digest of its request, a cost or tokens that are no amount.
        """
        return self._writer.put(store_of(bought))

    def fail(self, key: str, reason: str, detail: str, run: str) -> Later:
        """Note that a question got no answer. It is forgotten when the question is answered."""
        shown = detail.encode("utf-8", "replace").decode()
        return self._writer.put(Fail(bytes.fromhex(key), reason, shown, run))

    def failures(self, keys: Iterable[str] | None = None) -> dict[str, Failure]:
        """What failed of these keys, or of all, by key."""
        return {failure.key: failure for failure in self._reader.failures(keys)}

    def stake(self, name: str, run: str, cost: Decimal) -> None:
        """Note how much a purchase of a run may have paid beyond its answers, in place of what was noted under its
        name before. On the disk when it returns, so that it is known of what was sent afterwards."""
        self._do(Stake(name, run, units_up(cost)))

    def stakes(self, run: str) -> dict[str, Decimal]:
        """What a run may have paid beyond its answers: by purchase what was lost, or in flight when it was killed; by
        tag what batches that are out may cost."""
        return self._reader.stakes(run)

    def intend(
        self,
        tag: str,
        server: str,
        model: str,
        keys: Sequence[str],
        run: str = "",
        *,
        cost: Decimal = Decimal(0),
        destination: Destination | None = None,
    ) -> bool:
        """Say that a batch of a run is about to be sent, where, and what it may cost at most. On the disk when it
        returns, as are the next two.

        False, and nothing is noted, where one of its questions has an answer, or is in a batch that is not settled.
        Raises UsageError for a tag that was used before: at the provider it would name two batches.
        """
        digests = b"".join(map(bytes.fromhex, keys))
        where = None if destination is None else msgspec.json.encode(destination).decode()
        return self._do(Intend(tag, server, model, digests, self._clock(), run, where, units_up(cost)))

    def sent(self, tag: str, batch_id: str) -> None:
        """Note the provider's id of a batch."""
        self._do(Sent(tag, batch_id))

    def settled(self, tag: str, status: str, lost: Decimal = Decimal(0)) -> None:
        """Note that a batch has ended and that all its answers are stored. `lost` is what it may have cost beyond
        them."""
        self._do(Settled(tag, status, units_up(lost)))

    def open_batches(self) -> list[Batch]:
        """Batches that are not settled, oldest first."""
        return self._reader.batches("state != 'settled'")

    def batch(self, tag: str) -> Batch | None:
        """The batch of a tag."""
        return next(iter(self._reader.batches("tag = ?", tag)), None)

    def spend(self, by: By) -> list[Spend]:
        """What was paid, one entry for each model, day (UTC), run or server, dearest first."""
        return self._reader.spend(by)

    def spent(self, run: str) -> Decimal:
        """What a run paid so far, in dollars, for what has a price."""
        return sum((each.cost for each in self._reader.spend("run") if each.name == run), Decimal(0))

    def unpriced(self, run: str) -> Iterator[Bought]:
        """Answers that a run paid for at a cost that nobody knows, each as often as it did."""
        keys = self._reader.unpriced(run)
        for start in range(0, len(keys), _AT_ONCE):
            part = keys[start : start + _AT_ONCE]
            found = self.find(part)
            yield from (found[key] for key in part)

    def export_to(self, path: Path) -> int:
        """Write every answer as a line of JSON, for another workspace. The number of answers."""
        return transfer.write(path, self._reader.everything())

    def import_from(self, path: Path) -> Imported:
        """Take in the answers of a file that `export_to` wrote. Raises DataError, and takes nothing, where a line is
        wrong or its key is not the digest of its request."""
        transfer.check(path)
        replies = new = 0
        for part in transfer.read(path):
            later = [self._later(store) for store in part]
            replies += len(later)
            new += sum(each.result() for each in later)
        return Imported(replies, new)

    def _do(self, change: Change) -> bool:
        return self._later(change).result()

    def _later(self, change: Change) -> futures.Future[bool]:
        later: futures.Future[bool] = futures.Future()
        self._writer.put(change, later)
        return later
