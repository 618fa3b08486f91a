"""How long answers will be: learned from those that came, so that what is reserved is near to what is used.

Reserving the whole of max_tokens would keep most of a limit of tokens idle; the mean alone would overdraw it half of
the time.
"""

from __future__ import annotations

import math

_ENOUGH = 20  # answers; before that the worst case is reserved
_MEMORY = 1 / 500  # weight of one answer, once there are many: prompts come in runs of one kind


class Forecast:
    """The mean and the spread of the lengths of answers, in tokens."""

    def __init__(self) -> None:
        self._seen = 0
        self._mean = 0.0
        self._variance = 0.0

    def learn(self, tokens: int) -> None:
        self._seen += 1
        weight = max(1 / self._seen, _MEMORY)
        off = tokens - self._mean
        self._mean += weight * off
        self._variance = (1 - weight) * (self._variance + weight * off * off)

    def expect(self, largest: int, in_flight: int) -> int:
        """Tokens to reserve for one more answer beside those in flight. Their sum is off by its own deviation at most
        five times in six, and that is far smaller, for many, than the sum of theirs."""
        if self._seen < _ENOUGH:
            return largest
        return min(largest, int(self._mean + math.sqrt(self._variance / (in_flight + 1))) + 1)
