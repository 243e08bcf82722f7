"""What users look at and carry over: repr, orders of names, states of optimizers and schedules, copies."""

import copy
import pickle

import numpy as np
import pytest

import gpudl

torch = pytest.importorskip("torch")
torch.set_num_threads(1)

OPTIMIZERS = {
    "SGD": {"lr": 0.05, "momentum": 0.9},
    "Adam": {},
    "AdamW": {"amsgrad": True},
    "Adagrad": {},
    "RMSprop": {"momentum": 0.5, "centered": True},
    "Adadelta": {},
    "Adafactor": {},
    "NAdam": {},
    "RAdam": {},
    "Adamax": {},
    "ASGD": {},
    "Rprop": {},
}


def model(lib):
    nn = lib.nn
    return nn.Sequential(
        nn.Linear(3, 4),
        nn.BatchNorm1d(4),
        nn.ReLU(),
        nn.ModuleDict({"inner": nn.Linear(4, 4)})["inner"],
        nn.Linear(4, 2),
    )


def train(lib, net, optimizer, steps=3):
    x = lib.tensor(np.random.default_rng(0).normal(size=(6, 3)).astype("float32"))
    for _ in range(steps):
        optimizer.zero_grad()
        loss = net(x).pow(2).mean()
        loss.backward()
        optimizer.step()
    return loss.item()


def structure(value):
    """Keys, shapes and dtypes of a state."""
    if hasattr(value, "shape"):
        return tuple(value.shape), str(value.dtype).removeprefix("torch.")
    if isinstance(value, dict):
        return {key: structure(each) for key, each in value.items()}
    return [structure(each) for each in value] if isinstance(value, list) else value


def test_a_model_shows_its_parts_alike():
    seen = []
    for lib in (gpudl, torch):
        net = model(lib)
        net.add_module("none", None)
        seen.append(
            [
                repr(net),
                len(net),
                [type(each).__name__ for each in net],
                [name for name, _ in net.named_parameters()],
                [name for name, _ in net.named_buffers()],
                [name for name, _ in net.named_modules()],
                [name for name, _ in net.named_children()],
                list(net.state_dict()),
                type(net.state_dict()).__name__,
                dict(net.state_dict()._metadata),
                net.get_parameter("3.weight").numel(),
                str(next(net.parameters()).device),
                f"{lib.tensor(2)} {lib.tensor(0.5):.2f} {lib.float32}".replace("torch.", ""),
                repr(lib.nn.Parameter(lib.ones(2, 2))),
                [name for name, _ in net[:2].named_parameters()],
            ]
        )
    assert seen[0] == seen[1]


def test_a_state_from_before_batches_were_counted_loads():
    old = {name: value for name, value in model(torch).state_dict().items() if "num_batches" not in name}
    net = model(gpudl)
    train(gpudl, net, gpudl.optim.SGD(net.parameters()), 2)
    assert net.load_state_dict(old) == ([], [])
    assert net[1].num_batches_tracked == 2
    new = net.state_dict()
    del new["1.num_batches_tracked"]
    with pytest.raises(RuntimeError, match=r"Missing key.*num_batches_tracked"):
        net.load_state_dict(new)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_state_of_an_optimizer_has_pytorchs_layout_and_goes_on_from_it(name):
    torch.manual_seed(0)
    theirs, mine = model(torch), model(gpudl)
    optimizers = [
        getattr(lib.optim, name)(net.parameters(), **OPTIMIZERS[name]) for lib, net in ((torch, theirs), (gpudl, mine))
    ]
    assert repr(optimizers[0]) == repr(optimizers[1])
    train(torch, theirs, optimizers[0])
    mine.load_state_dict(theirs.state_dict())
    optimizers[1].load_state_dict(optimizers[0].state_dict())
    assert structure(optimizers[1].state_dict()) == structure(optimizers[0].state_dict())
    # A few steps in float32; the loss of the last is that before it is taken.
    np.testing.assert_allclose(train(gpudl, mine, optimizers[1]), train(torch, theirs, optimizers[0]), rtol=1e-4)
    assert structure(optimizers[1].state_dict()) == structure(optimizers[0].state_dict())


SCHEDULES = {
    "StepLR": (3,),
    "MultiStepLR": ([2, 4],),
    "ExponentialLR": (0.9,),
    "CosineAnnealingLR": (7,),
    "CosineAnnealingWarmRestarts": (3,),
    "LinearLR": (),
    "PolynomialLR": (),
    "OneCycleLR": (0.5, 20),
    "ReduceLROnPlateau": (),
}


def scheduled(lib, name):
    optimizer = lib.optim.SGD([lib.zeros(1).requires_grad_()], lr=0.1, momentum=0.9)
    return optimizer, getattr(lib.optim.lr_scheduler, name)(optimizer, *SCHEDULES[name])


def rates(optimizer, schedule, steps):
    """The learning rates of some steps."""
    found = []
    for _ in range(steps):
        optimizer.step()
        schedule.step(*[1.0] if type(schedule).__name__ == "ReduceLROnPlateau" else [])
        found.append(optimizer.param_groups[0]["lr"])
    return found


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_goes_on_from_pytorchs_state(name):
    theirs, mine = scheduled(torch, name), scheduled(gpudl, name)
    rates(*theirs, 4)
    for target, source in zip(mine, theirs):
        target.load_state_dict(copy.deepcopy(source.state_dict()))
    np.testing.assert_allclose(rates(*mine, 9), rates(*theirs, 9), rtol=1e-12)


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda both: pickle.loads(pickle.dumps(both))], ids=["deep", "pickle"]
)
def test_a_copy_of_a_trained_model_and_its_optimizer_trains_on_alike(copied):
    net = model(gpudl)
    optimizer = gpudl.optim.Adam(net.parameters())
    train(gpudl, net, optimizer)
    other, its = copied((net, optimizer))
    assert its.param_groups[0]["params"][0] is next(other.parameters())
    assert train(gpudl, other, its) == train(gpudl, net, optimizer)
    assert repr(other) == repr(net)
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(other.state_dict()[name].numpy(), value.numpy())


def test_small_names_that_programs_use_are_there():
    for name in ("e", "inf", "nan", "pi", "newaxis"):
        np.testing.assert_equal(getattr(gpudl, name), getattr(torch, name))
    x = gpudl.zeros(2, 3, dtype=gpudl.short)
    assert isinstance(x.shape, gpudl.Size)
    assert gpudl.Size([2, 3]) == x.shape
    assert isinstance(x.dtype, gpudl.dtype)
    assert x.dtype == gpudl.int16
    assert gpudl.optim.lr_scheduler._LRScheduler is gpudl.optim.lr_scheduler.LRScheduler
