"""Rows that are read together: the same rows, faults, sums and texts as one at a time."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phase0.dataset import raw_rows, split
from phase0.dedup import On, text_of
from phase0.dedup.flat import Flat
from phase0.stages.row_batches import Batch, Compared, Drawn, compared_texts, cut
from phase0.stages.statistics import Tally
from phase0.stages.verify import verify

PLAIN = {"instruction": "some words", "response": "more", "source": "a", "quality_score": 7.5}
ODD_LINES = st.sampled_from(
    [
        b"",
        b" \t",
        b"{",
        b"[1]",
        b'{"instruction":\n"over two lines", "response": "b", "source": "c"}',
        b'{"instruction": "a", "response": "b", "source": "c"} {"instruction": "d", "response": "e", "source": "f"}',
        b' {"instruction": "a", "response": "b", "source": "c"}\r',
        b'\xef\xbb\xbf{"instruction": "a", "response": "b", "source": "c"}',
        b'{"instruction": "a\xff", "response": "b", "source": "c"}',
        b'{"instruction": "\\ud800", "response": "b", "source": "c"}',
        b'{"instruction": "a", "response": "b", "source": "c", "quality_score": 1e999}',
        b'{"instruction": "a", "response": "b", "source": "c", "quality_score": 123456789012345678901234567890}',
        b'{"instruction": "a", "response": null, "source": "c"}',
        b'{"instruction": "a", "response": "b", "source": "c", "colour": {"a": 1}}',
        b'{"instruction": " ", "response": "b", "source": "c"}',
        json.dumps(PLAIN | {"instruction": "Où est l\u2028'été\u00a0?", "response": "是"}, ensure_ascii=False).encode(),
        json.dumps(PLAIN | {"quality_score": 11}).encode(),
    ]
)


@given(st.lists(st.just(json.dumps(PLAIN).encode()) | ODD_LINES, max_size=12), st.booleans(), st.data())
def test_rows_that_are_read_together_are_read_as_one_by_one(
    tmp_path_factory: pytest.TempPathFactory, made: list[bytes], ends: bool, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("rows") / "x.jsonl"
    path.write_bytes(b"\n".join(made) + b"\n" * ends)
    alone = Batch(path, Drawn(list(raw_rows(path))), {}, "both")
    expected = [bytes(text) for text in texts_of(alone.read())]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("phase0.stages.row_batches.BLOCK", data.draw(st.integers(1, 300)))
        batches = [Batch(path, some, {}, "both") for span in split(path) for some in cut(span)]
    found = [bytes(text) for batch in batches for text in texts_of(batch.read())]
    together = Tally()
    for batch in batches:
        together.add_all(batch.tally)
    assert found == expected
    assert [line for batch in batches for line in batch.lines_D] == alone.lines_D.tolist()
    assert vars(together) == vars(alone.tally)


def texts_of(texts: Flat) -> list[np.ndarray]:
    return [texts.text_B[begin:end] for begin, end in pairwise(texts.starts_D1.tolist())]


def test_two_rows_on_a_line_and_one_on_two_are_not_taken_for_a_row_on_each(tmp_path: Path) -> None:
    one, other = (json.dumps(PLAIN | {"source": name}) for name in "ab")
    path = tmp_path / "x.jsonl"
    path.write_text("\n".join([f"{one} {other}", one.replace(": ", ":\n", 1), other]))
    checked = verify([path], max_duplicate_rate=1)
    assert (checked.rows, checked.valid, [fault.line for fault in checked.faults.first]) == (4, 1, [1, 2, 3])


@given(st.lists(st.sampled_from(["", " ", "a", "é\n", "\x00"]), min_size=2, max_size=8))
@pytest.mark.parametrize("on", ["both", "instruction", "response"])
def test_what_is_compared_of_a_row_is_its_text(on: On, words: list[str]) -> None:
    rows = [Compared(one, other) for one, other in pairwise(words)]
    found = [bytes(text).decode() for text in texts_of(compared_texts(rows, on))]
    assert found == [text_of(row.instruction, row.response, on) for row in rows]
