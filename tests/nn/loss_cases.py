"""What the tests of losses share: how a loss is compared, and what it is given."""

import numpy as np
import pytest
from twins import array, compare

REDUCTIONS = ("mean", "sum", "none")
every_reduction = pytest.mark.parametrize("reduction", REDUCTIONS)
both_dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])


def build(name, weights=(), **settings):
    """library -> the loss, its weights given as arrays."""

    def make(lib):
        return getattr(lib.nn, name)(**settings, **{key: lib.tensor(value) for key, value in dict(weights).items()})

    return make


def check(device, name, *args, weights=(), dtype="float32", slack=4, **settings):
    """One loss compared with PyTorch's; a loss does not know its mode, and keeps nothing from call to call."""
    args = [np.asarray(each) for each in args]
    compare(build(name, weights, **settings), *args, device=device, dtype=dtype, slack=slack, calls=1, modes=("train",))


def signs(*shape, dtype="float32", seed=7):
    return np.where(array(*shape, seed=seed) > 0, 1, -1).astype(dtype)


def labels(count, *shape, seed=5):
    return np.random.default_rng(seed).integers(0, count, size=shape)


def positive(*shape, dtype="float32", seed=3):
    return np.asarray(np.abs(array(*shape, dtype=dtype, seed=seed)) + dtype_of(dtype)(0.25), dtype)


def dtype_of(name):
    return np.dtype(name).type


def probabilities(*shape, dtype="float32", seed=4):
    return np.asarray(np.random.default_rng(seed).uniform(0.02, 0.98, shape), dtype)
