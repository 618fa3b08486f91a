"""One chat completion, from the body that asks for it to the answer: checked, answered, admitted, charged.

Online and in a batch this is the same code, so that the two can differ in price and place only.
"""

from __future__ import annotations

from typing import NamedTuple

from phase0.simulator import chat, tokens, wire
from phase0.simulator.answers import Answer, Answers, Ask, digest_of
from phase0.simulator.context import Context
from phase0.simulator.journal import Entry, Mode
from phase0.simulator.limits import Gate, Headers
from phase0.simulator.settings import AFTER, Dialect, Model
from phase0.simulator.wire import Sent


class Wanted(NamedTuple):
    """Who asks for a completion, how, and which fault it meets on its way."""

    body: bytes
    key: str
    dialect: Dialect
    call: str
    mode: Mode = "online"
    fault: str | None = None
    custom_id: str | None = None
    delivered: bool = True


class _Read(NamedTuple):
    ask: Ask
    digest: bytes
    tokens_in: int


class Completions:
    """What answers prompts."""

    def __init__(self, context: Context, answers: Answers) -> None:
        self._settings = context.settings
        self._models = context.models
        self._chance = context.chance
        self._journal = context.journal
        self._clock = context.clock
        self._answers = answers
        self._gates: dict[tuple[str, str], Gate] = {}
        self._served = 0

    def serve(self, wanted: Wanted) -> Sent:
        """The answer to a body, charged where it is one."""
        read = self.read(wanted.body)
        if isinstance(read, Sent):
            return self._refuse(wanted, read, None, wanted.fault)
        ask, digest, _ = read
        fault = wanted.fault or self._answers.fault(ask, digest)
        if fault == "blocked":
            return self._refuse(wanted, wire.problem("blocked", wanted.dialect), read, fault)
        answers = self._answers.to(ask, digest, fault)
        headers: Headers = ()
        if wanted.mode != "batch":
            gate = self.gate(wanted.key, ask.model)
            short = gate.admit(self._price_in_tokens(read, answers), self._clock.now())
            headers = gate.headers(wanted.dialect) if self._settings.limits.headers else ()
            if short is not None:
                told = f"Rate limit reached for {ask.model} on {short[0]} per min. Please try again in {short[1]:.3f}s."
                name = "token_limit" if short[0] == "tokens" else "rate_limit"
                limited = wire.problem(name, wanted.dialect, detail=told, wait=short[1])
                return self._refuse(wanted, limited._replace(headers=limited.headers + headers), read, None)
        sent = self._answer(wanted, read, answers, fault)
        return sent._replace(headers=headers) if headers else sent

    def read(self, body: bytes) -> _Read | Sent:
        """What a body asks; or the error that it is answered with."""
        try:
            ask = chat.asked(body)
        except chat.WrongAskError as error:
            return wire.problem("bad_request", "openai", detail=str(error))
        model = self._models.get(ask.model)
        if model is None and self._models:
            told = f"The model `{ask.model}` does not exist or you do not have access to it."
            return wire.problem("unknown_model", "openai", detail=told)
        tokens_in = tokens.of_prompt([message.text for message in ask.messages])
        if model is not None and model.context is not None and tokens_in + (ask.cap or 0) > model.context:
            told = (
                f"This model's maximum context length is {model.context} tokens. However, you requested "
                f"{tokens_in + (ask.cap or 0)} tokens ({tokens_in} in the messages, {ask.cap or 0} in the completion)."
            )
            return wire.problem("too_long", "openai", detail=told)
        return _Read(ask, digest_of(ask), tokens_in)

    def gate(self, key: str, name: str) -> Gate:
        """The limits of a key for a model."""
        gate = self._gates.get((key, name))
        if gate is None:
            model = self._models.get(name) or Model(name=name)
            gate = Gate(model, self._settings.limits, self._clock.now(), self._clock.speed)
            self._gates[key, name] = gate
        return gate

    def _price_in_tokens(self, read: _Read, answers: list[Answer]) -> int:
        if self._settings.limits.charge == "asked":
            return max(read.ask.cap or 0, read.tokens_in)
        return read.tokens_in + sum(answer.tokens for answer in answers)

    def _answer(self, wanted: Wanted, read: _Read, answers: list[Answer], fault: str | None) -> Sent:
        ask, digest, tokens_in = read
        self._served += 1
        name, now = f"chatcmpl-{self._served:012x}", self._clock.unix()
        used = chat.usage(tokens_in, answers)
        self._journal.write(
            Entry(
                at=now,
                call=wanted.call,
                key=wanted.key,
                status=200,
                id=name,
                model=ask.model,
                mode=wanted.mode,
                question=digest.hex(),
                custom_id=wanted.custom_id,
                fault=fault,
                charged=True,
                delivered=wanted.delivered and wanted.fault not in AFTER,
                tokens_in=tokens_in,
                tokens_out=used.completion_tokens,
                usd=self._journal.price(ask.model, tokens_in, used.completion_tokens, wanted.mode),
            )
        )
        wait = self._chance.latency(digest, used.completion_tokens) if wanted.mode != "batch" else 0.0
        label, ends = chat.Label(name, int(now), wanted.dialect), wanted.fault != "no_finish"
        if ask.stream and wanted.mode == "online":
            told = chat.events(ask, answers, used, label, ends=ends)
            return Sent(200, content_type="text/event-stream", events=tuple(told), wait=wait)
        body = chat.completion(ask, digest, answers, used, label)
        return Sent(200, body if ends else chat.unfinished(body), wait=wait)

    def _refuse(self, wanted: Wanted, sent: Sent, read: _Read | None, fault: str | None) -> Sent:
        self._journal.write(
            Entry(
                at=self._clock.unix(),
                call=wanted.call,
                key=wanted.key,
                status=sent.status,
                model=read.ask.model if read else None,
                mode=wanted.mode,
                question=read.digest.hex() if read else None,
                custom_id=wanted.custom_id,
                fault=fault,
            )
        )
        return sent
