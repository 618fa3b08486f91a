"""The workspace: locks that a dead process cannot hold, and shares that never overlap."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from phase0.errors import BusyError, DataError, UsageError
from phase0.workspace import MARK, Claim, assign, claim, claims, hold, offered, release, workspace_of

Parts = tuple[tuple[Decimal, Decimal], ...]

shares = st.one_of(
    st.integers(1, 100).map(Decimal),
    st.decimals("0.001", "100", places=3),
    st.sampled_from(["33.333333333333336", "12.5", "1E+1", "0.00000000000000000001"]).map(Decimal),
)


def take(folder: Path, output: str, percentage: str, *, content: str = "input", teacher: str = "original") -> Parts:
    return claim(folder, input_digest=content, output=folder / output, teacher=teacher, percentage=Decimal(percentage))


def width(parts: Parts) -> Decimal:
    return sum((stop - start for start, stop in parts), Decimal(0))


def test_the_workspace_is_the_one_that_was_given(tmp_path: Path) -> None:
    assert workspace_of(tmp_path / "a" / "x.jsonl", tmp_path / "b") == tmp_path / "b"


def test_the_nearest_parent_that_is_a_workspace_is_taken(tmp_path: Path) -> None:
    (tmp_path / MARK).mkdir()
    (tmp_path / "a" / MARK).mkdir(parents=True)
    assert workspace_of(tmp_path / "a" / "b" / "c" / "x.jsonl") == tmp_path / "a"
    assert workspace_of(tmp_path / "d" / "x.jsonl") == tmp_path


@pytest.mark.parametrize("stage", ["raw", "distilled", "scored", "deduped"])
def test_a_new_workspace_belongs_above_the_folders_of_stages(tmp_path: Path, stage: str) -> None:
    assert workspace_of(tmp_path / "data" / stage / "x.jsonl") == tmp_path / "data"
    assert workspace_of(tmp_path / "data" / "x.jsonl") == tmp_path / "data"


def test_three_calls_take_shares_that_follow_each_other(tmp_path: Path) -> None:
    assert take(tmp_path, "a", "40") == ((0, 40),)
    assert take(tmp_path, "b", "35") == ((40, 75),)
    assert take(tmp_path, "c", "25") == ((75, 100),)


def test_the_same_call_again_gets_its_own_share_back(tmp_path: Path) -> None:
    first = take(tmp_path, "a", "40")
    take(tmp_path, "b", "60")
    assert take(tmp_path, "a", "40") == take(tmp_path, "a", "40.0") == first
    assert [item.output for item in claims(tmp_path)] == ["a", "b"]


def test_another_percentage_for_the_same_output_replaces_its_claim(tmp_path: Path) -> None:
    take(tmp_path, "a", "40")
    take(tmp_path, "b", "35")
    assert take(tmp_path, "a", "60") == ((0, 40), (75, 95))
    assert take(tmp_path, "a", "10") == ((0, 10),)
    assert len(claims(tmp_path)) == 2


def test_another_teacher_for_the_same_output_keeps_its_share(tmp_path: Path) -> None:
    take(tmp_path, "b", "10")
    assert take(tmp_path, "a", "40") == take(tmp_path, "a", "40", teacher="gpt-4o")
    assert [item.teacher for item in claims(tmp_path)] == ["original", "gpt-4o"]


def test_other_inputs_are_other_lines(tmp_path: Path) -> None:
    assert take(tmp_path, "a", "100") == take(tmp_path, "b", "100", content="other")


def test_more_than_the_whole_is_refused_with_the_claims_listed(tmp_path: Path) -> None:
    take(tmp_path, "a", "40")
    take(tmp_path, "b", "35.5", teacher="gpt-4o")
    before = claims(tmp_path)
    with pytest.raises(UsageError) as caught:
        take(tmp_path, "c", "25")
    assert str(caught.value) == (
        "25% of this input was asked for, but only 24.5% is left. Claimed: 40% by original (a), 35.5% by gpt-4o (b). "
        "Give one up with --release and its output's path."
    )
    assert claims(tmp_path) == before


@pytest.mark.parametrize(
    "percentage", ["0", "-1", "100.001", "NaN", "Infinity", "-Infinity", "1e-21", "33." + "3" * 40]
)
def test_a_share_is_above_0_and_at_most_100_and_not_too_fine(tmp_path: Path, percentage: str) -> None:
    with pytest.raises(UsageError, match="--percentage is"):
        take(tmp_path, "a", percentage)
    assert claims(tmp_path) == []


def test_what_is_offered_is_what_a_claim_then_gets_and_nothing_is_written(tmp_path: Path) -> None:
    wish = {"input_digest": "input", "teacher": "t", "percentage": Decimal(30)}
    assert offered(tmp_path, output=tmp_path / "a", **wish) == ((0, 30),)
    assert list(tmp_path.iterdir()) == []
    take(tmp_path, "a", "40")
    take(tmp_path, "b", "30")
    release(tmp_path, tmp_path / "a")
    before = claims(tmp_path)
    seen = offered(tmp_path, output=tmp_path / "c", **wish)
    assert claims(tmp_path) == before
    assert claim(tmp_path, output=tmp_path / "c", **wish) == seen
    assert offered(tmp_path, output=tmp_path / "c", **wish) == seen
    with pytest.raises(UsageError, match="only 40% is left"):
        offered(tmp_path, output=tmp_path / "d", **{**wish, "percentage": Decimal(41)})


def test_a_released_share_can_be_taken_by_others(tmp_path: Path) -> None:
    take(tmp_path, "a", "60")
    take(tmp_path, "b", "40")
    assert release(tmp_path, tmp_path / "a").percentage == 60
    assert take(tmp_path, "c", "60") == ((0, 60),)
    with pytest.raises(UsageError, match=r"holds no claim .* Claims there: b, c\."):
        release(tmp_path, tmp_path / "a")


def test_claims_are_named_from_the_workspace_so_that_it_can_be_moved(tmp_path: Path) -> None:
    old = tmp_path / "old"
    parts = take(old, "distilled/a.jsonl", "40")
    assert [item.output for item in claims(old)] == ["distilled/a.jsonl"]
    old.rename(tmp_path / "new")
    assert take(tmp_path / "new", "distilled/a.jsonl", "40") == parts
    assert len(claims(tmp_path / "new")) == 1


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'[{"input": "x"}]', b"\xff", b'[{"input": "\xff"}]'])
def test_a_claims_file_that_is_none_is_an_error_with_a_way_out(tmp_path: Path, content: bytes) -> None:
    (tmp_path / MARK).mkdir()
    (tmp_path / MARK / "claims.json").write_bytes(content)
    with pytest.raises(DataError, match=r"claims\.json: is not a list of claims .* delete it"):
        take(tmp_path, "a", "40")


class Sharing(RuleBasedStateMachine):
    """Claims in any order, with repeats, changes and releases."""

    def __init__(self) -> None:
        super().__init__()
        self.held: list[Claim] = []

    @rule(output=st.sampled_from("abcde"), content=st.sampled_from(["one", "two"]), share=shares)
    def claim(self, output: str, content: str, share: Decimal) -> None:
        rivals = [item for item in self.held if item.input == content and item.output != output]
        left = 100 - sum((item.percentage for item in rivals), Decimal(0))
        if share > left:
            with pytest.raises(UsageError, match="is left") as caught:
                assign(self.held, input_digest=content, output=output, teacher="t", percentage=share)
            assert all(f"({item.output})" in str(caught.value) for item in rivals)
            return
        mine, self.held = assign(self.held, input_digest=content, output=output, teacher="t", percentage=share)
        again, held = assign(self.held, input_digest=content, output=output, teacher="t", percentage=share)
        assert (again, held) == (mine, self.held)
        assert width(mine.parts) == share
        assert mine in self.held

    @rule(output=st.sampled_from("abcde"))
    def release(self, output: str) -> None:
        self.held = [item for item in self.held if item.output != output]

    @invariant()
    def shares_never_overlap(self) -> None:
        for content in ("one", "two"):
            parts = sorted(part for item in self.held if item.input == content for part in item.parts)
            assert all(0 <= start < stop <= 100 for start, stop in parts)
            assert all(first[1] <= second[0] for first, second in itertools.pairwise(parts))


TestSharing = Sharing.TestCase


@given(st.permutations(["40", "35", "25"]), st.lists(st.integers(0, 2), max_size=4))
def test_calls_in_any_order_and_again_cover_the_line_once(order: list[str], again: list[int]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        taken = [take(folder, share, share) for share in order]
        for call in again:
            assert take(folder, order[call], order[call]) == taken[call]
    edges = sorted(part for parts in taken for part in parts)
    assert (edges[0][0], edges[-1][1]) == (0, 100)
    assert all(first[1] == second[0] for first, second in itertools.pairwise(edges))


_CLAIM = """
import json, sys
from decimal import Decimal
from pathlib import Path
from phase0.workspace import claim
sys.stdin.readline()
folder, share = Path(sys.argv[1]), sys.argv[2]
parts = claim(folder, input_digest="x", output=folder / share, teacher="t", percentage=Decimal(share))
print(json.dumps([[str(start), str(stop)] for start, stop in parts]))
"""


def test_three_processes_at_once_get_shares_that_cover_the_line(tmp_path: Path) -> None:
    started = [
        subprocess.Popen(
            [sys.executable, "-c", _CLAIM, str(tmp_path), share],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for share in ("40", "35", "25")
    ]
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    parts = []
    for process in started:
        out, _ = process.communicate(timeout=60)
        parts += [(Decimal(start), Decimal(stop)) for start, stop in json.loads(out)]
    parts.sort()
    assert (parts[0][0], parts[-1][1]) == (0, 100)
    assert all(first[1] == second[0] for first, second in itertools.pairwise(parts))
    assert sorted(str(item.percentage) for item in claims(tmp_path)) == ["25", "35", "40"]


_HOLD = """
import sys
from pathlib import Path
from phase0.workspace import hold
with hold(Path(sys.argv[1]), "the run"):
    print("held", flush=True)
    sys.stdin.readline()
"""


def holding(folder: Path) -> subprocess.Popen[str]:
    """A process that holds a folder until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_process_is_told_who_holds_a_folder(tmp_path: Path) -> None:
    process = holding(tmp_path / "run")
    try:
        told = rf"the run is in use by process {process.pid} on .* since 20"
        with pytest.raises(BusyError, match=told), hold(tmp_path / "run", "the run"):
            pass
    finally:
        process.communicate("\n", timeout=60)
    with hold(tmp_path / "run", "the run"):
        pass


def test_a_killed_holder_does_not_block(tmp_path: Path) -> None:
    process = holding(tmp_path / "run")
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    with hold(tmp_path / "run", "the run"):
        assert json.loads((tmp_path / "run" / "holder.json").read_text())["pid"] == os.getpid()


def test_one_process_cannot_hold_a_folder_twice(tmp_path: Path) -> None:
    with hold(tmp_path, "x"), pytest.raises(BusyError, match=f"process {os.getpid()} "), hold(tmp_path, "x"):
        pass


def test_threads_keep_each_other_out_too(tmp_path: Path) -> None:
    seen: list[str] = []

    def second() -> None:
        try:
            with hold(tmp_path, "x"):
                seen.append("held")
        except BusyError as error:
            seen.append(str(error))

    with hold(tmp_path, "x"):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
    assert len(seen) == 1
    assert "in use" in seen[0]


def test_a_folder_is_free_again_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), hold(tmp_path, "x"):
        raise ZeroDivisionError
    with hold(tmp_path, "x"):
        pass
    assert not (tmp_path / "holder.json").exists()


def test_a_holder_that_left_no_name_is_another_process(tmp_path: Path) -> None:
    with hold(tmp_path, "x"):
        for content in (b"", b"[]", b"{}"):
            (tmp_path / "holder.json").write_bytes(content)
            with pytest.raises(BusyError, match="by another process"), hold(tmp_path, "x"):
                pass


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DataError, match="cannot be written"), hold(tmp_path / "file" / "run", "x"):
        pass
    with pytest.raises(DataError, match="cannot be written"):
        take(tmp_path / "file", "a", "40")
