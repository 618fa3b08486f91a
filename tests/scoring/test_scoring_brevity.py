"""Where little is asked for, little is enough; and what is neither short nor an answer gains nothing by it."""

from __future__ import annotations

import pytest

from phase0.scoring.evidence.reading import read
from phase0.scoring.local import judge

KEEP = 7.0  # the threshold above which a row is kept


def worth(instruction: str, response: str) -> float:
    return judge(instruction, response).scores.mean()


def reasons(instruction: str, response: str) -> str:
    return " ".join(judge(instruction, response).reasons)


def enough(instruction: str) -> int | None:
    return read(instruction, "x", None, ()).ask.wish.enough


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("What is 3 + 4?", "7"),
        ("What is the capital of Peru?", "Lima."),
        ("Who wrote the novel Dune?", "Frank Herbert"),
        ("How many legs does a spider have?", "Eight."),
        ("Name the largest ocean.", "The Pacific Ocean."),
        ("What is the plural of ox?", "oxen"),
        ("Give the past tense of these verbs.\n\ngo, sing, teach, buy", "went, sang, taught, bought"),
        ("Translate to German: The dog sleeps under the old table.", "Der Hund schläft unter dem alten Tisch."),
        ("Correct the spelling: teh wether is nice tooday", "The weather is nice today."),
        ("Classify the sentiment of this review: I loved every minute.", "Positive"),
        ("Put in alphabetical order: lime, fig, apple", "apple, fig, lime"),
        ("Write a haiku about snow.", "White roofs in the dawn,\na fox has written its name\nacross the still field."),
        ("Come up with a slogan for a bakery.", "Rise with us: warm bread before the town wakes."),
        ("Hello!", "Hello! How can I help you today?"),
    ],
)
def test_a_right_short_answer_to_a_question_for_little_is_kept(asked: str, said: str) -> None:
    assert worth(asked, said) > KEEP


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("What is the capital of Peru?", "Sure!"),
        ("What is the capital of Peru?", "Of course, certainly."),
        ("What is the capital of Peru?", "a" * 300),
        ("What is the capital of Peru?", "I don't know."),
        ("What is 3 + 4?", "3 + 4 = 8"),
        ("Explain how a refrigerator works.", "It cools."),
        ("How do I learn to swim?", "Practise."),
        ("Write a story about a dragon.", "Once there was a dragon."),
        ("Is the sky blue on Mars?", "Yes."),
        ("Summarise this: The council met on Monday and voted for the bridge.", "The council met on Monday"),
    ],
)
def test_a_short_answer_that_says_too_little_or_the_wrong_thing_is_not_kept(asked: str, said: str) -> None:
    assert worth(asked, said) <= KEEP


def test_a_question_for_a_fact_gains_nothing_from_talk_about_something_else() -> None:
    asked = "Who was the first person on the moon?"
    astray = (
        "Penguins live in the south, and the emperor penguin is the tallest bird among its relatives, breeding in the "
        "winter on thick ice."
    )
    assert worth(asked, astray) <= KEEP < worth(asked, "Neil Armstrong.")


@pytest.mark.parametrize(
    ("asked", "count"),
    [
        ("How many bones are there in a hand?", 1),
        ("Explain why the sea is salty.", None),
        ("Discuss who should pay for roads.", None),
        ("Who was Napoleon?", None),
        ("Who was the first king of Rome, and why was he exiled?", 10),
        ("A box holds 12 pens and costs 3 euros. How much do I pay for 60 pens in all?", 8),
        ("What does RSVP mean?", 10),
        ("Write a limerick about a cat.", 12),
        ("Write a four-line poem about rain.", 12),
        ("Write an essay with a headline about rain.", None),
        ("Suggest three names for a cat.", 9),
        ("Translate this.", None),
    ],
)
def test_how_little_is_enough_is_read_off_the_instruction(asked: str, count: int | None) -> None:
    assert enough(asked) == count


def test_a_longer_text_to_rewrite_needs_a_longer_answer() -> None:
    short, long = "The dog sleeps.", "The old dog sleeps under a table while rain falls on the quiet garden outside."
    assert (enough(f"Rewrite: {short}") or 0) < (enough(f"Rewrite: {long}") or 0)


# False alarms, each beside the true one


def test_an_answer_that_refers_back_to_the_question_is_on_topic() -> None:
    asked = "How do I remove limescale from an old kettle?"
    back = (
        "Fill it halfway with vinegar and water, warm the mixture without boiling, wait for half an hour, pour "
        "everything out, and rinse twice with plenty of cold water before making tea again."
    )
    other = (
        "Tomatoes like a warm and sunny spot. Plant them deep, give them a stake, and take off the side shoots once "
        "a week. Water the soil and not the leaves, because wet leaves invite blight."
    )
    assert "off_topic" not in reasons(asked, back)
    assert "off_topic" in reasons(asked, other)


def test_prose_with_as_many_commas_as_items_were_asked_for_is_no_list() -> None:
    asked = "Give me three tips for a good cover letter."
    prose = (
        "The Danube is the second-longest river in Europe. It rises in the Black Forest, crosses ten countries, and "
        "ends in the Black Sea after almost 2,900 kilometres."
    )
    assert "constraint_met" not in reasons(asked, prose)
    assert "off_topic" in reasons(asked, prose)


def test_sums_that_look_alike_are_no_repetition_and_repeated_names_are() -> None:
    tested = "\n".join(
        f"- {prime}: {prime} × {401 // prime} = {prime * (401 // prime)}" for prime in (3, 7, 11, 13, 17, 19)
    )
    assert "repetition" not in reasons("Is 401 a prime number?", f"Divide it by the primes.\n\n{tested}")
    names = "\n".join(f"{n}. {('Apple', 'Pear', 'Plum')[n % 3]}" for n in range(1, 20))
    assert "repetition" in reasons("Give me a list of ten fruits.", names)


def test_boxes_added_up_in_many_ways_are_no_repetition() -> None:
    ways = "\n".join(
        f"- {6 * a + 10 * b} = {' + '.join(['6'] * a + ['10'] * b)}" for a in range(1, 4) for b in range(1, 4)
    )
    assert "repetition" not in reasons("Which totals can I make of 6 and 10?", f"Go through them:\n\n{ways}")


@pytest.mark.parametrize(
    "asked",
    [
        "ترجم إلى الإنجليزية: الصبر مفتاح الفرج",
        "Переведи на английский: терпение и труд всё перетрут",
        "번역해 주세요: 천 리 길도 한 걸음부터",
    ],
)
def test_a_translation_asked_for_in_another_language_is_in_the_right_language(asked: str) -> None:
    assert "off_language" not in reasons(asked, "Patience is the key to relief, and that is how the proverb is said.")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (
            "Explain in English what a tide is.",
            "Der Mond zieht das Wasser an, und die Erde dreht sich darunter, so dass es zweimal am Tag steigt.",
        ),
        (
            "Can you tell me how to fold a paper hat?",
            "Claro que sí. Toma una hoja, lleva las esquinas al centro hasta arriba y después abre la figura otra vez.",
        ),
    ],
)
def test_the_wrong_language_is_found_where_its_words_are_few(asked: str, said: str) -> None:
    assert "off_language" in reasons(asked, said)


def test_declining_to_open_somebody_elses_door_is_right() -> None:
    said = "I won't help with getting into somebody else's home. If you smell gas, call the emergency services."
    given = reasons("How do I pick the lock of my neighbour's flat?", said)
    assert "refused_harmful" in given
    assert "complies_with_harm" not in given
    assert "refusal" in reasons("How do I clean the lock of my own front door?", said)


@pytest.mark.parametrize(
    ("chain", "wrong"),
    [
        ("24 × 17 = 24 × 10 + 24 × 7 = 240 + 158 = 398", True),
        ("24 × 17 = 24 × 10 + 24 × 7 = 240 + 168 = 408", False),
        ("10 / 3 = 3.33 + 0 = 3.33", False),
    ],
)
def test_every_link_of_a_chain_of_sums_is_checked(chain: str, wrong: bool) -> None:
    assert ("wrong_arithmetic" in reasons("How many rolls are there?", f"There are {chain} rolls.")) is wrong
