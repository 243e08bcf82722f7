"""GradScaler does what PyTorch's does: the same scales, gradients and parameters, step by step, on every device."""

import numpy as np
import pytest
from on_gpu import gpu, launched  # noqa: F401
from scaled_nets import PLAN, SETTINGS, host, net, run, torch

import gpudl
from gpudl import nn, optim, sim
from gpudl.amp import GradScaler

BAD = [float("inf"), float("-inf"), float("nan")]
KINDS = {
    "SGD": {"lr": 0.1, "momentum": 0.9, "dampening": 0.5},
    "AdamW": {"lr": 0.1, "amsgrad": True},
    "NAdam": {"lr": 0.1},
    "ASGD": {"lr": 0.1},
    "Adafactor": {"lr": 0.1},
}


@pytest.mark.parametrize("unscales", [False, True])
@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_training_is_pytorchs(device, name, unscales, dtype):
    mine, theirs = net(gpudl, device, dtype), net(torch, "cpu", dtype)
    scalers = GradScaler(**SETTINGS), torch.amp.GradScaler("cpu", **SETTINGS)
    optimizers = getattr(optim, name)(mine, **KINDS[name]), getattr(torch.optim, name)(theirs, **KINDS[name])
    got = run(gpudl, scalers[0], optimizers[0], mine, PLAN, unscales, 1.0)
    want = run(torch, scalers[1], optimizers[1], theirs, PLAN, unscales, 1.0)
    assert got == want and len(set(got)) > 3
    for p, q in zip(mine, theirs):
        np.testing.assert_allclose(host(p), host(q), rtol=2e-5, atol=2e-5)
    assert scalers[0].state_dict() == scalers[1].state_dict()


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("steps", [0, 2])
def test_a_step_with_a_bad_gradient_changes_nothing(device, name, bad, steps):
    parameters = net(gpudl, device)
    optimizer = getattr(optim, name)(parameters, **KINDS[name])
    scaler = GradScaler()
    run(gpudl, scaler, optimizer, parameters, [None] * steps)

    def everything():
        kept = [tensor for p in parameters for tensor in optimizer.state.get(p, {}).values()]
        return [host(tensor).tobytes() for tensor in [*parameters, *kept]]

    before, scale = everything(), scaler.get_scale()
    run(gpudl, scaler, optimizer, parameters, [bad])
    assert everything() == before and scaler.get_scale() == scale / 2
    run(gpudl, scaler, optimizer, parameters, [None])
    assert everything() != before


@pytest.mark.parametrize("size", [1, 3, 4, 7, 1023, 4099])
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_a_bad_number_is_found_wherever_it_is(device, size, dtype):
    p = nn.Parameter(gpudl.zeros(size, device=device, dtype=dtype))
    optimizer = optim.SGD([p], lr=1.0)
    for place in sorted({0, size // 2, size - 1}):
        for bad in (None, *BAD):
            scaler = GradScaler(init_scale=4.0)
            scaler.scale(gpudl.zeros(1, device=device))
            gradient = gpudl.full((size,), 2.0, device=device, dtype=dtype)
            if bad is not None:
                gradient[place] = bad
            p.grad = gradient
            scaler.unscale_(optimizer)
            want = np.full(size, 0.5, "float32")
            if bad is not None:
                want[place] = bad
            np.testing.assert_array_equal(host(p.grad.float()), want)
            scaler.update()
            assert scaler.get_scale() == (4.0 if bad is None else 2.0)


@pytest.mark.parametrize("make", [lambda x: x[1:], lambda x: x[::2], lambda x: x.reshape(2, -1).t(), lambda x: x[:0]])
def test_gradients_may_lie_anyhow(device, make):
    for bad in (None, float("nan")):
        given = gpudl.full((4100,), 6.0, device=device)
        if bad is not None:
            given[2000:2002] = bad
        gradient = make(given)
        p = nn.Parameter(gpudl.zeros(gradient.shape, device=device))
        p.grad = gradient
        scaler = GradScaler(init_scale=2.0)
        scaler.scale(given)
        want = host(gradient) / 2
        scaler.unscale_(optim.SGD([p]))
        np.testing.assert_array_equal(host(p.grad), want)
        scaler.update()
        assert scaler.get_scale() == (1.0 if bad is not None and gradient.numel() else 2.0)


def test_an_element_of_a_0d_parameter(device):
    p = nn.Parameter(gpudl.tensor(1.0, device=device))
    optimizer, scaler = optim.SGD([p], lr=1.0), GradScaler()
    scaler.scale(p * 0.25).backward()
    assert p.grad.item() == 0.25 * 2**16
    scaler.step(optimizer)
    scaler.update()
    assert p.item() == 0.75


def test_a_scale_does_not_grow_to_infinity(device):
    scaler = GradScaler(init_scale=3e38, growth_interval=1)
    p = nn.Parameter(gpudl.zeros(2, device=device))
    for _ in range(2):
        scaler.scale(gpudl.zeros((), device=device))
        p.grad = gpudl.ones(2, device=device)
        scaler.step(optim.SGD([p]))
        scaler.update()
        assert scaler.get_scale() == pytest.approx(3e38) and scaler.state_dict()["_growth_tracker"] == 0


def test_several_optimizers_share_a_scale(device):
    parameters = [nn.Parameter(gpudl.zeros(3, device=device)) for _ in range(20)]
    optimizers = [optim.SGD([p], lr=1.0) for p in parameters]
    scaler = GradScaler(init_scale=4.0)
    for bad in (19, 0, 9, None):
        scaler.scale(gpudl.zeros((), device=device))
        before = [host(p).copy() for p in parameters]
        for number, p in enumerate(parameters):
            p.grad = gpudl.full((3,), float("inf") if number == bad else 1.0, device=device)
        scale = scaler.get_scale()
        for optimizer in optimizers:
            scaler.step(optimizer)
        scaler.update()
        assert scaler.get_scale() == (scale if bad is None else scale / 2)
        for number, (p, old) in enumerate(zip(parameters, before)):
            np.testing.assert_array_equal(host(p), old if number == bad else old - 1 / scale)


def test_outputs_of_any_kind_are_scaled(device):
    scaler = GradScaler(init_scale=2.0)
    one = gpudl.ones(2, device=device)
    a, (b, c) = scaler.scale([one, (one.half(), one.double())])
    assert [(x.dtype, host(x).tolist()) for x in (a, b, c)] == [
        (kind, [2.0, 2.0]) for kind in (gpudl.float32, gpudl.float16, gpudl.float64)
    ]
    assert isinstance(scaler.scale([one]), list) and isinstance(scaler.scale((one,)), tuple)
    assert [host(x).tolist() for x in scaler.scale(each for each in [one])] == [[2.0, 2.0]]
    with pytest.raises(ValueError, match="must be a Tensor or an iterable"):
        scaler.scale(3.0)


def test_launches_and_waits(gpu):  # noqa: F811
    gpudl.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 3)).to(gpu)
    optimizer = optim.AdamW(model.parameters())
    scaler = GradScaler()
    x = gpudl.randn(6, 5, device=gpu)

    def backward():
        optimizer.zero_grad()
        scaler.scale(model(x).sum()).backward()

    def unscaled():
        scaler._progress.clear()
        scaler.unscale_(optimizer)

    backward()
    assert launched(gpu, unscaled) == 1
    with sim.counting() as counted:
        scaler.step(optimizer)
    assert (counted.launches, counted.device_to_host) == (1, 1)
    with gpudl.strict(), sim.counting() as counted:
        scaler.update()
        backward()
        scaler.unscale_(optimizer)
    assert counted.device_to_host == counted.host_to_device == counted.synchronizations == 0
    with sim.counting() as counted:
        scaler.update()
    assert counted.launches == 1
    backward()
    with gpudl.strict(), pytest.raises(gpudl.StrictError, match=r"test_grad_scaler\.py:\d+: strict mode"):
        scaler.step(optimizer)


@pytest.mark.parametrize("bad", ["host", "device", None])
def test_gradients_of_several_devices_have_one_scale(gpu, bad):  # noqa: F811
    there, here = nn.Parameter(gpudl.zeros(3, device=gpu)), nn.Parameter(gpudl.zeros(3))
    optimizer, scaler = optim.SGD([there, here], lr=1.0), GradScaler(init_scale=4.0)
    for number in range(2):
        scaler.scale(gpudl.zeros((), device=gpu))
        spoiled = bad if number == 0 else None
        there.grad = gpudl.full((3,), float("nan") if spoiled == "device" else 4.0, device=gpu)
        here.grad = gpudl.full((3,), float("nan") if spoiled == "host" else 4.0)
        scaler.step(optimizer)
        scaler.update()
    assert scaler.get_scale() == (4.0 if bad is None else 2.0)
    assert host(there).tolist() == host(here).tolist() == [-2.0] * 3  # two steps of 1, or one of 2
