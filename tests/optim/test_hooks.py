"""Hooks around steps, saving and loading, called as PyTorch calls them; named parameters; settings given as Tensors."""

import copy

import pytest
from beside_torch import host, torch
from small_nets import assert_same, net, train

import gpudl
from gpudl import nn, optim


def test_hooks_run_in_the_order_of_torch():
    records = []
    for lib in (gpudl, torch):
        seen = []
        optimizer = lib.optim.SGD([lib.nn.Parameter(lib.ones(2))], lr=0.1)
        optimizer.register_step_pre_hook(lambda o, args, kwargs, seen=seen: seen.append(("before", args[-1:] == (o,))))
        optimizer.register_step_post_hook(lambda o, args, kwargs, seen=seen: seen.append("after"))
        for number, prepend in ((1, False), (2, True)):
            add = seen.append
            optimizer.register_state_dict_pre_hook(lambda o, n=number, add=add: add(("saving", n)), prepend)
            optimizer.register_state_dict_post_hook(lambda o, d, n=number, add=add: add(("saved", n)), prepend)
            optimizer.register_load_state_dict_pre_hook(lambda o, d, n=number, add=add: add(("loading", n)), prepend)
            optimizer.register_load_state_dict_post_hook(lambda o, n=number, add=add: add(("loaded", n)), prepend)
        optimizer.step()
        optimizer.load_state_dict(optimizer.state_dict())
        records.append([entry if isinstance(entry, str) else (entry[0], entry[1]) for entry in seen])
    assert [r for r in records[0] if r[0] != "before"] == [r for r in records[1] if r[0] != "before"]
    assert len(records[0]) == len(records[1])


def test_hooks_may_replace_what_they_get_and_be_removed():
    optimizer = optim.SGD([nn.Parameter(gpudl.ones(2))], lr=0.1)
    handles = [
        optimizer.register_step_pre_hook(lambda o, args, kwargs: ((lambda: 7,), {})),
        optimizer.register_state_dict_post_hook(lambda o, saved: {**saved, "note": 1}),
        optimizer.register_load_state_dict_pre_hook(lambda o, saved: {**saved, "param_groups": o.made}),
    ]
    assert optimizer.step() == 7
    saved = optimizer.state_dict()
    assert saved["note"] == 1
    optimizer.made = [{**saved["param_groups"][0], "lr": 3.0}]
    optimizer.load_state_dict(saved)
    assert optimizer.param_groups[0]["lr"] == 3.0
    for handle in handles:
        handle.remove()
    assert optimizer.step() is None
    assert "note" not in optimizer.state_dict()
    optimizer.register_step_pre_hook(lambda o, args, kwargs: 5)
    with pytest.raises(RuntimeError, match="must return None or"):
        optimizer.step()
    assert copy.deepcopy(optimizer).step() is None


def test_hooks_run_once_for_a_step_that_calls_its_base():
    class Mine(optim.SGD):
        def step(self, closure=None):
            return super().step(closure)

    optimizer, seen = Mine([nn.Parameter(gpudl.ones(2))], lr=0.1), []
    optimizer.register_step_post_hook(lambda *args: seen.append(1))
    optimizer.step()
    assert seen == [1]


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW"])
def test_named_parameters_are_kept_by_name(name):
    saved = []
    for lib in (gpudl, torch):
        model = net(lib)
        optimizer = getattr(lib.optim, name)(model[0].named_parameters(), lr=0.1)
        with pytest.raises(ValueError, match="nam"):
            optimizer.add_param_group({"params": model[2].parameters()})
        optimizer.add_param_group({"params": model[2].named_parameters("second"), "lr": 0.2})
        with pytest.raises(ValueError, match="nam"):
            optimizer.add_param_group({"params": [("w", model[4].weight), model[4].bias]})
        saved.append(optimizer.state_dict()["param_groups"])
    assert saved[0] == saved[1]
    assert [list(group) for group in saved[0]] == [list(group) for group in saved[1]]


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW"])
def test_a_learning_rate_may_be_a_tensor(name):
    models = [net(lib) for lib in (gpudl, torch)]
    for lib, model in zip((gpudl, torch), models):
        rate = lib.tensor(0.1)
        optimizer = getattr(lib.optim, name)(model.parameters(), lr=rate)
        train(lib, model, optimizer, steps=2)
        rate.fill_(0.01)
        train(lib, model, optimizer, 2, 2)
        fresh = getattr(lib.optim, name)(model.parameters(), lr=1.0)
        fresh.load_state_dict(copy.deepcopy(optimizer.state_dict()))
        train(lib, model, fresh, 4, 2)
        with pytest.raises(ValueError, match="one number|1-element|ambiguous"):
            getattr(lib.optim, name)(model.parameters(), lr=lib.ones(2))
    assert_same(*models)


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW"])
def test_switches_of_torch_change_nothing_or_are_refused(name):
    results = []
    for settings in ({}, {"foreach": True}, {"fused": True}, {"foreach": False, "fused": False}):
        model = net(gpudl)
        train(gpudl, model, getattr(optim, name)(model.parameters(), lr=0.1, **settings))
        results.append([host(p).tolist() for p in model.parameters()])
    assert all(result == results[0] for result in results)
    for settings in ({"differentiable": True}, {"foreach": True, "fused": True}):
        with pytest.raises(RuntimeError, match=f"^{name}: "):
            getattr(optim, name)([nn.Parameter(gpudl.ones(1))], **settings)
