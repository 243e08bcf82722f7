"""Arguments to try the kernels of relu and of checks on; see test_kernels.py."""

import numpy as np
from cases import INTEGERS

SHAPES = ((), (1,), (5,), (3, 4), (2, 3, 5), (0, 3), (129, 65), (3, 7001))


def unary(arrays):
    for shape in SHAPES:
        yield [arrays(shape)]


def relu_backward(arrays):
    for shape in SHAPES:
        yield [arrays(shape), np.asarray(np.maximum(arrays(shape), 0))]


def check_classes(arrays):
    for dtype in INTEGERS:
        yield [np.array([0, 3, 100, 1], dtype), 4, 100]


EXAMPLES = {
    "relu_forward": unary,
    "relu_backward": relu_backward,
    "check_classes": check_classes,
}
