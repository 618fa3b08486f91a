"""Many strings looked for at once: an automaton of Aho and Corasick (1975), which takes one step for every byte.

From state s and a byte of class c it goes to following_A[(s << bits) + c]. It knows neither what the strings are nor
what finding them means.

Shapes: B bytes, D texts, A states, C categories, K strings, X strings by the states in which they end.
"""

from __future__ import annotations

import numpy as np

from phase0.dedup.kernels.compiling import BYTES, I64, TEXT, U16, U64, Array, count, kernel, nothing

SPACE, PLUS, HASH = 32, 43, 35
_GAP, _WORD, _SIGN = 0, 1, 2


@kernel(nothing, TEXT, I64, TEXT, U16, count, U64, I64)
def marked(
    text_B: Array, starts_D1: Array, classes: Array, following_A: Array, bits: int, marks_A: Array, found_D: Array
) -> None:
    """For each text the bits of all states it goes through."""
    for row in range(len(found_D)):
        state, found = 0, np.uint64(0)
        for i in range(starts_D1[row], starts_D1[row + 1]):
            state = np.int64(following_A[(state << bits) + classes[text_B[i]]])
            found |= marks_A[state]
        found_D[row] = np.int64(found)


@kernel(count, TEXT, count, count, TEXT, BYTES)
def spaced(text_B: Array, begin: int, end: int, letters: Array, out_B: Array) -> int:
    """Write the words of a text, a space before each and behind the last. Answers how many bytes that takes.

    What `letters` says of a byte is what is written for it, where that is zero the byte is between words. Pluses and
    hashes belong to the word before them, and end it.
    """
    out_B[0] = SPACE
    to, last = 1, _GAP
    for i in range(begin, end):
        letter = letters[text_B[i]]
        is_sign = (letter == PLUS) | (letter == HASH)
        if letter == 0 or (is_sign and last == _GAP):
            if last != _GAP:
                out_B[to] = SPACE
                to += 1
            last = _GAP
        else:
            if last == _SIGN and not is_sign:
                out_B[to] = SPACE
                to += 1
            out_B[to] = letter
            to += 1
            last = _SIGN if is_sign else _WORD
    if last != _GAP:
        out_B[to] = SPACE
        to += 1
    return to


@kernel(nothing, TEXT, I64, TEXT, TEXT, U16, count, I64, I64, I64, I64, count, I64, allocates=True)
def weighed(
    text_B: Array,
    starts_D1: Array,
    letters: Array,
    classes: Array,
    following_A: Array,
    bits: int,
    ends_A1: Array,
    ending_X: Array,
    weights_K: Array,
    categories_K: Array,
    categories: int,
    sums_DC: Array,
) -> None:
    """Add up the weights of strings in the words of each text, each string once: those of category c of text d in
    sums_DC[d * categories + c]. The strings that end in state s are ending_X[ends_A1[s]:ends_A1[s + 1]]."""
    longest, texts = 0, len(starts_D1) - 1
    for row in range(texts):
        longest = max(longest, starts_D1[row + 1] - starts_D1[row])
    out_B = np.empty(2 * longest + 2, np.uint8)
    last_K = np.empty(len(weights_K), np.int64)
    last_K[:] = -1
    for row in range(texts):
        length, state = spaced(text_B, starts_D1[row], starts_D1[row + 1], letters, out_B), 0
        for i in range(length):
            state = np.int64(following_A[(state << bits) + classes[out_B[i]]])
            for k in range(ends_A1[state], ends_A1[state + 1]):
                found = ending_X[k]
                if last_K[found] != row:
                    last_K[found] = row
                    sums_DC[row * categories + categories_K[found]] += weights_K[found]
