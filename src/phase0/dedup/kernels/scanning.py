"""What stands in texts, from one pass over their bytes: which words of a vocabulary, and which marks.

Words go by their numbers from 1 on, 0 is a word that the vocabulary lacks. A mark is a row of places, each a set of
bytes; where marks stand is carried from byte to byte as a number with one bit for each place (Shift-And: Baeza-Yates
and Gonnet 1992). It knows neither what is looked for nor what finding it means.

Shapes: B bytes, D texts, E edges of words, W words of a text, V words of the vocabulary, S slots (a power of two), K
cues, R their words, P places, L beginnings of lines.
"""

from __future__ import annotations

import numpy as np

from phase0.dedup.kernels.bits import equal64, trailing_zeros
from phase0.dedup.kernels.compiling import BYTES, I64, TABLE, TEXT, U16, U64, Array, count, flag, kernel, nothing
from phase0.dedup.kernels.hashing import stir
from phase0.dedup.kernels.runs import PADDING, edges, eight

WIDTH = 5  # times 8 bytes is what a word of the vocabulary has at most
FIRSTS, AHEAD, FAR = 3, 9, 60  # words among which a thing is looked for
PLACES = 128  # of all marks together, in two halves; no mark may lie in both
NEWLINE = 10
_TAB, _SPACE, _PLUS, _HASH, _ZERO = 9, 32, np.uint8(43), np.uint8(35), np.uint8(0)
_GAP, _WORD, _SIGN = 0, 1, 2
_ONE = np.uint64(1)


@kernel(nothing, TEXT, count, count, BYTES)
def lowered(text_B: Array, begin: int, end: int, out_B: Array) -> None:
    """Write letters in lower case; digits, `_`, pluses, hashes and what is not ASCII as they are; zeros for the rest,
    and PADDING zeros."""
    source, target = text_B[begin:end], out_B[: end - begin]
    for i in range(len(source)):
        byte = source[i]
        lower = np.uint8(byte | np.uint8(32))
        is_letter = np.uint8(lower - np.uint8(97)) < np.uint8(26)
        is_other = (np.uint8(byte - np.uint8(48)) < np.uint8(10)) | (byte == np.uint8(95)) | (byte >= np.uint8(128))
        target[i] = lower if is_letter else (byte if is_other | (byte == _PLUS) | (byte == _HASH) else _ZERO)
    out_B[end - begin : end - begin + PADDING] = 0


@kernel(flag, BYTES, count)
def has_signs(lower_B: Array, length: int) -> bool:
    """Whether pluses or hashes stand in what `lowered` has written: to ask while it writes takes ten times as long."""
    found = np.uint64(0)
    for at in range(0, length, 64):
        found |= equal64(lower_B, at, 43) | equal64(lower_B, at, 35)
    return bool(found != 0)


@kernel(count, BYTES, count, BYTES)
def parted(lower_B: Array, length: int, out_B: Array) -> int:
    """Write what `lowered` has written once more, with a zero behind pluses and hashes that end a word, and zeros for
    such as belong to none. Answers how many bytes that takes, without PADDING zeros behind them."""
    to, last = 0, _GAP
    for i in range(length):
        byte = lower_B[i]
        is_sign = (byte == _PLUS) | (byte == _HASH)
        if last == _SIGN and not is_sign:
            out_B[to] = 0
            to += 1
        if byte == 0 or (is_sign and last == _GAP):
            byte, last = _ZERO, _GAP
        else:
            last = _SIGN if is_sign else _WORD
        out_B[to] = byte
        to += 1
    out_B[to : to + PADDING] = 0
    return to


@kernel(count, BYTES, count, count, U16, U64)
def slot_of(words_B: Array, begin: int, end: int, slots_S: Array, keys_V: Array) -> int:
    """The slot in which the number of a word of at most 8 * WIDTH bytes is, or else the empty one where it belongs.

    Its bytes, 8 at a time, are stirred in from 0 on; the lowest bits are the first slot that is looked at."""
    hashed, at = stir(np.uint64(0), eight(words_B, begin, end)), begin + 8
    while at < end:
        hashed = stir(hashed, eight(words_B, at, end))
        at += 8
    mask = len(slots_S) - 1
    slot = np.int64(hashed & np.uint64(mask))
    while slots_S[slot] != 0:
        key, at = (WIDTH + 1) * np.int64(slots_S[slot]), begin
        while at < end and keys_V[key] == eight(words_B, at, end):
            at += 8
            key += 1
        if at >= end and keys_V[key] == 0:
            break
        slot = (slot + 1) & mask
    return slot


@kernel(nothing, BYTES, count, U16, U64, I64)
def learn(words_B: Array, length: int, slots_S: Array, keys_V: Array, edges_E: Array) -> None:
    """Number words with gaps of zeros between them from 1 on. All slots and keys come as 0, and there are more slots
    than words. A word takes WIDTH keys, 8 bytes each, and a zero."""
    for number in range(edges(words_B, 0, length, edges_E)):
        begin, end = edges_E[2 * number], edges_E[2 * number + 1]
        slots_S[slot_of(words_B, begin, end, slots_S, keys_V)] = number + 1
        at, key = begin, (WIDTH + 1) * (number + 1)
        while at < end:
            keys_V[key] = eight(words_B, at, end)
            at += 8
            key += 1


@kernel(count, TEXT, count, count, U16, U64, BYTES, BYTES, I64, I64, count)
def numbered(
    text_B: Array,
    begin: int,
    end: int,
    slots_S: Array,
    keys_V: Array,
    lower_B: Array,
    words_B: Array,
    edges_E: Array,
    words_W: Array,
    before: int,
) -> int:
    """Write the numbers of the words of a text behind those that are `before` it; answers how many there are then."""
    length, found_B = end - begin, lower_B
    lowered(text_B, begin, end, lower_B)
    if has_signs(lower_B, length):
        length, found_B = parted(lower_B, length, words_B), words_B
    words = edges(found_B, 0, length, edges_E)
    for i in range(words):
        at, stop = edges_E[2 * i], edges_E[2 * i + 1]
        is_short = stop - at <= 8 * WIDTH
        words_W[before + i] = np.int64(slots_S[slot_of(found_B, at, stop, slots_S, keys_V)]) if is_short else 0
    return before + words


@kernel(nothing, I64, count, I64, TABLE, I64, I64, count, I64, count)
def weigh(
    words_W: Array,
    words: int,
    ends_V: Array,
    cues_K5: Array,
    words_R: Array,
    last_K: Array,
    part: int,
    sums: Array,
    at: int,
) -> None:
    """See `weighed`. `last_K` says in which part a cue was found last."""
    for i in range(words):
        for cue in range(ends_V[words_W[i]], ends_V[words_W[i] + 1]):
            here, left, end = i - cues_K5[cue, 4], cues_K5[cue, 2], cues_K5[cue, 3]
            if here < 0 or here + end - left > words or last_K[cue] == part:
                continue
            while left < end and words_W[here] == words_R[left]:
                here += 1
                left += 1
            if left == end:
                last_K[cue] = part
                sums[at + cues_K5[cue, 0]] += cues_K5[cue, 1]


@kernel(nothing, TEXT, TABLE, U16, U64, I64, I64, TABLE, I64, count, I64, I64, TABLE, allocates=True)
def weighed(
    text_B: Array,
    spans_D6: Array,
    slots_S: Array,
    keys_V: Array,
    kinds_V: Array,
    ends_V: Array,
    cues_K5: Array,
    words_R: Array,
    categories: int,
    things: Array,
    sums: Array,
    kinds_D7: Array,
) -> None:
    """The weights of cues, each cue once, in the words of two parts of each text, and the kinds of words of the first.

    The first part is two spans of bytes, the second is one: begin, end, begin, end, begin, end. A cue is a category, a
    weight, where in `words_R` its words begin and end, and which of them, from 0 on, it is looked for by. Cues are in
    the order of that word; those of word v are ends_V[v] to ends_V[v + 1]. Weights of category c in part p of text d
    are added to sums[(2 * d + p) * categories + c]. For the kinds see `kinds_of`.
    """
    longest = 0
    for row in range(len(spans_D6)):
        for i in range(0, 6, 2):
            longest = max(longest, spans_D6[row, i + 1] - spans_D6[row, i])
    lower_B, words_B = np.empty(longest + PADDING, np.uint8), np.empty(2 * longest + PADDING, np.uint8)
    edges_E, words_W = np.empty(2 * longest + PADDING, np.int64), np.empty(2 * longest + 2, np.int64)
    last_K = np.empty(len(cues_K5), np.int64)
    last_K[:] = -1
    for row in range(len(spans_D6)):
        words = 0
        for i in range(0, 6, 2):
            if i == 4:
                weigh(words_W, words, ends_V, cues_K5, words_R, last_K, 2 * row, sums, 2 * row * categories)
                kinds_of(words_W, words, kinds_V, things, kinds_D7[row])
                words = 0
            begin, end = spans_D6[row, i], spans_D6[row, i + 1]
            words = numbered(text_B, begin, end, slots_S, keys_V, lower_B, words_B, edges_E, words_W, words)
        weigh(words_W, words, ends_V, cues_K5, words_R, last_K, 2 * row + 1, sums, (2 * row + 1) * categories)


@kernel(count, I64, count, I64, I64)
def thing_made(words_W: Array, words: int, kinds_V: Array, things: Array) -> int:
    """What a request is to make: the kinds, of things[1], of the first such word among its first FIRSTS, or among AHEAD
    from a word of kind things[0] on, of which the first FAR are looked at; words of kind things[2] end the search."""
    for at in range(min(words, FAR)):
        makes = kinds_V[words_W[at]] & things[0] != 0
        if at > 0 and not makes:
            continue
        for i in range(at, min(words, at + AHEAD if makes else FIRSTS)):
            kinds = kinds_V[words_W[i]]
            if kinds & things[1] != 0:
                return np.int64(kinds & things[1])
            if kinds & things[2] != 0:
                break
    return 0


@kernel(nothing, I64, count, I64, I64, I64)
def kinds_of(words_W: Array, words: int, kinds_V: Array, things: Array, kinds_7: Array) -> None:
    """The kinds of the words of a request, as bits: of any word; of all; of the first; of those that stand right behind
    one of the kind below them, and of those behind one more; of the thing to be made; and then how many words."""
    some, every, near, across, one, two = 0, -1, 0, 0, 0, 0
    for i in range(words):
        kinds = kinds_V[words_W[i]]
        some |= kinds
        every &= kinds
        near |= (one << 1) & kinds
        across |= (two << 1) & kinds
        one, two = kinds, one
    kinds_7[0], kinds_7[1], kinds_7[2] = some, every, kinds_V[words_W[0]] if words > 0 else 0
    kinds_7[3], kinds_7[4], kinds_7[5] = near, across, thing_made(words_W, words, kinds_V, things)
    kinds_7[6] = words


@kernel(flag, TEXT, count, count, TEXT, I64, I64)
def begins(text_B: Array, at: int, end: int, words_B: Array, words_L1: Array, heads: Array) -> bool:
    """Whether a line begins with one of these words, behind spaces and tabs. Those that begin with byte b are
    `words_L1[heads[b]]` to `words_L1[heads[b + 1]]`, one behind the other."""
    while at < end and (text_B[at] == _SPACE or text_B[at] == _TAB):
        at += 1
    if at == end:
        return False
    for line in range(heads[text_B[at]], heads[np.int64(text_B[at]) + 1]):
        i, stop, here = words_L1[line], words_L1[line + 1], at
        while i < stop and here < end and words_B[i] == text_B[here]:
            i += 1
            here += 1
        if i == stop:
            return True
    return False


@kernel(nothing, TEXT, TABLE, U64, U64, U64, U64, TEXT, I64, I64, count, count, U64)
def marked(
    text_B: Array,
    spans_D2: Array,
    places: Array,
    first: Array,
    meanings_P: Array,
    bytes_256: Array,
    lines_B: Array,
    lines_L1: Array,
    heads: Array,
    line: int,
    skipped: int,
    found_D: Array,
) -> None:
    """For each text the meanings of all marks in it, which are bits.

    Bit p of places[2 * b + half] says that byte b may stand at that place, of `first` that a mark begins there; what is
    found when place p is reached is meanings_P[p], and by a byte alone bytes_256[b]. A newline stands before each text.
    Where a line begins with one of `lines_B` the bits of `line` are found too (see `begins`). The
    byte `skipped` is passed over, -1 is none.
    """
    for row in range(len(spans_D2)):
        begin, end = spans_D2[row, 0], spans_D2[row, 1]
        one, other, found = first[0] & places[2 * NEWLINE], first[1] & places[2 * NEWLINE + 1], np.uint64(0)
        ones, others = np.uint64(0), np.uint64(0)
        if begins(text_B, begin, end, lines_B, lines_L1, heads):
            found |= np.uint64(line)
        for i in range(begin, end):
            byte = np.int64(text_B[i])
            if byte == skipped:
                continue
            one = (one << _ONE | first[0]) & places[2 * byte]
            other = (other << _ONE | first[1]) & places[2 * byte + 1]
            ones |= one
            others |= other
            found |= bytes_256[byte]
            if byte == NEWLINE and begins(text_B, i + 1, end, lines_B, lines_L1, heads):
                found |= np.uint64(line)
        while ones != 0:
            found |= meanings_P[trailing_zeros(ones)]
            ones &= ones - _ONE
        while others != 0:
            found |= meanings_P[64 + trailing_zeros(others)]
            others &= others - _ONE
        found_D[row] = found
