"""The dataset hub, both ways. The only package that imports the hub's client."""

from __future__ import annotations

from phase0.hub.fetching import ENDPOINT, PAUSES, Fetched, Snapshot, fetch
from phase0.hub.pushing import Pushed, Upload, push

__all__ = ["ENDPOINT", "PAUSES", "Fetched", "Pushed", "Snapshot", "Upload", "fetch", "push"]
