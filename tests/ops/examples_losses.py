"""Arguments to try the losses' checks on: such as they let pass."""

import numpy as np
from cases import INTEGERS


def check_labels(arrays):
    for dtype in INTEGERS:
        yield [np.array([0, 3, 100, 1], dtype), 0, 4, 100, "loss"]
        yield [np.array([[0, 3], [2, 1]], dtype), -1, 4, None, "loss"]


def check_probabilities(arrays):
    yield [arrays((3, 4), 0, 1), "loss"]
    yield [arrays((0,), 0, 1), "loss"]


def check_variances(arrays):
    yield [arrays((3, 4), 0, 2)]


EXAMPLES = {
    "check_labels": check_labels,
    "check_probabilities": check_probabilities,
    "check_variances": check_variances,
}
