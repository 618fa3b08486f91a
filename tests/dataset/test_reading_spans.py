"""Spans: whatever their size, together they give the rows of the file with the same line numbers."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from phase0.dataset import raw_rows, split

pieces = st.sampled_from([b"\n", b"\r\n", b'{"a":1}', b" ", b"x" * 50, "\u2028".encode(), b'"\xff"', b"\x00"])
contents = st.builds(
    lambda mark, parts: mark + b"".join(parts), st.sampled_from([b"", b"\xef\xbb\xbf"]), st.lists(pieces, max_size=40)
)


@given(contents, st.integers(1, 120))
@example(b'\xef\xbb\xbf{"a":1}\r\n\r\n{"a":2}', 1)
@example(b"\n" * 10, 3)
@example(b"x" * 500, 1)
def test_the_spans_of_a_file_give_its_rows_and_its_line_numbers(content: bytes, size: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.jsonl"
        path.write_bytes(b"{}\n" + content)
        spans = split(path, size)
        whole = list(raw_rows(path))
        assert [row for span in spans for row in raw_rows(span)] == whole
    assert [span.start for span in spans[1:]] == [span.stop for span in spans[:-1]]
    assert (spans[0].start, spans[-1].stop) == (0, 3 + len(content))
    assert sum(span.rows or 0 for span in spans) >= len(whole)


def test_a_mark_at_the_start_of_a_file_is_passed_in_its_first_span_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"a":1}\n{"a":2}\n')
    assert [list(raw_rows(span)) for span in split(path, 1)] == [[(1, b'{"a":1}')], [(2, b'{"a":2}')]]


def test_the_cuts_depend_on_the_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'{"a":1}\n' * 1000)
    assert split(path, 100) == split(path, 100)
    assert [span.rows for span in split(path, 100)][:2] == [13, 13]


@pytest.mark.parametrize("size", [1, 5, 1000])
def test_a_span_whose_file_grew_since_reads_what_it_was_cut_for(tmp_path: Path, size: int) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'{"a":1}\n{"a":2}\n')
    spans = split(path, size)
    with path.open("ab") as file:
        file.write(b'{"a":3}\n')
    assert [row for span in spans for row in raw_rows(span)] == [(1, b'{"a":1}'), (2, b'{"a":2}')]
