"""Hashes and arrays find what comparing words one by one finds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from evaluations import sentence, words
from hypothesis import given
from hypothesis import strategies as st

from phase0.decontamination.decide import candidates
from phase0.decontamination.evidence import Match, overlap, variant, words_of
from phase0.decontamination.index import Index, Search, build, load, save
from phase0.decontamination.questions import Place, Question
from phase0.text import tokens

WIDTH = 5
texts = st.lists(st.lists(st.sampled_from("abcde"), max_size=14).map(" ".join), max_size=5)
asked = st.lists(st.lists(st.sampled_from("abcde"), min_size=3, max_size=12).map(" ".join), min_size=1, max_size=5)


def question(text: str) -> Question:
    return Question(text, len(tokens(text)), (Place(0, text, 1),))


def runs(text: str, width: int) -> set[tuple[str, ...]]:
    said = tokens(text)
    width = min(width, len(said))
    return {tuple(said[at : at + width]) for at in range(len(said) - width + 1)} if said else set()


@given(asked, texts)
def test_a_text_is_a_candidate_exactly_where_it_holds_the_share_of_a_questions_n_grams(
    asked: list[str], texts: list[str]
) -> None:
    different = list(dict.fromkeys(asked))
    index = build([question(text) for text in different], WIDTH)
    found = Search(index).found(texts)
    held = candidates(index.overlap, found.overlap, prompts(texts), least=0.5, common=1000)
    shares = {
        (at, number): len(runs(text, WIDTH) & runs(one, WIDTH)) / len(runs(one, WIDTH))
        for at, text in enumerate(texts)
        for number, one in enumerate(different)
    }
    expected = {pair for pair, share in shares.items() if share >= 0.5}
    assert set(zip(held.text_C.tolist(), held.question_C.tolist(), strict=True)) == expected


def prompts(texts: Sequence[str]) -> np.ndarray:
    return np.arange(len(texts), dtype=np.uint64)


def suspects(index: Index, texts: Sequence[str], common: int, of: Sequence[str] | None = None) -> list[int]:
    """The texts that may hold a question, where each is of the prompt in `of`."""
    which = np.unique(of or [str(at) for at in range(len(texts))], return_inverse=True)[1].astype(np.uint64)
    held = candidates(index.overlap, Search(index).found(texts).overlap, which, least=0.5, common=common)
    return held.text_C.tolist()


def test_a_phrase_that_many_prompts_have_without_the_rest_of_the_question_is_no_evidence() -> None:
    phrase, rest = sentence("phrase", 40), sentence("rest", 20)
    index = build([question(f"{phrase} {rest}")], 13)
    others = [f"{phrase} {sentence(at, 20)}" for at in range(8)]
    leak = f"{sentence('before', 9)} {phrase} {rest}"
    assert suspects(index, [leak, *others], 10) == list(range(9))
    assert suspects(index, [leak, *others], 5) == [0]


def test_a_question_that_leaked_into_many_prompts_does_not_become_a_phrase() -> None:
    leaked = sentence("leaked", 40)
    index = build([question(leaked)], 13)
    texts = [f"{sentence(at, 6)} {leaked}" for at in range(50)]
    assert suspects(index, texts, 10) == list(range(50))


def test_answers_to_one_prompt_count_once_among_those_that_have_a_phrase() -> None:
    phrase, rest = sentence("phrase", 40), sentence("rest", 20)
    index = build([question(f"{phrase} {rest}")], 13)
    answers = [f"{phrase} {sentence(at, 20)}" for at in range(50)]
    assert suspects(index, answers, 10, ["the same prompt"] * 50) == list(range(50))
    assert suspects(index, answers, 10) == []


def test_what_many_questions_of_a_benchmark_share_tells_none_of_them_apart() -> None:
    frame = sentence("frame", 25)
    questions = [question(f"{frame} {sentence(at, 18)}") for at in range(12)]
    index = build(questions, 13)
    assert suspects(index, [frame, f"{frame} {sentence('something else', 18)}"], 1000) == []
    assert suspects(index, [questions[3].text], 1000) == [0]


def test_an_n_gram_that_lies_in_the_choices_alone_is_no_evidence() -> None:
    choices = sentence("choices", 40)
    index = build([Question(f"{sentence('short', 7)} {choices}", 7, (Place(0, "1", 1),))], 13)
    assert suspects(index, [choices], 1000) == []
    assert suspects(index, [f"{sentence('short', 7)} {choices}"], 1000) == [0]


def test_an_index_that_was_written_is_the_one_that_is_read(tmp_path: Path) -> None:
    index = build([question(sentence(at, 4 + at)) for at in range(20)], 13)
    save(index, tmp_path / "index.npz")
    read = load(tmp_path / "index.npz")
    for written, back in zip(index, read, strict=True):
        assert written.width == back.width
        for one, other in zip(written[1:], back[1:], strict=True):
            np.testing.assert_array_equal(one, other)
            assert one.dtype == other.dtype


@given(st.lists(st.sampled_from("abcd"), min_size=5, max_size=12), st.lists(st.sampled_from("abcd"), max_size=12))
def test_the_share_of_a_variant_is_that_of_the_longest_common_subsequence(first: list[str], second: list[str]) -> None:
    longest = [[0] * (len(second) + 1) for _ in range(len(first) + 1)]
    for i, word in enumerate(first):
        for j, other in enumerate(second):
            longest[i + 1][j + 1] = longest[i][j] + 1 if word == other else max(longest[i][j + 1], longest[i + 1][j])
    match = variant(words_of(" ".join(first)), words_of(" ".join(second)), 0.000001)
    if match is not None:  # without an n-gram in common there is no place to look at
        assert match.share == longest[-1][-1] / len(first)
    else:
        assert not runs(" ".join(first), 5) & runs(" ".join(second), 5)


def test_a_variant_is_found_where_it_stands_in_a_long_text_and_not_where_its_words_are_strewn_about() -> None:
    asked = words("asked", 30)
    changed = [word if at % 9 else f"other{at}" for at, word in enumerate(asked)]
    long = f"{sentence('before', 400)} {' '.join(changed)} {sentence('behind', 400)}"
    match = variant(words_of(" ".join(asked)), words_of(long), 0.8)
    assert match is not None
    assert match.share == 26 / 30
    strewn = " ".join(f"{' '.join(asked[at : at + 6])} {sentence(at, 80)}" for at in range(0, 30, 6))
    assert variant(words_of(" ".join(asked)), words_of(strewn), 0.8) is None


def test_the_evidence_is_the_longest_run_of_matching_words_and_how_many_n_grams_match() -> None:
    asked = words("asked", 30)
    text = f"{' '.join(asked[:22])} {sentence('other', 10)}"
    match = overlap(words_of(" ".join(asked)), 30, words_of(text), 13, 0.5)
    assert match == Match("overlap", 10 / 18, 10, 18, " ".join(asked[:22]))
    assert overlap(words_of(" ".join(asked)), 30, words_of(text), 13, 0.6) is None
