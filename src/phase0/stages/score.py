"""Score every row on the four dimensions and keep those above the threshold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from phase0.dataset import Manifest, expand
from phase0.engine import Engine
from phase0.engine.local import Local
from phase0.errors import UsageError, near_miss
from phase0.progress import SILENT, Progress
from phase0.records import DIMENSIONS, Record, encode
from phase0.stages.parts import Kept, Lost, each_record

SCORERS = {
    "local": "phase0.scoring.local:judge",
}
"""Scorers that work in this process: functions of instruction, response, system and history."""


def score(
    inputs: Iterable[str | Path],
    output: str | Path,
    *,
    model: str = "local",
    threshold: float = 7.0,
    engine: Engine | None = None,
    progress: Progress = SILENT,
) -> Manifest:
    """Score rows from 1 to 10 and keep those whose rounded `quality_score` is strictly above `threshold`.

    `quality_score` is the mean of correctness, helpfulness, clarity and safety, rounded half up to one decimal before
    it is compared. Dropped rows keep their scores in `dropped.jsonl`. Raises UsageError for a model that cannot be
    asked, DataError for a file that cannot be read.
    """
    if not 1 <= threshold < 10:
        raise UsageError(f"the threshold is {threshold:g}, but scores go from 1 to 10 and a row is kept above it")
    check_model(model)
    return each_record(
        "score",
        partial(score_row, model, threshold),
        expand(inputs),
        Path(output),
        settings=score_settings(model, threshold),
        engine=engine or Local(1),
        progress=progress,
        figures=_figures,
    )


def score_settings(model: str, threshold: float) -> dict[str, Any]:
    """What a manifest says of how rows were scored."""
    return {"model": model, "threshold": float(threshold)}


def check_model(model: str) -> None:
    """Raise UsageError for a model that this version cannot ask."""
    if model not in SCORERS:
        raise UsageError(
            f"model {model!r} is not an embedded scorer, and asking a model over the network is not built yet."
            f"{near_miss(model, SCORERS)} `--model local` scores without a network."
        )


def score_row(model: str, threshold: float, _: bytes, record: Record) -> Kept | Lost:
    """Judge one row. A row without a response has nothing to judge: it is dropped unscored."""
    if record.response is None:
        return Lost(encode(record), 0, "no_response", {})
    scores, reasons = _scorer(model)(record.instruction, record.response, system=record.system, history=record.history)
    quality = scores.mean()
    scored = msgspec.structs.replace(
        record,
        quality_score=quality,
        meta=msgspec.structs.replace(record.meta, scores=scores, flags=_flags(record, reasons)),
    )
    tally = f"{quality:.1f}"
    if quality > threshold:
        return Kept(encode(scored), tally)
    evidence: dict[str, Any] = {"quality_score": quality, "threshold": threshold, "reasons": list(reasons)}
    return Lost(encode(scored), 0, "low_score", evidence, tally)


def _scorer(model: str) -> Any:
    from phase0.registry import load

    return load("scorer", SCORERS, model)


def _flags(record: Record, reasons: Iterable[str]) -> tuple[str, ...]:
    """Flags of earlier stages stay; those of an earlier scoring are replaced."""
    kept = [flag for flag in record.meta.flags if not flag.startswith(tuple(f"{name}:" for name in DIMENSIONS))]
    return (*kept, *reasons)


def _figures(tally: Counter[str]) -> dict[str, Any]:
    scored = sum(tally.values())
    total = sum(round(float(value) * 10) * count for value, count in tally.items())
    return {
        "scored": scored,
        "mean": round(total / scored / 10, 3) if scored else None,
        "histogram": dict(sorted(tally.items(), key=lambda item: float(item[0]))),
    }
