"""A small dataset hub on loopback: what a download uses, and what a commit does, with faults to order.

with HubServer() as hub:
    hub.add("owner/name", {"train.jsonl": b"..."})
    fetch("owner/name", endpoint=hub.url, ...)
    push("owner/name", ..., endpoint=hub.url, token=hub.token)
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple, Self
from urllib.parse import unquote

LARGE = (".gz", ".parquet", ".json", ".jsonl")  # kept as LFS objects, as the hub does by file name


class Seen(NamedTuple):
    path: str
    range: str | None
    authorization: str | None
    agent: str | None
    encoding: str | None


class Reply(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes
    stop_after: int | None = None  # close the connection after so many bytes of the body


class HubServer:
    """Serves what was added to it. Every fault is set on the instance, before or between requests.

    cut             {name: [n, …]}: the next answers with that file break off after n bytes
    damage          names of files that are sent with a wrong byte
    fail            {name, or "api", "create", "branch", "preupload", "batch", "put", "commit": status for ever, or
                    [status, …] for the next answers}
    gated, hidden   repositories that want their terms accepted, or that a stranger is told do not exist
    ignores_range   send the whole file whatever was asked for
    elsewhere       redirect every file to another host, as the hub does for large ones
    api_body        what the description of a repository is replaced by
    private         repositories that only the token may see
    card_fault      what is wrong with the header of every card
    before_commit   called before a commit is looked at: somebody else is quicker

    `sent` are the names of what was written, in order: objects by their digest, files of a commit by theirs; `messages`
    are those of its commits.
    """

    def __init__(self) -> None:
        self.repos: dict[str, dict[str, dict[str, bytes]]] = {}  # repo → commit → name → bytes
        self.revisions: dict[str, dict[str, str]] = {}  # repo → branch → commit
        self.seen: list[Seen] = []
        self.cut: dict[str, list[int]] = {}
        self.damage: set[str] = set()
        self.fail: dict[str, list[int] | int] = {}
        self.gated: set[str] = set()
        self.hidden: set[str] = set()
        self.ignores_range = False
        self.elsewhere = False
        self.api_body: bytes | None = None
        self.private: set[str] = set()
        self.token = "hf_writer"
        self.objects: dict[str, bytes] = {}  # of large files, by SHA-256
        self.sent: list[str] = []
        self.messages: list[str] = []
        self.card_fault: str | None = None
        self.before_commit: Callable[[], None] | None = None
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server._answer(self)

            do_POST = do_PUT = do_GET

            def log_message(self, *args: object) -> None: ...

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = False
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *args: object) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    @property
    def port(self) -> int:
        return int(self._http.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def add(self, repo: str, files: Mapping[str, bytes], revision: str = "main") -> str:
        """Commit files to a branch; returns the commit."""
        commits = self.repos.setdefault(repo, {})
        content = repr((repo, sorted(files.items()), len(commits))).encode()
        commit = hashlib.sha1(content).hexdigest()
        commits[commit] = dict(files)
        self.revisions.setdefault(repo, {})[revision] = commit
        return commit

    def downloads(self, name: str = "") -> list[Seen]:
        """The requests for files, in order."""
        return [seen for seen in self.seen if "/resolve/" in seen.path and seen.path.endswith(name)]

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        headers = handler.headers
        names = ("Range", "Authorization", "User-Agent", "Accept-Encoding")
        seen = Seen(unquote(handler.path), *(headers[name] for name in names))
        self.seen.append(seen)
        sent = handler.rfile.read(int(headers["Content-Length"] or 0))
        reply = self._reply(seen) if handler.command == "GET" else self._written(seen, sent)
        handler.send_response(reply.status)
        for key, value in {**reply.headers, "Content-Length": str(len(reply.body))}.items():
            handler.send_header(key, value)
        handler.end_headers()
        handler.wfile.write(reply.body[: reply.stop_after])

    def _reply(self, seen: Seen) -> Reply:
        path = seen.path.partition("?")[0]
        if path.startswith("/api/datasets/"):
            repo, _, revision = path.removeprefix("/api/datasets/").partition("/revision/")
            revision = revision or "main"
            if repo in self.private and seen.authorization != f"Bearer {self.token}":
                return _error(401, "RepoNotFound")
            return self._fault("api") or self._missing(repo, revision) or self._info(repo, revision)
        prefix = "/storage/" if path.startswith("/storage/") else "/datasets/"
        repo, _, rest = path.removeprefix(prefix).partition("/resolve/")
        commit, _, name = rest.partition("/")
        if repo in self.gated:
            return _error(401, "GatedRepo")
        return self._fault(name) or self._missing(repo, commit) or self._file(repo, commit, name, seen, prefix)

    def _fault(self, what: str) -> Reply | None:
        fault = self.fail.get(what)
        if isinstance(fault, list):
            fault = fault.pop(0) if fault else None
        return None if fault is None else _error(fault, None)

    def _missing(self, repo: str, revision: str) -> Reply | None:
        if repo not in self.repos or repo in self.hidden:
            return _error(401 if repo in self.hidden else 404, "RepoNotFound")
        known = {*self.revisions[repo], *self.repos[repo]}
        return None if revision in known else _error(404, "RevisionNotFound")

    def _info(self, repo: str, revision: str) -> Reply:
        commit = self.revisions[repo].get(revision, revision)
        files = self.repos[repo][commit]
        info: dict[str, object] = {"id": repo, "sha": commit, "private": repo in self.private}
        info |= {"siblings": [_sibling(name, body) for name, body in files.items()]}
        body = json.dumps(info).encode() if self.api_body is None else self.api_body
        return Reply(200, {"Content-Type": "application/json"}, body)

    def _file(self, repo: str, commit: str, name: str, seen: Seen, prefix: str) -> Reply:
        body = self.repos[repo][self.revisions[repo].get(commit, commit)].get(name)
        if body is None:
            return _error(404, "EntryNotFound")
        if self.elsewhere and prefix != "/storage/":
            away = f"http://localhost:{self.port}/storage/{repo}/resolve/{commit}/{name}"
            return Reply(302, {"Location": away, "X-Repo-Commit": commit}, b"")
        if name in self.damage:
            body = bytes([body[0] ^ 1]) + body[1:]
        cuts = self.cut.get(name)
        stop_after = cuts.pop(0) if cuts else None
        if seen.range is None or self.ignores_range:
            return Reply(200, {"X-Repo-Commit": commit}, body, stop_after)
        start = int(seen.range.removeprefix("bytes=").removesuffix("-"))
        if start >= len(body):
            return Reply(416, {"Content-Range": f"bytes */{len(body)}"}, b"")
        span = {"Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}", "X-Repo-Commit": commit}
        return Reply(206, span, body[start:], stop_after)

    # What a commit uses.

    def _written(self, seen: Seen, sent: bytes) -> Reply:
        path = seen.path.partition("?")[0]
        if path == "/api/validate-yaml":
            errors = [] if self.card_fault is None else [{"message": self.card_fault}]
            return _json({"errors": errors, "warnings": []}, status=400 if errors else 200)
        if path.startswith("/objects/"):  # a link that was given out needs no token
            return self._fault("put") or self._keep(path.removeprefix("/objects/"), sent)
        if seen.authorization != f"Bearer {self.token}":
            return _error(401, None)
        if path == "/api/repos/create":
            return self._fault("create") or self._create(json.loads(sent))
        if path.startswith("/datasets/") and path.endswith(".git/info/lfs/objects/batch"):
            return self._fault("batch") or self._batch(json.loads(sent))
        repo, what, revision = self._asked(path)
        if repo not in self.repos:
            return _error(404, "RepoNotFound")
        if what == "branch":
            return self._fault(what) or self._branch(repo, revision)
        if revision not in self.revisions[repo]:
            return _error(404, "RevisionNotFound")
        answer = self._preupload if what == "preupload" else self._commit
        return self._fault(what) or answer(repo, revision, sent)

    def _asked(self, path: str) -> tuple[str, str, str]:
        """The repository, the verb and the branch of `/api/datasets/owner/name/verb/branch`."""
        owner, name, what, revision = path.removeprefix("/api/datasets/").split("/", 3)
        return f"{owner}/{name}", what, revision

    def _create(self, wish: dict[str, str | bool]) -> Reply:
        repo = f"{wish['organization']}/{wish['name']}"
        if repo in self.repos:
            return Reply(409, {}, json.dumps({"error": "exists", "url": f"{self.url}/datasets/{repo}"}).encode())
        self.add(repo, {})
        if wish.get("visibility") == "private":
            self.private.add(repo)
        return _json({"url": f"{self.url}/datasets/{repo}"})

    def _branch(self, repo: str, branch: str) -> Reply:
        if branch in self.revisions[repo]:
            return _error(409, None)
        self.revisions[repo][branch] = self.revisions[repo]["main"]
        return _json({})

    def _preupload(self, repo: str, revision: str, sent: bytes) -> Reply:
        held = self.repos[repo][self.revisions[repo][revision]]
        files = [
            {
                "path": (name := file["path"]),
                "uploadMode": "lfs" if name.endswith(LARGE) else "regular",
                "shouldIgnore": False,
                "oid": _sibling(name, held[name])["blobId"] if name in held else None,
            }
            for file in json.loads(sent)["files"]
        ]
        return _json({"files": files})

    def _batch(self, wish: dict[str, list[dict[str, str | int]]]) -> Reply:
        """Where objects are to be put; those that are there already need not be."""
        objects = [
            {**one, "actions": {"upload": {"href": f"{self.url}/objects/{one['oid']}"}}}
            if one["oid"] not in self.objects
            else one
            for one in wish["objects"]
        ]
        return _json({"transfer": "basic", "objects": objects})

    def _keep(self, oid: str, sent: bytes) -> Reply:
        if hashlib.sha256(sent).hexdigest() != oid:
            return _error(400, None)
        self.objects[oid] = sent
        self.sent.append(oid)
        return _json({})

    def _commit(self, repo: str, revision: str, sent: bytes) -> Reply:
        """All of a commit or nothing of it; its parent, where one is named, must be the branch's last."""
        if self.before_commit is not None:
            self.before_commit()
        head, *items = (json.loads(line) for line in sent.splitlines())
        last = self.revisions[repo][revision]
        if head["value"].get("parentCommit", last) != last:
            return _error(412, None)
        files = dict(self.repos[repo][last])
        for item in items:
            value = item["value"]
            if item["key"] == "lfsFile" and value["oid"] not in self.objects:
                return _error(400, None)
            is_large = item["key"] == "lfsFile"
            files[value["path"]] = self.objects[value["oid"]] if is_large else base64.b64decode(value["content"])
            self.sent.append(value["path"])
        self.messages.append(head["value"]["summary"])
        commit = self.add(repo, files, revision)
        return _json({"success": True, "commitOid": commit, "commitUrl": f"{self.url}/datasets/{repo}/commit/{commit}"})


def _sibling(name: str, body: bytes) -> dict[str, object]:
    blob = hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest()
    stated: dict[str, object] = {"rfilename": name, "size": len(body), "blobId": blob}
    if name.endswith(LARGE):
        stated["lfs"] = {"sha256": hashlib.sha256(body).hexdigest(), "size": len(body), "pointerSize": 130}
    return stated


def _json(value: object, status: int = 200) -> Reply:
    return Reply(status, {"Content-Type": "application/json"}, json.dumps(value).encode())


def _error(status: int, code: str | None) -> Reply:
    headers = {} if code is None else {"X-Error-Code": code}
    return Reply(status, headers, json.dumps({"error": f"error {status}\nwith a second line"}).encode())
