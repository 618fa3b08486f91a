"""What other de-duplicators were seen to get wrong, each as a test that would catch it: both methods, texts and files.

Where a trap rests on a fault (digits that become 0, bands that miss), the test first shows that its rows would fall
into it.
"""

from __future__ import annotations

import json
import random
import re
import unicodedata
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from neardup import components, made_rows, near_pairs, shingles, text_of, written

from phase0.dataset import meta_folder
from phase0.dedup import dedup, remaining
from phase0.dedup.bands import Banding, choose
from phase0.stages.deduplicate import deduplicate

Gone = dict[int, list[int]]
"""Row that goes → the row that stays for it, what they share and have together."""

Remover = Callable[..., Gone]


@pytest.fixture(params=["exact, texts", "exact, files", "minhash, texts", "minhash, files"])
def removed(request: pytest.FixtureRequest, tmp_path: Path) -> Remover:
    """Removes near-duplicates among texts; of two the earlier stays."""
    method, surface = request.param.split(", ")

    def from_texts(texts: Sequence[str], threshold: Any = "0.8") -> Gone:
        return {row: rest for row, *rest in map(list, dedup(texts, threshold=threshold, method=method).removed)}

    def from_files(texts: Sequence[str], threshold: Any = "0.8") -> Gone:
        # Compared is instruction, newline, response; scores make the earlier row the better one.
        rows = [
            {"instruction": text, "response": "", "quality_score": len(texts) - at} for at, text in enumerate(texts)
        ]
        source = written(tmp_path / "in.jsonl", (json.dumps(row).encode() for row in rows))
        deduplicate([source], tmp_path / "out.jsonl", threshold=threshold, method=method)
        dropped = (meta_folder(tmp_path / "out.jsonl") / "dropped.jsonl").read_bytes().splitlines()
        told = {item["line"] - 1: item["evidence"] for item in map(json.loads, dropped)}
        kept = (tmp_path / "out.jsonl").read_bytes().splitlines()
        assert [json.loads(line) for line in kept] == [row for at, row in enumerate(rows) if at not in told]
        return {row: [why["kept_line"] - 1, why["shared"], why["union"]] for row, why in told.items()}

    return from_texts if surface == "texts" else from_files


def words(count: int, stem: str = "w") -> list[str]:
    return [f"{stem}{number}" for number in range(count)]


def test_rows_of_fewer_than_five_tokens_are_not_thrown_away(removed: Remover) -> None:
    assert removed(["Yes.", "No", "Maybe so", "Not at all", "one two three four", "one two three four five"]) == {}


def test_rows_shorter_than_a_shingle_are_compared_whole_and_not_all_alike(removed: Remover) -> None:
    texts = ["Yes.", "No.", "Yes, sir", "yes", "Sir, yes!", "YES SIR"]
    assert removed(texts) == {3: [0, 1, 1], 5: [2, 1, 1]}


def test_a_short_row_is_no_duplicate_of_a_long_one_that_begins_with_it(removed: Remover) -> None:
    assert removed(["one two three four", "one two three four five", "one two three"]) == {}


def test_problems_that_differ_only_in_their_numbers_are_different(removed: Remover) -> None:
    asked = "Tom has {} apples and buys {} more. How many apples has Tom? Tom has {} apples."
    texts = [asked.format(a, b, a + b) for a, b in [(12, 30), (17, 25), (3, 4), (120, 300), (1, 2)]]
    zeroed = {frozenset(shingles(re.sub(r"\d", "0", text))) for text in texts[:2]}
    assert len(zeroed) == 1, "with every digit a 0, these would be one"
    assert removed(texts) == {}
    assert removed(["2 + 2 = 4", "3 + 3 = 6", "2 + 2 = 4!"]) == {2: [0, 1, 1]}


def test_pairs_below_the_threshold_stay_however_many_of_them_meet(removed: Remover) -> None:
    base = words(104)  # 100 shingles
    texts = [" ".join(base)]
    texts += [" ".join(base[:84] + [f"{kind}{at}" for at in range(20)]) for kind in "abcdefgh"]  # 80 of 120 shared
    found = near_pairs(texts, Fraction(2, 3))
    assert len(found) == 36, "every one of them is two thirds of every other"
    assert removed(texts) == {}
    assert removed(texts, "0.75") == {}
    gone = removed(texts, "0.66")
    assert gone.items() <= {row: [0, 80, 120] for row in range(1, 9)}.items()
    assert len(gone) >= 7  # bands may miss one


SENTENCES = {
    "Chinese": (
        "请把下面这段很长的中文句子翻译成英文并且说明每一个词的意思",
        "今天天气很好我们一起去公园散步吧然后再去饭馆吃一顿饭好吗",
    ),
    "Japanese": (
        "この文章をできるだけ短く要約してから英語に翻訳してください",
        "昨日は雨が降っていたのでずっと家で本を読んでいました",
    ),
    "Korean": (
        "이긴문장을영어로번역하고각단어의뜻을자세히설명해주세요",
        "어제는비가와서하루종일집에서책을읽고있었습니다그래요",
    ),
    "Thai": ("กรุณาแปลประโยคยาวนี้เป็นภาษาอังกฤษและอธิบายความหมายของแต่ละคำ", "เมื่อวานนี้ฝนตกหนักมากฉันจึงอยู่บ้านอ่านหนังสือทั้งวัน"),
    "Lao": ("ກະລຸນາແປປະໂຫຍກຍາວນີ້ເປັນພາສາອັງກິດແລະອະທິບາຍຄວາມໝາຍ", "ມື້ວານນີ້ຝົນຕົກແຮງຂ້ອຍຈຶ່ງຢູ່ເຮືອນອ່ານໜັງສືທັງມື້"),
    "Khmer": ("សូមបកប្រែប្រយោគវែងនេះជាភាសាអង់គ្លេសនិងពន្យល់អត្ថន័យ", "ម្សិលមិញមានភ្លៀងធ្លាក់ខ្លាំងខ្ញុំបាននៅផ្ទះអានសៀវភៅពេញមួយថ្ងៃ"),
    "Myanmar": ("ကျေးဇူးပြု၍ဤစာကြောင်းရှည်ကိုအင်္ဂလိပ်ဘာသာသို့ပြန်ဆိုပါ", "မနေ့ကမိုးသည်းထန်စွာရွာသောကြောင့်အိမ်မှာစာအုပ်ဖတ်နေခဲ့သည်"),
}


@pytest.mark.parametrize("language", SENTENCES)
def test_text_without_spaces_is_not_one_word(language: str, removed: Remover) -> None:
    one, other = SENTENCES[language]
    edited = one * 2 + other[-1]  # what follows the first copy of a sentence is the same to its last shingles
    assert removed([one * 2, other, edited, one[: len(one) // 2]]).keys() == {2}


def test_unspaced_text_among_spaced_text_is_compared_by_character_too(removed: Remover) -> None:
    long = SENTENCES["Chinese"][0]
    texts = [f"Translate into English: {long}", f"Translate into English: {long[:-1]}。", f"Translate {long[::-1]}"]
    assert removed(texts).keys() == {1}


def exactly_four_fifths(number: int) -> tuple[str, str]:
    """8 of 10 shingles."""
    base = words(12, f"p{number}x")
    return " ".join(base), " ".join([*base, "more", f"of{number}"])


def test_pairs_at_exactly_the_threshold_are_found_where_nine_bands_of_thirteen_miss_most(removed: Remover) -> None:
    pairs = [text for number in range(400) for text in exactly_four_fifths(number)]
    assert Banding(9, 13).missed(0.8) > 0.5
    assert choose(Fraction(4, 5)).missed(0.8) <= 0.005
    gone = removed(pairs)
    assert all(row % 2 == 1 and told == [row - 1, 8, 10] for row, told in gone.items())
    assert len(gone) >= 400 * 0.98
    if len(gone) < 400:
        assert dedup(pairs, method="minhash").missed_share > 0


def test_the_exact_method_finds_every_pair_at_exactly_the_threshold() -> None:
    pairs = [text for number in range(400) for text in exactly_four_fifths(number)]
    assert dedup(pairs, method="exact").removed == [(2 * at + 1, 2 * at, 8, 10) for at in range(400)]


def test_a_chain_does_not_remove_what_resembles_no_row_that_stays(removed: Remover) -> None:
    chain = [" ".join(words(80)[start : start + 50]) for start in (0, 3, 6, 9, 12)]  # neighbours 43 of 49
    assert near_pairs(chain, Fraction(4, 5)).keys() == set(pairwise(range(5)))
    assert removed(chain) == {1: [0, 43, 49], 3: [2, 43, 49]}


@pytest.mark.parametrize("method", ["exact", "minhash"])
@pytest.mark.parametrize("clusters", ["greedy", "transitive"])
def test_no_cluster_loses_all_of_its_rows(method: Any, clusters: Any) -> None:
    texts = [text_of(row) for row in made_rows(600, seed=5)]
    root = components(len(texts), near_pairs(texts, Fraction(4, 5)))
    kept = dedup(texts, method=method, clusters=clusters).kept
    assert len(kept) < len(texts) - 50
    assert {root[row] for row in kept} == set(root)


def test_the_witness_of_every_removal_stays_itself(removed: Remover) -> None:
    texts = [text_of(row) for row in made_rows(400, seed=6)]
    gone = removed(texts)
    assert len(gone) > 50
    assert not gone.keys() & {told[0] for told in gone.values()}


@pytest.mark.parametrize(
    ("threshold", "shared", "union"),
    [
        ("0.8", 8, 10),
        (0.8, 4, 5),
        ("0.7", 7, 10),
        (0.7, 70, 100),
        (0.9, 9, 10),
        (0.6, 3, 5),
        (0.57, 57, 100),
        (1, 3, 3),
    ],
)
def test_a_threshold_is_the_fraction_its_digits_say(threshold: Any, shared: int, union: int, removed: Remover) -> None:
    base = words(shared + 4)
    longer = [" ".join(base), " ".join(base + words(union - shared, "x"))]
    assert removed(longer, threshold) == {1: [0, shared, union]}
    below = [" ".join(base), " ".join(base + words(union - shared + 1, "x"))]
    assert removed(below, threshold) == {}


def test_rows_without_a_token_match_nobody_and_are_kept(removed: Remover) -> None:
    assert removed(["", " ", "?!", "🙂🙂", "…", "\n\n", "?!"]) == {}


def test_a_repeated_phrase_counts_once(removed: Remover) -> None:
    loop = "to be or not "
    assert removed([loop * 3, loop * 50, f"{loop * 3}to see or hear"]) == {1: [0, 4, 4]}


def test_case_punctuation_and_the_form_of_accents_make_no_difference(removed: Remover) -> None:
    text = "Été comme hiver, la façade de l'Île-d'Œuvre brille à Nîmes"
    texts = [text, unicodedata.normalize("NFD", text.upper()), text.replace(" ", " – ")]
    assert texts[1].lower() != text.lower()
    assert removed(texts).keys() == {1, 2}


@pytest.mark.parametrize("method", ["exact", "minhash"])
def test_rows_are_judged_by_their_words_alone(method: Any, tmp_path: Path) -> None:
    """An empty answer, no score, a strange score and unknown fields are no reason to go."""
    rows: list[dict[str, Any]] = [
        {"instruction": "one two three", "response": ""},
        {"instruction": "four five six", "response": None},
        {"instruction": "seven eight nine", "response": "ten", "quality_score": -3, "unknown": {"a": []}},
        {"instruction": "eleven twelve", "response": "x", "quality_score": "good", "source": None, "id": 5},
        {"instruction": "", "response": "thirteen"},
    ]
    source = written(tmp_path / "in.jsonl", (json.dumps(row).encode() for row in rows))
    assert deduplicate([source], tmp_path / "out.jsonl", method=method).counts.kept == len(rows)
    assert (tmp_path / "out.jsonl").read_bytes() == source.read_bytes()


def test_zero_duplicates_are_counted_by_another_way_than_they_were_removed() -> None:
    """A remover that left everything would be told so."""
    texts = [text_of(row) for row in made_rows(300, seed=8)]
    pairs = near_pairs(texts, Fraction(4, 5))
    assert remaining(texts).pairs == len(pairs) > 50
    kept = dedup(texts).kept
    assert remaining([texts[row] for row in kept]).pairs == 0
    again = random.Random(1).sample(list(kept), 20)
    assert remaining([texts[row] for row in [*kept, *again]]).pairs == 20
