"""What scans find in bytes is what their slow twins find: words and cues, kinds of words, marks, equations, numbers."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from phase0.dedup.kernels import counting, scanning, slow
from phase0.stages.category_tables import learned, patterns

texts = st.one_of(
    st.binary(max_size=200),
    st.text("aB+# c\n_1é", max_size=200).map(str.encode),
    st.lists(st.sampled_from([b"a", b"bc", b"x" * 8, b"y" * 9, b"z" * 63, b"c++", b"#", b" "]), max_size=90).map(
        b"".join
    ),
)
MOST = 8 * scanning.WIDTH


def array(text: bytes) -> np.ndarray:
    return np.frombuffer(text, np.uint8)


def numbered(text: bytes, *vocabulary: np.ndarray) -> list[int]:
    room = 2 * len(text) + scanning.PADDING
    lower, words = np.empty((2, room), np.uint8)
    edges, found = np.empty((2, room), np.int64)
    count = scanning.numbered(array(text), 0, len(text), *vocabulary, lower, words, edges, found, 0)
    return found[:count].tolist()


@given(texts, st.data())
def test_words_are_numbered_as_a_vocabulary_has_them(text, data):
    spelled = slow.spelled(text)
    others = [b"word", b"x" * 8, b"x" * 9, b"x" * MOST, b"w" * (MOST - 1)]
    choice = st.lists(st.sampled_from([*spelled, *others]), unique=True, max_size=20)
    words = [word for word in data.draw(choice) if len(word) <= MOST]
    numbers = {word: number for number, word in enumerate(words, 1)}
    assert numbered(text, *learned(words)) == [numbers.get(word, 0) for word in spelled]


@given(st.lists(st.integers(0, 300), min_size=250, max_size=300, unique=True))
def test_words_that_meet_in_a_slot_keep_their_own_numbers(codes):
    words = [b"%d" % code for code in codes]
    assert numbered(b" ".join(words), *learned(words)) == list(range(1, len(words) + 1))


names = [b"a", b"b", b"c", b"d", b"e"]
cues = st.lists(
    st.tuples(st.lists(st.sampled_from(names), min_size=1, max_size=4), st.integers(0, 1), st.integers(1, 9)),
    max_size=9,
)
THINGS = (1, 6, 8)


@given(
    st.lists(st.tuples(*[st.lists(st.sampled_from([*names, b"+", b"f"]), max_size=12)] * 3), max_size=4),
    cues,
    st.lists(st.integers(0, 63), min_size=5, max_size=5),
    st.randoms(),
)
def test_cues_and_kinds_are_found_in_both_parts_of_every_text(rows, known, kinds, random):
    known = sorted(((cue, random.randrange(len(cue)), *rest) for cue, *rest in known), key=lambda cue: cue[0][cue[1]])
    ends = np.cumsum([len(cue) for cue, *_ in known]).tolist()
    text, spans = b"", []
    for parts in rows:
        span = []
        for part in parts:
            span += [len(text), len(text) + len(b" ".join(part))]
            text += b" ".join(part)
        spans.append(span)
    sums, found = np.zeros(4 * len(rows), np.int64), np.empty((len(rows), 7), np.int64)
    of_words = np.array([0, *kinds], np.int64)
    scanning.weighed(
        *(array(text), np.array(spans, np.int64).reshape(-1, 6), *learned(names), of_words),
        np.cumsum([0, 0, *(sum(cue[at] == name for cue, at, *_ in known) for name in names)]),
        np.array(
            [(*rest, end - len(cue), end, at) for (cue, at, *rest), end in zip(known, ends, strict=True)], np.int64
        ).reshape(-1, 5),
        np.array([names.index(word) + 1 for cue, *_ in known for word in cue], np.int64),
        *(2, np.array(THINGS), sums, found),
    )
    expected, kinds_of_rows = [], []
    for head, tail, matter in rows:
        spelled = slow.spelled(b" ".join(head)) + slow.spelled(b" ".join(tail))
        for part in (spelled, slow.spelled(b" ".join(matter))):
            expected += slow.weighed(part, [(cue, *rest) for cue, _, *rest in known], 2)
        kinds_of_rows.append(
            slow.kinds([dict(zip(names, kinds, strict=True)).get(word, 0) for word in spelled], THINGS)
        )
    assert sums.tolist() == expected
    assert found.tolist() == kinds_of_rows


@given(st.lists(st.integers(0, 63), max_size=80))
def test_the_kinds_of_words_are_those_of_the_twin(kinds):
    found = np.empty(7, np.int64)
    words = np.arange(1, len(kinds) + 1)
    scanning.kinds_of(words, len(words), np.array([0, *kinds], np.int64), np.array(THINGS), found)
    assert found.tolist() == slow.kinds(kinds, THINGS)


places = st.frozensets(st.sampled_from(list(b"ab;\n\0")), min_size=1, max_size=3)
sought = st.dictionaries(st.lists(places, min_size=1, max_size=5).map(tuple), st.integers(1, 255), max_size=12)
lines = st.lists(st.text("ab;", min_size=1, max_size=3).map(str.encode), max_size=4)


@given(st.lists(st.text("ab; \t\n", max_size=30).map(str.encode), max_size=5), sought, lines)
def test_marks_are_found_wherever_bytes_stand_in_their_places(made, marks, words):
    ends = np.cumsum([len(text) for text in made]).astype(np.int64)
    spans = np.column_stack((ends - [len(text) for text in made], ends)).astype(np.int64).reshape(-1, 2)
    found = np.empty(len(made), np.uint64)
    known = patterns(marks, [word.decode() for word in words])
    scanning.marked(array(b"".join(made)), spans, *known, 256, -1, found)
    assert found.tolist() == [slow.marked(text, marks, words, 256) for text in made]
    scanning.marked(array(b"".join(made)), spans, *known, 0, ord(";"), found)
    assert found.tolist() == [slow.marked(text.replace(b";", b""), marks, (), 0) for text in made]


pieces = st.sampled_from(
    [*"=+*^-/<>% ()$\\xA_7,.", "5", "12", "% of", "3 - 4", "9/3=", "2*2 =", "x = y", " ", "\n", "\0"]
)
ascii_texts = st.lists(st.one_of(pieces, st.characters(max_codepoint=127)), max_size=40).map("".join)


@given(st.lists(ascii_texts, max_size=5))
def test_equations_and_numbers_are_counted_as_patterns_count_them(made):
    ends = np.cumsum([len(text) for text in made]).astype(np.int64)
    spans = np.column_stack((ends - [len(text) for text in made], ends)).astype(np.int64).reshape(-1, 2)
    found = np.empty(len(made), np.int64)
    counting.equations(array("".join(made).encode()), spans, found)
    assert found.tolist() == [slow.equations(text) for text in made]
    counting.numbers(array("".join(made).encode()), spans, found)
    assert found.tolist() == [slow.numbers(text) for text in made]
