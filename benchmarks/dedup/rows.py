"""Rows to measure de-duplication on: real ones, recombined real sentences, and edits of both with known Jaccard.

    PHASE0_DEV_DATA=… python benchmarks/dedup/rows.py 674k --cache DIR

A row is a function of the seed and its number alone, so that any part of a file can be made by itself and two processes
make the same bytes as one. Beside the rows stands the truth file: every edit, the row it was made from, and what their
word sets share of what they have together.
"""

from __future__ import annotations

import argparse
import gzip
import multiprocessing
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
import xxhash
from pairs import shingles

from phase0.dedup import text_of

SIZES = {"100k": 100_000, "674k": 674_000, "6.7m": 6_700_000}
FORM = 1  # of what is made; a new one makes cached files anew

EDITED = 0.24
REAL = 0.30  # as long as the corpus lasts; all else is recombined
LEAST_WORDS = 30  # of the real row whose lengths a recombined row takes
BLOCK = 4_000
PROCESSES = 2
HEADER = b"edit\tbase\tshared\tunion\n"

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")
_SENTENCE_WORDS = range(4, 61)
_PUNCTUATION = (",", "!", ";", "...", " -", ":")

I64 = npt.NDArray[np.int64]
U64 = npt.NDArray[np.uint64]


class Row(msgspec.Struct):
    instruction: str
    response: str
    source: str
    quality_score: float | None = None


class Made(NamedTuple):
    rows: Path
    truth: Path


class Layout(NamedTuple):
    """What every row is: the edit of another row, a row of the corpus, or neither (then it is recombined)."""

    base_N: I64  # noqa: N815 - the row it is an edit of, or -1
    real_N: I64  # noqa: N815 - the row of the corpus, or -1


class Strings(NamedTuple):
    """Many strings in one buffer: shared by forked processes without a reference count to write to."""

    buffer: bytes
    starts: I64

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, index: int) -> bytes:
        return self.buffer[self.starts[index] : self.starts[index + 1]]


class Corpus(NamedTuple):
    lines: Strings
    questions: Strings  # different sentences of instructions
    answers: Strings  # different sentences of responses
    lengths: npt.NDArray[np.int32]  # words of instruction and response, of rows that are not too short


class Draws:
    """Numbers that follow from a key and from nothing else, the same on every machine and version."""

    def __init__(self, seed: int, row: int) -> None:
        self._key = seed.to_bytes(8, "little") + row.to_bytes(8, "little")
        self._drawn = 0

    def below(self, end: int) -> int:
        self._drawn += 1
        return xxhash.xxh3_64_intdigest(self._key, self._drawn) % end


def make(rows: int, seed: int, cache: Path, data: Path, *, processes: int = PROCESSES) -> Made:
    """The files of these arguments, made unless the cache has them."""
    stem = f"rows-{rows}-seed-{seed}-form-{FORM}"
    made = Made(cache / f"{stem}.jsonl", cache / f"{stem}.truth.tsv")
    if all(path.exists() for path in made):
        return made
    cache.mkdir(parents=True, exist_ok=True)
    partial = Made(*(path.with_suffix(".partial") for path in (made.rows, made.truth.with_suffix(".tsv.partial"))))
    corpus = read_corpus(data)
    with partial.rows.open("wb") as lines, partial.truth.open("wb") as truth:
        truth.write(HEADER)
        for block in blocks(Maker(corpus, rows, seed), rows, processes):
            lines.write(block.lines)
            truth.write(block.truth)
    partial.truth.replace(made.truth)
    partial.rows.replace(made.rows)
    return made


class Block(NamedTuple):
    lines: bytes
    truth: bytes


def blocks(maker: Maker, rows: int, processes: int) -> Iterator[Block]:
    parts = [range(first, min(first + BLOCK, rows)) for first in range(0, rows, BLOCK)]
    if processes == 1:
        yield from map(maker.block, parts)
        return
    with multiprocessing.get_context("fork").Pool(processes, _start, (maker,)) as pool:
        yield from pool.imap(_block, parts)


_maker: Maker


def _start(maker: Maker) -> None:
    global _maker  # noqa: PLW0603 - a forked process inherits it instead of receiving half a gigabyte
    _maker = maker


def _block(part: range) -> Block:
    return _maker.block(part)


class Maker:
    """Makes any rows of one file."""

    def __init__(self, corpus: Corpus, rows: int, seed: int) -> None:
        self._corpus = corpus
        self._seed = seed
        self._layout = layout(rows, len(corpus.lines), seed)

    def block(self, part: range) -> Block:
        lines, truth = [], []
        for number in part:
            row, base = self.row(number)
            lines.append(msgspec.json.encode(row))
            if base is not None:
                one, other = (shingles(text_of(each.instruction, each.response)) for each in (row, base))
                counts = number, self._layout.base_N[number], len(one & other), len(one | other)
                truth.append("\t".join(map(str, counts)).encode())
        return Block(b"".join(line + b"\n" for line in lines), b"".join(line + b"\n" for line in truth))

    def row(self, number: int) -> tuple[Row, Row | None]:
        """The row, and the row it is an edit of."""
        draws = Draws(self._seed, number)
        score = 1 + draws.below(91) / 10
        of = int(self._layout.base_N[number])
        if of < 0:
            row = self._original(number, draws)
            row.quality_score = score
            return row, None
        base, _ = self.row(of)
        row = edited(base, draws, self._corpus.answers)
        row.quality_score = score
        return row, base

    def _original(self, number: int, draws: Draws) -> Row:
        real = int(self._layout.real_N[number])
        if real >= 0:
            return msgspec.json.decode(self._corpus.lines[real], type=Row)
        asked, answered = self._corpus.lengths[draws.below(len(self._corpus.lengths))]
        instruction = recombined(self._corpus.questions, asked, draws)
        return Row(instruction, recombined(self._corpus.answers, answered, draws), "recombined")


def layout(rows: int, real_rows: int, seed: int) -> Layout:
    """Deals the kinds out over the whole file; an edit's base may stand before or after it, and have other edits."""
    order = np.argsort(_scattered(rows, seed))
    edits, originals = np.split(order, [round(rows * EDITED)])
    base = np.full(rows, -1)
    base[edits] = originals[_scattered(len(edits), seed + 1) % np.uint64(len(originals))]
    chosen = np.argsort(_scattered(real_rows, seed + 2))[: round(rows * REAL)]
    real = np.full(rows, -1)
    real[originals[: len(chosen)]] = chosen
    return Layout(base, real)


def _scattered(count: int, seed: int) -> U64:
    """The splitmix64 finaliser over count numbers that start at a multiple of 2**40: all different."""
    number = np.arange(count, dtype=np.uint64) + (np.uint64(seed + 1) << np.uint64(40))
    number = (number ^ (number >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    number = (number ^ (number >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return number ^ (number >> np.uint64(31))


def recombined(sentences: Strings, words: int, draws: Draws) -> str:
    """Sentences until there are that many words, each by itself, some on a line of their own."""
    text: list[str] = []
    while words > 0:
        sentence = sentences[draws.below(len(sentences))].decode()
        words -= sentence.count(" ") + 1
        text += [sentence, "\n" if draws.below(5) == 0 else " "]
    return "".join(text[:-1])


def edited(base: Row, draws: Draws, sentences: Strings) -> Row:
    """One in six changes case and punctuation alone (J = 1); the others aim at a Jaccard from 0.5 to 1, all alike."""
    asked, answered = base.instruction.split(" "), base.response.split(" ")
    words: list[str | None] = [*asked, *answered]
    harmless = draws.below(6) == 0
    if not harmless:
        _change_words(words, 0.5 + draws.below(5000) / 10_000, draws, sentences)
    if harmless or draws.below(3) == 0:
        _change_looks(words, draws)
    instruction, response = (
        " ".join(word for word in part if word is not None) for part in (words[: len(asked)], words[len(asked) :])
    )
    return Row(instruction, response, base.source)


def _change_words(words: list[str | None], jaccard: float, draws: Draws, sentences: Strings) -> None:
    """A word inside is in five shingles, the k-th from the end in k; when x of S go, S - x of S + x stay common."""
    shingle_count = max(1, len(words) - 4)
    going = round(shingle_count * (1 - jaccard) / (1 + jaccard))
    while going > 0:
        place = len(words) - going if going < 5 else draws.below(len(words))
        going -= 5
        word, new = words[max(0, place)], _any_word(sentences, draws)
        how = draws.below(4)
        words[max(0, place)] = None if how == 0 else f"{word} {new}" if how == 1 and word else new


def _any_word(sentences: Strings, draws: Draws) -> str:
    words = sentences[draws.below(len(sentences))].decode().split(" ")
    return words[draws.below(len(words))]


def _change_looks(words: list[str | None], draws: Draws) -> None:
    for _ in range(1 + draws.below(6)):
        place = draws.below(len(words))
        word = words[place]
        if word:
            how = draws.below(3)
            mark = _PUNCTUATION[draws.below(len(_PUNCTUATION))]
            words[place] = word + mark if how == 0 else word.upper() if how == 1 else word + " "


def read_corpus(data: Path) -> Corpus:
    """The rows of corpus/*.jsonl.gz, and their different sentences in the order in which they first come."""
    lines: list[bytes] = []
    questions: dict[str, None] = {}
    answers: dict[str, None] = {}
    lengths = []
    decode = msgspec.json.Decoder(Row).decode
    for path in sorted((data / "corpus").glob("*.jsonl.gz")):
        with gzip.open(path, "rb") as file:
            for line in file:
                row = decode(line)
                lines.append(line.rstrip(b"\n"))
                questions.update(_sentences(row.instruction))
                answers.update(_sentences(row.response))
                words = len(row.instruction.split()), len(row.response.split())
                if sum(words) >= LEAST_WORDS:
                    lengths.append(words)
    if not lines:
        raise SystemExit(f"{data} holds no corpus/*.jsonl.gz")
    texts = (_packed([text.encode() for text in found]) for found in (questions, answers))
    return Corpus(_packed(lines), *texts, np.array(lengths, np.int32))


def _sentences(text: str) -> dict[str, None]:
    return {part: None for part in _SENTENCE_END.split(text) if part.count(" ") + 1 in _SENTENCE_WORDS}


def _packed(strings: list[bytes]) -> Strings:
    return Strings(b"".join(strings), np.cumsum([0, *map(len, strings)]))


def count_of(size: str) -> int:
    """100k, 674k, 6.7m, or a number of rows."""
    return SIZES.get(size.lower()) or int(size)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", help=f"{', '.join(SIZES)}, or a number")
    parser.add_argument("--cache", type=Path, required=True, help="folder for what is made")
    parser.add_argument("--data", default=os.environ.get("PHASE0_DEV_DATA"), help="folder that holds corpus/")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if not options.data:
        parser.error("give --data, or set PHASE0_DEV_DATA")
    made = make(count_of(options.rows), options.seed, options.cache, Path(options.data))
    print(made.rows, made.truth, sep="\n")


if __name__ == "__main__":
    main()
