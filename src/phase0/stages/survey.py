"""All rows that can be judged, as a student sees them: features on disk, so that memory does not grow with the rows.

Rows that ask the judge the same are one question: it is chosen, asked and scored once, whatever file it stands in.

Shapes: L lines of all inputs, R lines of them that can be judged, N questions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import xxhash

from phase0.dataset import BadRow, Span, read_records, split, whole
from phase0.engine import Engine
from phase0.progress import Progress
from phase0.records import CATEGORIES, Record, canonical
from phase0.scoring.features import Exchange, Features, features, need, stacked
from phase0.scoring.sampling import Frame

if TYPE_CHECKING:
    from phase0.scoring.sampling import Mask, Numbers

_PART = 2 << 20  # bytes of input to a part: about a second of work
_MANY = 4096  # rows whose features are made together, at most


class _Part(NamedTuple):
    """A part of an input: where its features lie, and so many lines and rows."""

    place: Path
    lines: int
    rows: int


class Survey(NamedTuple):
    """The questions of some files, in the order of their first rows."""

    parts: Sequence[_Part]
    frame: Frame
    rows_N: Numbers  # noqa: N815 - the first row of each question, counted over all parts
    questions_L: Numbers  # noqa: N815 - the question of each line, -1 where there is nothing to judge

    def lines(self, numbers: Numbers) -> Mask:
        """The lines that ask these questions."""
        import numpy as np

        chosen = np.zeros(len(self.rows_N) + 1, np.bool_)  # the last is that of the lines without a question
        chosen[numbers] = True
        return chosen[self.questions_L]

    def some(self, numbers: Numbers) -> Features:
        """The features of these questions, in the order of `numbers`, which must ascend."""
        import numpy as np

        ends = np.cumsum([part.rows for part in self.parts])
        wanted = self.rows_N[numbers]
        cuts = np.searchsorted(wanted, [0, *ends])
        found = [
            _load(part.place).at(wanted[start:stop] - (end - part.rows))
            for part, start, stop, end in zip(self.parts, cuts, cuts[1:], ends, strict=False)
            if stop > start
        ]
        return stacked(found)

    def blocks(self) -> Iterator[Features]:
        """The features of all questions, part by part."""
        import numpy as np

        start = 0
        for part in self.parts:
            first, last = np.searchsorted(self.rows_N, [start, start + part.rows])
            if last > first:
                yield _load(part.place).at(self.rows_N[first:last] - start)
            start += part.rows


def survey(paths: Sequence[Path], folder: Path, engine: Engine, progress: Progress) -> Survey:
    """Look at every row of some files, in any number of processes. What is seen is kept in `folder`."""
    import numpy as np

    need("sklearn.linear_model")  # before the minutes that this takes, not after them
    spans = [span for path in paths for span in split(path, _PART)]
    progress.start(
        "look at rows", None if any(span.rows is None for span in spans) else sum(s.rows or 0 for s in spans)
    )
    parts = []
    for part in engine.map(_look, [(folder / f"features-{at:06}.npz", span) for at, span in enumerate(spans)]):
        parts.append(part)
        progress.advance(part.lines)
    progress.finish()
    found = [_told(part.place) for part in parts]
    nothing = np.empty(0, np.int64)
    keys = np.concatenate([np.empty(0, np.uint64), *(each["keys"] for each in found)])
    seen = np.concatenate([np.empty((3, 0), np.int64), *(each["strata"] for each in found)], axis=1)
    starts = np.cumsum([0, *(part.lines for part in parts)])
    lines = np.concatenate([nothing, *(each["lines"] + start for each, start in zip(found, starts, strict=False))])
    _, first, which = np.unique(keys, return_index=True, return_inverse=True)
    order = np.argsort(first)
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    questions = np.full(int(starts[-1]), -1, np.int64)
    questions[lines] = place[which]
    strata = np.full((3, len(order)), np.iinfo(np.int64).max)
    for level, values in zip(strata, seen, strict=True):
        np.minimum.at(level, place[which], values)  # of rows that ask the same in several sources: whatever the order
    return Survey(parts, Frame(keys[first[order]], strata), first[order], questions)


def _look(item: tuple[Path, Span]) -> _Part:
    """Write the features of one part, its rows' keys and strata, and on which of its lines they stand."""
    import numpy as np

    place, span = item
    lines, records, blocks, count = [], [], [], 0
    keys, strata = [], []
    for at, row in enumerate(read_records(span)):
        count = at + 1
        if isinstance(row, BadRow) or row[2].response is None:
            continue
        record = row[2]
        lines.append(at)
        keys.append(_key(record))
        strata.append((_category(record), xxhash.xxh32_intdigest(record.source.encode())))
        records.append(Exchange(record.instruction, record.response or "", record.system, record.history))
        if len(records) == _MANY:
            blocks.append(features(records))
            records.clear()
    made = stacked([*blocks, features(records)])
    local = np.rint(made.local_R * 2).astype(np.int64)  # half points: as fine as a sample of some hundred can cover
    seen = np.vstack([np.array(strata, np.int64).reshape(-1, 2).T, local])
    csr = {"words": made.words_RW, "evidence": made.evidence_RE}
    with whole(place) as file:
        np.savez(
            file,
            keys=np.array(keys, np.uint64),
            strata=seen,
            lines=np.array(lines, np.int64),
            local=made.local_R,
            **{f"{name}_{part}": getattr(matrix, part) for name, matrix in csr.items() for part in _CSR},
        )
    return _Part(place, count, len(lines))


_CSR = ("data", "indices", "indptr", "shape")


def _told(place: Path) -> Any:
    import numpy as np

    with np.load(place) as found:
        return {name: found[name] for name in ("keys", "strata", "lines")}


def _load(place: Path) -> Features:
    import numpy as np

    csr = need("scipy.sparse").csr_array
    with np.load(place) as found:
        words, evidence = (
            csr(tuple(found[f"{name}_{part}"] for part in _CSR[:3]), shape=tuple(found[f"{name}_shape"]))
            for name in ("words", "evidence")
        )
        return Features(words, evidence, found["local"])


def _key(record: Record) -> int:
    """What a judge is asked about a row: everything that it says, not who said it."""
    history = [(turn.role, turn.content) for turn in record.history]
    return xxhash.xxh3_64_intdigest(canonical((record.system, history, record.instruction, record.response)))


def _category(record: Record) -> int:
    return CATEGORIES.index(record.meta.category) if record.meta.category in CATEGORIES else -1
