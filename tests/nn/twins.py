"""One module in both libraries: weights copied by name, then outputs, gradients and buffers compared, in both modes."""

import copy

import numpy as np
import pytest
from tolerances import assert_close

import gpudl

torch = pytest.importorskip("torch")
torch.set_num_threads(1)


def array(*shape, dtype="float32", seed=0):
    """Normal numbers."""
    return np.asarray(np.random.default_rng(seed).normal(size=shape), dtype)


def leaves(value):
    """The tensors of an output or an input: of tuples, lists and dicts in order."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (tuple, list)):
        return [leaf for each in value for leaf in leaves(each)]
    return [] if value is None else [value]


def _given(lib, value, **where):
    """An argument of forward: arrays as tensors of a library, floating ones with gradients, nested ones too."""
    if isinstance(value, np.ndarray):
        made = lib.tensor(value, **where)
        return made.requires_grad_() if value.dtype.kind == "f" else made
    if isinstance(value, (tuple, list)):
        return type(value)(_given(lib, each, **where) for each in value)
    return value


def _host(tensor):
    return tensor.detach().cpu().numpy()


def _outcome(lib, module, args, kwargs, where):
    """Outputs, then gradients of inputs and parameters, then buffers, by label."""
    args, kwargs = (_given(lib, each, **where) for each in (args, list(kwargs.items())))
    kwargs = dict(kwargs)
    output = module(*args, **kwargs)
    found = {f"output {i}": y for i, y in enumerate(leaves(output))}
    outputs = [y for y in found.values() if y.requires_grad]
    seeds = [lib.tensor(array(*y.shape, dtype=str(y.dtype).removeprefix("torch."), seed=1), **where) for y in outputs]
    lib.autograd.backward(outputs, seeds)
    given = leaves([args, kwargs])
    found.update({f"gradient of input {i}": x.grad for i, x in enumerate(given) if getattr(x, "requires_grad", False)})
    found.update({f"gradient of {name}": p.grad for name, p in module.named_parameters()})
    found.update({f"buffer {name}": b for name, b in module.named_buffers()})
    return {label: None if value is None else _host(value) for label, value in found.items()}


def twins(make, device="cpu", dtype="float32"):
    """make(library) in both libraries, ours with PyTorch's weights; names and shapes of the state must agree."""
    torch.manual_seed(0)
    theirs = make(torch).to(getattr(torch, dtype))
    mine = make(gpudl).to(device, dtype)
    shapes = [{name: tuple(value.shape) for name, value in module.state_dict().items()} for module in (mine, theirs)]
    assert list(shapes[0].items()) == list(shapes[1].items())
    mine.load_state_dict(theirs.state_dict())
    return mine, theirs


def compare(
    make, *args, device="cpu", dtype="float32", slack=2.0, modes=("train", "eval"), calls=2, named=True, **kwargs
):
    """A module gives PyTorch's outputs, gradients of inputs and parameters, and buffers, with PyTorch's weights.

    Args:
        make: library -> module, such as lambda lib: lib.nn.Linear(3, 4).
        args, kwargs: of forward; NumPy arrays become tensors, floating ones with gradients.
        modes: "train" and "eval".
        calls: how often each mode is run, for what changes its buffers.
        named: repr and the names of buffers agree too; False for a twin that is made of other layers.
    """
    mine, theirs = twins(make, device, dtype)
    assert not named or repr(mine) == repr(theirs)
    for mode in modes:
        for each in (mine, theirs):
            getattr(each, mode)()
        for _ in range(calls):
            for each in (mine, theirs):
                each.zero_grad()
            got = _outcome(gpudl, mine, copy.deepcopy(args), kwargs, {"device": device})
            want = _outcome(torch, theirs, copy.deepcopy(args), kwargs, {})
            assert not named or list(got) == list(want)
            for label, value in want.items():
                if value is None or got[label] is None:
                    assert value is got[label], f"{mode}: {label}"
                else:
                    assert_close(got[label], value, f"{mode}: {label}", slack)
