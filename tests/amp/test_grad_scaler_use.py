"""GradScaler: the order of its calls, its settings, saving and loading, beside PyTorch's."""

import copy
import pickle

import numpy as np
import pytest
from scaled_nets import PLAN, SETTINGS, host, loss_with, net, run, torch

import gpudl
from gpudl import optim
from gpudl.amp import GradScaler


@pytest.mark.parametrize("lib", ["gpudl", "torch"])
def test_what_is_called_in_the_wrong_order_is_refused(lib):
    lib, make = (gpudl, GradScaler) if lib == "gpudl" else (torch, lambda **k: torch.amp.GradScaler("cpu", **k))
    (p,) = net(lib, "cpu")[:1]
    optimizer, scaler = lib.optim.SGD([p], lr=0.1), make(**SETTINGS)
    for call in (lambda: scaler.unscale_(optimizer), lambda: scaler.step(optimizer), scaler.update):
        with pytest.raises(AssertionError):
            call()
    loss = scaler.scale(p.sum())
    with pytest.raises(AssertionError):  # nothing has a gradient
        scaler.step(optimizer)
    with pytest.raises(AssertionError):
        scaler.update()
    scaler = make(**SETTINGS)
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    with pytest.raises(RuntimeError, match="already been called"):
        scaler.unscale_(optimizer)
    with pytest.raises(RuntimeError, match="[Cc]losure"):
        scaler.step(optimizer, closure=lambda: None)
    with pytest.raises(AssertionError):
        pickle.dumps(scaler)
    scaler.step(optimizer)
    with pytest.raises(RuntimeError, match="after step"):
        scaler.unscale_(optimizer)
    with pytest.raises(RuntimeError, match="already been called"):
        scaler.step(optimizer)
    scaler.update()
    with pytest.raises(AssertionError):
        scaler.update()
    for settings in ({"growth_factor": 1.0}, {"backoff_factor": 1.0}):
        with pytest.raises(AssertionError):
            make(**settings)


@pytest.mark.parametrize("lib", ["gpudl", "torch"])
def test_float16_gradients_are_refused(lib):
    lib, make = (gpudl, GradScaler) if lib == "gpudl" else (torch, lambda: torch.amp.GradScaler("cpu"))
    p = lib.nn.Parameter(lib.zeros(2, dtype=lib.float16))
    scaler = make()
    scaler.scale(lib.zeros(()))
    p.grad = lib.zeros(2, dtype=lib.float16)
    with pytest.raises(ValueError, match=r"(FP16|float16) gradients"):
        scaler.step(lib.optim.SGD([p], lr=0.1))


def test_not_enabled_it_does_nothing(device):
    scaler = GradScaler(enabled=False)
    parameters = net(gpudl, device)
    optimizer = optim.SGD(parameters, lr=1.0)
    loss = loss_with(gpudl, parameters, 0)
    assert scaler.scale(loss) is loss
    loss.backward()
    before = host(parameters[0]).copy()
    scaler.unscale_(optimizer)
    scaler.step(optimizer)
    scaler.update()
    np.testing.assert_allclose(host(parameters[0]), before - host(parameters[0].grad), rtol=1e-6)
    assert scaler.get_scale() == 1.0 and scaler.state_dict() == {} and not scaler.is_enabled()
    with pytest.raises(RuntimeError, match="empty"):
        GradScaler().load_state_dict({})


def test_a_new_scale_can_be_given(device):
    parameters = net(gpudl, device)
    optimizer, scaler = optim.SGD(parameters, lr=0.1), GradScaler(**SETTINGS)
    for new in (32.0, gpudl.tensor([64.0], device=device)):
        scaler.scale(loss_with(gpudl, parameters, 0, float("nan"))).backward()
        scaler.step(optimizer)
        scaler.update(new)
        assert scaler.get_scale() == float(new)
    optimizer.zero_grad()
    run(gpudl, scaler, optimizer, parameters, [None])  # what was found before the new scale is forgotten
    assert scaler.get_scale() == 64.0
    with pytest.raises(AssertionError, match="one element"):
        scaler.update(gpudl.ones(2, device=device))


@pytest.mark.parametrize("how", ["loaded", "loaded late", "pickled", "copied", "from torch"])
def test_it_goes_on_where_it_was(device, how):
    parameters = net(gpudl, device)
    optimizer, scaler = optim.SGD(parameters, lr=0.1), GradScaler(**SETTINGS)
    run(gpudl, scaler, optimizer, parameters, PLAN[:5])
    saved = scaler.state_dict()
    if how == "pickled":
        other = pickle.loads(pickle.dumps(scaler))
    elif how == "copied":
        other = copy.deepcopy(scaler)
    else:
        other = GradScaler()
        if how == "loaded late":
            other.scale(gpudl.zeros((), device=device))
        if how == "from torch":
            theirs = torch.amp.GradScaler("cpu")
            theirs.load_state_dict(saved)
            saved = theirs.state_dict()
        other.load_state_dict(saved)
    assert other.state_dict() == saved and saved["_growth_tracker"] == 1
    want = run(gpudl, scaler, optimizer, parameters, PLAN[5:])
    assert run(gpudl, other, optimizer, parameters, PLAN[5:]) == want


def test_its_settings_can_be_changed():
    scaler = GradScaler()
    assert (scaler.get_growth_factor(), scaler.get_backoff_factor(), scaler.get_growth_interval()) == (2.0, 0.5, 2000)
    scaler.set_growth_factor(4.0)
    scaler.set_backoff_factor(0.25)
    scaler.set_growth_interval(7)
    assert (scaler.get_growth_factor(), scaler.get_backoff_factor(), scaler.get_growth_interval()) == (4.0, 0.25, 7)
