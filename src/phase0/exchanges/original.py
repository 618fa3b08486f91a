"""The teacher that costs nothing: the answer that the dataset came with."""

from __future__ import annotations

from collections.abc import Sequence

from phase0.records import Record, Reply, Request


class Original:
    """Asks nothing. `source` already names the model or dataset that wrote the answer."""

    def ask(self, record: Record) -> Sequence[Request]:
        """No requests: the answer is there, or there is none."""
        return ()

    def read(self, record: Record, replies: Sequence[Reply | None]) -> Sequence[Record] | str:
        """The record itself, or `no_answer` / `empty_answer` where the dataset has none worth the name."""
        if record.response is None:
            return "no_answer"
        return (record,) if record.response.strip() else "empty_answer"
