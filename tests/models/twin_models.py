"""The PyTorch twin of a model: its own source, with gpudl replaced by torch."""

import functools
import importlib
import inspect
import re
import types

import pytest

import gpudl

torch = pytest.importorskip("torch")
torch.set_num_threads(1)


@functools.cache
def models(lib, file):
    """A file of gpudl/models as a module of a library."""
    own = importlib.import_module(f"gpudl.models.{file}")
    if lib is gpudl:
        return own
    twin = types.ModuleType(f"{file} in PyTorch")
    exec(compile(re.sub(r"\bgpudl\b", "torch", inspect.getsource(own)), twin.__name__, "exec"), twin.__dict__)
    return twin


def twins(make):
    """make(library) in both libraries, ours with PyTorch's weights; names and shapes of the state must agree."""
    torch.manual_seed(0)
    mine, theirs = make(gpudl), make(torch)
    assert shapes(mine) == shapes(theirs)
    mine.load_state_dict(theirs.state_dict())
    return mine, theirs


def shapes(model):
    """Name and shape of each parameter and buffer, in order."""
    return [(name, tuple(value.shape)) for name, value in model.state_dict().items()]
