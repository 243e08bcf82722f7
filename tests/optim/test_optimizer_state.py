"""The state of optimizers: PyTorch's layout, a new optimizer going on identically, refusals that change nothing."""

import copy
import pickle

import numpy as np
import pytest
from beside_torch import advance, assert_alike, both, host, parameters, torch

import gpudl
from gpudl import nn, optim

KINDS = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.2}),
    ("Adam", {"lr": 0.1, "weight_decay": 0.1}),
    ("AdamW", {"lr": 0.1, "amsgrad": True}),
]
each_kind = pytest.mark.parametrize(("name", "settings"), KINDS)


def everything(optimizer):
    """All numbers of an optimizer and its parameters."""
    state = [value.array.copy() for kept in optimizer.state_dict()["state"].values() for value in kept.values()]
    return [host(p).copy() for group in optimizer.param_groups for p in group["params"]] + state


def assert_identical(one, other):
    one, other = everything(one), everything(other)
    assert len(one) == len(other)
    assert all(a.dtype == b.dtype and np.array_equal(a, b) for a, b in zip(one, other))


def copies_of(given):
    """Parameters with the same values, on memory of their own."""
    return [nn.Parameter(p.detach().clone()) for p in given]


def make(name, settings, given):
    return getattr(optim, name)([{"params": given[:2]}, {"params": given[2:], "lr": 0.05}], **settings)


def stopped(name, settings, steps=7):
    """An optimizer after some steps, and its parameters."""
    given = parameters(gpudl)
    optimizer = make(name, settings, given)
    advance(gpudl, optimizer, steps=steps)
    return optimizer, given


@each_kind
@pytest.mark.parametrize("steps", [0, 1, 7])
def test_layout_is_that_of_torch(name, settings, steps):
    mine, theirs = both(name, settings)
    advance(gpudl, mine, steps=steps)
    advance(torch, theirs, steps=steps)
    ours, other = mine.state_dict(), theirs.state_dict()
    assert list(ours) == list(other) == ["state", "param_groups"]
    assert [(number, list(kept)) for number, kept in ours["state"].items()] == [
        (number, list(kept)) for number, kept in other["state"].items()
    ]
    for kept, wanted in zip(ours["state"].values(), other["state"].values()):
        for key, tensor in wanted.items():
            assert (kept[key].shape, str(kept[key].dtype)) == (tuple(tensor.shape), str(tensor.dtype)[6:])
    assert ours["param_groups"] == other["param_groups"]
    assert [list(group) for group in ours["param_groups"]] == [list(group) for group in other["param_groups"]]


@each_kind
def test_a_new_optimizer_goes_on_identically(name, settings):
    optimizer, given = stopped(name, settings)
    saved, weights = copy.deepcopy(optimizer.state_dict()), copies_of(given)
    advance(gpudl, optimizer, first=7, steps=6)

    fresh = make(name, {"lr": 9.0}, weights)
    fresh.load_state_dict(saved)
    assert [group["lr"] for group in fresh.param_groups] == [0.1, 0.05]
    assert all(p is q for p, q in zip(weights, (p for g in fresh.param_groups for p in g["params"]), strict=True))
    advance(gpudl, fresh, first=7, steps=6)
    assert_identical(fresh, optimizer)


@each_kind
def test_loading_copies(name, settings):
    optimizer, given = stopped(name, settings)
    saved = optimizer.state_dict()
    before = copy.deepcopy(saved)
    other = make(name, settings, copies_of(given))
    other.load_state_dict(saved)
    advance(gpudl, other, first=7, steps=2)
    other.param_groups[0]["lr"] = 5
    assert saved["param_groups"] == before["param_groups"] == optimizer.state_dict()["param_groups"]
    for number, kept in before["state"].items():
        for key, tensor in kept.items():
            assert gpudl.equal(optimizer.state_dict()["state"][number][key], tensor)


@each_kind
def test_states_pass_between_the_libraries(name, settings):
    mine, theirs = both(name, settings)
    advance(gpudl, mine, steps=3)
    advance(torch, theirs, steps=3)
    swapped = {
        **mine.state_dict(),
        "state": {
            number: {key: torch.tensor(value.numpy()) for key, value in kept.items()}
            for number, kept in mine.state_dict()["state"].items()
        },
    }
    mine.load_state_dict(copy.deepcopy(theirs.state_dict()))
    theirs.load_state_dict(swapped)
    advance(gpudl, mine, first=3, steps=3)
    advance(torch, theirs, first=3, steps=3)
    assert_alike(mine, theirs, slack=4)


@each_kind
def test_state_is_cast_to_the_parameters_it_is_loaded_for(name, settings):
    optimizer, given = stopped(name, settings)
    fresh = make(name, settings, [nn.Parameter(p.detach().double()) for p in given])
    fresh.load_state_dict(optimizer.state_dict())
    for p, kept in fresh.state.items():
        for key, tensor in kept.items():
            assert tensor.dtype == ("float32" if key == "step" else "float64")
            assert key == "step" or tensor.shape == p.shape
    advance(gpudl, fresh, first=7, steps=1)


@each_kind
def test_state_goes_where_its_parameter_goes(name, settings, device):
    optimizer, given = stopped(name, settings)
    twin = copy.deepcopy(optimizer)
    for p in given:
        p.data = p.detach().to(device)
    advance(gpudl, optimizer, first=7, steps=3)
    advance(gpudl, twin, first=7, steps=3)
    for p in given:
        assert p.device is device
        assert all(tensor.device is device for key, tensor in optimizer.state[p].items() if key != "step")
    for p, q in zip(given, (q for group in twin.param_groups for q in group["params"]), strict=True):
        np.testing.assert_allclose(host(p), host(q), rtol=1e-5, atol=1e-6)


def fewer_groups(saved):
    saved["param_groups"].pop()


def longer_group(saved):
    saved["param_groups"][0]["params"].append(9)


def unknown_parameter(saved):
    saved["state"][77] = {}


def wrong_shape(saved):
    first = next(key for key in saved["state"][0] if key != "step")
    saved["state"][0][first] = gpudl.ones(4, 3)
    saved["state"] = dict(reversed(saved["state"].items()))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (fewer_groups, r"groups of \[2, 4\] parameters, the state has groups of \[2\]"),
        (longer_group, r"groups of \[2, 4\] parameters, the state has groups of \[3, 4\]"),
        (unknown_parameter, "values for parameter 77"),
        (wrong_shape, r"of parameter 0 has shape \(4, 3\), but must have \(3, 4\)"),
    ],
)
@pytest.mark.parametrize(("name", "settings"), KINDS[1:])
def test_refuses_what_does_not_fit_and_changes_nothing(name, settings, spoil, message):
    optimizer, given = stopped(name, settings)
    saved = copy.deepcopy(optimizer.state_dict())
    spoil(saved)
    saved["param_groups"][0]["lr"] = 77.0
    other = make(name, settings, copies_of(given))
    advance(gpudl, other, steps=1)
    before = everything(other)
    with pytest.raises(ValueError, match=message):
        other.load_state_dict(saved)
    assert all(np.array_equal(a, b) for a, b in zip(before, everything(other), strict=True))
    assert other.param_groups[0]["lr"] == 0.1


def test_state_of_a_parameter_not_seen_yet_is_empty():
    p = nn.Parameter(gpudl.ones(1))
    assert optim.SGD([p]).state[p] == {}


@each_kind
def test_copies_and_pickles_go_on_alike(name, settings):
    optimizer, _ = stopped(name, settings, steps=3)
    twins = [copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))]
    advance(gpudl, optimizer, first=3, steps=3)
    for twin in twins:
        advance(gpudl, twin, first=3, steps=3)
        assert_identical(twin, optimizer)


def test_a_model_and_its_optimizer_are_copied_together():
    net = nn.Linear(2, 2)
    optimizer = optim.Adam(net.parameters())
    twin, other = copy.deepcopy((net, optimizer))
    assert other.param_groups[0]["params"][0] is twin.weight
    assert twin.weight is not net.weight
