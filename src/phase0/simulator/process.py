"""The provider in a process of its own: started on a free port, asked over HTTP, ended with the block or its parent."""

from __future__ import annotations

import http.client
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from phase0.errors import Phase0Error
from phase0.simulator.journal import Bill, Entry, entries
from phase0.simulator.settings import DEFAULT, Faults, Settings, check
from phase0.simulator.wire import Tongue

_TIMEOUT = 60.0  # seconds for an answer of the simulator about itself


class Ready(msgspec.Struct, frozen=True):
    """The first line that the process prints."""

    port: int
    journal: str


class Simulated(NamedTuple):
    """A running provider in another process."""

    port: int
    journal: Path
    pid: int

    @property
    def url(self) -> str:
        """The base URL, in the dialect of the settings."""
        return f"http://127.0.0.1:{self.port}/v1"

    def url_of(self, tongue: Tongue) -> str:
        return f"http://127.0.0.1:{self.port}/{tongue}/v1"

    def bill(self) -> Bill:
        """Everything charged until now, batches that have ended included."""
        return msgspec.json.decode(self._ask("bill"), type=Bill)

    def requests(self) -> list[Entry]:
        """Everything that was asked, in order."""
        self.bill()  # batches that have ended but were not looked at since
        return list(entries(self.journal))

    def cpu_seconds(self) -> float:
        """What the process has used of a processor."""
        used: float = msgspec.json.decode(self._ask("state"))[0]
        return used

    def skip(self, seconds: float) -> None:
        """Let so many of the provider's seconds have passed."""
        self._ask("skip", seconds)

    def force(self, *faults: str | None) -> None:
        """The next requests for answers meet these faults, in order; None: no fault."""
        self._ask("force", faults)

    def change(self, faults: Faults) -> None:
        """Other rates from now on."""
        self._ask("faults", faults)

    def _ask(self, what: str, value: Any = None) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_TIMEOUT)
        try:
            connection.request("POST", f"/_simulator/{what}", msgspec.json.encode(value))
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise Phase0Error(f"The simulator refuses {what!r}: {body.decode(errors='replace')}")
        return body


@contextmanager
def simulated(settings: Settings = DEFAULT, *, port: int = 0) -> Iterator[Simulated]:
    """Run a provider in a process of its own, on a free port of loopback (or `port`), until the block ends.

    It ends with this process too, however that ends, and its journal is complete either way.
    """
    check(settings)
    with tempfile.TemporaryDirectory(prefix="phase0-simulator-") as place:
        settings = msgspec.structs.replace(settings, journal=settings.journal or f"{place}/journal.jsonl")
        # Settings go over the standard input: they may hold keys, and the end of it tells the process to stop. It has
        # a session of its own, for Ctrl-C goes to all processes of one, and what is in flight is still to be answered.
        process = subprocess.Popen(  # noqa: S603 - our own interpreter, our own module
            [sys.executable, "-m", "phase0.simulator", str(port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert process.stdin is not None  # noqa: S101 - pipes were asked for
        assert process.stdout is not None  # noqa: S101
        try:
            process.stdin.write(msgspec.json.encode(settings) + b"\n")
            process.stdin.flush()
            line = process.stdout.readline()
            if not line:
                raise Phase0Error(f"The simulator did not start; its exit status is {process.wait()}.")
            ready = msgspec.json.decode(line, type=Ready)
            yield Simulated(ready.port, Path(ready.journal), process.pid)
        finally:
            process.stdin.close()
            process.wait(timeout=30)
            process.stdout.close()
