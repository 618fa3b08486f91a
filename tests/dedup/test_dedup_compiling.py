"""Kernels are compiled once, without what they do not need, and whoever waits for it is told."""

from __future__ import annotations

import os
import subprocess
import sys
from types import SimpleNamespace

import numba.core.caching
import numpy as np
import pytest

from phase0.dedup import load_kernels
from phase0.dedup.kernels import compiling

TOLD = """
import sys
from types import SimpleNamespace
from phase0.dedup import load_kernels
def told(kind):
    return lambda message: print(kind, message)
load_kernels(SimpleNamespace(say=told("say"), warn=told("warn")))
load_kernels(SimpleNamespace(say=told("again"), warn=told("again")))
"""


def _held(one, other):
    held = one
    for at in range(len(one)):
        held = other if one[at] else one[at:]
    return len(held)


@pytest.mark.parametrize("allocates", [False, True])
def test_a_kernel_that_makes_no_arrays_counts_no_holders_of_those_it_is_given(allocates, monkeypatch):
    monkeypatch.setattr(numba.core.caching.CompileResultCacheImpl, "_locator_classes", [])  # cached, it shows no code
    made = compiling.kernel(compiling.count, compiling.I64, compiling.I64, allocates=allocates)(_held)
    (code,) = made.inspect_llvm().values()
    body = code.partition("define")[2].partition("\n}")[0]
    assert ("NRT_incref" in body or "NRT_decref" in body) == allocates
    assert made(np.arange(4), np.arange(7)) == 7


def test_a_kernel_is_compiled_also_where_no_folder_can_keep_it(monkeypatch):
    monkeypatch.setattr(numba.core.caching.CompileResultCacheImpl, "_locator_classes", [])
    doubled = compiling.kernel(compiling.count, compiling.count)(lambda value: 2 * value)
    assert doubled(21) == 42
    assert compiling.cache_of(doubled) == (False, None)


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ((True, "/a"), []),
        ((False, "/a"), ["compiling the kernels of de-duplication, once on this machine"]),
        ((False, None), ["compiling the kernels of de-duplication, about ten seconds each time"]),
    ],
)
def test_compiling_is_told_of_where_nothing_comes_from_the_cache(found, told, monkeypatch):
    said = []
    monkeypatch.delitem(sys.modules, "phase0.dedup.near", raising=False)
    monkeypatch.setattr(compiling, "cache_of", lambda kernel: found)
    load_kernels(SimpleNamespace(say=said.append, warn=said.append))
    assert [message.partition(":")[0] for message in said] == told


@pytest.mark.soak
def test_kernels_are_compiled_once_and_then_loaded_from_the_folder_that_was_named(tmp_path):
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    first, second = (
        subprocess.run([sys.executable, "-c", TOLD], env=environment, check=True, capture_output=True, text=True).stdout
        for _ in range(2)
    )
    assert first == "say compiling the kernels of de-duplication, once on this machine: about ten seconds\n"
    assert second == ""
    print(len(list(tmp_path.rglob("*.nbi"))), "kernels in the cache")
