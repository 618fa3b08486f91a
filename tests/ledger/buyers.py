"""A process that buys answers in children which share one ledger and die on order; it pays for imports once.

Each line of the standard input is a list of children, JSON objects; it is answered by the list of how they ended.

    ledger    the ledger's file
    told      the file to which the child writes what was confirmed, a line for each: `r NUMBER` an answer, `i TAG`,
              `s TAG` and `e TAG` the three steps of a batch
    seed      what it buys
    die       it kills itself when its writer has done so many steps of SQLite's machine, in hundreds; or never
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import pyarrow as pa  # noqa: F401 - here, and not in every child
from bought import answer

from phase0.ledger import Ledger
from phase0.records import digest

THREADS, BURSTS, BURST, ANSWERS = 3, 12, 8, 600


def die_after(ledger: Ledger, steps: int) -> None:
    left = iter(range(steps))

    def step() -> int:
        if next(left, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)
        return 0

    ledger._writer._connection.set_progress_handler(step, 100)


def bought_by(number: int) -> Any:
    return answer(number, raw=random.Random(number).randbytes(number % 50 * 40) + b"%d" % number)


def buy(ledger: Ledger, told: int, rng: random.Random) -> None:
    for _ in range(BURSTS):
        numbers = [rng.randrange(ANSWERS) for _ in range(rng.randrange(1, BURST))]
        for number, later in [(number, ledger.store(bought_by(number))) for number in numbers]:
            later.result()
            os.write(told, b"r %d\n" % number)


def send_batches(ledger: Ledger, told: int, name: str) -> None:
    for number in range(BURSTS):
        tag = f"{name}-{number}"
        ledger.intend(tag, "openai", "gpt-4o", [digest(tag)])
        os.write(told, f"i {tag}\n".encode())
        ledger.sent(tag, f"id of {tag}")
        os.write(told, f"s {tag}\n".encode())
        ledger.settled(tag, "completed")
        os.write(told, f"e {tag}\n".encode())


def work(order: dict[str, Any]) -> None:
    told = os.open(order["told"], os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    with Ledger(Path(order["ledger"])) as ledger:
        if order["die"] is not None:
            die_after(ledger, order["die"])
        threads = [
            threading.Thread(target=buy, args=(ledger, told, random.Random(order["seed"] * 10 + number)))
            for number in range(THREADS)
        ]
        threads.append(threading.Thread(target=send_batches, args=(ledger, told, str(order["seed"]))))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def main() -> None:
    for line in sys.stdin:
        children = []
        for order in json.loads(line):
            child = os.fork()
            if child == 0:
                status = 70
                try:
                    work(order)
                    status = 0
                finally:
                    os._exit(status)
            children.append(child)
        print(json.dumps([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]), flush=True)


if __name__ == "__main__":
    main()
