"""The public datasets that phase0 knows by name, as dated data: where each lies, how it is laid out, who wrote it.

An entry is on the hub, in this package, or files of the user's own; plans add entries in the same form.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from datetime import date
from functools import cache
from importlib import resources
from typing import Any

import msgspec

from phase0.errors import DataError, UsageError, near_miss

ALL = "all"


class Dataset(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One dataset. With `hub` its files are there, with `builtin` in the package, with neither on the user's disk."""

    name: str = ""  # the key that the entry stands under; `find` fills it in
    description: str = ""
    files: tuple[str, ...]  # names or patterns; each must match a file
    layout: str = "auto"
    hub: str | None = None  # owner/name
    revision: str | None = None  # of the hub: a commit, or a branch, of which the commit is recorded on download
    builtin: bool = False
    license: str | None = None  # SPDX; None where none is declared
    license_note: str | None = None
    author: str | None = None  # who wrote the responses, where that is one model
    rows: int | None = None  # upstream, as the card states them; some layouts make several examples of one
    megabytes: float | None = None  # to download
    aliases: tuple[str, ...] = ()
    in_all: bool = False
    gated: bool = False

    def __post_init__(self) -> None:
        if not self.files:
            raise ValueError("files is empty; name the files or give a pattern such as *.jsonl")
        if self.hub is not None and self.builtin:
            raise ValueError("hub and builtin exclude each other: a dataset lies in one place")
        if self.hub is not None and self.hub.count("/") != 1:
            raise ValueError(f"hub is {self.hub!r}, which should read owner/name")
        if self.hub is None and self.revision is not None:
            raise ValueError("revision names a version on the hub, but hub is not given")

    @property
    def source(self) -> str:
        """What `source` of its rows says where the rows themselves do not: the model, else the dataset."""
        return self.author or self.name


class Catalog(msgspec.Struct, frozen=True):
    """All entries by name, in the order of the file, and the day they were looked up."""

    as_of: date
    datasets: Mapping[str, Dataset]


@cache
def catalog() -> Catalog:
    """The catalogue that the package ships."""
    text = resources.files("phase0.catalog").joinpath("datasets.toml").read_text(encoding="utf-8")
    return parse(text, where="catalog/datasets.toml")


def datasets() -> Mapping[str, Dataset]:
    """The entries of the catalogue by name."""
    return catalog().datasets


def parse(text: str, *, where: str) -> Catalog:
    """A catalogue from TOML: `as_of`, then one table per dataset. Raises DataError, naming the entry and the key."""
    try:
        tables: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"{where} is not valid TOML: {error}.") from None
    as_of = tables.pop("as_of", None)
    if not isinstance(as_of, date):
        raise DataError(f"{where}: as_of is {as_of!r}; it is the day the entries were looked up, such as 2026-01-31.")
    entries = {name: _entry(name, table, where) for name, table in tables.items()}
    _unambiguous(entries, where)
    return Catalog(as_of, entries)


def _entry(name: str, table: Any, where: str) -> Dataset:
    known = {field.encode_name for field in msgspec.structs.fields(Dataset)} - {"name"}
    if not isinstance(table, dict):
        raise DataError(f"{where}: {name} is a value, not the table of a dataset.")
    for key in table:
        if key not in known:
            raise DataError(f"{where}: [{name}] has the unknown key {key!r}.{near_miss(key, known)}")
    try:
        return msgspec.convert({**table, "name": name}, Dataset)
    except msgspec.ValidationError as error:
        raise DataError(f"{where}: [{name}] {error}.") from None


def _unambiguous(entries: Mapping[str, Dataset], where: str) -> None:
    taken = {ALL: ALL, **{name: name for name in entries}}
    for entry in entries.values():
        for alias in entry.aliases:
            if taken.setdefault(alias, entry.name) != entry.name:
                raise DataError(f"{where}: [{entry.name}] calls itself {alias!r}, which is a name of {taken[alias]}.")


def find(names: Sequence[str], extra: Mapping[str, Dataset] = {}) -> list[Dataset]:
    """The datasets of these names, in order and each once. A name is a key, an alias, an id on the hub, or `all`.

    `extra` holds a plan's own entries; they go before those of the catalogue. Raises UsageError for an unknown name.
    """
    own = {name: msgspec.structs.replace(entry, name=name) for name, entry in extra.items()}
    entries = {**datasets(), **own}
    known = {alias.lower(): entry for entry in entries.values() for alias in (*entry.aliases, entry.hub) if alias}
    known |= {name.lower(): entry for name, entry in entries.items()}
    found: dict[str, Dataset] = {}
    for name in names:
        if name.lower() in known:
            wanted = [known[name.lower()]]
        elif name.lower() == ALL:
            wanted = [entry for entry in entries.values() if entry.in_all]
        else:
            near = near_miss(name.lower(), [ALL, *known])
            raise UsageError(f"There is no dataset called {name!r}.{near} Known: {', '.join([ALL, *entries])}.")
        found |= {entry.name: entry for entry in wanted}
    return list(found.values())
