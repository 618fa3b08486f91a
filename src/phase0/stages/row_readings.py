"""What a line is to the stages that compare rows: which text of it, and what it ranks by. `dedup` and `prompts` differ
in this alone, wherever they run."""

from __future__ import annotations

from typing import ClassVar, TypeAlias

import msgspec
import xxhash

from phase0.dataset.reading import not_json, record_from
from phase0.dataset.rows import NOT_JSON
from phase0.dedup import Keep, On
from phase0.dedup.decide import Rank
from phase0.errors import RowError
from phase0.records import Record, digest
from phase0.stages.dedup_files import FileRank, FirstRank
from phase0.stages.placed_rows import PlacedRows
from phase0.stages.row_lines import RowTexts

_LEFT_OUT = 24  # of the 64 bits of a hash: those that remain are exact in a float

_decode = msgspec.json.Decoder(RowTexts).decode


class AsRow(msgspec.Struct, frozen=True, tag=True):
    """A row of any fields: of its instruction and its response what `on` says, ranked as `keep` says."""

    on: On = "both"
    keep: Keep = "best"
    reads_all: ClassVar[bool] = False

    def read(self, raw: bytes) -> RowTexts:
        """See `row_lines.Reading`."""
        try:
            row = _decode(raw)
            raw.decode()  # nobody has looked into fields that are not known
        except msgspec.ValidationError as error:
            raise RowError("bad_row", str(error)) from None
        except NOT_JSON as error:
            raise not_json(raw, error) from None
        return row

    def rank(self, files: PlacedRows) -> Rank:
        """Which of two rows is to be kept."""
        return FirstRank(files) if self.keep == "first" else FileRank(files, length_first=self.keep == "longest")


class AsPrompt(msgspec.Struct, frozen=True, tag=True):
    """A record, of which its prompt is compared. Of two the one whose own answer is longer is better, then one that the
    hash of their ids decides, then the first."""

    on: ClassVar[On] = "instruction"
    reads_all: ClassVar[bool] = True

    def read(self, raw: bytes) -> RowTexts:
        """See `row_lines.Reading`."""
        record = record_from(raw, dataset="", row="")  # an origin that is made up here is not written anywhere
        drawn = xxhash.xxh3_64_intdigest(record.id.encode()) >> _LEFT_OUT
        return RowTexts(prompt_of(record), record.response, quality_score=drawn, id=record.id)

    def rank(self, files: PlacedRows) -> Rank:
        """Which of two rows is to be kept."""
        return FileRank(files, length_first=True, lines_tell=False)


Compared: TypeAlias = AsRow | AsPrompt


def prompt_of(record: Record) -> str:
    """What is compared of a row: its instruction, or one word that stands for all that comes before it and itself."""
    if not record.history and record.system is None:
        return record.instruction
    return digest((record.system, record.history, record.instruction))
