"""The local engine: order kept, errors raised here, and no worker outlives its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from workloads import fail_at_three, process, slow_at_first, square

from phase0.engine import ENGINES
from phase0.engine.local import Local
from phase0.errors import DataError, UsageError
from phase0.registry import load


def die_at_three(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


@pytest.mark.parametrize("count", [0, 1, 2, 3, 50])
def test_one_worker_and_four_give_the_same(count: int) -> None:
    wanted = [number * number for number in range(count)]
    assert list(Local(1).map(square, range(count))) == wanted
    assert list(Local(4).map(square, iter(range(count)))) == wanted


def test_results_come_in_the_order_of_the_items() -> None:
    assert list(Local(2).map(slow_at_first, range(6))) == list(range(6))


def test_one_worker_is_this_process_and_two_are_others() -> None:
    assert set(Local(1).map(process, range(4))) == {os.getpid()}
    assert os.getpid() not in set(Local(2).map(process, range(4)))


def test_a_kept_engine_starts_its_processes_once_however_often_it_is_kept() -> None:
    found = set[int]()
    with Local(2).kept() as engine:
        for _ in range(3):
            with engine.kept() as again:
                found |= set(again.map(process, range(4)))
        assert len(set(engine.map(process, range(4))) | found) <= 2


def test_one_item_needs_no_pool() -> None:
    assert list(Local(4).map(process, [1])) == [os.getpid()]


@pytest.mark.parametrize("workers", [1, 2])
def test_the_first_error_is_raised_here_after_the_results_before_it(workers: int) -> None:
    found = []
    with pytest.raises(DataError, match=r"x\.jsonl: item 3 is bad"):
        found.extend(Local(workers).map(fail_at_three, range(100)))
    assert found == [0, 1, 2]


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_of_the_items_themselves_is_raised_here(workers: int) -> None:
    def items() -> Iterator[int]:
        yield from range(5)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(Local(workers).map(square, items()))


def test_a_killed_worker_is_told_in_one_line() -> None:
    with pytest.raises(DataError, match="a worker process died") as caught:
        list(Local(2).map(die_at_three, range(20)))
    assert "\n" not in str(caught.value)


def test_items_are_taken_as_they_are_needed() -> None:
    taken = []

    def items() -> Iterator[int]:
        for number in range(1000):
            taken.append(number)
            yield number

    results = Local(2).map(square, items())
    assert [next(results) for _ in range(3)] == [0, 1, 4]
    assert len(taken) < 20
    results.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("workers", [0, -1])
def test_at_least_one_process_must_work(workers: int) -> None:
    with pytest.raises(UsageError, match=f"--workers is {workers}"):
        Local(workers)


def test_the_local_engine_is_found_by_its_name() -> None:
    assert load("engine", ENGINES, "local") is Local
    with pytest.raises(UsageError, match="Did you mean 'local'"):
        load("engine", ENGINES, "locl")


_PARENT = """
import os, sys, time
from pathlib import Path
from phase0.engine.local import Local

def wait(number):
    Path(sys.argv[1], str(os.getpid())).write_bytes(b"")
    time.sleep(600)

if __name__ == "__main__":
    list(Local(2).map(wait, range(8)))
"""


def until(condition: object, seconds: float = 30) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():  # type: ignore[operator]
            return True
        time.sleep(0.05)
    return False


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits for its parent to notice does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
def test_workers_die_with_a_killed_parent(tmp_path: Path) -> None:
    script, marks = tmp_path / "parent.py", tmp_path / "marks"
    script.write_text(_PARENT)
    marks.mkdir()
    parent = subprocess.Popen([sys.executable, str(script), str(marks)])
    try:
        assert until(lambda: len(list(marks.iterdir())) == 2)
        workers = [int(path.name) for path in marks.iterdir()]
        assert all(alive(pid) for pid in workers)
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    assert until(lambda: not any(alive(pid) for pid in workers), 10)


def test_a_worker_leaves_the_interrupt_to_its_parent(tmp_path: Path) -> None:
    (pid, *_) = Local(2).map(interrupt, range(2))
    assert pid != os.getpid()


def interrupt(number: int) -> int:
    os.kill(os.getpid(), signal.SIGINT)
    return os.getpid()
