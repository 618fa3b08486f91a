"""How long work tells that it is alive. Library functions report here; only the command line shows anything."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Told of steps as they happen. Implementations must be cheap: `advance` is called often."""

    def start(self, step: str, total: int | None, unit: str = "rows") -> None:
        """A step begins. `total` is the number of units to come, None where nobody knows."""

    def advance(self, units: int) -> None:
        """So many more units of the current step are done."""

    def state(self, text: str) -> None:
        """What else there is to know about the step just now, in a few words: shown beside how far it is."""

    def finish(self, note: str = "") -> None:
        """The current step is over; `note` is one line worth keeping on the screen."""

    def say(self, message: str) -> None:
        """Something worth knowing that is no cause for concern."""

    def warn(self, message: str) -> None:
        """Something a person should know that does not stop the work."""


class Silent:
    """Says nothing: the default of every library function."""

    def start(self, step: str, total: int | None, unit: str = "rows") -> None: ...

    def advance(self, units: int) -> None: ...

    def state(self, text: str) -> None: ...

    def finish(self, note: str = "") -> None: ...

    def say(self, message: str) -> None: ...

    def warn(self, message: str) -> None: ...


SILENT = Silent()


def many(number: int, what: str) -> str:
    """How many there are of something: "1 row", "2,000 rows"."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"
