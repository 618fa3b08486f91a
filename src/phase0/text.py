"""What phase0 knows about text as such: its words, its scripts, and text that talks to a judge instead of a reader."""

from __future__ import annotations

import re
import unicodedata

# Scripts written without spaces between words: each of their characters is a token of its own.
_UNSPACED = (
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f\ua9e0-\ua9ff\uaa60-\uaa7f\U000116d0-\U000116ff"  # Myanmar
    "\u1100-\u11ff\u3130-\u318f\ua960-\ua97f\uac00-\ud7ff\uffa0-\uffdc"  # Hangul
    "\u1780-\u17ff\u19e0-\u19ff"  # Khmer
    "\u3031-\u3035\u3041-\u30ff\u31f0-\u31ff\uff66-\uff9f\U0001aff0-\U0001b16f"  # Hiragana, Katakana
    "\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3038-\u303b"  # Han: radicals, marks, numerals
    "\u3192-\u3195\u3220-\u3229\u3280-\u3289\U00016fe2\U00016fe3\U0001d372-\U0001d376"  # Han: the same, enclosed
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Han
)
_TOKEN = re.compile(rf"(?=\w)[{_UNSPACED}]|[^\W{_UNSPACED}]+")


def tokens(text: str) -> list[str]:
    r"""The words of a text, for comparing texts: `\w+` of lower(NFC(text)).

    Each character of a script that is written without spaces (Han, Hiragana, Katakana, Hangul, Thai, Lao, Khmer,
    Myanmar) is a token of its own, in mixed text too. Digits count: two sums with other numbers are two texts.
    """
    return _TOKEN.findall(unicodedata.normalize("NFC", text).lower())
