"""Files of work under way: whole or not there, however many write them at once and however they end."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from phase0.dataset import whole


def test_a_file_takes_its_name_when_it_is_whole(tmp_path: Path) -> None:
    place = tmp_path / "part"
    with whole(place) as file:
        file.write(b"one\n")
        assert not place.exists()
        file.write(b"two\n")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("part", b"one\ntwo\n")]


def test_what_fails_leaves_what_was_there(tmp_path: Path) -> None:
    place = tmp_path / "part"
    place.write_bytes(b"before")

    def fail() -> None:
        with whole(place) as file:
            file.write(b"half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("part", b"before")]


def test_who_writes_the_same_at_once_is_not_seen_by_the_others(tmp_path: Path) -> None:
    place, together = tmp_path / "part", Barrier(8)

    def write(_: int) -> None:
        with whole(place) as file:
            file.write(b"the same ")
            together.wait(60)
            file.write(b"for all\n")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("part", b"the same for all\n")]


def test_who_comes_too_late_for_the_folder_brings_nothing_back(tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    with pytest.raises(FileNotFoundError), whole(folder / "part"):
        shutil.rmtree(folder)
    assert list(tmp_path.iterdir()) == []
