"""The threshold as a fraction, and which text of a row is compared."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest

from phase0.dedup import ratio, text_of
from phase0.dedup.definition import checked_width
from phase0.errors import UsageError


@pytest.mark.parametrize("written", ["0.8", "0.80", ".8", 0.8, Decimal("0.8"), Fraction(4, 5)])
def test_a_threshold_of_0_8_is_exactly_four_fifths_however_it_is_written(written):
    assert ratio(written) == Fraction(4, 5)


def test_a_threshold_of_one_is_allowed():
    assert ratio("1") == ratio(1) == ratio(1.0) == 1


@pytest.mark.parametrize("written", ["0", "-0.1", "1.01", "80", "nan", "inf", "four fifths", "", Fraction(0)])
def test_a_threshold_that_is_no_share_is_refused_with_its_value(written):
    with pytest.raises(UsageError, match="threshold"):
        ratio(written)


def test_a_percentage_is_answered_with_the_share_that_was_meant():
    with pytest.raises(UsageError, match=r"Did you mean 0\.8\?"):
        ratio("80")


def test_a_threshold_too_fine_for_64_bit_integers_is_refused():
    with pytest.raises(UsageError, match="6 decimals"):
        ratio("0.12345678")


def test_a_shingle_of_no_words_is_refused():
    assert checked_width(1) == 1
    with pytest.raises(UsageError, match="0 words"):
        checked_width(0)


def test_rows_are_compared_on_instruction_and_response_or_on_one_of_them():
    assert text_of("Add 1 and 2.", "3") == "Add 1 and 2.\n3"
    assert text_of("Add 1 and 2.", "3", on="instruction") == "Add 1 and 2."
    assert text_of("Add 1 and 2.", "3", on="response") == "3"


def test_a_row_without_a_response_is_compared_by_what_it_has():
    assert text_of("Add 1 and 2.", None) == "Add 1 and 2.\n"
    assert text_of("Add 1 and 2.", None, on="response") == ""


def test_comparing_on_an_unknown_field_is_refused():
    with pytest.raises(UsageError, match="'source'"):
        text_of("a", "b", on="source")
