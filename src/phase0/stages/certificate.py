"""What a decontamination checked and what it found, as frozen values: in its manifest, and as a file for people."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from phase0.dataset import Made

CERTIFICATE = "contamination.json"


class SetChecked(msgspec.Struct, frozen=True, kw_only=True):
    """One evaluation set, and how much of it was found. `items` = those looked for + unread + too_short."""

    name: str
    digest: str
    items: int
    unread: int  # items without a question
    too_short: int  # items whose question says too little to be looked for
    found: int  # items of which a row held the question
    rows: int  # that held one


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """Which sets rows were checked against, how, and what was found. A row with questions of several sets counts once
    in `contaminated`, and once in each of the sets."""

    ngram: int
    share: str
    variants: str
    common: int
    on: str
    normalisation: str
    rows: int  # checked
    contaminated: int
    by_rule: dict[str, int]
    sets: tuple[SetChecked, ...]


class Contamination(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate on the way to some files, and the file it was written for."""

    output: str
    certificate: Certificate


def certificates(made: Iterable[Made]) -> tuple[Contamination, ...]:
    """The certificates that manifests hold. One that this version cannot read certifies nothing."""
    found = []
    for path, manifest in made:
        if manifest.stage == "decontaminate":
            try:
                told = msgspec.convert(manifest.figures, Certificate)
            except msgspec.ValidationError:
                continue
            found.append(Contamination(output=f"{path.parent.name}/{path.name}", certificate=told))
    return tuple(found)
