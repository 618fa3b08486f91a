"""Stores that tests read and write by URL: folders, and an S3 server on this machine."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from waiting import until

KEYS = {"AWS_ACCESS_KEY_ID": "of tests", "AWS_SECRET_ACCESS_KEY": "of tests", "AWS_DEFAULT_REGION": "us-east-1"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def s3_server() -> Iterator[str]:
    """The address of an S3 server on this machine."""
    port, null = free_port(), subprocess.DEVNULL
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stdout=null, stderr=null) as process:
        try:
            assert until(lambda: answers(port))
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
