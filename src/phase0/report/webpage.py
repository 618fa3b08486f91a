"""The report as one page of HTML: no script, no request, and nothing in it means more than its letters.

Every value goes through two doors on its way into the template: what a screen does not show is spelled out, and what
HTML means something by is escaped. Only charts and the style sheet, which are made here, go in as they are.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

import msgspec

from phase0.report.charts import bin_of
from phase0.report.clusters import Member
from phase0.report.differences import differences
from phase0.report.drawing import Drawn
from phase0.report.escape import lines, visible
from phase0.report.numbers import Numbers
from phase0.report.rows import UNREAD
from phase0.report.shown import Part
from phase0.report.student import told
from phase0.report.text import (
    REHEARSAL,
    amount,
    bytes_of,
    contamination_rows,
    duration,
    near,
    read_from,
    remaining_duplicates,
)
from phase0.stages.statistics import share

if TYPE_CHECKING:
    from jinja2 import Environment

_LONGEST = 4000  # characters of any one value; texts of rows are cut to less where they are gathered


def webpage(numbers: Numbers, charts: Sequence[Drawn]) -> str:
    """The whole page."""
    from markupsafe import Markup

    style = _file("report.css")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return (
        _environment()
        .get_template("report.html")
        .render(
            numbers=numbers,
            checked=numbers.verification,
            seen=numbers.seen or UNREAD,
            charts={chart.name: Markup(chart.svg) for chart in charts},  # noqa: S704 - rebuilt from known elements
            ledger=numbers.licenses,
            style=Markup(style),  # noqa: S704 - our own file
            style_digest=digest,
            seconds=_seconds(numbers),
            settings=[
                (stage, msgspec.json.format(msgspec.json.encode(stage.settings)).decode()) for stage in numbers.stages
            ],
            versions=sorted({item for stage in numbers.stages for item in stage.versions.items()}),
            **_words(numbers),
        )
    )


def _words(numbers: Numbers) -> dict[str, Any]:
    """What the other pages of the report say in the same words."""
    checked = numbers.verification
    return {
        "rehearsal": REHEARSAL,
        "duplicates": remaining_duplicates(checked.duplicates) if checked else None,
        "read_from": read_from(checked) if checked else None,
        "paid": [stage for stage in numbers.cost.stages if stage.who or stage.usd != "0"],
        "contamination": contamination_rows(numbers.contamination),
        "failed": [item.name for item in checked.criteria if item.failed] if checked else [],
        "students": [line for scores in numbers.scores if scores.student for line in told(scores.student)],
    }


def _seconds(numbers: Numbers) -> Mapping[str, float]:
    seconds: dict[str, float] = {}
    for stage in numbers.stages:
        seconds[stage.stage] = seconds.get(stage.stage, 0.0) + stage.seconds
    return seconds


@cache  # to compile the template takes longer than to fill it in
def _environment() -> Environment:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    env = Environment(
        loader=FunctionLoader(_file),
        autoescape=True,
        finalize=_shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters |= {
        "rows": lambda rows: f"{rows:,}",
        "percent": lambda part: f"{part:.1%}",
        "points": lambda points: f"{points:+.1f}",
        "score": lambda score: "–" if score is None else f"{score:.2f}",
        "usd": amount,
        "cents": _cents,
        "name": lambda text: visible(str(text), 120),
        "duration": duration,
        "bytes": bytes_of,
        "near": near,
        "bin": bin_of,
    }
    env.globals |= {"share": share, "compared": _compared, "cut": _cut}
    return env


def _cents(usd: str) -> str:
    """Dollars as a headline has them: below one of them to a hundredth of a cent."""
    dollars = Decimal(usd)
    return f"${dollars:,.4f}" if 0 < dollars < 1 else f"${dollars:,.2f}"


def _file(name: str) -> str:
    return (resources.files("phase0.report") / "page" / name).read_text(encoding="utf-8")


def _shown(value: Any) -> Any:
    """The first door. What is markup already is ours; a number has no letters to fear."""
    if hasattr(value, "__html__") or isinstance(value, (int, float)):
        return value
    text = "" if value is None else str(value)
    return lines(text[:_LONGEST]) + ("…" if len(text) > _LONGEST else "")


def _cut(part: Part) -> str:
    """The note under a text that is not shown to its end."""
    more = part.characters - len(part.text)
    return f"cut: {more:,} more of {part.characters:,} characters" if more > 0 else ""


def _compared(kept: Sequence[Part], member: Member) -> list[dict[str, Any]]:
    """The texts of two rows side by side, those of a name together."""
    ours, theirs = {part.name: part for part in kept}, {part.name: part for part in member.parts}
    found = []
    for name in dict.fromkeys((*ours, *theirs)):
        one, other = ours.get(name, Part(name, "", 0)), theirs.get(name, Part(name, "", 0))
        left, right = differences(one.text, other.text)
        texts = {"name": name, "kept": left, "gone": right, "kept_cut": _cut(one), "gone_cut": _cut(other)}
        found.append(texts | {"same": one == other and not _cut(one)})
    return found
