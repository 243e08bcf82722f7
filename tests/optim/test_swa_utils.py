"""Averages of weights are PyTorch's; the schedule to a constant rate is too."""

import copy

import numpy as np
import pytest
from test_lr_scheduler import assert_same, run
from tolerances import assert_close

import gpudl
import gpudl.optim.swa_utils as averages

torch = pytest.importorskip("torch")

FUNCTIONS = {
    "default": lambda lib: {},
    "ema": lambda lib: {"multi_avg_fn": lib.get_ema_multi_avg_fn(0.9)},
    "swa": lambda lib: {"multi_avg_fn": lib.get_swa_multi_avg_fn()},
    "ema of one": lambda lib: {"avg_fn": lib.get_ema_avg_fn(0.8)},
    "swa of one": lambda lib: {"avg_fn": lib.get_swa_avg_fn()},
}


class Model:
    """A model with a floating and an integer buffer, in either library."""

    @staticmethod
    def of(lib, device="cpu"):
        class Net(lib.nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = lib.nn.Linear(3, 2)
                self.register_buffer("mean", lib.zeros(2))
                self.register_buffer("count", lib.zeros((), dtype=lib.int64))

            def forward(self, x):
                return self.fc(x) + self.mean

        return Net().to(device)


def trained(lib, utils, settings, use_buffers, device="cpu"):
    """The averages after five models, the first of which replaces what was there, and what they give for an input."""
    model = Model.of(lib, device)
    average = utils.AveragedModel(model, use_buffers=use_buffers, **settings(utils))
    for step in range(5):
        generator = np.random.default_rng(step)
        with lib.no_grad():
            for x in (*model.parameters(), model.mean):
                x.copy_(lib.tensor(generator.normal(size=tuple(x.shape)), dtype=lib.float32))
            model.count.fill_(10 * step)
        average.update_parameters(model)
    y = average(lib.ones(4, 3).to(device))
    state = {name: value.detach().cpu().numpy() for name, value in average.state_dict().items()}
    return {**state, "output": y.detach().cpu().numpy()}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("use_buffers", [False, True])
def test_averages(name, use_buffers, device):
    if use_buffers and name != "ema":
        pytest.skip("PyTorch refuses integer buffers, or makes floating averages of them")
    mine = trained(gpudl, averages, FUNCTIONS[name], use_buffers, device)
    theirs = trained(torch, torch.optim.swa_utils, FUNCTIONS[name], use_buffers)
    assert list(mine) == list(theirs)
    for label, value in theirs.items():
        assert_close(mine[label], value, label, slack=2)


def test_the_averaged_model_is_a_copy():
    model = Model.of(gpudl)
    average = averages.AveragedModel(model)
    before = copy.deepcopy(average.state_dict())
    with gpudl.no_grad():
        for parameter in model.parameters():
            parameter.fill_(7.0)
    assert all(gpudl.equal(before[name], value) for name, value in average.state_dict().items())


def test_both_functions_and_other_models_are_refused():
    model = Model.of(gpudl)
    with pytest.raises(ValueError, match="not both"):
        averages.AveragedModel(model, avg_fn=max, multi_avg_fn=max)
    with pytest.raises(ValueError, match="other parameters"):
        averages.AveragedModel(model).update_parameters(gpudl.nn.Linear(2, 2))
    for make in (averages.get_ema_avg_fn, averages.get_ema_multi_avg_fn):
        with pytest.raises(ValueError, match=r"\[0, 1\]"):
            make(1.5)


SCHEDULES = {
    "cos": lambda u, s, o: u.SWALR(o, 0.05),
    "linear": lambda u, s, o: u.SWALR(o, [0.01, 0.3], anneal_epochs=20, anneal_strategy="linear"),
    "at once": lambda u, s, o: u.SWALR(o, 0.05, anneal_epochs=0),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_swalr(name):
    def of(lib, utils):
        return run(lib, lambda s, o: SCHEDULES[name](utils, s, o))

    assert_same(of(gpudl, averages), of(torch, torch.optim.swa_utils))


def test_swalr_refuses_bad_settings():
    optimizer = gpudl.optim.SGD(gpudl.nn.Linear(1, 1).parameters())
    for settings in ({"anneal_epochs": -1}, {"anneal_epochs": 1.5}, {"anneal_strategy": "wave"}):
        with pytest.raises(ValueError, match=next(iter(settings))):
            averages.SWALR(optimizer, 0.1, **settings)


def net_with_norms(lib, device="cpu"):
    """Batch norms of all kinds with statistics of their own, one that has none, and a norm that is none of batches."""
    model = lib.nn.Sequential(
        lib.nn.Conv1d(3, 4, 2),
        lib.nn.BatchNorm1d(4, momentum=0.3),
        lib.nn.InstanceNorm1d(4, momentum=0.2, track_running_stats=True),
        lib.nn.Sequential(lib.nn.Tanh(), lib.nn.BatchNorm1d(4, momentum=None, affine=False)),
        lib.nn.BatchNorm1d(4, track_running_stats=False),
        lib.nn.Flatten(),
        lib.nn.BatchNorm1d(20),
    )
    state = {
        name: lib.tensor(np.random.default_rng(number).uniform(0.5, 1.5, size=tuple(x.shape))).to(x.dtype)
        for number, (name, x) in enumerate(model.state_dict().items())
    }
    model.load_state_dict(state)
    return model.to(device)


def batches(lib, kind="tensor"):
    for number, size in enumerate([4, 7, 2, 5]):
        x = lib.tensor(np.random.default_rng(number).normal(number, 1 + number, (size, 3, 6)), dtype=lib.float32)
        yield {"tensor": x, "list": [x, "label"], "tuple": (x, None)}[kind]


@pytest.mark.parametrize("kind", ["tensor", "list", "tuple"])
@pytest.mark.parametrize("training", [False, True])
def test_statistics_of_batch_norms_are_computed_anew(kind, training, device):
    states = []
    for lib, utils, given in ((gpudl, averages, device), (torch, torch.optim.swa_utils, "cpu")):
        model = net_with_norms(lib, given).train(training)
        for _ in range(2):  # the second time from what the first has left
            utils.update_bn(batches(lib, kind), model, device=given)
        assert [m.momentum for m in model.modules() if hasattr(m, "momentum")] == [0.3, 0.2, None, 0.1, 0.1]
        assert all(module.training is training for module in model.modules())
        assert all(p.grad is None for p in model.parameters())
        states.append({name: x.detach().cpu().numpy() for name, x in model.state_dict().items()})
    assert list(states[0]) == list(states[1])
    for name, value in states[1].items():
        assert_close(states[0][name], value, name, slack=40)
    assert states[0]["1.num_batches_tracked"] == 4


def test_statistics_of_an_average_are_computed_anew():
    states = []
    for lib, utils in ((gpudl, averages), (torch, torch.optim.swa_utils)):
        model = net_with_norms(lib)
        average = utils.AveragedModel(model)
        for step in range(3):
            with lib.no_grad():
                for p in model.parameters():
                    p.mul_(1 + 0.1 * step)
            average.update_parameters(model)
        utils.update_bn(batches(lib), average)
        states.append({name: x.detach().numpy() for name, x in average.state_dict().items()})
        assert not any(
            np.array_equal(states[-1][f"module.{name}"], x.detach().numpy())
            for name, x in model.named_buffers()
            if "1.running" in name
        )
    assert list(states[0]) == list(states[1])
    for name, value in states[1].items():
        assert_close(states[0][name], value, name, slack=40)


def test_a_model_without_batch_norms_is_not_run_and_modes_come_back_after_an_error():
    def none():
        raise AssertionError("read")
        yield

    averages.update_bn(none(), Model.of(gpudl))
    model = net_with_norms(gpudl)
    model[3].eval()
    with pytest.raises(RuntimeError):
        averages.update_bn([gpudl.ones(2, 2, 6)], model)
    assert [model[1].momentum, model[1].training, model[3].training] == [0.3, True, False]
