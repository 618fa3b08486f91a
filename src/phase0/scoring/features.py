"""What a student sees of an exchange: its words, hashed into columns, and the evidence that the embedded scorer found.

A row's features depend on that row alone, never on its neighbours, its place or its source: who wrote an answer is
kept from the student as it is kept from the judge.

Shapes: R rows, W hashed columns of words, E hashed columns of evidence.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import xxhash

from phase0.errors import UsageError
from phase0.records import DIMENSIONS, Turn
from phase0.scoring.local import Examined, examine

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

WORD_COLUMNS = 1 << 18
"""7,348 rows of real data have 375,576 distinct words and pairs: several share a column, each with a sign of its own,
so that they cancel out on average (Weinberger et al., 2009)."""
EVIDENCE_COLUMNS = 1 << 12  # the same rows have evidence of 190 names, in 187 columns
WORDS = 600  # of a response that are hashed: 99 % of real answers are shorter
ASK_WORDS = 200  # of an instruction: 93 % are shorter
_LONGEST = 40  # characters of a word that count: what is longer is no word, and fills the cache
_MIX = 0x9E3779B97F4A7C15  # 2**64 over the golden ratio: multiplying by it spreads neighbours (Knuth, TAOCP 6.4)


class Exchange(NamedTuple):
    """The words between which a judge judges."""

    instruction: str
    response: str
    system: str | None = None
    history: Sequence[Turn] = ()


class Features(NamedTuple):
    """Rows as two sparse matrices. `local_R` is the embedded scorer's own quality score, by which rows are spread."""

    words_RW: Any  # noqa: N815 - scipy.sparse.csr_array of float32, each row of length 1
    evidence_RE: Any  # noqa: N815 - scipy.sparse.csr_array of float32
    local_R: npt.NDArray[np.float32]  # noqa: N815

    def at(self, numbers: Any) -> Features:
        """Some of the rows, in the order of `numbers`."""
        return Features(*(part[numbers] for part in self))


def features(exchanges: Iterable[Exchange]) -> Features:
    """The features of some rows, in their order. Raises UsageError without the extra `student`."""
    import numpy as np

    sparse = need("scipy.sparse")
    columns, rows = [], []
    evidence: list[tuple[int, int, float]] = []
    local = []
    for row, exchange in enumerate(exchanges):
        examined = examine(exchange.instruction, exchange.response, system=exchange.system, history=exchange.history)
        local.append(examined.scores.mean())
        evidence += [(row, _evidence_column(name), value) for name, value in _evidence(exchange, examined)]
        hashed = _hashed(examined)
        columns.append(hashed)
        rows.append(np.full(len(hashed), row, np.int32))
    count = len(local)
    hashes = np.concatenate([np.empty(0, np.uint64), *columns])
    signs = np.where(hashes >> np.uint64(63), np.float32(1), np.float32(-1))
    place = (np.concatenate([np.empty(0, np.int32), *rows]), (hashes >> np.uint64(40)) % np.uint64(WORD_COLUMNS))
    words = sparse.csr_array((signs, place), shape=(count, WORD_COLUMNS))  # equal columns are added up
    at, column, value = zip(*evidence, strict=True) if evidence else ((), (), ())
    return Features(
        _normed(words),
        sparse.csr_array((np.array(value, np.float32), (at, column)), shape=(count, EVIDENCE_COLUMNS)),
        np.array(local, np.float32),
    )


def stacked(blocks: Sequence[Features]) -> Features:
    """Some blocks of rows as one."""
    import numpy as np

    sparse = need("scipy.sparse")
    return Features(
        sparse.vstack([block.words_RW for block in blocks], format="csr"),
        sparse.vstack([block.evidence_RE for block in blocks], format="csr"),
        np.concatenate([block.local_R for block in blocks]),
    )


def need(module: str) -> Any:
    """A module of the extra `student`. Raises UsageError that names the extra where it is not installed."""
    from importlib import import_module

    try:
        return import_module(module)
    except ModuleNotFoundError:
        raise UsageError(
            f"the student needs {module.partition('.')[0]}, which is not installed: pip install 'phase0[student]'. "
            "Without it, have the judge judge every row, or score with `--model local`."
        ) from None


def _normed(words: Any) -> Any:
    """Each count v as sign(v)·log(1+|v|), each row of length 1: a word said often says little more.

    Logarithms are looked up and squares added one after the other, for the last bits of whole-array functions depend on
    where in the array a row stands.
    """
    import numpy as np

    logs = np.array([math.log1p(count) for count in range(WORDS + ASK_WORDS + WORDS)])
    values = np.copysign(logs[np.abs(words.data).astype(np.int64)], words.data)
    rows = np.repeat(np.arange(words.shape[0]), np.diff(words.indptr))
    lengths = np.sqrt(np.bincount(rows, weights=values * values, minlength=words.shape[0]))
    words.data = (values / np.maximum(lengths, 1e-12)[rows]).astype(np.float32)
    return words


def _hashed(examined: Examined) -> npt.NDArray[np.uint64]:
    """One hash for every word of the instruction, and every word and pair of words of the response."""
    import numpy as np

    reading = examined.reading
    if reading is None:
        return np.empty(0, np.uint64)
    asked = np.array([_word(word[:_LONGEST]) for word in reading.ask.words[:ASK_WORDS]], np.uint64)
    said = np.array([_word(word[:_LONGEST]) for word in reading.words[:WORDS]], np.uint64)
    mix = np.uint64(_MIX)
    pairs = (said[:-1] * mix ^ said[1:]) * mix  # wraps around, as it is meant to
    return np.concatenate([(asked + np.uint64(1)) * mix, said, pairs])


@lru_cache(maxsize=1 << 17)
def _word(word: str) -> int:
    return xxhash.xxh3_64_intdigest(word.encode(errors="surrogatepass"))


@lru_cache(maxsize=1 << 10)
def _evidence_column(name: str) -> int:
    return xxhash.xxh3_64_intdigest(name.encode()) % EVIDENCE_COLUMNS


def _evidence(exchange: Exchange, examined: Examined) -> Iterator[tuple[str, float]]:
    """Everything that the embedded scorer found, and the sizes that it looks at, as names with numbers near 1."""
    for dimension in DIMENSIONS:
        yield f"score:{dimension}", getattr(examined.scores, dimension) / 10
    for finding in examined.findings:
        yield f"points:{finding.dimension}:{finding.code}", finding.points / 5
        yield f"found:{finding.dimension}:{finding.code}", 1.0
        if finding.ceiling < 10:
            yield f"ceiling:{finding.dimension}", (10 - finding.ceiling) / 10
    reading = examined.reading
    if reading is None:
        yield "empty", 1.0
        return
    said, asked = len(reading.words), len(reading.ask.words)
    yield "characters", math.log1p(reading.length) / 5
    yield "words", math.log1p(said) / 5
    yield "asked words", math.log1p(asked) / 5
    yield "wished words", math.log1p(reading.ask.wish.words) / 5
    yield "distinct", len(reading.vocabulary) / max(1, said)
    yield "content", math.log1p(len(reading.content)) / 5
    yield "answered", len(reading.content & reading.context) / max(1, len(reading.context))
    yield "copied", len(reading.content & reading.context) / max(1, len(reading.content))
    yield "lines", math.log1p(len(reading.lines)) / 5
    yield "blocks", math.log1p(len(reading.blocks))
    yield "word length", len(reading.low) / max(1, said) / 10
    yield "figures", sum(map(str.isdigit, reading.low[:2_000])) / max(1, min(2_000, len(reading.low)))
    yield "not ascii", float(not exchange.response.isascii())
    yield "turns", math.log1p(len(exchange.history))
