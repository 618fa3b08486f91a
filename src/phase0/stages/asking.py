"""Have models asked for what the ledger lacks. When this returns, all answers that can be had are in the ledger."""

from __future__ import annotations

import asyncio
import gc
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path

from phase0.errors import Unfinished
from phase0.gateway.budget import Budget, shown
from phase0.gateway.line import Line, spent_at_most
from phase0.gateway.modes import purchase
from phase0.gateway.policy import Again
from phase0.gateway.shop import GRACE, POLL, Options
from phase0.gateway.summary import Summary
from phase0.ledger import FILE, Ledger
from phase0.progress import Progress
from phase0.records import Request
from phase0.stages.means import Asking
from phase0.workspace import MARK

_SELDOM = (50_000, 20, 20)


def ledger_of(workspace: Path) -> Ledger:
    """The ledger of a workspace, opened."""
    return Ledger(workspace / MARK / FILE)


def ask_models(
    requests: Callable[[], Iterable[Request]],
    line: Callable[[], Line],
    ledger: Ledger,
    asking: Asking,
    *,
    again: Again,
    progress: Progress,
) -> Summary:
    """Buy what the ledger lacks, within the budget of all that was bought under the same name.

    `requests` gives them anew each time it is called, and `line` is called on the event loop that uses it. Ctrl-C lets
    what is in flight come in, a second one does not. Raises Unfinished where there is more to be asked.
    """

    means = asking.means

    async def asked() -> Summary:
        to = line()
        stop = asyncio.Event()
        budget = Budget(means.budget_usd, spent_at_most(ledger, asking.run, to))
        if means.budget_usd is not None and (staked := sum(ledger.stakes(asking.run).values(), Decimal(0))):
            progress.say(f"{shown(staked)} of the budget are in batches that are out, or lost with requests")
        folder, (soon, late) = ledger.path.parent / "batches", POLL
        poll, grace = (soon / means.speed, late / means.speed), GRACE / means.speed
        batches = Options(folder, asking.run, size=means.batch_size, wait=means.wait, poll=poll, grace=grace)
        work = partial(purchase, mode=means.mode, batches=batches, again=again, progress=progress, stop=stop)
        try:
            with _stopped_by_signal(stop, progress):
                return await work(requests(), to, ledger, budget)
        finally:
            for route in to.routes:
                await route.provider.close()

    with seldom_collected():
        summary = asyncio.run(asked())
    if summary.ended != "done":
        raise Unfinished(summary.detail, how=summary.ended)
    return summary


@contextmanager
def seldom_collected() -> Iterator[None]:
    """Look for garbage in cycles every 50,000 objects, not every 700. Requests leave little of it, and looking over and
    over at what 512 of them hold, and at all that was imported, took a seventh of the processor time."""
    usual = gc.get_threshold()
    gc.set_threshold(*_SELDOM)
    try:
        yield
    finally:
        if gc.get_threshold() == _SELDOM:  # another thread that was here may have set it back
            gc.set_threshold(*usual)


@contextmanager
def _stopped_by_signal(stop: asyncio.Event, progress: Progress) -> Iterator[None]:
    """Ctrl-C sets `stop`; a second one raises KeyboardInterrupt as usual."""
    loop = asyncio.get_running_loop()
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def first() -> None:
        loop.remove_signal_handler(signal.SIGINT)
        progress.warn("stopping: what is in flight comes in first; Ctrl-C again gives it up")
        stop.set()

    try:
        loop.add_signal_handler(signal.SIGINT, first)
    except NotImplementedError:  # on Windows Ctrl-C gives up what is in flight
        yield
        return
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)
