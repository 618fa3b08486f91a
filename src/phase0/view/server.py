"""The site on a socket of loopback, until it is told to end."""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from phase0.errors import UsageError
from phase0.view.catalogue import Catalogue

_HOST = "127.0.0.1"


async def serve(catalogue: Catalogue, port: int, ready: Callable[[str], None], done: asyncio.Event) -> None:
    """Serve until `done`. `ready` is told the address, with its random token, once the socket listens."""
    import uvicorn

    from phase0.view.site import application

    class Server(uvicorn.Server):
        """Signals are the caller's: the command line's Ctrl-C, a test's event."""

        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    with _listening(port) as listener:
        port = listener.getsockname()[1]
        token = secrets.token_urlsafe(24)
        config = uvicorn.Config(
            application(catalogue, token, port),
            log_level="critical",  # its log would tell the token
            access_log=False,
            lifespan="off",
            loop="asyncio",
            http="h11",
            ws="none",
            server_header=False,
            timeout_graceful_shutdown=1,
        )
        server = Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        ready(f"http://{_HOST}:{port}/{token}/")
        ended = asyncio.create_task(done.wait())
        await asyncio.wait({serving, ended}, return_when=asyncio.FIRST_COMPLETED)
        server.should_exit = True
        ended.cancel()
        await serving


def _listening(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((_HOST, port))
        listener.listen(64)
    except OSError as error:
        listener.close()
        raise UsageError(
            f"Port {port} of this machine cannot be used: {error.strerror}. Port 0 takes a free one."
        ) from None
    return listener
