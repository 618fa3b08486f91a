"""Drop rows that hold questions of evaluation sets, and leave a certificate of what was checked and what was found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal, InvalidOperation
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypedDict, Unpack, get_args

import msgspec

from phase0.dataset import Manifest, Span, expand, file_digest, split
from phase0.dataset.containers import stem
from phase0.engine import Engine
from phase0.engine.local import Local
from phase0.errors import UsageError
from phase0.plan import FEWEST
from phase0.progress import SILENT, Progress, many
from phase0.records import digest
from phase0.stages.certificate import CERTIFICATE, Certificate, SetChecked
from phase0.stages.output import StageOutput, check_output, names, relative, stage_output
from phase0.stages.parts import SPAN, finished, join, parts_folder

if TYPE_CHECKING:
    from phase0.decontamination.questions import Counted, Question
    from phase0.stages.contamination import How, Tally

Side = Literal["prompt", "both"]
LEAST = 3  # words of a question: one with fewer says too little to be looked for
NORMALISATION = (
    "words: \\w+ of lower(NFC(text)), each character of a script without spaces by itself; variants: numbers left out"
)


class Overlap(TypedDict):
    """When a row holds a question: what decides the output of `decontaminate`."""

    ngram: int
    share: str | float | Decimal
    variants: str | float | Decimal
    common: int
    on: Side
    question: Sequence[str]
    choices: Sequence[str]


def decontaminate(
    inputs: Iterable[str | Path],
    output: str | Path,
    *,
    against: Iterable[str | Path],
    ngram: int = 13,
    share: str | float | Decimal = "0.5",
    variants: str | float | Decimal = "0.8",
    common: int = 10,
    on: Side = "both",
    question: Sequence[str] = (),
    choices: Sequence[str] = (),
    engine: Engine | None = None,
    progress: Progress = SILENT,
) -> Manifest:
    """Drop rows whose prompt (`on="both"`: or response) holds a question of the evaluation sets in `against`.

    A text holds a question of at least `ngram` words where it has the share `share` of the question's n-grams; a
    shorter one where it has all of its words in a row, below eight words only where it says nothing else. N-grams that
    more than ten questions share tell none apart, and those that more than `common` different prompts have without the
    rest of a question are phrases of the corpus: neither is evidence. With `variants` (0: without) a text also holds
    a question where the share `variants` of its words, numbers aside, stand in their order close together. Answers are
    never looked for, choices only behind a question that is shorter than an n-gram.

    Any layout of items is read; `question` and `choices` name their fields where those are not known ones. Kept rows
    leave as the bytes they came in; `X.meta/contamination.json` says what was checked. Raises DataError for a set that
    cannot be read to its end: a gap in it would be a gap in the certificate.
    """
    rule: Overlap = {
        "ngram": ngram,
        "share": share,
        "variants": variants,
        "common": common,
        "on": on,
        "question": question,
        "choices": choices,
    }
    check_rule(rule)
    paths, output = expand(inputs), Path(output)
    sets = expand(against)
    check_output(output, [*paths, *sets])
    if twice := {path.resolve() for path in paths} & {path.resolve() for path in sets}:
        raise UsageError(f"{min(twice)} is an input and also an evaluation set: all of its rows would go")
    settings = decontaminate_settings(output, against=sets, **rule)
    with stage_output("decontaminate", output, paths, settings) as out, parts_folder(out) as folder:
        out.looks_at(sets)
        certificate = _checked(out, sets, rule, folder, engine=engine or Local(1), progress=progress)
        out.figures = msgspec.to_builtins(certificate)
        out.tell(CERTIFICATE, certificate)
    return finished(output)


def check_rule(rule: Overlap) -> None:
    """Raise UsageError for a rule by which nothing can be found, or too much."""
    if rule["ngram"] < FEWEST:
        raise UsageError(
            f"an n-gram of {many(rule['ngram'], 'word')} is no evidence; use {FEWEST} or more, 13 is usual"
        )
    if rule["common"] < 1:
        raise UsageError(f"common is {rule['common']}; a phrase is common when at least 1 prompt has it")
    if rule["on"] not in get_args(Side):
        raise UsageError(f"questions can be looked for in {' or '.join(get_args(Side))}, not in {rule['on']!r}")
    if not 0 < _share("share", rule["share"]) <= 1:
        raise UsageError(f"share is {rule['share']}; it is above 0 and at most 1")
    if not 0 <= _share("variants", rule["variants"]) <= 1:
        raise UsageError(f"variants is {rule['variants']}; it is from 0 (without) to 1")


def _share(name: str, value: str | float | Decimal) -> Decimal:
    try:
        share = Decimal(str(value))
    except InvalidOperation:
        share = Decimal("NaN")
    if not share.is_finite():
        raise UsageError(f"{name} is {value!r}, not a number")
    return share


def decontaminate_settings(output: str | Path, *, against: Sequence[Path], **rule: Unpack[Overlap]) -> dict[str, Any]:
    """What a manifest says of how rows were checked: the rule, and the sets with their digests."""
    folder = Path(output).parent
    return {
        "ngram": rule["ngram"],
        "share": str(_share("share", rule["share"]).normalize()),
        "variants": str(_share("variants", rule["variants"]).normalize()),
        "common": rule["common"],
        "on": rule["on"],
        "question": list(rule["question"]),
        "choices": list(rule["choices"]),
        "against": [{"path": relative(path, folder), "digest": file_digest(path)} for path in against],
    }


class _Work(NamedTuple):
    """A span of an input, and where its parts go."""

    place: Path
    file: int
    span: Span


def _checked(
    out: StageOutput, sets: Sequence[Path], rule: Overlap, folder: Path, *, engine: Engine, progress: Progress
) -> Certificate:
    """Read the sets, go over all rows twice, and say what was found."""
    from phase0.decontamination.index import build, save
    from phase0.decontamination.questions import Fields, questions_of
    from phase0.dedup import load_kernels
    from phase0.stages import contamination

    width = rule["ngram"]
    load_kernels(progress, contamination.KERNELS)
    questions, counted = questions_of(sets, Fields(tuple(rule["question"]), tuple(rule["choices"])), width, LEAST)
    index = build(questions, width)
    place = folder / f"index-{digest(out.settings)}"
    save(index, place.with_suffix(".npz"))
    place.with_suffix(".json").write_bytes(msgspec.json.encode(questions))
    how = contamination.How(
        place=place,
        sets=_named(sets, out.path.parent),
        on=rule["on"],
        width=width,
        share=float(rule["share"]),
        variants=float(rule["variants"]),
    )
    spans = [(number, span) for number, path in enumerate(out.inputs) for span in split(path, SPAN)]
    work = [_Work(folder / f"{at:06}", number, span) for at, (number, span) in enumerate(spans)]
    rows = _searched(work, how, engine, progress)
    contamination.decide([one.place for one in work], rows, index, how, rule["common"])
    tally = _parted(out, work, how, engine, progress)
    return _certificate(out.settings, how.sets, questions, counted, tally, rows=sum(rows))


def _named(sets: Sequence[Path], folder: Path) -> tuple[str, ...]:
    """What evaluation sets are called: by their files, without what these end in where that tells them apart."""
    short = [stem(path) for path in sets]
    return tuple(short if len({*short}) == len(short) else names(sets, folder))


def _searched(work: Sequence[_Work], how: How, engine: Engine, progress: Progress) -> list[int]:
    """The first pass; how many rows each span has."""
    from phase0.stages.contamination import look

    total = None if any(one.span.rows is None for one in work) else sum(one.span.rows or 0 for one in work)
    progress.start("look for n-grams", total)
    found = []
    for rows in engine.map(partial(look, how), [(one.place, one.span) for one in work]):
        found.append(rows)
        progress.advance(rows)
    progress.finish()
    return found


def _parted(out: StageOutput, work: Sequence[_Work], how: How, engine: Engine, progress: Progress) -> Tally:
    """The second pass: rows are written to where they belong."""
    from phase0.stages.contamination import Tally, part

    total = None if any(one.span.rows is None for one in work) else sum(one.span.rows or 0 for one in work)
    progress.start("decontaminate", total)
    tally = Tally()
    items = [(one.place, out.names[one.file], one.span) for one in work]
    for one, checked in zip(work, engine.map(partial(part, how), items), strict=True):
        join(out, checked.part, one.file)
        tally.update(checked.tally)
        progress.advance(checked.part.sums.read)
    progress.finish()
    return tally


def _certificate(
    settings: dict[str, Any],
    sets: Sequence[str],
    questions: Sequence[Question],
    counted: Sequence[Counted],
    tally: Tally,
    *,
    rows: int,
) -> Certificate:
    held = Counter(place.set for number in tally.questions for place in questions[number].places)
    return Certificate(
        ngram=settings["ngram"],
        share=settings["share"],
        variants=settings["variants"],
        common=settings["common"],
        on=settings["on"],
        normalisation=NORMALISATION,
        rows=rows,
        contaminated=tally.rules.total(),
        by_rule=dict(sorted(tally.rules.items())),
        sets=tuple(
            SetChecked(name=name, digest=told["digest"], **count._asdict(), found=held[number], rows=tally.sets[number])
            for number, (name, told, count) in enumerate(zip(sets, settings["against"], counted, strict=True))
        ),
    )
