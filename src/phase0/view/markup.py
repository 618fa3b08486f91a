"""HTML in which text is always text: whatever is not an element already is escaped, and made visible, on its way in."""

from __future__ import annotations

import re
import unicodedata
from html import escape
from typing import Any

_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}  # control characters, direction marks, line and paragraph separators
_STRANGE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u2028-\u202e"
    r"\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff\ue000-\uf8ff\U000110bd\U000110cd\U00013430-\U0001343f"
    r"\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e007f\U000f0000-\U0010ffff]"
)
_EMPTY = {"input", "link", "meta", "br"}


class Html(str):
    """Markup made here. A plain `str` is text."""

    __slots__ = ()


Child = Html | str | int | None


def shown(text: str) -> Html:
    r"""Text as HTML. What a screen does not show, or what turns the text around it, stands as `\xNN` or `\uNNNN`."""
    return Html(_STRANGE.sub(_made_visible, escape(text)))


def _made_visible(found: re.Match[str]) -> str:
    return f'<i class="unseen">{coded(found[0])}</i>'


def coded(character: str) -> str:
    r"""A character as `\xNN`, `\uNNNN` or `\UNNNNNNNN`."""
    number = ord(character)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def legible(text: str) -> str:
    """Plain text with the same characters made visible."""
    return _STRANGE.sub(lambda found: coded(found[0]), text)


def is_unseen(character: str) -> bool:
    """Whether a character is made visible; line ends and tabs are seen for what they are."""
    return character not in "\n\t" and unicodedata.category(character) in _UNSEEN


def el(name: str, /, *children: Child, **attributes: Any) -> Html:
    """An element. Attributes of None or False are left out, those of True have no value; `class_` is `class`, and
    `data_id` is `data-id`."""
    told = "".join(
        f" {key.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{_attribute(value)}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    return Html(f"<{name}{told}>" if name in _EMPTY else f"<{name}{told}>{joined(*children)}</{name}>")


def joined(*children: Child) -> Html:
    """Children one after the other."""
    return Html(
        "".join(child if isinstance(child, Html) else shown(str(child)) for child in children if child is not None)
    )


def _attribute(value: Any) -> str:
    """A value between double quotes. Nothing unseen belongs there either."""
    return escape(legible(str(value)))
