"""Arguments to try the kernels on that take in one launch what several small ones did; see test_kernels.py."""

import itertools

import numpy as np
from examples_small import BROADCAST

MODES = ("sum", "mean", "max")
OFFSETS = (np.array([0, 3, 3, 20, 40]), np.array([0, 40], "int32"), np.array([0, 0, 1, 2, 30, 40, 40]))


def bags(arrays):
    """w, index, offsets, how many bags there are, the mode and the number that is left out."""
    rng = np.random.default_rng(0)
    for features, mode in itertools.product((5, 16), MODES):
        w = np.round(4 * arrays((9, features)).astype("float64")).astype(arrays(()).dtype) / 4  # some are equal
        yield w, rng.integers(0, 9, (6, 7)), None, 6, mode, -1
        yield w, rng.integers(0, 9, (2, 70)).astype("int32"), None, 2, mode, 4
        for offsets in OFFSETS:
            has_end = int(rng.integers(0, 2))
            yield w, rng.integers(0, 9, 40), offsets, len(offsets) - has_end, mode, (-1, 2)[has_end]


def embedding_bag_forward(arrays):
    for w, index, offsets, count, mode, skipped in bags(arrays):
        yield [w, None, index, offsets, count, mode, skipped]
        if mode == "sum":
            yield [w, arrays(index.shape), index, offsets, count, mode, skipped]
    yield [arrays((9, 4)), None, np.zeros(0, "int64"), np.zeros(3, "int64"), 3, "mean", -1]


def embedding_bag_backward(arrays):
    from gpudl.backend.kernel import KERNELS

    for w, index, offsets, count, mode, skipped in bags(arrays):
        _, kept = KERNELS["embedding_bag_forward"].reference(w, None, index, offsets, count, mode, skipped)
        dy, rest = arrays((count, w.shape[1])), (kept, len(w), mode, skipped)
        yield [dy, None, None, index, offsets, *rest, False, (True, False)]
        if mode != "max":
            yield [dy, None, None, index, offsets, *rest, True, (True, False)]
        if mode == "sum":
            factors = arrays(index.shape)
            for wants in ((True, True), (False, True), (True, False)):
                yield [dy, w if wants[1] else None, factors, index, offsets, *rest, False, wants]


def triangle_forward(arrays):
    for shape, diagonal in (((3, 5), 1), ((2, 8, 16), -3), ((9, 7), -20), ((4, 8), 20), ((2, 0), 0), ((1, 300), 100)):
        for lower in (False, True):
            yield [arrays(shape), lower, diagonal]


def one_hot_forward(arrays):
    for shape, count in (((), 5), ((3, 4), 6), ((7,), 1), ((2, 3), 515), ((0,), 3)):
        yield [np.asarray(np.random.default_rng(0).integers(-1, count + 1, shape)), count]


def pairs(arrays, low=-2.0, high=2.0):
    """dz, two operands, and their shapes."""
    for small, big in BROADCAST:
        x, y = np.asarray(arrays(big, low, high)), np.asarray(arrays(small, low, high))
        yield arrays(big), x, y, (big, small)
        yield arrays(big), y, x, (small, big)
    yield arrays((9, 5)), arrays((9, 5), low, high), arrays((9, 5), low, high), None
    yield arrays((3, 5)), arrays((3, 1), low, high), arrays((5,), low, high), ((3, 1), (5,))


def difference_backward(arrays):
    for dz, _, _, shapes in pairs(arrays):
        for for_x in (False, True):
            yield [dz, shapes, for_x]


def pow_backward(arrays):
    wants = itertools.cycle(((True, True), (True, False), (False, True)))
    for given in pairs(arrays, 0.5, 2):
        yield [*given, next(wants)]
    for wanted in itertools.islice(wants, 3):
        yield [arrays((9, 5)), arrays((9, 5), 0.5, 2), np.round(arrays((9, 5))), None, wanted]


def choice_backward(arrays):
    rules = ("maximum", "minimum", "fmax", "fmin")
    for (dz, x, y, shapes), rule in itertools.product(pairs(arrays), rules):
        yield [dz, *(np.asarray(np.round(each.astype("float64"))).astype(dz.dtype) for each in (x, y)), shapes, rule]


def where_backward(arrays):
    for shape in ((), (7,), (5, 16), (300, 50)):
        for wants in ((True, True), (True, False), (False, True)):
            yield [np.asarray(arrays(shape)), np.asarray(arrays(shape) > 0), wants]


EXAMPLES = {
    name: make for name, make in list(globals().items()) if name.endswith(("_forward", "_backward")) and callable(make)
}
DTYPES = {"one_hot_forward": ("int64",)}
