"""Three machine instructions that numba has no name for. Their twins in plain Python are in `slow`."""

from __future__ import annotations

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic


@intrinsic
def load64(_context, text_B, at):
    """Bytes `at` to `at + 7` as one little-endian number; all eight must be inside the array."""

    def generate(context, builder, signature, arguments):
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        place = builder.gep(array.data, [arguments[1]], inbounds=True)
        loaded = builder.load(builder.bitcast(place, ir.IntType(64).as_pointer()))
        loaded.align = 1
        return loaded

    return types.uint64(text_B, types.int64), generate


@intrinsic
def trailing_zeros(_context, value):
    """How many zeros end a number that is not zero."""

    def generate(_context, builder, _signature, arguments):
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), generate


@intrinsic
def ones(_context, value):
    """How many bits are set."""

    def generate(_context, builder, _signature, arguments):
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), generate
