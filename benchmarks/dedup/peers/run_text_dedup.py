"""text-dedup: its command over a file of one text column, short rows considered like all others."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from datasets import load_from_disk
from reading import PERMUTATIONS, SEED, WIDTH, arguments, word_texts, write_kept


def main() -> None:
    given = arguments()
    with tempfile.TemporaryDirectory(dir=given.kept.parent) as folder:
        texts = Path(folder) / "texts.jsonl"
        with texts.open("w") as file:
            file.writelines(
                json.dumps({"row": row, "text": text}) + "\n" for row, text in enumerate(word_texts(given.rows))
            )
        options = {
            "path": "json",
            "data_files": texts,
            "split": "train",
            "cache_dir": Path(folder) / "cache",
            "output": Path(folder) / "deduplicated",
            "column": "text",
            "ngram": WIDTH,
            "min_length": 1,
            "num_perm": PERMUTATIONS,
            "threshold": given.threshold,
            "hash_func": "xxh3",  # "faster", says its help
            "seed": SEED,
            "num_proc": given.workers,
        }
        asked = [part for name, value in options.items() for part in (f"--{name}", str(value))]
        subprocess.run([sys.executable, "-m", "text_dedup.minhash", *asked], check=True)
        write_kept(given.kept, load_from_disk(options["output"])["row"])


if __name__ == "__main__":
    main()
