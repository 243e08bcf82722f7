"""Reading and writing bare arrays by normalized indices: tuples of ints, slices, None, Ellipsis and arrays.

NumPy does all that at one go. CuPy takes several launches where arrays are among them, leaves open which of several
values for one element stays, and fills with zeros before it copies the gradient of a slice.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.cuda_text import dense
from gpudl.backend.join import joined
from gpudl.backend.strided_copy import reshaped
from gpudl.backend.take_rows import taken
from gpudl.ops.accumulate import from_front, put_rows_, summed_to


def embedded(x: Array, index: Any, shape: tuple[int, ...]) -> Array:
    """Zeros of a shape with x added at an index: the adjoint of reading there."""
    arrays = [part for part in index if hasattr(part, "dtype")]
    if not arrays or (len(arrays) == 1 and arrays[0].dtype.kind == "b"):  # no element is named twice
        return _embed_once(x, index, shape)
    places, lengths = _places(index, shape, arrays)
    rows = x.reshape((places.size, *shape[len(lengths) :]))
    return summed_to(shape, math.prod(lengths), places.reshape(-1), rows)


def _places(index: Any, shape: tuple[int, ...], arrays: list[Array]) -> tuple[Array, tuple[int, ...]]:
    """Which places an index of arrays names, counted in memory order, and the leading lengths that these count."""
    rest = index[len(arrays) :]
    leading = all(hasattr(part, "dtype") and part.dtype.kind in "iu" for part in index[: len(arrays)])
    if leading and all(each is Ellipsis or each == slice(None) for each in rest):
        lengths = shape[: len(arrays)]
        places = from_front(arrays[0], lengths[0])
        for array, length in zip(arrays[1:], lengths[1:]):
            places = places * length + from_front(array, length)
        return places, lengths
    return xp_of(arrays[0]).arange(math.prod(shape)).reshape(shape)[index], shape


def put_once(x: Array, value: Array, index: Any) -> Array:
    """x with x[index] = value; of several values for one element the last stays, on devices too."""
    arrays = [part for part in index if hasattr(part, "dtype")]
    if type(x) is np.ndarray or any(array.dtype.kind == "b" for array in arrays):
        x[index] = value
        return x
    places, lengths = _places(index, x.shape, arrays)
    rest = x.shape[len(lengths) :]
    value = value.reshape(value.shape[max(value.ndim - places.ndim - len(rest), 0) :])  # of leading ones
    rows = xp_of(x).broadcast_to(value, (*places.shape, *rest)).reshape((places.size, *rest))
    whole = dense(x)
    put_rows_(whole.reshape((math.prod(lengths), *rest)), places.reshape(-1), rows)
    if whole is not x:
        x[...] = whole
    return x


def read_at(x: Array, index: Any) -> Array:
    """x[index] for an index with arrays; on devices rows are moved whole."""
    arrays = [part for part in index if hasattr(part, "dtype")]
    if type(x) is np.ndarray or any(array.dtype.kind == "b" for array in arrays):
        return x[index]
    leading = all(hasattr(part, "dtype") for part in index[: len(arrays)])
    if not leading or any(each is not Ellipsis and each != slice(None) for each in index[len(arrays) :]):
        return x[index]
    if len(arrays) == 1:
        return taken(x, arrays[0])
    places, lengths = _places(index, x.shape, arrays)
    return taken(reshaped(x, (math.prod(lengths), *x.shape[len(lengths) :])), places)


def _embed_once(x: Array, index: Any, shape: tuple[int, ...]) -> Array:
    """embedded, for an index that names no element twice."""
    cut = None if type(x) is np.ndarray else _cut(index, shape)
    if cut is None:
        y = xp_of(x).zeros(shape, x.dtype)
        y[index] = x
        return y
    dim, start, stop = cut
    apart = (*(slice(None),) * dim, slice(None) if type(index[dim]) is slice else None)
    rows = x[apart]
    return joined(dim, (start, stop - start, shape[dim] - stop), (None, rows, None))


def _cut(index: Any, shape: tuple[int, ...]) -> tuple[int, int, int] | None:
    """The only dimension that a basic index cuts, and from where to where; None if there are more, or steps."""
    if any(hasattr(part, "dtype") for part in index):
        return None
    cut = [i for i, part in enumerate(index) if part is not Ellipsis and part != slice(None)]
    if len(cut) != 1 or any(part is Ellipsis for part in index[: cut[0]]):
        return None
    dim = cut[0]
    part, length = index[dim], shape[dim] if dim < len(shape) else 0
    if type(part) is slice:
        start, stop, step = part.indices(length)
        return (dim, start, max(start, stop)) if step == 1 else None
    return (dim, part % length, part % length + 1) if type(part) is int else None
