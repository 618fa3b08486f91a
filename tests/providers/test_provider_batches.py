"""Batches: what goes up, how a batch is found again, how it stands, and what each line of its files means."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from loopback import KEY, QUESTION, completion, endpoint, run

from phase0.errors import Fatal, Refused, Transient
from phase0.providers import BatchLine, BatchState, Counts, Provider, connect

T = TypeVar("T")
STATE = BatchState("b1", "completed", (), None, ("out", "err"), None)


class Files:
    """Files and batches in memory, as OpenAI or as Together serves them."""

    def __init__(self, *, together: bool = False) -> None:
        self.together = together
        self.uploads: list[dict[str, Any]] = []
        self.batches: list[dict[str, Any]] = []
        self.contents: dict[str, bytes] = {}
        self.pages = 0
        self.cancelled: list[str] = []
        self.redirect = ""
        self.keys: list[str | None] = []

    def app(self) -> web.Application:
        app = web.Application(client_max_size=1 << 30)
        app.router.add_post("/v1/files/upload" if self.together else "/v1/files", self.upload)
        app.router.add_get("/v1/files", self.files)
        app.router.add_get("/v1/files/{id}/content", self.content)
        app.router.add_post("/v1/batches", self.create)
        app.router.add_get("/v1/batches", self.listed)
        app.router.add_get("/v1/batches/{id}", self.one)
        app.router.add_post("/v1/batches/{id}/cancel", self.cancel)
        app.router.add_get("/store/{id}", self.content)
        return app

    async def upload(self, request: web.Request) -> web.Response:
        form = dict(await request.post())
        file = form.pop("file")
        assert isinstance(file, web.FileField)
        self.uploads.append({**form, "name": file.filename, "bytes": file.file.read()})
        return web.json_response({"id": f"file-{len(self.uploads)}", "filename": file.filename})

    async def files(self, request: web.Request) -> web.Response:
        return web.json_response(
            {"data": [{"id": f"file-{n}", "filename": u["name"]} for n, u in enumerate(self.uploads, 1)]}
        )

    async def content(self, request: web.Request) -> web.Response:
        self.keys.append(request.headers.get("Authorization"))
        if self.redirect and not request.path.startswith("/store"):
            raise web.HTTPFound(self.redirect + request.match_info["id"])
        return web.Response(body=self.contents[request.match_info["id"]])

    async def create(self, request: web.Request) -> web.Response:
        batch = {"id": f"batch-{len(self.batches)}", "status": "VALIDATING" if self.together else "validating"}
        batch |= await request.json()
        self.batches.append(batch)
        return web.json_response({"job": batch, "warning": None} if self.together else batch)

    async def listed(self, request: web.Request) -> web.Response:
        self.pages += 1
        if self.together:
            return web.json_response([{k: v for k, v in batch.items() if k != "metadata"} for batch in self.batches])
        newest = self.batches[::-1]
        ids = [batch["id"] for batch in newest]
        start = ids.index(request.query["after"]) + 1 if "after" in request.query else 0
        page = newest[start : start + int(request.query["limit"])]
        return web.json_response({"data": page, "has_more": start + len(page) < len(newest)})

    async def one(self, request: web.Request) -> web.Response:
        for batch in self.batches:
            if batch["id"] == request.match_info["id"]:
                return web.json_response(batch)
        return web.json_response({"error": {"message": "No batch found"}}, status=404)

    async def cancel(self, request: web.Request) -> web.Response:
        self.cancelled.append(request.match_info["id"])
        return web.json_response({"id": request.match_info["id"], "status": "cancelling"})


@asynccontextmanager
async def serving(files: Files) -> AsyncIterator[str]:
    runner = web.AppRunner(files.app())
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def using(files: Files, use: Callable[[Any], Awaitable[T]]) -> T:
    async def whole() -> T:
        async with serving(files) as url:
            if files.redirect:
                files.redirect = url.replace("127.0.0.1", "localhost") + "/store/"
            provider = connect(endpoint(f"{url}/v1", "together" if files.together else "openai"), KEY)
            try:
                return await use(provider.batches)
            finally:
                await provider.close()

    return run(whole())


def offline() -> Any:
    return connect(endpoint("http://localhost/v1"), KEY).batches


def lines_of(files: Files) -> list[BatchLine]:
    async def collect(batches: Any) -> list[BatchLine]:
        return [line async for line in batches.lines(STATE)]

    return using(files, collect)


def holding(out: bytes, err: bytes = b"") -> Files:
    files = Files()
    files.contents = {"out": out, "err": err}
    return files


def line(custom_id: Any = "a", **rest: Any) -> bytes:
    return json.dumps({"id": "r", "custom_id": custom_id, "error": None, **rest}).encode() + b"\n"


def answered(status: int = 200, body: Any = None) -> dict[str, Any]:
    return {"response": {"status_code": status, "request_id": "q", "body": completion() if body is None else body}}


def one(raw: bytes) -> BatchLine:
    (found,) = lines_of(holding(raw))
    return found


# What goes up.


def test_a_line_is_what_planning_counts_and_what_the_server_reads() -> None:
    raw = offline().line("key-1", QUESTION)
    assert raw.endswith(b"}\n")
    assert raw.count(b"\n") == 1
    assert json.loads(raw) == {
        "custom_id": "key-1",
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": {
            "model": "the-model",
            "messages": [{"role": "user", "content": "Say hi."}],
            "max_completion_tokens": 9,
        },
    }
    assert (offline().max_requests, offline().max_bytes) == (50_000, 200_000_000)


def test_a_batch_is_uploaded_created_and_found_by_its_tag(tmp_path: Path) -> None:
    path = tmp_path / "batch.jsonl"
    path.write_bytes(offline().line("a", QUESTION) * 3)
    files = Files()

    async def submit(batches: Any) -> tuple[str, str | None, str | None]:
        made = await batches.submit(path, "tag-1")
        return made, await batches.find("tag-1"), await batches.find("tag-2")

    assert using(files, submit) == ("batch-0", "batch-0", None)
    assert files.uploads == [{"purpose": "batch", "name": "tag-1.jsonl", "bytes": path.read_bytes()}]
    assert files.batches[0]["input_file_id"] == "file-1"
    assert files.batches[0]["completion_window"] == "24h"
    assert files.batches[0]["metadata"] == {"phase0": "tag-1"}


def test_together_wraps_what_it_creates_and_is_searched_by_the_name_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "batch.jsonl"
    path.write_bytes(b"{}\n")
    files = Files(together=True)

    async def submit(batches: Any) -> tuple[str, str, str | None, str | None]:
        first, second = await batches.submit(path, "tag-1"), await batches.submit(path, "tag-2")
        return first, second, await batches.find("tag-2"), await batches.find("tag-3")

    assert using(files, submit) == ("batch-0", "batch-1", "batch-1", None)
    assert files.uploads[0] == {
        "purpose": "batch-api",
        "file_name": "tag-1.jsonl",
        "name": "tag-1.jsonl",
        "bytes": b"{}\n",
    }
    assert "metadata" not in files.batches[0]


@pytest.mark.parametrize("place", [0, 100, 199, 249])
def test_a_tag_is_found_on_whatever_page_it_stands(place: int) -> None:
    files = Files()
    files.batches = [{"id": f"batch-{n}", "status": "completed", "metadata": {"phase0": f"t{n}"}} for n in range(250)]
    files.batches[7]["metadata"] = None
    found = using(files, lambda batches: batches.find(f"t{place}"))
    assert found == f"batch-{place}"
    assert using(files, lambda batches: batches.find("t7")) is None


def test_where_a_server_drops_metadata_a_batch_is_found_by_the_name_of_its_file(tmp_path: Path) -> None:
    path = tmp_path / "batch.jsonl"
    path.write_bytes(b"{}\n")
    files = Files()
    files.uploads = [{"name": "foreign.jsonl"}]
    files.batches = [{"id": "foreign", "status": "completed", "input_file_id": "file-1", "metadata": None}]

    async def submit(batches: Any) -> tuple[str | None, ...]:
        first = await batches.submit(path, "tag-1")
        await batches.submit(path, "tag-2")
        for batch in files.batches:
            batch["metadata"] = {"made by": "somebody"} if batch["id"] == first else None
        return tuple([await batches.find(f"tag-{number}") for number in (1, 2, 3)])

    assert using(files, submit) == ("batch-1", "batch-2", None)


def test_where_a_server_drops_metadata_and_lists_no_files_nobody_can_say_whether_a_batch_is_there() -> None:
    files = Files()

    async def none(request: web.Request) -> web.Response:
        return web.json_response({"error": {"message": "Not Found"}}, status=404)

    files.files = none  # type: ignore[method-assign]
    assert using(files, lambda batches: batches.find("tag-1")) is None  # there is no batch at all
    files.batches = [{"id": "b", "status": "completed", "input_file_id": "file-1"}]
    with pytest.raises(Refused, match="404"):
        using(files, lambda batches: batches.find("tag-1"))


def test_a_listing_that_never_ends_is_not_followed_forever() -> None:
    files = Files()

    async def stuck(request: web.Request) -> web.Response:
        files.pages += 1
        return web.json_response({"data": [{"id": "x", "status": "completed"}], "has_more": True})

    files.listed = stuck  # type: ignore[method-assign]
    assert using(files, lambda batches: batches.find("t")) is None
    assert files.pages == 2


def test_a_batch_is_cancelled_by_its_id() -> None:
    files = Files()
    using(files, lambda batches: batches.cancel("batch/../1"))
    assert files.cancelled == ["batch/../1"]


# How it stands.


def state_of(**batch: Any) -> BatchState:
    files = Files()
    files.batches = [{"id": "b", **batch}]
    return using(files, lambda batches: batches.state("b"))


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("validating", "validating"),
        ("in_progress", "running"),
        ("finalizing", "running"),
        ("IN_PROGRESS", "running"),
        ("COMPLETED", "completed"),
        ("failed", "failed"),
        ("EXPIRED", "expired"),
        ("cancelling", "cancelling"),
        ("canceled", "cancelled"),
    ],
)
def test_every_status_is_said_in_one_vocabulary(said: str, meant: str) -> None:
    assert state_of(status=said).status == meant


def test_an_unknown_status_is_not_taken_for_one_that_is_known() -> None:
    with pytest.raises(Transient, match="'paused'"):
        state_of(status="paused")


def test_a_batch_that_is_gone_is_not_a_model_that_is_gone() -> None:
    with pytest.raises(Refused) as error:
        using(Files(), lambda batches: batches.state("nobody"))
    assert error.value.reason == "not_found"


def test_what_a_batch_says_of_itself_is_read() -> None:
    state = state_of(
        status="expired",
        request_counts={"total": 10, "completed": 1, "failed": 0},
        output_file_id="out",
        error_file_id=None,
        expires_at=1_800_000_000,
        errors={"object": "list", "data": [{"code": "token_limit_exceeded", "message": "Enqueued", "line": None}]},
    )
    assert state == BatchState(
        "b", "expired", (("token_limit_exceeded", "Enqueued"),), Counts(10, 1, 0), ("out",), 1_800_000_000.0
    )


@pytest.mark.parametrize(
    ("said", "errors"),
    [
        ({"error": "bad line 3"}, (("", "bad line 3"),)),
        ({"errors": None}, ()),
        ({"errors": {"data": []}}, ()),
        ({"errors": ["one", {"code": "two"}]}, (("", "one"), ("two", ""))),
        ({"errors": "three"}, (("", "three"),)),
    ],
)
def test_errors_of_a_batch_are_read_in_every_shape(said: dict[str, Any], errors: tuple[tuple[str, str], ...]) -> None:
    assert state_of(status="failed", **said).errors == errors


def test_a_deadline_may_be_a_date() -> None:
    assert state_of(status="running", job_deadline="2027-01-15T08:00:00Z", progress=40.0).expires_at == 1_800_000_000.0
    assert state_of(status="running", job_deadline="tomorrow").expires_at is None


# What came back.


def test_both_files_are_read_and_joined_by_id_alone() -> None:
    out = line("b", **answered()) + b"\n" + line("a", **answered())
    err = line("c", response=None, error={"code": "batch_expired", "message": "late"})
    found = lines_of(holding(out, err))
    assert [(got.custom_id, got.raw is not None) for got in found] == [("b", True), ("a", True), ("c", False)]
    assert found[0].raw is not None
    assert connect(endpoint("http://localhost/v1"), KEY).read(found[0].raw).text == "Hi."


def test_a_file_at_a_store_elsewhere_is_fetched_without_our_key() -> None:
    files = holding(line(**answered()))
    files.redirect = "yes"
    assert lines_of(files)[0].raw is not None
    assert files.keys == [f"Bearer {KEY}", None, f"Bearer {KEY}", None]


@pytest.mark.parametrize(
    ("raw", "kind", "reason"),
    [
        (line(**answered(400, {"error": {"code": "context_length_exceeded"}})), Refused, "too_long"),
        (line(**answered(400, {"error": {"code": "content_filter"}})), Refused, "content_filter"),
        (line(**answered(429, {"error": {"code": "rate_limit_exceeded"}})), Transient, "rate_limit"),
        (line(**answered(500, {})), Transient, "server"),
        (line(**answered(401, {"error": {"code": "invalid_api_key"}})), Fatal, "bad_key"),
        (line(response=None, error={"code": "batch_expired", "message": "late"}), Transient, "unanswered"),
        (line(response=None, error={"code": "batch_cancelled", "message": "stopped"}), Transient, "unanswered"),
        (line(response={"status_code": 503, "body": None}, error=None), Transient, "overload"),
        (line(response=None, error={"code": "content_filter", "message": "no"}), Refused, "content_filter"),
        (line(response=None, error={"code": "whatever", "message": "no"}), Transient, "unanswered"),
        (line(response=None), Transient, "unanswered"),
        (line(error="a string", response=None), Transient, "unanswered"),
        (line(7, **answered()), Transient, "malformed"),
        (b"not json\n", Transient, "malformed"),
        (line(**answered())[:40], Transient, "malformed"),
        (b'{"custom_id": "\xff"}', Transient, "malformed"),
    ],
)
def test_a_line_without_a_reply_says_why(raw: bytes, kind: type[Exception], reason: str) -> None:
    got = one(raw)
    assert got.raw is None
    assert isinstance(got.failure, kind)
    assert got.failure.reason == reason  # type: ignore[union-attr]


def test_a_line_that_the_server_could_not_read_has_no_id() -> None:
    assert one(line(None, response=None, error={"code": "invalid_json_line"})).custom_id is None


def test_a_reply_stays_the_bytes_that_it_came_in() -> None:
    body = b'{ "choices" : [ ] , "odd":  1e3 }'
    got = one(b'{"custom_id":"a","response":{"status_code":200,"body":' + body + b'},"error":null}')
    assert got == BatchLine("a", body, None)


@given(st.lists(st.binary(max_size=9).filter(lambda raw: b"\n" not in raw), max_size=8), st.booleans())
def test_lines_arrive_whole_however_the_network_cuts_them(wanted: list[bytes], ends: bool) -> None:
    from yarl import URL

    from phase0.providers.http import Client

    pieces = [bytes([byte]) for byte in b"\n".join(wanted) + (b"\n" if ends else b"")]

    async def whole() -> list[bytes]:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n")
            for piece in pieces:
                writer.write(b"1\r\n" + piece + b"\r\n")
            writer.write(b"0\r\n\r\n")
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        client = Client(endpoint(url), None, timeout=10)
        try:
            return [got async for got in client.lines(URL(url))]
        finally:
            await client.close()
            server.close()
            await server.wait_closed()

    found = run(whole())
    assert [got for got in found if got] == [want for want in wanted if want]


def test_a_file_that_breaks_off_is_not_taken_for_its_end() -> None:
    import loopback

    async def collect(provider: Provider) -> list[BatchLine]:
        assert provider.batches is not None
        return [got async for got in provider.batches.lines(STATE)]

    raw = line(**answered())
    got, _ = loopback.asking(collect, loopback.answer(raw, length=len(raw) * 2))
    assert isinstance(got, Transient)
    assert got.reason == "connection"


def test_replicate_has_no_batches() -> None:
    assert connect(endpoint("http://localhost/v1", "replicate"), KEY).batches is None
