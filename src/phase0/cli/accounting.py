"""The commands that look into the ledger: what was spent, and replies for or from a colleague."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from phase0.cli import settings
from phase0.cli.printing import columns
from phase0.errors import UsageError

if TYPE_CHECKING:
    from phase0.ledger import Spend

Workspace = Annotated[
    Path | None, Parameter(help="Folder that holds .phase0/. Default: PHASE0_WORKSPACE, else found from here upwards.")
]
ledger = App(name="ledger", sort_key=100)  # behind the commands that make rows


@ledger.default
def spend(
    *,
    by: Annotated[
        Literal["model", "day", "run", "server"], Parameter(help="What each line of the table is about.")
    ] = "model",
    json: Annotated[bool, Parameter(help="Print everything as JSON, with exact sums.", show_default=False)] = False,
    workspace: Workspace = None,
) -> int:
    """Show what replies have cost, by model, day, run or server.

    Replies that were imported cost nothing here. `again` counts replies that were paid for although one was there:
    after a kill, or where two processes asked at once.
    """
    import msgspec

    from phase0.ledger import Ledger

    with Ledger(_ledger(workspace)) as opened:
        found = opened.spend(by)
    if json:
        print(msgspec.json.format(msgspec.json.encode([each._asdict() for each in found]), indent=2).decode())
    else:
        print(_table(found, by))
    return 0


@ledger.command(name="export")
def export_(
    *,
    output: Annotated[Path, Parameter(help="File to write: .jsonl, or .jsonl.gz and .jsonl.zst to compress it.")],
    workspace: Workspace = None,
) -> int:
    """Write all replies with their requests as JSONL, so that a colleague need not buy them again."""
    from phase0.ledger import Ledger

    with Ledger(_ledger(workspace)) as opened:
        count = opened.export_to(output)
    print(f"{count:,} replies → {output}")
    return 0


@ledger.command(name="import")
def import_(
    *,
    input: Annotated[  # noqa: A002
        list[Path], Parameter(help="Files that `phase0 ledger export` wrote.", consume_multiple=True)
    ],
    workspace: Workspace = None,
) -> int:
    """Take in replies that somebody else bought. Each must prove that it is the reply to its request.

    A file with a line that is wrong is refused whole.
    """
    from phase0.ledger import Ledger

    with Ledger(_place(workspace)) as opened:
        for path in input:
            found = opened.import_from(path)
            print(f"{path}: {found.replies:,} replies, {found.new:,} of them new")
    return 0


def _place(workspace: Path | None) -> Path:
    """Where the ledger of the workspace is: the one given, else of the folder that we are in."""
    from phase0.ledger import FILE
    from phase0.workspace import MARK, workspace_of

    return workspace_of(Path.cwd() / FILE, settings.workspace(workspace)) / MARK / FILE


def _ledger(workspace: Path | None) -> Path:
    path = _place(workspace)
    if not path.exists():
        raise no_ledger(path)
    return path


def no_ledger(path: Path) -> UsageError:
    """What to say where a workspace has no ledger: often the workspace is a folder below, such as data/."""
    below = sorted(each.parent.parent for each in path.parent.parent.glob(f"*/{path.parent.name}/{path.name}"))
    hint = "--workspace names the folder that holds .phase0/."
    if below:
        hint = f"There is one in {', '.join(each.name for each in below)}: --workspace {below[0].name}."
    return UsageError(f"{path}: there is no ledger yet. {hint}")


def _table(found: list[Spend], by: str) -> str:
    titles = [by, "requests", "refused", "again", "unpriced", "tokens in", "tokens out", "dollars"]
    lines = [[each.name, *_figures([each])] for each in found]
    if len(found) != 1:
        lines.append(["together", *_figures(found)])
    return columns([titles, *lines])


def _figures(found: list[Spend]) -> list[str]:
    names = ("requests", "refused", "again", "unpriced", "tokens_in", "tokens_out")
    cost = sum((each.cost for each in found), Decimal(0))
    return [*(f"{sum(getattr(each, name) for each in found):,}" for name in names), f"{cost:,.6f}"]
