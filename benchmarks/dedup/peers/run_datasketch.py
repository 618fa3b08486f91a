"""datasketch: MinHashes in bulk; a row stays when the LSH index of those that stay knows nothing like it."""

from __future__ import annotations

from datasketch import MinHash, MinHashLSH
from reading import PERMUTATIONS, arguments, word_grams, word_texts, write_kept


def main() -> None:
    given = arguments()
    index = MinHashLSH(threshold=given.threshold, num_perm=PERMUTATIONS)
    grams = ([gram.encode() for gram in word_grams(text)] for text in word_texts(given.rows))
    kept = []
    for row, signature in enumerate(MinHash.generator(grams, num_perm=PERMUTATIONS)):
        if not index.query(signature):
            index.insert(row, signature)
            kept.append(row)
    write_kept(given.kept, kept)


if __name__ == "__main__":
    main()
