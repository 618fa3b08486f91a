"""Files of a dataset to the Hugging Face hub, as one commit: what the hub has already is not sent again.

Large files go before the commit and stay on the hub when it fails, so the same call goes on where it was stopped. A
repository is either as it was or has the whole commit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx2
from huggingface_hub import CommitOperationAdd, HfApi
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.hf_api import DatasetInfo, RepoSibling
from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

from phase0.errors import HubError
from phase0.hub.fetching import AGENT, ENDPOINT

MAIN = "main"
_TIMEOUT = 30.0  # seconds for what a repository holds


class Upload(NamedTuple):
    """A file on this disk, and its name in the repository."""

    path: Path
    name: str


class _Held(NamedTuple):
    """What a repository holds on a branch. `commit` is None where the branch is still to be made."""

    files: Mapping[str, RepoSibling]
    commit: str | None


class Pushed(NamedTuple):
    """What a push did, or would do. `commit` is None where nothing was committed."""

    repo: str
    revision: str
    sent: tuple[str, ...]  # names of files that differ from the hub's
    same: tuple[str, ...]  # names of files that the hub has already
    created: bool  # whether the repository was not there before
    commit: str | None
    page: str


def push(
    repo: str,
    files: Sequence[Upload],
    *,
    message: str,
    token: str | None,
    private: bool = False,
    revision: str = MAIN,
    endpoint: str | None = None,
    dry_run: bool = False,
) -> Pushed:
    """Commit files to a dataset repository, which is made if it is not there, as is a branch.

    Files of the repository that are not named stay. A repository that everybody can read is refused where it should be
    `private`; one that is there keeps the visibility that it has. With `dry_run` the hub is asked what it has, and
    nothing is changed. Raises HubError.
    """
    place = (endpoint or ENDPOINT).rstrip("/")
    api = HfApi(endpoint=place, token=token or False, headers=AGENT)
    with _one_line(place, repo, revision), _quiet():
        there = _held(api, repo, revision, private=private)
        held = there.files if there else {}
        sent = tuple(file for file in files if not _is_there(file, held.get(file.name)))
        names = tuple(file.name for file in sent)
        found = Pushed(
            repo=repo,
            revision=revision,
            sent=names,
            same=tuple(file.name for file in files if file.name not in names),
            created=there is None,
            commit=None,
            page=f"{place}/datasets/{repo}",
        )
        if dry_run or not sent:
            return found
        if there is None:
            # None and not False: an organisation may make all that is new private.
            api.create_repo(repo, repo_type="dataset", private=private or None, exist_ok=True)
        if revision != MAIN:
            api.create_branch(repo, repo_type="dataset", branch=revision, exist_ok=True)
        operations = [CommitOperationAdd(path_in_repo=file.name, path_or_fileobj=str(file.path)) for file in sent]
        made = api.create_commit(
            repo,
            operations,
            commit_message=message,
            repo_type="dataset",
            revision=revision,
            parent_commit=there.commit if there else None,  # what was compared must still be what is there
        )
        return found._replace(commit=made.oid)


def _held(api: HfApi, repo: str, revision: str, *, private: bool) -> _Held | None:
    """What a repository holds; None where there is no repository."""
    try:
        info = api.dataset_info(repo, revision=revision, files_metadata=True, timeout=_TIMEOUT)
    except RevisionNotFoundError:
        if private:
            _check_hidden(repo, api.dataset_info(repo, timeout=_TIMEOUT), private=private)
        return _Held({}, None)
    except GatedRepoError:  # it is there, and closed to this token
        raise
    except RepositoryNotFoundError:
        return None
    _check_hidden(repo, info, private=private)
    return _Held({sibling.rfilename: sibling for sibling in info.siblings or ()}, info.sha)


def _check_hidden(repo: str, info: DatasetInfo, *, private: bool) -> None:
    if private and not info.private:
        raise HubError(
            f"{repo} is there and everybody can read it. Make it private on the hub, or push without --private."
        )


def _is_there(file: Upload, held: RepoSibling | None) -> bool:
    """Whether the hub has the very bytes, by the digest that it states: SHA-256 of large files, git's of small ones."""
    size = file.path.stat().st_size
    if held is None or held.size != size:
        return False
    with file.path.open("rb") as body:
        if held.lfs is not None:
            return hashlib.file_digest(body, "sha256").hexdigest() == held.lfs.sha256
        header = b"blob %d\0" % size
        mine = hashlib.file_digest(body, lambda: hashlib.sha1(header, usedforsecurity=False)).hexdigest()
        return mine == held.blob_id


@contextmanager
def _quiet() -> Iterator[None]:
    """Nothing below the command line prints: not the client's bars either."""
    were = are_progress_bars_disabled()
    disable_progress_bars()
    try:
        yield
    finally:
        if not were:
            enable_progress_bars()


@contextmanager
def _one_line(place: str, repo: str, revision: str) -> Iterator[None]:
    """Turn everything that the network and the hub can say into one HubError."""
    try:
        yield
    except HfHubHTTPError as error:
        raise HubError(_refusal(place, repo, revision, error)) from error
    except HFValidationError as error:
        raise HubError(f"{repo!r} is not the name of a dataset on the hub, which reads owner/name.") from error
    except OfflineModeIsEnabled as error:
        raise HubError("HF_HUB_OFFLINE forbids the network. Unset it to push.") from error
    except (httpx2.RequestError, httpx2.InvalidURL) as error:
        raise HubError(f"Cannot reach {place} for {repo} ({_said(error)}). The same call again goes on.") from error
    # What the client makes of a failed upload (through Xet these are the system's own errors) and of the card's header.
    except (OSError, RuntimeError, ValueError) as error:
        cause = error.__cause__
        if isinstance(error, RuntimeError) and isinstance(cause, HfHubHTTPError):
            raise HubError(_refusal(place, repo, revision, cause)) from error
        raise HubError(
            f"{place} did not take {repo}: {_said(error)} Nothing was committed; the same call goes on."
        ) from error


def _said(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _refusal(place: str, repo: str, revision: str, error: HfHubHTTPError) -> str:
    status = error.response.status_code
    if status in (401, 403):
        return (
            f"{place} does not let this token write to {repo} (HTTP {status}). "
            "It takes a token with write access to that owner's repositories."
        )
    if status in (409, 412):
        return f"{repo} was changed by somebody else meanwhile (HTTP {status}). Look at it, then push again."
    if status == 404:
        return f"{place} has no {repo!r} at {revision!r} that this token may write to (HTTP 404)."
    return f"{place} answers HTTP {status} for {repo}. Nothing was committed; the same call goes on later."
