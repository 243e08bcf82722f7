"""Arguments to try the kernels of softmax, cross-entropy and CTC on; see test_kernels.py."""

import itertools

import numpy as np

from gpudl.backend.arrays import quiet
from gpudl.backend.kernel import KERNELS
from gpudl.ops.class_rows import Kept, Rule

LABELS = np.array([0, 3, -100, 1, 2])


def along_dims(arrays):
    wide = (((129, 65), 1), ((65, 129), 0), ((2, 7001), 1), ((700, 100), 1), ((700, 100), 0), ((7, 100, 100), 2))
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


REDUCTIONS = ("none", "sum", "mean")


def cross_entropy_forward(arrays):
    reductions = itertools.cycle(REDUCTIONS)
    for weighted, ignore_index, smoothing in itertools.product((False, True), (-100, 1), (0.0, 0.1)):
        weight = arrays((4,), 0.5, 2) if weighted else None
        labels = LABELS if ignore_index == -100 else abs(LABELS) % 4
        yield [arrays((5, 4), -5, 5), labels, weight, Rule(ignore_index, smoothing, next(reductions)), True]
    for weight, with_powers, smoothing in itertools.product((None, arrays((1000,), 0.5, 2)), (True, False), (0.0, 0.2)):
        given = arrays((67, 1000), -8, 8), np.arange(67) * 7
        yield [*given, weight, Rule(14, smoothing, next(reductions)), with_powers]
    for reduction in REDUCTIONS:
        yield [arrays((0, 4)), LABELS[:0], None, Rule(-100, 0.0, reduction), True]
        yield [arrays((0, 4)), LABELS[:0], None, Rule(-100, 0.1, reduction), True]
        yield [arrays((33, 1031), -8, 8), np.arange(33) * 31, None, Rule(62, 0.1, reduction), True]
        yield [arrays((601, 31), -8, 8), np.arange(601) % 31, arrays((31,), 0.5, 2), Rule(3, 0.0, reduction), True]


def cross_entropy_backward(arrays):
    for x, *given in cross_entropy_forward(arrays):
        with quiet():
            loss, divisor, high, mass, powers = KERNELS["cross_entropy_forward"].reference(x, *given)
        dloss = arrays(np.shape(loss))
        divisor = None if divisor is None else np.asarray(divisor)
        for kept in (Kept(divisor, high, mass, powers), Kept(divisor, high, mass), Kept()):
            yield [dloss, x, *given[:-1], kept, False]


def ctc_loss_forward(arrays):
    for times, labels, inputs, targets in (
        (6, [[1, 2, 3], [1, 1, 0]], [6, 4], [3, 2]),
        (3, [[1, 2, 3], [2, 2, 2], [3, 0, 0], [0, 0, 0]], [3, 3, 0, 2], [3, 3, 1, 0]),
        (4, [[], []], [4, 0], [0, 0]),
    ):
        for blank in (0, 4):
            labels_given = np.array(labels, "int64").reshape(len(labels), -1)
            yield [arrays((times, len(labels), 5), -4, 0), labels_given, np.array(inputs), np.array(targets), blank]


def ctc_loss_backward(arrays):
    for given in ctc_loss_forward(arrays):
        for zero_infinity in (False, True):
            wide = [given[0].astype("float64" if given[0].dtype == "float64" else "float32"), *given[1:]]
            with quiet():
                kept = KERNELS["ctc_loss_forward"].reference(*wide)
            yield [arrays(given[1].shape[:1]), *given, zero_infinity, *kept]


EXAMPLES = {
    "softmax_forward": along_dims,
    "softmax_backward": softmax_backward,
    "log_softmax_forward": along_dims,
    "log_softmax_backward": log_softmax_backward,
    "cross_entropy_forward": cross_entropy_forward,
    "cross_entropy_backward": cross_entropy_backward,
    "ctc_loss_forward": ctc_loss_forward,
    "ctc_loss_backward": ctc_loss_backward,
}
