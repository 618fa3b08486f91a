"""What all tests share: the development data where there is some, and Hypothesis without a stopwatch."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Tests share their machine, so an example's time says nothing about it.
settings.register_profile("phase0", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("phase0")


@pytest.fixture(scope="session")
def dev_data() -> Path:
    """The folder of public data used in development. Tests that need it are skipped without it."""
    folder = os.environ.get("PHASE0_DEV_DATA")
    if not folder:
        pytest.skip("set PHASE0_DEV_DATA to the folder of development data to run this")
    return Path(folder)
