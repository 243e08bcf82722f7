"""Operations of every kind, run again by themselves: nothing departs that is right."""

from __future__ import annotations

import numpy as np
import pytest

import gpudl
from gpudl import nn
from gpudl.autograd import Function, Primitive
from gpudl.autograd.observe import observing
from gpudl.backend.arrays import xp_of
from gpudl.compare import Curves, compare_devices
from gpudl.compare.record import Recorder
from gpudl.nn import functional as F


class Whole(nn.Module):
    """A function as a model."""

    def __init__(self, function, **modules) -> None:
        super().__init__()
        self.function = function
        for name, module in modules.items():
            self.add_module(name, module)

    def forward(self, *inputs):
        return self.function(self, *inputs)


def rows_of(function, *inputs, devices, **modules):
    gpudl.manual_seed(1)
    found = compare_devices(Whole(function, **modules), *inputs, devices=devices)
    assert found.agrees, str(found)
    return found


def judged(found, devices):
    """The operations and directions that were judged on all devices."""
    rows = [row for row in found.ops if row.differences.keys() == set(devices)]
    assert all(each.excess is not None for row in rows for each in row.differences.values())
    return {(row.op, row.direction) for row in rows}


@pytest.fixture
def devices(gpu):
    return "cpu", gpu


def floats(*shape, dtype="float32"):
    values = np.random.default_rng(len(shape)).normal(size=shape).astype(np.float32)
    return gpudl.tensor(values).to(getattr(gpudl, dtype)).requires_grad_()


@pytest.mark.parametrize("dtype", ["float32", "float16", "float64"])
def test_network_of_many_layers(devices, dtype):
    def forward(self, x, words):
        x = self.pool(self.norm(self.conv(x)).relu())
        y, _ = self.lstm(self.embedding(words).to(x.dtype))
        return self.dropout(x.flatten(1)).sum(1) + F.softmax(y, 1).mean((1, 2))

    modules = {
        "conv": nn.Conv2d(2, 3, 3), "norm": nn.BatchNorm2d(3), "pool": nn.MaxPool2d(2), "embedding": nn.Embedding(7, 4),
        "lstm": nn.LSTM(4, 5, batch_first=True), "dropout": nn.Dropout(0.5),
    }  # fmt: skip
    modules = {name: each.to(getattr(gpudl, dtype)) for name, each in modules.items()}
    words = gpudl.arange(12).reshape(3, 4) % 7
    found = rows_of(forward, floats(3, 2, 8, 8, dtype=dtype), words, devices=devices, **modules)
    assert not any(row.notes for row in found.ops)
    assert {row.dtype for row in found.ops if row.op in ("BatchNorm", "Relu", "MaxPool2d", "Dropout")} == {dtype}
    assert {"Convolution", "BatchNorm", "Relu", "MaxPool2d", "Embedding", "Lstm", "Dropout"} <= {
        r.op for r in found.ops
    }
    by_path = {row.path: row for row in found.layers}
    assert by_path["conv"].type == "Conv2d" and by_path["conv"].backward.keys() == set(devices)
    worst = max(each.max_abs for row in found.layers for each in row.forward.values())
    assert worst < {"float16": 0.1, "float32": 1e-5, "float64": 1e-13}[dtype]


def test_changes_in_place_and_views(devices):
    def forward(self, x):
        y = x * 2
        y[1:] += 1
        y.mul_(3).relu_()
        y[:, 0] = 0.1
        return y.T.reshape(-1)[2:]

    found = rows_of(forward, floats(4, 5), devices=devices)
    assert all(row.differences or row.notes for row in found.ops)


def test_results_that_are_no_floats_or_several(devices):
    def forward(self, x):
        values, places = x.topk(3, dim=1)
        chosen = x.gather(1, x.argsort(1))
        mask = (x > 0.1) & (x.argmax(1, keepdim=True) > 0)
        return values, places, chosen * mask, x.unbind(0)[0]

    x = gpudl.tensor(np.round(np.random.default_rng(0).normal(size=(5, 6)), 1).astype(np.float32)).requires_grad_()
    found = rows_of(forward, x, devices=devices)
    names = {"Position", "Chosen", "gt", "bitwise_and", "Cast", "Mul", "Read", "Split"}
    assert {(name, "forward") for name in names} <= judged(found, devices)
    assert {(name, "backward") for name in ("Chosen", "Mul", "Read", "Split")} <= judged(found, devices)


def test_sums_that_cancel_are_held_to_their_terms(devices):
    x = gpudl.tensor(np.random.default_rng(0).normal(size=(4, 4096)).astype(np.float32))
    found = rows_of(lambda self, x: ((x - x.mean(1, keepdim=True)).sum(1), x @ (x * 1e6).T), x, devices=devices)
    assert {("Sum", "forward"), ("Matmul", "forward")} <= judged(found, devices)
    (row,) = [row for row in found.ops if row.op == "Sum"]
    assert max(each.max_rel for each in row.differences.values()) > 1e-4, "nothing cancels"
    assert max(each.excess for each in row.differences.values()) < 0.5


def test_empty_and_0d_inputs(devices):
    found = rows_of(lambda self, x, y: (x.sum(), x * y, y.exp()), floats(0, 3), floats(), devices=devices)
    assert judged(found, devices) == {(op, way) for op in ("Sum", "Mul", "Exp") for way in ("forward", "backward")}


def test_what_is_not_compared_is_said(devices):
    class Host(Function):
        @staticmethod
        def forward(ctx, x):
            if x.dtype == gpudl.float64:
                raise ValueError("no doubles here")
            return x * 2

        @staticmethod
        def backward(ctx, dy):
            return dy * 2

    found = rows_of(lambda self, x: (Host.apply(x), gpudl.linalg.qr(x)[1]), floats(3, 3), devices=devices)
    notes = {row.op: row.notes for row in found.ops}
    assert "no doubles here" in notes["Host"]["float64"] and "signs" in notes["Qr"]["float64"]
    assert found.no_layers is not None and "no doubles here" in found.no_layers and found.layers == ()
    assert "not compared: " in str(found) and "2 not compared" in str(found)


def test_operations_of_ones_own(devices):
    class Twice(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, dy):
            return dy * 2

    class Wrong(Primitive):
        def forward(ctx, x):
            return xp_of(x).exp(x) * (1 if isinstance(x, np.ndarray) else 1.001)

        def backward(ctx, dy):
            return dy

    gpudl.manual_seed(0)
    found = compare_devices(Whole(lambda self, x: Wrong.apply(Twice.apply(x))), floats(3, 4), devices=devices)
    assert [row.op for row in found.ops] == ["Twice", "Wrong", "Wrong", "Twice"]
    assert [(row.op, row.direction, device) for row, device in found.departures()] == [("Wrong", "forward", devices[1])]


def test_functions_far_out_are_held_to_what_they_are_a_share_of(devices):
    x = gpudl.tensor(np.linspace(-9, 9, 40, dtype=np.float32)).requires_grad_()
    rows_of(lambda self, x: (x.tanh(), x.sigmoid(), F.gelu(x), F.silu(x), F.softplus(x), x.erf()), x, devices=devices)
    for far in (-6.0, 4.0, 8.0):  # alone, so that nothing else makes the scale
        x = gpudl.full((3,), far).requires_grad_()
        rows_of(lambda self, x: (x.tanh(), x.sigmoid(), F.gelu(x, approximate="tanh"), x.erf()), x, devices=devices)


def test_gradient_that_only_one_device_gives_departs(devices):
    class Forgetful(Primitive):
        def forward(ctx, x, y):
            ctx.on_host = isinstance(x, np.ndarray)
            return x * 2 + y

        def backward(ctx, dy):
            return dy * 2, dy if ctx.on_host else None

    found = compare_devices(Whole(lambda self, x, y: Forgetful.apply(x, y)), floats(3), floats(3), devices=devices)
    assert [(row.op, row.direction, device) for row, device in found.departures()] == [
        ("Forgetful", "backward", devices[1])
    ]


def test_arguments_are_recorded_as_they_were_given():
    class Overwriting(Primitive):
        def forward(ctx, x, out):
            out += x
            return out * 2

    recorder = Recorder(Whole(lambda self, x, y: Overwriting.apply(x, y)), None)
    recorder.run((gpudl.ones(3), gpudl.ones(3)), None, operations=True)
    (call,) = recorder.calls
    assert [float(arg.array[0]) for arg in call.args] == [1, 1]


def test_operation_that_draws_random_numbers_draws_the_same_everywhere(devices):
    class Noisy(Function):
        @staticmethod
        def forward(ctx, x):
            return x + gpudl.rand(3, dtype=gpudl.float32).to(x.device)

        @staticmethod
        def backward(ctx, dy):
            return dy

    found = rows_of(lambda self, x: Noisy.apply(x), floats(3), devices=devices)
    assert found.layers[0].forward[devices[1]].max_abs < 1e-6


def test_dropout_drops_the_same_in_every_step(devices):
    gpudl.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 20), nn.Dropout(0.5), nn.Linear(20, 3))
    found = compare_devices(model, gpudl.rand(4, 6), devices=devices, steps=4)
    assert found.agrees and len(set(found.curves.losses["cpu"])) == 4
    assert all(row.where is None for row in found.ops)  # no code of a user's between the layers


def test_first_step_where_losses_part():
    nan, inf = float("nan"), float("inf")
    for other, parted in (
        ((1.0, 2.0, 3.0), None), ((1.002, 2.0, 3.0), 1), ((1.0, 2.001, 3.1), 3), ((1.0, nan, 3.0), 2),
        ((1.0, 2.0, -inf), 3),
    ):  # fmt: skip
        assert Curves({"cpu": (1.0, 2.0, 3.0), "sim:0": other}, 1e-3).parted == parted
    assert Curves({"cpu": (nan, inf, 0.0), "sim:0": (nan, inf, 0.0)}, 1e-3).parted is None


def test_losses_may_part_as_is_published_where_nothing_is_said():
    together, apart = ((2.0, 2.0, 2.0), (2.0, 2.00005, 2.0)), ((2.0, 2.0, 2.0), (2.0, 2.00007, 2.0))
    for losses, dtype, parted in ((together, "float32", None), (apart, "float32", 2), (apart, "float16", None)):
        curves = Curves(dict(zip(("cpu", "sim:0"), losses)), dtype=dtype)
        assert curves.parted == parted and curves.allowed(3) == 3 * curves.allowed(1)


def test_copies_between_devices_are_no_operations(devices):
    found = rows_of(lambda self, x: x.to("cpu").exp().to(x.device) * 2, floats(3), devices=devices[::-1])
    assert [row.op for row in found.ops] == ["Exp", "Mul", "Mul", "Exp"]


def test_observer_sees_what_is_called_and_not_what_that_is_made_of(device):
    seen = []

    def observer(operation, args, run):
        seen.append(operation.name())
        return run()

    x = gpudl.ones(3, dtype=gpudl.float16, device=device)
    plain = vars(Primitive)["apply"], vars(Primitive)["apply_pair"], vars(Function)["apply"]
    with observing(observer):
        (x + x).exp()
    assert seen == ["Add", "Exp"]
    with pytest.raises(RuntimeError), observing(observer):
        raise RuntimeError
    x.exp()
    assert seen == ["Add", "Exp"]
    assert plain == (vars(Primitive)["apply"], vars(Primitive)["apply_pair"], vars(Function)["apply"])
