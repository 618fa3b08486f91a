"""All pairs of rows at or above the threshold by SetSimilaritySearch, over word 5-grams of phase0's tokens.

Called as `pairs_setsimilarity.py ROWS PAIRS --threshold 0.8`, with phase0's source on the path.
"""

from __future__ import annotations

import json

from reading import WIDTH, arguments
from SetSimilaritySearch import all_pairs

from phase0.text import tokens

SLACK = 1e-9  # its bounds are in floating point: ask for a little more, then decide in integers


def main() -> None:
    given = arguments()
    numbers: dict[tuple[str, ...], int] = {}
    sets = []
    with given.rows.open(encoding="utf-8", newline="\n") as lines:
        for row, line in enumerate(lines):
            words = tokens("{instruction}\n{response}".format(**json.loads(line)))
            grams = {tuple(words[start : start + WIDTH]) for start in range(max(1, len(words) - WIDTH + 1))}
            key = {numbers.setdefault(gram, len(numbers)) for gram in grams} if words else {-1 - row}
            sets.append(key)
    thousandths = round(given.threshold * 1000)
    with given.kept.open("w") as out:
        for one, other, _ in all_pairs(sets, "jaccard", given.threshold - SLACK):
            shared = len(sets[one] & sets[other])
            if shared * 1000 >= (len(sets[one]) + len(sets[other]) - shared) * thousandths:
                out.write(f"{min(one, other)} {max(one, other)}\n")


if __name__ == "__main__":
    main()
