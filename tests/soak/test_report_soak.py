"""The report of a full offline run over the development corpus: quiet in Chromium, and small enough to be mailed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from browser import browsing, chromium

import phase0

PLAN = Path(__file__).resolve().parents[2] / "plans" / "quickstart.toml"


@pytest.mark.soak
def test_the_report_of_the_corpus_opens_from_disk_without_a_word_or_a_request(dev_data: Path, tmp_path: Path) -> None:
    chromium()
    made = phase0.run(PLAN, tmp_path / "run", inputs=[dev_data / "corpus"])
    size = made.report.stat().st_size
    console, requests = asyncio.run(_opened(made.report, tmp_path / "profile"))
    print(f"{made.verification.rows:,} rows, {size:,} bytes, console {len(console)}, requests {len(requests)}")
    assert size < 5_000_000
    assert (console, requests) == ([], [made.report.resolve().as_uri()])


async def _opened(report: Path, profile: Path) -> tuple[list[str], list[str]]:
    async with browsing(profile) as page:
        await page.look(1280)
        await page.open(report.resolve().as_uri())
        return page.console, page.requests
