"""Ask no question twice: of prompts that say nearly the same one stays, before anything is paid for."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

from phase0.dataset import Manifest, expand
from phase0.dedup import REMOVER, load_kernels
from phase0.engine import Engine
from phase0.engine.local import Local
from phase0.progress import SILENT, Progress
from phase0.stages.deduplicate import keep_one_of_any
from phase0.stages.output import stage_output
from phase0.stages.parts import finished

_TOLD = ("method", "exact", "missed_share")


def distinct_prompts(
    inputs: Iterable[str | Path],
    output: str | Path,
    *,
    threshold: str | float | Decimal = "0.8",
    shingle: int = 5,
    max_memory: str | int | None = None,
    engine: Engine | None = None,
    progress: Progress = SILENT,
) -> Manifest:
    """Keep one row of any whose instructions reach a Jaccard similarity of `threshold`, as `phase0.dedup` defines it.

    A row with a system prompt or earlier turns asks something else than its last words do: it is one with another only
    where all of the prompt is the same. Of two rows the one whose own answer is longer stays, then one that the hash of
    their ids decides, so that what stays does not depend on the order of rows.

    `engine` and `max_memory` are what they are to `deduplicate`: on a cluster the work is done in partitions, with the
    same bytes.
    """
    engine = engine or Local(1)
    paths = expand(inputs)
    with stage_output("prompts", Path(output), paths, prompts_settings(threshold, shingle)) as out:
        load_kernels(progress, (*REMOVER, "json", "rows"))
        from phase0.dedup.near import asked
        from phase0.stages.dedup_spread import InputRows
        from phase0.stages.row_readings import AsPrompt

        how = asked(threshold, shingle, method="auto", clusters="greedy", workers=engine.threads, max_memory=max_memory)
        told = keep_one_of_any(out, engine, InputRows(paths, (), AsPrompt()), how, progress)
        out.figures = {name: told[name] for name in _TOLD}
    return finished(Path(output))


def prompts_settings(threshold: str | float | Decimal, shingle: int) -> dict[str, Any]:
    """What a manifest says of how prompts were compared."""
    return {"threshold": str(Decimal(str(threshold)).normalize()), "shingle": shingle}
