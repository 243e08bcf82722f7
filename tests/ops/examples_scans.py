"""Arguments to try running products, extremes and recurrences on; see test_kernels.py."""

import itertools

import numpy as np

# A warp, a block, several blocks a line; columns, and several blocks of them; other dimensions.
SHAPES = (((3, 40), 1), ((2, 700), 1), ((8200,), 0), ((5, 3), 0), ((300, 6), 0), ((2, 9, 4), 1), ((0, 3), 1))


def factors(arrays, shape):
    """Around 1 in size, so that products of many neither end at 0 nor beyond all numbers."""
    x = arrays(shape, 0.9, 1.11)
    x.reshape(-1)[::3] *= -1
    return x


def recurrence_forward(arrays):
    for (shape, dim), reverse in itertools.product(SHAPES, (False, True)):
        yield [arrays(shape), arrays(shape, -1, 1), dim, reverse]
    yield [arrays((1, 4)), np.full((1, 4), np.inf, arrays(()).dtype), 0, False]


def cumprod_forward(arrays):
    for (shape, dim), reverse in itertools.product(SHAPES, (False, True)):
        if shape != (8200,):
            yield [factors(arrays, shape), dim, reverse]
    yield [np.ones(8200, arrays(()).dtype), 0, False]


def cumprod_backward(arrays):
    for shape, dim in (((3, 40), 1), ((40, 3), 0), ((1, 3), 0)):
        for reverse, zeros in itertools.product((False, True), ((), (1,), (0, 2), (-1,))):
            x = factors(arrays, shape)
            for place in zeros:
                x.swapaxes(0, dim)[place % shape[dim]] = 0
            wide = x.astype("float64")
            y = np.flip(np.flip(wide, dim).cumprod(dim), dim) if reverse else wide.cumprod(dim)
            yield [arrays(shape), x, y.astype(x.dtype), dim, reverse]


def lines(arrays, shape):
    x = np.round(arrays(shape, -9, 9) * 2) / 2
    x.reshape(-1)[:30:9] = 0.0
    x.reshape(-1)[1:30:9] = -0.0
    return x


def cumextreme_forward(arrays):
    for (shape, dim), largest in itertools.product(SHAPES, (False, True)):
        yield [lines(arrays, shape), dim, largest]
    for value in (np.nan, np.inf, -np.inf):
        x = lines(arrays, (2, 600))
        x[:, 70::50] = value
        yield [x, 1, True]
        yield [x, 1, False]


def cumextreme_backward(arrays):
    for shape, dim in SHAPES:
        x = lines(arrays, shape)
        numbers = np.arange(shape[dim]).reshape((-1, *(1,) * (len(shape) - 1 - dim)))
        hit = x >= np.maximum.accumulate(x, dim) if x.size else x > 0
        yield [arrays(shape), np.maximum.accumulate(hit * numbers, dim), dim]


EXAMPLES = {
    "cumextreme_backward": cumextreme_backward,
    "cumextreme_forward": cumextreme_forward,
    "cumprod_backward": cumprod_backward,
    "cumprod_forward": cumprod_forward,
    "recurrence_forward": recurrence_forward,
}
