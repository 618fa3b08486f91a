"""Files of the provider: what clients upload for batches, and what batches leave."""

from __future__ import annotations

from typing import Any, NamedTuple

from phase0.simulator.settings import Dialect

PURPOSES: dict[Dialect, str] = {"openai": "batch", "together": "batch-api"}


class Stored(NamedTuple):
    """A file. `key` is the fingerprint of whose it is."""

    id: str
    key: str
    name: str
    purpose: str
    body: bytes
    created: int  # seconds since 1970


class Files:
    """All files by id, in the order of their making."""

    def __init__(self) -> None:
        self._files: dict[str, Stored] = {}
        self._made = 0

    def add(self, key: str, name: str, purpose: str, body: bytes, created: float) -> Stored:
        self._made += 1
        file = Stored(f"file-{self._made:012x}", key, name, purpose, body, int(created))
        self._files[file.id] = file
        return file

    def find(self, name: str, key: str) -> Stored | None:
        file = self._files.get(name)
        return file if file is not None and file.key == key else None

    def remove(self, name: str) -> None:
        self._files.pop(name, None)

    def of(self, key: str) -> list[Stored]:
        """Newest first."""
        return [file for file in reversed(self._files.values()) if file.key == key]


def described(file: Stored, dialect: Dialect) -> dict[str, Any]:
    """A file as the API describes it."""
    common = {
        "id": file.id,
        "object": "file",
        "bytes": len(file.body),
        "created_at": file.created,
        "filename": file.name,
        "purpose": file.purpose,
    }
    if dialect == "together":
        return {**common, "FileType": "jsonl", "Processed": True, "LineCount": file.body.count(b"\n")}
    return {**common, "status": "processed", "status_details": None, "expires_at": None}
