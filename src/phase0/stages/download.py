"""Acquire datasets: from the hub, from the package, or from files already on disk."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from phase0.catalog.datasets import Dataset, find
from phase0.dataset import Manifest, Rejected, expand, manifest_of, meta_folder
from phase0.dataset.containers import stem, suffix
from phase0.dataset.places import refuse
from phase0.engine import Engine
from phase0.engine.local import Local
from phase0.errors import DataError, UsageError
from phase0.progress import SILENT, Progress
from phase0.stages.acquire import COMBINED, Upstream, acquire_dataset, combine
from phase0.stages.fetched import fetched
from phase0.workspace import MARK, hold, workspace_of

DATA_SUFFIXES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet")


class Source(NamedTuple):
    """A dataset whose files are on this disk."""

    name: str
    files: tuple[Upstream, ...]

    def settings(self, limit: int | None) -> dict[str, Any]:
        """What its manifest says of where it came from."""
        first = self.files[0]
        return {
            "dataset": self.name,
            "revision": first.revision,
            "layout": first.layout,
            "license": first.license,
            "author": first.author,
            "limit": limit,
        }


class Acquired(NamedTuple):
    """What an acquisition made. `rejected` are the upstream files that could not be read, or not to their end."""

    combined: Manifest
    datasets: tuple[Manifest, ...]
    rejected: tuple[Rejected, ...]


class Hub(NamedTuple):
    """How to reach the dataset hub."""

    endpoint: str | None = None
    token: str | None = None
    offline: bool = False


PUBLIC_HUB = Hub()


def download(
    datasets: Sequence[str],
    output: str | Path,
    *,
    source: str | Path | None = None,
    limit: int | None = None,
    revision: str | None = None,
    hub: Hub = PUBLIC_HUB,
    workspace: Path | None = None,
    engine: Engine | None = None,
    progress: Progress = SILENT,
) -> Acquired:
    """Acquire datasets of the catalogue (`all` for its default set) into the folder `output`.

    Writes `NAME.jsonl` per dataset and adds it to `combined.jsonl`, where a dataset acquired before is replaced, not
    repeated. `source` is a folder to take the files from instead of the hub; `limit` keeps the first rows of each.
    Raises UsageError for an unknown dataset, HubError when the hub fails, DataError when no file could be read.
    """
    if source is not None and revision is not None:
        raise UsageError(f"--revision {revision} names a version on the hub, but --from {source} reads files on disk")
    if source is not None:
        refuse(source, "a folder with files of datasets that are named")
    folder = _folder(output)
    cache = workspace_of(folder / COMBINED, workspace) / MARK / "hub"

    def files(dataset: Dataset) -> Source:
        if source is not None:
            return local_files(dataset, Path(source))
        return files_of(dataset, cache, revision, hub, progress)

    found = {dataset.name: partial(files, dataset) for dataset in find(datasets)}
    return _acquire(found, folder, limit, engine or Local(1), progress)


def acquire(
    inputs: Iterable[str | Path],
    output: str | Path,
    *,
    layout: str = "auto",
    limit: int | None = None,
    workspace: Path | None = None,
    engine: Engine | None = None,
    progress: Progress = SILENT,
) -> Acquired:
    """Acquire files of any known layout into the folder `output`, each file a dataset of its own.

    An input may be the URL of a file, a pattern or a folder in a store that fsspec knows (`s3://bucket/dir/*.jsonl`);
    such files are kept in the workspace. A file that cannot be read is named in `rejected` and the others go on;
    DataError only when none could be read, or when a store cannot be.
    """
    folder, engine = _folder(output), engine or Local(1)
    given = fetched(inputs, workspace_of(folder / COMBINED, workspace) / MARK / "fetched", engine, progress)
    found = {source.name: partial(on_disk, source) for source in own_files(given, layout)}
    return _acquire(found, folder, limit, engine, progress)


def on_disk(source: Source) -> Source:
    """A source whose files need no fetching, as one that is called for."""
    return source


def _folder(output: str | Path) -> Path:
    refuse(output, "what is acquired")
    if Path(output).suffix in DATA_SUFFIXES or Path(output).is_file():
        raise UsageError(f"{output} is a file; acquiring writes several files, so --output names a folder")
    return Path(output)


def _acquire(
    found: Mapping[str, Callable[[], Source]], folder: Path, limit: int | None, engine: Engine, progress: Progress
) -> Acquired:
    """Fetch and read datasets one after the other, then combine them with what was acquired before."""
    if limit is not None and limit < 1:
        raise UsageError(f"--limit is {limit}; it must be at least 1")
    made: dict[str, Manifest] = {}
    rejected: list[Rejected] = []
    with hold(meta_folder(folder / COMBINED) / ".acquiring", str(folder)):  # what is combined is read, then rewritten
        for name, source in found.items():
            try:
                made[name] = acquire_source(source(), folder, limit=limit, engine=engine, progress=progress)
            except DataError as error:
                rejected.append(Rejected(path=_text(name), reason=str(error)))
        if not made:
            raise DataError(rejected[0].reason if rejected else "there was nothing to acquire")
        names = list(dict.fromkeys([*_combined(folder), *made]))
        combined = combine(folder, names, rejected=rejected, progress=progress)
    partly = (item for manifest in made.values() for item in manifest.rejected)
    return Acquired(combined, tuple(made.values()), (*rejected, *partly))


def _combined(folder: Path) -> list[str]:
    """The datasets in `combined.jsonl`. Who deletes that file starts anew."""
    before = manifest_of(folder / COMBINED) if (folder / COMBINED).exists() else None
    return list(before.figures.get("datasets", ())) if before else []


def _text(name: str) -> str:
    """A name that a manifest can hold: bytes that are no text are shown as `\\udcNN`."""
    return name.encode("utf-8", "backslashreplace").decode()


def acquire_source(source: Source, folder: Path, *, limit: int | None, engine: Engine, progress: Progress) -> Manifest:
    """Read one dataset into `folder`/NAME.jsonl. Raises DataError when none of its files could be read."""
    target = folder / f"{source.name}.jsonl"
    settings = source.settings(limit)
    return acquire_dataset(source.files, target, settings=settings, limit=limit, engine=engine, progress=progress)


def files_of(dataset: Dataset, cache: Path, revision: str | None, hub: Hub, progress: Progress) -> Source:
    """The files of a dataset, downloaded if need be into `cache`."""
    if dataset.builtin:
        return local_files(dataset, Path(str(resources.files("phase0"))) / dataset.name)
    if dataset.hub is None:
        return local_files(dataset, Path())
    from phase0 import hub as client

    place = dataset.hub.replace("/", "--")
    with hold(cache / ".locks" / place, str(cache / place)):
        snapshot = client.fetch(
            dataset.hub,
            patterns=dataset.files,
            revision=revision or dataset.revision or "main",
            folder=cache / place,
            endpoint=hub.endpoint,
            token=hub.token,
            offline=hub.offline,
            progress=progress,
        )
    files = (Upstream(file.path, file.name, dataset.name) for file in snapshot.files)
    return _source(dataset, files, snapshot.revision)


def local_files(dataset: Dataset, folder: Path) -> Source:
    """The files of a dataset in a folder: under its own name, under its name on the hub, or directly. Absolute patterns
    are taken as they are.

    Where none has the name that it has on the hub, data files in a folder of the dataset's name, or of that name
    themselves, are taken, and their layout is recognised.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder}: there is no such folder")
    names = list(dict.fromkeys([dataset.name, *([dataset.hub.split("/")[1]] if dataset.hub else [])]))
    places = [*(folder / name for name in names), folder]
    relative = [pattern for pattern in dataset.files if not Path(pattern).is_absolute()]
    for place in places:
        for patterns in (dataset.files, [Path(pattern).name for pattern in relative]):
            paths = sorted({path for pattern in patterns for path in _matching(dataset, place, pattern)})
            if paths:
                return _source(dataset, _upstream(dataset, place, paths), None)
    for name in names:
        paths = [path for path in sorted([*folder.glob(f"{name}.*"), *folder.glob(f"{name}/**/*")]) if _is_data(path)]
        if paths:
            return _source(msgspec.structs.replace(dataset, layout="auto"), _upstream(dataset, folder, paths), None)
    looked = ", ".join(str(place) for place in places)
    raise DataError(f"{dataset.name}: none of its files ({', '.join(dataset.files)}) is in {looked}")


def _matching(dataset: Dataset, place: Path, pattern: str) -> Iterator[Path]:
    """Files of a pattern from a folder on; an absolute one has its own beginning."""
    start = Path(pattern).anchor
    try:
        yield from (path for path in Path(start or place).glob(pattern[len(start) :]) if path.is_file())
    except (ValueError, NotImplementedError) as error:
        raise UsageError(f"{dataset.name}: {pattern!r} is no pattern of file names ({error})") from None


def _upstream(dataset: Dataset, place: Path, paths: Sequence[Path]) -> list[Upstream]:
    """Files are named from the folder on that they all are in, so that no row says where this machine keeps them."""
    if not all(path.is_relative_to(place) for path in paths):
        place = Path(os.path.commonpath([path.parent for path in paths]))
    return [Upstream(path, path.relative_to(place).as_posix(), dataset.name) for path in paths]


def _source(dataset: Dataset, files: Iterable[Upstream], revision: str | None) -> Source:
    known = partial(
        Upstream._replace, layout=dataset.layout, revision=revision, license=dataset.license, author=dataset.author
    )
    return Source(dataset.name, tuple(map(known, files)))


def own_files(inputs: Iterable[str | Path], layout: str = "auto", *, taken: Sequence[str] = ()) -> list[Source]:
    """One source for each file named by paths, patterns and folders (searched to their depths for data files).

    Each has a name of its own that is none of those `taken`.
    """
    paths: list[Path] = []
    for item in inputs:
        paths += _data_files(Path(item)) if Path(item).is_dir() else expand([item])
    names = _names(paths, taken)
    return [Source(name, (Upstream(path, path.name, name, layout),)) for name, path in names.items()]


def _data_files(folder: Path) -> list[Path]:
    found = [
        path
        for path in sorted(folder.rglob("*"))
        if _is_data(path)
        and not any(part.startswith(".") or part.endswith(".meta") for part in path.relative_to(folder).parts)
    ]
    if not found:
        raise UsageError(f"{folder}: has no data files in it ({', '.join(DATA_SUFFIXES)})")
    return found


def _is_data(path: Path) -> bool:
    """Whether a file is one by its name; `notes.json.md` is not."""
    return bool(path.suffixes) and suffix(path) in DATA_SUFFIXES and path.is_file()


def _names(paths: Sequence[Path], taken: Sequence[str]) -> dict[str, Path]:
    """A name for each file: its stem, with its folder's name before it where two would have the same."""
    unique = list({path.resolve(): path for path in reversed(paths)}.values())[::-1]  # links are named as they stand
    stems = Counter(_alike(stem(path)) for path in unique)
    used = {_alike(name) for name in (*taken, stem(Path(COMBINED)))}
    names: dict[str, Path] = {}
    for path in unique:
        name = stem(path) if stems[_alike(stem(path))] == 1 else f"{path.parent.name}-{stem(path)}"
        while _alike(name) in used:
            name += "-2"
        used.add(_alike(name))
        names[name] = path
    return names


def _alike(name: str) -> str:
    """Equal for names that are one file on macOS or Windows."""
    return unicodedata.normalize("NFC", name).casefold()
