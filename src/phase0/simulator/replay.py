"""Real answers, read from files, found again by the model and the last message of its user."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from phase0.errors import DataError
from phase0.simulator.settings import Replayed

_SUFFIX = re.compile(r"(?:-\d{4}-\d{2}-\d{2}|-turbo|-fp8)$")  # a snapshot, or how one server runs it


class _Line(msgspec.Struct, frozen=True):
    instruction: str
    response: str
    model: str | None = None


class Replay:
    """The answers of a set of files."""

    def __init__(self, files: Sequence[Replayed]) -> None:
        self._answers: dict[tuple[str, str], str] = {}
        for file in files:
            for line in _lines(Path(file.path)):
                name = file.model or line.model or Path(file.path).name.split(".jsonl")[0]
                self._answers.setdefault((bare(name), line.instruction.strip()), line.response)
        self._bare: dict[str, str] = {}

    def find(self, model: str, question: str) -> str | None:
        """The answer that this model gave to this question, if a file has it."""
        if not self._answers:
            return None
        name = self._bare.get(model) or self._bare.setdefault(model, bare(model))
        return self._answers.get((name, question.strip()))

    def __len__(self) -> int:
        return len(self._answers)


def bare(model: str) -> str:
    """What all servers' names of a model share: `openai/gpt-4o-2024-05-13` is `gpt-4o`."""
    return _SUFFIX.sub("", model.rpartition("/")[2].lower()).removeprefix("meta-")


def _lines(path: Path) -> Iterator[_Line]:
    decoder = msgspec.json.Decoder(_Line)
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                yield decoder.decode(line)
            except msgspec.MsgspecError as error:
                raise DataError(f"{path}, line {number}: {error}. Each line needs instruction and response.") from None
