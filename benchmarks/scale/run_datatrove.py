"""datatrove: its four documented stages of MinHash de-duplication, each by its executor for one machine.

    run_datatrove.py ROWS KEPT [--threshold 0.8] --workers 2

As documented: 14 buckets of 8 hashes, which stand for a threshold of some 0.72; another one cannot be asked for. Words
are split as for all peers (../dedup/peers/reading.py), so its own normalising is off: it would be done twice. The first
of what it keeps is as it chooses. Prints what its stages wrote for each other.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "dedup" / "peers"))

from datatrove.executor import LocalPipelineExecutor
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
from reading import WIDTH, arguments, word_texts, write_kept

SHARDS = 16


class Words(WordTokenizer):
    """Texts are words with one space between."""

    def word_tokenize(self, text: str) -> list[str]:
        return text.split()

    def sent_tokenize(self, text: str) -> list[str]:
        return [text]

    def span_tokenize(self, text: str) -> list[tuple[int, int]]:
        return [(0, len(text))]


def main() -> None:
    given = arguments()
    plain = TextNormConfig(False, False, False, False, False)
    config = MinhashConfig(n_grams=WIDTH, norm_config=plain)
    with tempfile.TemporaryDirectory(dir=given.kept.parent) as folder:
        place = Path(folder)
        cut(word_texts(given.rows), place / "input")
        names = ("signatures", "buckets", "remove")
        signatures, buckets, remove = (place / name for name in names)
        reader = JsonlReader(str(place / "input"))
        output = JsonlWriter(str(place / "kept"), compression=None)
        stages = (
            ([reader, MinhashDedupSignature(str(signatures), config=config, language=Words())], SHARDS),
            ([MinhashDedupBuckets(str(signatures), str(buckets), config=config)], config.num_buckets),
            ([MinhashDedupCluster(str(buckets), str(remove), config=config)], 1),
            ([reader, MinhashDedupFilter(str(remove)), output], SHARDS),
        )
        for number, (pipeline, tasks) in enumerate(stages):
            logs = str(place / "logs" / str(number))
            LocalPipelineExecutor(pipeline, tasks=tasks, workers=given.workers, logging_dir=logs).run()
        files = (path for name in names for path in (place / name).rglob("*"))
        print(f"shuffled {sum(path.stat().st_size for path in files if path.is_file())} bytes")
        write_kept(given.kept, sorted(kept(place / "kept")))


def cut(texts: list[str], folder: Path) -> None:
    folder.mkdir()
    each = -(-len(texts) // SHARDS)
    for shard in range(SHARDS):
        rows = range(shard * each, min(len(texts), (shard + 1) * each))
        with (folder / f"{shard:05d}.jsonl").open("w") as file:
            file.writelines(json.dumps({"id": str(row), "text": texts[row]}) + "\n" for row in rows)


def kept(folder: Path) -> list[int]:
    return [int(json.loads(line)["id"]) for path in folder.glob("*.jsonl") for line in path.open()]


if __name__ == "__main__":
    main()
