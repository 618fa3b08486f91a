"""Commands on a cluster: what they print is what they print on one machine, and nothing of Ray's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from clusters import Nodes
from made import write_records
from sames import contents

pytest.importorskip("ray", reason="needs the extra `ray`")
pytestmark = [pytest.mark.xdist_group("ray"), pytest.mark.timeout(300)]


def phase0(folder: Path, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-W", "error", "-m", "phase0", *map(str, arguments)]
    clean = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    return subprocess.run(
        command, cwd=folder, env={**clean, **environment}, capture_output=True, text=True, check=False
    )


def test_a_command_on_a_cluster_prints_and_leaves_what_it_does_here(nodes: Nodes, tmp_path: Path) -> None:
    address, acquire = nodes.resize(2), ["download", "--datasets", "sample", "--output", "raw"]
    here = phase0(tmp_path / "here", *acquire)
    there = phase0(tmp_path / "there", *acquire, "--engine", "ray", "--address", address)
    assert (here.returncode, there.returncode) == (0, 0), there.stderr
    assert there.stdout == here.stdout
    assert contents(tmp_path / "there") == contents(tmp_path / "here")
    assert f"cluster {address}: 2 nodes, 2 cores" in there.stderr
    assert not [line for line in there.stderr.splitlines() if "ray" in line.lower() or "warn" in line.lower()]


def test_the_environment_may_name_the_cluster(nodes: Nodes, tmp_path: Path) -> None:
    address = nodes.resize(2)
    write_records(tmp_path / "rows.jsonl", 20)
    options = ["--input", "rows.jsonl", "--output", "out.jsonl", "--engine", "ray"]
    done = phase0(tmp_path, "score", *options, RAY_ADDRESS=address)
    assert done.returncode == 0, done.stderr
    assert f"cluster {address}: 2 nodes, 2 cores" in done.stderr


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--address", "auto"], "phase0: --address auto is that of a Ray cluster; it needs --engine ray\n"),
        (["--engine", "ray", "--address", "127.0.0.1:9"], "can be joined at 127.0.0.1:9: Connection refused"),
        (["--engine", "ray", "--address", "nowhere"], "can be joined at nowhere:"),
        (["--engine", "ray", "--address", "127.0.0.1:9", "--workers", "3"], "has the cores that it has\n"),
    ],
)
def test_a_cluster_that_cannot_be_joined_is_one_line(options: list[str], told: str, tmp_path: Path) -> None:
    write_records(tmp_path / "rows.jsonl", 2)
    done = phase0(tmp_path, "score", "--input", "rows.jsonl", "--output", "out.jsonl", *options)
    assert done.returncode == 2
    assert told in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out.jsonl").exists()


def test_a_token_that_is_missing_is_one_line_that_says_what_to_set(nodes: Nodes, tmp_path: Path) -> None:
    write_records(tmp_path / "rows.jsonl", 2)
    options = ["--input", "rows.jsonl", "--output", "out.jsonl", "--engine", "ray", "--address", nodes.address]
    missing = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(tmp_path / "none")}
    done = phase0(tmp_path, "score", *options, **missing)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert f"can be joined at {nodes.address}: RAY_AUTH_TOKEN_PATH is set but" in done.stderr
    assert done.stderr.endswith("set RAY_AUTH_MODE=token here, and have the same token\n")
