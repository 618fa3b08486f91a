"""A cluster on a real network: a head and two nodes, each in a network namespace of its own, joined by a bridge.

    sudo env PHASE0_DEV_DATA=… python benchmarks/scale/namespaces.py --cache DIR [--rows 20000] [--write]

Needs root and iproute2; where namespaces are not allowed it says so and does nothing. De-duplicates on one machine and
on that cluster, compares the bytes, and tells how many bytes went over the links of the nodes. Rows are on a disk that
all see, so what travels is what Ray says to itself.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

sys.path.append(str(Path(__file__).resolve().parents[1]))
sys.path.append(str(Path(__file__).resolve().parents[1] / "dedup"))

from rows import count_of, make
from shared import results

HERE = Path(__file__).resolve()
SUBNET = "10.213.7"
NODES = 3  # the first is the head
PORT = 6379
STORE = 80 << 20  # bytes for objects on a node: Ray takes no less than 75 MB


class Node(NamedTuple):
    space: str  # name of its network namespace
    address: str


def named() -> list[Node]:
    """Nodes whose names nobody else has: those of this process."""
    return [Node(f"p0-{os.getpid()}-{number}", f"{SUBNET}.{number + 1}") for number in range(NODES)]


def sh(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True, text=True)


def inside(node: Node, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}  # nobody else is there
    command = ["ip", "netns", "exec", node.space, *words]
    return subprocess.run(command, check=check, capture_output=True, text=True, env=environment)


def obstacle() -> str | None:
    """Why there can be no namespaces here, or None."""
    if shutil.which("ip") is None:
        return "there is no `ip` (iproute2)"
    probe = f"p0-{os.getpid()}-probe"
    done = subprocess.run(["ip", "netns", "add", probe], check=False, capture_output=True, text=True)
    if done.returncode:
        return f"a network namespace cannot be made: {done.stderr.strip()}"
    sh("ip", "netns", "del", probe)
    return None


@contextmanager
def network() -> Iterator[list[Node]]:
    """Nodes that reach each other over a bridge and nobody else. What runs in them ends with them."""
    bridge, nodes = f"p0b{os.getpid()}", named()
    try:
        sh("ip", "link", "add", bridge, "type", "bridge")
        sh("ip", "link", "set", bridge, "up")
        for number, node in enumerate(nodes):
            outer = f"p0v{os.getpid()}-{number}"
            sh("ip", "netns", "add", node.space)
            sh("ip", "link", "add", outer, "type", "veth", "peer", "name", "eth0", "netns", node.space)
            sh("ip", "link", "set", outer, "master", bridge, "up")
            inside(node, "ip", "addr", "add", f"{node.address}/24", "dev", "eth0")
            inside(node, "ip", "link", "set", "eth0", "up")
            inside(node, "ip", "link", "set", "lo", "up")
        yield nodes
    finally:
        for number, node in enumerate(nodes):
            left = subprocess.run(["ip", "netns", "pids", node.space], check=False, capture_output=True, text=True)
            for process in left.stdout.split():
                subprocess.run(["kill", "-9", process], check=False, capture_output=True)
            subprocess.run(["ip", "link", "del", f"p0v{os.getpid()}-{number}"], check=False, capture_output=True)
            subprocess.run(["ip", "netns", "del", node.space], check=False, capture_output=True)
        subprocess.run(["ip", "link", "del", bridge], check=False, capture_output=True)


def start(nodes: list[Node], temporary: str) -> str:
    """Start Ray on every node, one core each. The address of its head."""
    ray = [sys.executable, "-m", "ray.scripts.scripts", "start", "--num-cpus", "1"]
    store = ["--object-store-memory", str(STORE), "--disable-usage-stats"]
    head = f"{nodes[0].address}:{PORT}"
    for node in nodes:
        place = ["--head", "--port", str(PORT), "--include-dashboard", "false", "--temp-dir", temporary]
        joins = place if node is nodes[0] else ["--address", head]
        done = inside(node, *ray, *store, "--node-ip-address", node.address, *joins, check=False)
        if done.returncode:
            raise SystemExit(f"Ray does not start at {node.address}: {done.stdout}{done.stderr}")
    return head


def travelled(nodes: list[Node]) -> list[int]:
    """Bytes that each node took in and gave out."""
    folder = "/sys/class/net/eth0/statistics"
    asked = "cat", f"{folder}/rx_bytes", f"{folder}/tx_bytes"
    return [sum(map(int, inside(node, *asked).stdout.split())) for node in nodes]


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def compared(nodes: list[Node], rows: Path, scratch: Path) -> list[str]:
    command = [sys.executable, "-m", "phase0", "dedup", "--input", str(rows), "--output"]
    subprocess.run([*command, str(scratch / "here.jsonl")], check=True, capture_output=True)
    with tempfile.TemporaryDirectory(prefix="p0", ignore_cleanup_errors=True) as short:  # names of sockets are short
        asked = [*command, str(scratch / "there.jsonl"), "--engine", "ray", "--address", start(nodes, short)]
        before, began = travelled(nodes), time.monotonic()
        done = inside(nodes[0], *asked, check=False)
        took, after = time.monotonic() - began, travelled(nodes)
    if done.returncode:
        raise SystemExit(done.stderr)
    equal = digest(scratch / "here.jsonl") == digest(scratch / "there.jsonl")
    joined = next(line for line in done.stderr.splitlines() if "nodes" in line)
    moved = ", ".join(f"{(now - then) / 1e6:.1f} MB" for then, now in zip(before, after, strict=True))
    return [
        f"{joined.strip()}, each in a network namespace of its own; {took:.1f} s.",
        f"The bytes are {'EQUAL' if equal else 'NOT EQUAL'} to those of one machine.",
        f"Over the links of the head and the others went, in and out: {moved}.",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=count_of, default=20_000)
    parser.add_argument("--cache", type=Path, required=True, help="folder for rows and what is written")
    parser.add_argument("--data", default=os.environ.get("PHASE0_DEV_DATA"), help="folder that holds corpus/")
    parser.add_argument("--write", action="store_true", help="keep it in results/scale_network.md")
    options = parser.parse_args()
    if not options.data:
        parser.error("give --data, or set PHASE0_DEV_DATA")
    if why := obstacle():
        print(f"skipped: {why}")
        return
    options.cache = options.cache.resolve()
    made = make(options.rows, 0, options.cache, Path(options.data))
    with network() as nodes, tempfile.TemporaryDirectory(dir=options.cache) as scratch:
        told = [f"{options.rows:,} rows.", *compared(nodes, made.rows, Path(scratch))]
    print("\n\n".join(told))
    if options.write:
        results.keep("scale_network", "A cluster in network namespaces", told, HERE, options.cache)


if __name__ == "__main__":
    main()
