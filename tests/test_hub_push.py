"""What a push promises: one commit with the right bytes, nothing sent twice, and one clear line when it cannot be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hubserver import HubServer

from phase0.errors import HubError
from phase0.hub import Pushed, Upload, fetch, push

REPO = "owner/dataset"
ROWS = b'{"instruction": "Name a prime.", "response": "7"}\n' * 2000
# The hub's client of version 2.4 gives a file to its HTTP library in a way that the library calls old.
pytestmark = [
    pytest.mark.usefixtures("own_client"),
    pytest.mark.filterwarnings("ignore:Use 'content=<...>' to upload raw bytes:DeprecationWarning"),
]
CARD = b'---\nlicense: "mit"\n---\n# A card\n'


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with HubServer() as server:
        yield server


@pytest.fixture
def send(hub: HubServer, tmp_path: Path) -> Callable[..., Pushed]:
    (tmp_path / "dataset.jsonl").write_bytes(ROWS)
    (tmp_path / "README.md").write_bytes(CARD)
    files = [Upload(tmp_path / name, name) for name in ("dataset.jsonl", "README.md")]

    def call(**given: Any) -> Pushed:
        asked = {"message": "370 rows, recipe abc", "token": hub.token, "endpoint": hub.url}
        return push(given.pop("repo", REPO), given.pop("files", files), **(asked | given))

    return call


def held(hub: HubServer, revision: str = "main", repo: str = REPO) -> dict[str, bytes]:
    return hub.repos[repo][hub.revisions[repo][revision]]


def test_a_repository_that_is_not_there_is_made_and_has_the_very_bytes(hub: HubServer, send: Any) -> None:
    done = send()
    assert held(hub) == {"dataset.jsonl": ROWS, "README.md": CARD}
    assert done.created
    assert done.commit == hub.revisions[REPO]["main"]
    assert (done.sent, done.same) == (("dataset.jsonl", "README.md"), ())
    assert hub.messages == ["370 rows, recipe abc"]
    assert REPO not in hub.private


def test_what_was_pushed_is_what_is_fetched(hub: HubServer, send: Any, tmp_path: Path) -> None:
    done = send()
    got = fetch(REPO, patterns=["*"], revision="main", folder=tmp_path / "back", endpoint=hub.url)
    assert got.revision == done.commit
    assert {file.name: file.path.read_bytes() for file in got.files} == held(hub)


def test_the_same_bytes_are_not_sent_again_and_nothing_is_committed(hub: HubServer, send: Any) -> None:
    send()
    sent, commits = list(hub.sent), len(hub.repos[REPO])
    again = send()
    assert again.commit is None
    assert (again.sent, again.same) == ((), ("dataset.jsonl", "README.md"))
    assert (hub.sent, len(hub.repos[REPO])) == (sent, commits)


def test_only_the_file_that_changed_is_sent_and_others_stay(hub: HubServer, send: Any, tmp_path: Path) -> None:
    send()
    hub.add(REPO, {**held(hub), "images/logo.png": b"png"})
    hub.sent.clear()
    (tmp_path / "README.md").write_bytes(CARD + b"more\n")
    assert send().sent == ("README.md",)
    assert hub.sent == ["README.md"]
    assert held(hub) == {"dataset.jsonl": ROWS, "README.md": CARD + b"more\n", "images/logo.png": b"png"}


def test_a_push_that_failed_at_its_commit_goes_on_without_sending_large_files_again(hub: HubServer, send: Any) -> None:
    hub.fail["commit"] = [500]
    with pytest.raises(HubError, match="HTTP 500"):
        send()
    assert held(hub) == {}
    assert len(hub.sent) == 1, "the object went before the commit"
    send()
    assert hub.sent[1:] == ["dataset.jsonl", "README.md"], "the object is not sent again, the commit is"
    assert held(hub) == {"dataset.jsonl": ROWS, "README.md": CARD}


def test_an_upload_that_fails_commits_nothing(hub: HubServer, send: Any) -> None:
    hub.fail["put"] = [403]
    with pytest.raises(HubError):
        send()
    assert held(hub) == {}
    assert hub.messages == []
    send()
    assert held(hub)["dataset.jsonl"] == ROWS


def test_a_dry_run_changes_nothing(hub: HubServer, send: Any) -> None:
    done = send(dry_run=True)
    assert (done.created, done.commit, done.sent) == (True, None, ("dataset.jsonl", "README.md"))
    assert hub.repos == {}
    send()
    (before, seen) = (hub.repos[REPO].copy(), len(hub.messages))
    assert send(dry_run=True).same == ("dataset.jsonl", "README.md")
    assert (hub.repos[REPO], len(hub.messages)) == (before, seen)


def test_a_branch_is_made_where_there_is_none(hub: HubServer, send: Any) -> None:
    hub.add(REPO, {"old.txt": b"1"})
    send(revision="v2")
    assert held(hub, "v2") == {"old.txt": b"1", "dataset.jsonl": ROWS, "README.md": CARD}
    assert held(hub, "main") == {"old.txt": b"1"}
    assert send(revision="v2").commit is None


def test_a_new_repository_can_be_private(hub: HubServer, send: Any) -> None:
    send(private=True)
    assert REPO in hub.private
    assert send(private=True).commit is None


@pytest.mark.parametrize("revision", ["main", "v2"])
def test_what_is_meant_to_be_private_never_goes_to_a_public_repository(
    hub: HubServer, send: Any, revision: str
) -> None:
    hub.add(REPO, {"old.txt": b"1"})
    with pytest.raises(HubError, match="everybody can read it"):
        send(private=True, revision=revision)
    assert hub.sent == []
    assert list(hub.revisions[REPO]) == ["main"]


def test_a_commit_that_came_between_is_not_overwritten(hub: HubServer, send: Any) -> None:
    hub.add(REPO, {"old.txt": b"1"})
    hub.before_commit = lambda: hub.add(REPO, {"theirs.txt": b"2"}) and None
    with pytest.raises(HubError, match="changed by somebody else"):
        send()
    assert held(hub) == {"theirs.txt": b"2"}


@pytest.mark.parametrize("token", [None, "hf_reader"])
def test_a_token_that_may_not_write_is_told_so(hub: HubServer, send: Any, token: str | None) -> None:
    with pytest.raises(HubError, match="a token with write access"):
        send(token=token)
    assert hub.repos == {}


def test_no_token_of_the_environment_is_sent(hub: HubServer, send: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_of_the_environment")
    with pytest.raises(HubError):
        send(token=None)
    assert {seen.authorization for seen in hub.seen} == {None}


def test_an_impossible_name_is_told(send: Any) -> None:
    with pytest.raises(HubError, match="reads owner/name"):
        send(repo="a/b/c")


def test_an_endpoint_that_is_not_there_is_one_clear_line(send: Any) -> None:
    with pytest.raises(HubError, match=r"Cannot reach http://127\.0\.0\.1:9 for owner/dataset") as caught:
        send(endpoint="http://127.0.0.1:9")
    assert "\n" not in str(caught.value)


def test_a_hub_whose_other_protocol_fails_is_one_clear_line(
    hub: HubServer, send: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("hf_xet")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", False)
    with pytest.raises(HubError, match="Nothing was committed") as caught:
        send()
    assert "\n" not in str(caught.value)
    assert held(hub) == {}


def test_a_card_that_the_hub_does_not_take_is_told_before_anything_is_sent(hub: HubServer, send: Any) -> None:
    hub.card_fault = "license must be one of …"
    with pytest.raises(HubError, match="license must be one of"):
        send()
    assert hub.sent == []


def test_pushing_prints_nothing(send: Any, capfd: pytest.CaptureFixture[str]) -> None:
    send()
    assert capfd.readouterr() == ("", "")
