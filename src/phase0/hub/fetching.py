"""Files of public datasets from the Hugging Face hub: pinned to one commit, checked against the digest the hub states.

A file stands under its name only once its digest is right; until then it is a part file, which the next call continues.
"""

from __future__ import annotations

import errno
import fnmatch
import hashlib
import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple

import httpx2  # what huggingface_hub speaks through: it lets these errors out as they are
import msgspec
from huggingface_hub import HfApi, get_session, hf_hub_url, hf_raise_for_status
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.hf_api import RepoSibling

from phase0.dataset.rows import NOT_JSON
from phase0.errors import HubError
from phase0.progress import SILENT, Progress

ENDPOINT = "https://huggingface.co"

PAUSES = (1.0, 2.0, 4.0, 8.0)
"""Seconds before each new try of a transfer that broke off without a byte of progress."""

_TIMEOUT = 30.0  # seconds without a byte; large files arrive in many reads
_BUSY = (429, 500, 502, 503, 504)
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHOWN = 8  # files named in an error, of repositories that hold hundreds
AGENT = {"user-agent": "phase0"}  # in place of the client's own line, which tells what else is installed


class Fetched(NamedTuple):
    """One file, on disk and checked. `sha256` is the hub's: None for a small file, which it knows by its git digest."""

    path: Path
    name: str  # inside the repository
    size: int
    sha256: str | None


class Snapshot(NamedTuple):
    """The chosen files of a repository at one commit, in the order of their names."""

    repo: str
    revision: str  # the commit, 40 hex digits, whatever was asked for
    files: tuple[Fetched, ...]


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file as the hub states it."""

    name: str
    size: int | None
    algorithm: Literal["sha256", "git-sha1"]
    digest: str | None


class _Listing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a repository held at a commit, kept beside the files so that they can be checked without a network."""

    repo: str
    asked: str
    revision: str
    files: tuple[_File, ...]


class _Hub(NamedTuple):
    endpoint: str
    token: str | None
    pauses: Sequence[float]


def fetch(
    repo: str,
    *,
    patterns: Sequence[str],
    revision: str,
    folder: Path,
    endpoint: str | None = None,
    token: str | None = None,
    offline: bool = False,
    progress: Progress = SILENT,
    pauses: Sequence[float] = PAUSES,
) -> Snapshot:
    """The files of a dataset that match `patterns` (each must match one), downloaded into `folder`.

    Files already there and right are not fetched again, and what was listed for a commit is not asked for again, so
    that a pinned dataset needs the network once. `offline` never uses it, for branches neither. The caller keeps two
    calls on one folder apart. Raises HubError.
    """
    hub = _Hub((endpoint or ENDPOINT).rstrip("/"), token, pauses)
    with _one_line(hub, repo, revision, folder):
        folder.mkdir(parents=True, exist_ok=True)
        listing = _recall(folder, repo, revision) if offline or _COMMIT.fullmatch(revision) else None
        if listing is None and offline:
            raise HubError(
                f"Offline, and {repo} at {revision} was never downloaded to {folder}. "
                "Download it once with a network, or give its files with --from DIR."
            )
        if listing is None:
            listing = _ask(hub, repo, revision)
            _remember(folder, listing)
        chosen = _choose(listing, patterns)
        progress.start(f"download {repo}", sum(file.size or 0 for file in chosen), "bytes")
        fetched = tuple(_obtain(hub, listing, file, folder, offline=offline, progress=progress) for file in chosen)
        progress.finish(f"{repo} at {listing.revision[:12]}: {len(fetched)} files")
    return Snapshot(repo, listing.revision, fetched)


def _ask(hub: _Hub, repo: str, revision: str) -> _Listing:
    """One request gives the commit and everything in it, so the two cannot disagree."""
    api = HfApi(endpoint=hub.endpoint, token=hub.token or False, headers=AGENT)
    try:
        info = api.dataset_info(repo, revision=revision, files_metadata=True, timeout=_TIMEOUT)
    except (HfHubHTTPError, HFValidationError):
        raise
    except (ValueError, TypeError, KeyError) as error:  # a proxy's page instead of the hub's answer
        raise HubError(f"{hub.endpoint} answered with something that is not the description of a dataset.") from error
    if info.sha is None or not _COMMIT.fullmatch(info.sha):
        raise HubError(f"{hub.endpoint} did not say which commit {revision!r} of {repo} is: it said {info.sha!r}.")
    files = sorted((_stated(sibling) for sibling in info.siblings or ()), key=lambda file: file.name)
    return _Listing(repo, revision, info.sha, tuple(files))


def _stated(sibling: RepoSibling) -> _File:
    if sibling.lfs is not None:
        return _File(sibling.rfilename, sibling.lfs.size, "sha256", sibling.lfs.sha256)
    return _File(sibling.rfilename, sibling.size, "git-sha1", sibling.blob_id)


def _choose(listing: _Listing, patterns: Sequence[str]) -> list[_File]:
    names = [file.name for file in listing.files]
    chosen: set[str] = set()
    for pattern in patterns:
        matched = [name for name in names if fnmatch.fnmatchcase(name, pattern)]
        if not matched:
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            held = (", ".join(names[:_SHOWN]) + more) or "nothing"
            raise HubError(
                f"No file of {listing.repo} at {listing.revision[:12]} matches {pattern!r}. It holds {held}."
            )
        chosen.update(matched)
    return [file for file in listing.files if file.name in chosen]


def _obtain(hub: _Hub, listing: _Listing, file: _File, folder: Path, *, offline: bool, progress: Progress) -> Fetched:
    path = folder / _safe(listing.repo, file.name)
    if file.digest is None or file.size is None:
        raise HubError(f"{hub.endpoint} states no digest for {file.name} of {listing.repo}, so it cannot be checked.")
    fetched = Fetched(path, file.name, file.size, file.digest if file.algorithm == "sha256" else None)
    if path.is_file() and _digest(path, file) == file.digest:
        progress.advance(file.size)
        return fetched
    if offline:
        state = "is not the file that the hub stated" if path.exists() else "is missing"
        raise HubError(f"Offline, and {path} {state}. Download it once with a network, or use --from DIR.")
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{file.digest[:12]}.part")  # another revision's part is never continued
    at = listing.revision
    url = hf_hub_url(listing.repo, file.name, repo_type="dataset", revision=at, endpoint=hub.endpoint)
    _download(hub, url, part, file.size, progress)
    got = _digest(part, file)
    if got != file.digest:
        size = part.stat().st_size
        part.unlink()
        raise HubError(
            f"{file.name} of {listing.repo} arrived damaged: {file.algorithm} {got} of {size} bytes, "
            f"but the hub states {file.digest} of {file.size}. It was deleted; run the same again."
        )
    part.replace(path)
    return fetched


def _safe(repo: str, name: str) -> PurePosixPath:
    """A name from the network may not lead out of the folder it is put in."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name:
        raise HubError(f"{repo} lists a file called {name!r}, which would be written outside its folder.")
    return path


def _download(hub: _Hub, url: str, part: Path, size: int, progress: Progress) -> None:
    """Bring `part` to its size, across broken connections.

    hf_hub_download is not used for this: in huggingface_hub 2.4 every call starts from nothing, under a temporary name
    of its own, and the largest of these files is 2 GB.
    """
    part.touch()
    have = part.stat().st_size
    progress.advance(min(have, size))
    left = list(hub.pauses)
    done = have >= size
    while not done:
        try:
            _stream(hub, url, part, progress)
            done = True
        except (httpx2.TransportError, HfHubHTTPError) as error:
            if isinstance(error, HfHubHTTPError) and error.response.status_code not in _BUSY:
                raise
            before, have = have, part.stat().st_size
            if have > before:
                left = list(hub.pauses)
            if not left:
                raise
            time.sleep(left.pop(0))


def _stream(hub: _Hub, url: str, part: Path, progress: Progress) -> None:
    """Append what is missing. A server that sends the whole file again has it taken from the start."""
    headers = {**AGENT, "accept-encoding": "identity"}  # the digest and the range are of the bytes as they are kept
    if hub.token:
        headers["authorization"] = f"Bearer {hub.token}"
    if have := part.stat().st_size:
        headers["range"] = f"bytes={have}-"
    with get_session().stream("GET", url, headers=headers, timeout=_TIMEOUT) as response:
        hf_raise_for_status(response)
        with part.open("ab") as out:
            if have and response.status_code != 206:
                out.truncate(0)
            for chunk in response.iter_bytes():
                out.write(chunk)
                progress.advance(len(chunk))
            out.flush()
            os.fsync(out.fileno())


def _digest(path: Path, file: _File) -> str:
    """Large files have a SHA-256; small ones stand in git, which hashes a header with the size before the bytes."""
    with path.open("rb") as body:
        if file.algorithm == "sha256":
            return hashlib.file_digest(body, "sha256").hexdigest()
        header = b"blob %d\0" % path.stat().st_size
        return hashlib.file_digest(body, lambda: hashlib.sha1(header, usedforsecurity=False)).hexdigest()


def _listing_path(folder: Path, repo: str) -> Path:
    return folder / f".{repo.replace('/', '--')}.json"


def _remember(folder: Path, listing: _Listing) -> None:
    path = _listing_path(folder, listing.repo)
    fresh = path.with_suffix(".new")
    fresh.write_bytes(msgspec.json.encode(listing))
    fresh.replace(path)


def _recall(folder: Path, repo: str, revision: str) -> _Listing | None:
    path = _listing_path(folder, repo)
    try:
        listing = msgspec.json.decode(path.read_bytes(), type=_Listing)
    except (FileNotFoundError, *NOT_JSON):  # never written, or by another version: ask again
        return None
    return listing if revision in (listing.asked, listing.revision) and listing.repo == repo else None


@contextmanager
def _one_line(hub: _Hub, repo: str, revision: str, folder: Path) -> Iterator[None]:
    """Turn everything that the network, the hub and the disk can say into one HubError."""
    try:
        yield
    except HfHubHTTPError as error:
        raise HubError(_refusal(hub, repo, revision, error)) from error
    except HFValidationError as error:
        raise HubError(f"{repo!r} is not the name of a dataset on the hub, which reads owner/name.") from error
    except OfflineModeIsEnabled as error:
        raise HubError("HF_HUB_OFFLINE forbids the network. Unset it, or give the files with --from DIR.") from error
    except (httpx2.RequestError, httpx2.InvalidURL) as error:
        why = " ".join(str(error).split()) or type(error).__name__
        raise HubError(
            f"Cannot reach {hub.endpoint} for {repo} ({why}). What has arrived is kept: the same call continues it. "
            "Without a network, --from DIR reads files that are already on disk."
        ) from error
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise HubError(f"The disk of {folder} is full. Make room and run the same again: it continues.") from error
        raise HubError(f"Cannot keep {repo} in {folder}: {error}.") from error


def _refusal(hub: _Hub, repo: str, revision: str, error: HfHubHTTPError) -> str:
    page = f"{hub.endpoint}/datasets/{repo}"
    status = error.response.status_code
    if isinstance(error, GatedRepoError):
        way_in = "the account of HF_TOKEN is not let in yet" if hub.token else "set HF_TOKEN to a token of that account"
        return f"{repo} is gated (HTTP {status}). Accept its terms at {page}; {way_in}."
    if isinstance(error, RevisionNotFoundError):
        return f"{repo} has no revision {revision!r}. Its revisions are listed at {page}/commits/main."
    if isinstance(error, RepositoryNotFoundError) or status == 404:
        return (
            f"{hub.endpoint} has no dataset {repo!r}, or it is private and HF_TOKEN does not open it (HTTP {status})."
        )
    if status in (401, 403):
        return (
            f"{hub.endpoint} refuses {repo} (HTTP {status}). It may want its terms accepted at {page} and HF_TOKEN set."
        )
    return (
        f"{hub.endpoint} answers HTTP {status} for {repo}. What has arrived is kept: the same call continues it later."
    )
