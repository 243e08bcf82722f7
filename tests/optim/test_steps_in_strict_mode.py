"""What a training step does beside forward and backward leaves nothing of the device: in strict mode every optimizer
takes its step, gradients are clipped and dropped, rates are scheduled and weights averaged."""

import contextlib
import copy

import pytest

import gpudl
from gpudl import nn, optim, sim
from gpudl.optim import lr_scheduler, swa_utils

KINDS = {
    name: kind
    for name, kind in vars(optim).items()
    if isinstance(kind, type) and issubclass(kind, optim.Optimizer) and kind is not optim.Optimizer
}
WAITING = {"LBFGS"}  # whether its line search ends, and what follows, is for the host to decide

SETTINGS = {
    "SGD": [{}, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}, {"momentum": 0.9, "dampening": 0.1}],
    "Adam": [{}, {"amsgrad": True, "maximize": True, "weight_decay": 0.1}],
    "AdamW": [{}, {"amsgrad": True, "maximize": True}],
    "NAdam": [{}, {"weight_decay": 0.1, "decoupled_weight_decay": True}, {"maximize": True, "weight_decay": 0.1}],
    "RAdam": [{}, {"weight_decay": 0.1, "decoupled_weight_decay": True}, {"maximize": True, "weight_decay": 0.1}],
    "RMSprop": [{}, {"centered": True, "momentum": 0.9, "weight_decay": 0.1}],
    "Rprop": [{}, {"maximize": True}],
    "Muon": [{}, {"nesterov": False, "adjust_lr_fn": "match_rms_adamw"}],
    "LBFGS": [{}, {"line_search_fn": "strong_wolfe"}],
}
EACH = [(name, settings) for name in KINDS for settings in SETTINGS.get(name, [{}, {"weight_decay": 0.1}])]


def trained(device, dtype="float32", bias=False):
    """A model with gradients, which can compute more of them."""
    gpudl.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 7, bias=bias), nn.Tanh(), nn.Linear(7, 3, bias=bias)).to(device, dtype)
    x = gpudl.randn(6, 5, device=device, dtype=dtype)

    def backward():
        loss = (model(x) ** 2).mean()
        loss.backward()
        return loss

    backward()
    return model, backward


@contextlib.contextmanager
def staying(device):
    """Strict mode in which, where that is counted, nothing is copied or waited for either."""
    if device.type != "sim":
        with gpudl.strict():
            yield
        return
    with gpudl.strict(), sim.counting() as counted:
        yield
    assert counted.host_to_device == counted.device_to_host == counted.synchronizations == 0, counted


def test_every_optimizer_is_here():
    assert len(KINDS) >= 16 and set(SETTINGS) <= set(KINDS) and set(KINDS) >= WAITING


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "settings"), [each for each in EACH if each[0] not in WAITING], ids=str)
def test_a_step_leaves_nothing_of_the_device(device, name, settings, dtype):
    model, backward = trained(device, dtype)
    optimizer = KINDS[name](model.parameters(), **settings)
    optimizer.step()  # makes the state and compiles kernels
    optimizer.zero_grad()
    backward()
    optimizer.step()  # likewise for gradients that lie end to end
    before = [parameter.detach().clone() for parameter in model.parameters()]
    for set_to_none in (True, False):
        with staying(device):
            optimizer.zero_grad(set_to_none)
            backward()
            optimizer.step()
            optimizer.step(backward)
    for parameter, old in zip(model.parameters(), before):
        assert (parameter != old).any() and parameter.isfinite().all()


@pytest.mark.parametrize("settings", SETTINGS["LBFGS"], ids=str)
def test_a_line_search_waits(device, settings):
    model, backward = trained(device)
    optimizer = optim.LBFGS(model.parameters(), max_iter=2, **settings)

    def closure():
        optimizer.zero_grad()
        return backward()

    optimizer.step(closure)
    if device.type == "cpu":
        return
    with gpudl.strict(), pytest.raises(gpudl.StrictError):
        optimizer.step(closure)


@pytest.mark.parametrize("name", sorted(set(KINDS) - WAITING))
def test_the_first_step_waits_for_nothing(device, name):
    model, _ = trained(device)
    before = [parameter.detach().clone() for parameter in model.parameters()]
    with gpudl.strict():
        KINDS[name](model.parameters()).step()
    assert any((old != new).any() for old, new in zip(before, model.parameters()))


@pytest.mark.parametrize("held", [False, True], ids=["slots", "apart"])
@pytest.mark.parametrize("order", [1, 2, 3.5, float("inf"), 0, -1])
def test_gradients_are_clipped_where_they_are(device, order, held):
    model, backward = trained(device, bias=True)
    if not held:
        optim.SGD(model.parameters(), lr=0.1).zero_grad()  # moves the parameters, and their gradients, end to end
        backward()
    for _ in range(2):
        nn.utils.clip_grad_norm_(model.parameters(), 1e-3, order)
        with staying(device):
            model.zero_grad()
            backward()
            norm = nn.utils.clip_grad_norm_(model.parameters(), 1e-3, order)
            nn.utils.clip_grad_value_(model.parameters(), 1e-4)
        assert norm.device == device
    if order > 0:
        assert nn.utils.get_total_norm([p.grad for p in model.parameters()], order).item() <= 1.001e-3
    assert all((p.grad.abs() <= 1.001e-4).all() for p in model.parameters())


def test_schedules_leave_nothing_of_the_device(device):
    model, backward = trained(device)
    optimizer = optim.AdamW(model.parameters())
    schedule = lr_scheduler.SequentialLR(
        optimizer,
        [lr_scheduler.LinearLR(optimizer, 0.1, 1.0, 2), lr_scheduler.CosineAnnealingLR(optimizer, 5)],
        milestones=[2],
    )
    optimizer.step()
    with staying(device):
        for _ in range(4):
            optimizer.zero_grad()
            backward()
            optimizer.step()
            schedule.step()


AVERAGES = {
    "SWA": {},
    "SWA of lists": {"multi_avg_fn": swa_utils.get_swa_multi_avg_fn()},
    "SWA of each": {"avg_fn": swa_utils.get_swa_avg_fn()},
    "EMA": {"multi_avg_fn": swa_utils.get_ema_multi_avg_fn(0.9), "use_buffers": True},
    "EMA of each": {"avg_fn": swa_utils.get_ema_avg_fn(0.9)},
}


@pytest.mark.parametrize("name", AVERAGES)
def test_averages_leave_nothing_of_the_device(device, name):
    model, _ = trained(device)
    average = swa_utils.AveragedModel(model, **AVERAGES[name])
    assert average.n_averaged.device == device
    for _ in range(2):
        average.update_parameters(model)
    with staying(device):
        average.update_parameters(model)
    assert average.n_averaged.item() == 3


@pytest.mark.parametrize("how", ["loaded", "copied", "assigned", "changed", "moved"])
def test_averages_go_on_from_any_count(device, how):
    model, _ = trained(device)
    average = swa_utils.AveragedModel(model)
    average.update_parameters(model)
    if how == "loaded":
        state = {**average.state_dict(), "n_averaged": gpudl.tensor(9)}
        average.load_state_dict(state)
    elif how == "copied":
        average = copy.deepcopy(average)
        average.n_averaged.fill_(9)
    elif how == "assigned":
        average.n_averaged = gpudl.tensor(9, device=device)
    elif how == "changed":
        average.n_averaged += 8
    else:
        average = average.cpu().to(device)
        average.n_averaged += 8
    before = [p.detach().clone() for p in average.module.parameters()]
    with gpudl.no_grad():
        for parameter in model.parameters():
            parameter += 10
    average.update_parameters(model)
    assert average.n_averaged.item() == 10
    for parameter, old in zip(average.module.parameters(), before):
        assert (parameter.detach() - old).cpu().numpy() == pytest.approx(1, abs=1e-5)
