"""A Ray cluster of several nodes on this machine, for tests."""

from __future__ import annotations

import random
from typing import Any

_NODE = {"num_cpus": 1, "object_store_memory": 80 << 20, "include_dashboard": False}


class Nodes:
    """A cluster of so many nodes as a test wants, one core each. The first is the driver's."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        self._cluster = Cluster(initialize_head=True, head_node_args=_NODE)
        self.address: str = self._cluster.address

    @property
    def count(self) -> int:
        return 1 + len(self._cluster.worker_nodes)

    def alive(self) -> int:
        """How many nodes the cluster knows, whoever started them."""
        return sum(node["Alive"] for node in self._cluster.global_state.node_table())

    def resize(self, count: int) -> str:
        """Let the cluster have so many nodes; its address."""
        while self.count < count:
            self.add()
        while self.count > count:
            self.remove(self._others()[0])
        self._cluster.wait_for_nodes()
        return self.address

    def add(self) -> Any:
        return self._cluster.add_node(**_NODE)

    def remove(self, node: Any) -> None:
        """Kill a node, as a power cut would."""
        self._cluster.remove_node(node, allow_graceful=False)

    def some(self, chance: random.Random) -> Any:
        """Any node but the first, on which the driver is."""
        return chance.choice(self._others())

    def _others(self) -> list[Any]:
        return sorted(self._cluster.worker_nodes, key=lambda node: str(node.unique_id))

    def close(self) -> None:
        self._cluster.shutdown()
