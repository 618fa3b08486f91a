"""What a finished file holds and how it came to be. The manifest is written last: without it, nothing is finished.

`X.jsonl` has its manifest and its dropped rows in the folder `X.meta`, so that `*.jsonl` never picks them up.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from phase0.dataset.containers import stem
from phase0.dataset.rows import NOT_JSON
from phase0.dataset.writing import file_digest
from phase0.errors import DataError

FORMAT = 1  # raised when a reader of the old form would misread the new


class InputFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file that was read, and its own sums: in = kept + dropped."""

    path: str  # relative to the folder of the output
    bytes: int
    digest: str
    read: int = 0  # rows in the file
    rows_in: int = msgspec.field(name="in", default=0)
    kept: int = 0
    dropped: int = 0
    note: str | None = None  # the layout it was read as


class OutputFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file that was written."""

    path: str  # relative to the folder of the output
    rows: int
    bytes: int
    digest: str


class Rejected(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file that could not be read, and why."""

    path: str
    reason: str


class Counts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The sums of a stage, in rows. They always close: in = kept + dropped.

    `read` is what the files hold. It differs from `in` where one upstream row holds several examples (a conversation
    tree), several make one (messages of a tree), or where rows belong to another teacher.
    """

    read: int
    rows_in: int = msgspec.field(name="in")
    kept: int
    dropped: int
    reasons: dict[str, int] = {}


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything needed to trust a file, and to know whether it must be made again."""

    format: int = FORMAT
    stage: str
    recipe: str  # digest of the stage's settings and of its inputs' digests
    settings: dict[str, Any]
    inputs: tuple[InputFile, ...]
    output: OutputFile
    others: tuple[OutputFile, ...] = ()  # further files, each with rows of the output in it
    counts: Counts
    rejected: tuple[Rejected, ...] = ()
    figures: dict[str, Any] = {}  # what else the stage measured
    cost_usd: str | None = None  # decimal; None where the stage buys nothing or the price is not known
    versions: dict[str, str]
    started: str
    seconds: float


class Dropped(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A row that a stage did not keep, and why. `row` is the row itself, or `{"raw": text}` where it is not JSON."""

    stage: str
    reason: str
    evidence: dict[str, Any]
    file: str
    line: int
    row: msgspec.Raw


def dropped(*, stage: str, reason: str, evidence: dict[str, Any], file: str, line: int, raw: bytes) -> bytes:
    """One line of `dropped.jsonl`, without its end."""
    row = dropped_row(raw)
    return msgspec.json.encode(Dropped(stage=stage, reason=reason, evidence=evidence, file=file, line=line, row=row))


def dropped_row(raw: bytes) -> msgspec.Raw:
    """A row as `dropped.jsonl` holds it. Bytes that are not JSON are kept as text, what is not UTF-8 as `\\xNN`."""
    try:
        value = msgspec.json.decode(raw)
        return msgspec.Raw(msgspec.json.encode(value) if b"\n" in raw else raw)
    except NOT_JSON:
        return msgspec.Raw(msgspec.json.encode({"raw": raw.decode("utf-8", "backslashreplace")}))


def meta_folder(path: Path) -> Path:
    """The folder beside a file that holds its manifest and its dropped rows: `X.meta` for `X.jsonl.gz`."""
    return path.with_name(f"{stem(path)}.meta")


def manifest_of(path: Path) -> Manifest | None:
    """The manifest of a file phase0 wrote; None where it has none, or has one of another file or another form."""
    manifest = _manifest_beside(path)
    return manifest if manifest and manifest.output.path == path.name else None


def sharer(path: Path) -> Path | None:
    """The finished file of another form that has the same meta folder: `X.jsonl` for `X.parquet`."""
    manifest = _manifest_beside(path)
    other = path.with_name(manifest.output.path) if manifest else path
    return other if other.name != path.name and other.exists() else None


def _manifest_beside(path: Path) -> Manifest | None:
    place = meta_folder(path) / "manifest.json"
    try:
        return msgspec.json.decode(place.read_bytes(), type=Manifest)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except NOT_JSON as error:
        raise DataError(
            f"{place}: is not a manifest this version can read ({error}); delete {place.parent} and make {path} again"
        ) from None


def is_whole(path: Path, manifest: Manifest) -> bool:
    """Whether a file, or a folder of shards, still holds the very bytes that its manifest was written for."""
    if not path.is_dir():
        return _holds(path, manifest.output)
    names = {f"{path.name}/{child.name}" for child in path.iterdir() if not child.name.startswith(".")}
    shards = {other.path: other for other in manifest.others}
    return names == shards.keys() and all(_holds(path.parent / name, shard) for name, shard in shards.items())


def _holds(path: Path, wanted: OutputFile) -> bool:
    try:
        return path.stat().st_size == wanted.bytes and file_digest(path) == wanted.digest
    except FileNotFoundError:
        return False
