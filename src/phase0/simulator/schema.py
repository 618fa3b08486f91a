"""A value that fits a JSON schema, always the same for the same question: how the simulator answers as a judge.

Numbers lean upwards, as judges' scores do, and where null is one of several choices it is not taken.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import Any

from phase0.simulator.prose import SENTENCES

_DEEPEST = 8  # a schema may contain itself; below this, what may be left out is


class Drawn:
    """Numbers out of a digest, as many as asked for."""

    def __init__(self, digest: bytes) -> None:
        self._digest = digest
        self._times = 0

    def below(self, limit: int) -> int:
        self._times += 1
        text = b"%d " % self._times + self._digest
        return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") % limit


def value(schema: Any, digest: bytes) -> Any:
    """A value for which the schema holds. Patterns and formats of strings are not looked at."""
    root = schema if isinstance(schema, dict) else {}
    return _value(root, root, Drawn(digest), 0)


def _value(schema: Any, root: Mapping[str, Any], drawn: Drawn, depth: int) -> Any:
    if not isinstance(schema, dict):
        return None
    if "$ref" in schema:
        return _value(_resolved(str(schema["$ref"]), root), root, drawn, depth + 1)
    if fixed := [schema["const"]] if "const" in schema else schema.get("enum"):
        return _one_of(fixed, drawn)
    if "allOf" in schema:
        return _value(_together(schema, root), root, drawn, depth + 1)
    for key in ("anyOf", "oneOf"):
        if schema.get(key):
            options = _stated(schema[key])
            chosen = options[drawn.below(len(options))] if depth < _DEEPEST else _plainest(options)
            return _value(chosen, root, drawn, depth + 1)
    return _of_type(_type(schema, drawn), schema, root, drawn, depth)


def _one_of(values: list[Any], drawn: Drawn) -> Any:
    """One of the values that a schema lists; of numbers the larger of two draws."""
    given = [one for one in values if one is not None] or values
    chosen = given[drawn.below(len(given))]
    if all(type(one) is int for one in given):
        return max(chosen, given[drawn.below(len(given))])
    return chosen


def _of_type(kind: str, schema: Mapping[str, Any], root: Mapping[str, Any], drawn: Drawn, depth: int) -> Any:
    if kind == "object":
        return _object(schema, root, drawn, depth)
    if kind == "array":
        fewest = int(schema.get("minItems", 0 if depth >= _DEEPEST else 1))
        most = int(schema.get("maxItems", fewest + 2))
        size = fewest if depth >= _DEEPEST else fewest + drawn.below(max(most - fewest, 0) + 1)
        return [_value(schema.get("items", {"type": "string"}), root, drawn, depth + 1) for _ in range(size)]
    if kind in {"integer", "number"}:
        return _number(schema, drawn, whole=kind == "integer")
    if kind == "boolean":
        return bool(drawn.below(2))
    return None if kind == "null" else _string(schema, drawn)


def _object(schema: Mapping[str, Any], root: Mapping[str, Any], drawn: Drawn, depth: int) -> dict[str, Any]:
    required = set(schema.get("required", ()))
    return {
        name: _value(part, root, drawn, depth + 1)
        for name, part in schema.get("properties", {}).items()
        if name in required or depth < _DEEPEST
    }


def _number(schema: Mapping[str, Any], drawn: Drawn, *, whole: bool) -> int | float:
    """A multiple within the bounds, the larger of two draws."""
    step = schema.get("multipleOf") or (1 if whole else 0.1)
    least = math.ceil(schema.get("minimum", schema.get("exclusiveMinimum", 0)) / step - 1e-9)
    most = math.floor(schema.get("maximum", schema.get("exclusiveMaximum", least * step + 10 * step)) / step + 1e-9)
    if "minimum" not in schema and least * step == schema.get("exclusiveMinimum"):
        least += 1
    if "maximum" not in schema and most * step == schema.get("exclusiveMaximum"):
        most -= 1
    span = max(most - least, 0) + 1
    chosen = least + max(drawn.below(span), drawn.below(span))
    return int(chosen * step) if whole else round(chosen * step, 6)


def _string(schema: Mapping[str, Any], drawn: Drawn) -> str:
    text = SENTENCES[drawn.below(len(SENTENCES))]
    while len(text) < int(schema.get("minLength", 0)):
        text = f"{text} {SENTENCES[drawn.below(len(SENTENCES))]}"
    return text[: int(schema["maxLength"])] if "maxLength" in schema else text


def _type(schema: Mapping[str, Any], drawn: Drawn) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        given = [one for one in kind if one != "null"] or kind
        return str(given[drawn.below(len(given))])
    if kind is None:
        return "object" if "properties" in schema else "array" if "items" in schema else "string"
    return str(kind)


def _resolved(reference: str, root: Mapping[str, Any]) -> Any:
    found: Any = root
    for part in reference.removeprefix("#").strip("/").split("/"):
        found = found.get(part, {}) if isinstance(found, dict) and part else found
    return found


def _together(schema: Mapping[str, Any], root: Mapping[str, Any]) -> dict[str, Any]:
    """All parts of `allOf` as one schema, properties and requirements joined."""
    whole: dict[str, Any] = {}
    for part in [{key: value for key, value in schema.items() if key != "allOf"}, *schema["allOf"]]:
        resolved = _resolved(part["$ref"], root) if "$ref" in part else part
        properties = {**whole.get("properties", {}), **resolved.get("properties", {})}
        required = [*whole.get("required", ()), *resolved.get("required", ())]
        whole |= resolved | ({"properties": properties} if properties else {}) | {"required": required}
    return whole


def _plainest(options: list[Any]) -> Any:
    """An option that holds nothing further, where there is one."""
    return next(filter(_is_plain, options), options[0])


def _stated(options: list[Any]) -> list[Any]:
    """Options without null, where what is left holds nothing further: there, null may be the end of it."""
    given = [option for option in options if option != {"type": "null"}]
    return given if given and all(map(_is_plain, given)) else options


def _is_plain(option: Any) -> bool:
    nested = {"$ref", "allOf", "anyOf", "oneOf"} & set(option)
    return not nested and option.get("type") not in ("object", "array")
