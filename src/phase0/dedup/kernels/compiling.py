"""How kernels are compiled: once, to machine code that is cached beside the source, and without the interpreter's lock.

Kernels run in ordinary Python threads. (`parallel=True` compiles for 45 s where this takes 8.) A kernel is compiled
where its module is imported, so in its file it stands below those it calls. Inner loops run over slices from 0: where
an index may be negative for all that LLVM knows, nothing is done for many elements at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar, cast

from numba import njit
from numba.core import types

Array: TypeAlias = Any  # of the type that the kernel's signature says

# Arrays of one dimension without gaps; `TEXT` is only read, so that it may be the memory of a `bytes`.
TEXT = types.Array(types.uint8, 1, "C", readonly=True)
BYTES = types.Array(types.uint8, 1, "C")
U32 = types.Array(types.uint32, 1, "C")
U64 = types.Array(types.uint64, 1, "C")
I32 = types.Array(types.int32, 1, "C")
I64 = types.Array(types.int64, 1, "C")
FLAGS = types.Array(types.boolean, 1, "C")
F64 = types.Array(types.float64, 1, "C")
SKETCHES = types.Array(types.uint64, 2, "C")
word, point, count, flag, nothing = types.uint64, types.uint32, types.int64, types.boolean, types.void
two_counts = types.UniTuple(types.int64, 2)

_Kernel = TypeVar("_Kernel", bound=Callable[..., Any])


def kernel(result: Any, *arguments: Any, allocates: bool = False, inline: bool = False) -> Callable[[_Kernel], _Kernel]:
    """Compile a function for exactly these types; from the cache after the first time.

    What makes no arrays of its own need not count who holds those it is given (numba's `_nrt`, which has no public
    name): with a count before and after every call of an inner kernel, reading lines takes 40 % longer. `inline` puts a
    kernel into its callers where LLVM would rather call it, which takes as long as hashing a word.
    """
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "_nrt": allocates, "forceinline": inline}
    options["no_cfunc_wrapper"] = True  # an entrance for C, which nobody takes

    def compiled(function: _Kernel) -> _Kernel:
        signature = result(*arguments)
        try:
            return cast("_Kernel", njit(signature, cache=True, **options)(function))
        except RuntimeError as error:
            if "no locator available" not in str(error):
                raise
        return cast("_Kernel", njit(signature, **options)(function))  # no folder can be written

    return compiled


def cache_of(compiled: Callable[..., Any]) -> tuple[bool, str | None]:
    """Whether a kernel came from the cache, and in which folder that is: None where no folder can be written."""
    stats = cast("Any", compiled).stats
    return bool(stats.cache_hits), stats.cache_path
