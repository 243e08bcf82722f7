"""The optimizers beside SGD and Adam walk beside PyTorch's, option by option; those that PyTorch lacks follow their
papers; and the body that goes over memory piece by piece is the reference."""

import itertools

import numpy as np
import pytest
from beside_torch import advance, assert_alike, both, compare, host, parameters, torch
from tolerances import assert_close

import gpudl
from gpudl import nn, optim

# Values of each option; all combinations are run.
OPTIONS = {
    "Adamax": {"lr": [0.1], "betas": [(0.9, 0.999), (0.0, 0.5)], "eps": [1e-8, 0.1], "weight_decay": [0, 0.1]},
    "NAdam": {
        "lr": [0.1],
        "betas": [(0.9, 0.999), (0.5, 0.0)],
        "eps": [1e-8, 0.1],
        "weight_decay": [0, 0.1],
        "momentum_decay": [4e-3, 0.5],
        "decoupled_weight_decay": [False, True],
    },
    "RAdam": {
        "lr": [0.1],
        "betas": [(0.9, 0.999), (0.5, 0.7)],
        "eps": [1e-8, 0.1],
        "weight_decay": [0, 0.1],
        "decoupled_weight_decay": [False, True],
    },
    "Adagrad": {
        "lr": [0.1],
        "lr_decay": [0, 0.2],
        "weight_decay": [0, 0.1],
        "initial_accumulator_value": [0, 0.5],
        "eps": [1e-10, 0.1],
    },
    "Adadelta": {"lr": [1.0, 0.5], "rho": [0.9, 0.3], "eps": [1e-6, 1e-2], "weight_decay": [0, 0.1]},
    "RMSprop": {
        "lr": [0.05],
        "alpha": [0.99, 0.5],
        "eps": [1e-8, 0.1],
        "weight_decay": [0, 0.1],
        "momentum": [0, 0.9],
        "centered": [False, True],
    },
    "Rprop": {"lr": [0.1, 0.01], "etas": [(0.5, 1.2), (0.1, 3.0)], "step_sizes": [(1e-6, 50), (0.05, 0.3)]},
    "ASGD": {"lr": [0.1], "lambd": [1e-4, 0.1], "alpha": [0.75, 2.0], "t0": [1e6, 4], "weight_decay": [0, 0.1]},
    "Adafactor": {
        "lr": [0.1, 1e-3],
        "beta2_decay": [-0.8, -0.3],
        "eps": [(None, 1e-3), (1e-2, 0.5)],
        "d": [1.0, 2.5],
        "weight_decay": [0, 0.1],
    },
}


def combinations(name):
    keys = [*OPTIONS[name], "maximize"]
    for values in itertools.product(*OPTIONS[name].values(), [False, True]):
        yield dict(zip(keys, values))


def shapes_for(name):
    """Adafactor of PyTorch divides by 0 for empty parameters."""
    return ((3, 4), (5,), (), (2, 3, 2) if name == "Adafactor" else (0,), "transposed")


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_steps_are_those_of_torch(device, name, dtype):
    for settings in combinations(name):
        mine = getattr(optim, name)(parameters(gpudl, dtype, device, shapes_for(name)), **settings)
        theirs = getattr(torch.optim, name)(parameters(torch, dtype, shapes=shapes_for(name)), **settings)
        advance(gpudl, mine)
        advance(torch, theirs)
        try:
            # PyTorch keeps NAdam's product and ASGD's rates in float32 and computes with them.
            assert_alike(mine, theirs, slack=4 if dtype == "float32" else 1e6 if name in ("NAdam", "ASGD") else 40)
        except AssertionError as error:
            raise AssertionError(f"{settings}: {error}") from error


@pytest.mark.parametrize("name", OPTIONS)
def test_defaults_are_those_of_torch(device, name):
    shapes = shapes_for(name)
    mine = getattr(optim, name)(parameters(gpudl, "float64", device, shapes))
    theirs = getattr(torch.optim, name)(parameters(torch, "float64", shapes=shapes))
    advance(gpudl, mine)
    advance(torch, theirs)
    assert_alike(mine, theirs, slack=1e6 if name in ("NAdam", "ASGD") else 40)


@pytest.mark.parametrize("name", [*OPTIONS, "Lion", "LAMB"])
def test_half_precision_stays_in_its_dtype(device, name):
    mine = getattr(optim, name)(parameters(gpudl, "float16", device, ((3, 4), (5,))), lr=0.05)
    advance(gpudl, mine)
    for p in mine.param_groups[0]["params"]:
        assert p.dtype == gpudl.float16
        assert np.isfinite(host(p)).all()


@pytest.mark.parametrize("name", OPTIONS)
def test_a_torch_state_is_gone_on_from(name):
    mine, theirs = both(name, {"lr": 0.05}) if name != "Adafactor" else adafactors()
    advance(torch, theirs, steps=5)
    advance(gpudl, mine, steps=5)
    for p, q in zip(mine.param_groups[0]["params"], theirs.param_groups[0]["params"]):
        p.data.copy_(gpudl.tensor(host(q)))
    mine.load_state_dict(theirs.state_dict())
    advance(torch, theirs, first=5, steps=5)
    advance(gpudl, mine, first=5, steps=5)
    assert_alike(mine, theirs, slack=8)


def adafactors():
    shapes = shapes_for("Adafactor")
    return optim.Adafactor(parameters(gpudl, shapes=shapes)), torch.optim.Adafactor(parameters(torch, shapes=shapes))


def walk(name, settings, reference, shape=(3, 4), steps=8):
    """An optimizer's parameter after some steps beside a reference of NumPy in float64: (p, g, t, memory) -> p."""
    p = nn.Parameter(gpudl.tensor(np.random.default_rng(0).normal(size=shape)))
    want, memory = host(p).copy(), {}
    optimizer = getattr(optim, name)([p], **settings)
    for step in range(1, steps + 1):
        g = np.random.default_rng(step).normal(size=shape)
        p.grad = gpudl.tensor(g)
        optimizer.step()
        want = reference(want, -g if settings.get("maximize") else g, step, memory)
    assert_close(host(p), want, name, slack=10)


@pytest.mark.parametrize("weight_decay", [0, 0.1])
@pytest.mark.parametrize("maximize", [False, True])
def test_lion_follows_its_paper(weight_decay, maximize):
    lr, beta1, beta2 = 0.02, 0.9, 0.7

    def lion(p, g, t, memory):
        m = memory.get("m", 0)
        memory["m"] = beta2 * m + (1 - beta2) * g
        return p - lr * (np.sign(beta1 * m + (1 - beta1) * g) + weight_decay * p)

    settings = {"lr": lr, "betas": (beta1, beta2), "weight_decay": weight_decay, "maximize": maximize}
    walk("Lion", settings, lion)


@pytest.mark.parametrize("weight_decay", [0, 0.1])
@pytest.mark.parametrize("maximize", [False, True])
def test_lamb_follows_its_paper(weight_decay, maximize):
    lr, beta1, beta2, eps = 0.02, 0.8, 0.9, 1e-3

    def lamb(p, g, t, memory):
        memory["m"] = beta1 * memory.get("m", 0) + (1 - beta1) * g
        memory["v"] = beta2 * memory.get("v", 0) + (1 - beta2) * g * g
        m, v = memory["m"] / (1 - beta1**t), memory["v"] / (1 - beta2**t)
        u = m / (np.sqrt(v) + eps) + weight_decay * p
        return p - lr * np.linalg.norm(p) / np.linalg.norm(u) * u

    settings = {"lr": lr, "betas": (beta1, beta2), "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
    walk("LAMB", settings, lamb)


def test_lamb_moves_a_parameter_that_is_0():
    p = nn.Parameter(gpudl.zeros(3))
    optimizer = optim.LAMB([p], lr=0.5)
    p.grad = gpudl.tensor([1.0, -1.0, 2.0])
    optimizer.step()
    np.testing.assert_allclose(host(p), [-0.5, 0.5, -0.5], rtol=1e-4)


BAD = [
    ("Adamax", {"lr": -1}), ("Adamax", {"betas": (1.0, 0.9)}), ("NAdam", {"momentum_decay": -1}),
    ("NAdam", {"betas": (0.9,)}), ("RAdam", {"eps": -1}), ("Adagrad", {"lr_decay": -1}),
    ("Adagrad", {"initial_accumulator_value": -1}), ("Adadelta", {"rho": 1.5}), ("Adadelta", {"eps": -1}),
    ("RMSprop", {"alpha": -1}), ("RMSprop", {"momentum": float("nan")}), ("Rprop", {"etas": (1.5, 2.0)}),
    ("Rprop", {"etas": (0.5, 0.9)}), ("ASGD", {"weight_decay": -1}), ("Lion", {"betas": (0.9, 1.0)}),
    ("Lion", {"lr": -1}), ("LAMB", {"eps": -1}), ("Adafactor", {"d": 0.5}), ("Adafactor", {"beta2_decay": 0.5}),
    ("Adafactor", {"eps": (-1, 0)}), ("Muon", {"adjust_lr_fn": "sqrt"}), ("Muon", {"ns_steps": 100}),
    ("Muon", {"ns_coefficients": (1, 2)}), ("LBFGS", {"lr": -1}), ("LBFGS", {"line_search_fn": "armijo"}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "settings"), BAD, ids=[f"{name}-{settings}" for name, settings in BAD])
def test_bad_settings_are_refused(name, settings):
    with pytest.raises(ValueError, match=f"^{name}: "):
        getattr(optim, name)([nn.Parameter(gpudl.ones(2, 2))], **settings)


@pytest.mark.parametrize("name", ["Adamax", "NAdam", "RAdam", "Adagrad", "Adadelta", "RMSprop", "Rprop", "ASGD"])
def test_recorded_steps_are_refused(name):
    with pytest.raises(RuntimeError, match=f"^{name}: differentiable"):
        getattr(optim, name)([nn.Parameter(gpudl.ones(2))], differentiable=True)


def test_compare_finds_a_difference():
    with pytest.raises(AssertionError, match="parameter"):
        mine, theirs = both("Adamax", {"lr": 0.1})
        mine.param_groups[0]["lr"] = 0.11
        advance(gpudl, mine)
        advance(torch, theirs)
        theirs.param_groups[0]["lr"] = 0.11
        assert_alike(mine, theirs, slack=4)


def test_closures_run_with_gradients():
    compare("RMSprop", {"lr": 0.01})
    p = nn.Parameter(gpudl.ones(3))
    optimizer = optim.RMSprop([p])

    def closure():
        optimizer.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 3
    assert p[0].item() < 1
