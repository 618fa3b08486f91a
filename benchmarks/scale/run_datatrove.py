"""datatrove: its four documented stages of MinHash de-duplication, each by its executor for one machine.

    run_datatrove.py BUCKETS HASHES ROWS KEPT [--threshold 0.8] --workers 2

It takes no threshold, but so many buckets of so many hashes. Its reader takes the words of a row, as all peers are
given them (../dedup/peers/reading.py), so its own normalising is off: it would be done twice. It shares work out by
files, so rows are first cut into some. Which row of a cluster stays is as it chooses. Prints what its stages wrote for
each other.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from itertools import islice
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[1] / "dedup" / "peers"))

from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.base import PipelineStep
from datatrove.pipeline.dedup import (
    MinhashDedupBuckets,
    MinhashDedupCluster,
    MinhashDedupFilter,
    MinhashDedupSignature,
)
from datatrove.pipeline.dedup.minhash import MinhashConfig
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import JsonlWriter
from datatrove.utils.text import TextNormConfig
from datatrove.utils.word_tokenizers import WordTokenizer
from reading import WIDTH, Arguments, arguments, write_kept

SHARDS = 16
PLAIN = TextNormConfig(
    lowercase=False,
    norm_whitespace=False,
    remove_punctuation=False,
    norm_unicode_diacritics=False,
    norm_numbers=False,
)
_WORDS = re.compile(r"\w+")


class Spaces(WordTokenizer):
    """Texts are words with one space between."""

    def word_tokenize(self, text: str) -> list[str]:
        return text.split(" ")

    def sent_tokenize(self, text: str) -> list[str]:
        return [text]

    def span_tokenize(self, text: str) -> list[tuple[int, int]]:
        return [(0, len(text))]


def document(_: JsonlReader, row: dict[str, Any], path: str, line: int) -> dict[str, Any]:
    """What datatrove is given of a row: its words, and the number of the row as its name."""
    text = f"{row['instruction']}\n{row['response']}".lower()
    return {"id": str(int(Path(path).stem) + line), "text": " ".join(_WORDS.findall(text))}


def main() -> None:
    buckets, hashes = (int(sys.argv.pop(1)) for _ in range(2))
    given = arguments()
    config = MinhashConfig(n_grams=WIDTH, num_buckets=buckets, hashes_per_bucket=hashes, norm_config=PLAIN)
    with tempfile.TemporaryDirectory(dir=given.kept.parent) as folder:
        write_kept(given.kept, sorted(deduplicated(given, config, Path(folder))))


def deduplicated(given: Arguments, config: MinhashConfig, place: Path) -> list[int]:
    """The numbers of the rows that it keeps."""
    cut(given.rows, place / "input")
    passed = [place / name for name in ("signatures", "buckets", "remove")]
    for number, (pipeline, tasks) in enumerate(stages(config, place, *map(str, passed))):
        logs = str(place / "logs" / str(number))
        LocalPipelineExecutor(pipeline, tasks=tasks, workers=given.workers, logging_dir=logs).run()
    files = [path for folder in passed for path in folder.rglob("*") if path.is_file()]
    print(f"shuffled {sum(path.stat().st_size for path in files)} bytes")
    return [int(json.loads(line)["id"]) for path in (place / "kept").glob("*.jsonl") for line in path.open()]


def stages(
    config: MinhashConfig, place: Path, signatures: str, buckets: str, remove: str
) -> list[tuple[list[PipelineStep], int]]:
    """Each with the number of its tasks."""
    reader = JsonlReader(str(place / "input"), adapter=document)
    output = JsonlWriter(str(place / "kept"), compression=None)
    return [
        ([reader, MinhashDedupSignature(signatures, config=config, language=Spaces())], SHARDS),
        ([MinhashDedupBuckets(signatures, buckets, config=config)], config.num_buckets),
        ([MinhashDedupCluster(buckets, remove, config=config)], 1),
        ([reader, MinhashDedupFilter(remove), output], SHARDS),
    ]


def cut(rows: Path, folder: Path) -> None:
    """Files of some rows each, named by the number of their first."""
    folder.mkdir()
    with rows.open("rb") as lines:
        each = -(-sum(1 for _ in lines) // SHARDS)
        lines.seek(0)
        for first in range(0, SHARDS * each, each):
            with (folder / f"{first:09}.jsonl").open("wb") as file:
                file.writelines(islice(lines, each))


if __name__ == "__main__":
    main()
