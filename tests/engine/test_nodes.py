"""What a node is asked before it is given work, and what is told of one that cannot do it."""

from __future__ import annotations

import platform
import re
import sys
from pathlib import Path

import pytest

import phase0
from phase0.engine.nodes import Answer, Node, complaint, nodes_of, question, tokens

GOOD = Answer(platform.python_version(), phase0.__version__, "", ())


def listed(name: str, **fields: object) -> dict[str, object]:
    return {
        "NodeID": name,
        "Alive": True,
        "NodeManagerAddress": "10.0.0.1",
        "NodeManagerHostname": "a",
        "Resources": {"CPU": 4.0},
    } | fields


def test_a_node_that_is_dead_or_has_no_cores_is_none() -> None:
    found = nodes_of([listed("1"), listed("2", Alive=False), listed("3", Resources={}), listed("4", Resources={})])
    assert found == {"1": Node("10.0.0.1 a", 4)}


def test_a_node_that_sees_all_and_has_the_same_is_no_cause_for_complaint() -> None:
    assert complaint(GOOD) is None


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (GOOD._replace(python="3.9.1"), "has Python 3.9.1, and this is"),
        (GOOD._replace(phase0="", why="No module named 'phase0'"), r"has no phase0 \(No module named 'phase0'\); pip"),
        (GOOD._replace(phase0="0.0.1"), r"has phase0 0\.0\.1, and this is"),
        (GOOD._replace(unseen=[("/x/y", "No such file or directory")]), r"does not see /x/y \(No such file"),
    ],
)
def test_what_a_node_lacks_is_told(answer: Answer, told: str) -> None:
    assert re.match(told, complaint(answer) or "")


def test_another_patch_release_of_python_is_the_same_python() -> None:
    major, minor, _ = platform.python_version_tuple()
    assert complaint(GOOD._replace(python=f"{major}.{minor}.99")) is None


def test_who_sees_the_same_files_sees_every_token(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("{}\n")
    with tokens([tmp_path / "rows.jsonl", tmp_path / "not" / "yet", tmp_path]) as wanted:
        assert len(wanted) == 2  # a file, and the one folder that there is
        assert question()(wanted) == (*GOOD[:3], [])
    assert [path.name for path in tmp_path.iterdir()] == ["rows.jsonl"]


def test_who_has_another_folder_under_the_same_path_is_found_out(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("{}\n")
    with tokens([tmp_path, tmp_path / "rows.jsonl"]) as wanted:
        for path in tmp_path.iterdir():
            path.unlink()
        (tmp_path / "rows.jsonl").write_text("{}\n{}\n")
        unseen = question()(wanted)[3]
    assert [why for _, why in unseen] == ["No such file or directory", "it is another file there"]


def test_a_python_without_phase0_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = question()
    assert asked.__closure__ is None  # what it needs it brings along
    monkeypatch.setitem(sys.modules, "phase0", None)
    _, version, why, unseen = asked([])
    assert (version, unseen) == ("", [])
    assert "phase0" in why
