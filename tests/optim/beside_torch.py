"""One optimizer in both libraries, fed the same parameters and gradients."""

import numpy as np
import pytest
from tolerances import assert_close

import gpudl
import gpudl.nn
import gpudl.optim

torch = pytest.importorskip("torch")
torch.set_num_threads(1)

SHAPES = ((3, 4), (5,), (), (0,), (2, 0, 3), "transposed")
STEPS = 20


def values(shape, dtype="float64", seed=0):
    return np.asarray(np.random.default_rng(seed).normal(size=shape), dtype)


def parameter(lib, shape, dtype, device="cpu", seed=0):
    """A parameter of either library; "transposed" is one whose elements do not lie in C order."""
    if shape == "transposed":
        return lib.nn.Parameter(lib.tensor(values((3, 2), dtype, seed), device=device).t())
    return lib.nn.Parameter(lib.tensor(values(shape, dtype, seed), device=device))


def gradient(lib, p, step, number):
    """The gradient of one parameter in one step; parameter 1 has none in every third step."""
    if number == 1 and step % 3 == 1:
        return None
    dtype = str(p.dtype).removeprefix("torch.")
    return lib.tensor(values(tuple(p.shape), dtype, 100 * step + number + 1), device=p.device)


def parameters(lib, dtype="float32", device="cpu", shapes=SHAPES):
    return [parameter(lib, shape, dtype, device, seed) for seed, shape in enumerate(shapes)]


def advance(lib, optimizer, first=0, steps=STEPS):
    """Some steps, each with gradients of its own."""
    for step in range(first, first + steps):
        given = [p for group in optimizer.param_groups for p in group["params"]]
        for number, p in enumerate(given):
            p.grad = gradient(lib, p, step, number)
        optimizer.step()


def host(tensor):
    return tensor.detach().cpu().numpy()


def assert_alike(mine, theirs, slack):
    """Both optimizers hold the same parameters, and the same state under the same names."""
    state, other = mine.state_dict()["state"], theirs.state_dict()["state"]
    assert list(state) == list(other)
    for number, kept in other.items():
        assert list(state[number]) == list(kept)
        for key, tensor in kept.items():
            assert type(state[number][key]) is gpudl.Tensor
            assert_close(host(state[number][key]), tensor.numpy(), f"{key} of parameter {number}", slack)
    for a, b in zip(mine.param_groups, theirs.param_groups, strict=True):
        for number, (p, q) in enumerate(zip(a["params"], b["params"], strict=True)):
            assert_close(host(p), host(q), f"parameter {number}", slack)


def compare(name, settings, dtype="float32", device="cpu", slack=4.0, steps=STEPS):
    """Parameters and state of both libraries after some steps."""
    mine = getattr(gpudl.optim, name)(parameters(gpudl, dtype, device), **settings)
    theirs = getattr(torch.optim, name)(parameters(torch, dtype), **settings)
    advance(gpudl, mine, steps=steps)
    advance(torch, theirs, steps=steps)
    assert_alike(mine, theirs, slack)


def both(name, settings):
    """A new optimizer of each library, over parameters of its own."""
    return [getattr(lib.optim, name)(parameters(lib), **settings) for lib in (gpudl, torch)]
