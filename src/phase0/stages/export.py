"""Hand a finished dataset over: files that trainers load, in any of their forms, with rows for validation held out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, overload

from phase0.dataset import Manifest, expand, lineage, meta_folder, write_json
from phase0.engine import Engine
from phase0.engine.local import Local
from phase0.errors import UsageError, near_miss
from phase0.partitioned.site import Site
from phase0.progress import SILENT, Progress
from phase0.stages.formats import DATASET_INFO, FORMATS, SUFFIXES
from phase0.stages.output import Portion, StageOutput, stage_output
from phase0.stages.parts import finished, parts_folder
from phase0.stages.publish import FULL

if TYPE_CHECKING:
    from phase0.stages.export_parts import Fates, Part, Piece

SPAN, UNIT = 4 << 20, 64 << 20  # bytes of input to a piece of work; the latter where pieces leave files for others

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
    engine: Engine | None = ...,
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
    engine: Engine | None = ...,
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
    engine: Engine | None = None,
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
    asked = _checked(names, _Asked(validation, max_tokens, seed))
    given = [inputs] if isinstance(inputs, str | Path) else list(inputs)
    paths = [_full(path) for path in expand(map(_dataset, given))]
    places = _places(names, _output(given, output), asked)
    with ExitStack() as files:
        sinks = [_open(files, name, place, paths, asked) for name, place in zip(names, places, strict=True)]
        folder = files.enter_context(parts_folder(sinks[0].out))
        kept = files.enter_context((engine or Local(1)).kept())
        _write(sinks, Site(kept, folder, progress), asked)
    for name, place in zip(names, places, strict=True):
        _describe(name, place, asked)
    made = {place: finished(place) for place in places}
    return made[places[0]] if isinstance(to, str) else made


def _checked(names: Sequence[str], asked: _Asked) -> _Asked:
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


def _places(names: Sequence[str], output: Path, asked: _Asked) -> list[Path]:
    """The file of each form's rows for training."""
    if output.suffix.lower() not in _FILES or output.is_dir():
        return [output / name / f"train{SUFFIXES.get(name, '.jsonl')}" for name in names]
    if len(names) > 1 or asked.validation is not None:
        why = "several formats" if len(names) > 1 else "rows for training and for validation"
        raise UsageError(f"{output} is one file, and {why} are more; name a folder")
    return [output]


class _Asked(NamedTuple):
    """What is wanted of an export."""

    validation: float | None  # share of the rows
    max_tokens: int | None
    seed: int


class _Sink(NamedTuple):
    """Where the rows of one form go."""

    name: str
    out: StageOutput
    validation: Portion | None

    def take(self, part: Part, file: int) -> None:
        """Take over what a worker wrote."""
        self.out.add(part.kept, part.lost, part.sums, file)
        if self.validation is not None:
            with part.held.open("rb") as rows:
                for row in rows:
                    self.out.keep(row[:-1], file, self.validation)
        for path in (part.kept, part.held, part.lost):
            path.unlink()


def _open(files: ExitStack, name: str, place: Path, paths: Sequence[Path], asked: _Asked) -> _Sink:
    settings: dict[str, Any] = {"to": name}
    if asked.max_tokens is not None:
        settings |= {"max_tokens": asked.max_tokens}
    if asked.validation is not None:
        settings |= {"validation": asked.validation, "seed": asked.seed}
    out = files.enter_context(stage_output("export", place, paths, settings))
    return _Sink(name, out, out.portion(_validation(place)) if asked.validation is not None else None)


def _validation(place: Path) -> Path:
    return place.with_name(f"validation{place.suffix}")


def _write(sinks: Sequence[_Sink], site: Site, asked: _Asked) -> None:
    """Decide about rows, where that is wanted, and write them all."""
    from phase0.stages.export_parts import Form, pieces, written

    out = sinks[0].out
    given = pieces(out.inputs, site.folder, UNIT if site.engine.spread else SPAN)
    known, figures = _decided(site, given, asked)
    site.progress.start(f"export {', '.join(sink.name for sink in sinks)}", known.bases[-1] if known else None)
    forms = [Form(sink.name, sink.out.names) for sink in sinks]
    for piece, parts in zip(given, written(site, given, forms, known), strict=True):
        for sink, part in zip(sinks, parts, strict=True):
            sink.take(part, piece.file)
        site.progress.advance(parts[0].sums.read)
    for sink in sinks:
        sink.out.figures = _figures(sink, figures)
    site.progress.finish()


def _decided(site: Site, given: Sequence[Piece], asked: _Asked) -> tuple[Fates | None, dict[str, Any]]:
    """What becomes of rows, and what a manifest says of it."""
    if asked.validation is None and asked.max_tokens is None:
        return None, {}
    from phase0.stages.export_parts import Fates, measured

    rows = measured(site, given, asked.max_tokens, asked.seed)
    if asked.validation is None:
        return Fates(rows.bases, None), {}
    from phase0.stages.holdout import held_out

    return held_out(site, rows, asked.validation, asked.seed)


def _figures(sink: _Sink, known: dict[str, Any]) -> dict[str, Any]:
    """What the manifest says of the split: of this form's rows, which may be fewer than were drawn."""
    if sink.validation is None:
        return {}
    kept, held = sum(sums.kept for sums in sink.out.sums), sink.validation.rows
    return {"validation": known | {"rows": held, "share": round(held / kept, 6) if kept else None}}


def _describe(name: str, place: Path, asked: _Asked) -> None:
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
