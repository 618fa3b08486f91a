"""Rows read fast are those that a plain reader finds: the same lines, texts and ranks. Only bad lines are dropped."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from phase0.dataset import BadRow
from phase0.dedup import On, text_of
from phase0.dedup.flat import Flat
from phase0.progress import SILENT
from phase0.stages import row_files
from phase0.stages.row_files import RowFiles
from phase0.stages.row_lines import strictly
from phase0.stages.row_readings import AsPrompt, AsRow, Compared

BOM = b"\xef\xbb\xbf"


class Plain(msgspec.Struct):
    instruction: str
    response: str | None
    source: Any = None
    quality_score: Any = None
    id: Any = None


class Seen(NamedTuple):
    """A row as de-duplication knows it."""

    line: int
    raw: bytes
    text: str
    length: int
    quality: float
    source: str


decode = msgspec.json.Decoder(Plain).decode


def slowly(content: bytes, on: On) -> Iterator[Seen | int]:
    """Every row, or the number of a line that is none."""
    for number, line in enumerate(content.split(b"\n"), 1):
        raw = (line.removeprefix(BOM) if number == 1 else line).strip(b" \t\r")
        if not raw:
            continue
        try:
            raw.decode()
            row = decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            yield number
            continue
        quality = as_float(row.quality_score) if isinstance(row.quality_score, (int, float)) else float("-inf")
        source = row.source if isinstance(row.source, str) else "unknown"
        yield Seen(number, raw, text_of(row.instruction, row.response, on), len(row.response or ""), quality, source)


def as_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def fast(path: Path, on: On, folder: Path) -> Iterator[Seen | int]:
    files = RowFiles([path], AsRow(on), folder)
    files.lay_out(SILENT)
    texts: list[str] = []
    for chunk in files.chunks():
        texts += said(chunk.read())
    rows = files.rows()
    assert len(texts) == len(rows.line_R)
    every = np.arange(len(texts))
    assert said(files.take(every)) == texts
    some = every[:: max(1, len(every) // 5)]
    again = [text for piece in files.again(some) for text in said(piece.read())]
    assert again == [texts[row] for row in some]
    ids = files.ids(every)
    for raw, begin, end in zip(files.raw(every), ids.begin_R, ids.end_R, strict=True):
        name = decode(raw).id
        assert bytes(ids.text_B[begin:end]) == msgspec.json.encode(name if isinstance(name, str) else None)
    seen: list[Seen | int] = [
        Seen(int(line), raw, text, int(length), float(quality), rows.sources[source])
        for line, raw, text, length, quality, source in zip(
            rows.line_R, files.raw(every), texts, rows.length_R, rows.quality_R, rows.source_R, strict=True
        )
    ]
    seen += [bad.line for _, bad in rows.bad]
    yield from sorted(seen, key=lambda one: one if isinstance(one, int) else one.line)


def said(texts: Flat) -> list[str]:
    return [bytes(texts.text_B[begin:end]).decode() for begin, end in pairwise(texts.starts_D1.tolist())]


words = st.text(max_size=12) | st.sampled_from(["é", "日本", "\u2028", "\x7f", "🙂", '"', "\\", "a\nb", "\ufeff"])
odd = st.sampled_from([None, True, 5, 7.1, -0.0, 1e300, 10**400, "8", [1], {"a": {}}, 0.1 + 0.2, 12345678901234567890])
objects = st.fixed_dictionaries(
    {"instruction": words | odd, "response": words | st.none() | odd},
    optional={"source": words | odd, "quality_score": odd, "id": words | odd, "more": odd, "instruct": words},
)
spellings = st.builds(
    lambda row, plain, gap: json.dumps(row, ensure_ascii=plain, separators=(f"{gap},", f":{gap}")).encode(
        "utf-8", "surrogatepass"
    ),
    objects,
    st.booleans(),
    st.sampled_from(["", " ", "\t", " \r"]),
)
broken = st.builds(
    lambda line, at, piece: line[: at % (len(line) + 1)] + piece + line[at % (len(line) + 1) :],
    spellings,
    st.integers(0, 200),
    st.sampled_from([b"", b"\\", b'"', b"{", b"}", b",", b"\xff", b"\xed\xa0\x80", b"\x00", b"\\ud83d", b"1", BOM]),
)
twice = st.sampled_from(
    [
        b'{"instruction":"a","instruction":"b","response":null}',
        b'{"instruction":5,"instruction":"b","response":null}',
        b'{"instruct\\u0069on":"a","response":"\\u0000"}',
        b'{"instruction":"a","response":"b","quality_score":1e5,"quality_score":9.0}',
        b'{"instruction":"a","response":"b","z":' + b"[" * 70 + b"]" * 70 + b"}",
        b'{"instruction":"a","response":"b","z":NaN}',
        b'{"instruction":"a"}',
        b'{"instruction":"a","response":"b","z":"\xff"}',
        b'{"instruction":"a","response":"b","z":{"\xc2":1}}',
        b"[]",
        b"null",
    ]
)
line = st.one_of(spellings, spellings, broken, twice, st.binary(max_size=12), st.sampled_from([b"", b" ", b"\r", BOM]))
edge = st.sampled_from([b"", b"", b" ", b"\t \r", b"\r"])
contents = st.builds(
    lambda start, lines, end: start + b"\n".join(lines) + end,
    st.sampled_from([b"", b"", BOM, BOM + b" ", b" " + BOM]),
    st.lists(st.builds(lambda a, inner, b: a + inner + b, edge, line, edge), max_size=12),
    st.sampled_from([b"", b"\n", b"\n\n"]),
)


@settings(max_examples=60)
@given(contents, st.sampled_from(["both", "instruction", "response"]), st.sampled_from([1, 40, 1 << 20]))
@example(BOM + b'{"instruction":"a","response":null}', "both", 1)
@example(b" " + BOM + b'{"instruction":"a","response":null}', "both", 1 << 20)
def test_any_lines_give_the_rows_that_a_plain_reader_finds(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, on: On, block: int
) -> None:
    folder = tmp_path_factory.mktemp("lines")
    (folder / "in.jsonl").write_bytes(b"\n" + content)  # what a file is, is for its first lines to say
    (folder / "bom.jsonl").write_bytes(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_files, "_BLOCK", block)
        patch.setattr(row_files, "_BEHIND", min(block, 8192))
        patch.setattr(row_files, "kind_of", lambda path: row_files.Kind.LINES)
        patch.setattr(row_files, "is_compressed", lambda path: False)
        assert list(fast(folder / "in.jsonl", on, folder)) == list(slowly(b"\n" + content, on))
        assert list(fast(folder / "bom.jsonl", on, folder)) == list(slowly(content, on))


@settings(max_examples=30)
@given(st.lists(st.one_of(spellings, broken, twice), min_size=1, max_size=12))
def test_compressed_lines_give_the_rows_that_a_plain_reader_finds(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]
) -> None:
    folder = tmp_path_factory.mktemp("lines")
    content = b'{"instruction":"first","response":"row"}\n' + b"\n".join(lines)
    (folder / "in.jsonl.gz").write_bytes(gzip.compress(content))
    assert list(fast(folder / "in.jsonl.gz", "both", folder)) == list(slowly(content, "both"))


@pytest.mark.parametrize("reading", [AsRow(), AsPrompt()], ids=lambda reading: type(reading).__name__)
def test_what_is_kept_of_a_bad_line_holds_nothing_of_what_was_read_with_it(reading: Compared) -> None:
    for raw in (b"{", b"[1]", b'{"instruction":4}', b'{"instruction":"a","response":"\xff","source":"b"}'):
        bad = strictly(7, raw, reading)
        assert isinstance(bad, BadRow)
        assert (bad.line, bad.raw) == (7, raw)
        assert bad.error.__traceback__ is bad.error.__context__ is None
