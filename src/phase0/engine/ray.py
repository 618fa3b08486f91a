"""A Ray cluster: one that is there, or one of our own on this machine. The only file that imports Ray.

Ray does work again that was lost with its worker or its node, so work must be repeatable: its files take their names
when they are whole. What fails by itself is not done again.
"""

from __future__ import annotations

import logging
import os
import platform
import signal
import socket
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from phase0.engine import Item, Result
from phase0.engine.nodes import Answer, Node, Tokens, complaint, nodes_of, question, tokens
from phase0.errors import DataError, UsageError
from phase0.progress import SILENT, Progress, many

_AHEAD = 3  # items to a core that are done or under way while the oldest is waited for
_REPEATS = 8  # how often the same work may be lost with its node; work that kills its worker comes to an end
_COUNTED = 1.0  # seconds for which the cores of the cluster are taken to be as many as they were
_STORE = 128 << 20  # bytes for objects on a cluster of our own: sums and names pass through it, rows stay in files
_ANSWERED = 120  # seconds for a node to start a worker and to answer; one takes a second or two
_KNOWN = 10  # seconds in which all of a cluster have heard of a node that is listed,
_SOON = 0.2  # and between two tries to reach it
_HEARD = 10  # seconds for the head of a cluster to take a call
_LOCKED = "If its head asks for a token, set RAY_AUTH_MODE=token here, and have the same token"
_ENDED = 10  # seconds that work is given to end when nobody wants it any more
_SHORT = 0.5  # seconds in which short work has ended by itself


class Ray:
    """Work on the cluster at `address`: `auto` (the one running on this machine), host:port; None starts one here.

    A cluster that was there is left running, our own ends with the engine. `places` are files and folders that every
    node must see under their own paths. As a context manager it connects, and looks at every node, before the first
    work; else with it. Raises UsageError where no cluster answers, or where a node cannot do the work.
    """

    def __init__(
        self,
        address: str | None = None,
        *,
        workers: int | None = None,
        places: Sequence[Path] = (),
        progress: Progress = SILENT,
    ) -> None:
        if workers is not None and address is not None:
            raise UsageError(f"--workers is {workers}, but the cluster at {address} has the cores that it has")
        if workers is not None and workers < 1:
            raise UsageError(f"--workers is {workers}; at least one process must do the work")
        if address is not None and address.startswith("ray://"):
            raise UsageError(
                f"{address}: Ray's client runs where the files of the work are not; start phase0 on a machine of the "
                f"cluster and name it by host:port, usually port 6379"
            )
        self._address, self._places, self._progress = address, places, progress
        self._workers = workers or os.cpu_count() or 1
        self._joined = False  # by us: who calls this as a library may have joined before
        self._nodes: dict[str, Node] = {}
        self._cores, self._counted = 1, 0.0

    @property
    def threads(self) -> int:
        return self._workers

    @property
    def cores(self) -> int:
        return self._cores_of(self._ready())

    @property
    def spread(self) -> bool:
        return True

    def __enter__(self) -> Self:
        self._ready()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Leave the cluster; our own ends with that."""
        if self._joined:
            self._joined = False
            ray = _ray()
            ray.shutdown()
            _let_print(ray, allowed=True)
        self._nodes.clear()

    @contextmanager
    def kept(self) -> Iterator[Ray]:
        yield self  # Ray keeps workers by itself

    def map(self, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        ray = self._ready()
        call = ray.remote(num_cpus=1, max_retries=_REPEATS, scheduling_strategy="SPREAD")(_call)
        waiting, shared, folder = iter(items), ray.put(work), str(Path.cwd())
        running: deque[Any] = deque()
        try:
            while True:
                for item in islice(waiting, max(0, _AHEAD * self._cores_of(ray) - len(running))):
                    running.append(call.remote(folder, shared, item))
                if not running:
                    return
                result = _result(running[0])
                running.popleft()
                yield result
        finally:
            _abandon(ray, running)

    def _ready(self) -> Any:
        """Join the cluster if need be, and look at the nodes that nobody has looked at."""
        ray = _ray()
        if not ray.is_initialized():
            self._nodes.clear()
            _join(ray, self._address, self._workers)
            self._joined = True
        alive = nodes_of(ray.nodes())
        fresh = {one: node for one, node in alive.items() if one not in self._nodes}
        if fresh:
            try:
                _look_at(ray, fresh, self._places)
            except BaseException:
                self.close()
                raise
            self._nodes = alive
            cores = sum(node.cores for node in alive.values())
            where = f"cluster {self._address or ('of our own' if self._joined else 'that was there')}"
            self._progress.say(f"{where}: {many(len(alive), 'node')}, {many(cores, 'core')}")
        return ray

    def _cores_of(self, ray: Any) -> int:
        """The cores of the cluster, which may grow and shrink. One at least: a cluster may wake up when work comes."""
        now = time.monotonic()
        if now - self._counted >= _COUNTED:
            alive = nodes_of(ray.nodes())
            for gone in [one for one in self._nodes if one not in alive]:
                self._progress.warn(f"node {self._nodes.pop(gone).name} is gone: what it was at is done again")
            self._cores, self._counted = max(1, sum(node.cores for node in alive.values())), now
        return self._cores


def _ray() -> Any:
    """The library, or one line about the extra that installs it."""
    try:
        import ray
    except ImportError:
        raise UsageError("--engine ray needs the extra `ray`: pip install 'phase0[ray]'") from None
    return ray


def _call(folder: str, work: Callable[[Item], Result], item: Item) -> Result:
    """Run `work` in the folder where phase0 was started, so that paths mean the same."""
    try:
        os.chdir(folder)
    except OSError as error:
        where = f"node {platform.node()} of the cluster has no folder {folder} ({error.strerror})"
        raise DataError(f"{where}, where phase0 was started; start it in a folder that every node has") from None
    return work(item)


def _join(ray: Any, address: str | None, cores: int) -> None:
    """Join the cluster at `address`, or start one with so many cores, without a word."""
    from ray.exceptions import AuthenticationError

    if address is not None and address != "auto":
        _knock(address)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray takes no argument for it
    _let_print(ray, allowed=False)
    own = {"num_cpus": cores, "object_store_memory": _STORE, "include_dashboard": False}
    with _as_before(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ray.init(
                address or "local",
                log_to_driver=False,
                logging_level=logging.CRITICAL,
                **(own if address is None else {}),
            )
        except (AuthenticationError, ConnectionError, RuntimeError, TimeoutError, ValueError) as error:
            told = " ".join(str(error).split())
            if not address:
                raise UsageError(f"no Ray cluster can be started here: {told}") from error
            raise UsageError(f"no Ray cluster can be joined at {address}: {told}. {_LOCKED}") from error


def _let_print(ray: Any, *, allowed: bool) -> None:
    """Whether Ray may print what becomes of workers and nodes: it does so on the standard output, whatever
    `log_to_driver` says, and this switch of its debugger is the only one."""
    ray._private.worker._worker_logs_enabled = allowed  # noqa: SLF001


def _knock(address: str) -> None:
    """Raise UsageError where nobody listens: Ray would try for five minutes."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=_HEARD):
            pass
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise UsageError(f"no Ray cluster can be joined at {address}: {why}. It takes host:port, or auto") from None


@contextmanager
def _as_before() -> Iterator[None]:
    """Leave the handler of SIGTERM as it is: Ray would make an ordinary exit of the signal."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, handler)


def _result(reference: Any) -> Any:
    """What some work came to. Its own exception is raised as itself; that it was lost too often is a DataError.

    Python waits here, not `ray.get`: of what handlers of signals raise that hears Ctrl-C's alone, and waits on.
    """
    from ray.exceptions import OutOfMemoryError, RayError, RayTaskError

    try:
        return reference.future().result()
    except RayTaskError as error:
        raise error.cause from error
    except OutOfMemoryError as error:
        raise DataError(
            "a worker of the cluster ran out of memory. Give its nodes more, or fewer cores to share it (--num-cpus)"
        ) from error
    except RayError as error:
        told = str(error).strip().partition("\n")[0]
        raise DataError(f"the cluster lost the same work {_REPEATS + 1} times ({told})") from error


def _abandon(ray: Any, running: Iterable[Any]) -> None:
    """End work that nobody wants any more, so that it writes nothing once its folder is gone.

    Ray 2.60 aborts this process where work ends in the very moment in which it is cancelled ("Tried to complete task
    that was not pending"). Short work would often do so, and is let end.
    """
    from ray.exceptions import RayError

    left = list(running)
    if left and ray.is_initialized():
        _, left = ray.wait(left, num_returns=len(left), timeout=_SHORT, fetch_local=False)
        for reference in left:
            with suppress(RayError, ValueError):
                ray.cancel(reference, force=True)
        if left:
            ray.wait(left, num_returns=len(left), timeout=_ENDED, fetch_local=False)


def _look_at(ray: Any, nodes: Mapping[str, Node], places: Sequence[Path]) -> None:
    """Ask each node whether it can do the work. Raises UsageError that names the first that cannot."""
    with tokens(places) as wanted:
        answers = _answers(ray, nodes, wanted)
    for one, answer in answers.items():
        if told := complaint(answer):
            raise UsageError(f"node {nodes[one].name} of the cluster {told}")


def _answers(ray: Any, nodes: Mapping[str, Node], wanted: Tokens) -> dict[str, Answer]:
    """What the nodes say, less those that are gone meanwhile."""
    from ray.exceptions import RayError, TaskUnschedulableError
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy as On

    ask = ray.remote(num_cpus=0, max_retries=0)(question())  # of no core: it need not wait for other people's work
    found: dict[str, Answer] = {}
    left, patience = set(nodes), time.monotonic() + _KNOWN
    while left:
        asked = {
            one: ask.options(scheduling_strategy=On(one, soft=False)).remote(wanted) for one in nodes if one in left
        }
        ray.wait(list(asked.values()), num_returns=len(asked), timeout=_ANSWERED)
        alive = nodes_of(ray.nodes())
        for one, reference in asked.items():
            try:
                found[one] = Answer(*ray.get(reference, timeout=0))
            except RayError as error:
                if one in alive and isinstance(error, TaskUnschedulableError) and time.monotonic() < patience:
                    continue
                if one in alive:
                    told = " ".join(str(error).split())
                    raise UsageError(f"node {nodes[one].name} of the cluster does no work: {told}") from error
            left.discard(one)
        if left:
            time.sleep(_SOON)
    return found
