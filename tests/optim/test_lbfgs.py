"""L-BFGS: PyTorch's iterates, with and without a line search; state that is saved and gone on from."""

import copy

import numpy as np
import pytest
from tolerances import assert_close

import gpudl
from gpudl.autograd.slots import joined

torch = pytest.importorskip("torch")


def rosenbrock(lib, x, y):
    return ((1 - x) ** 2).sum() + 100 * ((y - x**2) ** 2).sum()


def quartic(lib, x, y):
    return ((x - 3) ** 4).sum() + (x * y).sum() ** 2 + (y**2).sum()


def logistic(lib, x, y):
    data = lib.tensor(np.random.default_rng(0).normal(size=(20, 2)))
    labels = lib.tensor(np.random.default_rng(1).integers(0, 2, size=20).astype(float))
    z = data[:, 0] * x[0] + data[:, 1] * y[0]
    return (lib.nn.functional.softplus(z) - labels * z).mean() + 0.01 * (x**2).sum() + 0.01 * (y**2).sum()


FUNCTIONS = {"rosenbrock": rosenbrock, "quartic": quartic, "logistic": logistic}


def problem(lib, function, settings, state=None):
    """Two parameters, the optimizer over them, and its closure, which also writes a list of losses."""
    x, y = (lib.nn.Parameter(lib.tensor(values, dtype=lib.float64)) for values in ([-1.2, 0.5], [1.0, -0.3]))
    optimizer = lib.optim.LBFGS([x, y], **settings)
    losses = []

    def closure():
        optimizer.zero_grad()
        loss = function(lib, x, y)
        loss.backward()
        losses.append(loss.item())
        return loss

    return x, y, optimizer, closure, losses


SETTINGS = [
    {"lr": 0.1},
    {"lr": 0.05, "max_iter": 4, "history_size": 3},
    {"lr": 1, "line_search_fn": "strong_wolfe"},
    {"lr": 0.3, "line_search_fn": "strong_wolfe", "max_iter": 3, "max_eval": 9},
    {"lr": 5, "line_search_fn": "strong_wolfe", "history_size": 2},
    {"lr": 0.1, "tolerance_grad": 0.5},
    {"lr": 0.1, "tolerance_change": 1e-2},
    {"lr": 0.1, "max_iter": 1},
]


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_every_evaluation_is_torchs(name, settings):
    seen = []
    for lib in (gpudl, torch):
        x, y, optimizer, closure, losses = problem(lib, FUNCTIONS[name], settings)
        returned = [optimizer.step(closure).item() for _ in range(5)]
        state = optimizer.state_dict()["state"][0]
        counts = [state["func_evals"], state["n_iter"]]
        seen.append([np.array(each) for each in (losses, returned, counts, x.tolist(), y.tolist())])
    # Rounding grows from iteration to iteration, in Rosenbrock's valley up to the first digits.
    long = name == "rosenbrock" and len(seen[0][0]) > 60
    np.testing.assert_allclose(seen[0][0][:60], seen[1][0][:60], rtol=1e-6, atol=1e-9)
    for mine, theirs in zip(*seen, strict=True):
        if not long:
            np.testing.assert_allclose(mine, theirs, rtol=1e-6, atol=1e-9)


def test_rosenbrocks_valley_is_walked_to_its_end():
    x, y, optimizer, closure, _ = problem(gpudl, rosenbrock, {"line_search_fn": "strong_wolfe", "max_iter": 100})
    optimizer.step(closure)
    np.testing.assert_allclose([*x.tolist(), *y.tolist()], 1, atol=1e-5)


@pytest.mark.parametrize("line_search_fn", [None, "strong_wolfe"])
def test_a_loaded_state_is_gone_on_from(line_search_fn):
    settings = {"lr": 0.1, "max_iter": 3, "line_search_fn": line_search_fn}
    x, y, optimizer, closure, _ = problem(gpudl, rosenbrock, settings)
    optimizer.step(closure)
    u, v, other, other_closure, _ = problem(gpudl, rosenbrock, settings)
    with gpudl.no_grad():
        u.copy_(x)
        v.copy_(y)
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    optimizer.step(closure)
    other.step(other_closure)
    assert x.tolist() == u.tolist() and y.tolist() == v.tolist()


def test_a_torch_state_is_gone_on_from():
    settings = {"lr": 0.1, "max_iter": 3}
    p, q, theirs, their_closure, _ = problem(torch, rosenbrock, settings)
    theirs.step(their_closure)
    x, y, mine, closure, _ = problem(gpudl, rosenbrock, settings)
    with gpudl.no_grad():
        x.copy_(gpudl.tensor(p.tolist()))
        y.copy_(gpudl.tensor(q.tolist()))
    mine.load_state_dict(theirs.state_dict())
    theirs.step(their_closure)
    mine.step(closure)
    assert_close(x.detach().numpy(), p.detach().numpy(), "x", slack=1e4)


def test_parameters_without_gradients_stay():
    x, unused = (gpudl.nn.Parameter(gpudl.ones(2)) for _ in range(2))
    optimizer = gpudl.optim.LBFGS([unused, x], lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = (x**2).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    assert unused.tolist() == [1, 1]
    assert x[0].item() < 1


def test_what_it_cannot_do_is_said():
    p = gpudl.nn.Parameter(gpudl.ones(1))
    with pytest.raises(ValueError, match="one parameter group"):
        gpudl.optim.LBFGS([{"params": [p]}, {"params": [gpudl.nn.Parameter(gpudl.ones(1))]}])
    with pytest.raises(TypeError, match="closure"):
        gpudl.optim.LBFGS([p]).step()


def tied(lib):
    """Two layers that share a weight, and one that is never used."""
    model = lib.nn.Sequential(lib.nn.Linear(3, 3), lib.nn.Tanh(), lib.nn.Linear(3, 3), lib.nn.Linear(3, 2))
    model[2].weight = model[0].weight
    model.unused = lib.nn.Linear(2, 2)
    model.forward = lambda x: model[3](model[2](model[1](model[0](x))))
    with lib.no_grad():
        for seed, p in enumerate(model.parameters()):
            p.copy_(lib.tensor(np.random.default_rng(seed).normal(size=tuple(p.shape))))
    return model.double()


@pytest.mark.parametrize("line_search_fn", [None, "strong_wolfe"])
def test_shared_and_frozen_parameters_lie_flat_and_go_torchs_way(line_search_fn):
    found = []
    for lib in (gpudl, torch):
        model = tied(lib)
        settings = {"lr": 0.1, "max_iter": 4, "line_search_fn": line_search_fn}
        optimizer = lib.optim.LBFGS(model.parameters(), **settings)
        assert lib is torch or len(joined([p.array for p in model.parameters()])) == 1
        x = lib.tensor(np.random.default_rng(9).normal(size=(6, 3)))

        def closure(lib=lib, model=model, optimizer=optimizer, x=x):
            optimizer.zero_grad()
            loss = ((model.forward(x) - 1) ** 2).mean()
            loss.backward()
            return loss

        numbers, held = [], None
        for step in range(6):
            model[2].bias.requires_grad_(step not in (2, 3))
            if step == 4:  # a gradient that the user holds, and new memory
                held = model[3].weight.grad
                held_before = held.clone()
                model[0].bias.data = model[0].bias.data * 0.9
            numbers.append(optimizer.step(closure).item())
        assert np.array_equal(held.numpy(), held_before.numpy())
        found.append([np.array(numbers), *(p.detach().numpy() for p in model.parameters())])
    for mine, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-6, atol=1e-9)
