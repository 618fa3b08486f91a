"""One kernel of the remover is broken at a time: the second count finds what was missed, and nothing goes wrongly.

A fault is either put around a kernel, or inside: then the kernel's own Python is run with one inner function replaced.
"""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
import pytest
from neardup import Pairs, made_rows, near_pairs, text_of
from recounts import recounted

from phase0.dedup import decide, dedup, exact, minhash, remaining, sets
from phase0.dedup.kernels import choosing, confirming, hashing, joining, minhashing, slow, sorting

T = Fraction(4, 5)
Kernel = Callable[..., Any]


def in_python(kernel: Any, **faults: Kernel) -> Kernel:
    """A compiled kernel as the Python it was written in, all that it calls too, with some of that replaced."""
    code, told = kernel.py_func.__code__, dict(kernel.py_func.__globals__)
    called = {name: told[name] for name in code.co_names if hasattr(told.get(name), "py_func")}
    told |= {name: in_python(inner, **faults) for name, inner in called.items()}
    told |= {"alike8": slow.alike8, "differing512": slow.differing512}
    told["ones"] = lambda value: slow.ones(int(value))
    return FunctionType(code, told | faults)


def after(kernel: Kernel, spoil: Callable[..., object]) -> Kernel:
    """The kernel, and then something done to its arguments."""

    def spoiled(*arguments: Any) -> Any:
        answer = kernel(*arguments)
        spoil(*arguments)
        return answer

    return spoiled


# ---- faults ---------------------------------------------------------------------------------------------------------


def hash_by_place(text: Any, begins: Any, ends: Any, width: int, hashes: Any, counts: Any) -> int:
    total = hashing.shingles(text, begins, ends, width, hashes, counts)
    hashes[:total] ^= np.arange(total, dtype=np.uint64) << np.uint64(20)
    return total


def hash_to_one_byte(text: Any, begins: Any, ends: Any, width: int, hashes: Any, counts: Any) -> int:
    total = hashing.shingles(text, begins, ends, width, hashes, counts)
    hashes[:total] &= np.uint64(0xFF << 2)
    return total


def hash_one_word_less(text: Any, begins: Any, ends: Any, width: int, hashes: Any, counts: Any) -> int:
    return hashing.shingles(text, begins, ends, width - 1, hashes, counts)


def class_by_row(hashes: Any, counts: Any, *more: Any) -> int:
    """Which shingles are rare is said otherwise of every second row."""
    total = sorting.sort_rows(hashes, counts, *more)
    for row, (start, size) in enumerate(zip(np.cumsum(counts) - counts, counts, strict=True)):
        keys = hashes[start : start + size]
        if row % 2:
            keys ^= (keys >> np.uint64(7) & np.uint64(1)) << np.uint64(62)
            keys.sort()
    return total


def lose_last_keys(hashes: Any, counts: Any, *more: Any) -> int:
    total = sorting.sort_rows(hashes, counts, *more)
    lost = (counts > 8) * (np.arange(len(counts)) % 2) * 3
    ends = np.cumsum(counts)
    stays = np.ones(total, np.bool_)
    for end, some in zip(ends.tolist(), lost.tolist(), strict=True):
        stays[end - some : end] = False
    hashes[: int(stays.sum())] = hashes[:total][stays]
    counts -= lost
    return int(stays.sum())


def scramble_sketches(*arguments: Any) -> int:
    total = sorting.sort_rows(*arguments)
    sketches = arguments[3]
    sketches[:] = np.random.default_rng(1).integers(0, 2**63, sketches.shape, np.uint64)
    return total


def all_of_a_size_are_one(prints: Any, keys: Any, starts: Any, sizes: Any, *rest: Any) -> None:
    joining.collapse(sizes.astype(np.uint64), np.zeros_like(keys), starts, sizes, *rest)


def shift(part: str, by: int) -> Kernel:
    """`at_least`, wrong by some: where sizes are compared, or where what must be shared is."""

    def at_least(size: int, p: int, whole: int) -> int:
        is_length = whole == T.denominator
        return slow_at_least(size, p, whole) + (by if is_length == (part == "length") else 0)

    return at_least


def slow_at_least(size: int, part: int, whole: int) -> int:
    return -(-size * part // whole)


def strict_sketch(sketches: Any, one: int, other: int, most: int) -> bool:
    return bool(in_python(joining.may_reach)(sketches, one, other, most // 2))


def forget_half(*arguments: Any) -> None:
    choosing.adjacent(*arguments)
    arguments[5][::2] = 0


def keep_all(order: Any, set_of: Any, sizes: Any, starts: Any, near: Any, counts: Any, witness: Any, *_: Any) -> None:
    witness[:] = -1


def name_the_next(*arguments: Any) -> None:
    """Every witness is exchanged with that of the next row that goes."""
    choosing.choose(*arguments)
    witness = arguments[6]
    gone = np.flatnonzero(witness >= 0)
    witness[gone] = np.roll(witness[gone], 1)


def name_one_that_goes(*arguments: Any) -> None:
    """Rows go for their nearest, whether that stays or not."""
    order, set_of, sizes, starts, near, counts, witness, shared, union = arguments
    choosing.choose(*arguments)
    first = {set_of[row]: row for row in reversed(order.tolist())}
    for one, row in first.items():
        if witness[row] < 0 and starts[one] < starts[one + 1]:
            other, common = near[starts[one]], counts[starts[one]]
            if witness[first[other]] >= 0:
                witness[row], shared[row] = first[other], common
                union[row] = sizes[one] + sizes[other] - common


def confirm_nothing(*arguments: Any) -> None:
    confirming.confirm(*arguments)
    arguments[6][:] = 0


def confirm_all(*arguments: Any) -> None:
    confirming.confirm(*arguments)
    arguments[6][:] = arguments[7]


def no_roots(ones: Any, others: Any, roots: Any) -> None:
    return None


def sign_by_place(*arguments: Any) -> None:
    minhashing.band_keys(*arguments)
    first, last, keys = arguments[3], arguments[4], arguments[8]
    keys[:, first:last] += np.arange(first, last, dtype=np.uint64)


def nothing_found(*_: Any) -> int:
    return 0


def python_join(**faults: Kernel) -> Kernel:
    return in_python(joining.join, **faults)


Fault = dict[tuple[ModuleType, str], Kernel]

MISSING: dict[str, Fault] = {
    "hashes depend on the place": {(sets, "shingles"): hash_by_place},
    "rarity depends on the row": {(sets, "sort_rows"): class_by_row},
    "keys are lost in sorting": {(sets, "sort_rows"): lose_last_keys},
    "sketches say nothing": {(sets, "sort_rows"): scramble_sketches},
    "prefixes are one too short": {
        (exact, "count_entries"): in_python(joining.count_entries, at_least=shift("length", 1)),
        (exact, "place_entries"): in_python(joining.place_entries, at_least=shift("length", 1)),
    },
    "what is found by larger sets is too little": {
        (exact, "place_entries"): in_python(joining.place_entries, at_least=shift("shared", 3))
    },
    "what follows in a set is counted one short": {
        (exact, "place_entries"): after(joining.place_entries, lambda *a: a[-1][:, joining.OWNED].__isub__(1))
    },
    "the length filter is one too strict": {(exact, "join"): python_join(at_least=shift("length", 1))},
    "one more must be shared than needs be": {(exact, "join"): python_join(at_least=shift("shared", 1))},
    "the sketch bound is too strict": {(exact, "join"): python_join(may_reach=strict_sketch)},
    "the join finds nothing": {(exact, "join"): nothing_found},
    "half of the pairs are forgotten": {(decide, "adjacent"): forget_half},
    "every row is chosen to stay": {(decide, "choose"): keep_all},
    "nothing is confirmed": {(decide, "confirm"): confirm_nothing},
}
"""Faults by which near-duplicates stay."""

INVENTING: dict[str, Fault] = {
    "hashes have one byte": {(sets, "shingles"): hash_to_one_byte},
    "shingles are a word too short": {(sets, "shingles"): hash_one_word_less},
    "sets of one size are one": {(exact, "collapse"): all_of_a_size_are_one},
    "less must be shared than needs be": {(exact, "join"): python_join(at_least=shift("shared", -8))},
    "rows go for another row's witness": {(decide, "choose"): name_the_next},
    "rows go for one that goes": {(decide, "choose"): name_one_that_goes},
    "everything is confirmed": {(decide, "confirm"): confirm_all},
}
"""Faults by which rows might go that should not."""


@pytest.fixture(scope="module")
def texts() -> list[str]:
    """Rows of many sizes, and pairs at exactly the threshold, whose every count is the least that suffices."""
    made = [text_of(row) for row in made_rows(220, seed=3)]
    for number in range(60):
        base, more = [f"p{number}x{at}" for at in range(8 + number % 3 * 4)], number % 3 + 1
        made += [" ".join(base), " ".join([*base, *(f"more{at}of{number}" for at in range(more))])]
    return made


@pytest.fixture(scope="module")
def pairs(texts: list[str]) -> Pairs:
    return near_pairs(texts, T)


def test_without_a_fault_nothing_is_left_also_when_kernels_run_as_python(
    texts: list[str], pairs: Pairs, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = dedup(texts, method="exact")
    assert remaining([texts[row] for row in expected.kept]).pairs == 0
    monkeypatch.setattr(exact, "join", python_join(at_least=shift("length", 0), may_reach=in_python(joining.may_reach)))
    monkeypatch.setattr(exact, "place_entries", in_python(joining.place_entries, at_least=shift("length", 0)))
    assert dedup(texts, method="exact") == expected
    assert len(pairs) > 80


@pytest.mark.parametrize("fault", MISSING)
def test_near_duplicates_that_a_broken_kernel_leaves_are_counted(
    fault: str, texts: list[str], pairs: Pairs, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for (place, name), kernel in MISSING[fault].items():
        monkeypatch.setattr(place, name, kernel)
    result = dedup(texts, method="exact")
    kept = set(result.kept)
    left = sum(kept.issuperset(pair) for pair in pairs)
    assert remaining([texts[row] for row in result.kept]).pairs == left > 0
    assert recounted([texts[row] for row in result.kept], tmp_path / "work").pairs == left
    assert_nothing_went_wrongly(result, pairs)


@pytest.mark.parametrize("fault", INVENTING)
def test_a_broken_kernel_removes_no_row_wrongly(
    fault: str, texts: list[str], pairs: Pairs, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = dedup(texts, method="exact")
    for (place, name), kernel in INVENTING[fault].items():
        monkeypatch.setattr(place, name, kernel)
    result = dedup(texts, method="exact")
    assert_nothing_went_wrongly(result, pairs, counts=fault != "everything is confirmed")
    left = sum(set(result.kept).issuperset(pair) for pair in pairs)
    assert remaining([texts[row] for row in result.kept]).pairs == left
    assert set(result.kept) >= set(sound.kept) or left == 0


def assert_nothing_went_wrongly(result: Any, pairs: Pairs, *, counts: bool = True) -> None:
    kept = set(result.kept)
    for row, witness, *told in result.removed:
        assert witness in kept
        true = pairs[min(row, witness), max(row, witness)]
        assert not counts or true == tuple(told)


@pytest.mark.parametrize(
    ("method", "clusters", "place", "name", "fault"),
    [
        ("minhash", "greedy", minhash, "band_keys", sign_by_place),
        ("minhash", "greedy", minhash, "band_pairs", nothing_found),
        ("exact", "transitive", decide, "connect", no_roots),
    ],
)
def test_the_other_ways_are_found_out_too(
    method: Any, clusters: Any, place: Any, name: str, fault: Kernel, texts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = remaining([texts[row] for row in dedup(texts, method=method, clusters=clusters).kept]).pairs
    monkeypatch.setattr(place, name, fault)
    left = dedup(texts, method=method, clusters=clusters).kept
    assert remaining([texts[row] for row in left]).pairs > before


# ---- independence ---------------------------------------------------------------------------------------------------

SHARED = {
    "phase0.text",  # the words
    "phase0.dedup.canonical",  # the words as bytes
    "phase0.dedup.letters",
    "phase0.dedup.kernels.canonical",
    "phase0.dedup.kernels.runs",  # where they are in those bytes
    "phase0.dedup.kernels.bits",
    "phase0.dedup.kernels.compiling",
    "phase0.dedup.kernels.building",
    "phase0.dedup.kernels.instructions",  # which has code for those of the remover too
    "phase0.dedup.kernels.networks",
    "phase0.dedup.kernels.keeping",
    "phase0.dedup.flat",  # how texts are handed over
    "phase0.dedup.threads",
    "phase0.dedup.pages",  # and memory is taken
    "phase0.dedup.results",
    "phase0.errors",
    "phase0.progress",
}
OWN = {"phase0.dedup.recount", "phase0.dedup.kernels.recounting", "phase0.dedup.kernels.runs"}


def test_the_second_count_imports_nothing_of_the_remover_but_the_words() -> None:
    assert set(reached("phase0.dedup.recount")) == SHARED | OWN


SPREAD = {
    *(f"phase0.partitioned.{name}" for name in ("recounting", "recounted", "repeated", "remeeting")),
    "phase0.dedup.kernels.recounting_parts",
    "phase0.partitioned.exchange",  # how workers hand files to each other
    "phase0.partitioned.arrays",
    "phase0.partitioned.site",
    "phase0.engine",
}


def test_in_partitions_it_imports_no_more_of_it() -> None:
    assert set(reached("phase0.partitioned.recounting")) == SHARED | OWN | SPREAD


def reached(module: str) -> Iterator[str]:
    """A module and all of phase0 that its source imports, wherever in it."""
    waiting, seen = [module], set[str]()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        yield name
        found = importlib.util.find_spec(name)
        assert found is not None
        assert found.origin is not None
        waiting += imports(Path(found.origin).read_text())


def imports(source: str) -> Iterator[str]:
    tree = ast.parse(source)
    for_types = [
        node for node in ast.walk(tree) if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    ]
    unread = {inner for block in for_types for inner in ast.walk(block)}
    for node in ast.walk(tree):
        if node in unread:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("phase0"))
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            if node.module and node.module.startswith("phase0"):
                inner = [f"{node.module}.{alias.name}" for alias in node.names]
                modules = [name for name in inner if spec(name)]
                yield from modules or [node.module]


def spec(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False
