"""The commands that hand a dataset over: licenses, card, push."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from phase0.cli import settings
from phase0.cli.printing import licenses_told, pushed
from phase0.cli.screen import screen
from phase0.cli.settings import HUB_KEY_ENV

Target = Annotated[Path, Parameter(help="Folder of a run, or a dataset file.")]


def licenses(
    target: Target,
    /,
    *,
    require_license: Annotated[
        Literal["commercial"] | None, Parameter(help="What the terms of every row must allow; unknown is not allowed.")
    ] = None,
    json: Annotated[bool, Parameter(help="Print everything as JSON.", show_default=False)] = False,
) -> int:
    """List the licences and providers' terms that rows are under, and what those ask for. No legal advice.

    Exit status 1 when `--require-license` is not met: the origins that stand in its way are named.
    """
    import msgspec

    import phase0
    from phase0.licenses import check_fit

    ledger = phase0.license_ledger(target)
    print(msgspec.json.format(msgspec.json.encode(ledger), indent=2).decode() if json else licenses_told(ledger))
    if require_license is not None:
        check_fit(ledger, require_license)
    return 0


def card(target: Target, /) -> int:
    """Write the dataset's card: README.md with the hub's header, from manifests and verification."""
    import phase0

    with screen() as progress:
        print(phase0.write_card(target, progress=progress))
    return 0


def push(
    target: Target,
    repo: Annotated[str, Parameter(help="owner/name of the dataset on the hub; it is made if it is not there.")],
    /,
    *,
    private: Annotated[
        bool, Parameter(help="Make it private. One that everybody can read is then refused.", show_default=False)
    ] = False,
    revision: Annotated[str, Parameter(help="Branch to commit to; it is made if it is not there.")] = "main",
    token_env: Annotated[str, Parameter(help="Variable that holds a token with write access.")] = HUB_KEY_ENV,
    dry_run: Annotated[
        bool, Parameter(help="Say what would be sent; nothing changes on the hub.", show_default=False)
    ] = False,
) -> int:
    """Commit a finished dataset and its card to the Hugging Face hub. What is there already is not sent again."""
    import phase0

    with screen() as progress:
        done = phase0.push(
            target,
            repo,
            private=private,
            revision=revision,
            hub=settings.hub(token_env),
            dry_run=dry_run,
            progress=progress,
        )
    print(pushed(done, dry_run=dry_run))
    return 0
