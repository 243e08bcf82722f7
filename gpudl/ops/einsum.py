"""Sums of products over named dimensions: einsum, tensordot, inner, vecdot.

Labels are numbers here: 0 to 51 for A to Z and a to z, from 52 on for the dimensions under an ellipsis. A sum of
products of many tensors is one of two at a time, each a batched matrix product: labels that both tensors and the
result have are its batch, those that only the tensors have are its inner dimension.
"""

from __future__ import annotations

import functools
import math
from typing import Any

from gpudl.autograd.tensor import Tensor
from gpudl.autograd.widen import ReadsHalf
from gpudl.backend.arrays import Array
from gpudl.backend.errors import ShapeError
from gpudl.ops.arithmetic import mul
from gpudl.ops.gemm import integer_product, product
from gpudl.ops.matmul import matmul
from gpudl.ops.matrices import diagonal_view
from gpudl.ops.operands import one_dim, result_type
from gpudl.ops.reduce import sum as sum_
from gpudl.ops.shape import permute, reshape
from gpudl.ops.subscripts import Labels, Operand, plan_of, planned

__all__ = ["einsum", "inner", "tensordot"]


class Contract(ReadsHalf):
    """The sum of products of two tensors, whose dimensions have labels, over the labels that the result lacks.

    Every label of the result is one of the tensors', every label that only one tensor has is one of the result's, and
    a label has the same length in both.
    """

    __slots__ = ("labels",)
    labels: tuple[Labels, Labels, Labels]

    def forward(ctx, x: Array, y: Array, x_labels: Labels, y_labels: Labels, z_labels: Labels) -> Array:
        for_x, for_y, *_ = ctx.edges
        ctx.save(x if for_y else None, y if for_x else None)
        ctx.labels = x_labels, y_labels, z_labels
        return _contract(x, y, x_labels, y_labels, z_labels)

    def backward(ctx, dz: Array) -> tuple[Any, Any]:
        x, y = ctx.saved
        x_labels, y_labels, z_labels = ctx.labels
        contract = Contract.apply if isinstance(dz, Tensor) else _contract
        dx = None if y is None else contract(dz, y, z_labels, y_labels, x_labels)
        dy = None if x is None else contract(dz, x, z_labels, x_labels, y_labels)
        return dx, dy


def _contract(x: Array, y: Array, x_labels: Labels, y_labels: Labels, z_labels: Labels) -> Array:
    steps = _steps_of(x_labels, y_labels, z_labels)
    if steps.swapped:
        x, y = y, x
    x, y = x.transpose(steps.x_order), y.transpose(steps.y_order)
    batch, rows, columns = steps.counts
    if not steps.inner:
        x = x.reshape((*x.shape, *(1,) * columns))
        y = y.reshape((*y.shape[:batch], *(1,) * rows, *y.shape[batch:]))
        z = x * y
    else:
        row_shape, column_shape = x.shape[batch : batch + rows], y.shape[batch + steps.inner :]
        lead, inner = x.shape[:batch], math.prod(y.shape[batch : batch + steps.inner])
        if rows != 1 or steps.inner != 1:
            x = x.reshape((*lead, math.prod(row_shape), inner))
        if columns != 1 or steps.inner != 1:
            y = y.reshape((*lead, inner, math.prod(column_shape)))
        z = product(x, y) if x.dtype.kind in "fV" else integer_product(x, y)
        if rows != 1 or columns != 1:
            z = z.reshape((*lead, *row_shape, *column_shape))
    return z if steps.z_order is None else z.transpose(steps.z_order)


class _Steps:
    """How two labeled tensors become a batched matrix product.

    Attributes:
        swapped: the second tensor is the left factor, for then the result needs no transposing.
        x_order, y_order: (batch, rows, inner) of the left factor and (batch, inner, columns) of the right one.
        counts: how many labels are batch, rows and columns.
        inner: how many are summed over.
        z_order: from (batch, rows, columns) to the result; None where they agree.
    """

    def __init__(self, x: Labels, y: Labels, z: Labels):
        both = set(x) & set(y)
        free = [label for label in z if label not in both]
        self.swapped = bool(free) and free[0] in y
        if self.swapped:
            x, y = y, x
        batch = [label for label in z if label in both]
        rows = [label for label in z if label in x and label not in both]
        columns = [label for label in z if label in y and label not in both]
        inner = [label for label in x if label in both and label not in z]
        self.x_order = tuple(map(x.index, batch + rows + inner))
        self.y_order = tuple(map(y.index, batch + inner + columns))
        self.counts = len(batch), len(rows), len(columns)
        self.inner = len(inner)
        made = batch + rows + columns
        self.z_order = None if made == list(z) else tuple(map(made.index, z))


_steps_of = functools.lru_cache(4096)(_Steps)


def einsum(equation: Any, *operands: Any) -> Tensor:
    """The sum of products that an equation of labels names, one label for each dimension.

    `einsum("bij,bjk->bik", x, y)` is a batched matrix product, "ii->i" a diagonal, "ij->" a sum. Labels are letters;
    blanks do not matter; "..." stands for all dimensions without a label, which broadcast. Without "->" the result has
    the ellipsis and then, sorted, the labels that occur once. Dimensions of length 1 broadcast. Several operands are
    multiplied in the order that needs the fewest multiplications.

    Args:
        equation, operands: an equation and the tensors, or the tensors each followed by a list of its labels as
            numbers from 0 to 51 and Ellipsis, and last, if wanted, the list of the result.
    Returns: a view where nothing is summed or multiplied.
    Raises: ValueError and RuntimeError for an equation that is none, or does not fit the tensors.
    Gradient: for each operand, a sum of products of dz and the other operands.
    """
    tensors, plan = planned(equation, operands)
    terms = [_prepared(tensor, operand) for tensor, operand in zip(tensors, plan.operands)]
    for first, second, *labels in plan.products:
        y, x = terms.pop(second), terms.pop(first)
        terms.append(_product("einsum", x, y, *labels))
    return terms[0] if plan.order is None else permute(terms[0], plan.order)


def _prepared(tensor: Tensor, operand: Operand) -> Tensor:
    """An operand with each label once, without what it broadcasts along, summed over what nobody else has."""
    for first, second in operand.diagonals:
        tensor = diagonal_view(tensor, 0, first, second)  # the diagonal is the last dimension of this
        order = list(range(tensor.ndim - 1))
        order.insert(first, tensor.ndim - 1)
        tensor = permute(tensor, tuple(order))
    if operand.shape is not None:
        tensor = reshape(tensor, operand.shape)
    return sum_(tensor, operand.alone) if operand.alone else tensor


def _product(name: str, x: Tensor, y: Tensor, x_labels: Labels, y_labels: Labels, z_labels: Labels) -> Tensor:
    dtype = x.dtype if x.dtype == y.dtype else result_type(x, y)
    if (x.dtype != y.dtype or dtype.kind == "b") and len(set(x_labels + y_labels)) > len(z_labels):
        raise RuntimeError(f"{name}: cannot sum products of {x.dtype} and {y.dtype}; cast both to one number dtype")
    if x.dtype != y.dtype:
        x, y = x.to(dtype), y.to(dtype)
    return Contract.apply(x, y, x_labels, y_labels, z_labels)  # type: ignore[no-any-return]


def tensordot(a: Tensor, b: Tensor, dims: Any = 2) -> Tensor:
    """The sum of products over some dimensions of both tensors.

    Args:
        a, b: one dtype; lengths along the dimensions summed over are equal, or one of them is 1 and broadcasts.
        dims: how many, the last ones of a and the first ones of b; or two sequences of dimensions, pair by pair.
    Returns: the other dimensions of a, then those of b.
    Raises: ShapeError if the lengths differ or dims is negative; IndexError if a dim is out of range; RuntimeError
        if the dtypes differ or are bool.
    Gradient: tensordot of dz with the other tensor.
    """
    if isinstance(dims, Tensor):
        dims = dims.tolist()
    if isinstance(dims, int):
        if dims < 0:
            raise ShapeError(f"tensordot: expected dims >= 0, got {dims}")
        if dims > min(a.ndim, b.ndim):
            raise ShapeError(f"tensordot: shapes {a.shape} and {b.shape} have no {dims} dimensions to sum over")
        of_a, of_b = list(range(a.ndim - dims, a.ndim)), list(range(dims))
    else:
        parts = [[part] if isinstance(part, int) else list(part) for part in dims]
        if len(parts) != 2 or len(parts[0]) != len(parts[1]):
            raise ShapeError(f"tensordot: dims {dims} must name as many dimensions of one tensor as of the other")
        of_a, of_b = (
            [one_dim("tensordot", dim, tensor.ndim) for dim in part] for part, tensor in zip(parts, (a, b), strict=True)
        )
    if len(set(of_a)) != len(of_a) or len(set(of_b)) != len(of_b):
        raise ShapeError(f"tensordot: dims {dims} name a dimension twice")
    if a.dtype != b.dtype or a.dtype.kind == "b":
        raise RuntimeError(f"tensordot: the dtypes are {a.dtype} and {b.dtype}; cast both to one number dtype")
    paired = list(zip(of_a, of_b))
    for i, j in paired:
        if a.shape[i] != b.shape[j] and 1 not in (a.shape[i], b.shape[j]):
            raise ShapeError(f"tensordot: shapes {a.shape} and {b.shape} differ in length along dims {i} and {j}")
    a_labels, b_labels = tuple(range(a.ndim)), [a.ndim + j for j in range(b.ndim)]
    for i, j in paired:
        b_labels[j] = i
    output = tuple(i for i in a_labels if i not in of_a) + tuple(b_labels[j] for j in range(b.ndim) if j not in of_b)
    plan = plan_of((a_labels, tuple(b_labels)), output, (a.shape, b.shape))
    x, y = (_prepared(tensor, operand).to(a.dtype) for tensor, operand in zip((a, b), plan.operands))
    return _product("tensordot", x, y, *plan.products[0][2:])


def inner(input: Tensor, other: Tensor) -> Tensor:
    """The sum of products along the last dimension of both; a 0-d tensor multiplies the other.

    Returns: the other dimensions of input, then those of other.
    Raises: ShapeError if the last lengths differ; RuntimeError if the dtypes differ or are bool.
    """
    if not input.ndim or not other.ndim:
        if input.dtype != other.dtype:
            raise RuntimeError(f"inner: the dtypes differ, {input.dtype} and {other.dtype}; cast one with to()")
        return mul(input, other)
    if input.shape[-1] != other.shape[-1]:
        raise ShapeError(f"inner: the last lengths of shapes {input.shape} and {other.shape} must be equal")
    if input.ndim == other.ndim == 1:
        return matmul(input, other)
    return tensordot(input, other, [[-1], [-1]])
