"""Clusters that tests start on this machine, several nodes each, and stop again."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from clusters import Nodes

from phase0.engine.ray import Ray


@pytest.fixture(scope="package")
def nodes() -> Iterator[Nodes]:
    """One cluster for all tests of this folder: it takes some seconds to start, and so does each node; and it is not
    idle when nobody asks for anything."""
    cluster = Nodes()
    yield cluster
    cluster.close()


@pytest.fixture
def on_ray(nodes: Nodes) -> Iterator[Callable[[int], Ray]]:
    """An engine on a cluster of so many nodes."""
    made: list[Ray] = []

    def engine(count: int) -> Ray:
        for one in made:
            one.close()
        made.append(Ray(nodes.resize(count)))
        return made[-1]

    yield engine
    for one in made:
        one.close()
