"""How datasets are laid out upstream: one small file per layout, each turning upstream rows into examples.

A layout never sees files, hubs or ids: rows come in as plain Python objects, examples go out. Text is kept as it
stands upstream, but for the marks that the layout is made of. An empty answer stays empty text, and an empty
instruction is left for `records.make` to refuse.

Why a row gives no example (`RowError.reason`):

    not_an_object           the row, or an item in it, is not a JSON object
    missing_field           a field that the layout needs is absent or null
    bad_type                a field holds another type of JSON value than text (or list, or number) as needed
    score_out_of_range      a quality_score is not between 1 and 10
    no_examples             the row's list of instances or completions is empty
    unknown_role            a turn is said by somebody phase0 does not know
    not_text                a turn holds an image, or something else that is not text
    no_transcript           a transcript does not begin with a marked turn
    no_user_turn            no user turn comes before the answer, or nobody says anything
    no_response             nobody answers
    empty_response          the last turn of an HH transcript was never written
    deleted                 OpenAssistant deleted this message, or one that led to it
    review_failed           its reviewers turned down this message, or one that led to it
    tree_not_ready          the tree_state of its OpenAssistant tree is not ready_for_export
    outranked               a reply in a flat OpenAssistant file that no example is made of
    missing_parent          an OpenAssistant message whose tree is not there
    duplicate_id            an OpenAssistant message that is there twice

What is worth knowing of an example (`Example.flags`):

    tools                   tools are offered or used
    joined_turns            one role spoke twice in a row: joined to one turn
    cut_end                 turns after the last answer were dropped
    system_moved            a system turn stood amid the dialogue
    instruction_in_history  tool calls lie between instruction and response, so history holds the instruction too
    followups_dropped       later questions of the user, which no answer led to, were dropped
    speaks_for_human        in an HH response, the model goes on to write what the human says
    marked_incorrect        the row itself says that the answer is wrong
    synthetic               OpenAssistant marks one of the messages as written by a model
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol, cast

import msgspec

from phase0.errors import DataError, RowError
from phase0.records import Turn
from phase0.registry import load

SOURCES = {
    "oasst": "phase0.sources.oasst:OASST",
    "hh": "phase0.sources.hh:HH",
    "preference": "phase0.sources.preference:Preference",
    "sharegpt": "phase0.sources.sharegpt:ShareGPT",
    "messages": "phase0.sources.messages:Messages",
    "guanaco": "phase0.sources.guanaco:Guanaco",
    "self_instruct": "phase0.sources.self_instruct:SelfInstruct",
    "comparison": "phase0.sources.comparison:Comparison",
    "standard": "phase0.sources.standard:Standard",
    "alpaca": "phase0.sources.alpaca:Alpaca",
    "prompt_completion": "phase0.sources.prompt_completion:PromptCompletion",
    "question_answer": "phase0.sources.question_answer:QuestionAnswer",
    "instruction_only": "phase0.sources.instruction_only:InstructionOnly",
}
"""The layouts by name, the most specific first: in this order they are tried."""

WHOLE = frozenset({"oasst"})
"""Layouts that read every row before they yield the first example: messages of a tree may stand anywhere in a file."""

SAMPLE = 50  # rows that recognition looks at
SHARE = 0.9  # of them that must have the layout's shape: files have odd rows, but not one in ten


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """What a layout finds in a row: the words, before phase0 adds where they came from."""

    instruction: str
    response: str | None = None
    system: str | None = None
    history: tuple[Turn, ...] = ()
    source: str | None = None  # who wrote the response, where the upstream row says so
    flags: tuple[str, ...] = ()
    quality_score: float | None = None  # of phase0's own rows


class Found(NamedTuple):
    """One outcome of reading upstream rows: an example, or the reason why there is none."""

    line: int  # of the upstream row, from 1
    part: int  # which example of that row, from 0
    outcome: Example | RowError


class Layout(Protocol):
    """One way of laying out a dataset."""

    name: str

    def recognises(self, row: Any) -> bool:
        """Whether this row has the layout's shape. Must be cheap and must not raise."""
        ...

    def read(self, rows: Iterable[tuple[int, Any]]) -> Iterator[Found]:
        """Examples and reasons, from (line, upstream row) pairs. Every row yields at least one of them, or is part of
        an example that another row yields. Never raises for what a row holds."""
        ...


def layout(name: str) -> Layout:
    """The layout of this name. An unknown name is a UsageError that suggests the nearest known one."""
    return cast("Layout", load("layout", SOURCES, name)())


def recognise(rows: Sequence[Any]) -> Layout:
    """The first of SOURCES that at least 90 % of the first 50 rows have the shape of.

    `rows` are upstream rows that could be parsed. Raises DataError where no layout fits.
    """
    sample = rows[:SAMPLE]
    if not sample:
        raise DataError("There are no rows to recognise a layout by.")
    fits = {}
    for name in SOURCES:
        candidate = layout(name)
        fits[name] = sum(candidate.recognises(row) for row in sample)
        if fits[name] >= SHARE * len(sample):
            return candidate
    raise DataError(_unrecognised(sample, fits))


def _unrecognised(sample: Sequence[Any], fits: dict[str, int]) -> str:
    objects = [row for row in sample if isinstance(row, dict)]
    keys = Counter(key for row in objects for key in row)
    seen = ", ".join(str(key) for key, _ in keys.most_common(12)) or "none"
    nearest = max(fits, key=lambda name: fits[name])
    if objects and not fits[nearest] and all(isinstance(row.get("text"), str) for row in objects):
        return f"These rows are running text (fields: {seen}), not instructions with or without answers."
    close = f" {fits[nearest]} of {len(sample)} rows look like {nearest}." if fits[nearest] else _if_text(objects)
    return (
        f"No known layout has these fields: {seen}.{close} Known: {', '.join(SOURCES)}. Name the layout that is meant."
    )


def _if_text(objects: Sequence[dict[str, Any]]) -> str:
    """The layout that rows have by their names alone, where numbers or nulls stand in place of text."""
    if not objects:
        return ""
    told = {key: value if isinstance(value, (str, list, dict)) else str(value) for key, value in objects[0].items()}
    meant = next((name for name in SOURCES if layout(name).recognises(told)), None)
    return f" They would be {meant}, if numbers and nulls in them were text." if meant else ""
