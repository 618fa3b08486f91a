"""Whether the answer is in the language it should be in: by script, and among Latin scripts by function words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from phase0.scoring.evidence.reading import Ask, Finding, Reading
from phase0.scoring.evidence.words import LANGUAGE_OF
from phase0.text import terms

_SAMPLE = 2_000  # characters: enough to tell a script
_WORDS = 150  # and words to tell a language
_FOREIGN = re.compile(r"[^\x00-\u024f]+")
_ENGLISH = frozenset(["the", "and", "of", "to", "is", "that"])
_OWNED = frozenset(LANGUAGE_OF)
_OTHERS = frozenset(word for word, language in LANGUAGE_OF.items() if language != "en")
_SCRIPTS = re.compile(
    r"(?P<latin>[A-Za-z\u00c0-\u024f\u1e00-\u1eff])|(?P<cyrillic>[\u0400-\u052f])|(?P<greek>[\u0370-\u03ff])"
    r"|(?P<hebrew>[\u0590-\u05ff])"
    r"|(?P<arabic>[\u0600-\u06ff\u0750-\u077f])|(?P<devanagari>[\u0900-\u097f])|(?P<thai>[\u0e00-\u0e7f])"
    r"|(?P<hangul>[\u1100-\u11ff\uac00-\ud7af])|(?P<east>[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff])"
)
_NAMES = {
    "spanish": "es", "french": "fr", "german": "de", "portuguese": "pt", "italian": "it", "dutch": "nl",
    "english": "en", "chinese": "east", "mandarin": "east", "japanese": "east", "korean": "hangul",
    "russian": "cyrillic", "ukrainian": "cyrillic", "greek": "greek", "hebrew": "hebrew", "arabic": "arabic",
    "persian": "arabic", "hindi": "devanagari", "thai": "thai",
}  # fmt: skip
_WANTED = re.compile(
    rf"\b(?:(?:translat\w*|answer|respond|reply|write|rewrite|convert)\b[^\n]{{0,80}}?\b(?:in|into|to)"
    r"|^in|\b(?:explain|describe|discuss|summari[sz]e|tell|say|list|give)(?: it| this| that| me)? in)"
    rf" (?:\w+ )?({'|'.join(_NAMES)})\b"
)
# Translating, or English, named in another language: the answer's language is then not the question's.
_ABROAD = re.compile(
    r"ترجم|إنجليزي|перев[её]д|английск|翻[译譯訳]|英[语語文]|번역|영어|अनुवाद|अंग्रेज|çevir|ingilizce|překlad|přelož|tłumacz|angielsk"
    r"|\btradu|\binglés|\binglese|\binglês|\banglais|\benglisch|übersetz|\bvertaal|\bengels|översätt|oversett|oversæt"
)
_MENTIONS = frozenset(_NAMES) | terms(
    """
    translate translated translating translation translations translator language languages latin swedish polish
    turkish vietnamese norwegian danish finnish swahili bengali 译 英 traducir traduce traduzir traduire traduisez
    übersetze übersetzen
    """
)


def find(reading: Reading) -> Iterator[Finding]:
    """A language that was asked for and not given, or another one than the instruction's without being asked."""
    if len(reading.words) < 8:
        return
    if _plainly_english(reading):
        return  # asked and answered: the common case, at the least cost
    given = "en" if _reads_english(reading) else language_of(reading.prose, reading.words)
    if given is None:
        return
    asked = _asked(reading.ask)
    if given == "en" and asked == "" and reading.ask.text.isascii() and _OTHERS.isdisjoint(reading.ask.vocabulary):
        return
    if asked is None:  # another language is mentioned, without saying which one the answer should be in
        return
    if asked:
        if given not in (asked, "latin"):
            yield from _wrong(f"{given} for {asked}", 1.0)
        return
    spoken = language_of(reading.ask.text, reading.ask.words, least=2)  # questions are short
    if spoken is not None and given != spoken and "latin" not in (spoken, given):
        yield from _wrong(f"{given} for {spoken}", 1.0)


def _plainly_english(reading: Reading) -> bool:
    ask = reading.ask.vocabulary
    if _ENGLISH.isdisjoint(ask) or not _MENTIONS.isdisjoint(ask):
        return False
    return _reads_english(reading)


def _reads_english(reading: Reading) -> bool:
    return len(_ENGLISH & reading.vocabulary) > 3 and reading.response.isascii()


def _asked(ask: Ask) -> str | None:
    """The language an instruction asks for, "" if it speaks of none, None if it speaks of one in another way."""
    if _MENTIONS.isdisjoint(ask.vocabulary):
        return None if not ask.text.isascii() and _ABROAD.search(ask.text) else ""
    wanted = _WANTED.search(ask.text)
    return _NAMES[wanted[1]] if wanted else None


def language_of(text: str, words: list[str], least: int = 3) -> str | None:
    """A script's name, for Latin a language's code or "latin"; None where less than `least` words tell."""
    sample = text[:_SAMPLE]
    if not sample.isascii() and 4 * sum(map(len, _FOREIGN.findall(sample))) > len(sample):
        counts = Counter(map(_group, _SCRIPTS.finditer(sample)))
        script, letters = counts.most_common(1)[0] if counts else ("", 0)
        if letters < 8 or letters < 0.6 * counts.total():
            return None
        if script != "latin":
            return script
    first = set(words[:_WORDS])  # distinct words: a name or a variable that comes up often is no language
    owners = [LANGUAGE_OF[word] for word in _OWNED & first]
    if not owners:
        return None
    language, hits = Counter(owners).most_common(1)[0] if len(set(owners)) > 1 else (owners[0], len(owners))
    if hits >= max(least, 0.04 * len(first)) and hits >= 0.7 * len(owners):
        return language
    return "latin" if hits >= 3 else None


def _group(match: re.Match[str]) -> str:
    return match.lastgroup or ""


def _wrong(detail: str, weight: float) -> Iterator[Finding]:
    yield Finding("helpfulness", "off_language", -3 * weight, detail, ceiling=4)
    yield Finding("correctness", "off_language", -2 * weight, detail, ceiling=5)
    yield Finding("clarity", "off_language", -1.5 * weight, detail)
