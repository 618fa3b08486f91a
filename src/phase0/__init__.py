"""phase0 makes instruction-tuning datasets: public data in, a curated, scored, de-duplicated and verified dataset out.

Every command of the command line is one function here, with the same name and the same options.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from phase0.calibration import calibrate
    from phase0.changes import diff
    from phase0.errors import (
        BusyError,
        DataError,
        HubError,
        Phase0Error,
        PlanError,
        ProviderError,
        RowError,
        UnfitLicense,
        UsageError,
    )
    from phase0.licenses import license_ledger
    from phase0.plan import Plan, load_plan
    from phase0.pushing import push
    from phase0.records import Record, Reply, Request, Scores, Turn
    from phase0.rehearsal import rehearse
    from phase0.report import write_card, write_report
    from phase0.runs import run, status
    from phase0.stages.decontaminate import decontaminate
    from phase0.stages.deduplicate import deduplicate
    from phase0.stages.distill import distill
    from phase0.stages.download import acquire, download
    from phase0.stages.export import export
    from phase0.stages.publish import publish
    from phase0.stages.score import score
    from phase0.stages.verify import verify
    from phase0.story import explain

_PLACES = {
    "BusyError": "phase0.errors",
    "DataError": "phase0.errors",
    "HubError": "phase0.errors",
    "Phase0Error": "phase0.errors",
    "Plan": "phase0.plan",
    "PlanError": "phase0.errors",
    "ProviderError": "phase0.errors",
    "Record": "phase0.records",
    "Reply": "phase0.records",
    "Request": "phase0.records",
    "RowError": "phase0.errors",
    "Scores": "phase0.records",
    "Turn": "phase0.records",
    "UnfitLicense": "phase0.errors",
    "UsageError": "phase0.errors",
    "acquire": "phase0.stages.download",
    "calibrate": "phase0.calibration",
    "decontaminate": "phase0.stages.decontaminate",
    "deduplicate": "phase0.stages.deduplicate",
    "diff": "phase0.changes",
    "distill": "phase0.stages.distill",
    "download": "phase0.stages.download",
    "explain": "phase0.story",
    "export": "phase0.stages.export",
    "license_ledger": "phase0.licenses",
    "load_plan": "phase0.plan",
    "publish": "phase0.stages.publish",
    "push": "phase0.pushing",
    "rehearse": "phase0.rehearsal",
    "run": "phase0.runs",
    "score": "phase0.stages.score",
    "status": "phase0.runs",
    "verify": "phase0.stages.verify",
    "write_card": "phase0.report",
    "write_report": "phase0.report",
}

__all__ = [
    "BusyError",
    "DataError",
    "HubError",
    "Phase0Error",
    "Plan",
    "PlanError",
    "ProviderError",
    "Record",
    "Reply",
    "Request",
    "RowError",
    "Scores",
    "Turn",
    "UnfitLicense",
    "UsageError",
    "__version__",
    "acquire",
    "calibrate",
    "decontaminate",
    "deduplicate",
    "diff",
    "distill",
    "download",
    "explain",
    "export",
    "license_ledger",
    "load_plan",
    "publish",
    "push",
    "rehearse",
    "run",
    "score",
    "status",
    "verify",
    "write_card",
    "write_report",
]


def __getattr__(name: str) -> Any:
    """Public names are imported when they are first used: `import phase0` alone loads nothing heavy."""
    if name not in _PLACES:
        raise AttributeError(f"module 'phase0' has no attribute {name!r}")
    return getattr(importlib.import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
