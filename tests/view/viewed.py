"""A small run to view: rows kept and dropped, near-duplicates, and rows that try to be more than text."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from phase0.engine.local import Local
from phase0.stages.deduplicate import deduplicate
from phase0.stages.distill import distill
from phase0.stages.download import acquire
from phase0.stages.publish import publish
from phase0.stages.score import score
from phase0.view import Catalogue, serve

ANSWER = (
    "Bread rises because yeast eats the sugar in the dough and gives off gas. The gas is caught in small bubbles, "
    "so the dough grows. Heat then sets the walls of the bubbles, and the loaf keeps its shape."
)
TELLING = "\n\nThis is an answer of enough words to be kept by a scorer that wants to see some substance in it."
HOSTILE = (
    "<script>document.title = 'taken'</script>",
    "</script><script>document.title = 'taken'</script>",
    "</pre></main><img src=x onerror=\"document.title='taken'\">",
    "<svg/onload=document.title='taken'>",
    "<iframe srcdoc=\"<script>parent.document.title='taken'</script>\">",
    "\" autofocus onfocus=\"document.title='taken'",
    "<style>body { display: none }</style>",
    "<meta http-equiv=refresh content='0; url=http://example.invalid/'>",
    "&lt;b&gt;not bold&lt;/b&gt; &amp;amp;",
    "\u202egnp.exe\u202c \u2066isolated\u2069 \u200fmark",
    "nul \x00, bell \x07, escape \x1b[31mred, delete \x7f, next line \x85, tab \t end",
    "zero\u200bwidth\ufeff joiner\u200d, \u2028line, \u2029paragraph, tag \U000e0041, private \ue000",
    "a\rb\r\nc",
)


def rows() -> list[dict[str, Any]]:
    plain = [
        {"instruction": "Why does bread rise?", "input": "", "output": ANSWER},
        {"instruction": "Why does bread rise?", "input": "", "output": ANSWER + " Yes."},
        {"instruction": "Name a grain.", "input": "", "output": "no " * 60},
        {"instruction": "Name two.", "input": "", "output": ""},
        {"instruction": "Was ist Brot?", "input": "", "output": "Grüße vom Bäcker. " + ANSWER.replace("dough", "Teig")},
        {"instruction": "面包是什么?", "input": "", "output": "面包是一种食物。" * 20},
        {"instruction": "Say it at length.", "input": "", "output": "word and word, " * 70_000 + "THE END"},
    ]
    odd = [{"instruction": f"Explain {text}", "input": "", "output": text + TELLING} for text in HOSTILE]
    return plain + odd


def make_run(at: Path) -> Path:
    """The rows after the whole line, in the folders of the recipe."""
    at.mkdir(parents=True, exist_ok=True)
    (at / "made.json").write_text(json.dumps(rows()))
    acquire([at / "made.json"], at / "raw", engine=Local(1))
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
