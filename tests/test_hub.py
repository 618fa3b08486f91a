"""What a download promises: the right bytes of one commit, each fetched once, and one clear line when it cannot be."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from hubserver import HubServer

from phase0.errors import HubError
from phase0.hub import Snapshot, fetch

pytestmark = pytest.mark.usefixtures("own_client")
REPO = "owner/instructions"
TRAIN = b'{"instruction": "Name a prime.", "output": "7"}\n' * 4000  # 196 kB: several reads of the client
CARD = b"# A card\n"


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with HubServer() as server:
        server.add(REPO, {"data/train.jsonl": TRAIN, "README.md": CARD})
        yield server


@pytest.fixture
def get(hub: HubServer, tmp_path: Path) -> Callable[..., Snapshot]:
    def call(**given: Any) -> Snapshot:
        asked = {"patterns": ["*"], "revision": "main", "folder": tmp_path, "endpoint": hub.url, "pauses": ()}
        return fetch(given.pop("repo", REPO), **(asked | given))

    return call


def refusal(get: Callable[..., Snapshot], **given: Any) -> str:
    """The message of the HubError that the call ends in, which must be one line."""
    with pytest.raises(HubError) as caught:
        get(**given)
    message = str(caught.value)
    assert "\n" not in message
    return message


class Steps:
    """A progress that remembers."""

    def __init__(self) -> None:
        self.total: int | None = None
        self.done = 0
        self.note = ""

    def start(self, step: str, total: int | None, unit: str = "rows") -> None:
        self.total = total
        self.unit = unit

    def advance(self, units: int) -> None:
        self.done += units

    def finish(self, note: str = "") -> None:
        self.note = note

    def warn(self, message: str) -> None: ...


def test_a_branch_is_resolved_to_its_commit_and_every_file_is_asked_for_at_that_commit(
    hub: HubServer, get: Any
) -> None:
    commit = hub.add(REPO, {"data/train.jsonl": TRAIN, "README.md": CARD})
    snapshot = get()
    assert snapshot.repo == REPO
    assert snapshot.revision == commit
    assert [file.name for file in snapshot.files] == ["README.md", "data/train.jsonl"]
    assert [file.path.read_bytes() for file in snapshot.files] == [CARD, TRAIN]
    assert len(hub.downloads()) == 2
    assert all(f"/resolve/{commit}/" in seen.path for seen in hub.downloads())


def test_the_sha256_of_a_large_file_is_reported_and_a_file_kept_in_git_has_none(get: Any) -> None:
    card, train = get().files
    assert train.sha256 == hashlib.sha256(TRAIN).hexdigest()
    assert (card.sha256, card.size) == (None, len(CARD))


def test_an_older_commit_can_be_pinned(hub: HubServer, get: Any) -> None:
    old = hub.add(REPO, {"data/train.jsonl": b"old"})
    hub.add(REPO, {"data/train.jsonl": b"new"})
    snapshot = get(revision=old)
    assert snapshot.revision == old
    assert snapshot.files[0].path.read_bytes() == b"old"


def test_a_branch_with_a_slash_in_its_name_is_found(hub: HubServer, get: Any) -> None:
    commit = hub.add(REPO, {"0000.parquet": b"PAR1"}, revision="refs/convert/parquet")
    assert get(revision="refs/convert/parquet").revision == commit


def test_only_files_that_match_a_pattern_are_fetched(hub: HubServer, get: Any) -> None:
    assert [file.name for file in get(patterns=["data/*.jsonl"]).files] == ["data/train.jsonl"]
    assert len(hub.downloads()) == 1


def test_a_file_matched_by_two_patterns_comes_once(get: Any) -> None:
    assert len(get(patterns=["data/*", "*.jsonl"]).files) == 1


def test_an_empty_file_arrives_empty(hub: HubServer, get: Any) -> None:
    hub.add(REPO, {"none.jsonl": b"", ".gitkeep": b""})
    assert [(file.name, file.path.read_bytes()) for file in get().files] == [(".gitkeep", b""), ("none.jsonl", b"")]


def test_nothing_is_fetched_twice(hub: HubServer, get: Any) -> None:
    assert get() == get()
    assert len(hub.downloads()) == 2


def test_a_file_changed_on_disk_is_fetched_again(hub: HubServer, get: Any) -> None:
    path = get().files[1].path
    path.write_bytes(TRAIN[:-2] + b"!\n")
    assert get().files[1].path.read_bytes() == TRAIN
    assert len(hub.downloads("train.jsonl")) == 2
    assert len(hub.downloads("README.md")) == 1


def test_a_moved_branch_brings_the_new_bytes(hub: HubServer, get: Any) -> None:
    get()
    moved = hub.add(REPO, {"data/train.jsonl": b"moved\n"})
    snapshot = get()
    assert snapshot.revision == moved
    assert snapshot.files[0].path.read_bytes() == b"moved\n"


def test_a_connection_that_breaks_on_the_way_is_continued_by_range(hub: HubServer, get: Any) -> None:
    hub.cut["data/train.jsonl"] = [70_000, 50_000]
    assert get(pauses=(0,)).files[1].path.read_bytes() == TRAIN
    assert [seen.range for seen in hub.downloads("train.jsonl")] == [None, "bytes=70000-", "bytes=120000-"]


def test_the_next_call_continues_what_a_broken_one_left(hub: HubServer, get: Any, tmp_path: Path) -> None:
    hub.cut["data/train.jsonl"] = [90_000]
    message = refusal(get)
    assert hub.url in message
    assert "--from DIR" in message
    assert not (tmp_path / "data" / "train.jsonl").exists()
    assert get().files[1].path.read_bytes() == TRAIN
    assert [seen.range for seen in hub.downloads("train.jsonl")] == [None, "bytes=90000-"]
    assert not list(tmp_path.rglob("*.part"))


def test_an_interrupted_download_is_continued(hub: HubServer, get: Any) -> None:
    class Impatient(Steps):
        def advance(self, units: int) -> None:
            super().advance(units)
            if self.done > 50_000:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        get(progress=Impatient())
    assert get().files[1].path.read_bytes() == TRAIN
    asked = hub.downloads("train.jsonl")[-1].range
    assert asked is not None
    assert int(asked.removeprefix("bytes=").removesuffix("-")) > 50_000


def test_a_server_that_ignores_ranges_still_gives_the_right_bytes(hub: HubServer, get: Any) -> None:
    hub.cut["data/train.jsonl"] = [90_000]
    hub.ignores_range = True
    assert get(pauses=(0,)).files[1].path.read_bytes() == TRAIN


def test_a_part_of_another_revision_is_not_continued(hub: HubServer, get: Any) -> None:
    hub.cut["data/train.jsonl"] = [90_000]
    refusal(get)
    other = TRAIN.replace(b"prime", b"river")
    hub.add(REPO, {"data/train.jsonl": other})
    assert get().files[0].path.read_bytes() == other


def test_a_busy_hub_is_tried_again(hub: HubServer, get: Any) -> None:
    hub.fail["data/train.jsonl"] = [503, 429]
    assert get(pauses=(0, 0)).files[1].path.read_bytes() == TRAIN
    assert len(hub.downloads("train.jsonl")) == 3


def test_tries_end_when_no_byte_comes(hub: HubServer, get: Any) -> None:
    hub.fail["data/train.jsonl"] = 500
    assert "HTTP 500" in refusal(get, pauses=(0, 0))
    assert len(hub.downloads("train.jsonl")) == 3


def test_progress_made_gives_the_tries_back(hub: HubServer, get: Any) -> None:
    hub.cut["data/train.jsonl"] = [1000, 0, 1000, 0, 1000]
    assert get(pauses=(0, 0)).files[1].path.read_bytes() == TRAIN


def test_a_refused_file_is_not_tried_again(hub: HubServer, get: Any) -> None:
    hub.fail["data/train.jsonl"] = 403
    assert "HTTP 403" in refusal(get, pauses=(0, 0))
    assert len(hub.downloads("train.jsonl")) == 1


@pytest.mark.parametrize("name", ["data/train.jsonl", "README.md"])
def test_wrong_bytes_are_deleted_and_both_digests_named(hub: HubServer, get: Any, tmp_path: Path, name: str) -> None:
    hub.damage.add(name)
    message = refusal(get, patterns=[name])
    body = {"data/train.jsonl": TRAIN, "README.md": CARD}[name]
    wrong = bytes([body[0] ^ 1]) + body[1:]
    if name == "README.md":
        wanted, got = (hashlib.sha1(b"blob %d\0" % len(text) + text).hexdigest() for text in (body, wrong))
    else:
        wanted, got = (hashlib.sha256(text).hexdigest() for text in (body, wrong))
    assert name in message
    assert wanted in message
    assert got in message
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".json"]
    hub.damage.clear()
    assert get(patterns=[name]).files[0].path.read_bytes() == body


def test_a_body_shorter_than_stated_is_damage_and_does_not_go_round_for_ever(hub: HubServer, get: Any) -> None:
    commit = hub.add(REPO, {"data/train.jsonl": TRAIN})
    get(patterns=["data/*"], offline=False, revision=commit)[2][0].path.unlink()
    hub.repos[REPO][commit]["data/train.jsonl"] = TRAIN[:1000]  # the listing kept on disk still says 196 kB
    assert "of 1000 bytes" in refusal(get, revision=commit, pauses=(0, 0))


def test_a_commit_seen_before_needs_no_network(hub: HubServer, get: Any) -> None:
    first = get()
    before = len(hub.seen)
    assert get(revision=first.revision) == first
    assert len(hub.seen) == before


def test_offline_gives_what_an_earlier_call_left(hub: HubServer, get: Any) -> None:
    first = get()
    before = len(hub.seen)
    assert get(offline=True) == first
    assert len(hub.seen) == before


def test_offline_and_never_downloaded_says_what_to_do(hub: HubServer, get: Any) -> None:
    message = refusal(get, offline=True)
    assert REPO in message
    assert "--from DIR" in message
    assert hub.seen == []


def test_offline_does_not_give_one_revision_for_another(hub: HubServer, get: Any) -> None:
    old = hub.add(REPO, {"data/train.jsonl": b"old"})
    hub.add(REPO, {"data/train.jsonl": b"new"})
    get()
    assert f"{REPO} at {old} was never downloaded" in refusal(get, revision=old, offline=True)


@pytest.mark.parametrize("harm", ["missing", "changed"])
def test_offline_does_not_pass_a_file_off_as_another(hub: HubServer, get: Any, harm: str) -> None:
    path = get().files[1].path
    path.unlink() if harm == "missing" else path.write_bytes(b"changed")
    message = refusal(get, offline=True)
    assert str(path) in message
    assert message.startswith("Offline")


def test_a_listing_on_disk_that_cannot_be_read_is_asked_for_again(get: Any, tmp_path: Path) -> None:
    first = get()
    (listing,) = tmp_path.glob(".*.json")
    for damaged in (b'{"half a', b'{"repo": "\xff"}'):
        listing.write_bytes(damaged)
        assert get(revision=first.revision) == first


def test_no_network_names_the_endpoint_and_the_way_without_it(get: Any) -> None:
    with HubServer() as stopped:
        url = stopped.url
    message = refusal(get, endpoint=url)
    assert url in message
    assert "--from DIR" in message


@pytest.mark.parametrize("endpoint", ["hub.example", "http://[", "ftp://127.0.0.1"])
def test_an_endpoint_that_is_no_address_is_named(get: Any, endpoint: str) -> None:
    assert endpoint in refusal(get, endpoint=endpoint)


def test_a_gated_dataset_names_the_page_and_the_variable(hub: HubServer, get: Any) -> None:
    hub.gated.add(REPO)
    message = refusal(get)
    assert f"{hub.url}/datasets/{REPO}" in message
    assert "set HF_TOKEN" in message
    assert "not let in yet" in refusal(get, token="hf_known")


def test_an_unknown_repository_is_named(get: Any) -> None:
    message = refusal(get, repo="owner/nothing")
    assert "'owner/nothing'" in message
    assert "HTTP 404" in message


def test_a_repository_hidden_from_strangers_mentions_the_token(hub: HubServer, get: Any) -> None:
    hub.hidden.add(REPO)
    message = refusal(get)
    assert "private" in message
    assert "HF_TOKEN" in message


def test_an_unknown_revision_is_named(hub: HubServer, get: Any) -> None:
    assert "has no revision 'v9'" in refusal(get, revision="v9")
    assert hub.downloads() == []


def test_a_name_that_cannot_be_a_repository_is_refused_before_anything_is_sent(hub: HubServer, get: Any) -> None:
    assert "owner/name" in refusal(get, repo="a/b/c")
    assert hub.seen == []


@pytest.mark.parametrize("status", [401, 403, 500])
def test_a_refusing_hub_is_quoted_in_one_line(hub: HubServer, get: Any, status: int) -> None:
    hub.fail["api"] = status
    message = refusal(get)
    assert hub.url in message
    assert f"HTTP {status}" in message


@pytest.mark.parametrize("body", [b"<html>Log in to the guest network</html>", b"[]", b"{}", b"\xff"])
def test_a_page_in_place_of_the_answer_is_recognised(hub: HubServer, get: Any, body: bytes) -> None:
    hub.api_body = body
    assert "not the description of a dataset" in refusal(get)


def test_a_hub_that_does_not_say_the_commit_is_refused(hub: HubServer, get: Any) -> None:
    hub.api_body = b'{"id": "owner/instructions", "sha": null}'
    assert "which commit" in refusal(get)


def test_a_pattern_without_a_match_is_refused_and_the_files_are_listed(hub: HubServer, get: Any) -> None:
    message = refusal(get, patterns=["data/*", "*.parquet"])
    assert "'*.parquet'" in message
    assert "README.md, data/train.jsonl" in message
    assert hub.downloads() == []


def test_a_long_list_of_files_is_cut_in_the_message(hub: HubServer, get: Any) -> None:
    hub.add(REPO, {f"part-{i:02}.jsonl": b"{}" for i in range(20)})
    message = refusal(get, patterns=["*.parquet"])
    assert "part-07.jsonl and 12 more" in message
    assert "part-08" not in message


@pytest.mark.parametrize("name", ["../outside.jsonl", "/outside.jsonl", "a/../../outside.jsonl", "..\\outside.jsonl"])
def test_a_file_name_cannot_lead_out_of_the_folder(hub: HubServer, get: Any, tmp_path: Path, name: str) -> None:
    hub.add(REPO, {name: b"{}\n"})
    folder = tmp_path / "in"
    assert "outside its folder" in refusal(get, folder=folder)
    assert not list(tmp_path.rglob("*outside*"))


def test_a_file_without_a_stated_digest_is_not_taken_on_trust(hub: HubServer, get: Any) -> None:
    hub.api_body = b'{"id": "x/y", "sha": "%s", "siblings": [{"rfilename": "a.jsonl"}]}' % (b"0" * 40)
    assert "cannot be checked" in refusal(get)
    assert hub.downloads() == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a disk that is always full")
def test_a_full_disk_is_named(get: Any, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    part = tmp_path / "data" / f"train.jsonl.{hashlib.sha256(TRAIN).hexdigest()[:12]}.part"
    part.symlink_to("/dev/full")
    message = refusal(get, patterns=["data/*"])
    assert "is full" in message
    assert str(tmp_path) in message


def test_a_folder_that_cannot_be_written_is_named(get: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert str(tmp_path / "file") in refusal(get, folder=tmp_path / "file")


def test_the_token_goes_to_the_hub_and_not_to_the_storage_it_points_to(hub: HubServer, get: Any) -> None:
    hub.elsewhere = True
    hub.cut["data/train.jsonl"] = [60_000]
    assert get(token="hf_secret", pauses=(0,)).files[1].path.read_bytes() == TRAIN
    sent = {seen.path.split("/")[1]: seen.authorization for seen in hub.seen}
    assert sent == {"api": "Bearer hf_secret", "datasets": "Bearer hf_secret", "storage": None}
    assert [seen.range for seen in hub.seen if seen.path.startswith("/storage")][-1] == "bytes=60000-"


def test_no_token_and_nothing_about_this_machine_is_sent(
    hub: HubServer, get: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_of_the_environment")
    get()
    assert {(seen.authorization, seen.agent) for seen in hub.seen} == {(None, "phase0")}


def test_files_are_asked_for_as_they_are_kept_for_ranges_and_digests_count_those_bytes(
    hub: HubServer, get: Any
) -> None:
    get()
    assert {seen.encoding for seen in hub.downloads()} == {"identity"}


def test_progress_counts_every_byte_once(hub: HubServer, get: Any) -> None:
    hub.cut["data/train.jsonl"] = [70_000]
    whole = len(TRAIN) + len(CARD)
    for _ in ("downloading", "already there"):
        steps = Steps()
        get(progress=steps, pauses=(0,))
        assert (steps.total, steps.done, steps.unit) == (whole, whole, "bytes")
        assert "2 files" in steps.note


def test_nothing_is_printed(hub: HubServer, get: Any, capfd: pytest.CaptureFixture[str]) -> None:
    hub.cut["data/train.jsonl"] = [70_000]
    hub.fail["README.md"] = [503]
    get(pauses=(0,))
    assert capfd.readouterr() == ("", "")


def test_the_given_endpoint_wins_over_that_of_the_environment(
    hub: HubServer, get: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = "http://mirror.invalid"
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", mirror)
    monkeypatch.setattr(
        huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", mirror + "/{repo_id}/resolve/{revision}/{filename}"
    )
    assert get().files[1].path.read_bytes() == TRAIN
