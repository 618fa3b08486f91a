"""CPU time of canonical text, by script, and how many rows of each the table of characters leaves to others.

Rows are of the words of a few sentences, drawn at random.

    python benchmarks/dedup/scripts.py [--seed 0] [--megabytes 1] [--times 7]
"""

from __future__ import annotations

import argparse
import random
import time

import numpy as np

from phase0.dedup.canonical import canonical_rows
from phase0.dedup.flat import Flat, flat
from phase0.dedup.kernels.canonical import canonical
from phase0.dedup.letters import letters

ROW = 1200  # bytes
SENTENCES = {
    "English": "The baker opens his shop at six, and by noon the shelves are empty but for a few rolls of rye.",
    "French": "Où étiez-vous hier à midi ? Le garçon a posé la pâte près de la fenêtre, là où il fait déjà plus frais.",
    "Russian": "Утром пекарь открывает лавку, и к полудню на полках остаётся лишь несколько ржаных булок.",
    "Greek": "Στην αγορά ο φούρναρης ανοίγει νωρίς. Το μεσημέρι τα ράφια είναι άδεια και όλοι έχουν φύγει.",
    "Turkish": "İstanbul'da fırıncı dükkânını sabah altıda açar; öğlene doğru raflarda birkaç çavdar ekmeği kalır.",
    "Vietnamese": "Người thợ bánh mở cửa lúc sáu giờ sáng, đến trưa trên kệ chỉ còn vài ổ bánh mì đen.",
    "Arabic": "يفتح الخبّاز دكّانَهُ في السّادسة صباحًا، وعند الظُّهر لا يبقى على الرّفوف إلا بضعةُ أرغفةٍ.",
    "Persian": "نانوا ساعت شش صبح مغازه‌اش را باز می‌کند و تا ظهر فقط چند نان چاودار روی قفسه‌ها می‌ماند.",
    "Hebrew": "הָאוֹפֶה פּוֹתֵחַ אֶת הַחֲנוּת בְּשֵׁשׁ בַּבֹּקֶר, וְעַד הַצָּהֳרַיִם נִשְׁאָרוֹת עַל הַמַּדָּפִים רַק כַּמָּה לַחְמָנִיּוֹת.",
    "Hindi": "नानबाई सुबह छह बजे दुकान खोलता है और दोपहर तक अलमारियों पर थोड़ी-सी रोटियाँ ही बचती हैं, बाज़ार में भीड़ बढ़ जाती है।",
    "Bengali": "রুটিওয়ালা সকাল ছয়টায় দোকান খোলে, আর দুপুরের মধ্যে তাকে কয়েকটা রুটি ছাড়া কিছুই থাকে না, গাড়িও চলে যায়।",
    "Tamil": "பேக்கரிக்காரர் காலை ஆறு மணிக்குக் கடையைத் திறக்கிறார்; மதியத்திற்குள் அலமாரிகளில் சில ரொட்டிகளே மீதம் இருக்கும்.",
    "Sinhala": "බේකරිකරු උදේ හයට කඩය අරින අතර දවල් වන විට රාක්කවල පාන් කිහිපයක් පමණක් ඉතිරි වේ.",
    "Thai": "คนทำขนมปังเปิดร้านตอนหกโมงเช้า พอถึงเที่ยงบนชั้นก็เหลือขนมปังอยู่เพียงไม่กี่ก้อน น้ำชาก็หมดแล้ว",
    "Lao": "ຄົນເຮັດເຂົ້າຈີ່ເປີດຮ້ານຕອນຫົກໂມງເຊົ້າ ພໍຮອດທ່ຽງກໍເຫຼືອເຂົ້າຈີ່ຢູ່ບໍ່ເທົ່າໃດກ້ອນ.",
    "Burmese": "မုန့်ဖုတ်သမားသည် မနက်ခြောက်နာရီတွင် ဆိုင်ဖွင့်ပြီး မွန်းတည့်ချိန်၌ စင်ပေါ်တွင် မုန့်အနည်းငယ်သာ ကျန်တော့သည်။",
    "Khmer": "អ្នកដុតនំបើកហាងនៅម៉ោងប្រាំមួយព្រឹក ហើយនៅពេលថ្ងៃត្រង់ នៅលើធ្នើរសល់តែនំប៉័ងពីរបីដុំប៉ុណ្ណោះ។",
    "Korean": "빵집 주인은 아침 여섯 시에 문을 열고, 정오가 되면 선반에는 호밀빵 몇 개만 남는다.",
    "Chinese": "面包师早上六点开门，到了中午，架子上只剩下几个黑麦面包。",
    "Japanese": "パン屋は朝六時に店を開け、昼には棚にライ麦パンがいくつか残るだけだ。",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--megabytes", type=float, default=1, help="of rows in each script")
    parser.add_argument("--times", type=int, default=7, help="measurements, of which the least counts")
    options = parser.parse_args()
    for script, sentence in SENTENCES.items():
        texts = rows(sentence, round(options.megabytes * 1e6), random.Random(options.seed))
        chunk = flat(texts)
        canonical_rows(chunk)  # characters are looked up once
        spent = min(measured(chunk) for _ in range(options.times))
        print(f"{script:10} {spent / len(chunk.text_B) * 1e9:6.1f} ns a byte, {left(chunk)} of {len(texts)} rows left")


def rows(sentence: str, size: int, draw: random.Random) -> list[str]:
    """Texts of about ROW bytes each and `size` together."""
    words = sentence.split(" ")
    count = ROW * len(words) // len(sentence.encode())
    return [" ".join(draw.choices(words, k=count)) for _ in range(size // ROW)]


def measured(chunk: Flat) -> float:
    """Seconds of CPU."""
    began = time.process_time()
    canonical_rows(chunk)
    return time.process_time() - began


def left(chunk: Flat) -> int:
    """Rows that the table does not decide."""
    rows = len(chunk.starts_D1) - 1
    out, begins, ends = np.empty(2 * len(chunk.text_B) + 64 * rows, np.uint8), *np.empty((2, rows), np.int64)
    canonical(chunk.text_B, chunk.starts_D1, letters(), out, begins, ends)
    return int((ends < begins).sum())


if __name__ == "__main__":
    main()
