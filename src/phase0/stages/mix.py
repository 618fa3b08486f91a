"""The last word on a mix: who answered the rows that are left, and no more rows of each than were asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from phase0.dataset import BadRow, Manifest, manifest_of, meta_folder, raw_rows
from phase0.errors import DataError
from phase0.progress import SILENT, Progress
from phase0.stages.allocation import Seat
from phase0.stages.output import names, stage_output
from phase0.stages.parts import finished

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class _Place(msgspec.Struct, frozen=True):
    """Where a dropped row stood."""

    file: str
    line: int


class _Judged(msgspec.Struct, frozen=True):
    quality_score: float | None = None
    id: str = ""


_place = msgspec.json.Decoder(_Place).decode
_judged = msgspec.json.Decoder(_Judged).decode


def seats_of_rows(deduped: Path, scored: Sequence[Path], seats: Sequence[Seat]) -> npt.NDArray[np.int16]:
    """For every row of a file that was de-duplicated (and decontaminated) the seat that it was asked for.

    The manifests tell it: rows leave every stage in the order in which they came, those of `scored` teacher by teacher,
    and what de-duplication dropped is known by file and line.
    """
    import numpy as np

    before, by_file = _before(deduped, scored, seats)
    firsts = np.cumsum([0, *map(len, by_file)])[:-1].tolist()
    starts = dict(zip(names(before, deduped.parent), firsts, strict=True))
    seat = np.concatenate(by_file)
    stays = np.ones(len(seat), np.bool_)
    for item in raw_rows(meta_folder(deduped) / "dropped.jsonl"):
        if not isinstance(item, BadRow):
            lost = _place(item[1])
            stays[starts[lost.file] + lost.line - 1] = False
    kept = finished(deduped).counts.kept
    if int(stays.sum()) != kept:
        raise DataError(f"{deduped} holds {kept} rows, but {int(stays.sum())} of those before it were not dropped")
    return seat[stays]


def _before(
    rows: Path, scored: Sequence[Path], seats: Sequence[Seat]
) -> tuple[Sequence[Path], list[npt.NDArray[np.int16]]]:
    """The files from which rows were made, each with the seats of its rows."""
    made = finished(rows)
    if made.stage != "decontaminate":
        return scored, [_seats_of_scored(path, seats) for path in scored]
    deduped = (rows.parent / made.inputs[0].path).resolve()
    return [deduped], [seats_of_rows(deduped, scored, seats)]


def _seats_of_scored(path: Path, seats: Sequence[Seat]) -> npt.NDArray[np.int16]:
    import numpy as np

    manifest = finished(path)
    if len(seats) == 1:
        return np.zeros(manifest.counts.kept, np.int16)
    by_teacher = {seat.teachers[0]: number for number, seat in enumerate(seats)}
    found = []
    for source in manifest.inputs:
        made = manifest_of((path.parent / source.path).resolve())
        if made is None or made.settings.get("teacher") not in by_teacher:
            raise DataError(f"{path} was made from {source.path}, and no manifest tells who answered that")
        found.append(np.full(source.kept, by_teacher[made.settings["teacher"]], np.int16))
    return np.concatenate(found)


def by_seat(rows: npt.NDArray[np.int16], seats: Sequence[Seat]) -> list[int]:
    """How many rows each seat has."""
    import numpy as np

    counts: list[int] = np.bincount(rows, minlength=len(seats)).tolist()
    return counts


def mix_settings(wanted: Mapping[str, int], asked: Sequence[Sequence[int]], reserve: int) -> dict[str, Any]:
    """What a manifest says of a mix: rows wanted of each seat, rows asked for by round, prompts that nobody asked."""
    return {"wanted": dict(wanted), "asked": [list(rows) for rows in asked], "reserve": reserve}


def settle(
    deduped: Path,
    output: Path,
    *,
    scored: Sequence[Path],
    seats: Sequence[Seat],
    settings: dict[str, Any],
    progress: Progress = SILENT,
) -> Manifest:
    """Keep of every seat as many rows as are wanted, the best by `quality_score`, then by id.

    The figures tell of each seat how many rows were `asked`, `finished` and `kept`, and how many it is `short`.
    """
    wanted: dict[str, int] = settings["wanted"]
    owner = seats_of_rows(deduped, scored, seats)
    with stage_output("mix", output, [deduped], settings) as out:
        out.looks_at([path for path in scored if path != deduped])
        progress.start("settle the mix", len(owner))
        surplus = _surplus(deduped, owner.tolist(), [wanted[seat.name] for seat in seats])
        for at, item in enumerate(raw_rows(deduped)):
            out.sums[0].read += 1
            seat = seats[owner[at]]
            if isinstance(item, BadRow):
                out.drop_bad(item)
            elif at in surplus:
                evidence = {"share": seat.name, "wanted": wanted[seat.name], "quality_score": surplus[at]}
                out.drop(item[1], line=item[0], reason="over_share", evidence=evidence)
            else:
                out.keep(item[1])
            progress.advance(1)
        out.figures = {"shares": _told(seats, by_seat(owner, seats), settings)}
        progress.finish()
    return finished(output)


def _surplus(deduped: Path, owner: Sequence[int], wanted: Sequence[int]) -> dict[int, float | None]:
    """The rows that are more than wanted, by number, with their scores."""
    over = {seat for seat, most in enumerate(wanted) if owner.count(seat) > most}
    found: dict[int, list[tuple[float, str, int]]] = {seat: [] for seat in over}
    for at, item in enumerate(raw_rows(deduped) if over else ()):
        if owner[at] in over and not isinstance(item, BadRow):
            row = _judged(item[1])
            found[owner[at]].append((-(row.quality_score or 0), row.id, at))
    return {at: -score or None for seat in over for score, _, at in sorted(found[seat])[wanted[seat] :]}


def _told(seats: Sequence[Seat], got: Sequence[int], settings: dict[str, Any]) -> list[dict[str, Any]]:
    """The figures of each seat, in the order of the plan."""
    return [
        {
            "name": seat.name,
            "percent": str(seat.percent),
            "wanted": (want := settings["wanted"][seat.name]),
            "asked": sum(rows[number] for rows in settings["asked"]),
            "finished": got[number],
            "kept": min(got[number], want),
            "short": max(0, want - got[number]),
        }
        for number, seat in enumerate(seats)
    ]
