"""What flows through phase0: one `Record` per training example, and the `Request` / `Reply` pair that buys its answer.

All of them are frozen. A stage that changes a record makes a new one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Literal

import msgspec

from phase0.errors import RowError

CATEGORIES = ("general", "code", "reasoning", "creative", "other")
"""General instruction following, code generation, reasoning and maths, creative writing, and the rest."""

DIMENSIONS = ("correctness", "helpfulness", "clarity", "safety")

Role = Literal["user", "assistant", "tool"]


class Turn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One earlier message of a conversation."""

    role: Role
    content: str


class Origin(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a row came from. `row` is `file:line`, or `file:line.k` for the k-th example that one line holds."""

    dataset: str
    revision: str | None
    row: str


class Scores(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The four dimensions of quality, each from 1 (worst) to 10 (best) in steps of 0.1."""

    correctness: float
    helpfulness: float
    clarity: float
    safety: float

    def mean(self) -> float:
        """The mean of the four, rounded half up to one decimal: the `quality_score` of a row."""
        tenths = sum(round(value * 10) for value in (self.correctness, self.helpfulness, self.clarity, self.safety))
        return (tenths * 2 + 4) // 8 / 10  # whole tenths: 7.05 must become 7.1 on every machine


class Meta(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What led to a row. The schema is the same for every row of every stage."""

    origin: Origin
    license: str | None = None
    category: str | None = None
    scores: Scores | None = None
    parent: str | None = None  # id of the row whose prompt this answers, where another row's answer was replaced
    flags: tuple[str, ...] = ()  # why it scored as it did, and what else was noticed
    judges: tuple[str, ...] = ()  # who gave the scores
    disagreement: float | None = None  # of several judges: points between their highest and lowest score


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One training example. Fields are written in this order; `system` and `history` only where there are any.

    `response` and `quality_score` are None until they are known. `source` names who wrote the response: a teacher
    model, or the dataset where its author is not known.
    """

    instruction: str
    response: str | None
    source: str
    quality_score: float | None
    system: str | None = None
    history: tuple[Turn, ...] = ()
    id: str
    meta: Meta


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """One question to one model. Its identity is the digest of exactly these fields."""

    model: str
    messages: tuple[tuple[str, str], ...]  # (role, content)
    params: dict[str, Any] = {}
    draw: int = 0  # which sample, where one question is asked several times

    @cached_property
    def key(self) -> str:
        return digest(self)


class Asked(bytes):
    """A request as its canonical JSON: digested once, however often its key is wanted on the way to the ledger."""

    @cached_property
    def key(self) -> str:
        return hashlib.blake2b(self, digest_size=16).hexdigest()


class Likely(msgspec.Struct, frozen=True, gc=False):
    """A token that could have stood somewhere, and the natural logarithm of its probability. Servers say more of it,
    which is passed over."""

    token: str
    logprob: float


class TokenLogprobs(msgspec.Struct, frozen=True):
    """One token of an answer with its natural logarithm, and the list of the likeliest for its place as it was sent: of
    the 200 that come with a verdict, 40 are ever looked at."""

    token: str
    logprob: float
    top_logprobs: msgspec.Raw = msgspec.Raw(b"[]")

    def top(self) -> tuple[Likely, ...]:
        """The likeliest that could have stood there. Raises msgspec.DecodeError or UnicodeDecodeError where what was
        sent is no such list."""
        return _likely(self.top_logprobs)


class Reply(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A model's answer, read from what the provider sent.

    `finish_reason` is `stop`, `length` or `content_filter` however the provider spells it, else its own word. `refusal`
    is the model's own refusal, where the provider tells it from an answer.
    """

    text: str
    finish_reason: str | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    refusal: str | None = None
    logprobs: tuple[TokenLogprobs, ...] | None = None  # None where none came, asked for or not


_canonical = msgspec.json.Encoder(order="deterministic")
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Record).decode
_likely = msgspec.json.Decoder(tuple[Likely, ...]).decode


def canonical(value: Any) -> bytes:
    """The one JSON of a value: what its digest is of."""
    return _canonical.encode(value)


def digest(value: Any) -> str:
    """The content address of a value: 128 bits of BLAKE2b over canonical JSON, as 32 hex digits."""
    return hashlib.blake2b(_canonical.encode(value), digest_size=16).hexdigest()


def key_of(asked: bytes) -> str:
    """The key of a request, from its canonical JSON."""
    return asked.key if isinstance(asked, Asked) else Asked(asked).key


def identity(
    instruction: str,
    response: str | None,
    source: str,
    *,
    system: str | None = None,
    history: Sequence[Turn] = (),
) -> str:
    """The `id` of a row: the digest of what it says and who said it, of nothing else."""
    return digest((system, [(turn.role, turn.content) for turn in history], instruction, response, source))


def make(
    *,
    instruction: str,
    response: str | None,
    source: str,
    meta: Meta,
    quality_score: float | None = None,
    system: str | None = None,
    history: Sequence[Turn] = (),
) -> Record:
    """A checked record with its id. Raises RowError where a value may not stand in a row."""
    record = Record(
        instruction=instruction,
        response=response,
        source=source,
        quality_score=quality_score,
        system=system or None,
        history=tuple(history),
        id=identity(instruction, response, source, system=system or None, history=history),
        meta=meta,
    )
    check(record)
    return record


def check(record: Record) -> None:
    """Raise RowError for the first rule that a row breaks: what types alone cannot say."""
    if not record.instruction.strip():
        raise RowError("empty_instruction", "instruction is empty", field="instruction")
    if not record.source.strip():
        raise RowError("no_source", "source is empty", field="source")
    _check_score("quality_score", record.quality_score)
    if record.meta.scores is not None:
        for dimension in DIMENSIONS:
            _check_score(f"meta.scores.{dimension}", getattr(record.meta.scores, dimension))
    category = record.meta.category
    if category is not None and category not in CATEGORIES:
        raise RowError(
            "bad_category", f"category is {category!r}, not one of {', '.join(CATEGORIES)}", field="meta.category"
        )


def _check_score(field: str, value: float | None) -> None:
    if value is not None and not 1 <= value <= 10:
        raise RowError("score_out_of_range", f"{field} is {value:g}, not between 1 and 10", field=field)


def encode(record: Record) -> bytes:
    """A row as it stands in a file, without the line end."""
    return _encode(record)


def decode(line: bytes) -> Record:
    """A row from a file phase0 wrote. Raises msgspec.DecodeError where it is not one."""
    return _decode(line)
