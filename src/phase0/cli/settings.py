"""Options that several commands share, and what the environment says. Nothing below the command line reads it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter, validators

from phase0.dedup import On

Inputs = Annotated[list[str], Parameter(help="Files, glob patterns or folders of rows.", show_default=False)]
Output = Annotated[
    Path, Parameter(help="File to write; its suffix decides the format (.jsonl .gz .zst .parquet .csv).")
]
HUB_KEY_ENV = "HF_TOKEN"
_PER_CORE = "Default: one for every core."
Workers = Annotated[
    int | None, Parameter(help=f"Processes to share the work. {_PER_CORE}", validator=validators.Number(gte=1))
]
Threads = Annotated[
    int | None, Parameter(help=f"Threads to share the work. {_PER_CORE}", validator=validators.Number(gte=1))
]
Against = Annotated[
    list[str],
    Parameter(help="Rows that resemble one in these files go; nothing of these is written.", show_default=False),
]
Compared = Annotated[On, Parameter(help="Text that is compared.")]
Shingle = Annotated[int, Parameter(help="Words in a row that are compared as one piece.")]
MaxMemory = Annotated[
    str | None,
    Parameter(help="What may be held, such as 8GiB; what does not fit is done on disk. Default: what is free."),
]
Workspace = Annotated[
    Path | None, Parameter(help="Folder that holds .phase0/. Default: PHASE0_WORKSPACE, else found from the output.")
]


def workspace(given: Path | None) -> Path | None:
    """The workspace given as an option, else the environment's."""
    named = os.environ.get("PHASE0_WORKSPACE")
    return given or (Path(named) if named else None)


def hub(token_env: str = HUB_KEY_ENV) -> Any:
    """How the environment says the dataset hub is reached, with the token that a variable of this name holds."""
    from phase0.stages.download import Hub

    return Hub(
        endpoint=os.environ.get("HF_ENDPOINT") or None,
        token=os.environ.get(token_env) or None,
        offline=os.environ.get("HF_HUB_OFFLINE", "").lower() in {"1", "true", "yes", "on"},
    )


def engine(workers: int | None) -> Any:
    """The engine for so many workers on this machine."""
    from phase0.engine.local import Local

    return Local(workers_of(workers))


def workers_of(workers: int | None) -> int:
    """The number given, else one for every core."""
    return workers or os.cpu_count() or 1
