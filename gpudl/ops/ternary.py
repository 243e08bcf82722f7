"""Operations on three operands: lerp, addcmul, addcdiv."""

from __future__ import annotations

from typing import Any

from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.ops.operands import Number, fitted, operand, result_type, sum_to_shape
from gpudl.ops.parts import merged

__all__ = ["addcdiv", "addcmul", "lerp"]


class Ternary(Primitive):
    """Base: three arrays, or two and a number, that broadcast."""

    __slots__ = ("shapes",)
    shapes: tuple[Any, ...]

    def note_shapes(ctx, *operands: Any) -> None:
        """Remember in forward what `fit` needs in backward."""
        ctx.shapes = tuple(getattr(each, "shape", None) for each in operands)

    def fit(ctx, *gradients: Any) -> tuple[Any, ...]:
        """The gradients summed to the shapes of the operands."""
        return tuple(
            None if each is None or shape is None else sum_to_shape(each, shape)
            for each, shape in zip(gradients, ctx.shapes)
        )


class Lerp(Ternary):
    __slots__ = ()

    def forward(ctx, x: Array, y: Array, w: Any) -> Array:
        ctx.note_shapes(x, y, w)
        ctx.save(x, y, w)
        step = y - x
        if isinstance(w, (int, float)):
            return x + step * w if abs(w) < 0.5 else y - step * (1 - w)
        # From the nearer end, so that a weight of 1 gives exactly the other.
        far = abs(w) >= 0.5
        if x.shape == y.shape == w.shape:
            return step * (w - far) + merged(y, far, x)
        return xp_of(x).where(far, y + step * (w - 1), x + step * w)

    def backward(ctx, dz: Array) -> tuple[Any, ...]:
        x, y, w = ctx.saved
        for_x, for_y, for_w = ctx.edges
        return ctx.fit(dz * (1 - w) if for_x else None, dz * w if for_y else None, dz * (y - x) if for_w else None)


class Addcmul(Ternary):
    __slots__ = ("value",)
    value: Number

    def forward(ctx, x: Array, y: Array, z: Array, value: Number) -> Array:
        ctx.note_shapes(x, y, z)
        ctx.value = value
        ctx.save(y, z)
        product = y * z
        return x + (product if value == 1 else product * value)

    def backward(ctx, du: Array) -> tuple[Any, ...]:
        y, z = ctx.saved
        _, for_y, for_z, _ = ctx.edges
        scaled = du if ctx.value == 1 else du * ctx.value
        return (*ctx.fit(du, scaled * z if for_y else None, scaled * y if for_z else None), None)


class Addcdiv(Ternary):
    __slots__ = ("value",)
    value: Number

    def forward(ctx, x: Array, y: Array, z: Array, value: Number) -> Array:
        ctx.note_shapes(x, y, z)
        ctx.value = value
        ctx.save(y, z)
        return x + (y if value == 1 else y * value) / z

    def backward(ctx, du: Array) -> tuple[Any, ...]:
        y, z = ctx.saved
        _, for_y, for_z, _ = ctx.edges
        scaled = (du if ctx.value == 1 else du * ctx.value) / z
        return (*ctx.fit(du, scaled if for_y else None, -(scaled * y) / z if for_z else None), None)


def lerp(input: Tensor, end: Tensor, weight: Tensor | Number) -> Tensor:
    """input + weight * (end - input): `input` for a weight of 0, `end` for 1.

    Args:
        input, end: Tensors of one floating dtype.
        weight: a Tensor of that dtype, or a number. All shapes broadcast.
    Returns: the broadcast shape.
    Raises: RuntimeError for integers and dtypes that differ; ShapeError if the shapes do not broadcast.
    Gradient: dz * (1 - weight), dz * weight, dz * (end - input).
    """
    given = [each for each in (input, end, weight) if isinstance(each, Tensor)]
    for each in given:
        if each.dtype != input.dtype or each.dtype.kind not in "fV":
            raise RuntimeError(f"lerp: expected one floating dtype, got {', '.join(str(each.dtype) for each in given)}")
    return Lerp.apply(input, end, weight)  # type: ignore[no-any-return]


def addcmul(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Number = 1) -> Tensor:
    """input + value * tensor1 * tensor2.

    Args:
        input, tensor1, tensor2: Tensors whose shapes broadcast.
        value: the factor; a whole number where the result is an integer.
    Returns: the broadcast shape; the promoted dtype.
    Raises: ShapeError if the shapes do not broadcast; RuntimeError for a value of a higher kind than the result.
    Gradient: dz, value * dz * tensor2, value * dz * tensor1.
    """
    return _apply(Addcmul, "addcmul", input, tensor1, tensor2, value)


def addcdiv(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Number = 1) -> Tensor:
    """input + value * tensor1 / tensor2; arguments and errors as addcmul, and RuntimeError for integers divided.

    Gradient: dz, value * dz / tensor2, -value * dz * tensor1 / tensor2**2.
    """
    if tensor1.dtype.kind not in "fV" and tensor2.dtype.kind not in "fV":
        raise RuntimeError(f"addcdiv: integers are not divided, got {tensor1.dtype} and {tensor2.dtype}; cast one")
    return _apply(Addcdiv, "addcdiv", input, tensor1, tensor2, value)


def _apply(cls: type[Primitive], name: str, x: Tensor, y: Tensor, z: Tensor, value: Any) -> Tensor:
    for each in (x, y, z):
        if not isinstance(each, Tensor):
            raise TypeError(f"{name}: expected Tensors, got {type(each).__name__}")
    dtype, value = result_type(x, y, z), operand(name, value)
    if isinstance(value, Tensor):
        value = value.item()
    if isinstance(value, float) and dtype.kind not in "fV":
        raise RuntimeError(f"{name}: value is {value} and the result {dtype}; an integer result needs an integer")
    return cls.apply(x.to(dtype), y.to(dtype), z.to(dtype), fitted(f"{name}: value", value, dtype))  # type: ignore[no-any-return]
