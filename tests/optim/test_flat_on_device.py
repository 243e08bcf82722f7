"""Parameters of a CUDA device lie end to end: a step of Adam is one kernel, and the numbers are the CPU's."""

import copy

import numpy as np
import pytest
from on_gpu import gpu, launched  # noqa: F401
from tolerances import assert_close

import gpudl
from gpudl import nn, optim
from gpudl.autograd.slots import joined
from gpudl.backend.flat_memory import is_alone, memory_of

KINDS = [
    ("SGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.05, "weight_decay": 0.1}),
    ("AdamW", {"lr": 0.05, "amsgrad": True}),
    ("RMSprop", {"lr": 0.01}),
    ("LAMB", {"lr": 0.05, "weight_decay": 0.1}),
]


def twins(place, dtype="float32"):
    """The same model on the host and on the device."""
    gpudl.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 3)).to(getattr(gpudl, dtype))
    return model, copy.deepcopy(model).to(place)


def host(tensor):
    return tensor.detach().to("cpu").numpy()


def step(model, optimizer, seed, clip=None):
    first = next(model.parameters())
    x = np.random.default_rng(seed).normal(size=(6, 5)).astype("float32")
    optimizer.zero_grad()
    (model(gpudl.tensor(x).to(first.device, first.dtype)) ** 2).mean().backward()
    if clip:
        nn.utils.clip_grad_norm_(model.parameters(), clip)
    optimizer.step()


def assert_same(model, there, slack=30):
    for p, q in zip(model.parameters(), there.parameters(), strict=True):
        assert_close(host(q), host(p), "parameter", slack)


def is_flat(tensors):
    return len(joined([tensor.array for tensor in tensors])) == 1


@pytest.mark.parametrize(("name", "settings"), KINDS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_steps_are_those_of_the_cpu(gpu, name, settings, dtype):  # noqa: F811
    models = twins(gpu, dtype)
    for model in models:
        optimizer = getattr(optim, name)(model.parameters(), **settings)
        for seed in range(4):
            step(model, optimizer, seed, clip=0.5)
    assert_same(*models)
    assert is_flat(models[1].parameters()) and is_flat(p.grad for p in models[1].parameters())
    for kept in zip(*([t for k, t in optimizer.state[p].items() if k != "step"] for p in models[1].parameters())):
        assert len({id(tensor.array.data.mem) for tensor in kept}) == 1


@pytest.mark.parametrize("name", ["Adam", "AdamW"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("amsgrad", [False, True])
def test_a_step_is_one_launch(gpu, name, dtype, amsgrad):  # noqa: F811
    model = twins(gpu, dtype)[1]
    optimizer = getattr(optim, name)(model.parameters(), amsgrad=amsgrad, weight_decay=0.1)
    step(model, optimizer, 0)
    assert launched(gpu, optimizer.step) == 1
    assert launched(gpu, lambda: optimizer.zero_grad(set_to_none=False)) == 0  # memory set to 0, in one run


def test_groups_have_a_launch_each(gpu):  # noqa: F811
    model = twins(gpu)[1]
    optimizer = optim.Adam([{"params": model[0].parameters()}, {"params": model[2].parameters(), "lr": 0.1}])
    step(model, optimizer, 0)
    assert launched(gpu, optimizer.step) == 2


def test_what_somebody_else_sees_is_not_moved(gpu):  # noqa: F811
    def parameter():
        return nn.Parameter(gpudl.ones(3, 4, device=gpu))

    held = parameter()
    array = held.array
    viewed = parameter()
    view = viewed.array[1:]
    pointed = parameter()
    pointer = pointed.array.data
    remembered = parameter()
    memory = remembered.array.data.mem
    alone, reshaped = parameter(), nn.Parameter(gpudl.ones(12, device=gpu).reshape(3, 4))
    given = [held, viewed, pointed, remembered, alone, reshaped]
    optim.Adam(given)
    assert [memory_of(p.array) is not None for p in given] == [False] * 4 + [True] * 2
    assert array is held.array
    assert pointer is pointed.array.data and memory is remembered.array.data.mem
    view[...] = 5
    assert host(viewed)[1:].tolist() == [[5.0] * 4] * 2


def test_is_alone_sees_each_kind_of_other(gpu):  # noqa: F811
    class Holder:
        pass

    holder = Holder()
    holder.array = gpudl.ones(3, device=gpu).array.copy()
    assert is_alone(holder, "array")
    turned = holder.array.reshape(3, 1)
    assert not is_alone(holder, "array")
    del turned
    assert is_alone(holder, "array")
    holder.array = holder.array.reshape(3, 1)
    assert is_alone(holder, "array")
    base = holder.array.base
    assert base is not None and not is_alone(holder, "array")
    del base
    assert is_alone(holder, "array")


def test_a_gradient_that_is_held_is_not_overwritten(gpu):  # noqa: F811
    p = nn.Parameter(gpudl.ones(3, device=gpu))
    optimizer = optim.SGD([p], lr=0.1)
    (p * 2).sum().backward()
    before = p.grad.array
    view = p.grad.array[:1]
    optimizer.zero_grad()
    (p * 3).sum().backward()
    assert host(p.grad).tolist() == [3, 3, 3] and before.get().tolist() == [2, 2, 2] and view.get().tolist() == [2]


def test_a_model_may_move_after_its_optimizer_was_made(gpu):  # noqa: F811
    models = twins(gpu)
    model = copy.deepcopy(models[0])
    optimizer = optim.Adam(model.parameters(), lr=0.05)
    model.to(gpu)
    reference = optim.Adam(models[0].parameters(), lr=0.05)
    for seed in range(3):
        step(models[0], reference, seed)
        step(model, optimizer, seed)
    assert_same(models[0], model)
    assert is_flat(model.parameters())
    model.to("cpu")
    for seed in range(3):
        step(models[0], reference, seed)
        step(model, optimizer, seed)
    assert_same(models[0], model)
    assert is_flat(model.parameters())


def test_state_is_saved_and_taken_up_again(gpu):  # noqa: F811
    models = twins(gpu)
    optimizers = [optim.AdamW(model.parameters(), lr=0.05) for model in models]
    step(models[0], optimizers[0], 0)
    models[1].load_state_dict(models[0].state_dict())
    optimizers[1].load_state_dict(optimizers[0].state_dict())
    for seed in (1, 2):
        for model, optimizer in zip(models, optimizers):
            step(model, optimizer, seed)
    assert_same(*models)
    assert launched(gpu, optimizers[1].step) == 1


def test_an_element_of_any_size_is_updated(gpu):  # noqa: F811
    for size in (1, 3, 4, 1023, 4097):
        values = np.random.default_rng(size).normal(size=size).astype("float32")
        models = [nn.Parameter(gpudl.tensor(values).to(place)) for place in ("cpu", gpu)]
        for p in models:
            optimizer = optim.AdamW([p], lr=0.1, amsgrad=True)
            for _ in range(2):
                optimizer.zero_grad()
                (p * p * 0.5).sum().backward()
                optimizer.step()
        assert_close(host(models[1]), host(models[0]), f"{size} elements", 10)
