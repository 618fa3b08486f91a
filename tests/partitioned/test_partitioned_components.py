"""Components by stars, slice by slice, are those that union-find finds."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phase0.engine.local import Local
from phase0.partitioned import components as module
from phase0.partitioned import dealing
from phase0.partitioned.components import components, labels
from phase0.partitioned.site import Site
from phase0.progress import SILENT, Silent


def united(edges: list[tuple[int, int]]) -> dict[int, int]:
    """Every vertex with the least that it is connected with, by a union-find in Python."""
    least: dict[int, int] = {}

    def root(vertex: int) -> int:
        while least.setdefault(vertex, vertex) != vertex:
            vertex = least[vertex]
        return vertex

    for one, other in edges:
        first, second = sorted((root(one), root(other)))
        least[second] = first
    return {vertex: root(vertex) for vertex in least}


def saved(folder: Path, edges: list[tuple[int, int]], files: int) -> list[Path]:
    paths = []
    for number in range(files):
        part = np.array(edges[number::files], np.int64).reshape(-1, 2).T
        paths.append(folder / f"part-{number}.npy")
        np.save(paths[-1], np.concatenate((np.sort(part, axis=0), np.ones_like(part))))
    return paths


def found(edges: list[tuple[int, int]], *, files: int = 2, slices: int = 3, fixed: int = 0, together: bool = False):
    """Every vertex that has a label, and its label; each vertex must be in the slice that it hashes to, once."""
    with TemporaryDirectory() as place:
        folder = Path(place)
        paths = saved(folder, edges, files)
        dealt = components(Site(Local(1), folder, SILENT), paths, fixed, slices, together=together)
        told: dict[int, int] = {}
        for number in range(slices):
            vertices, least = labels(dealt, number)
            assert (dealing.slice_of(vertices, slices) == number).all()
            assert not told.keys() & set(vertices.tolist())
            told |= dict(zip(vertices.tolist(), least.tolist(), strict=True))
        return told


def labelled(edges: list[tuple[int, int]]) -> dict[int, int]:
    return {vertex: least for vertex, least in united(edges).items() if vertex != least}


vertex = st.one_of(st.integers(0, 12), st.integers(0, 2**62))
some_edges = st.lists(st.tuples(vertex, vertex).filter(lambda edge: edge[0] != edge[1]), max_size=40)


@given(some_edges, st.integers(1, 3), st.integers(1, 5), st.booleans())
def test_every_vertex_is_labelled_with_the_least_of_its_component(edges, files, slices, together):
    assert found(edges, files=files, slices=slices, together=together) == labelled(edges)


@given(some_edges)
def test_blocks_of_a_few_edges_change_nothing(edges):
    with pytest.MonkeyPatch.context() as patch:
        for place in (dealing, module):
            patch.setattr(place, "BLOCK", 3)
        assert found(edges) == labelled(edges)


@pytest.mark.parametrize(
    "edges",
    [
        [(at, at + 1) for at in range(500)],
        [(0, at) for at in range(1, 500)],
        [(500, at) for at in range(500)],
        [(at, (at * 7) % 499) for at in range(1, 499)],
        [(one, other) for one in range(40) for other in range(one)],
        [(at, at + 250) for at in range(250)],
    ],
    ids=["path", "star", "star around the greatest", "random", "all with all", "pairs"],
)
def test_components_of_every_shape_are_found(edges):
    edges = [edge for edge in edges if edge[0] != edge[1]]
    assert found(edges, slices=4) == labelled(edges)


def test_pairs_of_two_rows_of_another_dataset_connect_nothing():
    edges = [(0, 1), (1, 7), (0, 8), (2, 3), (3, 9)]
    told = labelled([(1, 7), (0, 8), (3, 9)])
    assert found(edges, fixed=4) == found(edges, fixed=4, together=True) == told


def test_a_path_takes_few_turns_and_edges_never_become_more():
    class Heard(Silent):
        turns = 0

        def start(self, step, total, unit="rows"):
            self.turns += step.startswith("find components, turn")

    heard, length = Heard(), 4096
    order = np.random.default_rng(1).permutation(length)
    edges = list(zip(order[:-1].tolist(), order[1:].tolist(), strict=True))
    with TemporaryDirectory() as place:
        folder = Path(place)
        dealt = components(Site(Local(1), folder, heard), saved(folder, edges, 1), 0, 2, together=False)
        assert sum(len(labels(dealt, number)[0]) for number in range(2)) == length - 1
        assert sum(len(dealt.table(number)[0]) for number in range(2)) == 2 * (length - 1)
    assert 2 < heard.turns < 16
