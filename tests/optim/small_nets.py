"""The same small model in both libraries, trained by backward, and what the tests of flat memory ask of it."""

import pytest
from beside_torch import host, torch, values
from tolerances import assert_close

import gpudl
import gpudl.optim
from gpudl.autograd.slots import joined

KINDS = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.2, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.05, "weight_decay": 0.1}),
    ("AdamW", {"lr": 0.05, "amsgrad": True, "maximize": True}),
]
each_kind = pytest.mark.parametrize(("name", "settings"), KINDS)


def net(lib, dtype="float32", bias=True):
    """The same small model in either library."""
    model = lib.nn.Sequential(
        lib.nn.Linear(4, 6), lib.nn.Tanh(), lib.nn.Linear(6, 5), lib.nn.Tanh(), lib.nn.Linear(5, 3, bias=bias)
    )
    with lib.no_grad():
        for seed, p in enumerate(model.parameters()):
            p.copy_(lib.tensor(values(tuple(p.shape), "float32", seed)))
    return model.to(getattr(lib, dtype))


def backward(lib, model, seed):
    dtype = next(model.parameters()).dtype
    x = lib.tensor(values((7, 4), "float32", seed)).to(dtype)
    (model(x) ** 2).mean().backward()


def train(lib, model, optimizer, first=0, steps=5, set_to_none=True):
    for step in range(first, first + steps):
        optimizer.zero_grad(set_to_none)
        backward(lib, model, step)
        optimizer.step()


def assert_same(model, other, slack=20):
    for (name, p), q in zip(model.named_parameters(), other.parameters(), strict=True):
        assert_close(host(p), host(q), name, slack)


def calls_of(optimizer):
    """Count the elements that each call of `update` gets."""
    sizes, update = [], optimizer.update

    def counted(p, *rest):
        sizes.append(p.size)
        update(p, *rest)

    optimizer.update = counted
    return sizes


def is_flat(given):
    """True if these lie end to end, values and gradients."""
    return len(joined([p.array for p in given])) == len(joined([p.grad.array for p in given])) == 1


def both(name, settings, **options):
    models = [net(lib, **options) for lib in (gpudl, torch)]
    return models, [getattr(lib.optim, name)(m.parameters(), **settings) for lib, m in zip((gpudl, torch), models)]
