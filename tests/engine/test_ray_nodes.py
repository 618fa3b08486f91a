"""Before work begins every node is looked at. Here some are blind: they live in a file system of their own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from clusters import Nodes
from waiting import until
from workloads import square

import phase0
from phase0.engine.ray import Ray
from phase0.errors import UsageError

ray = pytest.importorskip("ray", reason="needs the extra `ray`")


def can_unshare() -> bool:
    tool = shutil.which("unshare")
    return (
        tool is not None and not subprocess.run([tool, "--mount", "true"], capture_output=True, check=False).returncode
    )


pytestmark = [
    pytest.mark.xdist_group("ray"),
    pytest.mark.timeout(300),
    pytest.mark.skipif(not can_unshare(), reason="needs the right to make mount namespaces"),
]

Blind = Callable[[Path], None]


@pytest.fixture
def blind(nodes: Nodes) -> Iterator[Blind]:
    """Adds a node to a cluster of one that finds a folder empty."""
    nodes.resize(1)
    started: list[subprocess.Popen[bytes]] = []

    def start(folder: Path) -> None:
        command = f"{sys.executable} -m ray.scripts.scripts start --block --num-cpus 1 --object-store-memory {80 << 20}"
        script = f"mount -t tmpfs none '{folder}' && exec {command} --address {nodes.address}"
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        started.append(subprocess.Popen(["unshare", "--mount", "sh", "-c", script], **quiet))
        assert until(lambda: nodes.alive() == 2)

    yield start
    for process in started:
        process.terminate()
        process.wait()
    assert until(lambda: nodes.alive() == 1)


def test_a_node_that_does_not_see_the_folder_is_named_before_work_begins(
    blind: Blind, nodes: Nodes, tmp_path: Path
) -> None:
    blind(tmp_path)
    told = rf"^node \S+.* of the cluster does not see {tmp_path}/\.phase0-\w+ \(No such file or directory\); every node"
    with pytest.raises(UsageError, match=told), Ray(nodes.address, places=[tmp_path / "out" / "rows.jsonl"]):
        pass
    assert not ray.is_initialized()
    assert list(tmp_path.iterdir()) == []
    with Ray(nodes.address) as engine:  # work that needs no such folder can be done
        assert list(engine.map(square, range(4))) == [0, 1, 4, 9]


def test_a_node_without_phase0_is_named_before_work_begins(blind: Blind, nodes: Nodes) -> None:
    blind(Path(phase0.__file__).parent)
    told = rf"of the cluster has no phase0 \(.*\); pip install 'phase0\[ray\]=={phase0.__version__}' there"
    with pytest.raises(UsageError, match=told), Ray(nodes.address):
        pass


def test_a_node_that_joins_later_is_looked_at_before_the_next_work(blind: Blind, nodes: Nodes, tmp_path: Path) -> None:
    with Ray(nodes.address, places=[tmp_path]) as engine:
        assert list(engine.map(square, range(4))) == [0, 1, 4, 9]
        blind(tmp_path)
        with pytest.raises(UsageError, match="does not see"):
            list(engine.map(square, range(4)))
