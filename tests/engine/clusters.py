"""A Ray cluster of several nodes on this machine, for tests. It lives in a process of its own, and ends with it.

python clusters.py      takes a command a line, answers with a line: see `serve`
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

from waiting import until

_NODE = {"num_cpus": 1, "object_store_memory": 80 << 20, "include_dashboard": False}
# A dead node is missed within some two seconds, not fifteen; a busy one is given ten.
_SOON = {
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 400,
    "health_check_timeout_ms": 10_000,
    "health_check_failure_threshold": 5,
}


class Nodes:
    """A cluster of so many nodes as a test wants, one core each. The first is the driver's."""

    def __init__(self) -> None:
        paths = [str(Path(__file__).parents[2] / "src"), *filter(None, sys.path)]
        self.environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "RAY_USAGE_STATS_ENABLED": "0"}
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.address = self._ask("address")
        self.others: list[str] = []

    def _ask(self, *words: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(" ".join(words) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline().strip()
        assert answer, f"the cluster did not answer to {words}"
        return answer

    def alive(self) -> int:
        """How many nodes the cluster knows, whoever started them."""
        return int(self._ask("alive"))

    def resize(self, count: int) -> str:
        """Let the cluster have so many nodes; its address."""
        while len(self.others) + 1 < count:
            self.add()
        while len(self.others) + 1 > count:
            self.remove(self.others[-1])
        assert until(lambda: self.alive() == count)
        return self.address

    def add(self) -> None:
        """Start a node; the cluster has it a little later."""
        self.others.append(self._ask("add"))

    def remove(self, node: str) -> None:
        """Kill a node, as a power cut would."""
        self.others.remove(node)
        assert self._ask("remove", node) == "removed"

    def some(self, chance: random.Random) -> str:
        """Any node but the first, on which the driver is."""
        return chance.choice(self.others)

    def close(self) -> None:
        self._process.communicate()  # it ends when nobody can ask any more
        assert self._process.returncode == 0


def serve() -> None:
    """Keep a cluster until the standard input ends."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args=_NODE | {"_system_config": _SOON})
    nodes = {}
    for line in sys.stdin:
        command, *names = line.split()
        if command == "address":
            answer = cluster.address
        elif command == "alive":
            answer = sum(node["Alive"] for node in cluster.global_state.node_table())
        elif command == "add":
            nodes[f"node-{len(nodes)}"] = cluster.add_node(wait=False, **_NODE)  # several start at once
            answer = f"node-{len(nodes) - 1}"
        else:
            cluster.remove_node(nodes[names[0]], allow_graceful=False)
            answer = "removed"
        print(answer, flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    serve()
