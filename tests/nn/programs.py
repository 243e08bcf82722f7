"""A program run on gpudl and on PyTorch, which must log the same."""

import warnings

import pytest

import gpudl

torch = pytest.importorskip("torch")


def listed(value):
    """Tensors and what holds them as lists, to compare."""
    if isinstance(value, (tuple, list)):
        return [listed(each) for each in value]
    if isinstance(value, dict):
        return {key: listed(each) for key, each in value.items()}
    return value.tolist() if hasattr(value, "tolist") else value


def both(program):
    """What a program logs, in both libraries; the same."""
    logs = []
    for lib in (gpudl, torch):
        log = []
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Full backward hook is firing")  # which is what it is to do
            program(lib, log)
        logs.append(log)
    assert logs[0] == logs[1]
    return logs[0]


def everywhere(lib):
    """Where the hooks of all modules are registered."""
    return lib.nn if lib is gpudl else torch.nn.modules.module


def scaled(lib):
    class Scaled(lib.nn.Module):
        def forward(self, x, factor=1, *, shift=0):
            return x * factor + shift

    return Scaled()


def outcome(lib, make, change):
    """The class of what was raised, then names and kinds of what is inside and the repr."""
    net = make(lib)
    try:
        result = change(lib, net)
        raised = None
    except Exception as error:
        result, raised = None, type(error)
    inside = [
        (name, type(each).__name__) for name, each in (*net._modules.items(), *net.named_parameters(recurse=False))
    ]
    shape = getattr(result, "shape", None)
    if result is net:
        returned = "itself"
    elif shape is not None:
        returned = tuple(shape)
    else:
        returned = repr(result) if isinstance(result, lib.nn.Module) else result
    return raised, inside, repr(net).replace("torch.", ""), str(returned).replace("torch.", "")


def same(make, change):
    assert outcome(gpudl, make, change) == outcome(torch, make, change)
