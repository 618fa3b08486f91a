"""A judge's answer, read strictly: four whole numbers from 1 to 10, or none. Nothing is searched for, nothing mended.

What is read is one JSON object with the four dimensions as its keys, alone or inside one code fence.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from phase0.records import DIMENSIONS

LABELS = range(1, 11)

SCHEMA = {
    "type": "object",
    "properties": {
        name: {"anyOf": [{"type": "integer", "enum": list(LABELS)}, {"type": "null"}]} for name in DIMENSIONS
    },
    "required": list(DIMENSIONS),
    "additionalProperties": False,
}
"""What servers hold a judge to. An enumeration, since not every server's strict mode knows `minimum`."""

RESPONSE_FORMAT = {
    "type": "json_schema",
    "json_schema": {"name": "scores", "strict": True, "schema": SCHEMA},
}

_TOLD = 100  # characters of what is wrong
_SPACE = " \t\r\n"  # JSON's own: what other characters look like is not for us to say
_FENCED = re.compile(r"```(?:json|JSON)?[ \t]*\r?\n(.*)\n[ \t]*```", re.DOTALL)
_PLACE = {name: re.compile(rf'"{name}"[ \t\r\n]*:[ \t\r\n]*([0-9]+)') for name in DIMENSIONS}


class Sheet(NamedTuple):
    """What an answer says: four labels; none of them where the judge abstains."""

    labels: Mapping[str, int] | None


class OffFormError(ValueError):
    """An answer that is no score sheet; the message says why, in a few words."""


@lru_cache(maxsize=4096)  # four numbers in one form: judges give the same few hundred answers
def read(text: str) -> Sheet:
    """The sheet in an answer. Raises OffFormError for everything else."""
    given = _pairs(_bare(text))
    names = sorted(name for name, _ in given)
    if names != sorted(DIMENSIONS):
        raise OffFormError(f"its keys are {', '.join(names)}"[:_TOLD] if names else "it has no keys")
    if all(value is None for _, value in given):
        return Sheet(None)
    for name, value in given:
        if type(value) is not int or value not in LABELS:
            raise OffFormError(f"{name} is {json.dumps(value)}"[:_TOLD])
    return Sheet(dict(given))


@lru_cache(maxsize=4096)
def places(text: str) -> Mapping[str, tuple[int, int]]:
    """Where each label stands in an answer that has been read, from the first character to behind the last. A dimension
    whose key is written with escapes is left out."""
    found = {name: pattern.search(text) for name, pattern in _PLACE.items()}
    return {name: place.span(1) for name, place in found.items() if place}


def _bare(text: str) -> str:
    """An answer without one code fence around it."""
    stripped = text.strip(_SPACE)
    fenced = _FENCED.fullmatch(stripped)
    return fenced[1] if fenced else stripped


def _pairs(text: str) -> Sequence[tuple[str, Any]]:
    """The keys and values of the one object, a key that is there twice included."""
    try:
        found = json.loads(text, object_pairs_hook=_Object, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise OffFormError(f"no JSON: {error}"[:_TOLD]) from None
    if not isinstance(found, _Object):
        raise OffFormError("JSON, but no object")
    return found


class _Object(list[tuple[str, Any]]):
    """A JSON object as it was written."""


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")
