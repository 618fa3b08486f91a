"""One side of a comparison: where its rows are, and what its manifests, its plan and its verification tell."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from phase0.changes.found import Side
from phase0.dataset import file_digest, meta_folder
from phase0.dataset.rows import NOT_JSON
from phase0.report import located
from phase0.report.judging import ScoreNumbers, score_numbers
from phase0.report.numbers import PLAN, VERIFICATION, MixPart, StageNumbers, mix_part, stage_numbers, verification_of
from phase0.stages.provenance import Chain, chain, cost
from phase0.stages.publish import FULL
from phase0.stages.verification import Cost, Criterion

_DATASET = "dataset.jsonl"
_NOT_A_KEY = {"folder"}  # where a plan lay is nothing that it says


class Compared(NamedTuple):
    """What is known of a side before its rows are read."""

    target: Path
    dataset: Path
    digest: str
    known: Chain
    plan: Mapping[str, Any] | None  # None: it is no run, or its plan cannot be read
    stages: tuple[StageNumbers, ...]  # upstream first
    mix: tuple[MixPart, ...]
    scores: tuple[ScoreNumbers, ...]
    criteria: tuple[Criterion, ...]  # of a verification of these very bytes
    cost: Cost | None

    @property
    def full(self) -> Path | None:
        """The full rows beside a published file, while that is what its manifest says."""
        path = meta_folder(self.dataset) / FULL
        return path if self.known.made and path.is_file() else None

    def told(self, rows: int) -> Side:
        """What is said of this side."""
        return Side(
            target=str(self.target), dataset=self.dataset.name, rows=rows, digest=self.digest, gaps=self.known.gaps
        )


def compared(target: str | Path) -> Compared:
    """A run's folder or a file of rows. Raises UsageError where there is no dataset."""
    dataset, root, beside = located(target)
    target = Path(target)
    known, digest = chain([dataset]), file_digest(dataset)
    checked, _ = verification_of(beside / VERIFICATION, digest)
    return Compared(
        target=target,
        dataset=dataset,
        digest=digest,
        known=known,
        plan=_plan(target / PLAN) if target.is_dir() else None,
        stages=tuple(stage_numbers(made, root) for made in known.made),
        mix=tuple(mix_part(made, root) for made in known.made if made.manifest.stage == "distill"),
        scores=tuple(score_numbers(made, root) for made in known.made if made.manifest.stage == "score"),
        criteria=checked.criteria if checked else (),
        cost=cost(known) if known.made else None,
    )


def _plan(path: Path) -> Mapping[str, Any] | None:
    try:
        found = msgspec.json.decode(path.read_bytes())
    except (FileNotFoundError, *NOT_JSON):
        return None
    return {key: value for key, value in found.items() if key not in _NOT_A_KEY} if isinstance(found, dict) else None
