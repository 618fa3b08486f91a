"""What the manifests behind a file tell: the stages that made it, what they cost, what de-duplication did.

A manifest speaks for a file only while every link between them holds: the bytes that one stage wrote are the bytes that
the next one read. Where a link is broken, what lies behind it is left out and the break is named.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import NamedTuple

from phase0.dataset import InputFile, Made, Manifest, lineage
from phase0.dataset.manifest import holds
from phase0.errors import DataError
from phase0.stages.verification import Cost, DedupImpact, StageCost

_FREE = {"download", "combine", "prompts", "choose", "dedup", "decontaminate", "mix", "publish"}
_UPSTREAM = "download"  # the stage whose inputs nobody here made


class Chain(NamedTuple):
    """The steps that certainly led to some files, upstream first, and why there may have been others."""

    made: tuple[Made, ...]
    gaps: tuple[str, ...]

    def maker(self, of: Made, source: InputFile) -> Made | None:
        """The step that wrote what `of` read, where it is known."""
        return _maker({made.path: made for made in self.made}, read_from(of, source))


def read_from(made: Made, source: InputFile) -> Path:
    """Where a step read an input."""
    return (made.path.parent / source.path).resolve()


def _maker(known: Mapping[Path, Made], path: Path) -> Made | None:
    """The step that wrote a file, or the folder of shards that it is in."""
    made = known.get(path) or known.get(path.parent)
    return made if made and made.told_of(path) else None


def chain(paths: Iterable[Path]) -> Chain:
    """Follow manifests backwards from finished files."""
    known: dict[Path, Made] = {}
    trusted: set[Path] = set()
    gaps: list[str] = []
    for path in paths:
        try:
            steps = lineage(path)
        except DataError as error:
            gaps.append(str(error))
            continue
        known.update({made.path: made for made in steps if made.path not in known})
        made = _maker(known, path.resolve())
        gap = _unlike_its_manifest(path, made)
        if gap:
            gaps.append(gap)
        elif made is not None:
            trusted.add(made.path)
    for made in reversed(known.values()):  # downstream first
        if made.path in trusted:
            for source in made.manifest.inputs:
                upstream = _maker(known, read_from(made, source))
                gap = _broken(made, source, upstream)
                if gap:
                    gaps.append(gap)
                elif upstream is not None:
                    trusted.add(upstream.path)
    return Chain(tuple(made for made in known.values() if made.path in trusted), tuple(gaps))


def _unlike_its_manifest(path: Path, made: Made | None) -> str | None:
    if made is None:
        return f"{path.name} has no manifest: how it was made and what it cost is not known"
    told = made.told_of(path.resolve())
    if told is None or not holds(path, told):
        return f"{path.name} was changed after its manifest was written: how it was made and what it cost is not known"
    return None


def _broken(made: Made, source: InputFile, upstream: Made | None) -> str | None:
    name = made.path.name
    if upstream is None:
        if made.manifest.stage == _UPSTREAM:
            return None
        return f"{source.path}, from which {name} was made, has no manifest: what came before is not known"
    told = upstream.told_of(read_from(made, source))
    if told is None or told.digest != source.digest:
        return f"{source.path} is no longer what {name} was made from: what came before is not known"
    return None


def cost(known: Chain) -> Cost:
    """The sum of what the stages cost."""
    stages = tuple(
        StageCost(stage=manifest.stage, who=who(manifest), output=path.name, usd=_usd(manifest))
        for path, manifest in known.made
    )
    spent = sum((Decimal(stage.usd) for stage in stages if stage.usd is not None), Decimal(0))
    whole = not known.gaps and all(stage.usd is not None for stage in stages)
    return Cost(usd=str(spent) if whole else None, known_usd=str(spent), stages=stages)


def rehearsed(known: Chain) -> bool:
    """Whether a simulator stood in for the teachers."""
    return any(made.manifest.settings.get("rehearsal") is True for made in known.made)


def who(manifest: Manifest) -> str | None:
    """The teacher, the judge or the panel of a stage, for stages that have one."""
    panel = manifest.settings.get("judges") if manifest.stage == "score" else None
    if isinstance(panel, list):
        return ", ".join(map(str, panel))
    name = manifest.settings.get({"distill": "teacher", "score": "model"}.get(manifest.stage, ""))
    return name if isinstance(name, str) else None


def _usd(manifest: Manifest) -> str | None:
    if manifest.cost_usd is not None:
        try:
            return str(manifest.cost_usd) if Decimal(manifest.cost_usd).is_finite() else None
        except InvalidOperation:
            return None
    buys_nothing = manifest.stage in _FREE or (manifest.stage, who(manifest)) in {
        ("distill", "original"),
        ("score", "local"),
    }
    return "0" if buys_nothing else None


def dedup_impacts(made: Sequence[Made]) -> tuple[DedupImpact, ...]:
    """What each de-duplication removed."""
    return tuple(_impact(path, manifest) for path, manifest in made if manifest.stage in {"prompts", "dedup"})


def _impact(path: Path, manifest: Manifest) -> DedupImpact:
    removed = manifest.counts.reasons.get("near_duplicate", 0)
    threshold = manifest.settings.get("threshold")
    method = manifest.figures.get("method")
    return DedupImpact(
        output=path.name,
        before=manifest.counts.kept + removed,
        removed=removed,
        after=manifest.counts.kept,
        threshold=None if threshold is None else str(threshold),
        method=method if isinstance(method, str) else None,
    )
