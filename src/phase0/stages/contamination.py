"""The two passes of decontamination over rows: what they hold of questions, and what becomes of each row.

A pass cuts files into spans as every stage does. Between them all is decided at once, since whether an n-gram is
evidence depends on every row. A row has two texts, its prompt and its response, so that no n-gram spans both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import xxhash

from phase0.dataset import BadRow, Span, read_records, whole
from phase0.decontamination.decide import candidates
from phase0.decontamination.evidence import Match, overlap, variant, words_of
from phase0.decontamination.index import Found, Hits, Index, Search, load
from phase0.decontamination.questions import Question
from phase0.dedup import load_kernels
from phase0.records import Record
from phase0.stages.output import Sums
from phase0.stages.parts import Kept, Lost, Part, bad_row, write_part

KERNELS = ("canonical", "hashing")
SIDES = ("prompt", "response")
_BATCH = 1 << 20  # characters that are searched together
# Other names change every n-gram they are in: a variant is looked at from a quarter of the n-grams on, and from half of
# them on it is no use of a phrase. Of the other rules a text that holds nearly all has the question.
_LEAST, _NEARLY = 0.25, 0.5
_VARIANT = 2  # the place of that rule in `Found`


class How(NamedTuple):
    """What workers are told: where the index lies, and from which shares on a text holds a question.

    The name of the index stands for all that decides what is in it: a process reads it once.
    """

    place: Path
    sets: tuple[str, ...]
    on: str
    width: int
    share: float
    variants: float  # 0: without


class Checked(NamedTuple):
    """What became of a span, and how many of its rows hold questions: by set, by rule and by question."""

    part: Part
    tally: Tally


class Tally:
    """Rows that hold questions, counted while a span is looked at; a row may hold several."""

    def __init__(self) -> None:
        self.sets, self.rules, self.questions = Counter[int](), Counter[str](), Counter[int]()

    def update(self, other: Tally) -> None:
        for mine, more in zip(vars(self).values(), vars(other).values(), strict=True):
            mine.update(more)


class _Suspect(NamedTuple):
    """A question that one text of a row may hold, by one of the rules."""

    side: int
    rule: int
    question: int


class _Held(NamedTuple):
    """A question that a row holds, and how."""

    question: int
    side: int
    match: Match


def look(how: How, item: tuple[Path, Span]) -> int:
    """The first pass over a span: write what its texts hold of n-grams. Answers how many rows there are."""
    place, span = item
    search, first = _search(how.place), 0
    found: list[Found] = []
    prompts: list[int] = []
    for batch in _batches(span, how.on):
        texts = [text for pair in batch for text in pair]
        each = len(batch[0])
        found.append(Found(*(_numbered(hits, each, first) for hits in search.found(texts))))
        prompts += [xxhash.xxh3_64_intdigest(pair[0].encode()) for pair in batch]
        first += len(batch)
    arrays: dict[str, Any] = {"prompts": np.array(prompts, np.uint64)}
    for rule in Found._fields:
        for field in Hits._fields:
            parts = [getattr(getattr(one, rule), field) for one in found]
            arrays[f"{rule}.{field}"] = np.concatenate([np.empty(0, np.int64), *parts])
    with whole(place.with_suffix(".npz")) as file:
        np.savez(file, **arrays)
    return first


def _numbered(hits: Hits, each: int, first: int) -> Hits:
    """Hits of a batch, with the numbers that its texts have in their span: two to a row."""
    row, side = np.divmod(hits.text_H, each)
    return hits._replace(text_H=(row + first) * len(SIDES) + side)


def decide(places: Sequence[Path], rows: Sequence[int], index: Index, how: How, common: int) -> None:
    """Between the passes: write for each span which of its texts may hold which questions."""
    starts = np.cumsum([0, *rows]) * len(SIDES)
    arrays = [np.load(place.with_suffix(".npz")) for place in places]
    prompts = np.repeat(np.concatenate([np.empty(0, np.uint64), *(part["prompts"] for part in arrays)]), len(SIDES))
    shares = ((how.share, 0.9), (1.0, 1.0), (_LEAST, _NEARLY))
    suspects = []
    for number, (rule, grams) in enumerate(zip(Found._fields, index, strict=True)):
        if number == _VARIANT and not how.variants:
            continue
        text = [part[f"{rule}.text_H"] + start for part, start in zip(arrays, starts[:-1], strict=True)]
        gram = [part[f"{rule}.gram_H"] for part in arrays]
        least, nearly = shares[number]
        hits = Hits(*(np.concatenate([np.empty(0, np.int64), *parts]) for parts in (text, gram)))
        held = candidates(grams, hits, prompts, least=least, common=common, nearly=nearly)
        suspects.append(np.stack([held.text_C, np.full(len(held.text_C), number), held.question_C], axis=1))
    together = np.concatenate(suspects)
    together = together[np.argsort(together[:, 0], kind="stable")]
    cuts = np.searchsorted(together[:, 0], starts)
    for place, begin, end, start in zip(places, cuts[:-1], cuts[1:], starts[:-1], strict=True):
        np.save(place.with_suffix(".npy"), together[begin:end] - np.array([start, 0, 0]))


def part(how: How, item: tuple[Path, str, Span]) -> Checked:
    """The second pass over a span: look at the texts that may hold questions, and write what becomes of each row."""
    place, name, span = item
    sums, tally = Sums(), Tally()
    suspects: dict[int, list[_Suspect]] = {}
    for text, rule, question in np.load(place.with_suffix(".npy")).tolist():
        suspects.setdefault(text // len(SIDES), []).append(_Suspect(text % len(SIDES), rule, question))
    outcomes = _outcomes(how, span, suspects, sums, tally)
    return Checked(write_part(place, stage="decontaminate", file=name, outcomes=outcomes, sums=sums), tally)


def _outcomes(
    how: How, span: Span, suspects: dict[int, list[_Suspect]], sums: Sums, tally: Tally
) -> Iterator[Kept | Lost]:
    row = 0
    for item in read_records(span):
        sums.read += 1
        if isinstance(item, BadRow):
            yield bad_row(item)
            continue
        line, raw, record = item
        held = _held(how, texts_of(record, how.on), suspects[row]) if row in suspects else []
        row += 1
        yield Lost(raw, line, "contaminated", _evidence(how, held, tally)) if held else Kept(raw)


def _held(how: How, texts: Sequence[str], suspects: Sequence[_Suspect]) -> list[_Held]:
    """The questions that a row holds, the surest first."""
    found: dict[int, _Held] = {}
    for side, rule, question in suspects:  # variants come last
        if question not in found and (match := _match(how, texts[side], rule, question)):
            found[question] = _Held(question, side, match)
    return sorted(found.values(), key=lambda held: (held.match.rule == "variant", -held.match.share, held.question))


@lru_cache(maxsize=1 << 14)  # rows of one prompt stand together, and there are as many as answers to it
def _match(how: How, text: str, rule: int, number: int) -> Match | None:
    question, words = _questions(how.place)[number], _words(text)
    if rule == _VARIANT:
        return variant(_words(question.text), words, how.variants)
    return overlap(_words(question.text), question.own, words, how.width, how.share)


def _evidence(how: How, held: Sequence[_Held], tally: Tally) -> dict[str, Any]:
    """What speaks against a row: the surest question, and the other sets that have one of its questions."""
    questions = _questions(how.place)
    sets = {place.set for one in held for place in questions[one.question].places}
    tally.sets.update(sets)
    tally.rules.update([held[0].match.rule])
    tally.questions.update(one.question for one in held)
    first, (number, side, match) = questions[held[0].question].places[0], held[0]
    also = [how.sets[other] for other in sorted(sets - {first.set})]
    return {
        "benchmark": how.sets[first.set],
        "item": questions[number].places[0].item,
        "item_line": first.line,
        "text": SIDES[side],
        **match.told(),
        **({"also": also} if also else {}),
    }


def texts_of(record: Record, on: str) -> list[str]:
    """What is looked at of a row: all that was asked, and what was answered where that counts too."""
    asked = [record.system, *(turn.content for turn in record.history), record.instruction]
    prompt = "\n".join(text for text in asked if text)
    return [prompt, record.response or ""] if on == "both" else [prompt]


def _batches(span: Span, on: str) -> Iterator[list[list[str]]]:
    """The texts of rows, some rows together."""
    batch: list[list[str]] = []
    size = 0
    for item in read_records(span):
        if isinstance(item, BadRow):
            continue
        batch.append(texts_of(item[2], on))
        size += sum(map(len, batch[-1]))
        if size >= _BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


@lru_cache(maxsize=1)
def _search(index: Path) -> Search:
    load_kernels(files=KERNELS)
    return Search(load(index.with_suffix(".npz")))


@lru_cache(maxsize=1)
def _questions(index: Path) -> list[Question]:
    return msgspec.json.decode(index.with_suffix(".json").read_bytes(), type=list[Question])


_words = lru_cache(maxsize=1 << 12)(words_of)
