"""The one HTTP client: it sends bytes, reads bytes, and turns every way to fail into Transient, Refused or Fatal.

It never retries and never follows a redirect on its own. The key is in the headers that it sends, and nowhere else.
"""

from __future__ import annotations

import io
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from phase0.catalog.models import Endpoint
from phase0.errors import Fatal, ProviderError, Transient
from phase0.providers import Sent
from phase0.providers.headers import limits_reader, retry_after
from phase0.providers.outcomes import Peer, failure

_CONNECT = 10.0  # seconds until a connection stands
_KEEP = 30.0  # seconds that an idle connection is kept
_LARGE = 1 << 20  # bytes; a larger body is sent in pieces, so that the event loop is not held
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class Client:
    """The connections to one endpoint. They are opened at the first request, on the event loop that makes it."""

    def __init__(
        self, endpoint: Endpoint, key: str | None, *, timeout: float, clock: Callable[[], float] = time.time
    ) -> None:
        if endpoint.url is None:
            raise Fatal(f"No URL is known for {endpoint.server.name}. Give one with --base-url.", reason="no_access")
        server = endpoint.server
        key = _checked(key, server.key_env)
        self.peer = Peer(server.name, endpoint.model_id, server.key_env, _scrubber(key))
        self._base = endpoint.url
        self._headers = CIMultiDict({"Authorization": f"Bearer {key}"} if key else {})
        self._headers["Content-Type"] = "application/json"
        self._timeout = timeout
        self._clock = clock
        self._limits = limits_reader(server.limit_headers, clock)
        self._open: aiohttp.ClientSession | None = None

    def url(self, path: str) -> URL:
        """The address of a path of the API. Kept by callers that use it often: parsing one takes its time."""
        return URL(self._base + path)

    async def send(
        self,
        method: str,
        url: URL,
        body: bytes | None = None,
        *,
        asking: bool = False,
        extra: dict[str, str] | None = None,
    ) -> Sent:
        """One exchange. Raises the error that stands for any answer but a 2xx, or for none."""
        headers = self._headers
        if extra:
            headers = headers.copy()
            headers.update(extra)
        data: Any = body if body is None or len(body) < _LARGE else io.BytesIO(body)
        failed: ProviderError
        try:
            async with self._session().request(method, url, data=data, headers=headers, allow_redirects=False) as got:
                raw = await got.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            failed = self._broken(error)
        else:
            if 200 <= got.status < 300:
                return Sent(raw, self._limits(got.headers))
            failed = self._failed(got, raw, asking=asking)
        raise failed  # outside of the handler: what aiohttp raises holds the headers that were sent

    async def upload(self, url: URL, path: Path, name: str, fields: dict[str, str]) -> bytes:
        """Send a file as a form, in pieces; the body of the answer."""
        failed: ProviderError
        headers = self._headers.copy()
        del headers["Content-Type"]
        with path.open("rb") as file:
            form = aiohttp.FormData(fields)
            form.add_field("file", file, filename=name, content_type="application/jsonl")
            try:
                async with self._session().post(
                    url, data=form, headers=headers, allow_redirects=False, timeout=self._patience()
                ) as got:
                    raw = await got.read()
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                failed = self._broken(error)
            else:
                if 200 <= got.status < 300:
                    return raw
                failed = self._failed(got, raw, asking=False)
        raise failed

    async def lines(self, url: URL) -> AsyncIterator[bytes]:
        """The lines of a file, without their ends, as they arrive. A last line that lacks its end is a line too."""
        failed: ProviderError | None = None
        try:
            async with self._download(url) as got:
                if 200 <= got.status < 300:
                    begun: list[bytes] = []  # pieces of a line whose end has not come yet
                    async for piece in got.content.iter_any():
                        first, *others = piece.split(b"\n")
                        begun.append(first)
                        for other in others:
                            yield b"".join(begun)
                            begun = [other]
                    if last := b"".join(begun):
                        yield last
                else:
                    failed = self._failed(got, await got.read(), asking=False)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            failed = self._broken(error)
        if failed is not None:
            raise failed

    async def close(self) -> None:
        """Give the connections back."""
        if self._open is not None:
            await self._open.close()
            self._open = None

    @asynccontextmanager
    async def _download(self, url: URL) -> AsyncIterator[aiohttp.ClientResponse]:
        """GET a file. Files may lie at a store elsewhere: one redirect is followed, and our key stays at home."""
        session, patience = self._session(), self._patience()
        async with session.get(url, headers=self._headers, allow_redirects=False, timeout=patience) as got:
            if got.status not in _REDIRECTS or "location" not in got.headers:
                yield got
                return
            target = url.join(URL(got.headers["location"]))
        headers = self._headers if target.origin() == url.origin() else None
        async with session.get(target, headers=headers, allow_redirects=False, timeout=patience) as got:
            yield got

    def _session(self) -> aiohttp.ClientSession:
        if self._open is None:
            self._open = aiohttp.ClientSession(
                # How many requests run at once is for the caller to decide; a second limit here would hide his.
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEP),
                timeout=aiohttp.ClientTimeout(total=self._timeout, sock_connect=_CONNECT),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": "phase0"},
            )
        return self._open

    def _patience(self) -> aiohttp.ClientTimeout:
        """For files: any time in all, as long as something moves."""
        return aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT, sock_read=self._timeout)

    def _failed(self, got: aiohttp.ClientResponse, raw: bytes, *, asking: bool) -> ProviderError:
        wait = retry_after(got.headers, self._clock())
        return failure(got.status, raw, self.peer, asking=asking, retry_after=wait, limits=self._limits(got.headers))

    def _broken(self, error: Exception) -> ProviderError:
        """What no answer, or half of one, means."""
        for kinds, failed, reason, text in _BROKEN:
            if isinstance(error, kinds):
                what = text.format(connect=_CONNECT, timeout=self._timeout, error=getattr(error, "strerror", None))
                return failed(f"{self.peer.server}: {what}", reason=reason)
        return Transient(f"{self.peer.server}: the connection broke ({type(error).__name__})", reason="connection")


_BROKEN: tuple[tuple[tuple[type[Exception], ...], type[Fatal | Transient], str, str], ...] = (
    (
        (aiohttp.ClientConnectorCertificateError, ssl.SSLCertVerificationError),
        Fatal,
        "no_access",
        "its certificate is not trusted here. Is the base URL right?",
    ),
    ((aiohttp.InvalidURL,), Fatal, "no_access", "its base URL cannot be used"),
    ((aiohttp.ConnectionTimeoutError,), Transient, "unreachable", "no connection in {connect:g} s"),
    ((TimeoutError,), Transient, "timeout", "no answer in {timeout:g} s"),
    ((aiohttp.ClientResponseError,), Transient, "malformed", "what it sent is not HTTP"),
    ((aiohttp.ClientConnectorError,), Transient, "unreachable", "cannot be reached ({error})"),
    ((aiohttp.ClientPayloadError,), Transient, "connection", "its answer broke off, or cannot be unpacked"),
)
"""The first that fits decides; aiohttp's errors are each other's parents, so the order matters."""


def _checked(key: str | None, variable: str | None) -> str | None:
    """The key without the spaces and line ends of a careless copy. Raises Fatal where no header can hold it."""
    key = (key or "").strip() or None
    if key is not None and not (key.isascii() and key.isprintable()):
        raise Fatal(f"{variable or 'The key'} holds characters that no key has. Was it pasted whole?", reason="bad_key")
    return key


def _scrubber(key: str | None) -> Callable[[str], str]:
    def scrub(text: str) -> str:
        return text.replace(key, "[key]") if key else text

    return scrub
