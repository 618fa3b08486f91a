"""A small run to view: rows kept and dropped, near-duplicates, and rows that try to be more than text."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from hostile import BROKEN, HOSTILE
from made import write_lines

from phase0.engine.local import Local
from phase0.stages.deduplicate import deduplicate
from phase0.stages.distill import distill
from phase0.stages.download import acquire
from phase0.stages.publish import publish
from phase0.stages.score import score
from phase0.view import Catalogue, serve
from phase0.view.markup import legible
from phase0.view.parts import LONGEST

ANSWER = (
    "Bread rises because yeast eats the sugar in the dough and gives off gas. The gas is caught in small bubbles, "
    "so the dough grows. Heat then sets the walls of the bubbles, and the loaf keeps its shape."
)
TAKING = (
    "<script>document.title = 'taken'</script>",
    "</script><script>document.title = 'taken'</script>",
    "</pre></main><img src=x onerror=\"document.title='taken'\">",
    "<svg/onload=document.title='taken'>",
    "<iframe srcdoc=\"<script>parent.document.title='taken'</script>\">",
    "\" autofocus onfocus=\"document.title='taken'",
    "<meta http-equiv=refresh content='0; url=http://example.invalid/'>",
    "a\rb\r\nc",
)
"""What would be seen in the title of the page if it ran."""

TEXTS = (*HOSTILE.values(), *TAKING)
_ASKED = 3000  # characters of a hostile instruction; its answer is whole


def hostile_rows() -> list[dict[str, Any]]:
    """A row for each hostile text, with words of its own behind it, so that no two are near-duplicates."""
    return [
        {
            "instruction": f"Explain {text[:_ASKED]}",
            "input": "",
            "output": f"{text}\n\nThat was told: {' '.join(f'word{number}x{place}' for place in range(25))}.",
        }
        for number, text in enumerate(TEXTS)
    ]


def shown_texts() -> set[str]:
    """What a page shows of the hostile rows: what is not seen is spelled out, what is long is cut."""
    return {legible(text[:LONGEST]) for row in hostile_rows() for text in (row["instruction"], row["output"])}


def rows() -> list[dict[str, Any]]:
    plain = [
        {"instruction": "Why does bread rise?", "input": "", "output": ANSWER},
        {"instruction": "Why does bread rise?", "input": "", "output": ANSWER + " Yes."},
        {"instruction": "Name a grain.", "input": "", "output": "no " * 60},
        {"instruction": "Name two.", "input": "", "output": ""},
        {"instruction": "Was ist Brot?", "input": "", "output": "Grüße vom Bäcker. " + ANSWER.replace("dough", "Teig")},
        {"instruction": "面包是什么?", "input": "", "output": "面包是一种食物。" * 20},
        {"instruction": "Say it at length.", "input": "", "output": "word and word, " * 80_000 + "THE END"},
    ]
    return plain + hostile_rows()


def make_run(at: Path) -> Path:
    """The rows after the whole line, in the folders of the recipe; those that are no rows are dropped at its begin."""
    write_lines(at / "made.jsonl", [*(json.dumps(row).encode() for row in rows()), *BROKEN.values()])
    acquire([at / "made.jsonl"], at / "raw", engine=Local(1))
    distill([at / "raw" / "combined.jsonl"], at / "distilled" / "a.jsonl")
    score([at / "distilled" / "a.jsonl"], at / "scored" / "all_scored.jsonl", threshold=2.0, engine=Local(1))
    deduplicate([at / "scored" / "all_scored.jsonl"], at / "deduped" / "deduped.jsonl")
    publish([at / "deduped" / "deduped.jsonl"], at / "dataset.jsonl")
    return at


@asynccontextmanager
async def viewing(catalogue: Catalogue) -> AsyncIterator[str]:
    """The page of a catalogue for the block; its address."""
    done = asyncio.Event()
    address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve(catalogue, 0, address.set_result, done))
    try:
        yield await asyncio.wait_for(address, 60)
    finally:
        done.set()
        await asyncio.wait_for(serving, 60)
