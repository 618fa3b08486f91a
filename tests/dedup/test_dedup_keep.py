"""The greedy choice: every removal has a kept witness, the best there is."""

from __future__ import annotations

from fractions import Fraction

from phase0.dedup.jaccard import Overlap
from phase0.dedup.keep import by_rank, greedy

T = Fraction(4, 5)


class Table:
    """An index over overlaps that are written down."""

    def __init__(self, overlaps):
        self.overlaps = {frozenset(pair): counts for pair, counts in overlaps.items()}
        self.kept = []

    def near(self, one):
        pairs = [(other, self.overlaps.get(frozenset((one, other)))) for other in self.kept]
        return [Overlap(other, *counts) for other, counts in pairs if counts and Overlap(0, *counts).reaches(T)]

    def keep(self, one):
        self.kept.append(one)


def choose(order, table, *, set_of=None, confirm=None):
    set_of = set_of or list(range(len(order)))

    def by_table(row, other):
        if set_of[row] == set_of[other]:
            return Overlap(other, 1, 1)
        return Overlap(other, *table.overlaps.get(frozenset((set_of[row], set_of[other])), (0, 1)))

    return greedy(order, set_of, table, confirm or by_table, threshold=T)


def test_in_a_chain_the_end_that_resembles_no_kept_row_stays():
    table = Table({(0, 1): (9, 10), (1, 2): (9, 10)})
    assert choose([0, 1, 2], table) == [(1, 0, 9, 10)]


def test_a_chain_led_by_its_middle_keeps_the_middle_alone():
    table = Table({(0, 1): (9, 10), (1, 2): (9, 10)})
    assert choose([1, 0, 2], table) == [(0, 1, 9, 10), (2, 1, 9, 10)]


def test_a_removed_row_names_the_kept_row_it_resembles_most():
    table = Table({(0, 2): (8, 10), (1, 2): (9, 10)})
    assert choose([0, 1, 2], table) == [(2, 1, 9, 10)]


def test_of_two_equally_similar_kept_rows_the_better_one_is_named():
    table = Table({(0, 2): (8, 10), (1, 2): (4, 5)})
    assert choose([0, 1, 2], table) == [(2, 0, 8, 10)]
    table = Table({(0, 2): (8, 10), (1, 2): (4, 5)})
    assert choose([1, 0, 2], table) == [(2, 1, 4, 5)]


def test_rows_of_one_set_leave_the_best_of_them():
    assert choose([2, 0, 1], Table({}), set_of=[0, 0, 0]) == [(0, 2, 1, 1), (1, 2, 1, 1)]


def test_a_row_with_no_set_stays():
    assert choose([0, 1], Table({}), set_of=[-1, -1]) == []


def test_what_the_tokens_do_not_confirm_stays_and_the_next_witness_is_asked():
    def confirm(row, other):
        return Overlap(other, *((1, 2) if other == 1 else (8, 10)))

    table = Table({(0, 2): (8, 10), (1, 2): (9, 10)})
    assert choose([0, 1, 2], table, confirm=confirm) == [(2, 0, 8, 10)]
    assert choose([0, 1], Table({}), set_of=[0, 0], confirm=lambda row, other: Overlap(other, 1, 2)) == []


def test_order_is_by_rank_and_ties_prefer_the_earlier_row():
    assert list(by_rank(None, 3)) == [0, 1, 2]
    assert by_rank([(7.0, 3), (8.0, 1), (7.0, 9), (7.0, 3)], 4) == [1, 2, 0, 3]
