"""Answers that stop before they end: in the middle of a sentence, a list item or a block of code."""

from __future__ import annotations

from collections.abc import Iterator

from phase0.scoring.evidence.reading import Finding, Reading
from phase0.text import terms

_DANGLING = terms(
    """
    the a an and or but of to in on at for with from by as is are was were be that which who because if when while
    than into their its his her your my our this these those such so not has have had will would can could should
    may
    """
)
_CLOSERS = "\"')]}*_`»”’ \t\n"
_ENDS = frozenset(".!?…:;。！？।|>~-=%/\\°™®©£$€²³")


def find(reading: Reading) -> Iterator[Finding]:
    """An open fence, a dangling word, or prose without an end mark."""
    if reading.open_fence:
        yield Finding("correctness", "truncated", -1.5, "open code fence")
        yield Finding("clarity", "truncated", -1.5, "open code fence")
        yield Finding("helpfulness", "truncated", -1, "open code fence")
        return
    if len(reading.words) < 10 or reading.blocks:
        return
    text = reading.response.rstrip()
    last_line = text[text.rfind("\n") + 1 :].strip()
    bare = text.rstrip(_CLOSERS)
    if not bare or bare[-1] in _ENDS or not (bare[-1].isalnum() or bare[-1] in ",-"):
        return
    last = reading.words[-1]
    if bare[-1] == "," or last in _DANGLING:
        yield from _cut(f"ends with {',' if bare[-1] == ',' else last}", 1.0)
    elif (
        len(last_line) > 60
        and last.isascii()
        and not bare[-1].isdigit()
        and last_line[0] not in "-*•|#{<0123456789"
        and "#" not in last_line
        and ". " in text
    ):
        yield from _cut("no end mark", 0.6)


def _cut(detail: str, weight: float) -> Iterator[Finding]:
    yield Finding("clarity", "truncated", -1.5 * weight, detail)
    yield Finding("helpfulness", "truncated", -1.5 * weight, detail)
    yield Finding("correctness", "truncated", -1 * weight, detail)
