"""Arguments to try the kernels of running sums on; see test_kernels.py."""

import itertools

import numpy as np

from gpudl.backend.kernel import KERNELS

SHAPES = (((5,), 0), ((3, 4), 0), ((3, 4), 1), ((2, 3, 5), 1), ((0, 3), 0), ((3, 0), 1), ((1, 1), 1))
WIDE = (((3, 64), 1), ((2, 100), 1), ((700,), 0), ((31, 70), 0), ((3, 9, 65), 1))


def running(arrays):
    for (shape, dim), reverse in itertools.product(SHAPES + WIDE, (False, True)):
        yield [arrays(shape), dim, reverse]


def cumsum(arrays):
    yield from running(arrays)
    for reverse, value in itertools.product((False, True), (np.inf, np.nan)):
        x = arrays((2, 130))
        x[1, 70] = value
        yield [x, 1, reverse]


def logcumsumexp_backward(arrays):
    for x, dim, reverse in running(arrays):
        y = KERNELS["logcumsumexp_forward"].reference(x.astype("float64"), dim, reverse)
        yield [arrays(x.shape), x, y.astype(x.dtype), dim, reverse]


EXAMPLES = {
    "cumsum_forward": cumsum,
    "cumsum_backward": cumsum,
    "logcumsumexp_forward": running,
    "logcumsumexp_backward": logcumsumexp_backward,
}
