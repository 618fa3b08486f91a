"""The license ledger: which licences and which providers' terms the rows of a dataset are under, joined and counted.

It is bookkeeping over what rows, manifests and the catalogue state, and no legal advice. What nobody has stated or
looked up is unknown, and unknown is never allowed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from phase0.catalog.datasets import Dataset, datasets
from phase0.catalog.licenses import Terms, licenses
from phase0.catalog.models import teachers
from phase0.dataset import BadRow, lineage, manifest_of, meta_folder, raw_rows
from phase0.dataset.rows import NOT_JSON
from phase0.errors import UnfitLicense, UsageError
from phase0.stages.publish import FULL
from phase0.stages.studied import STUDENT

Require = Literal["commercial"]
DISCLAIMER = "This is bookkeeping over what sources and catalogue state, not legal advice."
_DECLARE = " A dataset of your own declares its licence in the plan, with its files: [datasets.NAME] license = …"
_LONGEST = 100  # characters of a name in a sentence
_SHOWN = 5  # origins named in an error; the ledger names all


class LicensedRows(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of one dataset and licence, answered and judged by the same. `commercial` is None where something of it is
    unknown."""

    dataset: str | None  # None: the rows do not say
    license: str | None  # as the rows state it
    writer: str | None  # who wrote the responses; None where they are still to be written
    judges: tuple[str, ...]
    rows: int
    terms: tuple[str, ...]  # names of entries in `LicenseLedger.terms`
    unknown: tuple[str, ...]  # what is not known, in words
    commercial: bool | None
    notes: tuple[str, ...]  # what the catalogue notes about the dataset and the models


class TermsInUse(msgspec.Struct, frozen=True, kw_only=True):
    """One licence or provider's terms, and how many rows are under it."""

    name: str
    title: str
    rows: int
    provider: bool
    commercial: bool | None
    share_alike: bool
    attribution: bool
    naming: str | None
    restriction: str | None
    url: str | None
    hub: str | None


class LicenseLedger(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about licences that a report says. Most rows first. A row can be under several terms."""

    as_of: str  # the day the terms were looked up
    rows: int
    commercial_rows: int
    non_commercial_rows: int
    unknown_rows: int
    origins: tuple[LicensedRows, ...]
    terms: tuple[TermsInUse, ...]
    disclaimer: str = DISCLAIMER


class _Said(NamedTuple):
    """What a row says of where it is from."""

    dataset: str | None
    license: str | None
    writer: str | None
    judges: tuple[str, ...]


class _Origin(msgspec.Struct, frozen=True):
    dataset: str | None = None


class _Meta(msgspec.Struct, frozen=True):
    origin: _Origin = _Origin()
    license: str | None = None
    judges: tuple[str, ...] = ()


class _Row(msgspec.Struct, frozen=True):
    source: str | None = None
    meta: _Meta | None = None


_decode = msgspec.json.Decoder(_Row).decode


def license_ledger(target: str | Path) -> LicenseLedger:
    """The ledger of a run's folder, or of a dataset file.

    Rows of a published file are looked up in the full rows beside it, as the published ones do not tell their licence.
    What a row does not say of itself is unknown. Raises UsageError where there is no dataset, DataError for a file that
    holds no rows.
    """
    target = Path(target)
    path = target / "dataset.jsonl" if target.is_dir() else target
    if not path.is_file():
        why = (
            "there is no dataset.jsonl in it; is it a run, and finished?"
            if target.is_dir()
            else "there is no such file"
        )
        raise UsageError(f"{target}: {why}")
    return _counted(_full(path), answered=True, authors=_authors(path))


def ledger_of(path: Path, *, answered: bool = True) -> LicenseLedger:
    """The ledger of the rows of a file. Without `answered` they are prompts: whose responses are there is no matter."""
    return _counted(path, answered=answered, authors=_authors(path))


def _counted(path: Path, *, answered: bool, authors: Mapping[str, str | None]) -> LicenseLedger:
    found = Counter[_Said]()
    for item in raw_rows(path):
        row = _row(item)
        meta = row.meta or _Meta()
        judges = meta.judges if answered else ()
        found[_Said(meta.origin.dataset, meta.license, row.source if answered else None, judges)] += 1
    return _ledger([_licensed(said, rows, authors) for said, rows in found.items()])


def planned(sources: Iterable[Dataset], writers: Sequence[str | None], judges: Sequence[str] = ()) -> LicenseLedger:
    """The ledger that datasets, models that answer and models that judge will lead to, as far as names tell; without
    rows. A writer of None keeps each dataset's own answers."""
    chosen = list(sources)
    authors = {entry.name: entry.author for entry in chosen}
    said = [
        _Said(entry.name, entry.license, writer or entry.source, tuple(judges))
        for entry in chosen
        for writer in writers
    ]
    return _ledger([_licensed(one, 0, authors) for one in said])


def unfit(ledger: LicenseLedger, require: Require) -> tuple[LicensedRows, ...]:
    """The origins that keep a dataset from what is required of it: those that forbid it, and those that are unknown."""
    return tuple(one for one in ledger.origins if require == "commercial" and one.commercial is not True)


def check_fit(ledger: LicenseLedger, require: Require) -> None:
    """Raise UnfitLicense, naming origins and reasons, where a dataset is not what is required of it."""
    found = unfit(ledger, require)
    if found:
        told = "; ".join(f"{origin_name(one)}: {', '.join(why(one))}" for one in found[:_SHOWN])
        more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        way = _DECLARE if any(one.license is None for one in found) else ""
        raise UnfitLicense(f"a {require} licence is required, but not every origin allows that: {told}{more}.{way}")


def origin_name(one: LicensedRows) -> str:
    """An origin in words: how many rows of which dataset, answered by whom."""
    rows = f"{one.rows:,} rows of " if one.rows else ""
    by = f" answered by {_shown(one.writer)}" if one.writer and one.writer != one.dataset else ""
    return f"{rows}{_shown(one.dataset) if one.dataset else 'an unknown dataset'}{by}"


def why(one: LicensedRows) -> tuple[str, ...]:
    """Why an origin is not free for commercial use: what forbids it, then what is not known."""
    known = licenses().terms
    return (*(f"{name} is non-commercial" for name in one.terms if known[name].commercial is False), *one.unknown)


def _row(item: tuple[int, bytes] | BadRow) -> _Row:
    """A row as far as it tells where it is from: one that cannot be read tells nothing, which is unknown."""
    try:
        return _Row() if isinstance(item, BadRow) else _decode(item[1])
    except NOT_JSON:
        return _Row()


def _shown(name: str) -> str:
    """A name from data that stands in a sentence: cut, and spelled out where a terminal would obey it."""
    cut = name if len(name) <= _LONGEST else f"{name[:_LONGEST]}…"
    return cut if cut.isprintable() else repr(cut)


def _licensed(said: _Said, rows: int, authors: Mapping[str, str | None]) -> LicensedRows:
    """Join what a row says with what the catalogue knows."""
    shipped = licenses()
    terms: list[Terms] = []
    unknown: list[str] = []
    declared = shipped.license(said.license) if said.license else None
    if declared:
        terms.append(declared)
    else:
        unknown.append(
            f"licence {_shown(said.license)} is not in the catalogue" if said.license else "no licence is declared"
        )
    terms += [shipped.terms[name] for name in shipped.datasets.get(said.dataset or "", ())]
    for model in _models(said, authors):
        of_model = shipped.of_model(model)
        if of_model:
            terms.append(of_model)
        else:
            unknown.append(f"the terms of {_shown(model)} are unknown")
    unknown += [f"{one.name}: {one.title[0].lower()}{one.title[1:]}" for one in terms if one.commercial is None]
    unique = tuple(dict.fromkeys(one.name for one in terms))
    forbidden = any(one.commercial is False for one in terms)
    return LicensedRows(
        dataset=said.dataset,
        license=said.license,
        writer=said.writer,
        judges=said.judges,
        rows=rows,
        terms=unique,
        unknown=tuple(dict.fromkeys(unknown)),
        commercial=False if forbidden else None if unknown else True,
        notes=_notes(said),
    )


def _models(said: _Said, authors: Mapping[str, str | None]) -> list[str]:
    """The models behind a row: who wrote the data it is from, who answered, who judged.

    Where nobody is named but the dataset itself, its licence is what there is to know.
    """
    author = authors.get(said.dataset or "")
    judges = [name for judge in said.judges for name in judge.removeprefix(STUDENT).split("+") if name != "local"]
    named = [author, said.writer, *judges]
    return list(dict.fromkeys(name for name in named if name and name != said.dataset))


def _notes(said: _Said) -> tuple[str, ...]:
    entry = datasets().get(said.dataset or "")
    notes = [f"{entry.name}: {entry.license_note}"] if entry and entry.license_note else []
    names = (said.writer, *said.judges)
    notes += [
        f"{one.model}: {one.license_note}" for one in teachers().values() if one.license_note and one.model in names
    ]
    return tuple(notes)


def _ledger(origins: Iterable[LicensedRows]) -> LicenseLedger:
    ordered = sorted(
        origins, key=lambda one: (-one.rows, one.dataset or "", one.writer or "", one.license or "", one.judges)
    )
    under = Counter[str]()
    for one in ordered:
        under.update(dict.fromkeys(one.terms, one.rows))
    known = licenses().terms
    return LicenseLedger(
        as_of=licenses().as_of.isoformat(),
        rows=sum(one.rows for one in ordered),
        commercial_rows=sum(one.rows for one in ordered if one.commercial is True),
        non_commercial_rows=sum(one.rows for one in ordered if one.commercial is False),
        unknown_rows=sum(one.rows for one in ordered if one.commercial is None),
        origins=tuple(ordered),
        terms=tuple(
            _in_use(known[name], rows) for name, rows in sorted(under.items(), key=lambda item: (-item[1], item[0]))
        ),
    )


def _in_use(terms: Terms, rows: int) -> TermsInUse:
    fields = {name: getattr(terms, name) for name in TermsInUse.__struct_fields__ if name != "rows"}
    return TermsInUse(rows=rows, **fields)


def _full(path: Path) -> Path:
    """The full rows behind a published file, where both are as they were written."""
    full, made = meta_folder(path) / FULL, manifest_of(path)
    if made is None or not full.is_file() or path.stat().st_size != made.output.bytes:
        return path
    written = any(Path(other.path).name == FULL and other.bytes == full.stat().st_size for other in made.others)
    return full if written else path


def _authors(path: Path) -> dict[str, str | None]:
    """Which model wrote each dataset: by the catalogue, and by the manifests of downloads behind a file."""
    known = {name: entry.author for name, entry in datasets().items()}
    for made in lineage(path):
        settings = made.manifest.settings
        if made.manifest.stage == "download" and isinstance(settings.get("dataset"), str):
            known[settings["dataset"]] = settings.get("author")
    return known
