"""Layers over space take PyTorch's arguments, by its names, in its order, with its defaults."""

import inspect

import pytest

from gpudl import nn
from gpudl.nn import (
    adaptive_pool,
    avg_pool,
    conv,
    conv_transpose,
    fold,
    fractional_max_pool,
    max_pool,
    padding,
    resample,
    shuffle,
)

torch = pytest.importorskip("torch")

FILES = [
    adaptive_pool, avg_pool, conv, conv_transpose, fold, fractional_max_pool, max_pool, padding, resample, shuffle,
]  # fmt: skip
NAMES = [name for file in FILES for name in file.__all__]


def arguments(function):
    return [(each.name, each.default) for each in inspect.signature(function).parameters.values()]


@pytest.mark.parametrize("name", NAMES)
def test_signatures_are_those_of_torch(name):
    mine, theirs = getattr(nn, name), getattr(torch.nn, name)
    assert arguments(mine) == arguments(theirs)
    assert arguments(mine.forward) == arguments(theirs.forward)


def test_no_layer_is_missing():
    kinds = ("Conv", "Pool", "Unpool", "Pad", "Upsampl", "Shuffle", "shuffle", "Fold", "fold")
    wanted = [name for name in dir(torch.nn) if any(kind in name for kind in kinds) and not name.startswith("Lazy")]
    assert sorted(NAMES) == wanted
