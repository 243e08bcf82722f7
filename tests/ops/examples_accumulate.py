"""Arguments to try the kernels behind counting and writing at places on; see test_kernels.py."""

import numpy as np
from cases import INTEGERS


def places(count, rows, dtype="int64"):
    return np.random.default_rng(0).integers(0, count, rows).astype(dtype)


def add_weights_(arrays):
    for count, rows in ((5, 9), (1, 200), (300, 1000), (4, 0)):
        yield [arrays((count,)), places(count, rows), arrays((rows,))]


def count_(arrays):
    for count, rows in ((5, 9), (1, 200), (300, 1000), (4, 0)):
        yield [np.arange(count), places(count, rows)]


def write_runs_(arrays):
    for counts in ([3], [0, 2, 0, 0, 5, 1], [0, 0], list(range(40))):
        yield [np.full(sum(counts), -1), np.array(counts)]


def extreme_rows_(arrays):
    for largest in (True, False):
        yield [arrays((5, 3)), places(5, 9), arrays((9, 3)), largest]
        yield [arrays((3, 70)), places(3, 200, "int32"), arrays((200, 70)), largest]
        yield [arrays((4,)), places(4, 0), arrays((0,)), largest]


def put_rows_(arrays):
    yield [arrays((5, 3)), np.array([4, 0, 4, 4]), arrays((4, 3))]
    yield [arrays((7, 70)), places(7, 200, "int32"), arrays((200, 70))]
    yield [arrays((4,)), places(4, 0), arrays((0,))]


def check_on_device(arrays):
    for dtype in INTEGERS:
        yield [np.array([0, 3, 1], dtype), 0, 4, "gather", 1]


def note_outside_(arrays):
    for dtype in INTEGERS:
        for count, bad in ((5, ()), (5, (3,)), (70, (69, 0)), (3000, (700, 400, 2999)), (3000, (2999,))):
            index = places(20, count, dtype)
            index[list(bad)] = [100 + i for i in range(len(bad))]
            for number, ignored in ((0, None), (0, 100), (3, None)):
                yield [index, np.array([number, 55, 0]), 7, 0, 20, ignored]
        yield [np.full((2, 3), 5, dtype).T, np.zeros(3, "int64"), 1, 0, 0, 0]
        yield [np.zeros(3, dtype), np.zeros(3, "int64"), 1, 0, 0, None]


EXAMPLES = {
    "note_outside_": note_outside_,
    "add_weights_": add_weights_,
    "check_on_device": check_on_device,
    "count_": count_,
    "extreme_rows_": extreme_rows_,
    "put_rows_": put_rows_,
    "write_runs_": write_runs_,
}
DTYPES = dict.fromkeys(("check_on_device", "count_", "note_outside_", "write_runs_"), ("int64",)) | {
    "add_weights_": ("float64",)
}
