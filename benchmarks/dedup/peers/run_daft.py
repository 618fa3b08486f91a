"""daft: words, MinHash and bands as expressions, bands grouped, and of rows that meet the first stays.

Where its tutorial groups by whole bands and finds components by joins, round after round, this groups by their hashes
and finds them by union-find: both are faster.
"""

from __future__ import annotations

import daft
import numpy as np
from daft import col, lit
from daft.functions import chunk, concat_ws, hash, lower, minhash, monotonically_increasing_id, regexp_replace, strip  # noqa: A004
from reading import PERMUTATIONS, SEED, WIDTH, arguments, write_kept
from scipy.integrate import quad


def main() -> None:
    given = arguments()
    bands, size = best_bands(given.threshold, PERMUTATIONS)
    text = concat_ws("\n", col("instruction"), col("response"))
    words = strip(regexp_replace(lower(text), r"\W+", " "))
    signature = minhash(words, num_hashes=bands * size, ngram_size=WIDTH, seed=SEED, hash_function="xxhash")
    signed = (
        daft.read_json(str(given.rows))
        .with_column("row", monotonically_increasing_id())
        .select("row", chunk(signature, size).alias("band"))
        .collect()
    )
    meetings = (
        signed.with_column("place", lit(list(range(bands))))
        .explode("band", "place")
        .select("row", "place", hash(col("band")).alias("digest"))
        .groupby("place", "digest")
        .agg(col("row").list_agg().alias("rows"))
        .where(col("rows").length() > lit(1))
        .select("rows")
        .to_pydict()["rows"]
    )
    root = np.arange(len(signed))
    for rows in meetings:
        tops = {top(root, row) for row in rows}
        root[list(tops)] = min(tops)
    write_kept(given.kept, np.flatnonzero(root == np.arange(len(root))))


def top(root: np.ndarray, row: int) -> int:
    while root[row] != row:
        root[row] = root[root[row]]
        row = root[row]
    return row


def best_bands(threshold: float, permutations: int) -> tuple[int, int]:
    """Bands and their size for which the false share below the threshold and the missed share above it sum least."""

    def error(bands: int, size: int) -> float:
        false, _ = quad(lambda at: 1 - (1 - at**size) ** bands, 0, threshold)
        missed, _ = quad(lambda at: (1 - at**size) ** bands, threshold, 1)
        return false + missed

    choices = ((bands, size) for bands in range(1, permutations + 1) for size in range(1, permutations // bands + 1))
    return min(choices, key=lambda choice: error(*choice))


if __name__ == "__main__":
    main()
