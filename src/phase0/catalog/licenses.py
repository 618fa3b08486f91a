"""What licences and terms of providers say, as dated data. What nobody has looked up is None, never "allowed"."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import date
from fnmatch import fnmatchcase
from functools import cache
from importlib import resources

import msgspec

from phase0.errors import DataError, near_miss


class Terms(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One licence, or the terms of one provider."""

    name: str = ""  # the key that the entry stands under: an SPDX identifier where there is one
    title: str
    url: str | None = None
    source: str  # where the facts were looked up
    provider: bool = False  # terms of a service, not a licence of data
    commercial: bool | None = None
    share_alike: bool = False
    attribution: bool = False
    naming: str | None = None  # what must be said
    restriction: str | None = None  # what it forbids besides
    hub: str | None = None  # what the hub's cards call it


class Written(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Authors, by patterns of their names, and the terms that their answers come under."""

    like: tuple[str, ...]
    terms: str


class Licenses(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All entries, and the day they were looked up."""

    as_of: date
    terms: Mapping[str, Terms]
    models: tuple[Written, ...] = ()
    datasets: Mapping[str, tuple[str, ...]] = {}  # terms besides the declared licence

    def license(self, name: str) -> Terms | None:
        """The licence of an SPDX identifier, or of the hub's name for one, in any case; None for any other."""
        wanted = name.strip().lower()
        named = (entry for key, entry in self.terms.items() if wanted in (key.lower(), entry.hub))
        return next((entry for entry in named if not entry.provider), None)

    def of_model(self, author: str) -> Terms | None:
        """The terms that a model's answers come under; None where they are not known."""
        wanted = author.lower()
        found = (entry.terms for entry in self.models if any(fnmatchcase(wanted, like) for like in entry.like))
        name = next(found, None)
        return None if name is None else self.terms[name]


@cache
def licenses() -> Licenses:
    """The entries that the package ships."""
    text = resources.files("phase0.catalog").joinpath("licenses.toml").read_text(encoding="utf-8")
    return parse(text, where="catalog/licenses.toml")


def parse(text: str, *, where: str) -> Licenses:
    """Entries from TOML. Raises DataError where one cannot be read, or names terms that are not there."""
    try:
        found = msgspec.convert(tomllib.loads(text), Licenses)
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"{where} is not valid TOML: {error}.") from None
    except msgspec.ValidationError as error:
        raise DataError(f"{where}: {error}.") from None
    named = [(entry.terms, f"the models like {entry.like[0]}") for entry in found.models]
    named += [(name, dataset) for dataset, names in found.datasets.items() for name in names]
    for name, who in named:
        if name not in found.terms:
            raise DataError(f"{where}: {who} are under {name!r}, which is not there.{near_miss(name, found.terms)}")
    entries = {name: msgspec.structs.replace(entry, name=name) for name, entry in found.terms.items()}
    return msgspec.structs.replace(found, terms=entries)
