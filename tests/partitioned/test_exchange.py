"""What is sent to a partition arrives there, whole and in order; a file that is not whole is no exchange."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phase0.errors import DataError
from phase0.partitioned.exchange import received, sent, slices, sources, together

partitions = st.sampled_from([1, 3, 16, 300])


@st.composite
def boxes(draw):
    """How many partitions, and the records of some files: in blocks of (value, partition)."""
    count = draw(partitions)
    record = st.tuples(st.integers(0, 2**64 - 1), st.integers(0, count - 1))
    return count, draw(st.lists(st.lists(st.lists(record, max_size=6), max_size=4), max_size=4))


def write(folder, count, files):
    paths = []
    for number, blocks in enumerate(files):
        paths.append(folder / f"{number}.sent")
        with sent(paths[-1], 2, count) as outbox:
            for block in blocks:
                records = np.array([[value, to] for value, to in block], np.uint64).reshape(-1, 2)
                outbox.add(records, records[:, 1].astype(np.int64))
    return paths


@given(boxes(), st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_every_record_arrives_once_in_its_partition_and_in_order(tmp_path_factory, made, most):
    count, files = made
    paths = write(tmp_path_factory.mktemp("sent"), count, files)
    for partition in range(count):
        expected = [
            (number, value)
            for number, blocks in enumerate(files)
            for block in blocks
            for value, to in block
            if to == partition
        ]
        groups = together(slices(paths, partition), most)
        assert all(sum(piece.records for piece in group) <= most for group in groups)
        arrived = [
            pair
            for group in groups
            for pair in zip(sources(group).tolist(), received(group, 2)[:, 0].tolist(), strict=True)
        ]
        assert arrived == expected


def test_a_file_appears_when_it_is_complete_and_leaves_nothing_when_its_task_fails(tmp_path):
    with pytest.raises(RuntimeError), sent(tmp_path / "a", 1, 2) as outbox:  # noqa: PT012 - the task fails half way
        outbox.add(np.zeros((3, 1), np.uint64), np.zeros(3, np.int64))
        assert not (tmp_path / "a").exists()
        raise RuntimeError("the task fails")
    assert not list(tmp_path.iterdir())


def test_two_tasks_that_write_the_same_file_at_once_leave_it_whole(tmp_path):
    path, records = tmp_path / "a", np.arange(4, dtype=np.uint64).reshape(-1, 1)
    with sent(path, 1, 2) as one, sent(path, 1, 2) as other:
        one.add(records, np.array([1, 0, 1, 0]))
        other.add(records, np.array([1, 0, 1, 0]))
    assert received(slices([path], 1), 1)[:, 0].tolist() == [0, 2]
    assert [found.name for found in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize("lost", [1, 8, 40, 1000])
def test_a_file_that_was_cut_short_is_refused(tmp_path, lost):
    (path,) = write(tmp_path, 3, [[[(7, 0), (8, 2)]]])
    path.write_bytes(path.read_bytes()[: -lost or None])
    with pytest.raises(DataError, match="cut short"):
        slices([path], 0)


def test_a_partition_that_nobody_wrote_for_is_refused(tmp_path):
    paths = write(tmp_path, 3, [[[(7, 0)]]])
    with pytest.raises(DataError, match="no exchange of 4 partitions"):
        slices(paths, 3)


def test_records_of_another_width_are_refused(tmp_path):
    paths = write(tmp_path, 3, [[[(7, 0)]]])
    with pytest.raises(DataError, match="records of 2 numbers, not of 3"):
        received(slices(paths, 0), 3)
