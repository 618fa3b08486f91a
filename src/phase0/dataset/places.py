"""Places that are no files of this machine: a URL is listed, fetched into a file, and published whole.

fsspec knows the stores, and this file alone knows fsspec. Keys and endpoints are for the store's own library to find.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any, NamedTuple

from phase0.dataset.writing import whole
from phase0.errors import DataError, UsageError

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

_URL = re.compile(r"[a-z][a-z0-9+.-]+:/", re.IGNORECASE)  # one slash at least: that is what a Path leaves of two
_BLOCK = 8 << 20  # bytes
# In these an object appears when its last byte is there; elsewhere a file grows under its name.
_OBJECTS = {"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "oss", "r2", "memory"}


class Remote(NamedTuple):
    """A file in a store, as it was when it was listed."""

    url: str
    name: str  # its last part
    bytes: int | None
    version: str  # another one when the file is another


def is_url(place: str | Path) -> bool:
    """Whether this names a place by URL: `s3://bucket/rows.jsonl`; also as the path that was made of one."""
    return _URL.match(str(place)) is not None


def listed(url: str) -> list[Remote]:
    """The files that a URL, a pattern (`s3://bucket/dir/*.jsonl`) or a folder names, in the order of their names.

    Raises UsageError where there is none, or where the package that knows the store is not installed; DataError where
    the store cannot be read.
    """
    with _opened(url) as (store, path):
        found: dict[str, Any]
        if any(sign in path for sign in "*?["):
            found = store.glob(path, detail=True)
        elif store.isdir(path):
            found = {one["name"]: one for one in store.ls(path, detail=True)}
        else:
            found = {path: store.info(path)}
        files = [(name, info) for name, info in sorted(found.items()) if info["type"] == "file" and _is_shown(name)]
        if not files:
            raise UsageError(f"{url}: there are no files there")
        return [
            Remote(store.unstrip_protocol(name), _last(name), info.get("size"), _version(info)) for name, info in files
        ]


def fetch(url: str, path: Path) -> Path:
    """Copy a file of a store to `path`, where it appears when it is whole. Raises DataError where it cannot be read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _opened(url) as (store, name), store.open(name, "rb") as source, whole(path) as file:
        while block := source.read(_BLOCK):
            file.write(block)
    return path


def publish(path: Path, url: str) -> None:
    """Copy a file to a store, where it appears when it is whole. Raises DataError where it cannot be written."""
    with _opened(url) as (store, name):
        if store.protocol in _OBJECTS or _OBJECTS.intersection(store.protocol):
            store.put_file(str(path), name)
            return
        folder, _, last = name.rpartition("/")
        store.makedirs(folder, exist_ok=True)
        fresh = f"{folder}/.{last}.{token_hex(8)}.partial"
        try:
            store.put_file(str(path), fresh)
            store.mv(fresh, name)
        finally:
            if store.exists(fresh):
                store.rm_file(fresh)


def join(folder: str, name: str) -> str:
    """The URL of a file in a folder."""
    return f"{folder.rstrip('/')}/{name}"


def refuse(place: str | Path, what: str) -> None:
    """Raise UsageError where `what`, which must lie on a disk, is wanted in a store."""
    if is_url(place):
        scheme, _, rest = str(place).partition(":")
        url = f"{scheme}://{rest.lstrip('/')}"
        raise UsageError(f"{url}: {what} must be on a disk, not in a store; a folder that every node sees will do")


@contextmanager
def _opened(url: str) -> Iterator[tuple[AbstractFileSystem, str]]:
    """The store of a URL and the path in it. Whatever fails in the block is told of the URL."""
    try:
        import fsspec

        # What others published a moment ago must be seen.
        store, path = fsspec.url_to_fs(url, use_listings_cache=False)
        yield store, path
    except ImportError as error:
        raise UsageError(f"{url}: needs a package that is not installed ({error})") from error
    except FileNotFoundError:
        raise DataError(f"{url}: there is no such file") from None
    except PermissionError as error:
        raise DataError(f"{url}: no permission ({error})") from error
    except _failures() as error:
        raise DataError(f"{url}: {' '.join(str(error).split()) or type(error).__name__}") from error
    except ValueError as error:
        raise UsageError(f"{url}: {error}") from error


def _failures() -> tuple[type[Exception], ...]:
    """What stores raise: OSError, and S3's library an error of its own where no key is found or no server answers."""
    library = sys.modules.get("botocore.exceptions")
    return (OSError, library.BotoCoreError) if library else (OSError,)


def _is_shown(name: str) -> bool:
    return not _last(name).startswith(".")


def _last(name: str) -> str:
    return name.rstrip("/").rpartition("/")[2]


def _version(info: dict[str, Any]) -> str:
    """What the store says that changes with a file."""
    told = [info.get(key) for key in ("ETag", "etag", "md5Hash", "mtime", "LastModified", "last_modified", "size")]
    return "/".join(str(one) for one in told if one is not None)
