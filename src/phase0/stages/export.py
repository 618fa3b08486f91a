"""Hand a finished dataset over: files that trainers load, in any of their forms, with rows for validation held out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple, overload

import msgspec

from phase0.dataset import BadRow, Manifest, expand, lineage, meta_folder, write_json
from phase0.errors import UsageError, near_miss
from phase0.progress import SILENT, Progress
from phase0.records import Record
from phase0.stages.formats import DATASET_INFO, FORMATS, SUFFIXES
from phase0.stages.holdout import Asked, Fates, fates
from phase0.stages.output import Portion, StageOutput, stage_output
from phase0.stages.parts import finished, numbered
from phase0.stages.publish import FULL

_DATASET = "dataset.jsonl"  # what a run's folder holds when it is finished
_FOLDER = "export"  # in a run's folder
_FILES = (".jsonl", ".json", ".parquet", ".csv", ".tsv", ".ndjson", ".gz", ".zst")


@overload
def export(
    inputs: Iterable[str | Path] | str | Path,
    output: str | Path | None = ...,
    *,
    to: str = ...,
    validation: float | None = ...,
    max_tokens: int | None = ...,
    seed: int = ...,
    workers: int = ...,
    progress: Progress = ...,
) -> Manifest: ...


@overload
def export(
    inputs: Iterable[str | Path] | str | Path,
    output: str | Path | None = ...,
    *,
    to: list[str],
    validation: float | None = ...,
    max_tokens: int | None = ...,
    seed: int = ...,
    workers: int = ...,
    progress: Progress = ...,
) -> dict[Path, Manifest]: ...


def export(
    inputs: Iterable[str | Path] | str | Path,
    output: str | Path | None = None,
    *,
    to: str | list[str] = "messages",
    validation: float | None = None,
    max_tokens: int | None = None,
    seed: int = 0,
    workers: int = 1,
    progress: Progress = SILENT,
) -> Manifest | dict[Path, Manifest]:
    """Write a dataset in the forms that trainers load; the manifest of each file, or the one where `to` is one name.

    `inputs` are files, or the folder of a run, whose dataset is then meant. `output` is a folder in which each form
    gets one of its own, with `train.jsonl`; or a file, whose suffix decides its format, where one form is wanted and
    nothing is held out. By default it is `export` in the run's folder.

    `validation` is a share of rows (0 to 1) to write to `validation.jsonl` instead: whole groups of rows that resemble
    each other, drawn by content and `seed`, the same for every form. Rows of more than `max_tokens` tokens are dropped,
    chat markup included. For a published dataset the full rows beside it are read, so that system prompts and earlier
    turns are there. A row that a form has no place for is dropped with its reason. Raises UsageError for an unknown
    form, a share that no rows fit, or an output that cannot hold what is asked for.
    """
    names = [to] if isinstance(to, str) else list(dict.fromkeys(to))
    asked = _checked(names, Asked(validation, max_tokens, seed, workers))
    given = [inputs] if isinstance(inputs, str | Path) else list(inputs)
    paths = [_full(path) for path in expand(map(_dataset, given))]
    places = _places(names, _output(given, output), asked)
    with ExitStack() as files:
        sinks = [_open(files, name, place, paths, asked) for name, place in zip(names, places, strict=True)]
        _write(sinks, paths, fates(paths, asked, progress), progress)
    for name, place in zip(names, places, strict=True):
        _describe(name, place, asked)
    made = {place: finished(place) for place in places}
    return made[places[0]] if isinstance(to, str) else made


def _checked(names: Sequence[str], asked: Asked) -> Asked:
    for name in names:
        if name not in FORMATS:
            raise UsageError(
                f"there is no export format called {name!r}.{near_miss(name, FORMATS)} Known: {', '.join(FORMATS)}."
            )
    if not names:
        raise UsageError(f"no format to export to is named. Known: {', '.join(FORMATS)}.")
    if asked.validation is not None and not 0 < asked.validation < 1:
        raise UsageError(f"the share for validation is {asked.validation:g}, not between 0 and 1; 0.05 is a twentieth")
    if asked.max_tokens is not None and asked.max_tokens < 1:
        raise UsageError(f"max_tokens is {asked.max_tokens}; a row has at least one token")
    if not 0 <= asked.seed < 1 << 64:
        raise UsageError(f"the seed is {asked.seed}, not a number from 0 to 2⁶⁴ - 1")
    return asked


def _dataset(path: str | Path) -> str | Path:
    """The finished dataset of a run's folder; any other input as it is."""
    inside = Path(path) / _DATASET
    return inside if inside.is_file() else path


def _output(given: Sequence[str | Path], output: str | Path | None) -> Path:
    if output is not None:
        return Path(output)
    if len(given) == 1 and _dataset(given[0]) != given[0]:
        return Path(given[0]) / _FOLDER
    raise UsageError("nobody said where to write to: of files that are no run's folder, `output` must be named")


def _places(names: Sequence[str], output: Path, asked: Asked) -> list[Path]:
    """The file of each form's rows for training."""
    if output.suffix.lower() not in _FILES or output.is_dir():
        return [output / name / f"train{SUFFIXES.get(name, '.jsonl')}" for name in names]
    if len(names) > 1 or asked.validation is not None:
        why = "several formats" if len(names) > 1 else "rows for training and for validation"
        raise UsageError(f"{output} is one file, and {why} are more; name a folder")
    return [output]


class _Sink(NamedTuple):
    """Where the rows of one form go."""

    name: str
    out: StageOutput
    validation: Portion | None

    def put(self, item: BadRow | tuple[int, bytes, Record], file: int, number: int, known: Fates) -> None:
        """Send one row, the `number`-th of those that can be read, to where it belongs."""
        self.out.sums[file].read += 1
        if isinstance(item, BadRow):
            self.out.drop_bad(item, file)
            return
        line, raw, record = item
        if (tokens := known.too_long.get(number)) is not None:
            self.out.drop(raw, line=line, reason="too_long", evidence={"tokens": tokens}, file=file)
            return
        row = FORMATS[self.name](record) if record.response is not None else "no_response"
        if isinstance(row, str):
            self.out.drop(raw, line=line, reason=row, evidence={"format": self.name}, file=file)
        else:
            self.out.keep(msgspec.json.encode(row), file, self.validation if number in known.held else None)


def _open(files: ExitStack, name: str, place: Path, paths: Sequence[Path], asked: Asked) -> _Sink:
    settings: dict[str, Any] = {"to": name}
    if asked.max_tokens is not None:
        settings |= {"max_tokens": asked.max_tokens}
    if asked.validation is not None:
        settings |= {"validation": asked.validation, "seed": asked.seed}
    out = files.enter_context(stage_output("export", place, paths, settings))
    return _Sink(name, out, out.portion(_validation(place)) if asked.validation is not None else None)


def _validation(place: Path) -> Path:
    return place.with_name(f"validation{place.suffix}")


def _write(sinks: Sequence[_Sink], paths: Sequence[Path], known: Fates, progress: Progress) -> None:
    progress.start(f"export {', '.join(sink.name for sink in sinks)}", None)
    number = 0
    for file, item in numbered(paths):
        for sink in sinks:
            sink.put(item, file, number, known)
        number += not isinstance(item, BadRow)
        progress.advance(1)
    for sink in sinks:
        sink.out.figures = _figures(sink, known)
    progress.finish()


def _figures(sink: _Sink, known: Fates) -> dict[str, Any]:
    """What the manifest says of the split: of this form's rows, which may be fewer than were drawn."""
    if sink.validation is None:
        return {}
    kept, held = sum(sums.kept for sums in sink.out.sums), sink.validation.rows
    return {"validation": known.figures | {"rows": held, "share": round(held / kept, 6) if kept else None}}


def _describe(name: str, place: Path, asked: Asked) -> None:
    """Write what LLaMA-Factory must be told of a folder's files."""
    if name not in DATASET_INFO or place.stem != "train" or place.parent.name != name:
        return
    files = {"phase0": place}
    if asked.validation is not None:
        files["phase0_validation"] = _validation(place)
    entries = {entry: {"file_name": path.name} | DATASET_INFO[name] for entry, path in files.items()}
    write_json(place.parent / "dataset_info.json", entries)


def _full(path: Path) -> Path:
    """The full rows of a published file, where they are those that its manifest names; else the file itself."""
    made = lineage(path)
    full = meta_folder(path) / FULL
    is_published = bool(made) and made[-1].manifest.stage == "publish" and made[-1].path == path.resolve()
    return full if is_published and full.exists() else path
