"""Arguments to try the kernels behind indexing on; see test_kernels.py."""

import numpy as np
from cases import INTEGERS


def add_rows_(arrays):
    rng = np.random.default_rng(0)
    for count, columns, rows in ((5, 1, 9), (5, 3, 9), (7, 64, 20), (3, 64, 40), (40, 60, 300), (1000, 48, 30)):
        yield [arrays((count, columns)), rng.integers(0, count, rows), arrays((rows, columns))]
        yield [arrays((count, columns)), rng.integers(0, count, rows).astype("int32"), arrays((rows, columns))]
    yield [arrays((5,)), rng.integers(0, 5, 12), arrays((12,))]
    yield [arrays((4, 2, 40)), rng.integers(0, 4, 12), arrays((12, 2, 40))]
    yield [arrays((40, 64)), np.minimum(rng.zipf(1.3, 200) - 1, 39), arrays((200, 64))]
    yield [arrays((5, 3)), np.zeros(0, "int64"), arrays((0, 3))]
    yield [arrays((5, 0)), np.zeros(2, "int64"), arrays((2, 0))]


def check_indices(arrays):
    for dtype in INTEGERS:
        yield [np.array([0, 3, 1], dtype), 0, 4, "gather", 1]


EXAMPLES = {"add_rows_": add_rows_, "check_indices": check_indices}
