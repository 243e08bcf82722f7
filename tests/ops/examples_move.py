"""Arguments to try the kernels that move elements on; see test_kernels.py."""

import numpy as np
from cases import INTEGERS


def copy_(arrays):
    for shape in ((3, 5), (40, 70), (2, 3, 4, 5), (4, 1000), (0, 3), (1, 1)):
        yield [arrays(shape), arrays(shape)]
        yield [arrays(shape), arrays(shape[::-1]).transpose()]
        yield [arrays((shape[0], *shape)), np.broadcast_to(arrays(shape), (shape[0], *shape))]


def take_rows_(arrays):
    for columns in ((), (1,), (3,), (8,), (2, 30), (1030,)):
        for index in (
            np.array([[0, 3, -1], [2, 2, 0]]),
            np.array(1),
            np.zeros(0, int),
            np.arange(50, dtype="int32") % 4,
        ):
            yield [arrays((*index.shape, *columns)), arrays((4, *columns)), index]


def join_(arrays):
    for inner in ((), (1,), (4,), (3, 50)):
        for lengths in ((1,), (2, 3), (1, 0, 4, 2), tuple(range(20))):
            for blank in (None, 0, len(lengths) - 1):
                xs = [None if i == blank else arrays((3, n, *inner)) for i, n in enumerate(lengths)]
                yield [arrays((3, sum(lengths), *inner)), 1, lengths, *xs]


def positions_(arrays):
    for dtype in INTEGERS:
        yield [np.full((2, 3), -1), np.array([[0, 1, 2], [2, 1, 0]], dtype), (12, 0), 4, 3]
    yield [np.full((2, 3, 1, 4, 5), -1), np.arange(120).reshape(2, 3, 1, 4, 5) % 7 - 3, (90, 0, 4, 2, 1), 7, 5]
    yield [np.full((3, 400), -1), np.broadcast_to(np.arange(400), (3, 400)), (500, 0), 400, 1]
    yield [np.full((), -1), np.array(-2), (), 5, 1]
    yield [np.full((0,), -1), np.zeros(0, "int64"), (0,), 5, 1]


EDGES = {
    "constant": (
        ((2, 3), (2, 1), (5, 6)),
        ((4, 8), (0, 4), (4, 16)),
        ((2, 3, 4, 2, 3, 2), (1,) * 6, (4, 5, 6, 4, 5, 4)),
    ),
    "reflect": (
        ((2, 5), (0, 4), (2, 12)),
        ((2, 3, 3, 4), (0, 1, 2, 0), (2, 5, 7, 7)),
        ((2, 8, 4), (0, 3, 0), (2, 12, 4)),
    ),
    "replicate": (
        ((2, 5), (0, 7), (2, 13)),
        ((2, 1, 3, 1), (0, 2, 0, 3), (2, 4, 6, 6)),
        ((1, 3, 2000), (0, 1, 0), (1, 6, 2000)),
    ),
    "circular": (
        ((2, 5), (0, 5), (2, 15)),
        ((2, 3, 4), (0, 1, 3), (2, 6, 8)),
        ((3, 5, 4), (2, 4, 0), (3, 5, 4)),
    ),
}


def pad_(arrays):
    for mode, cases in EDGES.items():
        for small, lefts, large in cases:
            yield [arrays(large), arrays(small), lefts, mode, 0]
            if mode == "constant":
                yield [arrays(large), arrays(small), lefts, mode, 1.5]


def unpad_(arrays):
    for mode, cases in EDGES.items():
        for small, lefts, large in cases:
            if small != large:  # a roll is its own gradient, backwards
                yield [arrays(small), arrays(large), lefts, mode]


EXAMPLES = {
    "copy_": copy_,
    "join_": join_,
    "pad_": pad_,
    "positions_": positions_,
    "take_rows_": take_rows_,
    "unpad_": unpad_,
}
DTYPES = {"positions_": ("int64",)}
