"""What every stage writes: kept rows, dropped rows with reasons, and last of all the manifest whose sums close."""

from __future__ import annotations

import os
import platform
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, NamedTuple

import msgspec

from phase0 import __version__
from phase0.dataset import (
    BadRow,
    Counts,
    InputFile,
    Manifest,
    OutputFile,
    Rejected,
    atomic,
    meta_folder,
    write_json,
    writer,
)
from phase0.dataset.manifest import Dropped, dropped_row, sharer
from phase0.dataset.places import refuse
from phase0.dataset.writing import Writer, sweep
from phase0.errors import DataError, RowError, UsageError
from phase0.records import digest
from phase0.stages.digests import Digests
from phase0.workspace import hold

_WAITING = 256  # dropped rows that are written together: with rows of some KB, what fits a core's cache

_encode_lines = msgspec.json.Encoder().encode_lines


class Sums:
    """The sums of one input file while a stage reads it."""

    def __init__(self) -> None:
        self.read = self.kept = 0
        self.note: str | None = None
        self.reasons: Counter[str] = Counter()

    @property
    def dropped(self) -> int:
        return self.reasons.total()


class Portion:
    """A file that takes some of a stage's kept rows. Made by `StageOutput.portion`."""

    def __init__(self, path: Path, out: Writer) -> None:
        self.path, self.out, self.rows = path, out, 0

    def write(self, raw: bytes) -> None:
        self.out.write(raw)
        self.rows += 1


class StageOutput:
    """The output of one stage while it is being written. Made by `stage_output`."""

    def __init__(self, stage: str, path: Path, inputs: Sequence[Path], settings: dict[str, Any]) -> None:
        self.stage, self.path, self.inputs, self.settings = stage, path, list(inputs), settings
        self.figures: dict[str, Any] = {}
        self.cost_usd: str | None = None
        self.rejected: list[Rejected] = []
        self.names = names(self.inputs, path.parent)  # what dropped rows call the file they came from
        self.sums = [Sums() for _ in inputs]
        self._marks = [_mark(item) for item in inputs]
        self._digests = Digests(self.inputs)
        self._looked_at: list[tuple[Path, _Mark]] = []
        self._started, self._clock = datetime.now(UTC), time.monotonic()
        self._beside: list[tuple[Path, Writer]] = []
        self._portions: list[Portion] = []
        self._waiting: list[Dropped] = []
        self._files: ExitStack
        self._kept: Writer
        self._dropped: IO[bytes]

    @staticmethod
    def check(path: Path, inputs: Sequence[Path]) -> None:
        """Raise for an output that cannot be made of these inputs."""
        check_output(path, inputs)

    @property
    def recipe(self) -> str:
        return recipe(self.stage, self.settings, self._digests.all())

    def open(self, files: ExitStack) -> None:
        """Begin to write: everything opened into `files` is published together when they close."""
        self._files = files
        self._kept = files.enter_context(writer(self.path))
        self._dropped = files.enter_context(atomic(meta_folder(self.path) / "dropped.jsonl"))

    def close(self) -> None:
        """Work no longer at digests that nobody wants."""
        self._digests.end()

    def looks_at(self, paths: Sequence[Path]) -> None:
        """These files decide too, and are not inputs: they may not change meanwhile."""
        self._looked_at += [(path, _mark(path)) for path in paths]

    def beside(self, path: Path) -> Writer:
        """A further file, with as many rows as the output, that is published with it."""
        check_output(path, self.inputs)
        sweep(path)
        out = self._files.enter_context(writer(path))
        self._beside.append((path, out))
        return out

    def tell(self, name: str, value: Any) -> None:
        """One value as indented JSON in a file of this name beside the manifest, published with the output."""
        path = meta_folder(self.path) / name
        sweep(path)
        file = self._files.enter_context(atomic(path))
        file.write(msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")

    def portion(self, path: Path) -> Portion:
        """A further file that takes some of the kept rows in place of the output, and is published with it."""
        check_output(path, self.inputs)
        sweep(path)
        self._portions.append(Portion(path, self._files.enter_context(writer(path))))
        return self._portions[-1]

    def keep(self, raw: bytes, file: int = 0, portion: Portion | None = None) -> None:
        """Keep a row of the `file`-th input: in the output, or in a portion of its own."""
        if portion is None:
            self._kept.write(raw)
        else:
            portion.write(raw)
        self.sums[file].kept += 1

    def keep_lines(self, block: bytes | memoryview, rows: int, file: int = 0) -> None:
        """Keep rows of the `file`-th input that stand in lines, each with its end."""
        self._kept.write_lines(block)
        self.sums[file].kept += rows

    def drop(
        self,
        raw: bytes,
        *,
        line: int,
        reason: str,
        evidence: dict[str, Any],
        file: int = 0,
        is_line: bool = False,
    ) -> None:
        """Drop a row of the `file`-th input, with what speaks against it. `is_line`: it is known to be JSON on one
        line."""
        row = msgspec.Raw(raw) if is_line else dropped_row(raw)
        name = self.names[file]
        self._waiting.append(Dropped(stage=self.stage, reason=reason, evidence=evidence, file=name, line=line, row=row))
        self.sums[file].reasons[reason] += 1
        if len(self._waiting) == _WAITING:
            self.flush()

    def drop_lines(self, block: bytes, reasons: Counter[str], file: int = 0) -> None:
        """Drop rows of the `file`-th input that stand in lines as `dropped` makes them, so many for each reason."""
        self.flush()
        self._dropped.write(block)
        self.sums[file].reasons.update(reasons)

    def flush(self) -> None:
        """Write the dropped rows that wait: together, as that takes half as long."""
        self._dropped.write(_encode_lines(self._waiting))
        self._waiting.clear()

    def drop_bad(self, row: BadRow, file: int = 0) -> None:
        """Drop a row of the `file`-th input that could not be read."""
        self.drop(row.raw, line=row.line, reason=row.error.reason, evidence=evidence_of(row.error), file=file)

    def add(self, kept: Path, lost: Path, sums: Sums, file: int) -> None:
        """Take over what a worker wrote for the `file`-th input."""
        with kept.open("rb") as rows:
            for row in rows:
                self._kept.write(row[:-1])
        self.flush()
        with lost.open("rb") as rows:
            while block := rows.read(1 << 20):
                self._dropped.write(block)
        mine = self.sums[file]
        mine.read, mine.kept, mine.note = mine.read + sums.read, mine.kept + sums.kept, sums.note or mine.note
        mine.reasons.update(sums.reasons)

    def check_inputs(self) -> None:
        """Raise DataError when an input is no longer the file whose digest the manifest will state."""
        self._digests.all()  # a file that changes while its digest is still being worked out has changed as well
        for path, mark in [*zip(self.inputs, self._marks, strict=True), *self._looked_at]:
            if _mark(path) != mark:
                raise DataError(f"{path} was changed while {self.stage} was reading it; run the same again")

    def manifest(self) -> Manifest:
        """What the finished files hold. To be asked once they have their names."""
        reasons: Counter[str] = sum((sums.reasons for sums in self.sums), Counter())
        kept = sum(sums.kept for sums in self.sums)
        output, others = self.published(kept)
        return Manifest(
            stage=self.stage,
            recipe=self.recipe,
            settings=self.settings,
            inputs=tuple(map(self._input, self.inputs, self._marks, self._digests.all(), self.sums)),
            output=output,
            others=others,
            counts=Counts(
                read=sum(sums.read for sums in self.sums),
                rows_in=kept + reasons.total(),
                kept=kept,
                dropped=reasons.total(),
                reasons=dict(sorted(reasons.items())),
            ),
            rejected=tuple(self.rejected),
            figures=self.figures,
            cost_usd=self.cost_usd,
            versions=versions(),
            started=self._started.isoformat(timespec="seconds"),
            seconds=round(time.monotonic() - self._clock, 3),
        )

    def published(self, kept: int) -> tuple[OutputFile, tuple[OutputFile, ...]]:
        """The output with so many kept rows, and further files, as the manifest names them."""
        folder = self.path.parent
        others = (
            *(described(path, out, kept, folder) for path, out in self._beside),
            *(described(part.path, part.out, part.rows, folder) for part in self._portions),
        )
        return described(self.path, self._kept, kept - sum(part.rows for part in self._portions), folder), others

    def _input(self, path: Path, mark: _Mark, seen: str, sums: Sums) -> InputFile:
        return InputFile(
            path=relative(path, self.path.parent),
            bytes=mark.size,
            digest=seen,
            read=sums.read,
            rows_in=sums.kept + sums.dropped,
            kept=sums.kept,
            dropped=sums.dropped,
            note=sums.note,
        )


class _Mark(NamedTuple):
    """What tells cheaply that a file was replaced or written to."""

    size: int
    modified: int  # nanoseconds
    number: int


@contextmanager
def stage_output(
    stage: str,
    path: Path,
    inputs: Sequence[Path],
    settings: dict[str, Any],
    kind: type[StageOutput] = StageOutput,
) -> Iterator[StageOutput]:
    """Write one stage's output under its lock; published, manifest last, when the block ends well.

    Until then the old output and its manifest stand. A process killed while files take their names leaves no manifest:
    never one that speaks of other bytes.
    """
    kind.check(path, inputs)
    folder = meta_folder(path)
    manifest = folder / "manifest.json"
    with hold(folder / ".lock", str(path)):
        for written in (path, folder / "dropped.jsonl", manifest):
            sweep(written)
        with closing(kind(stage, path, inputs, settings)) as out:
            with ExitStack() as files:
                out.open(files)
                yield out
                out.flush()
                out.check_inputs()
                manifest.unlink(missing_ok=True)  # from here on the old one would be a lie
            write_json(manifest, out.manifest())


def check_output(path: Path, inputs: Sequence[Path]) -> None:
    """Raise for an output that is one of the inputs or would take what is another's, and for names that no file can be
    read or written under."""
    refuse(path, "an output")
    if path.is_dir():
        raise UsageError(f"{path} is a folder; the output is a file, such as {path / 'rows.jsonl'}")
    check_names(path, inputs)


def check_names(path: Path, inputs: Sequence[Path]) -> None:
    """The same of an output of any kind."""
    if path.resolve() in {item.resolve() for item in inputs}:
        raise UsageError(f"{path} is both an input and the output; write to another file")
    for item in inputs:
        if item.exists() and not item.is_file():
            what = "a folder" if item.is_dir() else "a pipe or a device"
            raise UsageError(f"{item} is {what}; inputs are read more than once, so they must be files")
    _check_folder(path)
    for item in (path, *inputs):
        try:
            str(item).encode()
        except UnicodeEncodeError:
            raise DataError(f"{str(item)!r}: its name is not UTF-8, so no manifest can name it; rename it") from None


def _check_folder(path: Path) -> None:
    """Raise UsageError where writing would take the manifest and the dropped rows from a finished file."""
    try:
        other = sharer(path)
    except DataError:
        return  # what cannot be read can be written anew
    if other is not None:
        raise UsageError(
            f"{meta_folder(path)} holds the manifest and the dropped rows of {other.name}; "
            f"give {path.name} another name, or delete {other.name} first"
        )


def names(inputs: Sequence[Path], folder: Path) -> list[str]:
    """Names of files: alone where that tells them apart, else the way to them."""
    seen = Counter(path.name for path in inputs)
    return [path.name if seen[path.name] == 1 else relative(path, folder) for path in inputs]


def _mark(path: Path) -> _Mark:
    try:
        seen = path.stat()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    return _Mark(seen.st_size, seen.st_mtime_ns, seen.st_ino)


def evidence_of(error: RowError) -> dict[str, Any]:
    """What `dropped.jsonl` says of a row that breaks a rule."""
    return {"detail": error.detail} | ({"field": error.field} if error.field else {})


def recipe(stage: str, settings: dict[str, Any], digests: Sequence[str]) -> str:
    """What a stage's output depends on, as one digest: what was asked, of which bytes, by which version."""
    return digest((stage, settings, list(digests), __version__))


def described(path: Path, out: Writer, rows: int, folder: Path) -> OutputFile:
    """A file that was just published, as its manifest names it."""
    return OutputFile(path=relative(path, folder), rows=rows, bytes=path.stat().st_size, digest=out.digest)


def relative(path: Path, folder: Path) -> str:
    """The path from `folder`, so that a run can be moved as a whole; absolute where there is no way (other drive)."""
    try:
        return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()
    except ValueError:
        return path.resolve().as_posix()


def versions() -> dict[str, str]:
    """The versions a manifest records."""
    return {"phase0": __version__, "python": platform.python_version(), "msgspec": msgspec.__version__}
