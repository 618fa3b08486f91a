"""The code of the machine instructions of `bits`, which numba has no name for."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from phase0.dedup.kernels import networks

_BYTE, _BLOCK = ir.IntType(8), ir.VectorType(ir.IntType(8), 64)
_WORD, _WORDS, _FLAGS = ir.IntType(64), networks.ROW, networks.FLAGS


def _loaded(context: Any, builder: Any, signature: Any, arguments: Any, kind: Any) -> Any:
    """What stands at index `arguments[1]` of the array `arguments[0]`, as one value of this kind."""
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    place = builder.gep(array.data, [arguments[1]], inbounds=True)
    loaded = builder.load(builder.bitcast(place, kind.as_pointer()))
    loaded.align = 1
    return loaded


@intrinsic
def load64(_context, text_B, at):
    """Bytes `at` to `at + 7` as one little-endian number; all eight must be inside the array."""

    def generate(context, builder, signature, arguments):
        return _loaded(context, builder, signature, arguments, ir.IntType(64))

    return types.uint64(text_B, types.int64), generate


def _compared(relation: str, byte: int) -> Any:
    """Code that compares 64 bytes with one, and answers the 64 truths as bits, the first lowest."""

    def generate(context, builder, signature, arguments):
        block = _loaded(context, builder, signature, arguments, _BLOCK)
        same = ir.Constant(_BLOCK, [ir.Constant(_BYTE, byte)] * 64)
        return builder.bitcast(builder.icmp_unsigned(relation, block, same), ir.IntType(64))

    return generate


@intrinsic(prefer_literal=True)
def equal64(_context, text_B, at, byte):
    """Which of the bytes `at` to `at + 63` equal a constant: bit i is about `at + i`. All must be inside the array."""
    return types.uint64(text_B, types.int64, byte), _compared("==", byte.literal_value)


@intrinsic(prefer_literal=True)
def below64(_context, text_B, at, byte):
    """Which of the bytes `at` to `at + 63` are less than a constant: bit i is about `at + i`. All must be inside."""
    return types.uint64(text_B, types.int64, byte), _compared("<", byte.literal_value)


@intrinsic
def copy64(_context, text_B, at, out_B, to):
    """Write the bytes `at` to `at + 63` to `to` and behind; all must be inside the arrays."""

    def generate(context, builder, signature, arguments):
        block = _loaded(context, builder, signature, arguments, _BLOCK)
        array = context.make_array(signature.args[2])(context, builder, arguments[2])
        place = builder.gep(array.data, [arguments[3]], inbounds=True)
        builder.store(block, builder.bitcast(place, _BLOCK.as_pointer())).align = 1
        return context.get_dummy_value()

    return types.void(text_B, types.int64, out_B, types.int64), generate


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


def _eight(context: Any, builder: Any, kind: Any, array: Any, at: Any) -> Any:
    """The eight numbers of an array from index `at` on."""
    return _read(builder, _place(context, builder, kind, array, at))


def _place(context: Any, builder: Any, kind: Any, array: Any, at: Any) -> Any:
    """Where they are."""
    place = builder.gep(context.make_array(kind)(context, builder, array).data, [at], inbounds=True)
    return builder.bitcast(place, _WORDS.as_pointer())


def _read(builder: Any, place: Any) -> Any:
    loaded = builder.load(place)
    loaded.align = 8
    return loaded


@intrinsic
def alike8(_context, keys_S, one, other):
    """How many of the eight numbers from two places on are the same before the first that is not; all are inside."""

    def generate(context, builder, signature, arguments):
        here, there = (_eight(context, builder, signature.args[0], arguments[0], at) for at in arguments[1:])
        different = builder.bitcast(builder.icmp_unsigned("!=", here, there), _BYTE)
        ended = builder.or_(builder.zext(different, _WORD), ir.Constant(_WORD, 1 << 8))
        return builder.cttz(ended, ir.Constant(ir.IntType(1), 1))

    return types.int64(keys_S, types.int64, types.int64), generate


@intrinsic
def differing8(_context, keys_S, one, other):
    """Which of the eight numbers from two places on differ: bit i is about the i-th of each."""

    def generate(context, builder, signature, arguments):
        here, there = (_eight(context, builder, signature.args[0], arguments[0], at) for at in arguments[1:])
        return builder.zext(builder.bitcast(builder.icmp_unsigned("!=", here, there), _BYTE), _WORD)

    return types.uint64(keys_S, types.int64, types.int64), generate


@intrinsic
def pack8(_context, keys_S, at, chosen, turned, out_S, to):
    """Write those of the eight numbers from `at` on whose bit is set in `chosen` to `to` and behind, without gaps, with
    the bits that are set in `turned` turned."""

    def generate(context, builder, signature, arguments):
        row = _eight(context, builder, signature.args[0], *arguments[:2])
        alone = builder.insert_element(ir.Constant(_WORDS, ir.Undefined), arguments[3], ir.Constant(_WORD, 0))
        all_alike = builder.shuffle_vector(alone, alone, ir.Constant(ir.VectorType(ir.IntType(32), 8), [0] * 8))
        turned, chosen = builder.xor(row, all_alike), builder.trunc(arguments[2], _BYTE)
        place = _place(context, builder, signature.args[4], *arguments[4:])
        every = builder.icmp_unsigned("==", chosen, ir.Constant(_BYTE, 255))
        with builder.if_else(every, likely=True) as (whole, some):
            with whole:
                builder.store(turned, place).align = 8
            with some:  # which is seldom, as rows repeat few shingles, and slow on AMD's processors
                packed = ir.FunctionType(ir.VoidType(), [_WORDS, place.type, _FLAGS])
                pack = cgutils.get_or_insert_function(builder.module, packed, "llvm.masked.compressstore.v8i64")
                builder.call(pack, [turned, place, builder.bitcast(chosen, _FLAGS)])
        return context.get_dummy_value()

    return types.void(keys_S, types.int64, types.uint64, types.uint64, out_S, types.int64), generate


@intrinsic
def differing512(_context, sketches_N8, one, other):
    """In how many bits two rows of eight numbers differ."""

    def generate(context, builder, signature, arguments):
        places = [builder.mul(row, ir.Constant(_WORD, 8)) for row in arguments[1:]]
        here, there = (_eight(context, builder, signature.args[0], arguments[0], at) for at in places)
        counted = ir.FunctionType(_WORDS, [_WORDS]), "llvm.ctpop.v8i64"
        summed = ir.FunctionType(_WORD, [_WORDS]), "llvm.vector.reduce.add.v8i64"
        count, add = (cgutils.get_or_insert_function(builder.module, *named) for named in (counted, summed))
        return builder.call(add, [builder.call(count, [builder.xor(here, there)])])

    return types.int64(sketches_N8, types.int64, types.int64), generate


def _with_rows(network: Any, begins: int, length: int) -> Any:
    """Code that changes rows of an array: so many from each of so many indices on."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        places = [
            _place(context, builder, signature.args[0], arguments[0], builder.add(at, ir.Constant(_WORD, 8 * row)))
            for at in arguments[1 : 1 + begins]
            for row in range(length)
        ]
        rows = [_read(builder, place) for place in places]
        network(builder, rows)
        for row, place in zip(rows, places, strict=True):
            builder.store(row, place).align = 8
        return context.get_dummy_value()

    return generate


@intrinsic
def sort64(_context, keys_S, at):
    """Sort the 64 signed numbers from index `at` on."""
    return types.void(keys_S, types.int64), _with_rows(networks.sort, 1, 8)


@intrinsic
def sort128(_context, keys_S, at):
    """Sort the 128 signed numbers from index `at` on."""
    return types.void(keys_S, types.int64), _with_rows(networks.sort, 1, 16)


@intrinsic
def merge64(_context, keys_S, at):
    """Sort the 64 signed numbers from index `at` on, which are bitonic."""
    return types.void(keys_S, types.int64), _with_rows(networks.merge, 1, 8)


@intrinsic
def exchange64(_context, keys_S, one, other):
    """Of each two of the 64 signed numbers from two places on put the less to the one, the greater to the other."""

    def exchange(builder, rows):
        networks.exchange(builder, rows, 8)

    return types.void(keys_S, types.int64, types.int64), _with_rows(exchange, 2, 8)


@intrinsic
def exchange_mirrored64(_context, keys_S, one, other):
    """The same of the first from the one place on and the last from the other, the second and the last but one, ..."""

    def exchange(builder, rows):
        rows[8:] = networks.backwards(builder, rows[8:])
        networks.exchange(builder, rows, 8)
        rows[8:] = networks.backwards(builder, rows[8:])

    return types.void(keys_S, types.int64, types.int64), _with_rows(exchange, 2, 8)


def _chosen(relation: str) -> Any:
    """The first of two integers if they stand in this relation, else the second."""

    def typed(context: Any, one: Any, other: Any) -> Any:
        common = context.unify_types(one, other)
        compared = "icmp_signed" if common.signed else "icmp_unsigned"

        def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            return builder.select(getattr(builder, compared)(relation, *arguments), *arguments)

        return common(common, common), generate

    return typed


# Python's `min` and `max` of two integers. numba compiles its own anew for every kernel, which takes 30 ms.
least, greatest = intrinsic(_chosen("<")), intrinsic(_chosen(">"))
