"""Turns a name into the thing it names, importing its module only then.

A registry is a literal dict of `"name": "module:attribute"`: greppable, lazy, without import side effects.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from phase0.errors import UsageError, near_miss


def load(kind: str, table: Mapping[str, str], name: str) -> Any:
    """The attribute that `table` registers under `name`. An unknown name suggests the nearest known one."""
    if name not in table:
        raise UsageError(
            f"There is no {kind} called {name!r}.{near_miss(name, table)} Known: {', '.join(sorted(table))}."
        )
    module, _, attribute = table[name].partition(":")
    return getattr(importlib.import_module(module), attribute)
