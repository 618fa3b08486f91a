"""Kernels are compiled once, kept where they can be, never taken for others, and whoever waits for it is told."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phase0.dedup import load_kernels
from phase0.dedup.kernels import __main__ as ahead
from phase0.dedup.kernels import building, compiling, keeping
from phase0.dedup.kernels.compiling import BYTES, F64, I64, TEXT, count, flag, kernel, nothing, real, word
from phase0.errors import DataError

FILE = "arranging"

TOLD = """
import sys
from types import SimpleNamespace
from phase0.dedup import load_kernels
from phase0.dedup.kernels.hashing import stir
def told(kind):
    return lambda message: print(kind, message)
load_kernels(SimpleNamespace(say=told("say"), warn=told("warn")))
print(stir(1, 2), "numba" in sys.modules)
load_kernels(SimpleNamespace(say=told("again"), warn=told("again")))
"""


def _held(one, other):
    held = one
    for at in range(len(one)):
        held = other if one[at] else one[at:]
    return len(held)


@kernel(flag, TEXT, flag, count)
def differs(text_B, is_wanted, at):
    return (text_B[at] != 0) ^ is_wanted


@kernel(real, F64, real)
def total(values, more):
    for i in range(len(values)):
        more += values[i]
    return more


@kernel(word, word)
def negated(value):
    return ~value


@kernel(nothing, BYTES)
def cleared(text_B):
    text_B[:] = 0


@kernel(count, count, allocates=True)
def filled(size):
    made = np.zeros(size, np.uint8)
    return len(made)


@kernel(count, count, count)
def spanned(one, other):
    return max(one, other) - min(one, other)


@kernel(word, word, word)
def spanned_unsigned(one, other):
    return max(one, other) - min(one, other)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(keeping, "folders", lambda: iter([tmp_path / "kept"]))
    return tmp_path / "kept"


@pytest.mark.parametrize("allocates", [False, True])
def test_a_kernel_that_makes_no_arrays_counts_no_holders_of_those_it_is_given(allocates: bool) -> None:
    made = compiling.Kernel(_held, count, (I64, I64), allocates=allocates, inline=False)
    code = building._front(made).text
    body = code.partition("define")[2].partition("\n}")[0]
    assert ("NRT_incref" in body or "NRT_decref" in body) == allocates
    assert building.built([made])


def test_numbers_flags_and_nothing_come_and_go_as_they_are() -> None:
    text = b"\0a"
    assert [differs(np.frombuffer(text, np.uint8), wanted, at) for wanted in (False, True) for at in (0, 1)] == [
        False,
        True,
        True,
        False,
    ]
    assert total(np.array([0.5, 1.0]), np.float64(2)) == 3.5
    assert negated(np.uint64(1)) == 2**64 - 2
    changed = np.ones(3, np.uint8)
    assert cleared(changed) is None
    assert changed.tolist() == [0, 0, 0]


@given(st.integers(-(2**61), 2**61), st.integers(-(2**61), 2**61))
def test_the_least_and_greatest_are_those_of_python(one: int, other: int) -> None:
    assert spanned(one, other) == abs(one - other)
    assert spanned_unsigned(2 * abs(one), 2 * abs(other) + 1) == abs(2 * abs(one) - 2 * abs(other) - 1)


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros(4, np.int8),
        np.zeros((2, 2), np.uint8),
        np.zeros(8, np.uint8)[::2],
        np.frombuffer(b"1234", np.uint8),  # it would be written to
        [0, 0],
    ],
)
def test_an_array_of_another_kind_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match="cleared takes"):
        cleared(wrong)


def test_a_kernel_needs_all_its_arguments() -> None:
    with pytest.raises(ValueError, match="shorter"):
        total(np.zeros(1))


def test_an_array_that_a_kernel_has_no_room_for_is_a_memory_error() -> None:
    assert filled(3) == 3
    with pytest.raises(MemoryError, match="filled"):
        filled(1 << 60)


def test_code_is_taken_from_where_it_was_kept(folder: Path) -> None:
    assert keeping.kept(FILE) is None
    assert keeping.keep(FILE, b"code")
    assert keeping.kept(FILE) == b"code"
    assert [path.name.partition(".")[0] for path in folder.iterdir()] == ["arranging"]


@pytest.mark.parametrize("spoil", [lambda raw: raw[:-1], lambda raw: b"", lambda raw: b"x" + raw[1:]])
def test_code_that_is_cut_off_or_of_other_sources_is_not_used(spoil: Any, folder: Path) -> None:
    keeping.keep(FILE, b"code")
    (path,) = folder.iterdir()
    path.write_bytes(spoil(path.read_bytes()))
    assert keeping.kept(FILE) is None
    keeping.keep(FILE, b"better")
    assert keeping.kept(FILE) == b"better"


def test_many_may_keep_at_once_and_what_is_read_is_whole(folder: Path) -> None:
    code = bytes(1 << 20)
    with ThreadPoolExecutor(8) as pool:
        done = [pool.submit(keeping.keep, FILE, code) for _ in range(32)]
        seen = {keeping.kept(FILE) for _ in range(50)}
        assert all(each.result() for each in done)
    assert seen <= {None, code}
    assert len(list(folder.iterdir())) == 1


def test_where_no_folder_can_be_written_nothing_is_kept_and_nothing_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setattr(keeping, "folders", lambda: iter([tmp_path / "file" / "kept"]))
    assert not keeping.keep(FILE, b"code")
    assert not keeping.can_keep()


@pytest.mark.parametrize(
    ("code", "can_keep", "told"),
    [
        (b"code", True, []),
        (None, True, ["compiling the kernels of de-duplication, once on this machine"]),
        (None, False, ["compiling the kernels of de-duplication, about ten seconds each time"]),
    ],
)
def test_compiling_is_told_of_where_nothing_was_kept(
    code: bytes | None, can_keep: bool, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(keeping, "kept", lambda file: code)
    monkeypatch.setattr(keeping, "can_keep", lambda: can_keep)
    monkeypatch.setattr(compiling, "_loaded", {})
    monkeypatch.setattr(compiling, "load", lambda file: None)
    load_kernels(SimpleNamespace(say=said.append, warn=said.append))  # type: ignore[arg-type]
    assert [message.partition(":")[0] for message in said] == told


def test_too_little_memory_for_llvm_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def unloadable(file: str) -> None:
        raise OSError("libllvmlite.so: failed to map segment from shared object")

    monkeypatch.setattr(keeping, "kept", unloadable)
    monkeypatch.setattr(compiling, "_loaded", {})
    with pytest.raises(DataError, match="want of memory"):
        load_kernels()


def test_every_file_that_has_a_kernel_can_be_compiled_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []
    monkeypatch.setattr(compiling, "load", loaded.append)
    ahead.main()
    folder = Path(compiling.__file__).parent
    assert {path.stem for path in folder.glob("*.py") if "\n@kernel(" in path.read_text()} <= set(loaded)
    assert {"building", "compiling", "slow"}.isdisjoint(loaded)


@pytest.mark.soak
def test_kernels_are_compiled_once_and_then_loaded_without_the_compiler(tmp_path: Path) -> None:
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    first, second = (
        subprocess.run([sys.executable, "-c", TOLD], env=environment, check=True, capture_output=True, text=True).stdout
        for _ in range(2)
    )
    told, value = first.splitlines()
    assert told == "say compiling the kernels of de-duplication, once on this machine: about ten seconds"
    assert value.endswith("True")
    assert second.splitlines() == [value.replace("True", "False")]
    print(len(list(tmp_path.rglob("*.kernels"))), "files of kernels were kept")
