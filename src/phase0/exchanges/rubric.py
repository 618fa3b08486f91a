"""Ask a model to judge a row, and read its verdict: four scores, or the reason why there are none.

Only the state `scored` carries numbers. What a judge sees is what the row says: not who said it, where it is from, or
what was thought of it before.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

from phase0.catalog.models import Teacher
from phase0.catalog.rubrics import wording
from phase0.exchanges.expected import tenths_of
from phase0.exchanges.framing import Part, framed, parts_of
from phase0.exchanges.sheet import LABELS, RESPONSE_FORMAT, OffFormError, read
from phase0.records import DIMENSIONS, Record, Reply, Request, Scores
from phase0.text import addressed, tokens

STATES = ("scored", "abstained", "unreadable", "refused", "failed")
"""A judge gave scores; said that it cannot; said something else, or not all of it; would not; or never answered."""

_CAP = 512  # max_tokens of a judge whose style states none: a sheet has 25 tokens
_TOLD = 200  # characters of a refusal
_QUOTED = 60  # of what a row says to its judge
_WARM = 1.0  # temperature of every sample but the first


class Verdict(NamedTuple):
    """What a judge made of a row. `scores` is None in every state but `scored`; `detail` is for a person.

    Reasons read `judge:code` or `judge:code:detail`.
    """

    state: str
    scores: Scores | None
    reasons: tuple[str, ...] = ()
    detail: str = ""


class Panel(NamedTuple):
    """The verdict of several judges, and the largest difference of their qualities; None of fewer than two."""

    verdict: Verdict
    disagreement: float | None


class Rubric:
    """One judge with the rubric of the catalogue. `samples` answers of it about a row are averaged."""

    def __init__(self, judge: Teacher, *, samples: int = 1) -> None:
        self._model = judge.model
        self._samples = samples
        self._wording = wording()
        self._system = self._wording.system
        self._params: dict[str, Any] = {
            "max_tokens": _CAP,
            **judge.style.params,
            "temperature": 0,
            "response_format": RESPONSE_FORMAT,
            "logprobs": True,
            "top_logprobs": len(LABELS),
        }

    @property
    def max_tokens(self) -> int:
        """The cap of every answer: the judge's own, since models that reason need room."""
        cap: int = self._params["max_tokens"]
        return cap

    def ask(self, record: Record) -> Sequence[Request]:
        """As many requests as samples; none about a row without a response.

        The parameters are the same wherever the judge is asked: a provider leaves out what its server does not know, so
        that the same question has the same identity everywhere. The first sample is drawn at temperature 0, so it is
        the one that a single question buys; the others have to differ, and are drawn at 1.
        """
        if record.response is None:
            return ()
        shown = framed(parts_of(record, self._wording.shown))
        messages = (("system", self._system), ("user", shown))
        return tuple(
            Request(model=self._model, messages=messages, params=self._drawn(draw), draw=draw)
            for draw in range(self._samples)
        )

    def judged(self, record: Record, replies: Sequence[Reply | None]) -> Verdict:
        """The verdict in the replies to a row's requests, in their order; None for a reply that never came.

        Scores are the means of the samples that were scored. Where fewer than half were, the verdict is the commonest
        of the others.
        """
        if not replies:
            return Verdict("abstained", None, (), "there is nothing to judge")
        verdict = _average([_read(reply) for reply in replies], "sample")
        said = _addresses(parts_of(record, self._wording.shown))
        return verdict._replace(reasons=(*verdict.reasons, f"judge:addressed:{said[:_QUOTED]}")) if said else verdict

    def _drawn(self, draw: int) -> dict[str, Any]:
        return self._params if draw == 0 else {**self._params, "temperature": _WARM, "seed": draw}


def combined(verdicts: Sequence[Verdict], weights: Mapping[str, Decimal | float] | None = None) -> Panel:
    """The verdict of a panel: the mean of each dimension over the judges that scored, if at least half of them did."""
    qualities = [quality(verdict.scores, weights) for verdict in verdicts if verdict.scores is not None]
    apart = round(max(qualities) - min(qualities), 1) if len(qualities) > 1 else None
    return Panel(_average(verdicts, "judge"), apart)


def quality(scores: Scores, weights: Mapping[str, Decimal | float] | None = None) -> float:
    """The mean of the four, weighed, and rounded half up to a tenth. A dimension without a weight weighs 1.

    Exact, so that equal weights give `Scores.mean()` on every machine. Raises ZeroDivisionError where nothing weighs.
    """
    if not weights:
        return scores.mean()
    shares = {name: Fraction(str(weights.get(name, 1))) for name in DIMENSIONS}
    tenths = sum(share * round(getattr(scores, name) * 10) for name, share in shares.items())
    rounded: int = math.floor(tenths / sum(shares.values()) + Fraction(1, 2))
    return rounded / 10


def _read(reply: Reply | None) -> Verdict:
    """One answer of a judge."""
    if reply is None:
        return Verdict("failed", None, (), "no reply")
    if reply.refusal or reply.finish_reason == "content_filter":
        return Verdict("refused", None, (), (reply.refusal or "content_filter")[:_TOLD])
    if reply.finish_reason not in ("stop", None):
        return Verdict("unreadable", None, (), f"the answer ended with {reply.finish_reason}")
    try:
        labels = read(reply.text).labels
    except OffFormError as error:
        return Verdict("unreadable", None, (), str(error))
    if labels is None:
        return Verdict("abstained", None, (), "the judge gave null for all four")
    tenths = tenths_of(labels, reply.text, reply.logprobs)
    return Verdict("scored", Scores(**{name: value / 10 for name, value in tenths.items()}))


def _average(verdicts: Sequence[Verdict], what: str) -> Verdict:
    """The mean of those that are scored, where at least half are; else the commonest of the other states."""
    if len(verdicts) == 1:
        return verdicts[0]
    reasons = dict.fromkeys(reason for verdict in verdicts for reason in verdict.reasons)
    scored = [verdict.scores for verdict in verdicts if verdict.scores is not None]
    missing = "" if len(scored) == len(verdicts) else f"{len(scored)} of {len(verdicts)} {what}s scored"
    if scored and 2 * len(scored) >= len(verdicts):
        if missing:
            reasons[f"judge:few_{what}s:{len(scored)}/{len(verdicts)}"] = None
        return Verdict("scored", _mean(scored), tuple(reasons), missing)
    states = Counter(verdict.state for verdict in verdicts if verdict.scores is None)
    state = max(states, key=lambda state: (states[state], -STATES.index(state)))
    why = next(verdict.detail for verdict in verdicts if verdict.state == state)
    return Verdict(state, None, tuple(reasons), f"{missing}: {why}")


def _mean(scored: Sequence[Scores]) -> Scores:
    """The mean of each dimension, rounded half up to a tenth."""
    sums = {name: sum(round(getattr(scores, name) * 10) for scores in scored) for name in DIMENSIONS}
    return Scores(**{name: (2 * total + len(scored)) // (2 * len(scored)) / 10 for name, total in sums.items()})


def _addresses(parts: Sequence[Part]) -> str:
    """What a row says to whoever judges it, as far as that is shown: its own words, or nothing.

    What was asked for excuses a response that speaks of judging; nothing excuses the other parts.
    """
    texts = [f"{part.head}\n{part.tail}".lower() for part in parts]
    words = [frozenset(tokens(text)) for text in texts]
    *before, response = zip(texts, words, strict=True)
    said = addressed(*response, asked=words[-2])
    return said or next(filter(None, (addressed(*part) for part in before)), "")
