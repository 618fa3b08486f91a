"""rensa: its deduplicator with LSH, which checks what it finds by the signatures, as its README shows it.

The faster "rho" pipeline says of every row whether another is like it, the best row of a cluster included: it cannot
tell which row should stay.
"""

from __future__ import annotations

from reading import PERMUTATIONS, SEED, arguments, word_grams, word_texts, write_kept
from rensa import RMinHashDeduplicator


def main() -> None:
    given = arguments()
    remover = RMinHashDeduplicator(threshold=given.threshold, num_perm=PERMUTATIONS, use_lsh=True, seed=SEED)
    texts = word_texts(given.rows)
    stays = remover.add_pairs((str(row), word_grams(text)) for row, text in enumerate(texts))
    write_kept(given.kept, (row for row, stay in enumerate(stays) if stay))


if __name__ == "__main__":
    main()
