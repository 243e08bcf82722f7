"""Arguments to try the kernels of normalizations and embedding on; see test_kernels.py."""

import numpy as np

from gpudl.backend.arrays import quiet
from gpudl.backend.kernel import KERNELS

EPS = 1e-5
MATRICES = ((1, 1), (5, 7), (3, 4), (70, 1100), (2, 40000))
PLANES = ((2, 4, 5), (3, 4, 1), (2, 6, 60), (70, 4, 3), (90, 4, 120))
BATCHES = (*PLANES, (600, 8, 1))


def forward(name, args):
    """What a forward gives for these arguments; a backward's examples take from it."""
    with quiet():
        return KERNELS[f"{name}_forward"].reference(*args)


def affine(arrays, count):
    return (arrays((count,), 0.5, 2), arrays((count,)))


def layer_norm_forward(arrays):
    for shape in MATRICES:
        w, b = affine(arrays, shape[1])
        yield [arrays(shape), w, b, EPS]
        yield [arrays(shape), None, b, EPS]
        yield [arrays(shape), None, None, EPS]
    yield [arrays((0, 4)), *affine(arrays, 4), EPS]


def layer_norm_backward(arrays):
    for x, w, b, eps in layer_norm_forward(arrays):
        _, mean, rstd = forward("layer_norm", (x, w, b, eps))
        yield [arrays(x.shape), x, w, eps, mean, rstd, b is not None]
        yield [arrays(x.shape), x, w, eps, None, None, b is not None]


def rms_norm_forward(arrays):
    for shape in MATRICES:
        yield [arrays(shape, 0.1), arrays((shape[1],)), EPS]
        yield [arrays(shape), None, EPS]


def rms_norm_backward(arrays):
    for x, w, eps in rms_norm_forward(arrays):
        yield [arrays(x.shape), x, w, eps, forward("rms_norm", (x, w, eps))[1]]
        yield [arrays(x.shape), x, w, eps, None]


def batch_norm_forward(arrays):
    for shape in BATCHES:
        w, b = affine(arrays, shape[1])
        yield [arrays(shape), w, b, None, None, EPS]
        yield [arrays(shape), None, None, None, None, EPS]
        yield [arrays(shape), w, b, arrays((shape[1],)), arrays((shape[1],), 0.5, 2), EPS]


def normalize_batch_(arrays):
    for shape in BATCHES:
        for tracked, momentum in ((np.array(4), 0.3), (np.array(4), None), (None, 0.0)):
            running = arrays((shape[1],)), arrays((shape[1],), 0.5, 2)
            yield [arrays(shape), *affine(arrays, shape[1]), *running, tracked, momentum, EPS]


def batch_norm_backward(arrays):
    for x, w, b, mean, var, eps in batch_norm_forward(arrays):
        given = mean is None
        _, mean, var = forward("batch_norm", (x, w, b, mean, var, eps))
        yield [arrays(x.shape), x, w, mean, var, eps, given]
        if given:
            yield [arrays(x.shape), x, w, None, None, eps, True]


def group_norm_forward(arrays):
    for shape in PLANES:
        for groups in (1, 2, shape[1]):
            if shape[1] // groups * shape[2] > 2:  # the variance of fewer numbers is often tiny
                yield [arrays(shape), *affine(arrays, shape[1]), groups, EPS]
        yield [arrays(shape), None, None, 1, EPS]


def group_norm_backward(arrays):
    for x, w, b, groups, eps in group_norm_forward(arrays):
        _, mean, var = forward("group_norm", (x, w, b, groups, eps))
        yield [arrays(x.shape), x, w, groups, eps, mean, var]
        yield [arrays(x.shape), x, w, groups, eps, None, None]


def local_response_norm_forward(arrays):
    for size, beta in ((1, 0.75), (2, 0.5), (5, 0.75), (20, 1.0)):
        yield [arrays((2, 6, 5)), size, 0.5, beta, 1.0]
        yield [arrays((1, 9, 8)), size, 0.5, beta, 1.0]


def local_response_norm_backward(arrays):
    for args in local_response_norm_forward(arrays):
        yield [arrays(args[0].shape), *args]


def normalize_forward(arrays):
    for p in (2.0, 1.0, 3.0, float("inf")):
        for dims in ((1,), (0,), (0, 1)):
            yield [arrays((3, 4), 0.2), p, dims, 1e-12]
    yield [arrays((50, 1300)), 2.0, (1,), 1e-12]
    yield [arrays((2, 3, 5), -0.1, 0.1), 2.0, (2,), 0.25]


def normalize_backward(arrays):
    for x, p, dims, eps in normalize_forward(arrays):
        yield [arrays(x.shape), x, p, dims, eps, forward("normalize", (x, p, dims, eps))[1]]
        yield [arrays(x.shape), x, p, dims, eps, None]


def random_keep_(arrays):
    top = 2**64 - 1
    for shape in ((1, 1), (1, 8), (1, 8195), (3, 7), (5, 64), (70, 1001), (0, 4), (4, 0)):
        for p in (0.0, 0.3, 1.0):
            yield [np.zeros(shape, bool), (5, top), (0, top, 7), p]


INDICES = (np.array([[0, 3, 3], [2, 0, 3]]), np.array(1), np.zeros((0,), int), np.arange(300) % 4)


def embedding_forward(arrays):
    for index in INDICES:
        yield [arrays((4, 5)), index]
        yield [arrays((4, 60)), index]


def embedding_backward(arrays):
    for skipped, by_frequency in ((-1, False), (3, False), (0, True)):
        for index in INDICES:
            yield [arrays((*index.shape, 5)), index, 4, skipped, by_frequency]
            yield [arrays((*index.shape, 60)), index, 4, skipped, by_frequency]


def add_rows_(arrays):
    for shape in ((4,), (4, 5), (4, 60)):
        yield [arrays(shape), np.array([0, 3, 3, 1, 0]), arrays((5, *shape[1:]))]


def check_indices(arrays):
    yield [np.array([0, 3, 1]), 0, 4, "embedding", 0]
    yield [np.array([-4, 3, 1]), -4, 4, "take", None]


EXAMPLES = {
    "layer_norm_forward": layer_norm_forward,
    "layer_norm_backward": layer_norm_backward,
    "rms_norm_forward": rms_norm_forward,
    "rms_norm_backward": rms_norm_backward,
    "batch_norm_forward": batch_norm_forward,
    "batch_norm_backward": batch_norm_backward,
    "normalize_batch_": normalize_batch_,
    "group_norm_forward": group_norm_forward,
    "group_norm_backward": group_norm_backward,
    "local_response_norm_forward": local_response_norm_forward,
    "local_response_norm_backward": local_response_norm_backward,
    "normalize_forward": normalize_forward,
    "normalize_backward": normalize_backward,
    "random_keep_": random_keep_,
    "embedding_forward": embedding_forward,
    "embedding_backward": embedding_backward,
    "add_rows_": add_rows_,
    "check_indices": check_indices,
}
