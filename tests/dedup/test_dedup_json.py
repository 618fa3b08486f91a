"""Lines of JSONL are read as a strict parser reads them, or left to it: never accepted where it would refuse."""

from __future__ import annotations

import json
import math

import msgspec
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from phase0.dedup.kernels import json as kernels
from phase0.dedup.kernels import rows as row_kernels
from phase0.dedup.kernels.rows import BOTH, INSTRUCTION, RESPONSE


def padded(raw: bytes) -> np.ndarray:
    return np.frombuffer(
        raw + b'"]}}tru\n' * (kernels.PADDING // 8), np.uint8
    )  # what stands behind the end must not matter


def rows_of(block: bytes, on: int = BOTH) -> list[tuple]:
    """(begin, end, line, text or None where in doubt, length, quality, source)"""
    room = block.count(b"\n") + 1
    out, starts = np.empty(len(block) + kernels.PADDING, np.uint8), np.empty(room + 1, np.int64)
    begins, ends, lines, lengths, source_begins, source_ends = np.empty((6, room), np.int64)
    quality = np.empty(room, np.float64)
    found = row_kernels.read_rows(
        padded(block), len(block), on, out, starts, begins, ends, lines, lengths, quality, source_begins, source_ends
    )
    return [
        (
            *(int(begins[row]), int(ends[row]), int(lines[row])),
            None if lengths[row] < 0 else out[starts[row] : starts[row + 1]].tobytes().decode(),
            int(lengths[row]),
            float(quality[row]),
            None if source_begins[row] < 0 else block[source_begins[row] : source_ends[row]],
        )
        for row in range(found)
    ]


class Plain(msgspec.Struct):
    instruction: str
    response: str | None = None
    source: object = None
    quality_score: object = None
    id: object = None


decode = msgspec.json.Decoder(Plain).decode
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)
fields = st.fixed_dictionaries(
    {"instruction": st.text(max_size=20)},
    optional={
        "response": st.none() | st.text(max_size=40),
        "source": st.none() | st.sampled_from(["a", "é", 'q"', "tab\t"]) | values,
        "quality_score": st.none() | st.integers(-100, 100) | st.decimals(0, 10, places=2).map(float) | values,
        "id": st.none() | st.text(max_size=5) | values,
        "meta": values,
    },
)
separators = st.sampled_from([(",", ":"), (", ", ": "), (" ,\t", "\r: ")])


def spelled(row, is_ascii, separator):
    return json.dumps(row, ensure_ascii=is_ascii, separators=separator).encode("utf-8", "surrogatepass")


documents = st.builds(spelled, fields | values, st.booleans(), separators)


@st.composite
def damaged(draw):
    raw = bytearray(draw(documents))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(raw)))
        match draw(st.sampled_from(["cut", "put", "turn"])):
            case "cut":
                del raw[at : at + draw(st.integers(1, 3))]
            case "put":
                raw[at:at] = draw(
                    st.sampled_from(
                        [
                            b"\\",
                            b'"',
                            b"{",
                            b"}",
                            b",",
                            b":",
                            b"0",
                            b"-",
                            b"\\u",
                            b"\x00",
                            b"\xff",
                            b"\xed\xa0\x80",
                            b".",
                        ]
                    )
                )
            case "turn":
                raw[at : at + 1] = draw(st.binary(min_size=1, max_size=1))
    return bytes(raw).replace(b"\n", b" ")


@given(damaged())
@settings(max_examples=1000)
@example(b'{"instruction":"a","response":"\\ud83d"}')
@example(b'{"instruction":"a","id":1e999}')
@example(b'{"instruction":"a","quality_score":1e999}')
@example(b'{"instruction":"a","response":"b"}}')
@example(b'{"instruction":"a","z":[1,]}')
@example(b'{"instruction":"a","z":{"b" 1}}')
@example(b'{"instruction":"a","z":01}')
@example(b'{"instruction":"a","z":+1}')
@example(b'{"instruction":"a",}')
@example(b'{"instruction":"a","instruction":"b"}')
@example(b'{"instruct\\u0069on":"a","instruction":"b"}')
@example('{"instruction":"\ufeff\u2028\x7f"}'.encode())
def test_what_is_accepted_is_what_a_strict_parser_reads(raw):
    for _, _, _, text, length, quality, source in rows_of(raw):
        if text is None:
            continue
        row = decode(raw.strip(b" \t\r"))
        raw.decode()
        assert text == f"{row.instruction}\n{row.response or ''}"
        assert length == len(row.response or "")
        assert quality == (-math.inf if row.quality_score is None else row.quality_score)
        assert (None if source is None else msgspec.json.decode(b'"' + source + b'"')) == row.source


@given(fields, st.booleans(), separators)
@settings(max_examples=300)
def test_rows_as_they_are_written_are_not_left_in_doubt(row, is_ascii, separator):
    row = {
        name: value for name, value in row.items() if name == "instruction" or value is None or isinstance(value, str)
    }
    row = (
        {"response": None}
        | row
        | {"quality_score": 7.5, "meta": {"origin": {"row": "a:1"}, "flags": ["x", 1, -2.5e-3, None, True, False, {}]}}
    )
    ((_, _, _, text, _, quality, _),) = rows_of(spelled(row, is_ascii, separator))
    assert text == f"{row['instruction']}\n{row.get('response') or ''}"
    assert quality == 7.5


@given(
    st.lists(
        st.sampled_from(["", " ", "\r", '{"instruction":"a"}', ' {"instruction":"b"}\t\r', "{", "null"]), max_size=12
    )
)
def test_lines_are_counted_and_their_edges_found(lines):
    block = "\n".join(lines).encode()
    found = [(begin, end, line) for begin, end, line, *_ in rows_of(block)]
    assert [line for _, _, line in found] == [number for number, line in enumerate(lines) if line.strip()]
    assert [block[begin:end].decode() for begin, end, _ in found] == [line.strip() for line in lines if line.strip()]


@pytest.mark.parametrize(("on", "text"), [(BOTH, "a\nbé"), (INSTRUCTION, "a"), (RESPONSE, "bé")])
def test_the_text_is_of_the_fields_that_are_compared_and_the_length_of_the_response(on, text):
    block = b'{"instruction":"a","response":"b\\u00e9"}\n{"response":"","instruction":"z"}\n'
    assert [row[3:5] for row in rows_of(block, on)] == [
        (text, 2),
        ({BOTH: "z\n", INSTRUCTION: "z", RESPONSE: ""}[on], 0),
    ]


@pytest.mark.parametrize("doubtful", [b"\xff", b"{", b'{"instruction":"a","source":"s","response":5}'])
def test_a_line_in_doubt_has_no_source_whatever_the_line_before_it_had(doubtful):
    before = b'{"instruction":"a","response":null,"source":"s"}\n'
    assert [row[6] for row in rows_of(before + doubtful)] == [b"s", None]


@given(st.binary(max_size=40) | st.text(max_size=20).map(str.encode))
@settings(max_examples=500)
def test_utf8_is_valid_exactly_where_python_decodes_it(raw):
    try:
        raw.decode()
        expected = True
    except UnicodeDecodeError:
        expected = False
    assert kernels.valid_utf8(padded(raw), 0, len(raw)) == expected


@pytest.mark.parametrize("code", [0x7F, 0x80, 0x7FF, 0x800, 0xD7FF, 0xD800, 0xDFFF, 0xE000, 0xFFFF, 0x10000, 0x10FFFF])
@pytest.mark.parametrize("tail", [b"", b"abcdefgh"])
def test_every_edge_of_utf8_is_judged_as_python_judges_it(code, tail):
    raw = chr(code).encode("utf-8", "surrogatepass")
    assert kernels.valid_utf8(padded(raw + tail), 0, len(raw + tail)) == (not 0xD800 <= code < 0xE000)
    for bad in (
        raw[:-1],
        raw[1:],
        b"\xc0\x80",
        b"\xe0\x9f\xbf",
        b"\xf0\x8f\xbf\xbf",
        b"\xf4\x90\x80\x80",
        b"\xf5\x80\x80\x80",
    ):
        if bad and bad != raw[:-1] + b"":
            valid = True
            try:
                bad.decode()
            except UnicodeDecodeError:
                valid = False
            assert kernels.valid_utf8(padded(bad + tail), 0, len(bad + tail)) == valid


@given(values, separators)
@settings(max_examples=300)
def test_a_value_ends_where_it_ends(value, separator):
    raw = json.dumps(value, separators=separator).encode()
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        assert kernels.value_end(padded(raw), 0, len(raw)) == -1
    else:
        assert kernels.value_end(padded(raw + b"  "), 0, len(raw) + 2) == len(raw)
        assert kernels.value_end(padded(raw[:-1]), 0, len(raw) - 1) in {-1, len(raw) - 1}


def test_brackets_deeper_than_sixty_are_left_to_others():
    assert kernels.value_end(padded(b"[" * 60 + b"]" * 60), 0, 120) == 120
    assert kernels.value_end(padded(b"[" * 61 + b"]" * 61), 0, 122) == -1


@given(st.from_regex(r"-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,24})?([eE][+-]?[0-9]{1,3})?", fullmatch=True))
@settings(max_examples=500)
def test_numbers_are_exact_or_left_to_others(written):
    value = row_kernels.number(padded(written.encode()), 0, len(written))
    assert math.isnan(value) or value == float(written)


@pytest.mark.parametrize("written", ["0", "7.1", "-8.25", "9.999999", "123456789012345", "0.00000000000000000001"])
def test_the_numbers_people_write_are_read_here(written):
    assert row_kernels.number(padded(written.encode()), 0, len(written)) == float(written)


@given(st.lists(st.sampled_from([b"a", b"b", b"ab", b"", b"source-a", b"source-b"]), max_size=20))
def test_spans_with_the_same_bytes_are_known_by_the_first(names):
    text = np.frombuffer(b"".join(names) + bytes(8), np.uint8)
    ends = np.cumsum([len(name) for name in names], dtype=np.int64)
    begins = ends - np.array([len(name) for name in names], np.int64)
    first = np.empty(len(names), np.int64)
    assert row_kernels.first_alike(text, begins, ends, first) == len(set(names))
    assert first.tolist() == [names.index(name) for name in names]
