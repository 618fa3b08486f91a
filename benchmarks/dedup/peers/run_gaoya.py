"""gaoya: bulk insertion and bulk queries, both over native threads. Of similar rows the first stays.

Its own analyzer makes the 5-grams: all rows of fewer words are alike to it.
"""

from __future__ import annotations

from gaoya.minhash import MinHashStringIndex
from reading import PERMUTATIONS, WIDTH, arguments, word_texts, write_kept

AT_ONCE = 20_000


def main() -> None:
    given = arguments()
    texts = word_texts(given.rows)
    index = MinHashStringIndex(
        hash_size=32,
        jaccard_threshold=given.threshold,
        num_bands=None,  # with these two absent it chooses them for the threshold
        band_size=None,
        num_hashes=PERMUTATIONS,
        analyzer="word",
        ngram_range=(WIDTH, WIDTH),
        id_container="smallvec",
    )
    index.par_bulk_insert_docs(list(range(len(texts))), texts)
    gone: set[int] = set()
    for first in range(0, len(texts), AT_ONCE):
        for row, similar in enumerate(index.par_bulk_query(texts[first : first + AT_ONCE]), first):
            if any(other < row and other not in gone for other in similar):
                gone.add(row)
    write_kept(given.kept, (row for row in range(len(texts)) if row not in gone))


if __name__ == "__main__":
    main()
