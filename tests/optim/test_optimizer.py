"""What all optimizers share: groups, gradients, steps, closures, and state that can be saved and loaded."""

import numpy as np
import pytest
from beside_torch import advance, assert_alike, both, gradient, host, parameters, torch, values

import gpudl
from gpudl import nn, optim
from gpudl.optim.stretch import Scalar

KINDS = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.1}),
    ("AdamW", {"lr": 0.1, "amsgrad": True}),
]
each_kind = pytest.mark.parametrize(("name", "settings"), KINDS)


def make(name, settings, given):
    return getattr(optim, name)(given, **settings)


def raised_by(call):
    try:
        call()
    except Exception as error:
        return type(error)
    return None


@pytest.mark.parametrize(
    "given",
    [
        lambda lib: lib.ones(2, requires_grad=True),
        lambda lib: [],
        lambda lib: iter([]),
        lambda lib: [1.0],
        lambda lib: [lib.ones(2, requires_grad=True), "w"],
        lambda lib: [lib.ones(2, requires_grad=True) * 2],
        lambda lib: [{"params": [lib.ones(1)]}, lib.ones(1)],
        lambda lib: [{"params": {lib.ones(1)}}],
        lambda lib: [lib.ones(1), {"params": [lib.ones(1)]}],
        lambda lib: [{"params": lib.ones(1)}],
        lambda lib: [{"params": []}],
        lambda lib: [lib.ones(2)],
        lambda lib: (p for p in [lib.ones(2)]),
        lambda lib: [lib.ones(2, requires_grad=True).detach()],
    ],
)
def test_takes_and_refuses_what_torch_does(given):
    results = []
    for lib in (gpudl, torch):
        results.append(raised_by(lambda lib=lib: lib.optim.SGD(given(lib), lr=0.1)))
    assert results[0] == results[1]


def test_a_parameter_may_stand_in_one_place_only():
    p, q = parameters(gpudl)[:2]
    for given in ([p, q, p], [{"params": [p]}, {"params": [q, p]}], [{"params": [p, p]}]):
        with pytest.raises(ValueError, match="more than one place"):
            optim.SGD(given)
    optimizer = optim.SGD([p])
    with pytest.raises(ValueError, match="more than one place"):
        optimizer.add_param_group({"params": p})
    for bad in ([q], {"lr": 1}, None):
        with pytest.raises(TypeError, match="dict with 'params'"):
            optimizer.add_param_group(bad)
    assert len(optimizer.param_groups) == 1


def test_groups_have_their_own_settings_and_the_defaults():
    optimizers = []
    for lib in (gpudl, torch):
        p = parameters(lib)
        given = {"params": p[0], "lr": 0.5, "weight_decay": 0.2}
        optimizer = lib.optim.SGD([given, {"params": iter(p[1:3])}], lr=0.1, momentum=0.9)
        advance(lib, optimizer, steps=3)
        optimizer.add_param_group({"params": p[3:5], "momentum": 0, "note": "mine"})
        optimizer.add_param_group({"params": p[5:], "nesterov": True})
        advance(lib, optimizer, first=3, steps=5)
        optimizers.append(optimizer)
    assert_alike(*optimizers, slack=4)
    mine, other = (optimizer.state_dict()["param_groups"] for optimizer in optimizers)
    assert [group["params"] for group in mine] == [[0], [1, 2], [3, 4], [5]]
    assert [{key: theirs[key] for key in ours} for ours, theirs in zip(mine, other)] == mine
    assert optimizers[0].defaults["lr"] == 0.1


def test_the_group_given_is_not_changed():
    given = {"params": parameters(gpudl)[0]}
    optim.SGD([given], lr=0.1)
    assert list(given) == ["params"]


@each_kind
def test_a_new_learning_rate_takes_effect_at_the_next_step(name, settings):
    optimizers = both(name, settings)
    for lib, optimizer in zip((gpudl, torch), optimizers):
        advance(lib, optimizer, steps=2)
        for number, group in enumerate(optimizer.param_groups):
            group["lr"] = np.float64(0.01 * (number + 1))
        advance(lib, optimizer, first=2, steps=2)
    assert_alike(*optimizers, slack=4)
    optimizers[0].param_groups[0]["lr"] = 0
    before = [host(p).copy() for p in optimizers[0].param_groups[0]["params"]]
    advance(gpudl, optimizers[0], steps=1)
    assert all(np.array_equal(host(p), b) for p, b in zip(optimizers[0].param_groups[0]["params"], before))


@each_kind
def test_parameters_without_gradients_are_left_alone(name, settings):
    p, q = parameters(gpudl)[:2]
    optimizer = make(name, settings, [p, q])
    p.grad = gradient(gpudl, p, 0, 0)
    before, version = host(q).copy(), q._version[0]
    optimizer.step()
    assert np.array_equal(host(q), before)
    assert q._version[0] == version
    assert all(number == 0 for number in optimizer.state_dict()["state"])


@each_kind
def test_steps_write_in_place_and_leave_gradients_alone(name, settings):
    given = parameters(gpudl)
    optimizer = make(name, settings, given)
    arrays = [p.array for p in given]
    for step in range(2):
        for number, p in enumerate(given):
            p.grad = gradient(gpudl, p, 3 * step, number)
        before = [p.grad.array.copy() for p in given]
        optimizer.step()
        assert all(np.array_equal(p.grad.array, b) for p, b in zip(given, before))
    assert all(p.array is array for p, array in zip(given, arrays))


@each_kind
def test_a_step_makes_older_graphs_fail(name, settings):
    net = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 1))
    optimizer = make(name, settings, net.parameters())
    x = gpudl.tensor(values((4, 3), "float32"))
    loss, stale = (net(x) ** 2).mean(), (net(x) ** 2).mean()
    versions = [p._version[0] for p in net.parameters()]
    loss.backward()
    optimizer.step()
    assert [p._version[0] for p in net.parameters()] == [version + 1 for version in versions]
    with pytest.raises(gpudl.GraphError, match="changed in place"):
        stale.backward()
    (net(x) ** 2).mean().backward()


@each_kind
def test_training_stays_beside_torch(name, settings):
    losses, optimizers = [], []
    torch.manual_seed(0)
    models = [lib.nn.Sequential(lib.nn.Linear(4, 8), lib.nn.Tanh(), lib.nn.Linear(8, 3)) for lib in (gpudl, torch)]
    models[0].load_state_dict(models[1].state_dict())
    for lib, model in zip((gpudl, torch), models):
        model.double()
        optimizer = getattr(lib.optim, name)(model.parameters(), **settings)
        x, target = lib.tensor(values((16, 4))), lib.tensor(np.arange(16) % 3)
        history = []
        for _ in range(20):
            optimizer.zero_grad()
            loss = lib.nn.CrossEntropyLoss()(model(x), target)
            loss.backward()
            optimizer.step()
            history.append(loss.item())
        losses.append(history)
        optimizers.append(optimizer)
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-10)
    assert losses[0][-1] < losses[0][0]
    assert_alike(*optimizers, slack=1000)


@each_kind
def test_gradients_with_a_graph_count_by_their_values(name, settings):
    results = []
    for create_graph in (False, True):
        p = nn.Parameter(gpudl.tensor(values((3, 2), "float32")))
        optimizer = make(name, settings, [p])
        for _ in range(3):
            optimizer.zero_grad()
            (p * p * p).sum().backward(create_graph=create_graph)
            optimizer.step()
            assert p.grad.requires_grad is create_graph
        assert p.is_leaf
        results.append(host(p))
    assert np.array_equal(*results)


@each_kind
def test_steps_raise_no_warnings_and_no_errors_for_extreme_gradients(name, settings):
    """Warnings are errors here; what comes out is what torch gives."""
    extreme = np.array([np.inf, -np.inf, np.nan, 3e38, 1e-30, 1e-45, 0.0], np.float32)
    results = []
    for lib in (gpudl, torch):
        p = lib.nn.Parameter(lib.ones(7))
        optimizer = getattr(lib.optim, name)([p], **settings)
        for _ in range(3):
            p.grad = lib.tensor(extreme)
            optimizer.step()
        results.append(host(p))
    np.testing.assert_allclose(results[0], results[1], rtol=1e-5)


def test_closure_is_run_with_gradients_and_its_loss_returned():
    p = nn.Parameter(gpudl.ones(2))
    optimizer = optim.SGD([p], lr=0.25)
    loss = (p * p).sum()

    def closure():
        optimizer.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    with gpudl.no_grad():
        loss = optimizer.step(closure)
    assert loss.item() == 2
    assert p.tolist() == [0.5, 0.5]
    assert optimizer.step() is None
    assert gpudl.is_grad_enabled()


@pytest.mark.parametrize("create_graph", [False, True])
def test_zero_grad_drops_or_fills(create_graph):
    given = parameters(gpudl, shapes=[(2,), (3, 4), (), (2, 0, 3), (0,), "transposed"])
    optimizer = optim.SGD(given[:-1])
    sum((p * p).sum() for p in given[1:]).backward(create_graph=create_graph)
    before = [p.grad for p in given]
    optimizer.zero_grad(set_to_none=False)
    assert given[0].grad is None
    for p, gradient_before in zip(given[1:-1], before[1:]):
        assert not p.grad.array.any()
        assert not p.grad.requires_grad
        assert p.grad.shape == p.shape
        assert create_graph or p.grad is gradient_before
    optimizer.zero_grad()
    assert all(p.grad is None for p in given[:-1])
    assert given[-1].grad is not None


def test_repr_is_that_of_torch():
    mine, theirs = (
        lib.optim.Adam([{"params": [lib.ones(1)]}, {"params": [lib.ones(1)], "lr": 0.5}], lr=0.1)
        for lib in (gpudl, torch)
    )
    assert repr(mine) == repr(theirs)


def test_a_subclass_gives_an_update():
    class Signs(optim.Optimizer):
        def buffers(self, group, shape):
            return {"largest": 0.5, "product": Scalar(2.0)}

        def update(self, p, dp, state, step, group):
            np.maximum(state["largest"], dp, out=state["largest"])
            state["product"] *= group["rate"]
            p -= step * group["rate"] * np.sign(dp)

    p = nn.Parameter(gpudl.tensor([1.0, -2.0]))
    optimizer = Signs([p], {"rate": 0.5})
    p.grad = gpudl.tensor([3.0, -4.0])
    optimizer.step()
    optimizer.step()
    assert p.tolist() == [-0.5, -0.5]
    saved = optimizer.state_dict()
    assert {key: value.tolist() for key, value in saved["state"][0].items()} == {
        "step": 2.0,
        "largest": [3.0, 0.5],
        "product": 0.5,
    }
    assert saved["param_groups"] == [{"rate": 0.5, "params": [0]}]
    with pytest.raises(NotImplementedError, match="Optimizer has no update"):
        plain = optim.Optimizer([p], {})
        plain.step()
