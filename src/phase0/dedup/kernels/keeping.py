"""Where compiled kernels, and what else is made once on a machine, are kept between runs, and how kernels come into
memory again.

Several processes may read and write at once: a file is put into place whole, and is only used if it says that it was
made from these sources for this processor.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from hashlib import blake2b
from pathlib import Path
from threading import get_ident
from typing import Any

import llvmlite
import llvmlite.binding as llvm

_HERE = Path(__file__).parent
_DIGEST = 32


@cache
def _made_for() -> str:
    """The processor that code is compiled for."""
    features = llvm.get_host_cpu_features().flatten()
    return f"{llvm.get_process_triple()} {llvm.get_host_cpu_name()} {features}"


@cache
def _sources() -> bytes:
    """A digest of all that the code is made from. numba's releases go with llvmlite's."""
    sources = [path.read_bytes() for path in sorted(_HERE.glob("*.py")) if path.name != "slow.py"]
    return digest_of(f"{llvmlite.__version__} {_made_for()}", *sources)


def digest_of(version: str, *sources: bytes) -> bytes:
    """A digest of all that something is made from."""
    return _digest(b"".join([version.encode(), *sources]))


def folders() -> Iterator[Path]:
    """Where kernels may be kept, the best place first; where numba is told to keep what it compiles, nowhere else."""
    if named := os.environ.get("NUMBA_CACHE_DIR"):
        yield Path(named)
        return
    yield _HERE / "__pycache__"
    if sys.platform == "win32":
        yield Path(os.environ.get("LOCALAPPDATA") or Path.home()) / "phase0"
    else:
        yield Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "phase0"


def _name(file: str) -> str:
    processor = blake2b(_made_for().encode(), digest_size=4).hexdigest()
    return f"{file}.{processor}.kernels"


def kept(file: str, made_from: bytes | None = None) -> bytes | None:
    """The code of the kernels of a file beside this one, or what is kept under another name and was made from what has
    the digest `made_from`; None where it must be made."""
    for folder in folders():
        with contextlib.suppress(OSError):
            found = (folder / _name(file)).read_bytes()
            code = found[2 * _DIGEST :]
            if found[: 2 * _DIGEST] == (made_from or _sources()) + _digest(code):
                return code
    return None


def keep(file: str, code: bytes, made_from: bytes | None = None) -> bool:
    """Keep the code in the first folder that can be written; False where none can."""
    content = (made_from or _sources()) + _digest(code) + code
    return any(_placed(folder, _name(file), content) for folder in folders())


def can_keep() -> bool:
    """Whether a folder can be written."""
    return any(_placed(folder, ".kernels", b"") for folder in folders())


def _placed(folder: Path, name: str, content: bytes) -> bool:
    """Write a file whole or not at all, for all to read who may read the folder."""
    fresh = folder / f".{os.getpid()}-{get_ident()}.kernels"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        fresh.write_bytes(content)
        fresh.replace(folder / name)
    except OSError:
        with contextlib.suppress(OSError):
            fresh.unlink()
        return False
    return True


def _digest(code: bytes) -> bytes:
    return blake2b(code, digest_size=_DIGEST).digest()


@cache
def _linker() -> Any:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.create_lljit_compiler()


def loaded(module: str, code: bytes, symbols: Sequence[str]) -> Any:
    """The addresses of kernels by symbol, valid as long as what is answered lives."""
    library = llvm.JITLibraryBuilder().add_object_img(code).add_current_process()
    for symbol in symbols:
        library.export_symbol(symbol)
    return library.link(_linker(), module)
