"""Kernels to machine code: numba makes LLVM's language of their Python, and LLVM optimizes all of a file at once.

numba by itself would optimize each kernel, and its callers with it again, and keep each with an entrance from Python:
that takes longer to compile, and several times as long to load.
"""

from __future__ import annotations

import gc
import inspect
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from types import FunctionType
from typing import Any, NamedTuple

import llvmlite.binding as llvm
from numba.core import codegen, compiler, compiler_machinery, typed_passes, types, untyped_passes
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import cpu_target
from numba.core.typing.templates import signature
from numba.extending import intrinsic

from phase0.dedup.kernels import instructions
from phase0.dedup.kernels.compiling import Instruction, Kernel, Kind

# What numba's runtime does for arrays that kernels make, without that runtime: its record of an array (how many hold
# it, three words that are not used or say where the data is, the size), and behind it the data.
_MEMORY = """
declare ptr @malloc(i64)
declare void @free(ptr)
define ptr @NRT_MemInfo_alloc_aligned(i64 %size, i32 %align) {
  %wide = zext i32 %align to i64
  %more = add i64 %size, 64
  %room = add i64 %more, %wide
  %record = call ptr @malloc(i64 %room)
  %none = icmp eq ptr %record, null
  br i1 %none, label %full, label %made
made:
  %address = ptrtoint ptr %record to i64
  %behind = add i64 %address, 63
  %beyond = add i64 %behind, %wide
  %mask = sub i64 0, %wide
  %aligned = and i64 %beyond, %mask
  %data = inttoptr i64 %aligned to ptr
  store i64 1, ptr %record
  %data_at = getelementptr i8, ptr %record, i64 24
  store ptr %data, ptr %data_at
  ret ptr %record
full:
  ret ptr null
}
define void @NRT_MemInfo_call_dtor(ptr %record) {
  call void @free(ptr %record)
  ret void
}
"""


_OWN = {"min": instructions.least, "max": instructions.greatest}


class _Compiler(compiler.CompilerBase):
    """What numba's own compiler does, without what plain loops have none of: closures, generators, `with`, parallel
    loops, functions to be inlined before their types are known. That is a quarter of its time."""

    def define_pipelines(self) -> list[Any]:
        passes = compiler_machinery.PassManager("kernel")
        for one in (
            *(untyped_passes.TranslateByteCode, untyped_passes.FixupArgs, untyped_passes.IRProcessing),
            *(untyped_passes.ReconstructSSA, typed_passes.NopythonTypeInference, typed_passes.PreLowerStripPhis),
            *(typed_passes.IRLegalization, typed_passes.NativeLowering, typed_passes.NoPythonBackend),
        ):
            passes.add_pass(one, one.__name__)
        passes.finalize()
        return [passes]


class _Library(codegen.AOTCodeLibrary):
    """What numba makes of one kernel, not optimized: that is done to all together."""

    def _optimize_functions(self, ll_module: Any) -> None:
        pass

    def _optimize_final_module(self) -> None:
        pass


class _Codegen(codegen.AOTCPUCodegen):
    _library_class = _Library


class _Front(NamedTuple):
    """A kernel in LLVM's language."""

    described: Any  # by numba, for its callers
    text: str  # with what it calls that is part of numba
    calls: list[Kernel]


@cache
def _contexts() -> tuple[Any, Any]:
    target = cpu_target.target_context.subtarget(_internal_codegen=_Codegen("phase0"))
    return cpu_target.typing_context, target


def built(kernels: Sequence[Kernel]) -> bytes:
    """An object file with these kernels, each under its symbol."""
    with global_compiler_lock, _nothing_collected():
        module = llvm.parse_assembly(_MEMORY)
        for one in _with_called(kernels):
            module.link_in(llvm.parse_assembly(_front(one).text))
        exported = {_front(one).described.llvm_func_name: one.symbol for one in kernels}
        for function in module.functions:
            if function.name in exported:
                function.name = exported[function.name]
            elif not function.is_declaration:
                function.linkage = llvm.Linkage.internal
        machine = _machine()
        _optimize(module, machine)
        code: bytes = machine.emit_object(module)
        return code


@contextmanager
def _nothing_collected() -> Iterator[None]:
    """The compiler makes so many objects that looking for garbage among them takes a tenth of its time."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def _optimize(module: Any, machine: Any) -> None:
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    options.loop_vectorization = options.slp_vectorization = options.loop_unrolling = True
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)


def _machine() -> Any:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    triple = llvm.get_process_triple()
    return llvm.Target.from_triple(triple).create_target_machine(
        cpu=llvm.get_host_cpu_name(),
        features=llvm.get_host_cpu_features().flatten(),
        opt=3,
        reloc="static" if triple.startswith("x86") else "default",
        codemodel="jitdefault",
        jit=True,
    )


def _with_called(kernels: Iterable[Kernel]) -> Iterator[Kernel]:
    waiting, seen = list(kernels), set[Kernel]()
    while waiting:
        one = waiting.pop()
        if one not in seen:
            seen.add(one)
            yield one
            waiting += _front(one).calls


@cache
@global_compiler_lock
def _front(kernel: Kernel) -> _Front:
    calls, bound = [], dict[str, Any]()
    told = kernel.py_func.__globals__
    for name in kernel.py_func.__code__.co_names:
        if isinstance(told.get(name), Kernel):
            calls.append(told[name])
            bound[name] = _callable(told[name])
        elif isinstance(told.get(name), Instruction):
            bound[name] = getattr(instructions, name)
        elif name in _OWN:
            bound[name] = _OWN[name]
    function = FunctionType(kernel.py_func.__code__, told | bound, kernel.name)
    typing, target = _contexts()
    typing.refresh()
    target.refresh()
    flags: Any = compiler.Flags()
    flags.no_compile = flags.no_cpython_wrapper = flags.no_cfunc_wrapper = True
    flags.error_model, flags.nrt, flags.forceinline = "numpy", kernel.allocates, kernel.inline
    library = target.codegen().create_library(kernel.name)
    said = _signature(kernel)
    made = compiler.compile_extra(typing, target, function, said.args, said.return_type, flags, {}, library, _Compiler)
    library.finalize()
    return _Front(made.fndesc, library.get_llvm_str(), calls)


def _callable(called: Kernel) -> Any:
    """A kernel for the body of another: a call by its name."""
    said, described = _signature(called), _front(called).described

    def typed(_context: Any, *_given: Any) -> Any:
        def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            return context.call_internal(builder, described, said, arguments)

        return said, generate

    names = ["context", *inspect.signature(called.py_func).parameters]
    parameters = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in names]
    typed.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return intrinsic(typed)


def _signature(kernel: Kernel) -> Any:
    return signature(_type(kernel.result), *(_type(kind) for kind in kernel.arguments))


def _type(kind: Kind) -> Any:
    """A kind as numba's type."""
    if kind.element == "two int64":
        return types.UniTuple(types.int64, 2)
    element = {"bool": types.boolean, "void": types.void}.get(kind.element) or getattr(types, kind.element)
    return types.Array(element, kind.dimensions, "C", readonly=kind.read_only) if kind.dimensions else element
