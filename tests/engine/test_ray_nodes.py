"""Before work begins every node is looked at. Here some are odd: they see another folder, or have another phase0."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from clusters import Nodes
from waiting import until
from workloads import square

from phase0.engine.nodes import Answer, nodes_of
from phase0.engine.ray import Ray, _answers
from phase0.errors import UsageError

ray = pytest.importorskip("ray", reason="needs the extra `ray`")


def can_unshare() -> bool:
    tool = shutil.which("unshare")
    return (
        tool is not None and subprocess.run([tool, "--mount", "true"], capture_output=True, check=False).returncode == 0
    )


pytestmark = [pytest.mark.xdist_group("ray"), pytest.mark.timeout(300)]
unshared = pytest.mark.skipif(not can_unshare(), reason="needs the right to make mount namespaces")

Odd = Callable[..., None]


@pytest.fixture
def odd(nodes: Nodes) -> Iterator[Odd]:
    """Adds a node to a cluster of one: it finds one folder empty, or another phase0 in its path."""
    nodes.resize(1)
    started: list[subprocess.Popen[bytes]] = []

    def add(*, blind: Path | None = None, path: Path | None = None) -> None:
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--address", nodes.address]
        command += ["--num-cpus", "1", "--object-store-memory", str(80 << 20)]
        if blind is not None:
            command = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none "$0" && exec "$@"', str(blind), *command]
        paths = [*([str(path)] if path else []), nodes.environment["PYTHONPATH"]]
        environment = nodes.environment | {"PYTHONPATH": os.pathsep.join(paths)}
        null = subprocess.DEVNULL
        started.append(subprocess.Popen(command, env=environment, stdin=null, stdout=null, stderr=null))
        assert until(lambda: nodes.alive() == 2)

    yield add
    for process in started:
        process.terminate()
        process.wait()
    assert until(lambda: nodes.alive() == 1)


@unshared
def test_a_node_that_does_not_see_the_folder_is_named_before_work_begins(
    odd: Odd, nodes: Nodes, tmp_path: Path
) -> None:
    odd(blind=tmp_path)
    told = rf"^node \S+.* of the cluster does not see {tmp_path}/\.phase0-\w+ \(No such file or directory\); every node"
    with pytest.raises(UsageError, match=told), Ray(nodes.address, places=[tmp_path / "out" / "rows.jsonl"]):
        pass
    assert not ray.is_initialized()
    assert list(tmp_path.iterdir()) == []
    with Ray(nodes.address) as engine:  # work that needs no such folder can be done
        assert list(engine.map(square, range(4))) == [0, 1, 4, 9]


@unshared
def test_a_node_that_joins_later_is_looked_at_before_the_next_work(odd: Odd, nodes: Nodes, tmp_path: Path) -> None:
    with Ray(nodes.address, places=[tmp_path]) as engine:
        assert list(engine.map(square, range(4))) == [0, 1, 4, 9]
        odd(blind=tmp_path)
        with pytest.raises(UsageError, match="does not see"):
            list(engine.map(square, range(4)))


class Unheard:
    """A cluster that lists two nodes before work can be sent to them: so many times it is told of as impossible."""

    def __init__(self, times: int) -> None:
        self.times = times

    def remote(self, **how: object) -> Callable[..., Unheard]:
        return lambda work: self

    def options(self, **how: object) -> SimpleNamespace:
        return SimpleNamespace(remote=lambda tokens: tokens)

    def wait(self, asked: object, **how: object) -> None: ...

    def nodes(self) -> list[dict[str, object]]:
        return [
            {"NodeID": one * 56, "Alive": True, "Resources": {"CPU": 1.0}, "NodeManagerAddress": one} for one in "ab"
        ]

    def get(self, reference: object, timeout: float) -> Answer:
        self.times -= 1
        if self.times >= 0:
            raise ray.exceptions.TaskUnschedulableError("doesn't exist any more or is infeasible")
        return Answer("3.11.0", "0.1.0", "", ())


def test_a_node_that_not_all_of_the_cluster_have_heard_of_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("phase0.engine.ray._SOON", 0.0)
    cluster = Unheard(5)
    assert set(_answers(cluster, nodes_of(cluster.nodes()), [])) == {"a" * 56, "b" * 56}


def test_a_node_that_nobody_hears_of_is_no_node_to_work_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("phase0.engine.ray._KNOWN", 0.0)
    cluster = Unheard(1)
    with pytest.raises(UsageError, match=r"^node a of the cluster does no work: .*infeasible"):
        _answers(cluster, nodes_of(cluster.nodes()), [])


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (
            "raise ImportError('half of it is missing')",
            r"has no phase0 \(half of it is missing\); pip install 'phase0\[ray",
        ),
        ("__version__ = '0.0.1'", r"has phase0 0\.0\.1, and this is "),
    ],
)
def test_a_node_without_this_phase0_is_named_before_work_begins(
    odd: Odd, nodes: Nodes, tmp_path: Path, code: str, told: str
) -> None:
    (tmp_path / "phase0").mkdir()
    (tmp_path / "phase0" / "__init__.py").write_text(code)
    odd(path=tmp_path)
    with pytest.raises(UsageError, match=rf"^node \S+.* of the cluster {told}"), Ray(nodes.address):
        pass
