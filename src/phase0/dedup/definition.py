"""What a near-duplicate is: which text of a row is compared, in which pieces, and at which Jaccard similarity.

Everything is decided in integers: J >= p/q means shared * q >= union * p, so that 0.8 is 4/5 and nothing near it.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Literal, get_args

from phase0.errors import UsageError

On = Literal["both", "instruction", "response"]

_FINEST = 1_000_000  # largest denominator: size * q stays inside int64 for any row that fits in memory


def text_of(instruction: str, response: str | None, on: On = "both") -> str:
    """The text of a row that is compared. A row that has no response yet is compared by its instruction."""
    if on == "instruction":
        return instruction
    if on == "response":
        return response or ""
    if on != "both":
        raise UsageError(f"Rows can be compared on {', '.join(get_args(On))}, not on {on!r}.")
    return f"{instruction}\n{response or ''}"


def ratio(threshold: str | float | Decimal | Fraction) -> Fraction:
    """The threshold as the fraction that its decimal digits say: "0.8", and the float 0.8 too, are exactly 4/5."""
    try:
        exact = threshold if isinstance(threshold, Fraction) else Fraction(Decimal(str(threshold)))
    except (InvalidOperation, ValueError, OverflowError) as error:
        raise UsageError(f"The threshold is {threshold!r}, not a number.") from error
    if not 0 < exact <= 1:
        hint = f" Did you mean {float(exact) / 100:g}?" if 1 < exact <= 100 else ""
        raise UsageError(f"The threshold is {threshold}, not above 0 and at most 1.{hint}")
    if exact.denominator > _FINEST:
        raise UsageError(f"The threshold {threshold} is finer than a millionth. Give at most 6 decimals.")
    return exact


def checked_width(shingle: int) -> int:
    """The number of words in a shingle, or UsageError."""
    if shingle < 1:
        raise UsageError(f"A shingle of {shingle} words holds nothing. Use 1 or more; 5 is usual.")
    return shingle
