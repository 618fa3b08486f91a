"""Rows with the verdicts of models: judges are asked for what the ledger lacks, then rows are written from it alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

from phase0.dataset import BadRow
from phase0.exchanges.rubric import Verdict, combined
from phase0.progress import SILENT, Progress
from phase0.records import Record, Request, encode
from phase0.stages.buying import Spent, Submitted, agree, buy, can_be_asked
from phase0.stages.hearing import Seat, another, worth_another
from phase0.stages.judges import Judge, kinship
from phase0.stages.means import Asking
from phase0.stages.output import StageOutput, stage_output
from phase0.stages.parts import Kept, Key, Lost, bad_row, numbered
from phase0.stages.score_figures import figures
from phase0.stages.verdicts import Judged, Rule, decided

_TOGETHER = 512  # rows whose verdicts are looked up together

Item: TypeAlias = BadRow | tuple[int, bytes, Record]


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
    from phase0.stages.asking import ledger_of

    with stage_output("score", output, paths, settings) as out, ledger_of(asking.workspace) as ledger:
        bench = [Seat(judge, ledger) for judge in judges]
        kin = _Kin(judges, progress)
        _agree(out.inputs, bench, rule, asking)
        _each(bench, partial(_asked, out.inputs, kin), asking, progress)
        if asking.means.retry_failed:
            _each(bench, partial(_further, out.inputs), asking, progress)
        _write(out, bench, rule, kin, progress)


def all_judged(paths: Sequence[Path], judges: Sequence[Judge], asking: Asking) -> bool:
    """Whether the ledger has every answer about the rows of files."""
    from phase0.stages.asking import ledger_of

    with ledger_of(asking.workspace) as ledger:
        seats = [Seat(judge, ledger) for judge in judges]
        silent = _Kin((), SILENT)
        return not any(answer.open for seat in seats for answer in seat.shop.answers.each(_asked(paths, silent, seat)))


class _Kin:
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


def _agree(paths: Sequence[Path], bench: Sequence[Seat], rule: Rule, asking: Asking) -> None:
    """Tell what the judges will cost, unless a budget bounds it."""
    from phase0.stages.estimating import judge_asks

    if not all(can_be_asked(seat.judge.model, asking.means) for seat in bench):
        return  # nothing can be missing, then
    missing = bench[0].shop.answers.missing(_records(paths), _Bench(bench))
    agree(missing, lambda: judge_asks(rule.judges, rule.samples, asking.means), asking.means, own_answers=True)


class _Bench:
    """All judges as one: what is asked about a row by any of them."""

    def __init__(self, seats: Sequence[Seat]) -> None:
        self._seats = seats

    def ask(self, record: Record) -> list[Request]:
        return [request for seat in self._seats for request in seat.rubric.ask(record)]


def _each(bench: Sequence[Seat], requests: Callable[[Seat], Iterator[Request]], asking: Asking, at: Progress) -> None:
    """Have every judge asked for what the ledger lacks of its requests."""
    submitted = Submitted()
    for seat in bench:
        with submitted.by(seat.judge.name):
            buy(seat.shop, partial(requests, seat), asking, progress=at)
    submitted.tell()


def _records(paths: Sequence[Path]) -> Iterator[Record]:
    return (item[2] for _, item in numbered(paths) if not isinstance(item, BadRow))


def _asked(paths: Sequence[Path], kin: _Kin, seat: Seat) -> Iterator[Request]:
    """Every question to one judge."""
    for record in _records(paths):
        kin.meet(record.source)
        yield from seat.rubric.ask(record)


def _further(paths: Sequence[Path], seat: Seat) -> Iterator[Request]:
    """One more try of every question whose answer is no verdict; of rows that ask the same, one."""
    met: set[str] = set()
    records = _records(paths)
    while part := list(islice(records, _TOGETHER)):
        questions = [seat.rubric.ask(record) for record in part]
        for some, heard in zip(questions, seat.hear(part, questions), strict=True):
            for request, one in zip(some, heard, strict=True):
                if worth_another(one) and request.key not in met:
                    met.add(request.key)
                    yield another(request, one.tries + 1)


def _write(out: StageOutput, bench: Sequence[Seat], rule: Rule, kin: _Kin, progress: Progress) -> None:
    """Write rows with their verdicts, some hundred at a time, in input order."""
    progress.start("write judged rows", None)
    tally, spent = Counter[Key](), Spent()
    rows = numbered(out.inputs)
    while part := list(islice(rows, _TOGETHER)):
        for (number, item), outcome in zip(part, _outcomes(part, bench, rule, kin, spent), strict=True):
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


def _outcomes(
    part: Sequence[tuple[int, Item]], bench: Sequence[Seat], rule: Rule, kin: _Kin, spent: Spent
) -> Iterator[Kept | Lost]:
    """What becomes of each of these rows."""
    records = [item[2] for _, item in part if not isinstance(item, BadRow) and item[2].response is not None]
    heard_by = []
    for seat in bench:
        questions = [seat.rubric.ask(record) for record in records]
        heard = seat.hear(records, questions)
        for some, each in zip(questions, heard, strict=True):
            spent.add(some, [one.answer for one in each])
        heard_by.append(iter(heard))
    for _, item in part:
        if isinstance(item, BadRow):
            yield bad_row(item)
            continue
        record = item[2]
        if record.response is None:
            yield Lost(encode(record), 0, "no_response", {})
            continue
        kin.meet(record.source)
        verdicts = [seat.judged(record, next(heard)) for seat, heard in zip(bench, heard_by, strict=True)]
        yield decided(record, _together(verdicts, bench, rule), rule)


def _together(verdicts: Sequence[Verdict], bench: Sequence[Seat], rule: Rule) -> Judged:
    """The verdict of all judges."""
    judges = tuple(seat.judge.model.model for seat in bench)
    if len(verdicts) == 1:
        return Judged(verdicts[0], judges)
    panel = combined(verdicts, rule.weights)
    return Judged(panel.verdict, judges, panel.disagreement)
