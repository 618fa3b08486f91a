"""The report of a full offline run over the development corpus: quiet in Chromium, whole on every screen, and small
enough to be mailed. With PHASE0_SCREENSHOTS, a folder, what was seen is kept there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from browser import chromium
from looked import SCREENS, look_at

import phase0

PLAN = Path(__file__).resolve().parents[2] / "plans" / "quickstart.toml"


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_the_report_of_the_corpus_is_whole_on_every_screen_and_opens_from_disk(dev_data: Path, tmp_path: Path) -> None:
    chromium()
    made = phase0.run(PLAN, tmp_path / "run", inputs=[dev_data / "corpus"])
    size = made.report.stat().st_size
    pictures = os.environ.get("PHASE0_SCREENSHOTS")
    seen = look_at(made.report, tmp_path / "profile", Path(pictures) if pictures else None)
    told = f"{seen.sections} sections on {len(SCREENS)} screens, {len(seen.faults)} faults"
    print(f"{made.verification.rows:,} rows, {size:,} bytes, {told}, console {len(seen.console)}")
    assert seen.faults == []
    assert seen.sections >= 12
    assert size < 5_000_000
    assert seen.console == []
    assert seen.requests == {made.report.resolve().as_uri()}
