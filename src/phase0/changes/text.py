"""What changed as plain lines; of what is the same nothing is said. Safe for a terminal whatever rows hold. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from phase0.changes.found import (
    Changed,
    Changes,
    CostChanges,
    JudgedChange,
    RowChanges,
    RowPair,
    ScoreChanges,
    ShareChange,
    ShownRow,
    StageChange,
    Whereabouts,
)
from phase0.progress import many
from phase0.report.escape import visible
from phase0.report.text import amount, table

_MOST = 20  # lines of one table; --json has all
_VALUE = 60  # characters of a value


def render(found: Changes) -> str:
    """All that a person wants to read of a comparison."""
    sections = (
        _headline(found),
        _changed("Plan", found.plan),
        _changed("Settings and versions", found.settings),
        _sums(found.sums),
        _shares("Source of the answer", found.mix.sources),
        _shares("Teacher", found.mix.teachers),
        _shares("Category", found.mix.categories),
        *(_scores(found.scores) if found.scores else []),
        _criteria(found.criteria),
        _cost(found.cost) if found.cost else [],
        *_rows(found.rows),
        [f"Note: {visible(each.target)}: {visible(gap, 500)}" for each in (found.old, found.new) for gap in each.gaps],
    )
    return "\n\n".join("\n".join(lines) for lines in sections if lines)


def _headline(found: Changes) -> list[str]:
    if found.same:
        return [f"Nothing differs: {many(found.new.rows, 'row')} on both sides."]
    rows = found.rows
    parts = [
        f"{rows.same:,} are the same",
        f"{rows.rescored:,} have another score",
        f"{rows.answered:,} another answer",
        f"{rows.went:,} went",
        f"{rows.came:,} came",
    ]
    return [
        f"{visible(found.old.target)} → {visible(found.new.target)}",
        f"{found.old.rows:,} → {many(found.new.rows, 'row')}: {', '.join(parts)}.",
    ]


def _cut(lines: list[str], beyond: int) -> list[str]:
    return [*lines, f"  … and {beyond:,} more; --json has all"] if beyond > 0 else lines


def _changed(title: str, changed: Sequence[Changed]) -> list[str]:
    if not changed:
        return []
    rows = [(visible(each.key), _value(each.old), "→", _value(each.new)) for each in changed[:_MOST]]
    return _cut(table((title, "", "", ""), rows, right=False), len(changed) - _MOST)


def _value(value: Any) -> str:
    """A value of a plan as one short line."""
    if value is None:
        return "–"
    if isinstance(value, (list, tuple)) and len(value) > 3:
        return f"{len(value)} items"
    return visible(value if isinstance(value, str) else msgspec.json.encode(value).decode(), _VALUE)


def _sums(changed: Sequence[StageChange]) -> list[str]:
    if not changed:
        return []
    rows = [
        (
            visible(each.stage),
            visible(each.output, _VALUE),
            *(_both(each, part) for part in ("rows_in", "kept", "dropped")),
        )
        for each in changed
    ]
    lines = [*table(("Stage", "output", "in", "kept", "dropped"), rows)]
    reasons = list(_reasons(changed))
    return [*lines, *(table(("  dropped, by reason", "", "rows"), reasons) if reasons else [])]


def _both(changed: StageChange, part: str) -> str:
    return _counts(*(None if side is None else getattr(side, part) for side in (changed.old, changed.new)))


def _counts(old: int | None, new: int | None) -> str:
    if old == new:
        return f"{old:,}" if old is not None else "–"
    return f"{'–' if old is None else f'{old:,}'} → {'–' if new is None else f'{new:,}'}"


def _reasons(changed: Iterable[StageChange]) -> Iterator[tuple[str, str, str]]:
    for each in changed:
        before, after = (side.reasons if side else {} for side in (each.old, each.new))
        for reason in dict.fromkeys((*before, *after)):
            old, new = before.get(reason, 0), after.get(reason, 0)
            if old != new:
                yield visible(each.stage), visible(reason), _counts(old, new)


def _shares(title: str, changed: Sequence[ShareChange]) -> list[str]:
    if not changed:
        return []
    is_wanted = any(each.old_wanted is not None or each.new_wanted is not None for each in changed)
    rows = [
        (
            visible(each.name, _VALUE),
            _counts(each.old, each.new),
            f"{each.old_share:.1%} → {each.new_share:.1%}",
            *([f"{_percent(each.old_wanted)} → {_percent(each.new_wanted)}"] if is_wanted else []),
        )
        for each in changed[:_MOST]
    ]
    header = (title, "rows", "share", *(["wanted"] if is_wanted else []))
    return _cut(table(header, rows), len(changed) - _MOST)


def _percent(part: float | None) -> str:
    return "–" if part is None else f"{part:.1%}"


def _score(score: float | None) -> str:
    return "–" if score is None else f"{score:.2f}"


def _scores(changed: ScoreChanges) -> Iterator[list[str]]:
    rows = [
        (f"{float(each.key):g} to {float(each.key) + 0.5:g}", _counts(each.old, each.new)) for each in changed.histogram
    ]
    mean = f"  mean of the finished rows: {_score(changed.old_mean)} → {_score(changed.new_mean)}"
    yield [*table(("Score", "rows"), rows), mean]
    for judged in changed.judged:
        yield _judged(judged)


def _judged(changed: JudgedChange) -> list[str]:
    rows = [("rows with a score", _counts(changed.old_scored, changed.new_scored))]
    rows.append(("mean", f"{_score(changed.old_mean)} → {_score(changed.new_mean)}"))
    rows.append(("kept of them", f"{_percent(changed.old_accepted)} → {_percent(changed.new_accepted)}"))
    rows += [(f"mean {visible(each.key)}", f"{_score(each.old)} → {_score(each.new)}") for each in changed.dimensions]
    shown = changed.sources[:_MOST]
    rows += [(f"kept of {visible(each.key, 40)}", f"{_percent(each.old)} → {_percent(each.new)}") for each in shown]
    return _cut(table((f"Judged: {visible(changed.output)}", ""), rows), len(changed.sources) - _MOST)


def _criteria(changed: Sequence[Changed]) -> list[str]:
    rows = [(visible(each.key), _verdict(each.old), "→", _verdict(each.new)) for each in changed]
    return table(("Criterion", "", "", ""), rows, right=False) if rows else []


def _verdict(told: Any) -> str:
    return f"{told['state'].upper()}, {told['got']}; wanted {told['wanted']}" if told else "–"


def _cost(changed: CostChanges) -> list[str]:
    rows = [(visible(each.key), f"{_usd(each.old, '$0')} → {_usd(each.new, '$0')}") for each in changed.stages[:_MOST]]
    rows.append(("all stages", f"{_usd(changed.old_usd)} → {_usd(changed.new_usd)}"))
    if changed.old_budget_usd != changed.new_budget_usd:
        rows.append(("budget", f"{_usd(changed.old_budget_usd, 'none')} → {_usd(changed.new_budget_usd, 'none')}"))
    return table(("Cost", ""), rows)


def _usd(told: str | None, absent: str = "unknown") -> str:
    return absent if told is None else told if told == "unknown" else amount(told)


def _rows(found: RowChanges) -> Iterator[list[str]]:
    yield _ended("Went", found.went, found.went_to, found.first_went)
    yield _ended("Came", found.came, found.came_from, found.first_came)
    yield _pairs("Another score", found.rescored, found.first_rescored)
    yield _pairs("Another answer", found.answered, found.first_answered)


def _ended(title: str, rows: int, where: Sequence[Whereabouts], first: Sequence[ShownRow]) -> list[str]:
    """Rows of one side alone: where the other lost them, then the first of them."""
    if not rows:
        return []
    told = [
        (f"{visible(each.stage or '')}{': ' if each.stage else ''}{visible(each.reason)}", f"{each.rows:,}")
        for each in where
    ]
    on = "on the new side" if title == "Went" else "on the old side"
    lines = _cut(table((f"{title}: where they are {on}", "rows"), told[:_MOST]), len(told) - _MOST)
    for row in first:
        lines += _told(row)
    return lines


def _pairs(title: str, rows: int, first: Sequence[RowPair]) -> list[str]:
    if not rows:
        return []
    lines = [f"{title}: {many(rows, 'row')}"]
    for pair in first:
        old, new = pair.old, pair.new
        lines.append(f"  line {old.line} → {new.line}  {_by(old)} → {_by(new)}")
        lines.append(f"    asked: {visible(new.instruction)}")
        if old.response != new.response:
            lines += [f"    old: {visible(old.response)}", f"    new: {visible(new.response)}"]
    return lines


def _told(row: ShownRow) -> list[str]:
    own = f"  id {visible(row.id[:8])}" if row.id else ""
    why = f"  {visible(row.stage)}: {visible(row.reason or '')}" if row.stage else ""
    texts = [
        f"    asked: {visible(row.instruction)}",
        *([f"    answer: {visible(row.response)}"] if row.response else []),
    ]
    return [f"  line {row.line}{own}  {_by(row)}{why}", *texts]


def _by(row: ShownRow) -> str:
    score = "no score" if row.score is None else f"{row.score:g}"
    return f"{visible(row.source, 40) if row.source else 'no source'}, {score}"
