"""What `verify` finds, as frozen values that go to JSON and back. A number that could not be measured is None."""

from __future__ import annotations

from typing import Literal

import msgspec

from phase0.stages.certificate import Contamination

State = Literal["pass", "fail", "unknown"]
CategoryOrigin = Literal["rows", "full rows", "computed"]


class VerifiedFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file that was read. The digest tells whether a verification is still about the file of that name."""

    path: str
    rows: int
    bytes: int
    digest: str


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """A row that breaks a rule of the format. `reason` is a stable code, `detail` a sentence."""

    file: str
    line: int
    field: str | None
    reason: str
    detail: str


class Faults(msgspec.Struct, frozen=True, kw_only=True):
    """Rows that break a rule: all of them by reason, the first of them in full."""

    rows: int
    reasons: dict[str, int]
    first: tuple[Fault, ...]


class Bucket(msgspec.Struct, frozen=True, kw_only=True):
    """Rows with a score from `least` up to the next bucket. The share is of scored rows."""

    name: str
    least: float
    rows: int
    share: float


class Quality(msgspec.Struct, frozen=True, kw_only=True):
    """The scores of valid rows. `lowest` and `highest` are of all scores seen, those out of range too."""

    scored: int
    unscored: int
    lowest: float | None
    highest: float | None
    average: float | None
    buckets: tuple[Bucket, ...]


class Tokens(msgspec.Struct, frozen=True, kw_only=True):
    """Lengths of valid rows in tokens; the averages are per row."""

    encoding: str
    instruction_total: int
    response_total: int
    instruction_average: float | None
    response_average: float | None


class SourceShare(msgspec.Struct, frozen=True, kw_only=True):
    """How many valid rows one source wrote."""

    source: str
    rows: int
    share: float


class CategoryShare(msgspec.Struct, frozen=True, kw_only=True):
    """How many valid rows are of one category, and how many were wanted, as shares of 1."""

    category: str
    rows: int
    share: float
    wanted: float | None


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """Two rows that are near-duplicates of each other, each as `file:line`."""

    first: str
    second: str
    jaccard: float


class Duplicates(msgspec.Struct, frozen=True, kw_only=True):
    """Near-duplicates that are still there. `rows` are in at least one pair, `rate` is their share of `compared`."""

    threshold: str
    shingle: int
    compared: int  # every row with an instruction and a response, whatever else is wrong with it
    pairs: int
    rows: int
    rate: float | None
    wordless: int  # rows without a single word: compared with nothing
    examples: tuple[Example, ...]


class DedupImpact(msgspec.Struct, frozen=True, kw_only=True):
    """What one de-duplication did on the way to the verified files, as its manifest says."""

    output: str
    before: int
    removed: int
    after: int
    threshold: str | None
    method: str | None


class StageCost(msgspec.Struct, frozen=True, kw_only=True):
    """What one stage cost. `usd` is decimal; None where the manifest does not say."""

    stage: str
    who: str | None  # the teacher or the judge
    output: str
    usd: str | None


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """What was spent on the way. `usd` is None as soon as one part is not known; `known_usd` sums the others."""

    usd: str | None
    known_usd: str
    stages: tuple[StageCost, ...]


class Criterion(msgspec.Struct, frozen=True, kw_only=True):
    """One condition of success. `asked` tells those the caller set a limit for: they fail when they are unknown."""

    name: str
    wanted: str
    got: str
    state: State
    asked: bool

    @property
    def failed(self) -> bool:
        return self.state == "fail" or (self.asked and self.state == "unknown")


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that `verify` knows about a dataset. Sums: rows = valid + faults.rows."""

    passed: bool  # no criterion failed
    files: tuple[VerifiedFile, ...]
    rows: int
    valid: int
    faults: Faults
    quality: Quality
    tokens: Tokens
    sources: tuple[SourceShare, ...]  # most rows first
    categories: tuple[CategoryShare, ...]
    categories_from: dict[CategoryOrigin, int]  # rows by where their category was read
    duplicates: Duplicates
    contamination: tuple[Contamination, ...] = ()  # certificates, upstream first
    dedup: tuple[DedupImpact, ...]  # upstream first; empty where no manifest tells of any
    cost: Cost
    criteria: tuple[Criterion, ...]
    notes: tuple[str, ...] = ()  # why some of it could not be known
    rehearsal: bool = False  # a simulator stood in for the teachers: nothing was paid, and no answer is to be believed
