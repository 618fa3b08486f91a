"""phase0 on a cluster of so many nodes on this machine, each a raylet of its own, that lives as long as the command.

run_ray.py NODES CORES ARGUMENT…      as `phase0 dedup ARGUMENT… --engine ray --address …`
"""

from __future__ import annotations

import os
import subprocess
import sys

STORE = 128 << 20  # bytes for objects on a node: rows stay in files


def main() -> None:
    nodes, cores, *asked = sys.argv[1:]
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    node = {"num_cpus": int(cores), "object_store_memory": STORE, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=node)
    try:
        for _ in range(int(nodes) - 1):
            cluster.add_node(**node)
        command = [sys.executable, "-m", "phase0", "dedup", *asked, "--engine", "ray", "--address", cluster.address]
        done = subprocess.run(command, check=False)
    finally:
        cluster.shutdown()
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
