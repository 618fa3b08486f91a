"""Clusters that tests start on this machine, several nodes each, and stop again."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from clusters import Nodes

from phase0.engine.ray import Ray


@pytest.fixture(scope="session")
def nodes() -> Iterator[Nodes]:
    """One cluster for all tests of a session: it takes some seconds to start."""
    paths = [str(Path(__file__).parents[2] / "src"), *sys.path, os.environ.get("PYTHONPATH", "")]
    before = {name: os.environ.get(name) for name in ("PYTHONPATH", "RAY_USAGE_STATS_ENABLED")}
    os.environ |= {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "RAY_USAGE_STATS_ENABLED": "0"}
    cluster = Nodes()
    try:
        yield cluster
    finally:
        cluster.close()
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


@pytest.fixture
def on_ray(nodes: Nodes) -> Iterator[Callable[[int], Ray]]:
    """An engine on a cluster of so many nodes."""
    made: list[Ray] = []

    def engine(count: int = 2) -> Ray:
        made.append(Ray(nodes.resize(count)).__enter__())
        return made[-1]

    yield engine
    for one in made:
        one.close()
