"""write_report: every number comes from a manifest or a verification, the sums close, and gaps are named."""

from __future__ import annotations

import json
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from markdown_it import MarkdownIt

from phase0.dataset import Manifest, manifest_of, meta_folder, write_json
from phase0.errors import DataError, UsageError
from phase0.records import Meta, Origin, encode, make
from phase0.report import write_report
from phase0.report.charts import charts
from phase0.report.drawing import drawn
from phase0.report.markdown import markdown
from phase0.report.numbers import Numbers, RejectedFile
from phase0.stages.deduplicate import deduplicate
from phase0.stages.output import stage_output
from phase0.stages.publish import publish
from phase0.stages.verification import Cost, Example, StageCost
from phase0.stages.verify import verify

NASTY = "a|b`c`\n<img src=x onerror=alert(1)>\x1b[31m"


def full(number: int, source: str = "teacher-a") -> bytes:
    text = " ".join(f"word{number}x{at}" for at in range(12))
    return encode(
        make(
            instruction=f"Say {text}",
            response=f"Well, {text}",
            source=source,
            quality_score=8.0,
            meta=Meta(origin=Origin(dataset="d", revision=None, row=f"d:{number}"), category="code"),
        )
    )


def step(path: Path, stage: str, inputs: list[Path], rows: list[bytes], lost: int = 0, **more: object) -> Path:
    """A file as a stage leaves it: `rows` kept, `lost` rows dropped; further fields of the manifest in `more`."""
    settings = more.pop("settings", {})
    assert isinstance(settings, dict)
    path.parent.mkdir(parents=True, exist_ok=True)
    with stage_output(stage, path, inputs, settings) as out:
        for row in rows:
            out.keep(row)
        for line in range(lost):
            out.drop(b"{}", line=line, reason="low_score", evidence={})
        out.sums[0].read = len(rows) + lost
        read = more.pop("read", None)
        if isinstance(read, int):
            out.sums[0].read = read
    change(path, **more)
    return path


def change(path: Path, **fields: object) -> None:
    manifest = manifest_of(path)
    assert manifest is not None
    write_json(meta_folder(path) / "manifest.json", msgspec.structs.replace(manifest, **fields))


def a_run(root: Path, name: str = "alpaca") -> Path:
    """A run of ten upstream rows: one broken, two in no teacher's share, one of low score, one duplicate."""
    root.mkdir(exist_ok=True)
    rows = [full(n) for n in range(8)] + [full(7, "teacher-b")]
    upstream = root.parent / f"{name}.json"
    upstream.write_bytes(b"[]")
    raw = step(root / "raw" / f"{name}.jsonl", "download", [upstream], rows, 1)
    manifest = manifest_of(raw)
    assert manifest is not None
    change(raw, inputs=tuple(msgspec.structs.replace(item, note="alpaca") for item in manifest.inputs))
    both = step(root / "raw/combined.jsonl", "combine", [raw], rows)
    answered = step(
        root / "distilled/original.jsonl",
        "distill",
        [both],
        rows[2:],
        read=9,
        settings={"teacher": "original"},
        figures={"teacher": "original", "share": "80"},
    )
    scored = step(
        root / "scored/all_scored.jsonl",
        "score",
        [answered],
        rows[3:],
        1,
        settings={"model": "local", "threshold": 7.0},
        figures={"scored": 7, "mean": 7.9, "histogram": {"6.5": 1, "8.0": 5, "10.0": 1}},
    )
    deduplicate([scored], root / "deduped/deduped.jsonl")
    publish([root / "deduped/deduped.jsonl"], root / "dataset.jsonl")
    return root


def verified(root: Path) -> None:
    wanted = {"general": 50.0, "code": 50.0}
    write_json(root / "verification.json", verify([root / "dataset.jsonl"], min_teachers=3, categories=wanted))


def page_of(target: Path) -> Path:
    """The page for places without HTML, just written."""
    return write_report(target).with_suffix(".md")


def numbers_of(folder: Path) -> Numbers:
    return msgspec.json.decode((folder / "report.json").read_bytes(), type=Numbers)


def headings(page: str) -> list[str]:
    return [line.removeprefix("## ") for line in page.splitlines() if line.startswith("## ")]


def test_a_run_is_told_from_upstream_files_to_criteria(tmp_path: Path) -> None:
    root = a_run(tmp_path / "run")
    verified(root)
    page = page_of(root)
    assert page == root / "report.md"
    assert headings(page.read_text(encoding="utf-8")) == [
        "What went in, what came out",
        "Dropped, by reason",
        "Upstream files",
        "Who answered",
        "Sources",
        "Quality",
        "Categories",
        "De-duplication",
        "Licences and terms",
        "Length",
        "Cost",
        "Time",
        "Rows to look at",
        "Criteria",
        "Settings and versions",
    ]
    assert "**Not met: teachers.**" in page.read_text(encoding="utf-8")


def test_the_sums_of_a_run_close_over_all_stages(tmp_path: Path) -> None:
    write_report(a_run(tmp_path / "run"))
    sums = numbers_of(tmp_path / "run").balance
    assert (sums.entered, sums.published, sums.dropped, sums.not_taken) == (10, 5, 3, 2)
    assert sums.closes
    told = "**The sums close**: 10 in = 5 kept to the end + 3 dropped with a reason + 2 in no teacher's share."
    assert told in (tmp_path / "run/report.md").read_text(encoding="utf-8")


def test_sums_that_do_not_close_are_told_with_the_file_and_the_figures(tmp_path: Path) -> None:
    root = a_run(tmp_path / "run")
    manifest = manifest_of(root / "scored/all_scored.jsonl")
    assert manifest is not None
    (source,) = manifest.inputs
    change(root / "scored/all_scored.jsonl", inputs=(msgspec.structs.replace(source, read=6, rows_in=6),))
    text = page_of(root).read_text(encoding="utf-8")
    assert "**The sums do not close**" in text
    assert numbers_of(root).balance.faults[0] == "all_scored.jsonl read 6 rows of original.jsonl, which holds 7"


def test_each_stage_has_its_own_line(tmp_path: Path) -> None:
    write_report(a_run(tmp_path / "run"))
    stages = numbers_of(tmp_path / "run").stages
    assert [(item.stage, item.output, item.read, item.rows_in, item.kept, item.dropped) for item in stages] == [
        ("download", "raw/alpaca.jsonl", 10, 10, 9, 1),
        ("combine", "raw/combined.jsonl", 9, 9, 9, 0),
        ("distill", "distilled/original.jsonl", 9, 7, 7, 0),
        ("score", "scored/all_scored.jsonl", 7, 7, 6, 1),
        ("dedup", "deduped/deduped.jsonl", 6, 6, 5, 1),
        ("publish", "dataset.jsonl", 5, 5, 5, 0),
    ]
    assert stages[4].reasons == {"near_duplicate": 1}


def test_upstream_files_carry_the_layout_they_were_read_as(tmp_path: Path) -> None:
    write_report(a_run(tmp_path / "run"))
    (file,) = numbers_of(tmp_path / "run").upstream
    assert (file.dataset, file.path, file.layout, file.read) == ("alpaca", "../alpaca.json", "alpaca", 10)


def test_the_long_way_to_an_upstream_file_is_cut_on_the_page_and_kept_in_the_numbers(tmp_path: Path) -> None:
    far = tmp_path / "downloads" / "alpaca.json"
    far.parent.mkdir()
    far.write_bytes(b"[]")
    root = tmp_path / "runs" / "first"
    step(root / "dataset.jsonl", "download", [far], [full(1)])
    assert "`…/downloads/alpaca.json`" in page_of(root).read_text(encoding="utf-8")
    assert numbers_of(root).upstream[0].path == "../../downloads/alpaca.json"


def test_a_file_rejected_twice_is_named_once_with_its_reason(tmp_path: Path) -> None:
    from phase0.dataset import Rejected

    root = a_run(tmp_path / "run")
    rejected = (Rejected(path="page.jsonl", reason="page.jsonl: is a web page, not data"),)
    change(root / "raw/alpaca.jsonl", rejected=rejected)
    change(root / "raw/combined.jsonl", rejected=rejected)
    text = page_of(root).read_text(encoding="utf-8")
    assert text.count("is a web page, not data") == 1
    assert len(numbers_of(root).rejected) == 1


def test_the_wanted_share_of_a_teacher_stands_beside_what_it_took(tmp_path: Path) -> None:
    write_report(a_run(tmp_path / "run"))
    (part,) = numbers_of(tmp_path / "run").mix
    assert (part.teacher, part.wanted_percent, part.rows, part.taken, part.answered) == ("original", 80.0, 9, 7, 7)


def test_scores_of_dropped_rows_are_in_the_histogram_and_ten_is_in_its_last_bin(tmp_path: Path) -> None:
    text = page_of(a_run(tmp_path / "run")).read_text(encoding="utf-8")
    assert "Scores given by `local` to 7 rows before any was dropped; their mean is 7.90; rows above 7" in text
    assert "| 6–7 | 1 | 14.3% |" in text
    assert "| 9–10 | 1 | 14.3% |" in text


def test_a_histogram_from_elsewhere_that_is_no_histogram_is_left_out(tmp_path: Path) -> None:
    root = a_run(tmp_path / "run")
    change(root / "scored/all_scored.jsonl", figures={"histogram": ["x"], "mean": "high"})
    write_report(root)
    assert numbers_of(root).scores[0].histogram == {}


def test_without_a_verification_the_report_says_so_and_describes_no_rows(tmp_path: Path) -> None:
    text = page_of(a_run(tmp_path / "run")).read_text(encoding="utf-8")
    assert "Not verified." in text
    assert "the dataset was not verified" in text
    assert not {"Criteria", "Categories", "Length", "Sources"} & set(headings(text))


def test_a_verification_of_other_bytes_is_not_taken_for_this_dataset(tmp_path: Path) -> None:
    root = a_run(tmp_path / "run")
    verified(root)
    publish([root / "scored/all_scored.jsonl"], root / "dataset.jsonl")
    text = page_of(root).read_text(encoding="utf-8")
    assert "is about other bytes" in text
    assert numbers_of(root).verification is None


def test_a_verification_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    root = a_run(tmp_path / "run")
    (root / "verification.json").write_text('{"passed": true}')
    assert "cannot be read" in page_of(root).read_text(encoding="utf-8")


def test_a_chain_without_its_middle_manifest_is_told_as_far_as_it_is_known(tmp_path: Path) -> None:
    root = a_run(tmp_path / "run")
    (root / "scored/all_scored.meta/manifest.json").unlink()
    text = page_of(root).read_text(encoding="utf-8")
    found = numbers_of(root)
    assert [item.stage for item in found.stages] == ["dedup", "publish"]
    assert (found.balance.entered, found.balance.closes) == (6, True)
    assert "has no manifest" in "".join(found.notes)
    assert "In all: **not known, at least $0.00**" in text


def test_the_report_of_a_file_goes_beside_its_manifest(tmp_path: Path) -> None:
    root = a_run(tmp_path / "run")
    page = write_report(root / "dataset.jsonl")
    assert page == root / "dataset.meta" / "report.html"
    assert numbers_of(root / "dataset.meta").dataset == "dataset.jsonl"


def test_name_and_budget_of_a_run_come_from_its_plan(tmp_path: Path) -> None:
    root = a_run(tmp_path / "run")
    (root / "plan.json").write_text(json.dumps({"name": "my *run*", "description": "two\nlines", "budget_usd": "150"}))
    text = page_of(root).read_text(encoding="utf-8")
    assert text.startswith("# my \\*run\\*\n\ntwo lines\n")
    assert "The budget is $150.00." in text


def test_a_stage_that_comes_twice_is_drawn_twice(tmp_path: Path) -> None:
    root = a_run(tmp_path / "run")
    write_report(root)
    found = numbers_of(root)
    told = next(chart.alt for chart in charts(found) if chart.name == "flow")
    dedup = next(stage for stage in found.stages if stage.stage == "dedup")
    again = msgspec.structs.replace(found, stages=(*found.stages, dedup, dedup))
    twice = f"dedup (2) {2 * dedup.kept:,} and {2 * dedup.dropped:,}."
    assert next(chart.alt for chart in charts(again) if chart.name == "flow") == f"{told.removesuffix('.')}, {twice}"


def test_cost_is_drawn_against_the_budget(tmp_path: Path) -> None:
    root = a_run(tmp_path / "run")
    write_report(root)
    stages = tuple(
        StageCost(stage=stage, who=who, output="x.jsonl", usd=usd)
        for stage, who, usd in (("distill", "gpt-4o", "3"), ("score", "judge", "0.5"), ("dedup", None, "0"))
    )
    cost = Cost(usd="3.5", known_usd="3.5", stages=stages)
    spent = msgspec.structs.replace(numbers_of(root), cost=cost, budget_usd=Decimal(5))
    (chart,) = (chart for chart in charts(spent) if chart.name == "cost")
    assert chart.alt == "Dollars by stage, 3.50 of a budget of 5.00: distill gpt-4o 3.00, score judge 0.50."
    (picture,) = drawn([chart])
    for label in ("distill gpt-4o", "score judge", "all stages", "3.50"):
        assert f">{label}<" in picture.svg
    unlimited = msgspec.structs.replace(spent, budget_usd=None)
    assert [chart.alt for chart in charts(unlimited) if chart.name == "cost"] == [
        "Dollars by stage: distill gpt-4o 3.00, score judge 0.50."
    ]


def test_rows_to_look_at_are_in_markdown_too(tmp_path: Path) -> None:
    text = page_of(a_run(tmp_path / "run")).read_text(encoding="utf-8")
    samples = text.partition("## Rows to look at")[2].partition("\n## ")[0]
    for part in ("### Kept", "### Dropped", "`near_duplicate`", "`low_score`", "```text\nSay word"):
        assert part in samples


@pytest.mark.usefixtures("drawn_anew")
def test_the_same_run_is_told_in_the_same_bytes(tmp_path: Path) -> None:
    root = a_run(tmp_path / "run")
    first = page_of(root).read_bytes()
    assert page_of(root).read_bytes() == first


def test_a_file_that_phase0_did_not_make_has_nothing_to_report(tmp_path: Path) -> None:
    (tmp_path / "mine.jsonl").write_text("{}\n")
    with pytest.raises(DataError, match=r"mine\.jsonl has no manifest"):
        write_report(tmp_path / "mine.jsonl")


def test_a_run_that_is_not_finished_has_no_report(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no dataset\.jsonl in it"):
        write_report(tmp_path)
    with pytest.raises(UsageError, match="no such file"):
        write_report(tmp_path / "nowhere.jsonl")


def named(found: Numbers, name: str) -> Numbers:
    """The same report with `name` in every place where a name from outside can stand."""
    change, checked = msgspec.structs.replace, found.verification
    assert checked is not None
    return change(
        found,
        title=name,
        description=name,
        dataset=name,
        notes=(name,),
        balance=change(found.balance, closes=False, faults=(name,)),
        stages=tuple(
            change(item, stage=name, output=name, reasons={name: 1}, settings={"x": name}, versions={"v": name})
            for item in found.stages
        ),
        upstream=tuple(change(item, dataset=name, path=name, layout=name) for item in found.upstream),
        rejected=(RejectedFile(output=name, path=name, reason=name),),
        mix=tuple(change(item, teacher=name) for item in found.mix),
        scores=tuple(change(item, judge=name) for item in found.scores),
        dedup=tuple(change(item, output=name, threshold=name, method=name) for item in found.dedup),
        licenses=change(
            found.licenses,
            origins=tuple(
                change(item, dataset=name, license=name, writer=name, judges=(name,), unknown=(name,), notes=(name,))
                for item in found.licenses.origins
            ),
        ),
        cost=change(
            found.cost, stages=tuple(change(item, stage=name, who=name, output=name) for item in found.cost.stages)
        ),
        verification=change(
            checked,
            sources=tuple(change(item, source=name) for item in checked.sources),
            duplicates=change(checked.duplicates, examples=(Example(first=name, second=name, jaccard=1.0),)),
            criteria=tuple(change(item, name=name, wanted=name, got=name) for item in checked.criteria),
        ),
    )


def test_hostile_names_stay_where_names_stand(tmp_path: Path) -> None:
    root = a_run(tmp_path / "run")
    verified(root)
    write_report(root)
    found = numbers_of(root)
    assert shape(markdown(named(found, NASTY))) == shape(markdown(named(found, "harmless")))
    assert "\x1b" not in markdown(named(found, NASTY))


def shape(page: str) -> list[str]:
    """The kinds of blocks of a page in their order, and no markup that could run or load anything."""
    parser = MarkdownIt("commonmark", {"html": True}).enable("table")
    tokens = parser.parse(page)
    inline = {child.type for token in tokens for child in token.children or []}
    assert not inline & {"html_inline", "image", "link_open"}
    return [token.type for token in tokens]


def test_a_page_has_no_empty_tables_and_every_row_has_all_its_cells(tmp_path: Path) -> None:
    root = a_run(tmp_path / "run")
    verified(root)
    lines = page_of(root).read_text(encoding="utf-8").splitlines()
    for before, line in pairwise(lines):
        if before.startswith("|") and line.startswith("|"):
            assert before.count("|") == line.count("|")


def test_manifests_are_read_and_never_changed(tmp_path: Path) -> None:
    root = a_run(tmp_path / "run")
    before: list[Manifest | None] = [manifest_of(path) for path in sorted(root.rglob("*.jsonl"))]
    write_report(root)
    assert [manifest_of(path) for path in sorted(root.rglob("*.jsonl"))] == before
