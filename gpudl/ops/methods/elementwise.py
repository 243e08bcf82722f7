"""Arithmetic, functions of single elements and comparison as methods, operators and in-place forms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from gpudl.autograd.tensor import Tensor
from gpudl.ops import arithmetic, comparison, elementwise
from gpudl.ops.methods.in_place import ALL, OTHERS, in_place


class ElementwiseMethods:
    """A part of TensorMethods."""

    __slots__ = ()

    if TYPE_CHECKING:
        array: Any

    __add__ = __radd__ = add = arithmetic.add
    __sub__ = sub = arithmetic.sub
    __mul__ = __rmul__ = mul = arithmetic.mul
    __truediv__ = div = arithmetic.div
    __pow__ = pow = arithmetic.pow
    __neg__ = neg = arithmetic.neg
    maximum = arithmetic.maximum
    minimum = arithmetic.minimum

    def __rsub__(self, other: Any) -> Tensor:
        return arithmetic.sub(other, cast(Tensor, self))

    def __rtruediv__(self, other: Any) -> Tensor:
        return arithmetic.div(other, cast(Tensor, self))

    def __rpow__(self, other: Any) -> Tensor:
        return arithmetic.pow(other, cast(Tensor, self))

    def __pos__(self) -> Tensor:
        if self.array.dtype.kind == "b":
            raise RuntimeError("+: a bool tensor has no sign; cast it to a number first")
        return cast(Tensor, self)

    __abs__ = abs = elementwise.abs
    exp = elementwise.exp
    log = elementwise.log
    sqrt = elementwise.sqrt
    tanh = elementwise.tanh
    sigmoid = elementwise.sigmoid
    sign = elementwise.sign
    clamp = clip = elementwise.clamp

    __eq__ = eq = comparison.eq  # type: ignore[assignment]
    __ne__ = ne = comparison.ne  # type: ignore[assignment]
    __lt__ = lt = comparison.lt
    __le__ = le = comparison.le
    __gt__ = gt = comparison.gt
    __ge__ = ge = comparison.ge
    __and__ = __rand__ = bitwise_and = comparison.bitwise_and
    __or__ = __ror__ = bitwise_or = comparison.bitwise_or
    __xor__ = __rxor__ = bitwise_xor = comparison.bitwise_xor
    __invert__ = bitwise_not = comparison.bitwise_not
    isnan = comparison.isnan
    isinf = comparison.isinf
    isfinite = comparison.isfinite
    isclose = comparison.isclose
    allclose = comparison.allclose
    equal = comparison.equal

    def __hash__(self) -> int:
        return id(self)

    __iadd__ = add_ = in_place("add_", arithmetic.add)
    __isub__ = sub_ = in_place("sub_", arithmetic.sub)
    __imul__ = mul_ = in_place("mul_", arithmetic.mul, OTHERS)
    __itruediv__ = div_ = in_place("div_", arithmetic.div, OTHERS)
    __ipow__ = pow_ = in_place("pow_", arithmetic.pow, ALL)
    neg_ = in_place("neg_", arithmetic.neg)
    exp_ = in_place("exp_", elementwise.exp)
    log_ = in_place("log_", elementwise.log, ALL)
    sqrt_ = in_place("sqrt_", elementwise.sqrt)
    tanh_ = in_place("tanh_", elementwise.tanh)
    sigmoid_ = in_place("sigmoid_", elementwise.sigmoid)
    abs_ = in_place("abs_", elementwise.abs, ALL)
    clamp_ = in_place("clamp_", elementwise.clamp, ALL)
