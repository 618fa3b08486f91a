"""daft: words, MinHash and bands as expressions, bands grouped, and of rows that meet the first stays.

Its tutorial finds connected components by joins, round after round; the union-find here is faster.
"""

from __future__ import annotations

import daft
import numpy as np
from daft import col, lit
from daft.functions import chunk, concat_ws, lower, minhash, monotonically_increasing_id, regexp_replace
from reading import PERMUTATIONS, SEED, WIDTH, arguments, write_kept
from scipy.integrate import quad


def main() -> None:
    given = arguments()
    bands, size = best_bands(given.threshold, PERMUTATIONS)
    text = concat_ws("\n", col("instruction"), col("response"))
    words = regexp_replace(regexp_replace(lower(text), r"\W+", " "), r"^ | $", "")
    signature = minhash(words, num_hashes=bands * size, ngram_size=WIDTH, seed=SEED, hash_function="xxhash")
    signed = (
        daft.read_json(str(given.rows))
        .with_column("row", monotonically_increasing_id())
        .select("row", chunk(signature, size).alias("band"))
        .collect()
    )
    places = daft.func(range_of, return_dtype=daft.DataType.list(daft.DataType.int64()))
    meetings = (
        signed.with_column("place", places(col("band")))
        .explode("band", "place")
        .groupby("place", "band")
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


def range_of(band: list[list[int]]) -> list[int]:
    return list(range(len(band)))


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
