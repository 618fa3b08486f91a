"""Networks of comparisons sort whatever there is: few values, the least and the greatest, every length of a row."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numba import njit

from phase0.dedup.kernels import instructions, slow, sorting

HIGHEST = 1 << 63
numbers = st.integers(0, 2**64 - 1)
some_numbers = (
    numbers
    | st.integers(0, 3)
    | st.sampled_from([0, 1, HIGHEST - 1, HIGHEST, HIGHEST + 1, 2**64 - 1])  # the least and greatest of either kind
)


@njit
def _sort64(keys, at):
    instructions.sort64(keys, at)


@njit
def _sort128(keys, at):
    instructions.sort128(keys, at)


@njit
def _merge64(keys, at):
    instructions.merge64(keys, at)


@njit
def _exchange64(keys, one, other):
    instructions.exchange64(keys, one, other)


@njit
def _exchange_mirrored64(keys, one, other):
    instructions.exchange_mirrored64(keys, one, other)


@njit
def _differing8(keys, one, other):
    return instructions.differing8(keys, one, other)


@njit
def _pack8(keys, at, chosen, turned, out, to):
    instructions.pack8(keys, at, chosen, turned, out, to)


@st.composite
def of_length(draw, length):
    """So many numbers: any, from few values, or in an order of their own."""
    if draw(st.booleans()):
        return draw(st.lists(some_numbers, min_size=length, max_size=length))
    drawn = np.random.default_rng(draw(st.integers(0, 2**32))).integers(0, draw(some_numbers) + 1, length, np.uint64)
    return draw(st.sampled_from([list, sorted, lambda them: sorted(them)[::-1]]))(drawn.tolist())


@pytest.mark.parametrize(("sort", "length"), [(_sort64, 64), (_sort128, 128)])
@given(data=st.data())
@settings(max_examples=40)
def test_a_block_is_sorted_as_python_sorts_signed_numbers(sort, length, data):
    block = data.draw(of_length(length))
    keys = np.array([7, *block, 7], np.uint64)
    sort(keys, 1)
    assert keys.tolist() == [7, *slow.ascending(block), 7]


def test_every_bitonic_block_of_two_values_is_merged_and_so_any_is():
    for high in range(65):  # a network that sorts all of zeros and ones sorts all (Knuth 5.3.4, theorem Z)
        for turned in range(64):
            block = np.roll(np.array([1] * high + [0] * (64 - high), np.uint64), turned)
            keys = np.concatenate([[np.uint64(7)], block, [np.uint64(7)]])
            _merge64(keys, 1)
            assert keys.tolist() == [7, *slow.ascending(block.tolist()), 7]


@given(of_length(64), of_length(64))
@settings(max_examples=40)
def test_numbers_of_two_blocks_are_exchanged_where_the_greater_is_first(one, other):
    for exchange, twin in ((_exchange64, slow.exchange64), (_exchange_mirrored64, slow.exchange_mirrored64)):
        for first, second in ((1, 66), (66, 1)):
            keys = np.array([7] * 131, np.uint64)
            keys[first : first + 64], keys[second : second + 64] = one, other
            exchange(keys, first, second)
            low, high = keys[first : first + 64].tolist(), keys[second : second + 64].tolist()
            assert (low, high) == twin(one, other)
            assert keys[[0, 65, 130]].tolist() == [7, 7, 7]


@given(st.lists(st.integers(0, 3), min_size=16, max_size=16), st.integers(0, 8), st.integers(0, 8))
def test_eight_numbers_are_compared_with_eight(keys, one, other):
    assert _differing8(np.array(keys, np.uint64), one, other) == slow.differing8(keys, one, other)


@given(st.lists(numbers, min_size=10, max_size=10), st.integers(0, 2), st.integers(0, 255), numbers)
@example([*range(10)], 1, 255, 3)  # all of them are stored at once
@example([*range(10)], 2, 0, 3)
def test_chosen_numbers_are_written_without_gaps_and_nothing_behind_them(keys, at, chosen, turned):
    out = np.full(10, 7, np.uint64)
    _pack8(np.array(keys, np.uint64), at, np.uint64(chosen), np.uint64(turned), out, 1)
    packed = slow.pack8(keys, at, chosen, turned)
    assert out.tolist() == [7, *packed, *[7] * (9 - len(packed))]


@pytest.mark.parametrize("length", [0, 1, 2, 7, 8, 9, 63, 64, 65, 128, 129, 190, 257, 500, 1100])
@given(data=st.data())
@settings(max_examples=10)
def test_a_row_of_any_length_is_sorted_and_what_is_repeated_told_once(length, data):
    row = data.draw(of_length(length))
    keys, out = np.array(row + [7] * 65, np.uint64), np.full(length + 2, 7, np.uint64)
    sorting.ascending(keys, length)
    assert keys[:length].tolist() == slow.ascending(row)
    assert keys[-1] == 7
    size = sorting.distinct(keys, length, out, 1)
    made = [key ^ HIGHEST for key in slow.distinct(slow.ascending(row))]
    assert out.tolist() == [7, *made, *[7] * (length + 1 - size)]


def test_a_row_of_every_number_of_blocks_is_sorted():
    draw = np.random.default_rng(1)
    for length in [*range(1, 700, 3), *range(1000, 9000, 401)]:
        row = draw.integers(0, 2**64, length, np.uint64, endpoint=False)
        keys = np.concatenate([row, np.zeros(64, np.uint64)])
        sorting.ascending(keys, length)
        assert np.array_equal(keys[:length].view(np.int64), np.sort(row.view(np.int64)))
