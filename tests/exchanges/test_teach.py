"""Teaching: what a teacher is asked about a row, and the row that its answer makes."""

from __future__ import annotations

import pytest
from hypothesis import given
from made import metas, record, records

from phase0.catalog.models import Style, Teacher, teachers
from phase0.exchanges.teach import Teach
from phase0.records import CATEGORIES, Meta, Origin, Record, Reply, Turn

GPT = teachers()["gpt-4o"]
PLAIN = Teacher(name="t", model="model-t", family="f", endpoints=GPT.endpoints)


def styled(**styles: Style) -> Teacher:
    return Teacher(
        name="t",
        model="model-t",
        family="f",
        endpoints=GPT.endpoints,
        style=Style(system="Be brief.", params={"max_tokens": 9}),
        styles=styles,
    )


def of(category: str | None) -> Meta:
    return Meta(origin=Origin(dataset="d", revision=None, row="1"), category=category)


@given(records)
def test_a_row_is_one_question_that_ends_with_its_instruction(row: Record) -> None:
    (request,) = Teach(PLAIN).ask(row)
    assert request.model == "model-t"
    assert request.messages[-1] == ("user", row.instruction)
    before = [("system", row.system)] if row.system else []
    assert list(request.messages[:-1]) == [*before, *((turn.role, turn.content) for turn in row.history)]


def test_the_system_prompt_of_a_row_goes_before_that_of_the_style_and_earlier_turns_follow_it() -> None:
    history = (Turn(role="user", content="Hi."), Turn(role="assistant", content="Hello."))
    (own,) = Teach(styled()).ask(record(1, system="You are a pirate.", history=history))
    assert own.messages == (
        ("system", "You are a pirate."),
        ("user", "Hi."),
        ("assistant", "Hello."),
        ("user", "Count to 1."),
    )
    (other,) = Teach(styled()).ask(record(1))
    assert other.messages == (("system", "Be brief."), ("user", "Count to 1."))


def test_a_category_is_asked_in_its_own_style_and_others_in_the_teachers() -> None:
    teach = Teach(styled(code=Style(system="Write code.", params={"temperature": 0})))
    (code,) = teach.ask(record(1, meta=of("code")))
    (general,) = teach.ask(record(1, meta=of("general")))
    assert (code.messages[0], code.params) == (("system", "Write code."), {"temperature": 0})
    assert (general.messages[0], general.params) == (("system", "Be brief."), {"max_tokens": 9})


@pytest.mark.parametrize("name", teachers())
def test_every_teacher_of_the_catalogue_has_a_way_to_ask_about_every_category(name: str) -> None:
    teacher = teachers()[name]
    for category in (*CATEGORIES, None):
        (request,) = Teach(teacher).ask(record(1, meta=of(category)))
        assert [role for role, _ in request.messages] == ["system", "user"]
        assert request.params["max_tokens"] > 0


def test_what_is_asked_does_not_depend_on_where_a_row_came_from_or_on_the_answer_that_it_has() -> None:
    teach = Teach(GPT)
    elsewhere = Meta(origin=Origin(dataset="other", revision="r", row="x:9"), license="mit", flags=("a",))
    one, two = record(1), record(1, response="Another.", source="somebody", meta=elsewhere)
    assert teach.ask(one)[0].key == teach.ask(two)[0].key
    assert teach.ask(one)[0].key != teach.ask(record(2))[0].key


@given(records, metas)
def test_an_answer_makes_a_row_of_the_teachers_with_the_prompt_as_it_was(row: Record, meta: Meta) -> None:
    made = Teach(PLAIN).read(row, [Reply(text=" An answer.\n", finish_reason="stop")])
    assert not isinstance(made, str)
    (taught,) = made
    assert (taught.response, taught.source, taught.quality_score) == ("An answer.", "model-t", None)
    assert (taught.instruction, taught.system, taught.history) == (row.instruction, row.system, row.history)
    assert taught.meta == Meta(
        origin=row.meta.origin, license=row.meta.license, category=row.meta.category, parent=row.id
    )


def test_a_question_that_was_never_answered_makes_no_row() -> None:
    assert Teach(PLAIN).read(record(1), [None]) == "no_reply"
