"""SGD walks beside PyTorch's, and its CPU body beside the reference."""

import pytest
from beside_torch import compare
from bodies import LAYOUTS, SIZES, assert_bodies_agree, assert_needs_little_memory

import gpudl
from gpudl import nn, optim
from gpudl.optim.sgd import sgd_step_

MOMENTA = [
    {},
    {"dampening": 0.3},
    {"momentum": 0.9},
    {"momentum": 0.9, "dampening": 0.3},
    {"momentum": 0.5, "dampening": 1.0},
    {"momentum": 0.9, "nesterov": True},
    {"momentum": 1.5},
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("momentum", MOMENTA, ids=str)
@pytest.mark.parametrize("weight_decay", [0, 0.1])
@pytest.mark.parametrize("maximize", [False, True])
@pytest.mark.parametrize("lr", [0, 0.1])
def test_steps_are_those_of_torch(device, dtype, momentum, weight_decay, maximize, lr):
    compare("SGD", {"lr": lr, "weight_decay": weight_decay, "maximize": maximize, **momentum}, dtype, device)


@pytest.mark.parametrize("momentum", MOMENTA[:6], ids=str)
def test_half_precision_is_near_torch(device, momentum):
    compare("SGD", {"lr": 0.1, "weight_decay": 0.1, **momentum}, "float16", device, slack=4)


def test_defaults_are_those_of_torch(device):
    compare("SGD", {}, "float64", device)


@pytest.mark.parametrize(
    "settings",
    [
        {"lr": -1},
        {"lr": float("nan")},
        {"momentum": -0.1},
        {"weight_decay": -0.1},
        {"nesterov": True},
        {"nesterov": True, "momentum": 0.9, "dampening": 0.1},
    ],
)
def test_bad_settings_are_refused(settings):
    p = nn.Parameter(gpudl.ones(1))
    with pytest.raises(ValueError, match="SGD: "):
        optim.SGD([p], **settings)
    with pytest.raises(ValueError, match="SGD: "):
        optim.SGD([{"params": [p], **settings}])
    optimizer = optim.SGD([p])
    with pytest.raises(ValueError, match="SGD: "):
        optimizer.add_param_group({"params": [nn.Parameter(gpudl.ones(1))], **settings})
    assert len(optimizer.param_groups) == 1


# lr, momentum, dampening, weight_decay, nesterov
STEPS = [
    (0.1, 0, 0, 0, False),
    (0.1, 0, 0, 0.2, False),
    (0.1, 0.9, 0, 0, False),
    (0.1, 0.9, 0.3, 0, False),
    (0.1, 0.9, 0.3, 0.2, False),
    (0.1, 0.9, 0, 0, True),
    (0.1, 0.9, 0, 0.2, True),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("step", STEPS, ids=str)
def test_cpu_body_agrees_with_the_reference(dtype, size, step):
    assert_bodies_agree(sgd_step_, size, dtype, [step[1] != 0], step)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("step", STEPS, ids=str)
def test_cpu_body_takes_any_layout(layout, step):
    assert_bodies_agree(sgd_step_, (300, 200), "float32", [step[1] != 0], step, layout)


@pytest.mark.parametrize("momentum", MOMENTA[:6], ids=str)
@pytest.mark.parametrize("weight_decay", [0, 0.1])
def test_a_step_needs_little_memory(momentum, weight_decay):
    assert_needs_little_memory("SGD", {"weight_decay": weight_decay, **momentum})
