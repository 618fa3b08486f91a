"""Ask a teacher for the answer to a row's prompt. How it is asked is data of the catalogue, not code."""

from __future__ import annotations

from collections.abc import Sequence

from phase0.catalog.models import Teacher
from phase0.records import Meta, Record, Reply, Request, make


class Teach:
    """One question a row: the row's conversation up to the answer, in the teacher's style for its category."""

    def __init__(self, teacher: Teacher) -> None:
        self._teacher = teacher

    def ask(self, record: Record) -> Sequence[Request]:
        """The row's own system prompt goes before that of the style."""
        style = self._teacher.style_of(record.meta.category)
        system = record.system or style.system
        messages = [("system", system)] if system else []
        messages += [(turn.role, turn.content) for turn in record.history]
        messages.append(("user", record.instruction))
        return (Request(model=self._teacher.model, messages=tuple(messages), params=style.params),)

    def read(self, record: Record, replies: Sequence[Reply | None]) -> Sequence[Record] | str:
        """The row with the teacher's answer, or `no_reply`."""
        reply = replies[0]
        if reply is None:
            return "no_reply"
        answered = make(
            instruction=record.instruction,
            response=reply.text.strip(),
            source=self._teacher.model,
            system=record.system,
            history=record.history,
            meta=_taught(record),
        )
        return (answered,)


def _taught(record: Record) -> Meta:
    """What led to the row. Scores and flags were about the answer that was replaced."""
    meta = record.meta
    return Meta(origin=meta.origin, license=meta.license, category=meta.category, parent=record.id)
