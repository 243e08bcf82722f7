"""The fixture check_devices, as in a project of somebody else."""

from __future__ import annotations

import numpy as np
import pytest

import gpudl
from gpudl import nn
from gpudl.autograd import Primitive
from gpudl.testing import check_devices as plain_check


class Square(Primitive):
    """An operation of one's own, that is wrong on one device."""

    off = 0.0

    def forward(ctx, x):
        ctx.save(x)
        return x * x * (1 if isinstance(x, np.ndarray) else 1 + ctx.off)

    def backward(ctx, dy):
        (x,) = ctx.saved
        return 2 * x * dy


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 4)

    def forward(self, x):
        return Square.apply(self.linear(x))


class Waiting(Net):
    def forward(self, x):
        return super().forward(x) * (1 if x.sum() > 0 else 2)


def test_model_that_agrees_passes(check_devices):
    found = check_devices(Net(), gpudl.rand(5, 3), steps=2)
    assert found.agrees and found.devices[0] == "cpu" and len(found.devices) == 2
    assert found.devices[1].startswith(("sim", "cuda"))


def test_operation_that_departs_is_named(check_devices, monkeypatch):
    monkeypatch.setattr(Square, "off", 1e-3)
    with pytest.raises(AssertionError, match=r"The first: forward of Square on \w+:0, in layer \(model\), .*:\d+"):
        check_devices(Net(), gpudl.rand(5, 3))


def test_implicit_transfer_fails_unless_allowed(check_devices):
    with pytest.raises(AssertionError, match=rf"{__file__}:\d+: transfer, 1 times"):
        check_devices(Waiting(), gpudl.rand(5, 3))
    assert check_devices(Waiting(), gpudl.rand(5, 3), strict=False).agrees


@pytest.mark.parametrize(
    ("settings", "error", "problem"),
    [
        ({"devices": ("cpu",)}, ValueError, "give two devices or more"),
        ({"devices": "cpu,sim"}, ValueError, "give two devices or more"),
        ({"devices": ("cpu", "cpu:0")}, ValueError, "each may stand there once"),
        ({"devices": ("cpu", "tpu")}, gpudl.DeviceError, "'tpu' is not a device"),
        ({"steps": -1}, ValueError, "steps must be 0 or more"),
        ({"tolerance": 0.0}, ValueError, "tolerance must be above 0"),
        ({"loss_tolerance": float("nan")}, ValueError, "loss_tolerance must be above 0"),
    ],
)
def test_arguments_out_of_range(settings, error, problem):
    with pytest.raises(error, match=problem):
        plain_check(Net(), gpudl.rand(5, 3), **settings)


def test_what_is_no_model_is_refused():
    with pytest.raises(TypeError, match="expected a Module, got function"):
        plain_check(lambda x: x, gpudl.rand(5, 3))


def test_model_inputs_and_seed_stay_as_they_were(check_devices):
    class Changing(Net):
        def forward(self, x):
            x += 1
            return super().forward(x)

    model, x = Changing(), gpudl.rand(5, 3)
    before = {name: value.numpy().copy() for name, value in model.state_dict().items()}, x.numpy().copy()
    gpudl.manual_seed(7)
    expected = gpudl.rand(3).tolist()
    gpudl.manual_seed(7)
    check_devices(model, x, steps=2)
    assert gpudl.rand(3).tolist() == expected
    np.testing.assert_array_equal(x.numpy(), before[1])
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), before[0][name])
    assert all(parameter.grad is None for parameter in model.parameters())
