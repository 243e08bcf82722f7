"""How a product of strided arrays becomes calls of a column-major matrix product, without copies where strides allow.

Read column by column, memory written row by row is the transposed matrix. So z = x y is asked for as z^T = y^T x^T,
for which neither operand moves, and an operand that is itself a transposed view needs one flag. Dimensions before the
last two become rows of one product where the other operand is the same for all of them, else a batch at one stride.

Nothing here touches memory or knows CuPy: it is arithmetic on shapes and on strides in bytes, done once for each.
"""

from __future__ import annotations

import functools
import itertools
import math
from typing import NamedTuple

Shape = tuple[int, ...]
_Dim = tuple[int, int, int, int]  # a length, and the strides of x, y and z
_Form = tuple[bool, int]  # whether it is stored column by column, and its leading dimension

_FEW = 8  # calls in a row that are better than a copy of an operand
_MUCH = 1 << 26  # multiplications in one call that outlast the launch of the next, so that any number of calls is fine
_INT32 = 2**31 - 1


class Plan(NamedTuple):
    """The calls for a product, all alike but for where their matrices start; or what to copy before it is planned.

    Attributes:
        shape: of the result.
        x_copy, y_copy: the shape to broadcast an operand to and to copy it in, where it must be; else None.
        elsewhere: the result must be computed in an array of its own first.
        x_first: x is the first operand of the call, since the result is stored column by column; else y is.
        turned: whether the first and the second operand are to be transposed, 1 or 0.
        sizes: rows and columns of the result and the length summed over, as the call counts them.
        leading: leading dimensions of the first operand, the second, and the result, in elements.
        strides: from one matrix of the batch to the next, in elements, in the same order.
        batch: how many matrices a call multiplies.
        starts: for each call where the matrices of x, y and the result begin, in bytes.
        wide: some number exceeds an int32.
    """

    shape: Shape
    x_copy: Shape | None = None
    y_copy: Shape | None = None
    elsewhere: bool = False
    x_first: bool = False
    turned: tuple[int, int] = (0, 0)
    sizes: tuple[int, int, int] = (0, 0, 0)
    leading: tuple[int, int, int] = (1, 1, 1)
    strides: tuple[int, int, int] = (0, 0, 0)
    batch: int = 1
    starts: tuple[tuple[int, int, int], ...] = ()
    wide: bool = False


def shape_of_product(x: Shape, y: Shape) -> Shape:
    """The shape of x @ y.

    Raises: ValueError if the shapes do not fit together.
    """
    if not x or not y:
        raise ValueError(f"product of shapes {x} and {y}: a 0-d array is no matrix")
    if x[-1] != y[max(len(y) - 2, 0)]:
        raise ValueError(f"product of shapes {x} and {y}: the lengths summed over, {x[-1]} and {y[-2:][0]}, differ")
    batch = []
    for a, b in itertools.zip_longest(reversed(x[:-2]), reversed(y[:-2]), fillvalue=1):
        if a != b and 1 not in (a, b):
            raise ValueError(f"product of shapes {x} and {y}: the batches do not broadcast")
        batch.append(b if a == 1 else a)
    return (*reversed(batch), *x[-2:-1], *(y[-1:] if len(y) > 1 else ()))


@functools.lru_cache(4096)
def plan(
    x_shape: Shape,
    x_strides: Shape,
    y_shape: Shape,
    y_strides: Shape,
    z_shape: Shape | None,
    z_strides: Shape,
    size: int,
) -> Plan:
    """The plan for z = x @ y.

    Args:
        x_shape, x_strides, y_shape, y_strides: of the operands; strides in bytes.
        z_shape, z_strides: of the result; None and () for a new one, which is C-contiguous.
        size: bytes of an element.
    Raises: ValueError if the shapes do not fit together.
    """
    shape = shape_of_product(x_shape, y_shape)
    if z_shape is None:
        z_strides = tuple(size * math.prod(shape[i + 1 :]) for i in range(len(shape)))
    elif z_shape != shape:
        raise ValueError(f"product of shapes {x_shape} and {y_shape}: the result is {shape}, but out is {z_shape}")
    if 0 in shape or not x_shape[-1]:
        return Plan(shape)
    return _Search(x_shape, x_strides, y_shape, y_strides, shape, z_strides, size).plan()


class _Search:
    """The operands as batches of matrices, brought to as few batch dimensions as their strides allow.

    Attributes:
        rows, columns, inner: x is (rows, inner), y (inner, columns).
        row, column: strides of x, y and z along their first and their second dimension.
        dims: for each batch dimension longer than 1 its length and the strides of x, y and z; 0 where broadcast.
    """

    def __init__(self, x: Shape, xs: Shape, y: Shape, ys: Shape, z: Shape, zs: Shape, size: int):
        self.shapes, self.size = (x, y, z), size
        self.inner = x[-1]
        # A vector is a matrix of one row or one column, whose stride is never looked at.
        self.rows, self.columns = x[-2] if len(x) > 1 else 1, y[-1] if len(y) > 1 else 1
        x_row, y_column = xs[-2] if len(x) > 1 else 0, ys[-1] if len(y) > 1 else 0
        y_inner = ys[-2] if len(y) > 1 else ys[0]
        ends = len(x[-2:-1]) + (len(y) > 1)
        z_column = zs[-1] if len(y) > 1 else 0
        z_row = zs[len(zs) - ends] if len(x) > 1 else 0
        self.row, self.column = [x_row, y_inner, z_row], [xs[-1], y_column, z_column]
        self.lead = z[: len(z) - ends]
        strides = (
            _broadcast(x[:-2], xs[:-2], len(self.lead)),
            _broadcast(y[:-2], ys[:-2], len(self.lead)),
            zs[: len(self.lead)],
        )
        self.dims: list[_Dim] = [dim for dim in zip(self.lead, *strides) if dim[0] > 1]

    def plan(self) -> Plan:
        self._merge()
        self._fold()
        forms = self._forms()
        # Not every kernel of a library can be trusted with a batch that goes backward.
        bad = [
            form is None or any(dim[which] < 0 or dim[which] % self.size for dim in self.dims)
            for which, form in enumerate(forms, 1)
        ]
        x, y, z = self.shapes
        if any(bad):
            return Plan(z, x if bad[0] else None, y if bad[1] else None, bad[2])
        longest = max(self.dims, default=(1, 0, 0, 0))
        others = [dim for dim in self.dims if dim is not longest]
        calls = math.prod(dim[0] for dim in others)
        if calls > _FEW and self.rows * self.columns * self.inner * longest[0] < _MUCH:
            split = [not self._is_one(which) for which in (1, 2, 3)]
            return Plan(
                z,
                (*self.lead, *x[-2:]) if split[0] else None,
                (*self.lead, *y[-2:]) if split[1] else None,
                split[2],
            )
        return self._calls(forms, longest, others)

    def _calls(self, forms: list[_Form | None], batch: _Dim, others: list[_Dim]) -> Plan:
        """One call for each matrix, or batch of them, in `others`."""
        (x_turned, x_leading), (y_turned, y_leading), (x_first, z_leading) = (form for form in forms if form)
        count, x_stride, y_stride, z_stride = batch
        starts = [(0, 0, 0)]
        for length, *strides in others:
            starts = [_moved(start, i, strides) for start in starts for i in range(length)]
        if x_first:
            turned, sizes = (not x_turned, not y_turned), (self.rows, self.columns, self.inner)
            leading = x_leading, y_leading, z_leading
        else:
            turned, sizes = (y_turned, x_turned), (self.columns, self.rows, self.inner)
            leading = y_leading, x_leading, z_leading
            x_stride, y_stride = y_stride, x_stride
        return Plan(
            self.shapes[2],
            x_first=x_first,
            turned=(int(turned[0]), int(turned[1])),
            sizes=sizes,
            leading=leading,
            strides=(x_stride // self.size, y_stride // self.size, z_stride // self.size),
            batch=count,
            starts=tuple(starts),
            wide=max(*sizes, *leading, count) > _INT32,
        )

    def _merge(self) -> None:
        """Make one of neighboring dimensions that all three step through as if they were one."""
        merged: list[_Dim] = []
        for dim in self.dims:
            length, *strides = dim
            if merged and all(outer == length * inner for outer, inner in zip(merged[-1][1:], strides)):
                merged[-1] = (merged[-1][0] * length, *dim[1:])
            else:
                merged.append(dim)
        self.dims = merged

    def _fold(self) -> None:
        """Make batch dimensions that y does not have more rows, and those that x does not have more columns."""
        for dim in self.dims[::-1]:
            length, x, y, z = dim
            before = self.rows, self.columns, list(self.row), list(self.column)
            if y == 0 and (self.rows == 1 or (x == self.rows * self.row[0] and z == self.rows * self.row[2])):
                if self.rows == 1:
                    self.row[0], self.row[2] = x, z
                self.rows *= length
            elif x == 0 and (self.columns == 1 or (y == self.columns * self.column[1] and z == self._width())):
                if self.columns == 1:
                    self.column[1], self.column[2] = y, z
                self.columns *= length
            else:
                continue
            if None in self._forms():
                self.rows, self.columns, self.row, self.column = before
            else:
                self.dims.remove(dim)

    def _width(self) -> int:
        return self.columns * self.column[2]

    def _forms(self) -> list[_Form | None]:
        """How the matrices of x, y and z lie in memory; None for one that a call cannot take as it is."""
        sizes = (self.rows, self.inner), (self.inner, self.columns), (self.rows, self.columns)
        return [_form(*size, row, column, self.size) for size, row, column in zip(sizes, self.row, self.column)]

    def _is_one(self, which: int) -> bool:
        """Whether all batch dimensions are one for this array."""
        return all(outer[which] == inner[0] * inner[which] for outer, inner in itertools.pairwise(self.dims))


def _moved(start: tuple[int, int, int], i: int, strides: list[int]) -> tuple[int, int, int]:
    return start[0] + i * strides[0], start[1] + i * strides[1], start[2] + i * strides[2]


def _form(rows: int, columns: int, row: int, column: int, size: int) -> _Form | None:
    if (columns == 1 or column == size) and (rows == 1 or (row >= columns * size and row % size == 0)):
        return False, columns if rows == 1 else row // size
    if (rows == 1 or row == size) and (columns == 1 or (column >= rows * size and column % size == 0)):
        return True, rows if columns == 1 else column // size
    return None


def _broadcast(shape: Shape, strides: Shape, count: int) -> Shape:
    """Strides of leading dimensions for `count` of them."""
    return (0,) * (count - len(shape)) + tuple(0 if length == 1 else stride for length, stride in zip(shape, strides))
