"""A dataset goes to the hub with its card, as one commit that names the run, and only where it may."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hubserver import HubServer

import phase0
from phase0.cli import status_of
from phase0.dataset import manifest_of, write_json
from phase0.errors import DataError, UnfitLicense, UsageError
from phase0.plan import plan_from
from phase0.stages.download import Hub

REPO = "owner/small"
pytestmark = [
    pytest.mark.usefixtures("own_client"),
    pytest.mark.filterwarnings("ignore:Use 'content=<...>' to upload raw bytes:DeprecationWarning"),
]
PLAN = {"name": "small", "download": {"datasets": ["sample"], "limit": 60}, "score": {"threshold": 5.0}}


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with HubServer() as server:
        yield server


@pytest.fixture
def a_run(tmp_path: Path) -> Path:
    phase0.run(plan_from(PLAN), tmp_path / "run")
    return tmp_path / "run"


def at(hub: HubServer) -> Hub:
    return Hub(endpoint=hub.url, token=hub.token)


def held(hub: HubServer) -> dict[str, bytes]:
    return hub.repos[REPO][hub.revisions[REPO]["main"]]


def test_the_rows_and_the_card_go_and_nothing_else(hub: HubServer, a_run: Path) -> None:
    (a_run / "README.md").unlink()
    phase0.push(a_run, REPO, hub=at(hub))
    assert held(hub) == {name: (a_run / name).read_bytes() for name in ("dataset.jsonl", "README.md")}


def test_the_commit_names_the_run_s_digests_and_the_same_run_is_not_committed_again(
    hub: HubServer, a_run: Path
) -> None:
    phase0.push(a_run, REPO, hub=at(hub))
    made = manifest_of(a_run / "dataset.jsonl")
    assert made is not None
    assert hub.messages == [f"{made.output.rows} rows, recipe {made.recipe[:12]}, file {made.output.digest[:12]}"]
    phase0.run(plan_from(PLAN), a_run)
    assert phase0.push(a_run, REPO, hub=at(hub)).commit is None
    assert len(hub.messages) == 1


def test_a_card_of_somebody_s_own_goes_as_it_is(hub: HubServer, a_run: Path) -> None:
    (a_run / "README.md").write_text("---\nlicense: mit\n---\nMine.\n")
    phase0.push(a_run, REPO, hub=at(hub))
    assert held(hub)["README.md"] == b"---\nlicense: mit\n---\nMine.\n"


def test_what_was_changed_since_it_was_made_is_not_pushed(hub: HubServer, a_run: Path) -> None:
    rows = a_run / "dataset.jsonl"
    rows.write_bytes(rows.read_bytes()[:-1] + b" ")
    with pytest.raises(DataError):
        phase0.push(a_run, REPO, hub=at(hub))
    assert hub.seen == []


def test_a_rehearsal_is_not_pushed(hub: HubServer, tmp_path: Path) -> None:
    plan = plan_from(PLAN | {"distill": {"mix": {"gpt-4o": 100}}, "budget_usd": 1})
    folder = phase0.rehearse(plan, tmp_path / "run").run.folder
    with pytest.raises(UsageError, match="is of a rehearsal"):
        phase0.push(folder, REPO, hub=at(hub))
    assert hub.seen == []


def test_the_plan_s_licence_is_checked_once_more(hub: HubServer, a_run: Path) -> None:
    full = a_run / "dataset.meta/full.jsonl"
    full.write_bytes(full.read_bytes().replace(b'"license":"Apache-2.0"', b'"license":"Proprietar"'))
    phase0.push(a_run, REPO, hub=at(hub), dry_run=True)
    plan = json.loads((a_run / "plan.json").read_bytes())
    write_json(a_run / "plan.json", plan | {"publish": {"require_license": "commercial"}})
    with pytest.raises(UnfitLicense, match="licence Proprietar is not in the catalogue"):
        phase0.push(a_run, REPO, hub=at(hub), dry_run=True)


def test_without_a_token_or_a_network_nothing_is_asked(hub: HubServer, a_run: Path) -> None:
    with pytest.raises(UsageError, match="there is no token"):
        phase0.push(a_run, REPO, hub=Hub(endpoint=hub.url))
    with pytest.raises(UsageError, match="HF_HUB_OFFLINE forbids the network"):
        phase0.push(a_run, REPO, hub=at(hub)._replace(offline=True))
    assert hub.seen == []
    assert phase0.push(a_run, REPO, hub=Hub(endpoint=hub.url), dry_run=True).created


def test_a_dataset_file_is_pushed_under_its_own_name(hub: HubServer, a_run: Path) -> None:
    from phase0.stages.publish import publish

    publish([a_run / "deduped/deduped.jsonl"], a_run / "public.jsonl.gz")
    phase0.push(a_run / "public.jsonl.gz", REPO, hub=at(hub))
    assert held(hub).keys() == {"public.jsonl.gz", "README.md"}
    assert b'"path": "public.jsonl.gz"' in held(hub)["README.md"]


def test_the_command_says_what_it_would_send_what_it_sent_and_what_was_there(
    hub: HubServer, a_run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setenv("MY_TOKEN", hub.token)
    command = ["push", str(a_run), REPO, "--private"]

    def said() -> str:
        return capsys.readouterr().out

    assert status_of([*command, "--dry-run"]) == 0
    assert said() == (
        f"dataset.jsonl: would be sent\nREADME.md: would be sent\n{REPO}: would be made\n"
        f"{hub.url}/datasets/{REPO} (main): nothing was committed\n"
    )
    assert status_of(command) == 2
    assert "there is no token" in capsys.readouterr().err
    assert status_of([*command, "--token-env", "MY_TOKEN"]) == 0
    assert re.search(
        r"dataset\.jsonl: sent\nREADME\.md: sent\nowner/small: made\n.*\(main\): commit [0-9a-f]{40}\n", said()
    )
    assert REPO in hub.private
    assert status_of([*command, "--token-env", "MY_TOKEN"]) == 0
    assert said().startswith("dataset.jsonl: there already\nREADME.md: there already\n")


def test_the_message_does_not_depend_on_where_the_run_is(hub: HubServer, a_run: Path, tmp_path: Path) -> None:
    phase0.push(a_run, REPO, hub=at(hub))
    phase0.run(plan_from(PLAN), tmp_path / "elsewhere/again")
    phase0.push(tmp_path / "elsewhere/again", "owner/other", hub=at(hub))
    assert hub.messages[0] == hub.messages[1]
    cards = [(folder / "README.md").read_bytes() for folder in (a_run, tmp_path / "elsewhere/again")]
    assert cards[0] == cards[1], "a card holds no time and no place"
    assert os.fsencode(tmp_path) not in cards[0]


def test_a_report_without_a_plan_requires_nothing(a_run: Path) -> None:
    write_json(a_run / "plan.json", {"name": 7})
    phase0.write_report(a_run)
    assert b'"require_license":null' in re.sub(rb"\s", b"", (a_run / "report.json").read_bytes())
