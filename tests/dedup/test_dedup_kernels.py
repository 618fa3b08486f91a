"""Every kernel says what its slow twin says: on Unicode, control characters, long runs, empty and one-word rows."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit
from searched import joined_pairs

from phase0.dedup.canonical import canonical_rows
from phase0.dedup.exact import distinct
from phase0.dedup.flat import flat
from phase0.dedup.kernels import choosing, confirming, hashing, instructions, joining, lines, recounting, slow, sorting
from phase0.dedup.letters import LIMIT
from phase0.dedup.sets import Sets, hashed
from phase0.text import tokens

words = st.sampled_from(
    [*("a", "B", "one", "2", "2.5", "é", "e\u0301", "日本語", "ไทย", "한국어", "\u1100\u1161", "_", "\u2028", "\x00"),
     *("İ", "🙂", "ΑΣ", "Σα", "straße", "ﬁ", "Ⱥ", "\u0345", "x" * 8, "x" * 16, "y" * 15, "z" * 17, "\U000e0041", "𝐀")]
)  # fmt: skip
texts = st.one_of(
    st.text(max_size=40), st.lists(words, max_size=40).map(" ".join), st.lists(words, max_size=9).map("".join)
)
numbers = st.integers(0, 2**64 - 1)


def spelled(rows):
    made = canonical_rows(flat(rows))
    return [
        [run for run in made.text_B[begin:end].tobytes().split(b"\0") if run]
        for begin, end in zip(made.begins_D, made.ends_D, strict=True)
    ]


@njit
def _load64(text, at):
    return instructions.load64(text, at)


@njit
def _trailing_zeros(value):
    return instructions.trailing_zeros(value)


@njit
def _ones(value):
    return instructions.ones(value)


@njit
def _alike8(keys, one, other):
    return instructions.alike8(keys, one, other)


@njit
def _differing512(sketches, one, other):
    return instructions.differing512(sketches, one, other)


@given(st.binary(min_size=8, max_size=40), st.data())
def test_eight_bytes_are_one_little_endian_number(text, data):
    at = data.draw(st.integers(0, len(text) - 8))
    assert _load64(np.frombuffer(text, np.uint8), at) == slow.load64(text, at)


@njit
def _block(text, at, out):
    instructions.copy64(text, at, out, 1)
    return instructions.equal64(text, at, 10), instructions.below64(text, at, 32)


@given(st.binary(min_size=64, max_size=90) | st.lists(st.sampled_from([9, 10, 31, 32, 255]), min_size=64).map(bytes))
def test_sixty_four_bytes_are_compared_and_copied_as_python_does_it(text):
    at, out = len(text) - 64, np.full(66, 7, np.uint8)
    assert _block(np.frombuffer(text, np.uint8), at, out) == (slow.equal64(text, at, 10), slow.below64(text, at, 32))
    assert out.tobytes() == b"\7" + text[at : at + 64] + b"\7"


@given(numbers.filter(bool))
def test_bits_are_counted_as_python_counts_them(value):
    assert _trailing_zeros(np.uint64(value)) == slow.trailing_zeros(value)
    assert _ones(np.uint64(value)) == slow.ones(value)


@given(st.lists(numbers, min_size=8, max_size=12), st.integers(0, 9), numbers, st.data())
def test_numbers_in_a_row_are_compared_as_python_does_it(some, place, other, data):
    keys = [*some, *some]
    keys[len(some) + min(place, len(some) - 1)] = other if place < 8 else keys[place]
    one, there = (data.draw(st.integers(0, len(some) - 8)) + begin for begin in (0, len(some)))
    assert _alike8(np.array(keys, np.uint64), one, there) == slow.alike8(keys, one, there)


@given(st.lists(st.lists(numbers, min_size=8, max_size=8), min_size=1, max_size=4), st.data())
def test_bits_that_differ_are_counted_as_python_counts_them(rows, data):
    one, other = (data.draw(st.integers(0, len(rows) - 1)) for _ in range(2))
    assert _differing512(np.array(rows, np.uint64), one, other) == slow.differing512(rows, one, other)


@given(st.lists(texts, max_size=12))
@settings(max_examples=300)
def test_canonical_text_holds_exactly_the_tokens_of_phase0_text(rows):
    assert spelled(rows) == [slow.canonical(row) for row in rows]


def test_every_character_alone_and_between_letters_is_read_as_phase0_text_reads_it():
    points = [chr(code) for code in range(LIMIT + 0x100) if not 0xD800 <= code < 0xE000]
    for shape in ("{0}", "a{0}b", "{0}{0}", "Ａ {0}"):
        for at in range(0, len(points), 4096):
            rows = [shape.format(point) for point in points[at : at + 4096]]
            assert spelled(rows) == [[token.encode() for token in tokens(row)] for row in rows]


@given(st.lists(texts, max_size=12), st.integers(1, 7))
@settings(max_examples=200)
def test_shingles_are_hashed_as_the_twin_hashes_them(rows, width):
    hashes, counts = hashed(flat(rows), width)
    expected = [slow.shingles(slow.canonical(row), width) for row in rows]
    assert counts.tolist() == [len(row) for row in expected]
    assert hashes.tolist() == [value for row in expected for value in row]


@given(st.lists(texts, max_size=6), st.integers(1, 7))
def test_shingles_are_written_into_just_enough_room_and_nothing_behind_it(rows, width):
    expected, _ = hashed(flat(rows), width)
    made, room = canonical_rows(flat(rows)), np.full(len(expected) + 16, 7, np.uint64)
    hashing.shingles(made.text_B, made.begins_D, made.ends_D, width, room[:-16], np.empty(len(rows), np.int64))
    assert room.tolist() == [*expected.tolist(), *[7] * 16]


@given(st.lists(texts, max_size=12), st.integers(1, 7))
@settings(max_examples=200)
def test_the_second_count_hashes_shingles_as_its_own_twin_does(rows, width):
    made = canonical_rows(flat(rows))
    counts, keys = np.empty(len(rows), np.int64), np.empty(len(made.text_B) // 2 + len(rows), np.uint64)
    total = recounting.row_keys(made.text_B, made.begins_D, made.ends_D, width, keys, counts)
    expected = [slow.recounted(slow.canonical(row), width) for row in rows]
    assert counts.tolist() == [len(row) for row in expected]
    assert keys[:total].tolist() == [key for row in expected for key in row]


@given(
    st.binary(min_size=1, max_size=8).filter(lambda b: 0 not in b),
    st.binary(min_size=1, max_size=8).filter(lambda b: 0 not in b),
)
def test_different_words_of_up_to_eight_bytes_have_different_hashes(one, other):
    assert (slow.word(one) == slow.word(other)) == (one == other)


rows_of_hashes = st.lists(
    st.one_of(
        st.lists(numbers, max_size=60),
        st.lists(st.integers(0, 300), max_size=60),  # many equal
        st.lists(st.integers(0, 63).map(lambda i: i << 58), max_size=60),
        st.lists(numbers, min_size=1, max_size=40).map(lambda some: [i * j % 2**64 for i in some for j in some]),
    ),
    max_size=10,
)


def sets_of(rows, levels=None):
    """The rows' sets as the kernels make them, with every row's class table."""
    counts = np.array([len(row) for row in rows], np.int64)
    flat_rows = np.array([value for row in rows for value in row] + [7] * 16, np.uint64)[:-16]
    levels = np.zeros((1 << sorting.CLASS_BITS) // 32, np.uint64) if levels is None else levels
    sketches, prints = np.empty((len(rows), 8), np.uint64), np.empty(len(rows), np.uint64)
    total = sorting.sort_rows(flat_rows, counts, levels, sketches, prints)
    assert total == counts.sum()
    assert set(flat_rows.base[-16:].tolist()) == {7}
    return Sets(flat_rows[:total], np.cumsum(counts) - counts, counts, sketches, prints)


def sampled(rows, limits):
    tally = np.zeros(1 << sorting.COUNTER_BITS, np.uint8)
    sorting.tally(np.array([value for row in rows for value in row], np.uint64), tally)
    levels = np.zeros((1 << sorting.CLASS_BITS) // 32, np.uint64)
    sorting.classes(tally, np.array(limits, np.int64), levels)
    return levels


@given(rows_of_hashes)
@settings(max_examples=30)
def test_common_shingles_are_classed_as_the_twin_classes_them(rows):
    levels = sampled(rows, (2, 3, 5))
    found = {
        32 * place + bit: int(levels[place]) >> 2 * bit & 3
        for place in np.flatnonzero(levels).tolist()
        for bit in range(32)
        if int(levels[place]) >> 2 * bit & 3
    }
    assert found == slow.classes(rows, (2, 3, 5))


@given(rows_of_hashes)
@settings(max_examples=60)
def test_rows_are_sorted_without_repetition_rare_keys_first(rows):
    made = sets_of(rows, sampled(rows, (2, 3, 5)))
    levels = slow.classes(rows, (2, 3, 5))
    for row, hashes in enumerate(rows):
        keys = slow.sorted_set(hashes, levels)
        assert made.row(row).tolist() == keys
        assert made.sketches_D8[row].tolist() == slow.sketch(keys)
        assert int(made.prints_D[row]) == slow.fingerprint(keys)


@given(st.lists(st.lists(st.integers(0, 6).map(lambda i: i * 0x9E3779B97F4A7C15 % 2**64), max_size=4), max_size=20))
def test_rows_with_equal_sets_are_known_by_the_first_of_them(rows):
    made = sets_of(rows)
    assert distinct(made).tolist() == slow.collapse([made.row(row).tolist() for row in range(len(rows))])


spread = st.integers(0, 40).map(lambda i: i * 0x9E3779B97F4A7C15 % 2**64)
thresholds = st.fractions(Fraction(1, 100), 1, max_denominator=100)


@given(st.lists(st.lists(spread, max_size=25), max_size=14), thresholds)
def test_prefixes_are_the_least_keys_of_each_set_without_gaps(rows, threshold):
    made = sets_of(rows)
    keys, held = made.keys_S.copy(), np.empty(len(rows), np.int64)
    total = joining.cut_to_prefixes(keys, made.sizes_D, *threshold.as_integer_ratio(), held)
    expected = slow.cut_to_prefixes([made.row(row).tolist() for row in range(len(rows))], threshold)
    assert keys[:total].tolist() == [key for one in expected for key in one]
    assert held.tolist() == [len(one) for one in expected]


@given(st.lists(st.lists(spread, max_size=25), max_size=14), thresholds, st.booleans())
@settings(max_examples=300)
def test_the_join_finds_every_pair_at_the_threshold_and_no_other(rows, threshold, with_classes):
    made = sets_of(rows, sampled(rows, (2, 3, 5)) if with_classes else None)
    same = distinct(made)
    pairs = joined_pairs(made, threshold, 2)
    found = {
        (min(one, other), max(one, other), shared)
        for one, other, shared in zip(*(column.tolist() for column in pairs[:3]), strict=True)
    }
    assert len(found) == len(pairs.ones_P)
    sets = [set(made.row(row).tolist()) if same[row] == row else set() for row in range(len(rows))]
    assert found == slow.join(sets, threshold)


def test_sets_that_meet_by_the_thousand_on_every_key_are_all_found():
    hashes = [at * 0x9E3779B97F4A7C15 % 2**64 for at in range(160)]
    rows = [[*hashes[: 40 - row % 5], hashes[40 + row]] for row in range(120)]
    made = sets_of(rows)
    pairs = joined_pairs(made, Fraction(4, 5), 2)
    found = {(min(a, b), max(a, b), n) for a, b, n in zip(*(column.tolist() for column in pairs[:3]), strict=True)}
    assert found == slow.join([set(made.row(row).tolist()) for row in range(len(rows))], Fraction(4, 5))
    assert len(found) == len(pairs.ones_P) > 4096


keys_in_a_row = st.lists(spread, max_size=60, unique=True)


@given(keys_in_a_row, keys_in_a_row, st.integers(0, 31))
def test_shared_keys_are_counted_or_known_to_be_too_few(one, other, needed):
    one, other = sorted(one), sorted({*other, *one[: needed % 25]})  # some of them in a row
    keys = np.array(one + other, np.uint64)
    shared = len(set(one) & set(other))
    counted = joining.shared_keys(keys, 0, len(one), len(one), len(keys), needed)
    assert counted == (shared if shared >= needed else -1)


pieces = st.lists(
    st.tuples(
        st.sampled_from([b"a", b"b", b"cc", b"word", b"aa", b"thirteenchars", b"sixteen_letters_"]),
        st.sampled_from([b" ", b" ", b", ", b" - ", b" " * 70]),
    ),
    max_size=30,
)


@st.composite
def edited_rows(draw):
    """Rows of which some are others with words put in, taken out or parted otherwise."""
    rows = [[], *draw(st.lists(pieces, min_size=1, max_size=4))]
    for _ in range(draw(st.integers(1, 4))):
        row = list(draw(st.sampled_from(rows)))
        for _ in range(draw(st.integers(0, 3))):
            begin, end = sorted(draw(st.tuples(*2 * [st.integers(0, len(row))])))
            row[begin : min(end, begin + 3)] = draw(pieces)[:3]
        rows.append(row)
    return rows


@given(edited_rows(), st.integers(1, 6), st.data())
@settings(max_examples=300)
def test_confirmation_counts_the_shingles_of_the_text(rows, width, data):
    made = canonical_rows(flat([b"".join(b"".join(piece) for piece in row).decode() for row in rows]))
    index = st.integers(0, len(rows) - 1)
    pairs = data.draw(
        st.lists(st.tuples(index, index), min_size=1, max_size=6).map(
            lambda drawn: sorted(drawn, key=lambda pair: pair[1])
        )
    )
    ones, others = (np.array(column, np.int64) for column in zip(*pairs, strict=True))
    shared, union = np.empty(len(pairs), np.int64), np.empty(len(pairs), np.int64)
    confirming.confirm(made.text_B, made.begins_D, made.ends_D, ones, others, width, shared, union)
    words = [[word for word, _ in row] for row in rows]
    assert list(zip(shared.tolist(), union.tolist(), strict=True)) == [
        slow.confirm(words[one], words[other], width) for one, other in pairs
    ]


def laid_out(texts):
    """Texts one behind the other, with room to look beyond the last, and where each begins and ends."""
    ends = np.cumsum([0, *map(len, texts)])
    return np.frombuffer(b"".join(texts) + bytes(64), np.uint8), ends[:-1].copy(), ends[1:].copy()


some_bytes = st.binary(max_size=8) | st.integers(60, 140).map(lambda size: bytes(range(size)))


@given(st.lists(some_bytes, max_size=8), st.randoms())
def test_lines_are_the_rows_each_with_its_end(rows, draw):
    text, begins, ends = laid_out(rows)
    order = draw.sample(range(len(rows)), len(rows))
    out = np.empty(len(text) + len(rows), np.uint8)
    size = lines.lines(text, begins[order], ends[order], out)
    assert out[:size].tobytes() == slow.lines([rows[at] for at in order])


@given(
    st.lists(some_bytes, min_size=4, max_size=4),
    st.lists(st.tuples(some_bytes, st.integers(0, 2**63 - 1) | st.integers(0, 101), some_bytes), max_size=6),
)
def test_a_form_is_filled_with_the_values_of_each_row(parts, rows):
    form, _, form_ends = laid_out(parts)
    text, text_begins, text_ends = laid_out([row[0] for row in rows])
    raw, raw_begins, raw_ends = laid_out([row[2] for row in rows])
    numbers = np.array([row[1] for row in rows], np.int64)
    firsts = np.stack([text_begins, numbers, raw_begins], axis=1).reshape(-1)
    ends = np.stack([text_ends, numbers, raw_ends], axis=1).reshape(-1)
    kinds = np.array([lines.STRING, lines.NUMBER, lines.ROW])
    out = np.empty(len(text) + len(raw) + len(rows) * (19 + len(form)) + 64, np.uint8)
    size = lines.filled(form, form_ends, text, kinds, firsts, ends, raw, out)
    assert out[:size].tobytes() == slow.filled(parts, rows)


@given(st.integers(1, 20), st.data())
def test_connected_sets_have_the_least_of_them_as_their_root(rows, data):
    index = st.integers(0, rows - 1)
    pairs = data.draw(st.lists(st.tuples(index, index), max_size=20))
    ones, others = (np.array([pair[i] for pair in pairs], np.int32) for i in range(2))
    roots = np.arange(rows, dtype=np.int32)
    choosing.connect(ones, others, roots)
    assert roots.tolist() == slow.components(rows, pairs)


def test_a_word_of_a_million_letters_and_a_row_of_one_word_repeated_are_no_trouble():
    row = ["ha " * 100_000, "x" * 1_000_000, "X" * 1_000_000, ""]
    hashes, counts = hashed(flat(row), 5)
    assert counts.tolist() == [99_996, 1, 1, 0]
    assert hashes[-1] == hashes[-2] == slow.shingles([b"x" * 1_000_000], 5)[0]
    assert len(set(hashes[:99_996].tolist())) == 1


@pytest.mark.parametrize("length", [7, 8, 9, 15, 16, 17, 24, 63, 64, 65, 127, 128, 200])
def test_words_end_at_every_place_of_a_block(length):
    token = bytes(97 + at % 26 for at in range(length))
    text = np.frombuffer(token + bytes(64), np.uint8).copy()
    out = np.empty(4, np.uint64)
    assert hashing.words(text, 0, length, out) == 1
    assert int(out[0]) == slow.word(token)
