"""A training program run in PyTorch and in gpudl from the same weights on the same data."""

import copy
import inspect

import numpy as np
import pytest

import gpudl

torch = pytest.importorskip("torch")
torch.set_num_threads(1)


def _rng(seed, shape):
    return np.random.default_rng([seed, *shape])


def normal(lib, *shape, seed=0):
    """Normal numbers in the default dtype."""
    return lib.tensor(_rng(seed, shape).normal(size=shape), dtype=lib.get_default_dtype())


def uniform(lib, *shape, seed=0):
    """Numbers in [0, 1) in the default dtype."""
    return lib.tensor(_rng(seed, shape).random(shape), dtype=lib.get_default_dtype())


def classes(lib, shape, count, seed=0):
    """Integers 0 <= i < count."""
    shape = (shape,) if isinstance(shape, int) else shape
    return lib.tensor(_rng(seed, shape).integers(count, size=shape))


def run(program, lib, starts):
    """The losses and the model of a program.

    Args:
        starts: state dictionaries of the models the program begins with, in order: filled by PyTorch, loaded by gpudl.
    """
    loaded = iter(starts)

    def begin(model):
        if lib is torch:
            starts.append(copy.deepcopy(model.state_dict()))
        else:
            start = next(loaded)
            assert list(model.state_dict()) == list(start)
            model.load_state_dict(start)
        return model

    return program(lib, begin)


def both(program, dtype):
    """What a program gives in gpudl and in PyTorch, with `dtype` as the default."""
    starts = []
    torch.manual_seed(0)
    found = {}
    for lib in (torch, gpudl):
        before = lib.get_default_dtype()
        lib.set_default_dtype(getattr(lib, dtype))
        try:
            found[lib] = run(program, lib, starts)
        finally:
            lib.set_default_dtype(before)
    return found[gpudl], found[torch]


def programs_of(*modules):
    """The functions of (lib, begin) that some files define."""
    return [
        function
        for module in modules
        for function in vars(module).values()
        if inspect.isfunction(function) and function.__module__ == module.__name__
    ]
