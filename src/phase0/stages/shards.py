"""A folder as a stage's output: shards that workers made, which take their names together when the stage ends well, and
one manifest over all of them beside the folder. In the order of their names they are what a single file would hold.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import xxhash

from phase0.dataset import OutputFile, atomic, meta_folder
from phase0.errors import DataError, UsageError
from phase0.stages.output import StageOutput, check_names

_SHARD = re.compile(r"part-\d{6,}\.jsonl")


def names_a_folder(output: str | Path) -> bool:
    """Whether an output is a folder of shards: it ends in a slash, or is a folder."""
    return str(output).endswith(("/", os.sep)) or Path(output).is_dir()


def shard_name(number: int) -> str:
    """The name of the `number`-th shard. Names of up to a million of them sort as numbers."""
    return f"part-{number:06}.jsonl"


class _Shard(NamedTuple):
    waits: Path  # under a name that nobody takes for a shard's
    rows: int
    bytes: int
    digest: str


class FolderOutput(StageOutput):
    """The output of one stage as a folder of shards."""

    def __init__(self, stage: str, path: Path, inputs: Sequence[Path], settings: dict[str, Any]) -> None:
        super().__init__(stage, path, inputs, settings)
        self._shards: list[_Shard] = []

    @staticmethod
    def check(path: Path, inputs: Sequence[Path]) -> None:
        """Raise where a file has the folder's name, and where shards would lie among other files or replace inputs."""
        if path.exists() and not path.is_dir():
            raise UsageError(f"{path} is a file, and the output is a folder; name another, or delete the file")
        inside = [item for item in inputs if item.resolve().parent == path.resolve()]
        if inside:
            raise UsageError(f"{inside[0]} is an input in the folder of the output; write to another folder")
        found = _seen(path)
        strangers = [item for item in found if not _SHARD.fullmatch(item.name)]
        if strangers or (found and not meta_folder(path).is_dir()):
            raise UsageError(f"{path} holds {(strangers or found)[0].name}, which is not phase0's; name another folder")
        check_names(path, inputs)

    def open(self, files: ExitStack) -> None:
        files.enter_context(self._put())
        self._dropped = files.enter_context(atomic(meta_folder(self.path) / "dropped.jsonl"))

    def keep_shard(self, made: Path, *, rows: int, size: int, digest: str, file: int) -> None:
        """Keep the rows of the `file`-th input that a worker wrote; its file becomes the next shard."""
        waits = self.path / f".{shard_name(len(self._shards))}.{os.getpid()}.partial"
        with self._writing():
            made.replace(waits)
        self._shards.append(_Shard(waits, rows, size, digest))
        self.sums[file].kept += rows

    @contextmanager
    def _put(self) -> Iterator[None]:
        """Shards take their names, in place of older ones, when the block ends well."""
        with self._writing():
            self.path.mkdir(parents=True, exist_ok=True)
            for left in self.path.glob(".part-*.partial"):  # of who was killed: this process holds the lock
                left.unlink()
        try:
            yield
            with self._writing():
                for old in _seen(self.path):
                    old.unlink()
                for number, shard in enumerate(self._shards):
                    shard.waits.replace(self.path / shard_name(number))
        finally:
            for shard in self._shards:
                shard.waits.unlink(missing_ok=True)
            with suppress(OSError):  # where there are shards
                self.path.rmdir()
        _sync(self.path)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise DataError(f"{self.path}: cannot be written ({error.strerror or error})") from error

    def published(self, kept: int) -> tuple[OutputFile, tuple[OutputFile, ...]]:
        """The folder, whose digest is that of its shards' digests, and its shards."""
        name, state = self.path.name, xxhash.xxh3_128()
        for shard in self._shards:
            state.update(shard.digest.encode())
        size = sum(shard.bytes for shard in self._shards)
        shards = (
            OutputFile(path=f"{name}/{shard_name(number)}", rows=shard.rows, bytes=shard.bytes, digest=shard.digest)
            for number, shard in enumerate(self._shards)
        )
        return OutputFile(path=name, rows=kept, bytes=size, digest=state.hexdigest()), tuple(shards)


def _seen(folder: Path) -> list[Path]:
    """What a reader of the folder sees."""
    return sorted(path for path in folder.iterdir() if not path.name.startswith(".")) if folder.is_dir() else []


def _sync(folder: Path) -> None:
    with suppress(OSError):  # Windows cannot open folders
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
