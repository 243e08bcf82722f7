"""Arguments to try the kernels of relu, softmax and cross-entropy on; see test_kernels.py."""

import itertools

import numpy as np
from cases import INTEGERS

from gpudl.backend.kernel import KERNELS

SHAPES = ((), (1,), (5,), (3, 4), (2, 3, 5), (0, 3), (129, 65), (3, 7001))
LABELS = np.array([0, 3, -100, 1, 2])


def unary(arrays):
    for shape in SHAPES:
        yield [arrays(shape)]


def relu_backward(arrays):
    for shape in SHAPES:
        yield [arrays(shape), np.asarray(np.maximum(arrays(shape), 0))]


def along_dims(arrays):
    wide = (((129, 65), 1), ((65, 129), 0), ((2, 7001), 1))
    for shape, dim in (((5,), 0), ((3, 4), 0), ((3, 4), 1), ((2, 3, 5), 1), *wide):
        yield [arrays(shape, -6, 6), dim]


def softmax_backward(arrays):
    for x, dim in along_dims(arrays):
        y = np.exp(x.astype("float64"))
        yield [arrays(x.shape), (y / y.sum(dim, keepdims=True)).astype(x.dtype), dim]


def log_softmax_backward(arrays):
    for x, dim in along_dims(arrays):
        total = np.exp(x.astype("float64")).sum(dim, keepdims=True)
        yield [arrays(x.shape), (x - np.log(total)).astype(x.dtype), dim]


def cross_entropy_forward(arrays):
    for weighted, ignore_index, smoothing in itertools.product((False, True), (-100, 1), (0.0, 0.1)):
        weight = arrays((4,), 0.5, 2) if weighted else None
        labels = LABELS if ignore_index == -100 else abs(LABELS) % 4
        yield [arrays((5, 4), -5, 5), labels, weight, ignore_index, smoothing]
    yield [arrays((64, 1000), -8, 8), np.arange(64) * 7, None, -100, 0.0]
    yield [arrays((0, 4)), LABELS[:0], None, -100, 0.0]


def cross_entropy_backward(arrays):
    for x, target, weight, ignore_index, smoothing in cross_entropy_forward(arrays):
        exact = KERNELS["cross_entropy_forward"].reference(x, target, weight, ignore_index, smoothing)
        yield [arrays(x.shape[:1]), x, target, weight, ignore_index, smoothing, *exact[1:]]
        yield [arrays(x.shape[:1]), x, target, weight, ignore_index, smoothing, None, None]


def check_classes(arrays):
    for dtype in INTEGERS:
        yield [np.array([0, 3, 100, 1], dtype), 4, 100]


EXAMPLES = {
    "relu_forward": unary,
    "relu_backward": relu_backward,
    "softmax_forward": along_dims,
    "softmax_backward": softmax_backward,
    "log_softmax_forward": along_dims,
    "log_softmax_backward": log_softmax_backward,
    "cross_entropy_forward": cross_entropy_forward,
    "cross_entropy_backward": cross_entropy_backward,
    "check_classes": check_classes,
}
