"""Tokens: the fast pattern says what the definition says, character by character."""

from __future__ import annotations

import re
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phase0.text import tokens

# Letters and numbers of the scripts without spaces bear these words in their Unicode names.
_NAMED = re.compile(
    r"^(CJK|HIRAGANA|KATAKANA|HANGUL|THAI|LAO|KHMER|MYANMAR|KANGXI|HANGZHOU|HENTAIGANA|IDEOGRAPHIC"
    r"|VERTICAL (KANA|IDEOGRAPHIC)|HALFWIDTH (HANGUL|KATAKANA)|OLD CHINESE|(CIRCLED|PARENTHESIZED) IDEOGRAPH)\b"
)


def is_word(char: str) -> bool:
    return char.isalnum() or char == "_"


def is_unspaced(char: str) -> bool:
    return bool(_NAMED.match(unicodedata.name(char, "")))


def slow_tokens(text: str) -> list[str]:
    """The definition, one character after the other."""
    found, word = [], ""
    for char in unicodedata.normalize("NFC", text).lower():
        if is_word(char) and not is_unspaced(char):
            word += char
            continue
        found += [word] if word else []
        word = ""
        if is_word(char):
            found.append(char)
    return found + ([word] if word else [])


mixed = st.lists(
    st.sampled_from(
        [
            "你好",
            "ひらがな",
            "カタカナ",
            "한국어",
            "ไทย",
            "ລາວ",
            "ខ្មែរ",
            "မြန်မာ",
            "word",
            "Ünïcode",
            "e\u0301",
            "12",
            "_",
            " ",
            "-",
            "\u2028",
            "々",
            "ﾊﾝ",
            "İ",
            "ß",
            "①",
            "㈠",
            "\ufeff",
        ]
    )
    | st.characters()
).map("".join)


@given(mixed | st.text(alphabet="aBé\u0130ß\u2019\u2014\u0301人 ไ_9"))
def test_tokens_are_what_the_definition_says(text: str) -> None:
    assert tokens(text) == slow_tokens(text)
    assert tokens(text, text.lower()) == slow_tokens(text)


def test_every_character_of_unicode_is_a_word_or_a_token_of_its_own_as_defined() -> None:
    wrong = []
    for point in range(sys.maxunicode + 1):
        char = chr(point)
        if (
            is_word(char)
            and len(unicodedata.normalize("NFC", char).lower()) == 1
            and tokens(f"a{char}b") != slow_tokens(f"a{char}b")
        ):
            wrong.append(f"U+{point:04X} {unicodedata.name(char, '?')}")
    assert wrong == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \n.,!", []),
        ("Hello, WORLD 2x", ["hello", "world", "2x"]),
        ("don't", ["don", "t"]),
        ("GPT你好world", ["gpt", "你", "好", "world"]),
        ("ソースコード3つ", ["ソ", "ー", "ス", "コ", "ー", "ド", "3", "つ"]),
        ("人々〆〇", ["人", "々", "〆", "〇"]),
        ("한국어", ["한", "국", "어"]),
        ("\u1112\u1161\u11ab", ["한"]),
        ("cafe\u0301", ["café"]),
        ("ﬁve", ["ﬁve"]),
        ("snake_case", ["snake_case"]),
        ("2+2=4", ["2", "2", "4"]),
        ("a\x00b", ["a", "b"]),
    ],
)
def test_tokens_by_example(text: str, expected: list[str]) -> None:
    assert tokens(text) == expected


@given(st.text())
def test_tokens_do_not_depend_on_how_accents_are_written(text: str) -> None:
    assert tokens(unicodedata.normalize("NFD", text)) == tokens(unicodedata.normalize("NFC", text))
