"""A module called with other parameters: beside PyTorch, with derivatives, mapped, and what is refused."""

import numpy as np
import pytest

import gpudl
from gpudl import func

torch = pytest.importorskip("torch")


def model(lib):
    nn = lib.nn
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 4, bias=False), nn.Linear(4, 2))
    net.add_module("5", nn.Linear(2, 4, bias=False))
    net.add_module("6", nn.Linear(4, 4, bias=False))
    net[6].weight = net[3].weight
    return net


def values(lib, net, seed):
    random = np.random.default_rng(seed)
    named = [*net.named_parameters(), *((name, b) for name, b in net.named_buffers() if b.ndim)]
    return {name: lib.tensor(random.random(tuple(each.shape)).astype("float32")) for name, each in named}


def test_it_computes_and_differentiates_by_the_given_tensors():
    found = []
    for lib in (gpudl, torch):
        net = model(lib).eval()
        before = {name: each.clone() for name, each in net.state_dict().items()}
        given = values(lib, net, 0)
        wanted = [given[name].requires_grad_() for name, _ in net.named_parameters()]
        y = lib.func.functional_call(net, given, (lib.ones(5, 3),))
        y.sum().backward()
        assert all(lib.equal(each, before[name]) for name, each in net.state_dict().items())
        assert all(each.grad is None for each in net.parameters())
        assert net[6].weight is net[3].weight
        found.append([y.detach().numpy(), *(each.grad.numpy() for each in wanted)])
    for got, want in zip(*found):
        np.testing.assert_allclose(got, want, 1e-4, 1e-5)


def test_gradients_of_each_sample_by_grad_and_vmap():
    net = gpudl.nn.Sequential(gpudl.nn.Linear(3, 4), gpudl.nn.Tanh(), gpudl.nn.Linear(4, 1))
    weights = {name: each.detach() for name, each in net.named_parameters()}
    x = gpudl.tensor(np.random.default_rng(0).normal(size=(5, 3)).astype("float32"))

    def loss(weights, row):
        return func.functional_call(net, weights, row).pow(2).sum()

    each = func.vmap(func.grad(loss), in_dims=(None, 0))(weights, x)
    for number in range(5):
        net.zero_grad()
        net(x[number]).pow(2).sum().backward()
        for name, parameter in net.named_parameters():
            np.testing.assert_allclose(each[name][number].numpy(), parameter.grad.numpy(), 1e-5, 1e-6)


def test_the_module_is_as_before_after_an_error():
    net = gpudl.nn.Linear(3, 2)
    weight = net.weight
    with pytest.raises(gpudl.ShapeError):
        func.functional_call(net, {"weight": gpudl.ones(2, 3)}, gpudl.ones(2, 4))
    assert net.weight is weight


def test_buffers_that_forward_changes_in_place_are_the_given_ones():
    net = gpudl.nn.BatchNorm1d(3)
    mean = gpudl.zeros(3)
    func.functional_call(net, ({"running_mean": mean}, {"weight": gpudl.ones(3)}), gpudl.ones(4, 3))
    np.testing.assert_allclose(mean.numpy(), 0.1, 1e-6)
    assert net.running_mean.abs().sum().item() == 0


def test_tied_weights_are_replaced_together_unless_told():
    net = model(gpudl)
    w = {"3.weight": gpudl.zeros(4, 4)}
    x = gpudl.ones(2, 3)
    assert func.functional_call(net, w, x).abs().sum().item() == 0
    net[3] = gpudl.nn.Identity()
    both = gpudl.nn.ModuleList([net[6], gpudl.nn.Linear(4, 4, bias=False)])
    both[1].weight = net[6].weight
    both.forward = lambda x: (both[0](x), both[1](x))
    first, second = func.functional_call(both, {"0.weight": gpudl.zeros(4, 4)}, gpudl.ones(4), tie_weights=False)
    assert first.abs().sum().item() == 0
    assert second.abs().sum().item() > 0


@pytest.mark.parametrize(
    ("given", "strict", "kind", "message"),
    [
        ([{"weight": gpudl.ones(2, 3)}, {"weight": gpudl.ones(2, 3)}], False, ValueError, "given twice: weight"),
        ({"weight": 3}, False, TypeError, "weight must be a Tensor, got int"),
        ({"weight": gpudl.ones(2, 3)}, True, RuntimeError, "Linear: missing bias"),
        ({"weight": gpudl.ones(2, 3), "bias": gpudl.ones(2), "q": gpudl.ones(1)}, True, RuntimeError, "unexpected q"),
    ],
)
def test_what_is_refused(given, strict, kind, message):
    net = gpudl.nn.Linear(3, 2)
    with pytest.raises(kind, match=message):
        func.functional_call(net, given, gpudl.ones(3), strict=strict)


def test_two_tensors_for_tied_names_are_refused_and_other_names_ignored():
    net = model(gpudl)
    with pytest.raises(ValueError, match=r"3.weight and 6.weight are tied"):
        func.functional_call(net, {"3.weight": gpudl.ones(4, 4), "6.weight": gpudl.zeros(4, 4)}, gpudl.ones(2, 3))
    assert func.functional_call(net, {"other": gpudl.ones(1)}, (), {"input": gpudl.ones(2, 3)}).shape == (2, 4)
