"""Parameters, gradients and state end to end in memory: one call for a step, and the numbers of PyTorch."""

import copy
import pickle

import numpy as np
import pytest
from beside_torch import host, torch, values
from small_nets import assert_same, backward, both, calls_of, each_kind, is_flat, net, train
from tolerances import assert_close

import gpudl
from gpudl import optim
from gpudl.backend.flat_memory import Memory


@each_kind
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("set_to_none", [False, True])
def test_a_step_is_one_call_and_gives_what_torch_gives(name, settings, dtype, set_to_none):
    models, optimizers = both(name, settings, dtype=dtype)
    sizes = calls_of(optimizers[0])
    for lib, model, optimizer in zip((gpudl, torch), models, optimizers):
        train(lib, model, optimizer, steps=20, set_to_none=set_to_none)
    assert_same(*models, slack=100)
    assert sizes == [sum(p.numel() for p in models[0].parameters())] * 20
    given = list(models[0].parameters())
    assert is_flat(given)
    for key in optimizers[0].state[given[0]]:
        arrays = [optimizers[0].state[p][key].array for p in given]
        assert all(array.base is arrays[0].base for array in arrays)


@each_kind
def test_large_runs_are_cut_into_pieces(name, settings):
    from gpudl.optim.pieces import PIECE

    models = []
    for lib in (gpudl, torch):
        given = [lib.nn.Parameter(lib.tensor(values(size, "float32", size))) for size in (PIECE + 3, 5, 2 * PIECE)]
        optimizer = getattr(lib.optim, name)(given, **settings)
        sizes = calls_of(optimizer) if lib is gpudl else None
        for _ in range(3):
            optimizer.zero_grad()
            sum((p**2).mean() for p in given).backward()
            optimizer.step()
        models.append(given)
        if sizes:
            assert sizes == [PIECE, PIECE, PIECE, 8] * 3
    for p, q in zip(*models):
        assert_close(host(p), host(q), "parameter", 20)


@each_kind
def test_parameters_without_gradients_split_the_run(name, settings):
    models, optimizers = both(name, settings)
    for lib, model, optimizer in zip((gpudl, torch), models, optimizers):
        for step in range(8):
            optimizer.zero_grad()
            backward(lib, model, step)
            if step % 3 == 1:
                model[2].weight.grad = None
            if step % 4 == 2:
                model[0].weight.grad = model[4].bias.grad = None
            optimizer.step()
    assert_same(*models)
    theirs = optimizers[1].state_dict()["state"]
    for number, kept in optimizers[0].state_dict()["state"].items():
        assert list(kept) == list(theirs[number])
        for key, tensor in kept.items():
            assert_close(host(tensor), theirs[number][key].numpy(), key, 20)


@each_kind
def test_frozen_and_thawed_parameters(name, settings):
    models, optimizers = [net(lib) for lib in (gpudl, torch)], []
    for lib, model in zip((gpudl, torch), models):
        model[2].requires_grad_(False)
        optimizer = getattr(lib.optim, name)(model.parameters(), **settings)
        train(lib, model, optimizer, steps=3)
        model[2].requires_grad_(True)
        train(lib, model, optimizer, 3, 3)
        model[0].requires_grad_(False)
        train(lib, model, optimizer, 6, 3)
        model[0].requires_grad_(True)
        train(lib, model, optimizer, 9, 3)
        optimizers.append(optimizer)
    assert_same(*models)
    assert is_flat(list(models[0].parameters()))


@each_kind
def test_gradients_from_the_user_are_used_and_left_alone(name, settings):
    models, optimizers = both(name, settings)
    for lib, model, optimizer in zip((gpudl, torch), models, optimizers):
        for step in range(5):
            optimizer.zero_grad()
            backward(lib, model, step)
            mine = lib.tensor(values((5, 6), "float32", step))
            model[2].weight.grad = mine.clone()
            if step == 2:
                model[0].bias.grad = model[0].bias.grad * 3
            optimizer.step()
            assert np.array_equal(host(model[2].weight.grad), host(mine))
    assert_same(*models)


@each_kind
def test_gradients_accumulate_where_they_are(name, settings):
    models, optimizers = both(name, settings)
    for lib, model, optimizer in zip((gpudl, torch), models, optimizers):
        for step in range(3):
            optimizer.zero_grad()
            for part in range(3):
                backward(lib, model, 10 * step + part)
            optimizer.step()
    assert_same(*models)
    assert is_flat(list(models[0].parameters()))


@each_kind
def test_layout_follows_casts_and_assigned_data(name, settings):
    models, optimizers = both(name, settings)
    for lib, model, optimizer in zip((gpudl, torch), models, optimizers):
        train(lib, model, optimizer, steps=3)
        model[0].weight.data = model[0].weight.data * 0.5
        train(lib, model, optimizer, 3, 3)
        model.double()
        if lib is torch:  # which leaves the state as it was, and could not go on
            for kept in optimizer.state.values():
                kept.update({key: value.double() for key, value in kept.items() if key != "step"})
        train(lib, model, optimizer, 6, 3)
    assert_same(*models, slack=1e9)  # float32 until the cast
    for p in models[0].parameters():
        assert p.dtype == "float64"
        assert all(value.dtype == "float64" for key, value in optimizers[0].state[p].items() if key != "step")
    assert is_flat(list(models[0].parameters()))


def test_assigned_data_goes_back_to_its_place():
    model = net(gpudl)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    weight = model[2].weight
    place = id(weight.array)
    for step in range(3):
        weight.data = weight.data.clamp(-0.5, 0.5)
        assert id(weight.array) != place
        train(gpudl, model, optimizer, step, 1)
        assert id(weight.array) == place
    train(gpudl, model, optimizer, 3, 1)
    assert is_flat(list(model.parameters()))


@pytest.mark.filterwarnings("ignore:Using backward.. with create_graph")
@each_kind
def test_recorded_gradients_and_plain_ones_in_turn(name, settings):
    models, optimizers = both(name, settings)
    for lib, model, optimizer in zip((gpudl, torch), models, optimizers):
        for step in range(6):
            optimizer.zero_grad()
            x = lib.tensor(values((7, 4), "float32", step))
            (model(x) ** 2).mean().backward(create_graph=step % 2 == 1)
            optimizer.step()
        optimizer.zero_grad()
    assert_same(*models)


@each_kind
def test_copies_of_model_and_optimizer_go_on_alike_and_apart(name, settings):
    model = net(gpudl)
    optimizer = getattr(optim, name)(model.parameters(), **settings)
    train(gpudl, model, optimizer, steps=3)
    pairs = [copy.deepcopy((model, optimizer)), pickle.loads(pickle.dumps((model, optimizer)))]
    train(gpudl, model, optimizer, 3, 3)
    for twin, its in pairs:
        sizes = calls_of(its)
        train(gpudl, twin, its, 3, 3)
        assert len(sizes) == 6 + 1 + 1  # laid out at the first step
        for p, q in zip(model.parameters(), twin.parameters(), strict=True):
            assert np.array_equal(host(p), host(q))
            assert not np.shares_memory(p.array, q.array)
            for key, kept in optimizer.state[p].items():
                assert np.array_equal(host(kept), host(its.state[q][key]))


@each_kind
def test_loading_model_and_optimizer_keeps_the_layout(name, settings):
    model = net(gpudl)
    optimizer = getattr(optim, name)(model.parameters(), **settings)
    train(gpudl, model, optimizer, steps=3)
    saved = copy.deepcopy((model.state_dict(), optimizer.state_dict()))
    train(gpudl, model, optimizer, 3, 3)
    wanted = [host(p).copy() for p in model.parameters()]
    model.load_state_dict(saved[0])
    optimizer.load_state_dict(saved[1])
    sizes = calls_of(optimizer)
    train(gpudl, model, optimizer, 3, 3)
    assert len(sizes) == 3
    assert all(np.array_equal(host(p), w) for p, w in zip(model.parameters(), wanted))


@each_kind
def test_two_optimizers_over_the_same_parameters(name, settings):
    models = [net(lib) for lib in (gpudl, torch)]
    for lib, model in zip((gpudl, torch), models):
        one = getattr(lib.optim, name)(model[0].parameters(), **settings)
        other = getattr(lib.optim, name)(reversed(list(model.parameters())), **settings)
        places = None
        for step in range(4):
            train(lib, model, other, 2 * step, 1)
            train(lib, model, one, 2 * step + 1, 1)
            if lib is gpudl:
                assert places is None or all(p.array is place for p, place in zip(model.parameters(), places))
                places = [p.array for p in model.parameters()]
    assert_same(*models)


@each_kind
def test_odd_parameters_together(name, settings):
    """0-d, empty, transposed, and of several dtypes, in one group."""
    results = []
    for lib in (gpudl, torch):
        numbers = [((), "float32"), ((0,), "float64"), ((3, 2), "float64"), ((2, 0), "float32"), ((4,), "float32")]
        given = [lib.nn.Parameter(lib.tensor(values(shape, kind, 1))) for shape, kind in numbers]
        given.append(lib.nn.Parameter(lib.tensor(values((3, 2), "float32")).t()))
        optimizer = getattr(lib.optim, name)(given, **settings)
        sizes = calls_of(optimizer) if lib is gpudl else []
        for _ in range(5):
            optimizer.zero_grad()
            sum((p**3).sum().to(lib.float32) for p in given).backward()
            optimizer.step()
        assert lib is torch or sizes == [11, 6] * 5
        results.append(given)
    for p, q in zip(*results):
        assert_close(host(p), host(q), "parameter", 20)


@pytest.mark.parametrize(("name", "settings"), [("SGD", {}), ("Adam", {"eps": 1e-3})])
def test_half_floats_lie_flat_too(name, settings):
    model = net(gpudl, dtype="float16")
    optimizer = getattr(optim, name)(model.parameters(), lr=0.01, **settings)
    sizes = calls_of(optimizer)
    train(gpudl, model, optimizer)
    assert len(sizes) == 5
    assert all(p.dtype == "float16" and np.isfinite(host(p)).all() for p in model.parameters())


@each_kind
def test_groups_added_later_have_memory_of_their_own(name, settings):
    models = [net(lib) for lib in (gpudl, torch)]
    for lib, model in zip((gpudl, torch), models):
        optimizer = getattr(lib.optim, name)(model[0].parameters(), **settings)
        train(lib, model, optimizer, steps=2)
        optimizer.add_param_group({"params": [*model[2].parameters(), *model[4].parameters()], "lr": 0.01})
        train(lib, model, optimizer, 2, 3)
    assert_same(*models)
    bases = [p.array.base for p in models[0].parameters()]
    assert all(type(base) is Memory for base in bases)
    assert bases[0] is bases[1] is not bases[2]


@each_kind
def test_state_that_the_user_changes_counts(name, settings):
    """A new tensor under a key, new data, an edit in place, an emptied state."""
    results = []
    for lib in (gpudl, torch):
        model = net(lib)
        optimizer = getattr(lib.optim, name)(model.parameters(), **settings)
        train(lib, model, optimizer, steps=2)
        for p, kept in optimizer.state.items():
            for key in kept:
                if key != "step" and p.ndim == 2:
                    kept[key] = lib.ones(*p.shape)
                elif key != "step" and p.shape[0] == 5:
                    kept[key].data = lib.ones(5)
                elif key != "step":
                    kept[key].fill_(0.5)
        train(lib, model, optimizer, 2, 2)
        optimizer.state.clear()
        train(lib, model, optimizer, 4, 2)
        results.append(model)
    assert_same(*results)
