"""The card of a dataset: the `README.md` that the hub shows, with its header. Pure: numbers in, text out.

It holds nothing that is not in the numbers, and no path of the machine that made them; text of data is escaped.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

from phase0.licenses import LicenseLedger
from phase0.report.escape import code, prose, visible
from phase0.report.markdown_licenses import licenses_page
from phase0.report.numbers import Numbers, StageNumbers
from phase0.report.tables import NONE, Lines, table
from phase0.report.text import MOST_SOURCES, REHEARSAL, amount, remaining_duplicates
from phase0.stages.certificate import Contamination
from phase0.stages.verification import Verification

MARK = "<!-- Written by phase0 card, and written again by the next one: without this line the page is yours. -->"
_LEAST = 0.05  # share of the sample from which a language stands in the header
_SIZES = (("n<1K", 10**3), ("1K<n<10K", 10**4), ("10K<n<100K", 10**5), ("100K<n<1M", 10**6), ("1M<n<10M", 10**7))
_FIELDS = (
    ("instruction", "what is asked"),
    ("response", "the answer"),
    ("source", "who wrote the answer: a model, or the dataset where its author is not known"),
    ("quality_score", "from 1 to 10, or null where the row was not scored"),
)
# Settings that make up a recipe. Others, such as names of files, are of the machine that it ran on.
_RECIPE = (
    *("dataset", "revision", "layout", "limit", "teacher", "model", "percent", "allocation", "judges", "samples"),
    *("threshold", "min_safety", "weights", "scorer", "shingle", "on", "method", "clusters", "keep"),
    *("ngram", "share", "variants", "common"),
)


def card(numbers: Numbers) -> str:
    """The whole page, header first."""
    checked = numbers.verification
    sections = [
        ("Fields", [f"- {code(name)}: {meaning}." for name, meaning in _FIELDS]),
        ("Numbers", _figures(numbers)),
        ("Who answered", _sources(checked)),
        ("How it was made", _recipe(numbers)),
        ("Sources, licences and terms", licenses_page(numbers.licenses)),
        ("Contamination", _contamination(numbers.contamination)),
        ("Known limits", [f"- {limit}" for limit in _limits(numbers)]),
    ]
    body = [line for heading, lines in sections if lines for line in (f"## {heading}", "", *_trimmed(lines), "")]
    return "\n".join([*_header(numbers), MARK, "", *_title(numbers), *body])


def _trimmed(lines: Sequence[str]) -> Sequence[str]:
    return lines if lines[-1] else lines[:-1]


def _header(numbers: Numbers) -> Lines:
    """The hub's metadata as YAML: every value is JSON, which is YAML too."""
    name = visible(PurePosixPath(numbers.dataset).name)
    synthetic = any(one.writer and one.writer != one.dataset for one in numbers.licenses.origins)
    told = [one.language for one in numbers.languages if one.language and one.share >= _LEAST]
    header: dict[str, Any] = {
        "pretty_name": visible(numbers.title),
        **hub_license(numbers.licenses),
        "language": told,
        "size_categories": [next((size for size, most in _SIZES if numbers.rows < most), "n>10M")],
        "task_categories": ["text-generation"],
        "tags": ["instruction-tuning", "sft", "phase0", *(["synthetic"] if synthetic else [])],
        "configs": [{"config_name": "default", "data_files": [{"split": "train", "path": name}]}],
    }
    lines = [f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in header.items() if value]
    return ["---", *lines, "---"]


def hub_license(ledger: LicenseLedger) -> dict[str, Any]:
    """What the hub is told of licences: the one that all rows are under, `other` with where to read on where there are
    several or a provider's terms restrict them too, and `unknown` as soon as any of it is."""
    if ledger.unknown_rows or not ledger.origins:
        return {"license": "unknown"}
    names = {one.hub for one in ledger.terms if not one.provider}
    only = next(iter(names)) if len(names) == 1 else None
    if only is not None and not any(one.provider and one.restriction for one in ledger.terms):
        return {"license": only}
    return {"license": "other", "license_name": "see-the-card", "license_link": "README.md"}


def _title(numbers: Numbers) -> Lines:
    lines = [f"# {prose(numbers.title)}", ""]
    lines += [f"**{REHEARSAL}**", ""] if numbers.rehearsal else []
    lines += [prose(numbers.description), ""] if numbers.description else []
    what = f"{numbers.rows:,} rows for instruction tuning, made from {numbers.balance.entered:,} examples"
    return [*lines, f"{what} by phase0. {_verdict(numbers.verification)}", ""]


def _verdict(checked: Verification | None) -> str:
    if checked is None:
        return "It was not verified."
    failed = [prose(item.name) for item in checked.criteria if item.failed]
    return f"**Criteria that it does not meet: {', '.join(failed)}.**" if failed else "All its criteria are met."


def _figures(numbers: Numbers) -> Lines:
    rows = [("rows", f"{numbers.rows:,}"), ("bytes", f"{numbers.bytes:,}")]
    checked = numbers.verification
    if checked is not None:
        quality, tokens = checked.quality, checked.tokens
        rows += [("average quality score", f"{quality.average:.2f}")] if quality.average is not None else []
        rows += [("rows without a score", f"{quality.unscored:,}")] if quality.unscored else []
        rows += [("near-duplicates that remain", prose(remaining_duplicates(checked.duplicates)))]
        for name, mean in (("instruction", tokens.instruction_average), ("response", tokens.response_average)):
            rows += [(f"average {name}, tokens ({prose(tokens.encoding)})", f"{mean:,.1f}")] if mean is not None else []
        rows += [(f"category {prose(one.category)}", f"{one.rows:,} ({one.share:.1%})") for one in checked.categories]
    sampled = sum(one.rows for one in numbers.languages)
    rows += [
        (f"language {one.language or 'not told'}, of {sampled:,} rows sampled", f"{one.share:.1%}")
        for one in numbers.languages
    ]
    spent = numbers.cost
    cost = amount(spent.usd) if spent.usd is not None else f"not known, at least {amount(spent.known_usd)}"
    return table("what | >how much", [*rows, ("cost of models", cost)])


def _sources(checked: Verification | None) -> Lines:
    if checked is None or not checked.sources:
        return []
    rows = [(code(one.source), f"{one.rows:,}", f"{one.share:.1%}") for one in checked.sources[:MOST_SOURCES]]
    rest = checked.sources[MOST_SOURCES:]
    rows += [(f"{len(rest):,} more", f"{sum(one.rows for one in rest):,}", "")] if rest else []
    return table("source | >rows | >share", rows)


def _recipe(numbers: Numbers) -> Lines:
    rows = [
        (
            prose(stage.stage),
            code(stage.who) if stage.who else NONE,
            f"{stage.rows_in:,}",
            f"{stage.kept:,}",
            f"{stage.dropped:,}",
            _settings(stage),
        )
        for stage in numbers.stages
    ]
    lines = table("stage | who | >in | >kept | >dropped | how", rows)
    lines += ["Every row that a stage does not keep is written down with its reason where the dataset was made.", ""]
    versions = sorted({f"{name} {version}" for stage in numbers.stages for name, version in stage.versions.items()})
    lines += [f"Made with {prose(', '.join(versions))}.", ""] if versions else []
    return [*lines, f"Digest of the recipe: {code(numbers.recipe)}; of the file: {code(numbers.digest)}."]


def _settings(stage: StageNumbers) -> str:
    told = {name: stage.settings[name] for name in _RECIPE if stage.settings.get(name) not in (None, (), [], {}, "")}
    return ", ".join(f"{name} {code(_plain(value))}" for name, value in told.items()) or NONE


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _contamination(checks: Sequence[Contamination]) -> Lines:
    """Each certificate: how rows were checked, which sets with their digests, and what was found."""
    lines: Lines = []
    for check in checks:
        told = check.certificate
        lines.append(
            f"{code(check.output)}: {told.rows:,} rows were checked against {len(told.sets)} evaluation sets "
            f"({told.ngram} words in a row, share {prose(told.share)}, {prose(told.on)}); {told.contaminated:,} held "
            "a question and were dropped."
        )
        lines.append("")
        rows = [
            (prose(one.name), code(one.digest), f"{one.items:,}", f"{one.found:,}", f"{one.rows:,}")
            for one in told.sets
        ]
        lines += table("set | digest | >items | >found | >rows dropped", rows)
    return lines


def _limits(numbers: Numbers) -> Lines:
    """What this dataset is known not to be, by how it was made."""
    limits = ["Near-duplicates are rows that share words; the same said in other words stays."]
    judges = [stage.who for stage in numbers.stages if stage.stage.startswith("score")]
    if "local" in judges:
        limits.append(
            "Scores are of an embedded scorer, which reads form: an answer that is fluent and wrong can pass."
        )
    models = sorted({who for who in judges if who and who != "local"})
    if models:
        limits.append(f"Scores are what models said ({', '.join(map(code, models))}), with their biases.")
    if not judges:
        limits.append("How rows were scored is not known.")
    if not numbers.contamination:
        limits.append("It was not checked for questions of evaluation sets.")
    else:
        limits.append("Evaluation questions that are translated, or said in other words altogether, are not found.")
    limits.append("Facts in answers were not checked, and nobody read all rows.")
    limits.append("Languages are told by a sample, and only those that have a script or common words of their own.")
    return [*limits, *(f"Not known: {prose(note)}." for note in numbers.notes)]
