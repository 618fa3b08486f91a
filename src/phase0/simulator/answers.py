"""What the simulated model says: replayed where a file has it, else made up from the question, and cut to its cap.

The same question to the same model has the same answer always: online or in a batch, at any time, in any process.
"""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

import msgspec

from phase0.simulator import prose, tokens
from phase0.simulator.chance import Chance
from phase0.simulator.judging import spoiled
from phase0.simulator.replay import Replay
from phase0.simulator.schema import value
from phase0.simulator.settings import JUDGED


class Part(msgspec.Struct, frozen=True):
    """A part of a message's content."""

    type: str = "text"
    text: str = ""


class Message(msgspec.Struct, frozen=True):
    """A message of a chat, as it is asked."""

    role: str
    content: str | list[Part] | None = None

    @property
    def text(self) -> str:
        if isinstance(self.content, str):
            return self.content
        return "".join(part.text for part in self.content or ())


class StreamOptions(msgspec.Struct, frozen=True):
    """What a stream is to have besides text."""

    include_usage: bool = False


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a request for a chat completion: the fields that change the answer. Others are ignored."""

    model: str
    messages: list[Message]
    n: int | None = 1
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    response_format: dict[str, Any] | None = None
    seed: int | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None

    @property
    def cap(self) -> int | None:
        return self.max_completion_tokens or self.max_tokens

    @property
    def schema(self) -> Any:
        """The JSON schema that the answer is to fit; None where there is none."""
        shape = self.response_format or {}
        return shape.get("json_schema", {}).get("schema", {}) if shape.get("type") == "json_schema" else None

    @property
    def json(self) -> bool:
        """Whether the answer is to be JSON of any kind."""
        return (self.response_format or {}).get("type") == "json_object"

    @property
    def question(self) -> str:
        """The last message of the user; where there is none, of anybody."""
        asked = (message.text for message in reversed(self.messages) if message.role == "user")
        return next(asked, self.messages[-1].text if self.messages else "")


class Answer(NamedTuple):
    """One choice: its text (None where it is refused), why it ended, and its tokens."""

    text: str | None
    finish: str
    tokens: int
    refusal: str | None = None


_encode = msgspec.json.Encoder().encode


def digest_of(ask: Ask) -> bytes:
    """What decides an answer: the question, not how long it may be or how it is delivered."""
    asked = (ask.model, ask.messages, ask.seed, ask.response_format)
    return hashlib.blake2b(_encode(asked), digest_size=16).digest()


class Answers:
    """The voice of every model."""

    def __init__(self, replay: Replay, chance: Chance) -> None:
        self._replay = replay
        self._chance = chance

    def fault(self, ask: Ask, digest: bytes) -> str | None:
        """The fault that belongs to this question. A larger cap is another question: `length` may be gone then."""
        return self._chance.in_the_answer(digest + b" %d" % (ask.cap or 0), judged=ask.schema is not None)

    def to(self, ask: Ask, digest: bytes, fault: str | None) -> list[Answer]:
        """As many answers as were asked for."""
        others = (digest + b" choice %d" % place for place in range(1, ask.n or 1))
        return [self._one(ask, which, fault) for which in (digest, *others)]

    def _one(self, ask: Ask, digest: bytes, fault: str | None) -> Answer:
        if fault == "empty":
            return Answer("", "stop", 0)
        if fault == "refusal":
            return Answer(None, "stop", tokens.count(prose.REFUSAL), refusal=prose.REFUSAL)
        text = prose.REFUSAL if fault == "declined" else self._text(ask, digest, fault)
        kept, used, whole = tokens.cut(text, ask.cap or 1 << 40)
        if fault in {"length", "content_filter"}:
            kept, used, _ = tokens.cut(text, max(1, used // 2))
            return Answer(kept, fault, used)
        return Answer(kept, "length" if used < whole else "stop", used)

    def _text(self, ask: Ask, digest: bytes, fault: str | None) -> str:
        question, schema = ask.question, ask.schema
        if fault in JUDGED:
            return spoiled(value(schema, digest), fault, digest)
        found = self._replay.find(ask.model, question)
        if found is not None:
            return found
        if schema is not None:
            return _encode(value(schema, digest)).decode()
        made = prose.made_up(question, digest)
        return _encode({"answer": made}).decode() if ask.json else made
