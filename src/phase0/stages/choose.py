"""Of the answers that several teachers gave to one prompt the best stays. The others are dropped with their scores."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import xxhash

from phase0.dataset import BadRow, Manifest, expand
from phase0.progress import SILENT, Progress
from phase0.records import canonical
from phase0.stages.output import stage_output
from phase0.stages.parts import finished, numbered

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_ID = 32  # bytes of an id


def choose(inputs: Iterable[str | Path], output: str | Path, *, progress: Progress = SILENT) -> Manifest:
    """Keep of scored rows that answer the same prompt of the same origin the one with the highest `quality_score`.

    Of equal scores the answer with the lowest id stays: that depends on what it says, and favours no teacher.
    """
    paths = expand(inputs)
    with stage_output("choose", Path(output), paths, {}) as out:
        progress.start("compare answers", None)
        answers = _read(paths)
        best = answers.best()
        at = 0
        for number, item in numbered(paths):
            out.sums[number].read += 1
            if isinstance(item, BadRow):
                out.drop_bad(item, number)
                continue
            line, raw, record = item
            if best[at] == at:
                out.keep(raw, number)
            else:
                evidence = answers.told(int(best[at])) | {"quality_score": record.quality_score}
                out.drop(raw, line=line, reason="outdone", evidence=evidence, file=number)
            at += 1
            progress.advance(1)
        progress.finish()
    return finished(Path(output))


class _Answers(NamedTuple):
    """Of every row the prompt that it answers, its score in tenths, and its id."""

    prompts: array[int]  # two halves of 128 bits each
    tenths: array[int]
    ids: bytearray

    def best(self) -> npt.NDArray[np.int64]:
        """For every row the number of the row that stays in its place: its own, where it is the best."""
        import numpy as np

        prompts = np.array(self.prompts, np.uint64).reshape(-1, 2)
        ids = np.frombuffer(bytes(self.ids), f"S{_ID}")
        order = np.lexsort((ids, -np.array(self.tenths, np.int64), prompts[:, 1], prompts[:, 0]))
        ordered = prompts[order]
        leads = np.ones(len(order), np.bool_)
        leads[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
        best = np.empty(len(order), np.int64)
        best[order] = order[leads][np.cumsum(leads) - 1]
        return best

    def told(self, row: int) -> dict[str, object]:
        """What is said of a row where it stays in the place of another."""
        name = self.ids[row * _ID : (row + 1) * _ID].decode("utf-8", "replace").rstrip()
        return {"chosen_id": name, "chosen_score": self.tenths[row] / 10 if self.tenths[row] >= 0 else None}


def _read(paths: Sequence[Path]) -> _Answers:
    answers = _Answers(array("Q"), array("l"), bytearray())
    for _, item in numbered(paths):
        if not isinstance(item, BadRow):
            record = item[2]
            asked = canonical((record.meta.origin, record.system, record.history, record.instruction))
            answers.prompts.extend(divmod(xxhash.xxh3_128_intdigest(asked), 1 << 64))
            answers.tenths.append(-1 if record.quality_score is None else round(record.quality_score * 10))
            answers.ids.extend(record.id.encode()[:_ID].ljust(_ID))
    return answers
