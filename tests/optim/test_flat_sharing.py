"""Who else sees the memory of a parameter or gradient goes on to see it, or keeps what it saw."""

import gc

import numpy as np
import pytest
import torch
from beside_torch import host, values
from small_nets import backward, each_kind, is_flat, net, train

import gpudl
from gpudl import nn, optim


@each_kind
def test_who_shares_a_parameters_memory_goes_on_to_share_it(name, settings):
    numbers = values(3, "float32")
    given = [
        nn.Parameter(gpudl.from_numpy(numbers)),
        nn.Parameter(gpudl.ones(4)),
        nn.Parameter(gpudl.ones(2)),
        nn.Parameter(gpudl.ones(5)),
    ]
    twin = nn.Parameter(given[1].detach())
    saved, view = given[2].detach(), given[3].data[1:3]
    optimizer = getattr(optim, name)([*given, twin], **settings)
    for _ in range(3):
        optimizer.zero_grad()
        sum((p * p).sum() for p in [*given, twin]).backward()
        optimizer.step()
        assert np.array_equal(numbers, host(given[0]))
        assert np.array_equal(host(twin), host(given[1]))
        assert np.array_equal(host(saved), host(given[2]))
        assert np.array_equal(host(view), host(given[3])[1:3])
    assert not np.array_equal(host(given[2]), np.ones(2))


@pytest.mark.parametrize("owns", [False, True])
def test_state_dict_of_the_model_taken_before_the_optimizer_is_made_stays_alive(owns):
    model = net(gpudl)
    for p in model.parameters() if owns else ():
        p.array = p.array.copy()
    assert all((p.array.base is None) is owns for p in model.parameters())
    saved = model.state_dict()
    optimizer = optim.Adam(model.parameters(), lr=0.1)
    train(gpudl, model, optimizer)
    assert all(np.array_equal(host(saved[key]), host(p)) for key, p in model.named_parameters())
    del saved
    gc.collect()
    train(gpudl, model, optimizer)
    train(gpudl, model, optimizer)
    assert is_flat(list(model.parameters()))


@pytest.mark.parametrize("kept", ["tensor", "array", "view", "numpy", "detached", "sliced view"])
def test_a_gradient_that_somebody_holds_is_not_overwritten(kept):
    model = net(gpudl)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    backward(gpudl, model, 0)
    held = (
        lambda g: {
            "tensor": lambda: g,
            "array": lambda: g.array,
            "view": lambda: g.t(),
            "numpy": lambda: g.numpy(),
            "detached": lambda: g.detach(),
            "sliced view": lambda: g.array[1:].T[2:],
        }[kept]()
    )(model[2].weight.grad)
    before = np.array(held.array if isinstance(held, gpudl.Tensor) else held)
    for step in range(1, 4):
        optimizer.zero_grad()
        backward(gpudl, model, step)
        now = held.array if isinstance(held, gpudl.Tensor) else held
        assert np.array_equal(now, before)
        assert not np.shares_memory(model[2].weight.grad.array, now)
        optimizer.step()
    del held, now
    optimizer.zero_grad()
    backward(gpudl, model, 9)
    assert is_flat(list(model.parameters()))


def test_a_graph_that_saved_a_gradient_still_has_it():
    model = net(gpudl)
    optim.SGD(model.parameters(), lr=0.1)
    backward(gpudl, model, 0)
    w = gpudl.tensor(values((5, 6), "float32"), requires_grad=True)
    wanted = host(model[2].weight.grad).copy()
    loss = (w * model[2].weight.grad).sum()
    model.zero_grad()
    backward(gpudl, model, 1)
    loss.backward()
    assert np.array_equal(host(w.grad), wanted)


@pytest.mark.parametrize("keep", [lambda p: p.detach(), lambda p: p.data.t()[1:], lambda p: p.array])
def test_who_holds_the_values_before_an_assignment_to_data_keeps_them(keep):
    model = net(gpudl)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    weight = model[2].weight
    held = keep(weight)
    before = np.array(getattr(held, "array", held))
    weight.data = weight.data * 2
    train(gpudl, model, optimizer)
    assert np.array_equal(getattr(held, "array", held), before)
    assert not np.shares_memory(getattr(held, "array", held), weight.array)


def test_a_gradient_from_autograd_grad_is_not_overwritten():
    model = net(gpudl)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    backward(gpudl, model, 0)
    optimizer.step()
    optimizer.zero_grad()
    (held,) = gpudl.autograd.grad((model(gpudl.ones(2, 4)) ** 2).sum(), model[2].weight)
    before = np.array(held.array)
    backward(gpudl, model, 1)
    assert np.array_equal(held.array, before)
    assert not np.shares_memory(model[2].weight.grad.array, held.array)


@pytest.mark.parametrize("case", ["once", "tied", "twice", "hook", "post hook"])
def test_gradients_written_where_the_optimizer_wants_them_are_pytorchs(case):
    made = []
    for library in (gpudl, torch):
        library.manual_seed(0)
        w = library.nn.Parameter(library.tensor(values((3, 3), "float32").tolist()))
        v = library.nn.Parameter(library.ones(3))
        optimizer = library.optim.SGD([w, v], lr=0.1)
        seen = []
        if case == "hook":
            w.register_hook(lambda gradient, seen=seen: seen.append(gradient) or gradient * 2)
        if case == "post hook":
            w.register_post_accumulate_grad_hook(lambda parameter, seen=seen: seen.append(parameter.grad.clone()))
        linear = library.nn.functional.linear
        for step in range(3):
            optimizer.zero_grad()
            x = library.tensor(values((4, 3), "float32", seed=step).tolist())
            y = linear(linear(x, w), w) if case == "tied" else linear(x, w)
            loss = ((y * v) ** 2).sum()
            loss.backward(retain_graph=True)
            if case == "twice":
                loss.backward()
            made.append(np.array(host(w.grad) if library is gpudl else w.grad.numpy()))
            optimizer.step()
        made += [host(each) if library is gpudl else each.numpy() for each in seen]
    ours, theirs = made[: len(made) // 2], made[len(made) // 2 :]
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-5, atol=1e-6)
