"""What a kernel is: a loop over arrays, compiled once to machine code that is kept on disk, and called without the
interpreter's lock.

The compiler (`building`) is imported where something must be compiled; else kernels are loaded as they were kept, which
takes a tenth of the time that importing numba takes. The kernels of a file are compiled together, when the first of
them is called. Inner loops run over slices from 0: where an index may be negative for all that LLVM knows, nothing is
done for many elements at once.
"""

from __future__ import annotations

import ctypes
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import update_wrapper
from importlib import import_module
from operator import index
from threading import RLock
from typing import Any, NamedTuple, TypeAlias, TypeVar, cast

import numpy as np

from phase0.errors import DataError

Array: TypeAlias = Any  # of the type that the kernel's signature says


class Kind(NamedTuple):
    """Numbers of one type, or an array of them without gaps. `read_only`: it may be the memory of a `bytes`."""

    element: str  # as numpy and numba name it
    dimensions: int = 0
    read_only: bool = False


TEXT, BYTES = Kind("uint8", 1, read_only=True), Kind("uint8", 1)
U16, U32, U64 = Kind("uint16", 1), Kind("uint32", 1), Kind("uint64", 1)
I32, I64 = Kind("int32", 1), Kind("int64", 1)
FLAGS, F64 = Kind("bool", 1), Kind("float64", 1)
SKETCHES = ENTRIES = Kind("uint64", 2)
TABLE = Kind("int64", 2)
word, point, count, flag, real = Kind("uint64"), Kind("uint32"), Kind("int64"), Kind("bool"), Kind("float64")
nothing = Kind("void")
two_counts = Kind("two int64")  # an answer that other kernels alone can take

_NUMBERS: dict[str, tuple[Any, Callable[[Any], Any]]] = {
    "uint64": (ctypes.c_uint64, index),
    "uint32": (ctypes.c_uint32, index),
    "int64": (ctypes.c_int64, index),
    "bool": (ctypes.c_uint8, bool),
    "float64": (ctypes.c_double, float),
    "void": (ctypes.c_uint64, index),
}

_Loop = TypeVar("_Loop", bound=Callable[..., Any])


class Kernel:
    """A function that is compiled for exactly these types. What it calls of other kernels becomes part of it."""

    def __init__(self, loop: Callable[..., Any], result: Kind, arguments: Sequence[Kind], **how: bool) -> None:
        update_wrapper(self, loop)
        self.py_func, self.result, self.arguments = loop, result, tuple(arguments)
        self.name, self.symbol = loop.__name__, f"phase0_{loop.__name__}"  # the latter in compiled code
        self.allocates, self.inline = how["allocates"], how["inline"]
        self._entrance: Callable[..., Any] | None = None

    def __call__(self, *arguments: Any) -> Any:
        if self._entrance is None:
            self._entrance = _entrance(self, _loaded_library(self.py_func.__module__)[self.symbol])
        return self._entrance(*arguments)


def kernel(result: Kind, *arguments: Kind, allocates: bool = False, inline: bool = False) -> Callable[[_Loop], _Loop]:
    """Compile a function for exactly these types, when it or another kernel of its file is first called.

    What makes no arrays of its own need not count who holds those it is given: with a count before and after every call
    of an inner kernel, reading lines takes 40 % longer. `inline` puts a kernel into its callers where LLVM would rather
    call it, which takes as long as hashing a word.
    """

    def made(loop: _Loop) -> _Loop:
        of_file = _FILES[loop.__module__]
        of_file[loop.__name__] = Kernel(loop, result, arguments, allocates=allocates, inline=inline)
        return cast("_Loop", of_file[loop.__name__])

    return made


class Instruction(NamedTuple):
    """Machine instructions for use in kernels; `instructions` has the code of this name."""

    name: str


def instruction(said: _Loop) -> _Loop:
    """A function that stands for the machine instructions of its name."""
    return cast("_Loop", Instruction(said.__name__))


_FILES: dict[str, dict[str, Kernel]] = defaultdict(dict)  # kernels by module
_loaded: dict[str, Any] = {}  # libraries by module; while one is held its code stays in memory
_loading = RLock()


def is_loaded(file: str) -> bool:
    """Whether the kernels of a file beside this one can be called at once."""
    return f"{__package__}.{file}" in _loaded


def load(file: str) -> None:
    """Load the kernels of a file beside this one; compile them first where they were not kept."""
    module = f"{__package__}.{file}"
    import_module(module)
    _loaded_library(module)


def _loaded_library(module: str) -> Any:
    with _loading:
        if module not in _loaded:
            _loaded[module] = _library(module)
        return _loaded[module]


def _library(module: str) -> Any:
    """The kernels of a module. Only those beside this one are kept; others are of tests."""
    kernels = [kernel for kernel in _FILES[module].values() if kernel.result != two_counts]
    package, _, file = module.rpartition(".")
    try:
        from phase0.dedup.kernels import keeping

        code = keeping.kept(file) if package == __package__ else None
        if code is None:
            from phase0.dedup.kernels import building

            code = building.built(kernels)
            if package == __package__:
                keeping.keep(file, code)
        return keeping.loaded(module, code, [kernel.symbol for kernel in kernels])
    except (OSError, MemoryError) as error:
        raise DataError(f"{module} cannot be compiled or loaded, likely for want of memory: {error}") from error


def _entrance(kernel: Kernel, address: int) -> Callable[..., Any]:
    """The kernel for Python. It is called as numba's functions call each other (`numba.core.callconv.CPUCallConv`): a
    place for the answer, one for an error, and the arguments, an array as seven or nine words."""
    puts = [_taken(kernel.name, kind) for kind in kernel.arguments]
    words = [word for kind in kernel.arguments for word in _words(kind)]
    native = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, *words)(address)
    made = _NUMBERS[kernel.result.element][0]
    is_flag, is_void = kernel.result == flag, kernel.result == nothing

    def entrance(*arguments: Any) -> Any:
        answer, trouble = made(), ctypes.c_void_p()
        values = [word for put, argument in zip(puts, arguments, strict=True) for word in put(argument)]
        if native(ctypes.byref(answer), ctypes.byref(trouble), *values):
            raise MemoryError(f"no room for what {kernel.name} needs")  # the one error that kernels have
        return None if is_void else (bool(answer.value) if is_flag else answer.value)

    return entrance


def _words(kind: Kind) -> list[Any]:
    """What an argument is passed as: of an array who holds it (twice, nobody), its length, the bytes of an element,
    where it begins, and for each dimension the length and the bytes from one to the next."""
    if not kind.dimensions:
        return [_NUMBERS[kind.element][0]]
    return [*[ctypes.c_void_p] * 2, *[ctypes.c_int64] * 2, ctypes.c_void_p, *[ctypes.c_int64] * 2 * kind.dimensions]


def _taken(name: str, kind: Kind) -> Callable[[Any], tuple[Any, ...]]:
    """An argument as the words it is passed as, or TypeError."""
    if not kind.dimensions:
        number = _NUMBERS[kind.element][1]
        return lambda value: (number(value),)
    element, dimensions, read_only = np.dtype(kind.element), kind.dimensions, kind.read_only

    def array(given: Any) -> tuple[Any, ...]:
        if not (
            isinstance(given, np.ndarray)
            and (given.dtype, given.ndim) == (element, dimensions)
            and given.flags.c_contiguous
            and (read_only or given.flags.writeable)
        ):
            raise TypeError(f"{name} takes {kind}, not {type(given).__name__} {getattr(given, 'dtype', '')}")
        return (None, None, given.size, given.itemsize, given.ctypes.data, *given.shape, *given.strides)

    return array
