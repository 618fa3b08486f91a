"""Rows with the verdicts of models: judges are asked for what the ledger lacks, then rows are written from it alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from phase0.dataset import BadRow
from phase0.exchanges.rubric import Verdict, combined
from phase0.progress import SILENT, Progress
from phase0.records import Record, Request, encode
from phase0.stages.buying import Spent, Submitted, agree, buy, can_be_asked
from phase0.stages.hearing import Seat, another, worth_another
from phase0.stages.judges import Judge, kinship
from phase0.stages.means import Asking, Means
from phase0.stages.output import StageOutput, stage_output
from phase0.stages.parts import Kept, Key, Lost, bad_row, numbered
from phase0.stages.score_figures import figures
from phase0.stages.verdicts import Judged, Rule, decided

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from phase0.gateway.estimate import Ask

    Mine: TypeAlias = npt.NDArray[np.bool_]  # (lines of all inputs,)

_TOGETHER = 512  # rows whose verdicts are looked up together

Item: TypeAlias = BadRow | tuple[int, bytes, Record]
Others = Callable[[int], Judged | None]
"""The verdict about a line that the judges were not asked about, by its number; None where they were."""


def judge_and_write(
    paths: Sequence[Path],
    output: Path,
    judges: Sequence[Judge],
    rule: Rule,
    asking: Asking,
    *,
    settings: dict[str, Any],
    progress: Progress,
) -> None:
    """Have judges asked about the rows of files, and write those that they score above the threshold."""
    from phase0.stages.asking import ledger_of, seldom_collected

    with stage_output("score", output, paths, settings) as out, ledger_of(asking.workspace) as ledger:
        bench = [Seat(judge, ledger) for judge in judges]
        kin = Kin(judges, progress)
        buy_verdicts(out.inputs, bench, kin, asking, progress=progress)
        with seldom_collected():
            write_judged(out, bench, rule, kin, progress)


def buy_verdicts(
    paths: Sequence[Path],
    bench: Sequence[Seat],
    kin: Kin,
    asking: Asking,
    *,
    mine: Mine | None = None,
    progress: Progress,
) -> None:
    """Have judges asked for what the ledger lacks about the lines that are `mine`; None: about all of them."""
    _agree(paths, mine, bench, asking)
    _each(bench, partial(_asked, paths, mine, kin), asking, progress)
    if asking.means.retry_failed:
        _each(bench, partial(_further, paths, mine), asking, progress)


def verdicts_of(paths: Sequence[Path], bench: Sequence[Seat], rule: Rule, mine: Mine) -> Iterator[tuple[int, Judged]]:
    """What the judges said of the lines that are `mine` and that they were asked about, with the number of each."""
    lines = _lines(paths, mine)
    while part := list(islice(lines, _TOGETHER)):
        verdicts = _verdicts([record for _, record in part], bench, rule, Spent())
        yield from zip((at for at, _ in part), verdicts, strict=True)


def all_judged(paths: Sequence[Path], judges: Sequence[Judge], asking: Asking) -> bool:
    """Whether the ledger has every answer about the rows of files."""
    from phase0.stages.asking import ledger_of

    with ledger_of(asking.workspace) as ledger:
        seats = [Seat(judge, ledger) for judge in judges]
        silent = Kin((), SILENT)
        known = (seat.shop.answers.each(_asked(paths, None, silent, seat)) for seat in seats)
        return not any(answer.open for answers in known for answer in answers)


class Kin:
    """Warns, once for each, of sources that a judge is akin to."""

    def __init__(self, judges: Iterable[Judge], progress: Progress) -> None:
        self._judges, self._progress = list(judges), progress
        self._seen: set[str] = set()

    def meet(self, source: str) -> None:
        if source in self._seen:
            return
        self._seen.add(source)
        for judge in self._judges:
            if told := kinship(judge.model, source):
                self._progress.warn(told)


def _agree(paths: Sequence[Path], mine: Mine | None, bench: Sequence[Seat], asking: Asking) -> None:
    """Tell what the judges will cost, unless a budget bounds it."""
    if not all(can_be_asked(seat.judge.model, asking.means) for seat in bench):
        return  # nothing can be missing, then
    wanted = _Wanted(bench, again=asking.means.retry_failed)
    agree(wanted.of(_records(paths, mine)), partial(wanted.asks, asking.means), asking.means, own_answers=True)


class _Wanted:
    """The rows that judges are still to be asked about, and how many questions about them each is asked."""

    def __init__(self, bench: Sequence[Seat], *, again: bool) -> None:
        self._bench, self._again = bench, again
        self._rows, self._questions = 0, [0] * len(bench)

    def of(self, records: Iterator[Record]) -> Iterator[Record]:
        """Those rows; all that is counted is known when the last has come."""
        out = [seat.shop.answers.out() for seat in self._bench]
        while part := list(islice(records, _TOGETHER)):
            by_seat = [seat.to_ask(part, gone, again=self._again) for seat, gone in zip(self._bench, out, strict=True)]
            self._questions = [had + sum(more) for had, more in zip(self._questions, by_seat, strict=True)]
            for record, counts in zip(part, zip(*by_seat, strict=True), strict=True):
                if any(counts):
                    self._rows += 1
                    yield record

    def asks(self, means: Means) -> list[Ask]:
        """Every judge, with as many questions to a row as there are on average."""
        from phase0.stages.estimating import ask_of

        shares = [Decimal(100 * asked) / max(1, self._rows) for asked in self._questions]
        return [
            ask_of(seat.judge.name, means, share=share, judges=True)
            for seat, share in zip(self._bench, shares, strict=True)
        ]


def _each(bench: Sequence[Seat], requests: Callable[[Seat], Iterator[Request]], asking: Asking, at: Progress) -> None:
    """Have every judge asked for what the ledger lacks of its requests."""
    submitted = Submitted()
    for seat in bench:
        with submitted.by(seat.judge.name):
            buy(seat.shop, partial(requests, seat), asking, progress=at)
    submitted.tell()


def _lines(paths: Sequence[Path], mine: Mine | None) -> Iterator[tuple[int, Record]]:
    """The lines that judges may be asked about, with their numbers."""
    for at, (_, item) in enumerate(numbered(paths)):
        if not isinstance(item, BadRow) and (mine is None or mine[at]):
            yield at, item[2]


def _records(paths: Sequence[Path], mine: Mine | None) -> Iterator[Record]:
    return (record for _, record in _lines(paths, mine))


def _asked(paths: Sequence[Path], mine: Mine | None, kin: Kin, seat: Seat) -> Iterator[Request]:
    """Every question to one judge."""
    for record in _records(paths, mine):
        kin.meet(record.source)
        yield from seat.rubric.ask(record)


def _further(paths: Sequence[Path], mine: Mine | None, seat: Seat) -> Iterator[Request]:
    """One more try of every question whose answer is no verdict; of rows that ask the same, one."""
    met: set[str] = set()
    records = _records(paths, mine)
    while part := list(islice(records, _TOGETHER)):
        questions = [seat.rubric.ask(record) for record in part]
        for some, heard in zip(questions, seat.hear(part, questions), strict=True):
            for request, one in zip(some, heard, strict=True):
                if worth_another(one) and request.key not in met:
                    met.add(request.key)
                    yield another(request, one.tries + 1)


def write_judged(
    out: StageOutput,
    bench: Sequence[Seat],
    rule: Rule,
    kin: Kin,
    progress: Progress,
    *,
    others: Others | None = None,
) -> None:
    """Write rows with their verdicts, some hundred at a time, in input order."""
    progress.start("write judged rows", None)
    tally, spent = Counter[Key](), Spent()
    for seat in bench:
        seat.states.clear()
    rows = enumerate(numbered(out.inputs))
    while part := list(islice(rows, _TOGETHER)):
        given = [others(at) if others else None for at, _ in part]
        to_judge = [_to_judge(item) if told is None else None for (_, (_, item)), told in zip(part, given, strict=True)]
        heard = _verdicts([record for record in to_judge if record is not None], bench, rule, spent)
        for (_, (number, item)), told in zip(part, given, strict=True):
            outcome = _outcome(item, told, heard, rule, kin)
            out.sums[number].read += 1
            tally.update(outcome.tally)
            if isinstance(outcome, Kept):
                out.keep(outcome.raw, number)
            else:
                line = item.line if isinstance(item, BadRow) else item[0]
                out.drop(outcome.raw, line=line, reason=outcome.reason, evidence=outcome.evidence, file=number)
        progress.advance(len(part))
    progress.finish()
    out.cost_usd = spent.usd
    out.figures = figures(tally) | {"tokens_in": spent.tokens_in, "tokens_out": spent.tokens_out}
    if len(bench) > 1:
        out.figures["judges"] = {seat.judge.model.model: dict(sorted(seat.states.items())) for seat in bench}


def _to_judge(item: Item) -> Record | None:
    """The row, if there is something to judge."""
    return None if isinstance(item, BadRow) or item[2].response is None else item[2]


def _outcome(item: Item, told: Judged | None, heard: Iterator[Judged], rule: Rule, kin: Kin) -> Kept | Lost:
    """What becomes of a row: by what was `told` of it, else by what is `heard` next."""
    if isinstance(item, BadRow):
        return bad_row(item)
    record = item[2]
    if record.response is None:
        return Lost(encode(record), 0, "no_response", {})
    kin.meet(record.source)
    return decided(record, told or next(heard), rule)


def _verdicts(records: Sequence[Record], bench: Sequence[Seat], rule: Rule, spent: Spent) -> Iterator[Judged]:
    """What all judges together say of some records. What that cost is added up before the first is given."""
    heard_by = []
    for seat in bench:
        questions = [seat.rubric.ask(record) for record in records]
        heard = seat.hear(records, questions)
        for some, each in zip(questions, heard, strict=True):
            spent.add(some, [one.answer for one in each])
        heard_by.append(heard)
    return (
        _together([seat.judged(record, heard[row]) for seat, heard in zip(bench, heard_by, strict=True)], bench, rule)
        for row, record in enumerate(records)
    )


def _together(verdicts: Sequence[Verdict], bench: Sequence[Seat], rule: Rule) -> Judged:
    """The verdict of all judges."""
    judges = tuple(seat.judge.model.model for seat in bench)
    if len(verdicts) == 1:
        return Judged(verdicts[0], judges)
    panel = combined(verdicts, rule.weights)
    return Judged(panel.verdict, judges, panel.disagreement)
