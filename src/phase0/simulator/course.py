"""The course of a batch: which state it is in at which time, decided when it is made and changed only by cancelling.

Nothing runs in the background: whoever asks is told what the clock says.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from phase0.simulator.settings import BatchLife

Status = Literal["validating", "failed", "in_progress", "finalizing", "completed", "expired", "cancelling", "cancelled"]
ENDS: frozenset[Status] = frozenset({"failed", "completed", "expired", "cancelled"})


class Step(NamedTuple):
    """From this time on (the provider's seconds) the batch is in this state."""

    at: float
    status: Status


class Course(NamedTuple):
    """The steps in order, the last of them an end, and the share of the lines that are answered by then."""

    steps: tuple[Step, ...]
    done: float

    @property
    def end(self) -> Step:
        return self.steps[-1]

    def step(self, now: float) -> Step:
        return [step for step in self.steps if step.at <= now][-1]

    def when(self, status: Status, now: float) -> float | None:
        """When it came into a state; None where it has not."""
        return next((step.at for step in self.steps if step.status == status and step.at <= now), None)

    def progress(self, now: float) -> float:
        """The share of the lines that are answered now."""
        start = self.when("in_progress", now)
        if start is None:
            return 0.0
        until = next((step.at for step in self.steps if step.at > start), start)
        return self.done if now >= until else self.done * (now - start) / (until - start)


def planned(life: BatchLife, made: float, *, refused: bool, fate: str | None) -> Course:
    """The course of a batch made at a time. `refused`: its file does not pass validation."""
    begin = made + life.validating
    first = Step(made, "validating")
    if refused or fate == "batch_failed":
        return Course((first, Step(begin, "failed")), 0.0)
    running = Step(begin, "in_progress")
    deadline = made + life.window
    if fate == "batch_expired":
        return Course((first, running, Step(deadline, "expired")), 0.5)
    if fate == "batch_cancelled":
        stop = begin + life.running / 2
        return Course((first, running, Step(stop, "cancelling"), Step(stop + life.cancelling, "cancelled")), 0.5)
    if begin + life.running > deadline:
        return Course((first, running, Step(deadline, "expired")), max(0.0, (deadline - begin) / life.running))
    closing = begin + life.running
    return Course((first, running, Step(closing, "finalizing"), Step(closing + life.finalizing, "completed")), 1.0)


def cancelled(course: Course, life: BatchLife, now: float) -> Course:
    """The course after somebody cancels. One that has ended, or is about to, stays as it is."""
    if course.step(now).status in {*ENDS, "finalizing", "cancelling"}:
        return course
    gone = tuple(step for step in course.steps if step.at <= now)
    stop = (Step(now, "cancelling"), Step(now + life.cancelling, "cancelled"))
    return Course((*gone, *stop), course.progress(now))
