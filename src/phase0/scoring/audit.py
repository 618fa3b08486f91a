"""What a student may decide, and whether it has shown that it can: bands of doubt, bounds from an audit, the next step.

Everything here is arithmetic over what was measured. The audit speaks last: what the student thinks of itself chooses
the band, and rows that it never saw decide whether that was right.

Shapes: N rows, M rows of the audit.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

import msgspec

from phase0.errors import UsageError
from phase0.scoring.features import need

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from phase0.scoring.sampling import Mask

    Doubts: TypeAlias = npt.NDArray[np.float64]

Step = Literal["accept", "more labels", "full judge"]

_LIKELY = 1.2816  # standard deviations: nine in ten audits are passed, if the student knows itself
_WORTHWHILE = 0.05  # of the rows that the student must spare the judge to be worth its errors
USUALLY_IN_DOUBT = 0.45
"""Of the rows. On three sets of real labels it was 34 to 66 %, on the corpus with a judge that is made up 30 %, if 95 %
agreement was asked for: benchmarks/results/student.md."""
_AT_HALF = 2  # an audit is as long as it takes to pass with one part in so many of the errors that are allowed


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What a student is held to.

    Of all rows at least `agreement` must end, kept or dropped, as the judge would have ended them; the audit must show
    it with `confidence`. The judge labels `judge_share` of the rows at first and twice as many each time the audit is
    missed, in at most `rounds` rounds. The audit takes `audit_share` of the rows, or more where so few prove nothing.
    """

    agreement: float = 0.95
    confidence: float = 0.95
    judge_share: float = 0.1
    audit_share: float = 0.02
    rounds: int = 3

    @property
    def risk(self) -> float:
        """The chance to be wrong that each look at the audit may take: looking again does not add up to more than was
        agreed (Bonferroni)."""
        return (1 - self.confidence) / self.rounds


def check_terms(terms: Terms) -> None:
    """Raise UsageError for terms that mean nothing."""
    for name in ("agreement", "confidence", "judge_share"):
        if not 0 < getattr(terms, name) < 1:
            raise UsageError(f"{name} is {getattr(terms, name):g}; it is a share, above 0 and below 1")
    if not 0 <= terms.audit_share < 1:
        raise UsageError(f"audit_share is {terms.audit_share:g}; it is a share, from 0 to below 1")


class Findings(NamedTuple):
    """What an audit found, as if the judge had not seen its rows: so many were to go to the judge anyway, and of those
    that were the student's it kept some that the judge drops, and dropped some that the judge keeps."""

    rows: int
    doubtful: int
    kept: int
    wrongly_kept: int
    wrongly_dropped: int
    unread: int  # rows for which the judge gave no number: it keeps none of them

    @property
    def wrong(self) -> int:
        return self.wrongly_kept + self.wrongly_dropped


def compared(keeps_M: Mask, judge_keeps_M: Mask, doubtful_M: Mask, unread: int) -> Findings:  # noqa: N803
    """Hold a student's decisions against the judge's."""
    own = ~doubtful_M
    return Findings(
        rows=len(keeps_M),
        doubtful=int(doubtful_M.sum()),
        kept=int((own & keeps_M).sum()),
        wrongly_kept=int((own & keeps_M & ~judge_keeps_M).sum()),
        wrongly_dropped=int((own & ~keeps_M & judge_keeps_M).sum()),
        unread=unread,
    )


class Interval(NamedTuple):
    """A share, or a number, as it was seen, and between which it lies with some confidence."""

    seen: float
    low: float
    high: float

    def times(self, factor: float) -> Interval:
        return Interval(*(factor * value for value in self))


def interval(count: int, rows: int, risk: float) -> Interval:
    """The exact two-sided interval of a share by Clopper and Pearson (1934). Each side is wrong with risk / 2."""
    if not rows:
        return Interval(0.0, 0.0, 1.0)
    return Interval(count / rows, lowest(count, rows, risk / 2), highest(count, rows, risk / 2))


def highest(count: int, rows: int, risk: float) -> float:
    """The share below which the true one lies but for `risk`, if `count` of `rows` were seen (Clopper and Pearson)."""
    if count >= rows:
        return 1.0
    return float(need("scipy.special").betaincinv(count + 1, rows - count, 1 - risk))


def lowest(count: int, rows: int, risk: float) -> float:
    """The share above which the true one lies but for `risk`."""
    return 1 - highest(rows - count, rows, risk)


class Draw(NamedTuple):
    """How an audit was drawn: `audited` of the `open` rows, which are all `rows` but the first labels."""

    rows: int
    open: int
    audited: int


def agreement(wrong: int, draw: Draw, risk: float) -> float:
    """The share of all rows that end as the judge would have them, at least, but for `risk`: if so many of the audit's
    rows would have ended otherwise.

    Those that were audited do not, for the judge has seen them; nor do those that it labelled.
    """
    return 1 - (draw.open * highest(wrong, draw.audited, risk) - wrong) / draw.rows


def allowed(draw: Draw, terms: Terms) -> int:
    """How many errors an audit may show and still be passed; -1 where not even none would do."""
    from bisect import bisect_left

    def fails(wrong: int) -> bool:
        return agreement(wrong, draw, terms.risk) < terms.agreement

    return bisect_left(range(draw.audited), True, key=fails) - 1


def audit_rows(rows: int, terms: Terms) -> int:
    """How many rows are audited: the share that was agreed, or as many as it takes to pass with half the errors that
    are allowed. That many may be more than there are."""
    wanted = 1 - terms.agreement
    fewest = 16
    while highest(round(fewest * wanted / _AT_HALF), fewest, terms.risk) > wanted:
        fewest += max(1, fewest // 16)
    return max(fewest, round(rows * terms.audit_share))


def band(doubts_N: Doubts, draw: Draw, labels: int, terms: Terms) -> Mask:  # noqa: N803
    """Of the open rows those that are left to the judge: as few of the most doubtful as leave an error rate that the
    audit will probably pass.

    A row's doubt is the chance that the judge would decide otherwise, so the errors to be expected of some rows are the
    sum of their doubts. Equal doubts stay together.
    """
    import numpy as np

    rate = bearable(allowed(draw, terms), draw.audited, labels)
    order = np.argsort(doubts_N, kind="stable")
    affordable = int(np.searchsorted(np.cumsum(doubts_N[order]), rate * len(doubts_N), side="right"))
    if affordable == len(order):
        return np.zeros(len(order), np.bool_)
    return np.asarray(doubts_N >= doubts_N[order[affordable]])


def bearable(errors: int, audited: int, labels: int) -> float:
    """The error rate at which an audit will probably find no more than `errors` rows wrong.

    Wilson's lower bound (1927) of the rate that just passes, as if seen in as many rows as both samples are worth: the
    audit is a sample, and so are the labels from which the rate is foreseen.
    """
    if errors < 0:
        return 0.0
    worth = 1 / (1 / audited + 1 / labels)
    seen, spread = errors / audited, _LIKELY**2 / worth
    wide = _LIKELY * math.sqrt((seen * (1 - seen) + spread / 4) / worth)
    return max(0.0, (seen + spread / 2 - wide) / (1 + spread))


def next_step(number: int, stated: float | None, spared: float, terms: Terms) -> Step:
    """What follows from an audit that states an agreement (None: there was nothing to audit), where the student would
    spare the judge a share of the rows. Rounds count from 1."""
    if stated is not None and stated >= terms.agreement and spared >= _WORTHWHILE:
        return "accept"
    return "more labels" if number < terms.rounds else "full judge"


def judged_share(rows: int, terms: Terms) -> float:
    """The share of the rows that the judge is usually asked about: labels of one round, the audit, and the rows in
    doubt. All of them where there are too few for a student."""
    labels = math.ceil(rows * terms.judge_share)
    draw = Draw(rows, rows - labels, audit_rows(rows, terms))
    return min(1.0, (labels + draw.audited) / rows + USUALLY_IN_DOUBT) if rows and worthwhile(draw) else 1.0


def worthwhile(draw: Draw) -> bool:
    """Whether a student could spare the judge enough, were there no doubtful row."""
    return draw.open - draw.audited >= _WORTHWHILE * draw.rows
