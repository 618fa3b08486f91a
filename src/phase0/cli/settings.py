"""Options that several commands share, and what the environment says. Nothing below the command line reads it."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter, validators

from phase0.dedup import On
from phase0.errors import UsageError
from phase0.progress import SILENT, Progress

if TYPE_CHECKING:
    from phase0.engine import Engine

Inputs = Annotated[list[str], Parameter(help="Files, glob patterns or folders of rows.", show_default=False)]
Output = Annotated[
    Path, Parameter(help="File to write; its suffix decides the format (.jsonl .gz .zst .parquet .csv).")
]
OutputOrFolder = Annotated[
    str,
    Parameter(
        help="File to write; its suffix decides the format (.jsonl .gz .zst .parquet .csv). "
        "With a slash at its end a folder, of shards."
    ),
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


@dataclass(frozen=True, kw_only=True)
class Where:
    """Where the work of a command runs."""

    engine: Annotated[
        Literal["local", "ray"], Parameter(help="Where work runs: on this machine, or on a Ray cluster.")
    ] = "local"
    address: Annotated[
        str | None,
        Parameter(help="Ray cluster to join: auto, or host:port. Default: RAY_ADDRESS, else one of our own here."),
    ] = None


WhereOptions = Annotated[Where, Parameter(name="*")]
HERE = Where()


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


@contextmanager
def engine(
    where: Where, workers: int | None, places: Iterable[str | Path | None] = (), progress: Progress = SILENT
) -> Iterator[Engine]:
    """Where work runs for the block. Nodes of a cluster must see the `places`: what is read, and where it goes."""
    from phase0.dataset.places import is_url
    from phase0.engine import ENGINES
    from phase0.registry import load

    kind = load("engine", ENGINES, where.engine)
    if where.engine == "local":
        if where.address is not None:
            raise UsageError(f"--address {where.address} is that of a Ray cluster; it needs --engine ray")
        yield kind(workers_of(workers))
        return
    seen = [_fixed(place) for place in places if place is not None and not is_url(place)]
    with kind(where.address or os.environ.get("RAY_ADDRESS"), workers=workers, places=seen, progress=progress) as ray:
        yield ray


def _fixed(place: str | Path) -> Path:
    """The folder in which a glob pattern looks; any other place as it is."""
    path = Path(place)
    return path if path.exists() else next((up for up in path.parents if not glob.has_magic(str(up))), path)


def workers_of(workers: int | None) -> int:
    """The number given, else one for every core."""
    return workers or os.cpu_count() or 1
