"""The engine on a Ray cluster: the same as the local one, whatever becomes of workers and nodes."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count, islice
from pathlib import Path

import pytest
from clusters import Nodes
from waiting import until
from workloads import (
    DieOnce,
    MarkAndWait,
    die_always,
    fail_at_three,
    fail_like_a_bug,
    fail_like_a_provider,
    node,
    process,
    read_here,
    slow_at_first,
    square,
)

from phase0.engine import ENGINES
from phase0.engine.ray import Ray
from phase0.errors import DataError, Transient, UsageError
from phase0.progress import Silent
from phase0.registry import load

pytest.importorskip("ray", reason="needs the extra `ray`")
pytestmark = [pytest.mark.xdist_group("ray"), pytest.mark.timeout(300)]

OnRay = Callable[..., Ray]


class Told(Silent):
    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, message: str) -> None:
        self.said.append(message)

    def warn(self, message: str) -> None:
        self.said.append(message)


@pytest.mark.parametrize("items", [0, 1, 2, 50])
def test_a_cluster_gives_what_this_process_gives(on_ray: OnRay, items: int) -> None:
    assert list(on_ray(2).map(square, iter(range(items)))) == [square(number) for number in range(items)]


def test_results_come_in_the_order_of_the_items(on_ray: OnRay) -> None:
    assert list(on_ray(2).map(slow_at_first, range(8))) == list(range(8))


def test_work_runs_on_all_nodes_and_not_here(on_ray: OnRay) -> None:
    engine = on_ray(2)
    assert len(set(engine.map(node, range(24)))) == 2
    assert os.getpid() not in set(engine.map(process, range(4)))


def test_items_are_taken_as_they_are_needed(on_ray: OnRay) -> None:
    taken = []

    def items() -> Iterator[int]:
        for number in range(1000):
            taken.append(number)
            yield number

    results = on_ray(2).map(square, items())
    assert [next(results) for _ in range(3)] == [0, 1, 4]
    assert len(taken) < 20
    results.close()  # type: ignore[attr-defined]


def test_the_first_error_is_raised_as_itself_after_the_results_before_it(on_ray: OnRay) -> None:
    found = []
    with pytest.raises(DataError, match=r"^x\.jsonl: item 3 is bad$") as caught:
        found.extend(on_ray(2).map(fail_at_three, range(100)))
    assert found == [0, 1, 2]
    assert type(caught.value) is DataError


def test_an_error_keeps_what_it_knows(on_ray: OnRay) -> None:
    with pytest.raises(Transient) as caught:
        list(on_ray(2).map(fail_like_a_provider, range(4)))
    assert (type(caught.value), caught.value.reason, caught.value.retry_after) == (Transient, "rate_limit", 2.5)


def test_a_bug_is_told_with_the_lines_in_which_it_happened(on_ray: OnRay) -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        list(on_ray(2).map(fail_like_a_bug, range(4)))
    assert "fail_like_a_bug" in str(caught.value.__cause__)


def test_an_error_of_the_items_themselves_is_raised_here(on_ray: OnRay) -> None:
    def items() -> Iterator[int]:
        yield from range(5)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(on_ray(2).map(square, items()))


def test_an_error_is_not_tried_again(on_ray: OnRay, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(on_ray(2).map(CountAndFail(tmp_path), [1]))
    assert len(list(tmp_path.iterdir())) == 1


class CountAndFail:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, number: int) -> str:
        (self.folder / str(time.monotonic_ns())).touch()
        return (self.folder / "missing").read_text()


def test_work_of_a_killed_worker_is_done_again_and_only_that(on_ray: OnRay, tmp_path: Path) -> None:
    assert list(on_ray(2).map(DieOnce(tmp_path, 5), range(12))) == list(range(12))
    began = [path.name.partition("-")[0] for path in tmp_path.glob("*-*")]
    assert (tmp_path / "died").exists()
    assert began.count("5") == 2
    assert sorted(began, key=int) == sorted([*map(str, range(12)), "5"], key=int)


def test_work_that_always_kills_its_worker_comes_to_an_end(on_ray: OnRay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("phase0.engine.ray._REPEATS", 1)
    with pytest.raises(DataError, match="lost the same work 2 times") as caught:
        list(on_ray(2).map(die_always, range(2)))
    assert "\n" not in str(caught.value)


def test_work_of_a_lost_node_is_done_again_and_nothing_but_our_own_line_tells_of_it(
    nodes: Nodes, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    told = Told()
    with Ray(nodes.resize(3), progress=told) as engine:
        lose_a_node(engine, nodes, tmp_path)
        assert until(lambda: list(engine.map(square, range(2))) and len(told.said) == 2, 20)
        time.sleep(2)  # Ray tells of it when it has read the logs of the node
    assert re.fullmatch(r"node \S+.* is gone: what it was at is done again", told.said[1])
    assert capfd.readouterr() == ("", "")


def lose_a_node(engine: Ray, nodes: Nodes, tmp_path: Path) -> None:
    found: list[int] = []
    running = threading.Thread(target=lambda: found.extend(engine.map(MarkAndWait(tmp_path), range(9))))
    running.start()
    assert until(lambda: len(list(tmp_path.glob("*-*"))) == 3)
    nodes.remove(nodes.some(random.Random(1)))
    (tmp_path / "go").touch()
    running.join(120)
    assert found == list(range(9))
    assert len({path.name.partition("-")[0] for path in tmp_path.glob("*-*")}) == 9
    assert len(list(tmp_path.glob("*-*"))) == 10  # one of them began twice


def test_a_node_that_comes_later_takes_work(on_ray: OnRay, nodes: Nodes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("phase0.engine.ray._COUNTED", 0.0)
    results = on_ray(1).map(node, count())
    first = next(results)
    nodes.resize(2)
    assert next(other for other in islice(results, 10_000) if other != first)
    results.close()  # type: ignore[attr-defined]


def test_work_that_nobody_wants_any_more_ends(on_ray: OnRay, tmp_path: Path) -> None:
    results = on_ray(2).map(MarkAndWait(tmp_path), range(50))
    began = threading.Thread(target=lambda: until(lambda: len(list(tmp_path.glob("*-*"))) == 2))
    began.start()
    with handled(signal.SIGINT, signal.default_int_handler), pytest.raises(KeyboardInterrupt):
        interrupted(results, began)
    pids = {int(path.name.partition("-")[2]) for path in tmp_path.glob("*-*")}
    assert len(pids) == 2
    assert until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))


@contextmanager
def handled(number: int, handler: Callable[[int, object], None]) -> Iterator[None]:
    """What happens at a signal. Who was started in the background of a shell begins without Ctrl-C's handler."""
    before = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, before)


def test_what_the_handler_of_a_signal_raises_ends_the_wait(on_ray: OnRay, tmp_path: Path) -> None:
    def handle(number: int, frame: object) -> None:
        raise LookupError(number)

    late = threading.Timer(30, (tmp_path / "go").touch)  # who drops it waits no longer than this
    late.start()
    try:
        results = on_ray(1).map(MarkAndWait(tmp_path), range(2))
        began = threading.Thread(target=lambda: until(lambda: any(tmp_path.glob("*-*"))))
        began.start()
        with handled(signal.SIGUSR1, handle), pytest.raises(LookupError):
            interrupted(results, began, signal.SIGUSR1)
    finally:
        late.cancel()


def interrupted(results: Iterator[int], began: threading.Thread, number: int = signal.SIGINT) -> None:
    """A signal, ctrl-C's if not another, while the first result is waited for."""

    def interrupt() -> None:
        began.join()
        signal.pthread_kill(threading.main_thread().ident or 0, number)

    threading.Thread(target=interrupt).start()
    next(results)


def test_paths_mean_on_a_node_what_they_mean_here(
    on_ray: OnRay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = on_ray(2)
    (tmp_path / "a.txt").write_text("here")
    monkeypatch.chdir(tmp_path)
    assert list(engine.map(read_here, ["a.txt"])) == ["here"]


def test_a_cluster_that_was_there_is_left_as_it_was(nodes: Nodes) -> None:
    address = nodes.resize(2)
    told = Told()
    for _ in range(2):
        with Ray(address, progress=told) as engine:
            assert list(engine.map(square, range(3))) == [0, 1, 4]
    assert told.said == [f"cluster {address}: 2 nodes, 2 cores"] * 2


def test_who_had_joined_before_stays_joined(on_ray: OnRay) -> None:
    import ray

    assert list(on_ray(2).map(square, range(2))) == [0, 1]
    with Ray() as second:
        assert list(second.map(square, range(3))) == [0, 1, 4]
    assert ray.is_initialized()


_OWN = """
from phase0.engine.ray import Ray
from workloads import process, square
with Ray(workers=2) as engine:
    assert list(engine.map(square, range(5))) == [0, 1, 4, 9, 16]
    pids = set(engine.map(process, range(8)))
import ray
assert not ray.is_initialized()
print(*pids)
"""


@pytest.mark.skipif(not Path("/proc").exists(), reason="looks for processes in /proc")
def test_a_cluster_of_our_own_ends_with_the_engine_and_says_nothing(nodes: Nodes) -> None:
    command = [sys.executable, "-W", "error", "-c", _OWN]
    done = subprocess.run(command, env=nodes.environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in done.stdout.split()))


def test_a_cluster_that_does_not_answer_is_named_in_one_line() -> None:
    with (
        pytest.raises(UsageError, match=r"^no Ray cluster can be joined at 127\.0\.0\.1:9: Connection refused"),
        Ray("127.0.0.1:9"),
    ):
        pass


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match=r"pip install 'phase0\[ray\]'"), Ray():
        pass


def test_values_that_mean_nothing_are_refused() -> None:
    with pytest.raises(UsageError, match="--workers is 0"):
        Ray(workers=0)
    with pytest.raises(UsageError, match=r"--workers is 4, but the cluster at auto has the cores that it has"):
        Ray("auto", workers=4)
    with pytest.raises(UsageError, match="host:port"):
        Ray("ray://10.0.0.1:10001")


def test_it_is_found_by_its_name() -> None:
    assert load("engine", ENGINES, "ray") is Ray
