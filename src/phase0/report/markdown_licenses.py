"""The license ledger as tables of a Markdown page: who is under what, what that asks for, and what nobody knows."""

from __future__ import annotations

from collections.abc import Sequence

from phase0.licenses import LicensedRows, LicenseLedger, TermsInUse
from phase0.report.escape import code, prose
from phase0.report.tables import NONE, Lines, table

MOST = 30  # origins shown; the numbers hold all
ALLOWED = {True: "yes", False: "**no**", None: "**unknown**"}


def licenses_page(ledger: LicenseLedger) -> Lines:
    """Origins, the terms that they are under, and what is to be done because of them."""
    if not ledger.origins:
        return []
    summary = (
        f"Commercial use: {ledger.commercial_rows:,} rows allow it, {ledger.non_commercial_rows:,} forbid it, "
        f"of {ledger.unknown_rows:,} it is **not known**. {ledger.disclaimer} Terms as of {ledger.as_of}."
    )
    return [
        summary,
        "",
        *_origins(ledger.origins),
        *_terms(ledger.terms),
        *duties(ledger.terms),
        *_open(ledger.origins),
    ]


def _origins(origins: Sequence[LicensedRows]) -> Lines:
    rows = [
        (
            code(one.dataset) if one.dataset else "unknown",
            code(one.license) if one.license else "unknown",
            code(one.writer) if one.writer else NONE,
            ", ".join(map(code, one.judges)) or NONE,
            f"{one.rows:,}",
            ALLOWED[one.commercial],
        )
        for one in origins[:MOST]
    ]
    lines = table("dataset | licence of its rows | answered by | judged by | >rows | commercial use", rows)
    if rest := origins[MOST:]:
        lines += [f"And {len(rest):,} more with {sum(one.rows for one in rest):,} rows.", ""]
    return lines


def _terms(terms: Sequence[TermsInUse]) -> Lines:
    rows = [
        (
            f"[{prose(one.title)}]({one.url})" if one.url else prose(one.title),
            "provider" if one.provider else "licence",
            f"{one.rows:,}",
            ALLOWED[one.commercial],
            "yes" if one.share_alike else NONE,
            "yes" if one.attribution else NONE,
        )
        for one in terms
    ]
    return table("terms | kind | >rows | commercial use | share alike | name the source", rows) if rows else []


def duties(terms: Sequence[TermsInUse]) -> Lines:
    """What must be said and what is forbidden, a line each."""
    lines = [f"- Say: {prose(one.naming)} ({prose(one.title)})." for one in terms if one.naming]
    lines += [f"- {prose(one.title)}: {prose(one.restriction)}." for one in terms if one.restriction]
    alike = [prose(one.title) for one in terms if one.share_alike]
    lines += [f"- What is made of rows under {', '.join(alike)} keeps that licence."] if alike else []
    return [*lines, ""] if lines else []


def _open(origins: Sequence[LicensedRows]) -> Lines:
    """What is not known, and what the catalogue notes, each once."""
    unknown = dict.fromkeys(f"{one.dataset or 'rows'}: {reason}" for one in origins for reason in one.unknown)
    notes = dict.fromkeys(note for one in origins for note in one.notes)
    lines = [f"- Not known: {prose(text)}." for text in list(unknown)[:MOST]]
    lines += [f"- And {len(unknown) - MOST:,} more that are not known."] if len(unknown) > MOST else []
    lines += [f"- Note on {prose(note)}." for note in notes]
    return [*lines, ""] if lines else []
