"""Adam and AdamW walk beside PyTorch's, and their CPU body beside the reference."""

import numpy as np
import pytest
from beside_torch import advance, assert_alike, both, compare, torch
from bodies import LAYOUTS, SIZES, assert_bodies_agree, assert_needs_little_memory

import gpudl
from gpudl import nn, optim
from gpudl.optim.adam import adam_step_


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["Adam", "AdamW", "Adam decoupled"])
@pytest.mark.parametrize("betas", [(0.9, 0.999), (0.0, 0.5), (0.7, 0.0)])
@pytest.mark.parametrize("eps", [1e-8, 0.1])
@pytest.mark.parametrize("weight_decay", [0, 0.1])
@pytest.mark.parametrize("amsgrad", [False, True])
@pytest.mark.parametrize("maximize", [False, True])
def test_steps_are_those_of_torch(device, dtype, name, betas, eps, weight_decay, amsgrad, maximize):
    settings = {"lr": 0.1, "betas": betas, "eps": eps, "weight_decay": weight_decay}
    settings |= {"amsgrad": amsgrad, "maximize": maximize}
    if name == "Adam decoupled":
        name, settings = "Adam", {**settings, "decoupled_weight_decay": True}
    compare(name, settings, dtype, device, steps=12)


@pytest.mark.parametrize("name", ["Adam", "AdamW"])
def test_defaults_are_those_of_torch(device, name):
    compare(name, {}, "float64", device)


@pytest.mark.parametrize("name", ["Adam", "AdamW"])
@pytest.mark.parametrize("amsgrad", [False, True])
def test_half_precision_is_near_torch(device, name, amsgrad):
    settings = {"lr": 0.1, "eps": 1e-3, "weight_decay": 0.1, "amsgrad": amsgrad}
    compare(name, settings, "float16", device, slack=5)


@pytest.mark.parametrize("name", ["Adam", "AdamW"])
@pytest.mark.parametrize(
    "settings",
    [
        {"lr": -1},
        {"lr": float("nan")},
        {"eps": -1e-8},
        {"weight_decay": -0.1},
        {"betas": (1.0, 0.9)},
        {"betas": (0.9, 1.0)},
        {"betas": (-0.1, 0.9)},
        {"betas": (0.9,)},
        {"betas": (0.9, 0.99, 0.999)},
    ],
)
def test_bad_settings_are_refused(name, settings):
    p = nn.Parameter(gpudl.ones(1))
    with pytest.raises(ValueError, match=f"^{name}: "):
        getattr(optim, name)([p], **settings)
    with pytest.raises(ValueError, match=f"^{name}: "):
        getattr(optim, name)([{"params": [p], **settings}])


def test_adamw_decays_apart_from_the_gradient_whatever_it_loads():
    adam, adamw = (kind([nn.Parameter(gpudl.ones(2))], lr=0.1, weight_decay=0.5) for kind in (optim.Adam, optim.AdamW))
    adamw.load_state_dict(adam.state_dict())
    assert adamw.param_groups[0]["decoupled_weight_decay"] is True
    for optimizer in (adam, adamw):
        optimizer.param_groups[0]["params"][0].grad = gpudl.zeros(2)
        optimizer.step()
    assert adamw.param_groups[0]["params"][0].tolist() == pytest.approx([0.95, 0.95])
    assert adam.param_groups[0]["params"][0].tolist() == pytest.approx([0.9, 0.9])


def test_amsgrad_may_begin_later_and_then_starts_from_zeros():
    mine, _ = both("Adam", {})
    advance(gpudl, mine, steps=2)
    mine.param_groups[0]["amsgrad"] = True
    advance(gpudl, mine, first=2, steps=1)
    for kept in mine.state.values():
        assert np.array_equal(kept["max_exp_avg_sq"].numpy(), kept["exp_avg_sq"].numpy())


def test_step_is_counted_for_each_parameter_in_a_tensor_as_in_torch():
    mine, theirs = both("Adam", {"amsgrad": True})
    advance(gpudl, mine, steps=5)
    advance(torch, theirs, steps=5)
    steps = [kept["step"].item() for kept in mine.state.values()]
    assert steps == [kept["step"].item() for kept in theirs.state.values()] == [5, 3, 5, 5, 5, 5]
    assert_alike(mine, theirs, slack=10)


# step, lr, beta1, beta2, eps, weight_decay, decoupled
STEPS = [
    (1, 0.1, 0.9, 0.999, 1e-8, 0, False),
    (1000, 0.1, 0.9, 0.999, 1e-3, 0, False),
    (3, 0.1, 0.9, 0.99, 1e-3, 0.1, False),
    (3, 0.1, 0.9, 0.99, 1e-3, 0.1, True),
    (2, 0.1, 0.0, 0.0, 1e-3, 0.1, False),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("amsgrad", [False, True])
@pytest.mark.parametrize("step", STEPS, ids=str)
def test_cpu_body_agrees_with_the_reference(dtype, size, amsgrad, step):
    assert_bodies_agree(adam_step_, size, dtype, [True, True, amsgrad], step)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("amsgrad", [False, True])
@pytest.mark.parametrize("step", STEPS[2:4], ids=str)
def test_cpu_body_takes_any_layout(layout, amsgrad, step):
    assert_bodies_agree(adam_step_, (300, 200), "float32", [True, True, amsgrad], step, layout)


@pytest.mark.parametrize("name", ["Adam", "AdamW"])
@pytest.mark.parametrize("maximize", [False, True])
@pytest.mark.parametrize("weight_decay", [0, 0.1])
@pytest.mark.parametrize("amsgrad", [False, True])
def test_a_step_needs_little_memory(name, maximize, weight_decay, amsgrad):
    settings = {"maximize": maximize, "weight_decay": weight_decay, "amsgrad": amsgrad}
    assert_needs_little_memory(name, settings)
