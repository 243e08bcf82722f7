"""Arguments to try the kernels of reductions on; see test_kernels.py."""

import itertools
import math

import numpy as np

from gpudl.backend.kernel import KERNELS

# A warp and a block a row, rows in several blocks; segments; columns wide and narrow, few and many; too many groups.
SHAPES = (
    ((), ()), ((5,), (0,)), ((3, 0), (1,)), ((0, 3), (1,)), ((7, 33), (1,)), ((2, 1500), (1,)), ((1, 20001), (1,)),
    ((33, 8), (0,)), ((70, 3), (0,)), ((300, 36), (0,)), ((2, 20, 5), (1,)), ((3, 5, 40), (0, 2)), ((9, 2, 9), (0, 2)),
    ((2, 3, 2, 3, 2), (0, 2, 4)),
)  # fmt: skip
SMALL = tuple((shape, dims) for shape, dims in SHAPES if math.prod(shape) < 1000 and math.prod(shape))


def count(shape, dims):
    return math.prod(shape[dim] for dim in dims)


def over(shape, dims):
    return tuple(1 if i in dims else length for i, length in enumerate(shape))


def spoiled(arrays, shape):
    """Equal elements, zeros, nan and infinities among others."""
    x = np.asarray(arrays(shape))
    if x.size > 20:
        flat = x.reshape(-1)
        flat[::5] = flat[0]
        flat[3::7] = 0
        flat[17] = math.inf
        flat[19] = math.nan
    return x


def mean(arrays):
    for (shape, dims), keepdim in zip(SHAPES, itertools.cycle((True, False))):
        yield [arrays(shape), dims, keepdim, count(shape, dims)]


def nonzero(arrays):
    for shape, dims in SMALL:
        yield [np.asarray(spoiled(arrays, shape)), dims]


def logical(arrays):
    for (shape, dims), every, flag in itertools.product(SMALL, (True, False), (0, 1)):
        yield [np.full(shape, flag, arrays(()).dtype), dims, False, every]
        yield [spoiled(arrays, shape), dims, True, every]


def extreme(arrays):
    for (shape, dims), largest in itertools.product(SHAPES, (True, False)):
        if count(shape, dims):
            yield [spoiled(arrays, shape), dims, True, largest, False]


def extreme_backward(arrays):
    for shape, dims in SHAPES:
        if count(shape, dims):
            x = spoiled(arrays, shape)
            y = np.asarray(x.max(axis=dims, keepdims=True))
            equal = np.asarray(((x == y) | ((x != x) & (y != y))).sum(axis=dims, keepdims=True))
            yield [arrays(over(shape, dims)), x, y, equal, dims]


def position(arrays):
    for (shape, dims), largest in itertools.product(SHAPES, (True, False)):
        if count(shape, dims) and len(dims) == 1:
            yield [spoiled(arrays, shape), dims[0], True, largest]
    yield [spoiled(arrays, (4, 5, 6)), None, False, True]


def place(arrays):
    for x, dim, _, largest in position(arrays):
        if dim is not None:
            yield [x, dim, largest]


def place_backward(arrays):
    for x, dim, largest in place(arrays):
        where = (np.argmax if largest else np.argmin)(x, axis=dim, keepdims=True)
        yield [arrays(where.shape), where, dim, x.shape[dim]]


def variance(arrays):
    for (shape, dims), root, less in zip(SHAPES, itertools.cycle((True, False)), itertools.cycle((1, 0, 0.5))):
        if math.prod(shape):
            yield [arrays(shape), dims, True, count(shape, dims), count(shape, dims) - less, root, False]
    x = spoiled(arrays, (3, 64))
    yield [x, (1,), True, 64, 63, False, False]


def variance_backward(arrays):
    for (shape, dims), (root, with_mean) in itertools.product(SMALL, ((True, False), (False, True))):
        many = count(shape, dims)
        x, dy = arrays(shape), arrays(over(shape, dims))
        y = np.asarray(np.sqrt(x.astype("float64").var(axis=dims, keepdims=True))).astype(x.dtype)
        yield [dy, x, y, np.asarray(dy * 2) if with_mean else None, None, dims, many, many, root and many > 1, False]
        yield [dy, x, y, None, None, dims, many, many - 1 - 1e9, False, True]


def norm(arrays):
    for (shape, dims), p in itertools.product(SHAPES, (2.0, 1.0, 0.0, 3.0, 0.5, math.inf, -math.inf)):
        if count(shape, dims) and (math.prod(shape) < 1000 or p == 2):
            yield [arrays(shape, -1, 1), p, dims, True, False]


def vector_norm(arrays):
    for x, p, dims, keepdim, _ in norm(arrays):
        yield [x, p, dims, keepdim]


def norm_backward(arrays):
    for (shape, dims), p in itertools.product(SMALL, (2.0, 1.0, 0.0, 3.0, 1.5)):
        x = np.asarray(arrays(shape, 0.5, 1.5) * np.where(arrays(shape) > 0, 1, -1).astype(arrays(()).dtype))
        y = np.asarray(KERNELS["norm_forward"].reference(x.astype("float64"), p, dims, True, False)[0])
        yield [arrays(over(shape, dims)), x, y.astype(x.dtype), y.astype(x.dtype), p, dims]


def prod(arrays):
    for shape, dims in SHAPES:
        if len(dims) == 1 and math.prod(shape) < 1000:
            yield [arrays(shape, 0.8, 1.25), dims[0], False]


def prod_backward(arrays):
    for x, dim, _ in prod(arrays):
        for zeros in (0, 1, 2):
            x = x.copy()
            if x.size > 5:
                x.reshape(-1)[:zeros] = 0
            yield [arrays(over(x.shape, (dim,))), x, x.prod(axis=dim, keepdims=True, dtype=x.dtype), None, dim]


def logsumexp(arrays):
    for shape, dims in SHAPES:
        yield [arrays(shape), dims, True, False]
    x = arrays((6, 70))
    x[0], x[1], x[2, 3], x[3, 3], x[4] = math.inf, -math.inf, math.inf, math.nan, math.nan
    x[5, 2:] = -math.inf
    yield [x, (1,), False, False]
    yield [x.T.copy(), (0,), False, False]


def logsumexp_backward(arrays):
    for shape, dims in SMALL:
        x = arrays(shape)
        y = np.asarray(np.log(np.exp(x.astype("float64")).sum(axis=dims, keepdims=True))).astype(x.dtype)
        yield [arrays(y.shape), x, y, dims]


EXAMPLES = {
    "mean_forward": mean,
    "count_forward": nonzero,
    "logical_forward": logical,
    "extreme_forward": extreme,
    "extreme_backward": extreme_backward,
    "position_forward": position,
    "place_forward": place,
    "place_backward": place_backward,
    "variance_forward": variance,
    "variance_backward": variance_backward,
    "norm_forward": norm,
    "vector_norm_forward": vector_norm,
    "norm_backward": norm_backward,
    "prod_forward": prod,
    "prod_backward": prod_backward,
    "logsumexp_forward": logsumexp,
    "logsumexp_backward": logsumexp_backward,
}
