"""Eight float64 side by side as one value in kernels: `lanes` arithmetic that the compiler turns into vector instructions.

Left to itself the compiler does not vectorise across eight columns of several arrays, since it must fear that they overlap. Wide registers
take a value in one piece, narrow ones in two or four; the numbers are the same. Loads and stores go to flat arrays, at a multiple of LANES.
"""

import operator
from collections.abc import Callable
from typing import Any, Final

from llvmlite import ir
from numba import types
from numba.extending import intrinsic, models, overload, register_model

from rpsd.kernels.jit import kernel

_intrinsic: Callable[[Callable[..., Any]], Callable[..., Any]] = intrinsic
LANES: Final = 8
_VECTOR: Final = ir.VectorType(ir.DoubleType(), LANES)
_BITS: Final = ir.VectorType(ir.IntType(64), LANES)
_MANTISSA: Final = (1 << 52) - 1
_BIAS: Final = 1023


class _Lanes(types.Type):  # type: ignore[misc]
    """The type of LANES numbers in numba's eyes."""

    def __init__(self) -> None:
        super().__init__(name="Lanes")


_LANES: Final = _Lanes()


class _Layout(models.PrimitiveModel):  # type: ignore[misc]
    """Lanes are held as they are computed with."""

    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _VECTOR)


register_model(_Lanes)(_Layout)


def _constant(value: int) -> ir.Constant:
    return ir.Constant(_BITS, [value] * LANES)


def _pointer(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    """Address of element `index` of a flat array, seen as LANES numbers."""
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), _VECTOR.as_pointer())


@_intrinsic
def load(typing_context: Any, array: Any, index: Any) -> Any:
    """The LANES numbers of the flat array from index on."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(_pointer(context, builder, signature.args[0], *arguments), align=8)

    return _LANES(array, types.intp), generate


@_intrinsic
def store(typing_context: Any, array: Any, index: Any, value: Any) -> Any:
    """Write the lanes to the flat array from index on."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store(arguments[2], _pointer(context, builder, signature.args[0], *arguments[:2]), align=8)
        return context.get_dummy_value()

    return types.void(array, types.intp, _LANES), generate


@_intrinsic
def fill(typing_context: Any, number: Any) -> Any:
    """The same number in all lanes."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        single = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), arguments[0], ir.Constant(ir.IntType(32), 0))
        return builder.shuffle_vector(single, single, ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES))

    return _LANES(types.float64), generate


def _arithmetic(name: str) -> Any:
    """The intrinsic of two lanes that the builder's method of this name gives."""

    @_intrinsic
    def operation(typing_context: Any, a: Any, b: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return getattr(builder, name)(*arguments, flags=("contract",))

        return _LANES(_LANES, _LANES), generate

    return operation


_plus, _minus, _times, _over = (_arithmetic(name) for name in ("fadd", "fsub", "fmul", "fdiv"))


def _overloaded(operation: Any) -> Callable[[Any, Any], Any]:
    """What an operator does to lanes: numbers beside them count for all lanes."""

    def choose(a, b):  # type: ignore[no-untyped-def] # numba compares the two signatures, annotations too
        if isinstance(a, _Lanes) and isinstance(b, _Lanes):
            return lambda a, b: operation(a, b)
        if isinstance(a, _Lanes) and isinstance(b, types.Number):
            return lambda a, b: operation(a, fill(b))
        if isinstance(a, types.Number) and isinstance(b, _Lanes):
            return lambda a, b: operation(fill(a), b)
        return None

    return choose


for _operator, _operation in ((operator.add, _plus), (operator.sub, _minus), (operator.mul, _times), (operator.truediv, _over)):
    overload(_operator)(_overloaded(_operation))


@_intrinsic
def where_above(typing_context: Any, a: Any, b: Any, above: Any, otherwise: Any) -> Any:
    """Lane by lane, `above` where a > b, else `otherwise`."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        test = builder.fcmp_ordered(">", arguments[0], arguments[1])
        return builder.select(test, arguments[2], arguments[3])

    return _LANES(_LANES, _LANES, _LANES, _LANES), generate


@_intrinsic
def two_to(typing_context: Any, shifted: Any) -> Any:
    """Two to the power of the integers that adding 1.5 * 2^52 left in the last bits."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        whole = builder.add(builder.bitcast(arguments[0], _BITS), _constant(_BIAS))
        return builder.bitcast(builder.shl(whole, _constant(52)), _VECTOR)

    return _LANES(_LANES), generate


@_intrinsic
def exponent(typing_context: Any, value: Any) -> Any:
    """The whole part of log2 of positive normal numbers, as numbers."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        bits = builder.lshr(builder.bitcast(arguments[0], _BITS), _constant(52))
        return builder.sitofp(builder.sub(bits, _constant(_BIAS)), _VECTOR)

    return _LANES(_LANES), generate


@_intrinsic
def mantissa(typing_context: Any, value: Any) -> Any:
    """Positive normal numbers over two to their exponent: from 1 to below 2."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        bits = builder.and_(builder.bitcast(arguments[0], _BITS), _constant(_MANTISSA))
        return builder.bitcast(builder.or_(bits, _constant(_BIAS << 52)), _VECTOR)

    return _LANES(_LANES), generate


@kernel
def exp(x):  # type: ignore[no-untyped-def]
    """exp of lanes at most 700, to two units in the last place; those below -700 count as -700.

    exp(x) = 2^k exp(x - k ln 2), the rest by its series. Source: Muller (2016), Elementary Functions, 11.4.
    """
    x = where_above(x, fill(-700.0), x, fill(-700.0))
    shifted = x * 1.4426950408889634 + 6755399441055744.0
    k = shifted - 6755399441055744.0
    r = (x - k * 0.6931471803691238) - k * 1.9082149292705877e-10
    square = r * r
    fourth = square * square
    low = (1.0 + r) + square * (1 / 2 + r * (1 / 6)) + fourth * ((1 / 24 + r * (1 / 120)) + square * (1 / 720 + r * (1 / 5040)))
    high = (1 / 40320 + r * (1 / 362880)) + square * (1 / 3628800 + r * (1 / 39916800)) + fourth * (1 / 479001600)
    return (low + fourth * fourth * high) * two_to(shifted)


@kernel
def log(x):  # type: ignore[no-untyped-def]
    """Natural logarithm of positive normal lanes, within 1e-15 of the larger of its value and one.

    log(x) = k ln 2 + 2 artanh(s) with s = (m - 1) / (m + 1), the mantissa m between sqrt(1/2) and sqrt(2). Source: Muller (2016), 11.4.
    """
    m, k = mantissa(x), exponent(x)
    root = fill(1.4142135623730951)
    k = where_above(m, root, k + 1.0, k)
    m = where_above(m, root, m * 0.5, m)
    s = (m - 1.0) / (m + 1.0)
    z = s * s
    w = z * z
    odd = 1 / 3 + w * (1 / 7 + w * (1 / 11 + w * (1 / 15 + w * (1 / 19))))
    even = 1 / 5 + w * (1 / 9 + w * (1 / 13 + w * (1 / 17 + w * (1 / 21))))
    return k * 0.6931471805599453 + 2.0 * (s + s * z * (odd + z * even))


def warm() -> None:
    """Compile, or load from the cache, nothing: lanes live in kernels only, which are compiled with what they call."""
