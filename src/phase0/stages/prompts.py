"""Ask no question twice: of prompts that say nearly the same one stays, before anything is paid for."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import xxhash

from phase0.dataset import BadRow, Manifest, expand
from phase0.dedup import Removed, dedup
from phase0.progress import SILENT, Progress
from phase0.records import Record, digest
from phase0.stages.output import StageOutput, stage_output
from phase0.stages.parts import finished, numbered

_ID = 32  # characters of an id


def distinct_prompts(
    inputs: Iterable[str | Path],
    output: str | Path,
    *,
    threshold: str | float | Decimal = "0.8",
    shingle: int = 5,
    workers: int = 1,
    max_memory: str | int | None = None,
    progress: Progress = SILENT,
) -> Manifest:
    """Keep one row of any whose instructions reach a Jaccard similarity of `threshold`, as `phase0.dedup` defines it.

    A row with a system prompt or earlier turns asks something else than its last words do: it is one with another only
    where all of the prompt is the same. Of two rows the one whose own answer is longer stays, then one that the hash of
    their ids decides, so that what stays does not depend on the order of rows.
    """
    paths = expand(inputs)
    with stage_output("prompts", Path(output), paths, prompts_settings(threshold, shingle)) as out:
        prompts = _Prompts(out)
        found = dedup(
            prompts,
            threshold=threshold,
            shingle=shingle,
            rank=prompts.ranks,
            workers=workers,
            max_memory=max_memory,
            progress=progress,
        )
        prompts.write({removed.row: removed for removed in found.removed}, progress)
        out.figures = {"method": found.method, "exact": found.exact, "missed_share": found.missed_share}
    return finished(Path(output))


def prompts_settings(threshold: str | float | Decimal, shingle: int) -> dict[str, Any]:
    """What a manifest says of how prompts were compared."""
    return {"threshold": str(Decimal(str(threshold)).normalize()), "shingle": shingle}


def prompt_of(record: Record) -> str:
    """What is compared of a row: its instruction, or one word that stands for all that comes before it and itself."""
    if not record.history and record.system is None:
        return record.instruction
    return digest((record.system, record.history, record.instruction))


class _Prompts:
    """The prompts of a stage's inputs as texts: drawn as often as it is iterated, remembered the first time."""

    def __init__(self, out: StageOutput) -> None:
        self.ranks = array("Q")
        self._out = out
        self._ids = bytearray()
        self._files, self._lines = array("l"), array("q")
        self._is_known = False

    def __iter__(self) -> Iterator[str]:
        is_known, self._is_known = self._is_known, True
        for number, item in numbered(self._out.inputs):
            if not isinstance(item, BadRow):
                if not is_known:
                    self._remember(number, item[0], item[2])
                yield prompt_of(item[2])

    def _remember(self, file: int, line: int, record: Record) -> None:
        length = min(len(record.response or ""), (1 << 24) - 1)
        self.ranks.append(length << 40 | xxhash.xxh3_64_intdigest(record.id.encode()) >> 24)
        self._ids += record.id.encode()[:_ID].ljust(_ID)
        self._files.append(file)
        self._lines.append(line)

    def write(self, gone: dict[int, Removed], progress: Progress) -> None:
        """Send every row to where it belongs."""
        progress.start("write kept prompts", len(self._lines))
        at = 0
        for number, item in numbered(self._out.inputs):
            self._out.sums[number].read += 1
            if isinstance(item, BadRow):
                self._out.drop_bad(item, number)
                continue
            line, raw, _ = item
            if (removed := gone.get(at)) is None:
                self._out.keep(raw, number)
            else:
                evidence = self._evidence(removed)
                self._out.drop(raw, line=line, reason="near_duplicate", evidence=evidence, file=number)
            at += 1
            progress.advance(1)
        progress.finish()

    def _evidence(self, removed: Removed) -> dict[str, Any]:
        kept = removed.kept
        return {
            "kept_id": self._ids[kept * _ID : (kept + 1) * _ID].decode("utf-8", "replace").rstrip(),
            "kept_file": self._out.names[self._files[kept]],
            "kept_line": self._lines[kept],
            "jaccard": round(removed.jaccard, 6),
            "shared": removed.shared,
            "union": removed.union,
        }
