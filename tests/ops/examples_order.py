"""Arguments to try the kernels behind sorting and ranking on; see test_kernels.py."""

import numpy as np

from gpudl.backend.order import KTH, MEDIAN, NANMEDIAN

INF, NAN = float("inf"), float("nan")


def lines(arrays, *shape):
    """Numbers with equal ones, zeros of both signs, infinities and nan of both signs among them."""
    x = np.round(arrays(shape, -9, 9) * 4) / 4
    flat = x.reshape(-1)
    for place, value in enumerate((0.0, NAN, -0.0, INF, -NAN, -INF)):
        flat[3 * place + 1 :: 41] = value
    return x


def sorted_forward(arrays):
    yield [lines(arrays, 7), 7, False, True]
    yield [lines(arrays, 40, 5), 3, True, True]
    yield [lines(arrays, 2, 3, 1025), 1025, False, True]  # a block sorts one row
    yield [lines(arrays, 2, 4097), 300, True, True]  # picked
    yield [lines(arrays, 33000), 40, False, True]  # in parts
    yield [lines(arrays, 4100), 4100, True, False]  # digit by digit
    yield [lines(arrays, 4500), 2100, False, True]
    for shape in ((0, 3), (3, 0)):
        yield [arrays(shape), shape[1], False, True]
    yield [arrays((2, 3)), 0, False, True]


def ranked_forward(arrays):
    for how in (KTH, MEDIAN, NANMEDIAN):
        yield [lines(arrays, 30, 6), 4, how]
        yield [arrays((3, 7)), 0, how]
        yield [np.full((2, 3), NAN, arrays(()).dtype), 1, how]
        yield [lines(arrays, 2, 4100), 4099, how]  # by its digits
        yield [arrays((4097,)), 2000, how]
    yield [arrays((0, 3)), 1, KTH]


def put_along_(arrays):
    yield [arrays((3, 5)), arrays((3, 2)), np.array([[4, 0], [1, 3], [0, 4]]), 1]
    yield [arrays((2, 4, 3)), arrays((2, 1, 3)), np.array([[[3, 0, 1]], [[2, 2, 2]]]), 1]
    yield [arrays((600,)), arrays((600,)), np.random.default_rng(0).permutation(600), 0]
    yield [arrays((2, 3)), arrays((2, 0)), np.zeros((2, 0), "int64"), 1]


EXAMPLES = {"put_along_": put_along_, "ranked_forward": ranked_forward, "sorted_forward": sorted_forward}
