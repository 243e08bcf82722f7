"""Normalizations: what a table of rows cannot say."""

import warnings

import numpy as np
import pytest
from oracle import torch
from tolerances import assert_close

import gpudl
import gpudl.nn.functional as F
from gpudl.autograd import gradcheck, gradgradcheck

RNG = np.random.default_rng(0)


def shifted(shape, mean=1e4, dtype="float32"):
    """Numbers of a large mean and a variance near 1."""
    return (RNG.standard_normal(shape) + mean).astype(dtype)


def exact(x, axes, eps):
    wide = x.astype("float64")
    centered = wide - wide.mean(axes, keepdims=True)
    return centered / np.sqrt((centered * centered).mean(axes, keepdims=True) + eps)


NORMS = {
    "layer_norm": (lambda x: F.layer_norm(x, x.shape[1:]), lambda x: (1, 2)),
    "batch_norm": (lambda x: F.batch_norm(x, None, None, training=True), lambda x: (0, 2)),
    "instance_norm": (lambda x: F.instance_norm(x), lambda x: (2,)),
    "group_norm": (lambda x: F.group_norm(x, 1), lambda x: (1, 2)),
}


@pytest.mark.parametrize("name", NORMS)
@pytest.mark.parametrize("places", [8, 100])
def test_mean_of_ten_thousand_costs_no_digits(name, places, device):
    function, axes = NORMS[name]
    x = shifted((16, 8, places))
    got = function(gpudl.tensor(x, device=device)).cpu().numpy()
    # Against the exact result for the same float32 numbers; mean(x**2) - mean**2 would be off by more than 1.
    assert abs(got - exact(x, axes(x), 1e-5)).max() < 2e-5


@pytest.mark.parametrize("shape", [(6, 3), (4, 3, 5), (2, 3, 4, 60)])
@pytest.mark.parametrize("momentum", [0.1, 1.0, 0.0])
def test_batch_norm_updates_running_statistics_as_torch(shape, momentum, device):
    x = RNG.standard_normal(shape).astype("float32")
    mean, var = np.array([1.0, 2, 3], "float32"), np.array([0.5, 1, 2], "float32")
    mine = [gpudl.tensor(each, device=device) for each in (mean, var)]
    other = [torch.tensor(each) for each in (mean, var)]
    for _ in range(3):
        F.batch_norm(gpudl.tensor(x, device=device), *mine, training=True, momentum=momentum)
        torch.nn.functional.batch_norm(torch.tensor(x), *other, training=True, momentum=momentum)
    for got, want in zip(mine, other):
        assert_close(got.cpu().numpy(), want.numpy(), "running statistics")


def test_running_statistics_stay_outside_training(device):
    x, mean, var = (gpudl.ones(4, 3, device=device), *(gpudl.ones(3, device=device) for _ in range(2)))
    F.batch_norm(x, mean, var)
    F.instance_norm(x.reshape(2, 3, 2), mean, var, use_input_stats=False)
    assert mean.tolist() == var.tolist() == [1, 1, 1]


def test_changed_statistics_stop_backward(device):
    x = gpudl.ones(4, 3, device=device, requires_grad=True)
    mean, var = gpudl.zeros(3, device=device), gpudl.ones(3, device=device)
    y = F.batch_norm(x, mean, var, weight=gpudl.ones(3, device=device, requires_grad=True))
    F.batch_norm(x, mean, var, training=True)
    with pytest.raises(gpudl.GraphError, match="changed in place"):
        y.sum().backward()


@pytest.mark.parametrize("name", ["batch_norm", "layer_norm", "group_norm", "instance_norm", "rms_norm"])
def test_half_input_with_float32_weights_gives_half(name, device):
    x = RNG.standard_normal((4, 6, 5)).astype("float16")
    w, b = RNG.uniform(0.5, 2, 6).astype("float32"), RNG.standard_normal(6).astype("float32")
    if name in ("layer_norm", "rms_norm"):
        x = np.ascontiguousarray(x.swapaxes(1, 2))

    def run(lib, x, w, b):
        functions = lib.nn.functional
        if name == "batch_norm":
            return functions.batch_norm(x, None, None, w, b, True)
        if name == "layer_norm":
            return functions.layer_norm(x, (6,), w, b)
        if name == "rms_norm":
            return functions.rms_norm(x, (6,), w) + b.to(x.dtype)
        return (
            functions.group_norm(x, 3, w, b) if name == "group_norm" else functions.instance_norm(x, None, None, w, b)
        )

    mine = [gpudl.tensor(each, device=device, requires_grad=True) for each in (x, w, b)]
    other = [torch.tensor(each, requires_grad=True) for each in (x, w, b)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns that this is not its fast path
        got, want = run(gpudl, *mine), run(torch, *other)
    assert_close(got.detach().cpu().numpy(), want.detach().numpy(), name)
    got.sum().backward()
    want.sum().backward()
    for one, two in zip(mine, other):
        assert_close(one.grad.cpu().numpy(), two.grad.numpy(), name, slack=10, along=["float16"])


@pytest.mark.parametrize("seed", range(30))
def test_random_shapes_and_arguments_agree_with_torch(seed, device):
    rng = np.random.default_rng(seed)
    shape = (int(rng.integers(2, 5)), 2 * int(rng.integers(1, 4)), *rng.integers(1, 9, rng.integers(1, 4)).tolist(), 3)
    x, dy = rng.standard_normal((2, *shape))
    w, b = rng.uniform(0.5, 2, shape[1]), rng.standard_normal(shape[1])
    eps = float(rng.choice([1e-5, 1e-3, 0.1]))
    for call in (
        lambda lib, x, w, b: lib.nn.functional.group_norm(x, 2, w, b, eps),
        lambda lib, x, w, b: lib.nn.functional.batch_norm(x, None, None, w, b, True, 0.1, eps),
        lambda lib, x, w, b: lib.nn.functional.instance_norm(x, None, None, w, b, True, 0.1, eps),
        lambda lib, x, w, b: lib.nn.functional.layer_norm(x, shape[2:], None, None, eps),
        lambda lib, x, w, b: lib.nn.functional.local_response_norm(x, 1 + seed % 5, 0.5, 0.75, 1 + eps),
    ):
        mine = [gpudl.tensor(each, device=device, requires_grad=True) for each in (x, w, b)]
        other = [torch.tensor(each, requires_grad=True) for each in (x, w, b)]
        got, want = call(gpudl, *mine), call(torch, *other)
        got.backward(gpudl.tensor(dy, device=device))
        want.backward(torch.tensor(dy))
        assert_close(got.detach().cpu().numpy(), want.detach().numpy(), f"{shape}")
        for one, two in zip(mine, other):
            if two.grad is not None:
                assert_close(one.grad.cpu().numpy(), two.grad.numpy(), f"{shape}", slack=100)


@pytest.mark.parametrize("count", [1, 50])
def test_second_gradients_of_both_layouts(count, device):
    x = gpudl.tensor(RNG.standard_normal((3, 4, count)), device=device, requires_grad=True)
    for function in (
        lambda x: F.batch_norm(x, None, None, training=True, eps=0.1),
        lambda x: F.group_norm(x, 2, eps=0.1),
    ):
        gradcheck(function, [x])
        gradgradcheck(function, [x])


@pytest.mark.parametrize("shape", [(0, 3, 4), (2, 3, 0)])
def test_empty_inputs_give_empty_results(shape, device):
    x = gpudl.zeros(*shape, device=device, requires_grad=True)
    w = gpudl.ones(3, device=device, requires_grad=True)
    mean, var = gpudl.zeros(3, device=device), gpudl.ones(3, device=device)
    for y in (
        F.batch_norm(x, mean, var, w, w, True),
        F.group_norm(x, 3, w, w),
        F.instance_norm(x, mean, var, w),
        F.local_response_norm(x, 2),
    ):
        assert y.shape == shape
    F.batch_norm(x, mean, var, w, training=True).sum().backward()
    assert x.grad.shape == shape
    assert mean.tolist() == [0, 0, 0] and var.tolist() == [1, 1, 1] and w.grad.tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("call", "hint"),
    [
        (lambda x: F.layer_norm(x, [4]), r"\(\.\.\., 4\)"),
        (lambda x: F.layer_norm(x, [6], gpudl.ones(6, dtype=gpudl.float64)), "float64.*float32"),
        (lambda x: F.batch_norm(x, None, None), "running_mean and running_var"),
        (lambda x: F.batch_norm(x, gpudl.zeros(5), gpudl.ones(5), training=True), r"\(6,\)"),
        (lambda x: F.batch_norm(x[:1], None, None, training=True), "give more samples"),
        (lambda x: F.group_norm(x, 4), "divide the 6 channels"),
        (lambda x: F.rms_norm(x.long(), [6]), "floating"),
    ],
)
def test_errors_name_the_fix(call, hint):
    with pytest.raises(RuntimeError, match=hint):
        call(gpudl.ones(4, 6))
