"""The base installation: whoever has no Ray does all there is to do on one machine, and nobody's is loaded unasked."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from made import write_records

BLOCKED = "import sys; sys.modules['ray'] = None; from phase0.__main__ import main; sys.exit(main())"
UNASKED = "import sys, phase0.cli, phase0.runs, phase0.stages.deduplicate; sys.exit('ray' in sys.modules)"


def python(folder: Path, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    command = [sys.executable, "-W", "error", "-c", code, *arguments]
    return subprocess.run(command, cwd=folder, env=clean, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("output", ["kept.jsonl", "kept/"])
def test_without_ray_rows_are_deduplicated_as_one_file_and_as_shards(output: str, tmp_path: Path) -> None:
    write_records(tmp_path / "rows.jsonl", 20)
    done = python(tmp_path, BLOCKED, "dedup", "--input", "rows.jsonl", "--output", output)
    assert done.returncode == 0, done.stderr
    kept = [tmp_path / output] if output.endswith("jsonl") else sorted((tmp_path / output).glob("part-*.jsonl"))
    assert b"".join(path.read_bytes() for path in kept)


def test_without_ray_help_is_printed(tmp_path: Path) -> None:
    done = python(tmp_path, BLOCKED, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "dedup" in done.stdout


def test_without_ray_a_cluster_is_one_line_that_names_the_extra(tmp_path: Path) -> None:
    write_records(tmp_path / "rows.jsonl", 2)
    done = python(tmp_path, BLOCKED, "dedup", "--input", "rows.jsonl", "--output", "kept.jsonl", "--engine", "ray")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "phase0: --engine ray needs the extra `ray`: pip install 'phase0[ray]'"


def test_ray_is_not_loaded_unasked(tmp_path: Path) -> None:
    assert python(tmp_path, UNASKED).returncode == 0
