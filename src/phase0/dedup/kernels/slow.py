"""The twins: what every kernel does, said slowly in plain Python. Only tests use them, to hold the kernels to it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from math import ceil

from phase0.dedup.kernels import recounting
from phase0.dedup.kernels.hashing import MULTIPLIER, SEED
from phase0.dedup.kernels.minhashing import BIN_SHIFT, SLOTS, VALUE_MASK, VALUE_SHIFT
from phase0.dedup.kernels.sorting import CLASS_BITS, COUNTER_BITS, KEY_BITS
from phase0.text import tokens

_WORD = (1 << 64) - 1
_LOW = (1 << 32) - 1


def load64(text: bytes, at: int) -> int:
    return int.from_bytes(text[at : at + 8], "little")


def equal64(text: bytes, at: int, byte: int) -> int:
    return sum((other == byte) << i for i, other in enumerate(text[at : at + 64]))


def below64(text: bytes, at: int, byte: int) -> int:
    return sum((other < byte) << i for i, other in enumerate(text[at : at + 64]))


def trailing_zeros(value: int) -> int:
    return (value & -value).bit_length() - 1


def ones(value: int) -> int:
    return value.bit_count()


def alike8(keys: Sequence[int], one: int, other: int) -> int:
    return next((i for i in range(8) if keys[one + i] != keys[other + i]), 8)


def differing8(keys: Sequence[int], one: int, other: int) -> int:
    return sum((keys[one + i] != keys[other + i]) << i for i in range(8))


def pack8(keys: Sequence[int], at: int, chosen: int, turned: int) -> list[int]:
    return [keys[at + i] ^ turned for i in range(8) if chosen >> i & 1]


def ascending(keys: Iterable[int]) -> list[int]:
    """Sorted as signed numbers, as `sort64`, `sort128` and `merge64` do it too."""
    return sorted(keys, key=_signed)


def exchange64(ones: Sequence[int], others: Sequence[int]) -> tuple[list[int], list[int]]:
    pairs = [ascending(pair) for pair in zip(ones, others, strict=True)]
    return [low for low, _ in pairs], [high for _, high in pairs]


def exchange_mirrored64(ones: Sequence[int], others: Sequence[int]) -> tuple[list[int], list[int]]:
    low, high = exchange64(ones, others[::-1])
    return low, high[::-1]


def _signed(number: int) -> int:
    return number - (number >> 63 << 64)


def differing512(sketches: Sequence[Sequence[int]], one: int, other: int) -> int:
    return sum(ones(int(mine) ^ int(theirs)) for mine, theirs in zip(sketches[one], sketches[other], strict=True))


def canonical(text: str) -> list[bytes]:
    """The runs of bytes that are not zero in the canonical text."""
    return [token.encode() for token in tokens(text)]


def stir(hashed: int, more: int) -> int:
    hashed = (hashed ^ more) * MULTIPLIER & _WORD
    return hashed ^ hashed >> 32


def word(token: bytes) -> int:
    hashed = SEED
    for at in range(0, len(token), 8):
        hashed = stir(hashed, int.from_bytes(token[at : at + 8], "little"))
    return hashed


def shingles(row: Sequence[bytes], width: int) -> list[int]:
    """Every shingle's hash, repeated ones too."""
    grams = [row[i : i + width] for i in range(max(1, len(row) - width + 1))] if row else []
    return [_folded(gram) for gram in grams]


def _folded(gram: Sequence[bytes]) -> int:
    hashed = len(gram)
    for token in gram:
        hashed = stir(hashed, word(token))
    return hashed


def classes(rows: Iterable[Iterable[int]], limits: Sequence[int]) -> dict[int, int]:
    """The class of each slot of the table that is not 0, after counting the hashes of these rows."""
    counters: dict[int, int] = {}
    for row in rows:
        for value in row:
            counter = (value >> 2) % (1 << COUNTER_BITS)
            counters[counter] = counters.get(counter, 0) + 1
    found: dict[int, int] = {}
    for counter, seen in counters.items():
        level = sum(seen >= limit for limit in limits)
        slot = counter % (1 << CLASS_BITS)
        if level > found.get(slot, 0):
            found[slot] = level
    return found


def sorted_set(hashes: Iterable[int], levels: Mapping[int, int]) -> list[int]:
    """The keys of a row's hashes, ascending, each once."""
    keys = {value >> 2 for value in hashes}
    return sorted(key | levels.get(key % (1 << CLASS_BITS), 0) << KEY_BITS for key in keys)


def sketch(keys: Iterable[int]) -> list[int]:
    """Eight numbers of 64 parities."""
    whole = 0
    for key in keys:
        whole ^= 1 << (key >> 32) % 512
    return [whole >> 64 * i & _WORD for i in range(8)]


def distinct(keys: Iterable[int]) -> list[int]:
    """Ascending keys, each once."""
    return list(dict.fromkeys(keys))


def fingerprint(keys: Iterable[int]) -> int:
    return sum((key * MULTIPLIER & _WORD) ^ key >> 17 for key in keys) & _WORD


def arrange(rows: Sequence[Sequence[int]], order: Sequence[int]) -> list[int]:
    return [value for row in order for value in rows[row]]


def cut_to_prefixes(sets: Sequence[Sequence[int]], threshold: Fraction) -> list[list[int]]:
    """Of each set the least keys, one of which any set shares that reaches the threshold with it."""
    return [list(one[: len(one) - ceil(len(one) * threshold) + 1]) for one in sets]


def collapse(sets: Sequence[Sequence[int]]) -> list[int]:
    return [next(i for i, other in enumerate(sets) if other == one) if one else -1 for one in sets]


def join(sets: Sequence[set[int]], threshold: Fraction) -> set[tuple[int, int, int]]:
    """Pairs (lower number, higher number, shared keys) of sets that are not empty."""
    return {
        (i, j, len(one & other))
        for j, other in enumerate(sets)
        for i, one in enumerate(sets[:j])
        if one and other and Fraction(len(one & other), len(one | other)) >= threshold
    }


def recounted(row: Sequence[bytes], width: int) -> list[int]:
    """Every shingle's key in the second count, repeated ones too."""
    words = []
    for token in row:
        hashed = recounting.SEED
        for at in range(0, len(token), 8):
            hashed = _spread((hashed * recounting.BASE + int.from_bytes(token[at : at + 8], "little")) & _WORD)
        words.append(hashed)
    grams = [words[i : i + width] for i in range(max(1, len(words) - width + 1))] if words else []
    keys = []
    for gram in grams:
        key = len(gram)
        for value in gram:
            key = (key * recounting.BASE + value) & _WORD
        keys.append(_spread(key) >> recounting.KEY_SHIFT)
    return keys


def _spread(value: int) -> int:
    return (value ^ value >> 32) * recounting.SPREAD & _WORD


def recounted_sums(keys: Iterable[int]) -> tuple[int, int]:
    """The print and the check of a set."""
    known = list(keys)
    checks = (_spread((key * recounting.BASE + 1) & _WORD) for key in known)
    return sum(map(_spread, known)) & _WORD, sum(checks) & _WORD


def rare_first(sets: Sequence[Iterable[int]], keys: Iterable[int], step: int = 1) -> list[int]:
    """Keys in the order of the second count, where every `step`-th set tells which are common."""
    seen = Counter(_counter(key) for one in sets[::step] for key in one)
    levels = {key: sum(min(seen[_counter(key)], 255) >= level for level in recounting.LEVELS) for key in keys}
    return sorted(levels, key=lambda key: (levels[key], key))


def prefix_length(size: int, threshold: Fraction) -> int:
    """Among how many of its first keys a set must share one with any that reaches the threshold."""
    return size - ceil(threshold * size) + 1


def prefixes(sets: Sequence[Sequence[int]], lengths: Sequence[int], step: int, set_bits: int) -> list[int]:
    """The entries of so many first keys of each set, where every `step`-th set tells which keys are common."""
    shift = recounting.KEY_BITS + set_bits - 64
    return [
        key >> shift << set_bits | number
        for number, (one, length) in enumerate(zip(sets, lengths, strict=True))
        for key in rare_first(sets, one, step)[:length]
    ]


def _counter(key: int) -> int:
    return key >> (recounting.KEY_BITS - recounting.COUNTER_BITS)


def sign(keys: Iterable[int], order: Sequence[Sequence[int]]) -> list[int]:
    """128 slots; `order[k]` says from which others slot k may borrow."""
    least: dict[int, int] = {}
    for key in keys:
        slot, value = key >> BIN_SHIFT & SLOTS - 1, key >> VALUE_SHIFT & VALUE_MASK
        least[slot] = min(value, least.get(slot, value))
    return [
        least[slot] if slot in least else least[next(other for other in order[slot] if other in least)]
        for slot in range(SLOTS)
    ]


def band_keys(slots: Sequence[int], bands: int, rows: int) -> list[int]:
    keys = []
    for band in range(bands):
        key = rows
        for slot in slots[band * rows : band * rows + rows]:
            key = stir(key, slot)
        keys.append(key)
    return keys


def confirm(one: Sequence[bytes], other: Sequence[bytes], width: int) -> tuple[int, int]:
    """Shared shingles, and all of two rows."""
    mine, theirs = (
        {tuple(row[i : i + width]) for i in range(max(1, len(row) - width + 1)) if row} for row in (one, other)
    )
    return len(mine & theirs), len(mine | theirs)


def lines(rows: Iterable[bytes]) -> bytes:
    """Rows as lines."""
    return b"".join(row + b"\n" for row in rows)


def filled(parts: Sequence[bytes], rows: Iterable[Sequence[bytes | int]]) -> bytes:
    """A form whose parts are these, with the values of each row between them."""
    spelled = [[value if isinstance(value, bytes) else b"%d" % value for value in row] for row in rows]
    return b"".join(part + value for row in spelled for part, value in zip(parts, [*row, b""], strict=True))


def components(rows: int, pairs: Iterable[tuple[int, int]]) -> list[int]:
    """The least number that each is connected with."""
    roots = list(range(rows))
    for one, other in pairs:
        low, high = sorted((roots[one], roots[other]))
        roots = [low if root == high else root for root in roots]
    return roots


def chain(keys: Sequence[int]) -> int:
    hashed = SEED ^ len(keys)
    for key in keys:
        hashed = stir(hashed, key)
    return hashed


def prefix_records(keys: Sequence[int], row: int, marks: int, threshold: Fraction) -> list[list[int]]:
    """The records of a row without their sketches."""
    size, (p, q) = len(keys), threshold.as_integer_ratio()
    prefix, found_by_larger = size - -(-size * p // q) + 1, size - -(-2 * size * p // (p + q)) + 1
    return [
        [keys[i], keys[max(i - 1, 0)], row << 3 | marks | (i < found_by_larger), size << 32 | (size - i)]
        for i in range(prefix)
    ]


def folded(sketch: Sequence[int], width: int) -> list[int]:
    """So many numbers, each the parity of those that fall together."""
    made = [0] * width
    for i, number in enumerate(sketch):
        made[i % width] ^= number
    return made


def meetings(
    records: Sequence[Sequence[int]], threshold: Fraction, *, apart: bool = False
) -> list[tuple[int, int, int]]:
    """Of records in ascending order of size those that meet and may reach the threshold: lower row, other, key."""
    p, q = threshold.as_integer_ratio()
    found = []
    for at, (key, before, marked, sized, *sketch) in enumerate(records):
        for other_key, other_before, other_marked, other_sized, *other_sketch in records[:at]:
            sizes, rest = (sized >> 32) + (other_sized >> 32), min(sized & _LOW, other_sized & _LOW)
            differing = sum((one ^ other).bit_count() for one, other in zip(sketch, other_sketch, strict=True))
            if (
                key == other_key
                and other_marked & 1
                and not marked & other_marked & 2
                and (not apart or (marked ^ other_marked) & 4)
                and (other_sized >> 32) * q >= (sized >> 32) * p
                and (before != other_before or before == key)
                and rest * (p + q) >= sizes * p
                and differing <= sizes - 2 * -(-sizes * p // (p + q))
            ):
                rows = marked >> 3, other_marked >> 3
                found.append((min(rows), max(rows), key))
    return found


def met_first(one: Sequence[int], other: Sequence[int], key: int, threshold: Fraction) -> int:
    """What two ascending sets share, or -1."""
    shared = set(one) & set(other)
    near = Fraction(len(shared), len(set(one) | set(other))) >= threshold
    return len(shared) if near and min(shared) == key else -1


def spelled(text: bytes) -> list[bytes]:
    """The words of a text in lower case; a byte that is not ASCII is part of a word."""
    return re.findall(rb"[\w\x80-\xff]+[+#]*", text.lower())


def weighed(words: Sequence[bytes], cues: Iterable[tuple[Sequence[bytes], int, int]], categories: int) -> list[int]:
    """The weights of the cues whose words stand one behind the other, by category."""
    found = [0] * categories
    for cue, category, weight in cues:
        length = len(cue)
        if any(list(words[at : at + length]) == list(cue) for at in range(len(words) - length + 1)):
            found[category] += weight
    return found


def kinds(of_words: Sequence[int], things: Sequence[int]) -> list[int]:
    """The columns of `scanning.kinds_of`."""
    some, every = 0, -1
    for kinds in of_words:
        some, every = some | kinds, every & kinds
    followed = [0, 0]
    for distance in (1, 2):
        for before, behind in zip(of_words, of_words[distance:], strict=False):
            followed[distance - 1] |= before << 1 & behind
    return [some, every, of_words[0] if of_words else 0, *followed, _thing(of_words, *things), len(of_words)]


def _thing(of_words: Sequence[int], make: int, thing: int, about: int) -> int:
    for at, kinds in enumerate(of_words[:60]):
        if at == 0 or kinds & make:
            for word in of_words[at : at + 9] if kinds & make else of_words[:3]:
                if word & thing:
                    return word & thing
                if word & about:
                    break
    return 0


def marked(text: bytes, marks: Mapping[tuple[frozenset[int], ...], int], lines: Iterable[bytes], line: int) -> int:
    """The bits of the marks that stand in a text, which begins behind a newline."""
    found, whole = 0, b"\n" + text
    for places, bits in marks.items():
        length = len(places)
        starts = range(length == 1, len(whole) - length + 1)  # that newline alone is no mark
        if any(all(whole[at + i] in place for i, place in enumerate(places)) for at in starts):
            found |= bits
    begins = any(one.lstrip(b" \t").startswith(word) for one in text.split(b"\n") for word in lines)
    return found | line if begins else found


_EQUATION = re.compile(
    r"[-=+*^/<>%](?:(?<=\d%) of|(?<=\d [-/<>]) \d|(?<=\d[-/*])\d+ ?="
    r"|(?:(?<=[\w)][=+*^])|(?<=[\w)] [=+*^])) ?(?:[($-]?\d|[a-z]\b|\\|\())"
)


def equations(text: str) -> int:
    return len(_EQUATION.findall(text))


def numbers(text: str) -> int:
    return len(re.findall(r"[0-9][0-9,.]*", text))
