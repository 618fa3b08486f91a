"""Rows in every script are what `phase0.text.tokens` says, marks in whatever order, and few leave the table."""

from __future__ import annotations

import importlib
import sys
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phase0.dedup import letters as table
from phase0.dedup.canonical import canonical_rows
from phase0.dedup.flat import Flat, flat
from phase0.dedup.kernels import keeping
from phase0.dedup.kernels.canonical import ALONE, BASE, DEPENDS, ENDS, ODD
from phase0.dedup.letters import LIMIT, learn, letters
from phase0.text import tokens

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "dedup"
EVERY = [chr(code) for code in range(LIMIT) if not 0xD800 <= code < 0xE000]
MARKS = list(filter(unicodedata.combining, EVERY))
PARTED = [one for one in EVERY if len(unicodedata.normalize("NFD", one)) > 1]
JOINED = [one for one in PARTED if unicodedata.is_normalized("NFC", one)]
TAILS = sorted({tail for one in JOINED for tail in unicodedata.normalize("NFD", one)[1:]})


def span(*ranges: tuple[int, int]) -> str:
    return "".join(chr(code) for first, last in ranges for code in range(first, last + 1))


ALPHABETS = [
    span((0x0E01, 0x0E3A), (0x0E40, 0x0E5B)),  # Thai
    span((0x0E81, 0x0EDF)),  # Lao
    span((0x0900, 0x097F)),  # Devanagari
    span((0x0980, 0x09FE), (0x0B80, 0x0BFA)),  # Bengali, Tamil
    span((0x0621, 0x065F), (0x06C0, 0x06D5)),  # Arabic
    span((0x0591, 0x05F4), (0xFB1D, 0xFB4F)),  # Hebrew
    span((0x1000, 0x109F)),  # Myanmar
    span((0x0370, 0x03FF), (0x1F00, 0x1FFF)) + "ΣΣΣ",
    span((0x1100, 0x1112), (0x1161, 0x1175), (0x11A7, 0x11C2), (0xAC00, 0xAC3F)),  # Hangul, whole and in parts
    span((0x3041, 0x309F)),
    span((0x0300, 0x036F)) + "aAeEiIıİoOqsSúǖậ",
    "=<>≠∈∉\u0338\u0301\u0323",
    "aZ09_ .,'\n\u00ad\u200d·Σ日本語",
]
mixed = st.lists(st.sampled_from(ALPHABETS).flatmap(lambda some: st.text(some, max_size=6)), max_size=6).map("".join)
sequences = st.lists(st.sampled_from(PARTED) | st.sampled_from(MARKS) | st.sampled_from(TAILS), max_size=8).map("".join)
decomposed = st.builds(unicodedata.normalize, st.sampled_from(["NFC", "NFD"]), mixed | sequences)


def spelled(chunk: Flat) -> list[list[str]]:
    made = canonical_rows(chunk)
    rows = [made.text_B[begin:end].tobytes() for begin, end in zip(made.begins_D, made.ends_D, strict=True)]
    return [[token.decode() for token in row.split(b"\0") if token] for row in rows]


@given(st.lists(mixed | sequences | decomposed, max_size=12))
@settings(max_examples=400)
def test_marks_and_letters_of_many_scripts_are_read_as_phase0_text_reads_them(rows: list[str]) -> None:
    assert spelled(flat(rows)) == [tokens(row) for row in rows]


@pytest.mark.parametrize("shape", ["{0}{1}", "{1}{0}", "{0}\u0316{1}", "न{1}{0}"])
def test_every_character_that_has_parts_is_read_alike_before_and_behind_marks(shape: str) -> None:
    marks = ["\u0301", "\u0316", "\u093c", "\u09be", "\u0338"]
    rows = [shape.format(one, mark) for one in (*PARTED, *TAILS) for mark in marks if not "가" < one <= "힣"]
    assert spelled(flat(rows)) == [tokens(row) for row in rows]


@pytest.mark.parametrize("shape", ["ΑΣ{}", "ΑΣ{}α", "Σ{}"])
def test_a_sigma_is_final_or_not_before_every_character(shape: str) -> None:
    rows = [shape.format(one) for one in EVERY[:0x3000]]
    assert spelled(flat(rows)) == [tokens(row) for row in rows]


@pytest.fixture(scope="module")
def benchmark() -> Iterator[tuple[dict[str, str], Callable[[Flat], int]]]:
    """The benchmark's sentences, and how many rows leave the table."""
    sys.path.insert(0, str(BENCHMARK))
    scripts = importlib.import_module("scripts")
    yield scripts.SENTENCES, scripts.left
    sys.path.remove(str(BENCHMARK))
    del sys.modules["scripts"]


def left(benchmark: tuple[dict[str, str], Callable[[Flat], int]], rows: Sequence[str]) -> int:
    learn()
    return benchmark[1](flat(rows))


def test_no_ordinary_sentence_of_twenty_languages_leaves_the_table(
    benchmark: tuple[dict[str, str], Callable[[Flat], int]],
) -> None:
    rows = [form for text in benchmark[0].values() for form in (text, unicodedata.normalize("NFC", text))]
    assert len(rows) == 40
    assert left(benchmark, rows) == 0
    assert spelled(flat(rows)) == [tokens(row) for row in rows]


def test_what_leaves_the_table_is_what_neighbours_change(
    benchmark: tuple[dict[str, str], Callable[[Flat], int]],
) -> None:
    stay = ["a≠b, =\u0338", "ড\u09bc", "ड\u093c ड़", "ΑΣία Σε", "İstanbul", "K Å", "日ᅡ"]
    leave = ["日e\u0301", "न\u093c", "ΑΣ", "ΑΣ.", "Σ日", "\u1100\u1161", "か\u3099", "\u0301", "\U000e0041"]
    assert [row for row in stay if left(benchmark, [row])] == []
    assert [row for row in leave if not left(benchmark, [row])] == []
    assert spelled(flat(stay + leave)) == [tokens(row) for row in stay + leave]


def test_no_character_is_odd_and_a_hundred_depend_on_their_neighbours() -> None:
    learn()
    known = letters()[[ord(one) for one in EVERY]]
    assert (known != ODD).all()
    assert 80 < np.count_nonzero(known & DEPENDS) < 150
    assert not {one for one, entry in zip(EVERY[:0x300], known.tolist(), strict=False) if entry & DEPENDS}
    flags = ALONE | ENDS | DEPENDS | BASE
    assert known.max() & ~np.uint32(flags) < LIMIT


def test_unicode_is_as_the_table_takes_it_to_be() -> None:
    """What a later Unicode might change: then the rules of `phase0.dedup.letters` are to be thought over."""
    assert not any(map(tokens, MARKS))
    firsts = {unicodedata.normalize("NFD", one)[0] for one in JOINED}
    assert "q" not in firsts
    assert not {"q", "z"} & {*TAILS}
    assert all(tokens(unicodedata.normalize("NFD", one)[0]) for one in JOINED if tokens(one))
    settled = {low for one in EVERY if unicodedata.is_normalized("NFC", one) for low in one.lower()}
    assert all(unicodedata.normalize("NFC", low).lower() == low for low in settled)
    assert all(("aΣ" + chr(code)).lower()[1] == "σ" for code in range(ord("ά"), ord("ώ") + 1))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the table is kept, as yet nowhere; and nothing is known."""
    monkeypatch.setattr(keeping, "folders", lambda: iter([tmp_path / "kept"]))
    monkeypatch.setattr(table, "_table", table._UNKNOWN)
    return tmp_path / "kept"


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many characters were looked up each time."""
    made: list[int] = []
    entries = table._entries
    monkeypatch.setattr(table, "_entries", lambda codes: made.append(len(codes)) or entries(codes))
    return made


def begin_anew() -> None:
    """As another process would."""
    table._table = table._UNKNOWN


def test_threads_that_meet_a_letter_together_look_the_table_up_once(folder: Path, made: list[int]) -> None:
    rows = ["Был бы ёж", "ΑΣ", "日本 か\u3099", "plain"] * 8
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(spelled, [flat([row]) for row in rows])) == [[tokens(row)] for row in rows]
    assert made == [LIMIT]
    assert len(list(folder.iterdir())) == 1


def test_texts_of_ascii_need_no_table(folder: Path, made: list[int]) -> None:
    assert spelled(flat(["Plain words", ""])) == [["plain", "words"], []]
    assert made == []
    assert not folder.exists()


def test_the_table_is_looked_up_once_on_a_machine_and_kept(folder: Path, made: list[int]) -> None:
    learn()
    known = letters().copy()
    begin_anew()
    learn()
    assert (letters() == known).all()
    assert made == [LIMIT]
    assert letters().flags.writeable  # as kernels take it


@pytest.mark.parametrize("spoil", [lambda raw: raw[:-4], lambda raw: raw[:64], lambda raw: bytes(len(raw))])
def test_a_kept_table_that_is_damaged_is_made_anew(
    spoil: Callable[[bytes], bytes], folder: Path, made: list[int]
) -> None:
    learn()
    known = letters().copy()
    (path,) = folder.iterdir()
    path.write_bytes(spoil(path.read_bytes()))
    begin_anew()
    learn()
    assert (letters() == known).all()
    assert made == [LIMIT, LIMIT]


def test_a_table_of_another_unicode_is_not_used(folder: Path, made: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    learn()
    begin_anew()
    monkeypatch.setattr(unicodedata, "unidata_version", "99.0.0")
    learn()
    assert made == [LIMIT, LIMIT]


def test_a_table_that_can_be_kept_nowhere_is_made_for_this_process(
    tmp_path: Path, folder: Path, made: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setattr(keeping, "folders", lambda: iter([tmp_path / "file" / "kept"]))
    assert spelled(flat(["Ёж"])) == [["ёж"]]
    assert made == [LIMIT]


def test_halves_of_surrogate_pairs_are_no_characters() -> None:
    learn()
    assert (letters()[0xD800:0xE000] == ODD).all()
