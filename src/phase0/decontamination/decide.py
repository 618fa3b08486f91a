"""Which texts may hold which questions, from the n-grams they share. Pure; what is named here is looked at once more.

A question counts as found where a text holds a share of its n-grams. An n-gram that many different prompts hold without
nearly all of the question is a phrase of the corpus, and no evidence.

Shapes: C candidates, E hits of an n-gram with one of its questions, G n-grams, H hits, Q questions, T texts.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from phase0.decontamination.index import I64, U64, Grams, Hits


class Candidates(NamedTuple):
    """Questions that texts may hold, in the order of texts and questions."""

    text_C: I64
    question_C: I64


def candidates(
    grams: Grams, hits: Hits, prompt_T: U64, *, least: float, common: int, nearly: float = 0.9
) -> Candidates:
    """Texts that hold at least the share `least` of a question's n-grams, and of those that are evidence.

    `prompt_T` tells which texts are of the same prompt: one prompt counts once among the more than `common` that make
    an n-gram a phrase of the corpus. With the share `nearly` of a question a text holds it, whatever else has these
    n-grams, and does not count among those: a question that leaked many times is no phrase.
    """
    if not len(hits.text_H):
        return Candidates(*np.empty((2, 0), np.int64))
    questions = len(grams.total_Q)
    hit_E, question_E = _expanded(grams, hits)
    pairs, pair_E = np.unique(hits.text_H[hit_E] * questions + question_E, return_inverse=True)
    text_C, question_C = np.divmod(pairs, questions)
    total_C = grams.total_Q[question_C]
    found_C = np.bincount(pair_E, minlength=len(pairs))
    is_whole_H = np.zeros(len(hits.text_H), np.bool_)
    is_whole_H[hit_E[(found_C >= nearly * total_C)[pair_E]]] = True
    is_phrase_G = _phrases(grams, hits, prompt_T, ~is_whole_H, common)
    tells_E = ~is_phrase_G[hits.gram_H[hit_E]]
    of_G = np.repeat(np.arange(len(grams.keys_G)), np.diff(grams.starts_G1))
    telling_Q = np.bincount(grams.questions_P[~is_phrase_G[of_G]], minlength=questions)
    told_C = np.bincount(pair_E[tells_E], minlength=len(pairs))
    is_told = (told_C >= least * telling_Q[question_C]) & (told_C > 0)
    enough = (found_C >= least * total_C) & (is_told | (found_C >= nearly * total_C))
    return Candidates(text_C[enough], question_C[enough])


def _expanded(grams: Grams, hits: Hits) -> tuple[I64, I64]:
    """Every hit with each of the questions that its n-gram stands in."""
    begins = grams.starts_G1[hits.gram_H]
    counts = grams.starts_G1[hits.gram_H + 1] - begins
    hit = np.repeat(np.arange(len(hits.text_H)), counts)
    place = np.arange(len(hit)) - np.repeat(np.cumsum(counts) - counts, counts) + begins[hit]
    return hit, grams.questions_P[place]


def _phrases(grams: Grams, hits: Hits, prompt_T: U64, lacks_H: np.ndarray, common: int) -> np.ndarray:
    """N-grams that more than `common` different prompts hold without holding a question of theirs."""
    _, prompt = np.unique(prompt_T, return_inverse=True)
    different = int(prompt.max(initial=0)) + 1
    apart = np.unique(hits.gram_H[lacks_H] * different + prompt[hits.text_H[lacks_H]])
    return np.bincount(apart // different, minlength=len(grams.keys_G)) > common
