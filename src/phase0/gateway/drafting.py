"""Draw up a batch: as many questions as its provider, its limit of waiting tokens, the budget and the caller allow.

A draft is written as it grows, so that memory does not grow with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from phase0.gateway.budget import Budget
from phase0.gateway.line import Line, Route, input_tokens, largest_reply, worst_case
from phase0.gateway.questions import Question, Questions
from phase0.providers import Batches

LEAST = Decimal("0.05")
"""What a batch that the budget cuts short holds at least: this share of a full one, or of the budget. Else the last
dollars would be spent in hundreds of batches of a question or two, each of which takes hours."""

_PART = 256  # questions whose tokens are counted together


class Candidate(NamedTuple):
    """A question that may go into a batch."""

    question: Question
    tokens: int  # of its prompt: what waits in a batch is counted by these
    worst: Decimal


class Bounds(NamedTuple):
    """What one batch may hold. Tokens: infinity where nobody knows of a limit."""

    requests: int
    size: int  # bytes
    tokens: float
    alone: bool  # nothing else waits at the provider: what does not fit now never will

    def share(self, requests: int, size: int, tokens: int) -> float:
        """How full a batch is that holds so much."""
        return max(requests / self.requests, size / self.size, tokens / self.tokens if self.tokens > 0 else 1.0)


class Draft(NamedTuple):
    """A batch that was drawn up: its files are written, and its worst case is set aside."""

    tag: str
    keys: tuple[str, ...]
    tokens: int
    worst: Decimal
    upload: Path  # lines as the provider takes them
    kept: Path  # the questions, for when the answers come


class Stream:
    """Candidates one by one, with the possibility to put the last one back. `source` gives None when it has none."""

    def __init__(self, source: Callable[[], Candidate | None]) -> None:
        self._source = source
        self._back: list[Candidate] = []

    def next(self) -> Candidate | None:
        return self._back.pop() if self._back else self._source()

    def is_empty(self) -> bool:
        candidate = self.next()
        if candidate is not None:
            self.put_back(candidate)
        return candidate is None

    def put_back(self, candidate: Candidate) -> None:
        self._back.append(candidate)


def stream_of(questions: Iterable[Question], line: Line, route: Route) -> Stream:
    """A stream of questions that lie in a file."""
    candidates = counted(questions, line, route)
    return Stream(lambda: next(candidates, None))


def counted(questions: Iterable[Question], line: Line, route: Route) -> Iterator[Candidate]:
    """Questions with what they weigh."""
    part: list[Question] = []
    for question in questions:
        part.append(question)
        if len(part) == _PART:
            yield from _count(part, line, route)
            part = []
    yield from _count(part, line, route)


def weighed(questions: Iterable[Question], line: Line, route: Route) -> tuple[int, Decimal]:
    """The tokens of all prompts, and the worst case of all questions together."""
    tokens, worst = 0, Decimal(0)
    for candidate in counted(questions, line, route):
        tokens += candidate.tokens
        worst += candidate.worst
    return tokens, worst


def _count(part: list[Question], line: Line, route: Route) -> Iterator[Candidate]:
    if not part:
        return
    requests = [question.request for question in part]
    counts = (line.tokens_of or input_tokens)(requests)
    for question, request, tokens in zip(part, requests, counts, strict=True):
        worst = worst_case(route.price, tokens, largest_reply(request, line.max_output), batch=True)
        yield Candidate(question, tokens, worst)


def draw_up(
    tag: str, stream: Stream, bounds: Bounds, *, batches: Batches, budget: Budget, folder: Path, rest: Questions
) -> tuple[Draft | None, bool]:
    """The next batch, and whether the budget ended it. None where there is nothing to put into one, or where the budget
    leaves too little for one that is worth its hours.

    A question that fits into no batch at all goes to `rest`.
    """
    kept, upload = Questions(folder / f"{tag}.jsonl"), folder / f"{tag}.upload"
    keys: list[str] = []
    few: list[Candidate] = []  # while they are too few
    size, tokens, worst, poor = 0, 0, Decimal(0), False
    with upload.open("wb") as lines, closing(kept):
        while len(keys) < bounds.requests and (candidate := stream.next()):
            line = batches.line(candidate.question.key, candidate.question.request)
            if size + len(line) > bounds.size or tokens + candidate.tokens > bounds.tokens:
                if not keys and (len(line) > bounds.size or bounds.alone):
                    rest.append(candidate.question.body)
                    continue
                stream.put_back(candidate)
                break
            if not budget.reserve(candidate.worst):
                stream.put_back(candidate)
                poor = True
                break
            lines.write(line)
            kept.append(candidate.question.body)
            keys.append(candidate.question.key)
            size, tokens, worst = size + len(line), tokens + candidate.tokens, worst + candidate.worst
            if len(few) == len(keys) - 1 and bounds.share(len(keys), size, tokens) < LEAST:
                few.append(candidate)
        kept.close(sync=True)
    if poor and len(few) == len(keys) and worst < LEAST * (budget.limit or 0):
        budget.settle(worst, Decimal(0))
        for candidate in reversed(few):
            stream.put_back(candidate)
        keys.clear()
    if not keys:
        kept.remove()
        upload.unlink()
        return None, poor
    return Draft(tag, tuple(keys), tokens, worst, upload, kept.path), poor
