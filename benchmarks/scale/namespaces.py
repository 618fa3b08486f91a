"""A cluster on a real network: a head and two nodes, each in a network namespace of its own, joined by a bridge.

    sudo env PHASE0_DEV_DATA=… python benchmarks/scale/namespaces.py --cache DIR [--rows 20000] [--write]

Needs root and iproute2. De-duplicates on one machine and on that cluster, compares the bytes, and tells how many bytes
went over the links of the nodes. Rows are on a disk that all see, so what travels is what Ray says to itself.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve()
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parents[1] / "dedup")]

from rows import count_of, make
from shared import results

BRIDGE = "p0bridge"
NODES = {"p0head": "10.213.7.1", "p0node1": "10.213.7.2", "p0node2": "10.213.7.3"}
PORT = 6379
STARTED = 90  # seconds for two nodes to join


def sh(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def inside(name: str, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0"}
    command = ["ip", "netns", "exec", name, *words]
    return subprocess.run(command, check=check, capture_output=True, text=True, env=environment)


def connect() -> None:
    sh("ip", "link", "add", BRIDGE, "type", "bridge")
    sh("ip", "link", "set", BRIDGE, "up")
    for name, address in NODES.items():
        sh("ip", "netns", "add", name)
        sh("ip", "link", "add", f"{name}o", "type", "veth", "peer", "name", "eth0", "netns", name)
        sh("ip", "link", "set", f"{name}o", "master", BRIDGE, "up")
        inside(name, "ip", "addr", "add", f"{address}/24", "dev", "eth0")
        inside(name, "ip", "link", "set", "eth0", "up")
        inside(name, "ip", "link", "set", "lo", "up")


def disconnect() -> None:
    """Ends what runs in these namespaces, which is what was started there."""
    for name in NODES:
        left = subprocess.run(["ip", "netns", "pids", name], check=False, capture_output=True, text=True)
        for process in left.stdout.split():
            subprocess.run(["kill", "-9", process], check=False, capture_output=True)
        subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)
    subprocess.run(["ip", "link", "del", BRIDGE], check=False, capture_output=True)


def start(temporary: str) -> str:
    ray = [sys.executable, "-m", "ray.scripts.scripts", "start", "--num-cpus", "1"]
    store = ["--object-store-memory", str(80 << 20), "--disable-usage-stats"]
    head = f"{NODES['p0head']}:{PORT}"
    for name, address in NODES.items():
        place = ["--head", "--port", str(PORT), "--include-dashboard", "false", "--temp-dir", temporary]
        joins = place if name == "p0head" else ["--address", head]
        inside(name, *ray, *store, "--node-ip-address", address, *joins)
    return head


def travelled() -> dict[str, int]:
    """Bytes that each node took in and gave out."""
    folder = "/sys/class/net/eth0/statistics"
    asked = "cat", f"{folder}/rx_bytes", f"{folder}/tx_bytes"
    return {name: sum(map(int, inside(name, *asked).stdout.split())) for name in NODES}


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def compared(rows: Path, scratch: Path) -> list[str]:
    command = [sys.executable, "-m", "phase0", "dedup", "--input", str(rows), "--output"]
    subprocess.run([*command, str(scratch / "here.jsonl")], check=True, capture_output=True)
    with tempfile.TemporaryDirectory(prefix="p0") as short:  # Ray's sockets must have short names
        head = start(short)
        before, began = travelled(), time.monotonic()
        done = inside(
            "p0head", *command, str(scratch / "there.jsonl"), "--engine", "ray", "--address", head, check=False
        )
        took, after = time.monotonic() - began, travelled()
    if done.returncode:
        raise SystemExit(done.stderr)
    equal = digest(scratch / "here.jsonl") == digest(scratch / "there.jsonl")
    joined = next(line for line in done.stderr.splitlines() if "nodes" in line)
    moved = ", ".join(f"{name[2:]} {(after[name] - before[name]) / 1e6:.1f} MB" for name in NODES)
    return [
        f"{joined.strip()}, each in a network namespace of its own; {took:.1f} s.",
        f"The bytes are {'EQUAL' if equal else 'NOT EQUAL'} to those of one machine.",
        f"Over the links went, in and out: {moved}.",
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
    options.cache = options.cache.resolve()
    made = make(options.rows, 0, options.cache, Path(options.data))
    try:
        connect()
        with tempfile.TemporaryDirectory(dir=options.cache) as scratch:
            told = [f"{options.rows:,} rows.", *compared(made.rows, Path(scratch))]
    finally:
        disconnect()
    print("\n\n".join(told))
    if options.write:
        results.keep("scale_network", "A cluster in network namespaces", told, HERE, options.cache)


if __name__ == "__main__":
    main()
