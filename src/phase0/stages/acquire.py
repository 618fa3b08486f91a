"""Upstream files in, standard rows out: one file per dataset, and `combined.jsonl` with all of them.

From here on every row is a record with its id, its origin, its licence and its category. A file that cannot be read is
rejected with its reason and the others go on; what it held before the damage is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from phase0.dataset import BadRow, Manifest, Rejected, Row, Span, manifest_of, read, split
from phase0.dataset.reading import record_from
from phase0.engine import Engine
from phase0.errors import DataError, RowError
from phase0.progress import SILENT, Progress
from phase0.records import Meta, Origin, Record, encode, identity, make
from phase0.scoring.category import categorise
from phase0.sources import WHOLE, Example, Found, Layout, layout, recognise
from phase0.stages.output import StageOutput, Sums, stage_output
from phase0.stages.parts import SPAN, Kept, Lost, Part, bad_row, finished, join, parts_folder, write_part

COMBINED = "combined.jsonl"
_PEEK = 50  # rows looked at to recognise a layout
_TOGETHER, _CHARACTERS = 4096, 4_000_000  # rows, and text of them, that are held to be categorised together
_FEW = 500  # rows that are categorised one by one: in the time it takes to load kernels


class Upstream(NamedTuple):
    """One upstream file, and what is known of its dataset."""

    path: Path
    file: str  # its name inside the dataset
    dataset: str
    layout: str = "auto"
    revision: str | None = None
    license: str | None = None
    author: str | None = None  # who wrote the responses, where the rows do not say


def acquire_dataset(
    files: Sequence[Upstream],
    output: Path,
    *,
    settings: dict[str, Any],
    limit: int | None,
    engine: Engine,
    progress: Progress,
) -> Manifest:
    """Read the files of one dataset into `output`. Rejected files are named in the manifest.

    Raises DataError, and writes nothing, when no file could be read at all.
    """
    with stage_output("download", output, [item.path for item in files], settings) as out, parts_folder(out) as folder:
        progress.start(f"read {output.stem}", None)
        cut = [
            (number, piece) for number, item in enumerate(files) for piece in (_cut(item) if limit is None else [item])
        ]
        items = [(folder / f"{at:06}", piece) for at, (_, piece) in enumerate(cut)]
        one_by_one = limit is not None or len(items) == 1 or _is_little(files)
        results = _one_by_one(items, limit, progress) if one_by_one else engine.map(_read, items)
        for (number, _), (part, problem) in zip(cut, results, strict=limit is None):
            join(out, part, number)
            progress.advance(0 if one_by_one else part.sums.read)
            if problem is not None:
                out.rejected.append(Rejected(path=files[number].file, reason=problem))
        if len(out.rejected) == len(files) and not any(sums.kept for sums in out.sums):
            raise DataError(out.rejected[0].reason)
        progress.finish()
    return finished(output)


def _is_little(files: Sequence[Upstream]) -> bool:
    """Whether all of it is no more than one worker takes at a time: starting workers takes longer than reading it."""
    try:
        return sum(item.path.stat().st_size for item in files) <= SPAN
    except OSError:
        return False  # who reads it tells what is wrong


class _Piece(NamedTuple):
    """A span of a file whose rows stand by themselves, in a layout that is known."""

    upstream: Upstream
    span: Span


def _cut(upstream: Upstream) -> Sequence[Upstream | _Piece]:
    """A large file in pieces that any worker can read; one that must be read from its beginning as it is."""
    try:
        spans = split(upstream.path, SPAN)
        if len(spans) < 2:
            return [upstream]
        known = _layout(upstream, list(islice(read(upstream.path), _PEEK)), [])
    except DataError:
        return [upstream]  # who reads it tells what is wrong
    return [upstream] if known.name in WHOLE else [_Piece(upstream._replace(layout=known.name), one) for one in spans]


def _one_by_one(
    items: Iterable[tuple[Path, Upstream | _Piece]], limit: int | None, progress: Progress
) -> Iterator[tuple[Part, str | None]]:
    """File after file in this process, telling of every row, until `limit` rows were kept."""
    for item in items:
        part, problem = _read(item, limit, progress)
        yield part, problem
        if limit is not None:
            limit -= part.sums.kept
            if limit <= 0:
                return


def combine(folder: Path, names: Sequence[str], *, rejected: Sequence[Rejected] = (), progress: Progress) -> Manifest:
    """Write `combined.jsonl`: the rows of every dataset in `folder`, in the order of `names`.

    Its manifest names every upstream file that was rejected, those of whole datasets (`rejected`) first.
    """
    files = [folder / f"{name}.jsonl" for name in names]
    for path in files:
        if not path.exists():
            raise DataError(f"{path} is gone, but {folder / COMBINED} holds its rows; acquire it again")
    made = [manifest for path in files if (manifest := manifest_of(path))]
    every = [*rejected, *(item for manifest in made for item in manifest.rejected)]
    with stage_output("combine", folder / COMBINED, files, combine_settings(names, every)) as out:
        progress.start("combine", sum(manifest.output.rows for manifest in made))
        for number, path in enumerate(files):
            _append(out, path, number, progress)
        out.rejected = every
        out.figures = {"datasets": list(names)}
        progress.finish()
    return finished(folder / COMBINED)


def combine_settings(names: Sequence[str], rejected: Sequence[Rejected]) -> dict[str, Any]:
    """What a manifest says of what was combined, and of what was not: a file that was mended is rejected no more."""
    return {"datasets": list(names), "rejected": [item.reason for item in rejected]}


def _append(out: StageOutput, path: Path, number: int, progress: Progress) -> None:
    rows = 0
    with path.open("rb") as lines:
        for line in lines:
            if row := line.rstrip(b"\r\n"):
                out.keep(row, number)
                rows += 1
                progress.advance(1)
    out.sums[number].read += rows


def _read(
    item: tuple[Path, Upstream | _Piece], limit: int | None = None, progress: Progress = SILENT
) -> tuple[Part, str | None]:
    """Read an upstream file, or a piece of one, into a part; damage ends it early and is told beside what was read."""
    place, source = item
    problems: list[DataError] = []
    sums = Sums()
    if isinstance(source, _Piece):
        upstream, known = source.upstream, layout(source.upstream.layout)
        sums.note = known.name
        made = _records(upstream, known, _counted(read(source.span), sums, progress))
    else:
        upstream, made = source, _of_file(source, sums, problems, progress)
    outcomes = _categorised(_limited(made, limit))
    part = write_part(place, stage="download", file=upstream.file, outcomes=outcomes, sums=sums)
    if not problems:
        return part, None
    kept = f"; {sums.kept:,} rows before it are kept" if sums.kept else ""
    return part, f"{problems[0]}{kept}"


def _limited(made: Iterator[Record | Lost], limit: int | None) -> Iterator[Record | Lost]:
    left = limit
    for one in made:
        if isinstance(one, Record) and left is not None:
            left -= 1
        yield one
        if left == 0:
            return


def _categorised(made: Iterator[Record | Lost]) -> Iterator[Kept | Lost]:
    """Rows as they are to be written; those that came without a category get one, some thousand at a time."""
    waiting: list[Record | Lost] = []
    characters = 0
    for one in made:
        waiting.append(one)
        if isinstance(one, Record):
            characters += len(one.instruction) + len(one.response or "")
        if len(waiting) >= _TOGETHER or characters >= _CHARACTERS:
            yield from _with_categories(waiting)
            waiting, characters = [], 0
    yield from _with_categories(waiting)


def _with_categories(made: Sequence[Record | Lost]) -> Iterator[Kept | Lost]:
    unsorted = [one for one in made if isinstance(one, Record) and one.meta.category is None]
    found = iter(_categories(unsorted))
    for one in made:
        if isinstance(one, Lost):
            yield one
        elif one.meta.category is not None:
            yield Kept(encode(one))
        else:
            meta = msgspec.structs.replace(one.meta, category=next(found))
            yield Kept(encode(msgspec.structs.replace(one, meta=meta)))


def _categories(records: Sequence[Record]) -> Sequence[str]:
    if len(records) < _FEW:
        return [categorise(one.instruction, one.response, system=one.system) for one in records]
    from phase0.stages.categories import categories  # with numpy and kernels, for which a few rows need not wait

    return categories(records)


def _of_file(upstream: Upstream, sums: Sums, problems: list[DataError], progress: Progress) -> Iterator[Record | Lost]:
    """The rows of a whole file. What is wrong with it is added to the list once it is read to its end."""
    damage: list[DataError] = []
    rows = _up_to(damage, read(upstream.path))
    head = list(islice(rows, _PEEK))
    try:
        known = _layout(upstream, head, damage)
    except DataError as error:
        problems.append(error)
        return
    sums.note = known.name
    records = _whole if known.name in WHOLE else _records
    yield from records(upstream, known, _counted(chain(head, rows), sums, progress))
    problems += damage


def _up_to(damage: list[DataError], rows: Iterable[Row | BadRow]) -> Iterator[Row | BadRow]:
    """The rows before a file's damage, as if it ended there; the damage is added to the list."""
    try:
        yield from rows
    except DataError as error:
        damage.append(error)


def _counted(rows: Iterable[Row | BadRow], sums: Sums, progress: Progress) -> Iterator[Row | BadRow]:
    for row in rows:
        sums.read += 1
        progress.advance(1)
        yield row


def _layout(upstream: Upstream, head: Sequence[Row | BadRow], damage: Sequence[DataError]) -> Layout:
    if not head:
        raise damage[0] if damage else DataError(f"{upstream.path}: holds no rows")
    values = [row.data for row in head if isinstance(row, Row)]
    if not values:
        first = head[0]
        why = first.error.detail if isinstance(first, BadRow) else ""
        raise DataError(f"{upstream.path}: none of its first {len(head)} rows can be read; line {first.line}: {why}")
    if upstream.layout != "auto":
        return layout(upstream.layout)
    try:
        return recognise(values)
    except DataError as error:
        raise DataError(f"{upstream.path}: {error}") from None


def _records(upstream: Upstream, known: Layout, rows: Iterable[Row | BadRow]) -> Iterator[Record | Lost]:
    """The rows of a file whose every row stands by itself, one at a time."""
    for row in rows:
        if isinstance(row, BadRow):
            yield bad_row(row)
        elif known.name == "standard" and _is_record(row.data):
            yield _again(row, upstream)
        else:
            for found in known.read([(row.line, row.data)]):
                yield _made(upstream, found, row.raw)


def _whole(upstream: Upstream, known: Layout, rows: Iterable[Row | BadRow]) -> Iterator[Record | Lost]:
    """The rows of a file that has to be read to its end first. Bad rows pass beside the layout."""
    raws: dict[int, bytes] = {}
    bad: list[Lost] = []

    def good() -> Iterator[tuple[int, Any]]:
        for row in rows:
            if isinstance(row, BadRow):
                bad.append(bad_row(row))
            else:
                raws[row.line] = row.raw
                yield row.line, row.data

    for found in known.read(good()):
        yield from bad
        bad.clear()
        yield _made(upstream, found, raws[found.line])
    yield from bad


def _is_record(data: Any) -> bool:
    """Whether phase0 wrote this row. Other people's rows have a `meta` too, but not with an origin in it."""
    return isinstance(data, dict) and isinstance(data.get("meta"), dict) and "origin" in data["meta"]


def _again(row: Row, upstream: Upstream) -> Record | Lost:
    """A row that is a record already keeps its origin. Its id is made anew: the text may have been edited since."""
    try:
        record = record_from(row.raw, dataset=upstream.dataset, row=f"{upstream.file}:{row.line}")
    except RowError as error:
        return bad_row(BadRow(row.line, row.raw, error))
    said = record.instruction, record.response, record.source
    return msgspec.structs.replace(record, id=identity(*said, system=record.system, history=record.history))


def _made(upstream: Upstream, found: Found, raw: bytes) -> Record | Lost:
    if isinstance(found.outcome, RowError):
        return bad_row(BadRow(found.line, raw, found.outcome))
    try:
        return _record(upstream, found.line, found.part, found.outcome)
    except RowError as error:
        return bad_row(BadRow(found.line, raw, error))


def _record(upstream: Upstream, line: int, part: int, example: Example) -> Record:
    origin = Origin(
        dataset=upstream.dataset,
        revision=upstream.revision,
        row=f"{upstream.file}:{line}" + (f".{part}" if part else ""),
    )
    return make(
        instruction=example.instruction,
        response=example.response,
        source=example.source or upstream.author or upstream.dataset,
        quality_score=example.quality_score,
        system=example.system,
        history=example.history,
        meta=Meta(origin=origin, license=upstream.license, flags=example.flags),
    )
