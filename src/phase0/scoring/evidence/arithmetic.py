"""Sums that the answer states: every `a + b = c` is computed exactly and compared, rounding allowed for.

Only what stands next to an equals sign is read, so the cost is bounded by the number of equals signs (at most 100).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction

from phase0.scoring.evidence.reading import Finding, Reading

_MAX_SUMS = 100
_LEFT, _RIGHT = 80, 30  # characters looked at on each side of an equals sign
_TAIL = re.compile(r"[\d.,+\-*/×÷·−()$€£% \tx]{3,80}\Z")
_RESULT = re.compile(r"[ \t]*(?:[$€£][ \t]?)?(-?[$€£]?\d[\d,]{0,20}(?:\.\d{1,12})?)([ \t]?%)?(?![\d/^*])")
_TOKEN = re.compile(r"\d[\d,]{0,20}(?:\.\d{1,12})?%?|\.\d{1,12}|[-+*/()]")
_PLAIN = re.compile(r" ?[\d.,]{1,20}(?: ?[-+*/×÷·−x] ?[\d.,]{1,20}){1,12} ?")
_MARKER = re.compile(r"(?:^|\n)[ \t]*(?:[-*•]|\d{1,3}[.)])[ \t]+")
_FRESH = re.compile(r"\A[.,]?[ \t]+")  # a sum after a comma or a full stop starts anew
_BAD_BEFORE = "^_\\[{<>~!"
_MAY_START = frozenset("0123456789$€£(.")
_WORD_BEFORE = re.compile(r"(?<![\\\w])[A-Za-z]{2,20}\Z")
_NO_SIGNS = {ord(sign): None for sign in ",$€£"}
# the result is the start of another expression or counts larger units: `= 3 + 4`, `= 3x`, `= 7 million`, `= 2 x 10^3`
_GOES_ON = re.compile(
    r"[ \t]{0,3}(?:[-+*/×÷·−^(]|x\b)|[A-Za-z]|[ \t]{0,3}(?:hundred|thousand|million|billion|trillion|dozen|k\b"
    r"|[xX×] ?10|mod\b|r(?:emainder)?\b)"
)
# powers of ten, percent of an unclear whole, 50 / 1/2, a decimal comma: what cannot be read for sure
_UNCLEAR = re.compile(r"10[-^]\d|\*\*|%[ \t]*[-+\d(]|[-+][^-+*/]{1,20}%|/[^-+*/()]{1,20}/|,\d(?!\d\d(?!\d))")


# a sum that is all of the question, and an answer that is little more than a number
_ASKED = re.compile(
    r"(?:what(?:'s| is)|calculate|compute|evaluate|how much is)[ \t]+([\d.,+\-*/×÷ ()]{3,60}?)[ \t]*[?=.]{0,3}\s*\Z",
    re.IGNORECASE,
)
_ANSWER = re.compile(r"\D{0,30}?(-?\d[\d,]{0,20}(?:\.\d{1,12})?)\D{0,10}\Z")
_LONGEST_ANSWER = 80  # characters: none that matches has more than 75


def find(reading: Reading) -> Iterator[Finding]:
    """Sums that hold and sums that do not."""
    if "=" not in reading.prose:
        missed = _missed(reading.ask.text, reading.prose)
        if missed is not None:
            yield Finding("correctness", "wrong_arithmetic", -4.0, missed, ceiling=3)
            yield Finding("helpfulness", "wrong_arithmetic", -4.0, missed, ceiling=3)
        return
    right, wrong = 0, []
    given = "".join(reading.ask.text.split())
    for claim, holds in sums(reading.prose):
        if not holds and claim in given:
            continue  # a puzzle's own rule
        if holds:
            right += 1
        else:
            wrong.append(claim)
    if wrong:
        share = len(wrong) / (len(wrong) + right)
        yield Finding("correctness", "wrong_arithmetic", -1.5 - 2 * share, wrong[0], ceiling=6.5)
        asked_for = reading.ask.wish.enough is not None  # a number was asked for: a wrong one is no help
        yield Finding("helpfulness", "wrong_arithmetic", (-1.5 - 2 * share) if asked_for else (-0.5 - share), wrong[0])
    elif right:
        yield Finding("correctness", "arithmetic_holds", min(1.2, 0.6 + 0.2 * right), str(right))
        yield Finding("helpfulness", "arithmetic_holds", min(0.8, 0.4 + 0.1 * right), str(right))


def _missed(asked: str, answer: str) -> str | None:
    """The sum that is asked for, with the wrong number that answers it; None where there is no such thing."""
    answer = answer.strip()
    if len(answer) > _LONGEST_ANSWER:
        return None
    sum_asked, given = _ASKED.search(asked[-200:]), _ANSWER.match(answer)
    if sum_asked is None or given is None or not any(sign in sum_asked[1] for sign in "+-*/×÷"):
        return None
    value = evaluate(sum_asked[1].strip())
    stated = given[1].translate(_NO_SIGNS)
    if value is None or _close(value, stated):
        return None
    return f"{''.join(sum_asked[1].split())}={given[1]}"


def sums(text: str) -> Iterator[tuple[str, bool]]:
    """Each sum that a text states, as (its words, whether it holds). What cannot be read for sure is passed over."""
    at = text.find("=")
    for _ in range(_MAX_SUMS):
        if at < 0:
            return
        claim = _claim(text, at)
        if claim is not None:
            yield claim
        at = text.find("=", at + 1)


def _claim(text: str, at: int) -> tuple[str, bool] | None:
    result = _RESULT.match(text, at + 1, at + 1 + _RIGHT)
    if result is None:
        return None
    further = _expression(text, at + 1) if _GOES_ON.match(text, result.end()) else ""
    before = text[max(0, at - _LEFT) : at]
    before = before[before.rfind("\n") + 1 :]
    left = None if further is None else _TAIL.search(before)
    if left is None or _is_part(before[: left.start()], left[0]):
        return None
    expression = _FRESH.sub("", _MARKER.sub("", left[0], count=1)).strip()
    value = evaluate(expression)
    if value is None:
        return None
    if further:
        other = evaluate(further)
        claim = f"{''.join(expression.split())}={''.join(further.split())}"
        return None if other is None else (claim, value == other or _nearly(value, other))
    if _UNCLEAR.search(result[1]):
        return None
    stated = result[1].translate(_NO_SIGNS)
    percent = result[2] is not None or "%" in expression
    holds = _close(value, stated) or (percent and _close(value * 100, stated))
    return f"{''.join(expression.split())}={result[1].rstrip(',')}{'%' * (result[2] is not None)}", holds


def _expression(text: str, at: int) -> str | None:
    """What stands between two equals signs, where it is all of a sum: `= 24 × 10 + 24 × 7 =`."""
    end = text.find("=", at, at + _LEFT)
    between = text[at:end] if end > 0 else ""
    return between.strip() if _PLAIN.fullmatch(between) else None


def _nearly(value: Fraction, other: Fraction) -> bool:
    """Within half a percent, where one of the two is not whole and so may have been rounded."""
    return value.denominator * other.denominator > 1 and 200 * abs(value - other) < abs(value)


def _is_part(before: str, expression: str) -> bool:
    """Whether a sum is only the tail of one: `2x + 3 = 7`, `4^2 + 1 = 17`, `a_1 + 2 = 5`, `\\cdot 5 + 1 = 9`."""
    if not before or expression[:2] in (". ", ", "):
        return False
    if before[-1] in _BAD_BEFORE or expression.lstrip()[:1] not in _MAY_START:
        return True
    return before[-1].isalnum() and (expression[0] not in " \t" or not _WORD_BEFORE.search(before))


def _close(value: Fraction, stated: str) -> bool:
    """Equal; where the exact value is not whole, rounded or cut to the stated digits, or within half a percent."""
    gap = abs(value - Fraction(stated))
    if value.denominator == 1:
        return gap == 0
    return gap < Fraction(1, 10 ** len(stated.partition(".")[2])) or 200 * gap < abs(value)


def evaluate(expression: str) -> Fraction | None:
    """The exact value of a plain sum with at least one operator, None if it is not one. Percent signs divide by 100."""
    for sign, plain in (
        ("×", "*"),
        ("÷", "/"),
        ("·", "*"),
        ("−", "-"),
        ("–", "-"),
        (" x ", " * "),
        ("$", ""),
        ("€", ""),
        ("£", ""),
    ):
        expression = expression.replace(sign, plain)
    if _UNCLEAR.search(expression):
        return None
    parts = _TOKEN.findall(expression)
    if (
        len(parts) < 3
        or not any(part in "+-*/" for part in parts)
        or len(parts) > 40
        or "".join(parts) != "".join(expression.split())
    ):
        return None
    try:
        value, rest = _sum(parts, 0)
    except (ValueError, ZeroDivisionError, IndexError):
        return None
    return value if rest == len(parts) else None


def _sum(parts: list[str], at: int) -> tuple[Fraction, int]:
    value, at = _product(parts, at)
    while at < len(parts) and parts[at] in "+-":
        term, after = _product(parts, at + 1)
        value, at = (value + term if parts[at] == "+" else value - term), after
    return value, at


def _product(parts: list[str], at: int) -> tuple[Fraction, int]:
    value, at = _factor(parts, at)
    while at < len(parts) and parts[at] in "*/":
        factor, after = _factor(parts, at + 1)
        value, at = (value * factor if parts[at] == "*" else value / factor), after
    return value, at


def _factor(parts: list[str], at: int) -> tuple[Fraction, int]:
    part = parts[at]
    if part == "-":
        value, at = _factor(parts, at + 1)
        return -value, at
    if part == "(":
        value, at = _sum(parts, at + 1)
        if parts[at] != ")":
            raise ValueError
        return value, at + 1
    number = Fraction(part.rstrip("%").replace(",", ""))
    return (number / 100 if part.endswith("%") else number), at + 1
