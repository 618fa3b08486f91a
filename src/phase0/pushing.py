"""A finished dataset to the hub: its rows and its card, and nothing else of the machine that made it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from phase0.dataset import manifest_of
from phase0.dataset.manifest import is_whole
from phase0.errors import DataError, UsageError
from phase0.licenses import check_fit
from phase0.progress import SILENT, Progress
from phase0.report import CARD, Told, gather_from, is_ours, put_card
from phase0.stages.download import PUBLIC_HUB, Hub

if TYPE_CHECKING:
    from phase0.hub import Pushed

_SHORT = 12  # digits of a digest in the message of a commit


def push(
    target: str | Path,
    repo: str,
    *,
    private: bool = False,
    revision: str = "main",
    hub: Hub = PUBLIC_HUB,
    dry_run: bool = False,
    progress: Progress = SILENT,
) -> Pushed:
    """Commit the dataset of a run's folder, or a dataset file that phase0 made, to `repo` (owner/name) with its card.

    The card is written anew, unless it is somebody's own, which then goes as it is. What the hub has already is not
    sent; where that is everything, nothing is committed. With `dry_run` nothing changes there. Raises UsageError
    without a token or for a rehearsal, DataError for a file that was changed since it was made, UnfitLicense where the
    plan requires a licence that some rows do not have, and HubError.
    """
    from phase0 import hub as client

    if hub.offline:
        raise UsageError("HF_HUB_OFFLINE forbids the network. Unset it to push.")
    if hub.token is None and not dry_run:
        raise UsageError("there is no token: pushing takes one of the hub's with write access, in HF_TOKEN.")
    told = gather_from(target, progress=progress)
    _check(told)
    page = told.place / CARD
    if is_ours(page):
        put_card(told)
    files = [client.Upload(told.dataset, told.dataset.name), client.Upload(page, CARD)]
    progress.start(f"push {repo}", None)
    done = client.push(
        repo,
        files,
        message=_message(told),
        token=hub.token,
        private=private,
        revision=revision,
        endpoint=hub.endpoint,
        dry_run=dry_run,
    )
    progress.finish()
    return done


def _check(told: Told) -> None:
    """Raise where a card would say of the rows what is not so."""
    numbers = told.numbers
    if numbers.rehearsal:
        raise UsageError(f"{told.dataset} is of a rehearsal: its answers are replayed or made up. It is not pushed.")
    made = manifest_of(told.dataset)
    if made is None or not is_whole(told.dataset, made):
        raise DataError(f"{told.dataset} was changed since it was made, so its card would describe other rows.")
    if numbers.require_license is not None:
        check_fit(numbers.licenses, numbers.require_license)


def _message(told: Told) -> str:
    """What the commit says: the same run says the same."""
    numbers = told.numbers
    return f"{numbers.rows:,} rows, recipe {numbers.recipe[:_SHORT]}, file {numbers.digest[:_SHORT]}"
