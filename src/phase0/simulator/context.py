"""What all parts of one provider share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from phase0.simulator.chance import Chance
from phase0.simulator.clock import Clock
from phase0.simulator.journal import Journal
from phase0.simulator.settings import Model, Settings


class Context(NamedTuple):
    """How the provider is, its luck, its time and its memory."""

    settings: Settings
    models: Mapping[str, Model]  # by name; empty: any name is served
    chance: Chance
    journal: Journal
    clock: Clock
