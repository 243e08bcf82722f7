"""Module: how it is called, converted, switched, copied and shown; PyTorch runs the same programs."""

import copy
import pickle
from collections import OrderedDict

import numpy as np
import pytest

import gpudl
from gpudl import nn

torch = pytest.importorskip("torch")


class Net(nn.Module):
    """A shared layer, a tied weight, and buffers of both kinds."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 3))
        self.again = self.encoder[0]
        self.head = nn.Linear(4, 3)
        self.head.weight = self.encoder[2].weight
        self.register_buffer("mean", gpudl.ones(3))
        self.register_buffer("count", gpudl.tensor(7))
        self.mean_too = None
        self.register_buffer("shared", self.mean, persistent=False)

    def forward(self, x):
        return self.head(self.again(self.encoder(x - self.mean)))


def gradients_of(net):
    return [None if p.grad is None else p.grad.numpy() for p in net.parameters()]


def test_properties_may_stand_for_parameters():
    """What a parametrization does: the class of the module changes to one that computes the weight."""
    net = nn.Sequential(nn.Linear(2, 2, bias=False))
    layer = net[0]
    original = layer.weight
    del layer.weight
    layer.original = original

    def assign(self, value):
        with gpudl.no_grad():
            self.original.copy_(value / 2)

    changed = type("Doubled", (nn.Linear,), {"weight": property(lambda self: self.original * 2, assign)})
    layer.__class__ = changed
    layer.weight = gpudl.tensor([[2.0, 4.0], [6.0, 8.0]])
    assert layer.original.tolist() == [[1, 2], [3, 4]]
    assert net(gpudl.ones(2)).tolist() == [6, 14]
    assert list(net.state_dict()) == ["0.original"]
    net(gpudl.ones(2)).sum().backward()
    assert original.grad.tolist() == [[2, 2], [2, 2]]


def test_train_and_eval_reach_everything_through_each_modules_own_train():
    class Frozen(nn.Identity):
        def train(self, mode=True):
            return super().train(False)

    net = Net()
    net.frozen = Frozen()
    assert all(module.training for module in net.modules())
    assert net.eval() is net
    assert not any(module.training for module in net.modules())
    assert net.train() is net
    assert [name for name, module in net.named_modules() if not module.training] == ["frozen"]
    with pytest.raises(ValueError, match="True or False"):
        net.train("eval")


def test_requires_grad_freezes_and_thaws():
    net = Net()
    assert net.requires_grad_(False) is net
    assert not net(gpudl.ones(1, 3)).requires_grad
    net.head.requires_grad_()
    net(gpudl.ones(1, 3)).sum().backward()
    assert [name for name, p in net.named_parameters() if p.grad is not None] == ["encoder.2.weight", "head.bias"]


@pytest.mark.parametrize("create_graph", [False, True])
def test_zero_grad_drops_or_fills(create_graph):
    net = Net()
    net(gpudl.ones(1, 3)).sum().backward(create_graph=create_graph)
    before = [p.grad for p in net.parameters()]
    net.zero_grad(set_to_none=False)
    assert all(np.shares_memory(p.grad.array, g.array) for p, g in zip(net.parameters(), before))
    assert not any(p.grad.array.any() for p in net.parameters())
    assert not any(p.grad.requires_grad for p in net.parameters())
    if not create_graph:
        assert all(p.grad is g for p, g in zip(net.parameters(), before))
    net.zero_grad()
    assert gradients_of(net) == [None] * 5
    net.zero_grad(set_to_none=False)
    assert gradients_of(net) == [None] * 5


def test_apply_visits_inner_modules_first_as_in_torch():
    orders = []
    for lib in (gpudl, torch):
        net = lib.nn.Sequential(lib.nn.Linear(1, 1), lib.nn.Sequential(lib.nn.ReLU(), lib.nn.Tanh()))
        net.twin = net[0]
        order = []
        assert net.apply(lambda module, order=order: order.append(type(module).__name__)) is net
        orders.append(order)
    assert orders[0] == orders[1]


def test_hooks_see_and_replace_what_goes_in_and_out():
    results = []
    for lib in (gpudl, torch):
        layer, log = lib.nn.Identity(), []
        handles = [
            layer.register_forward_pre_hook(lambda module, args, log=log: log.append(("in", args[0].tolist()))),
            layer.register_forward_pre_hook(lambda module, args: args[0] + 1),
            layer.register_forward_pre_hook(lambda module, args: (args[0] * 2,)),
            layer.register_forward_hook(
                lambda module, args, y, log=log: log.append(("out", args[0].tolist(), y.tolist()))
            ),
            layer.register_forward_hook(lambda module, args, y: y + 10),
        ]
        log.append(layer(lib.ones(1)).tolist())
        handles[1].remove()
        handles[4].remove()
        handles[4].remove()
        log.append(layer(lib.ones(1)).tolist())
        results.append(log)
    assert results[0] == results[1] == [("in", [1]), ("out", [4], [4]), [14], ("in", [1]), ("out", [2], [2]), [2]]


def test_a_hook_may_remove_itself_and_keyword_arguments_pass():
    class Scaled(nn.Module):
        def forward(self, x, *, scale):
            return x * scale

    def once(*_):
        seen.append(1)
        handle.remove()

    net, seen = Scaled(), []
    handle = net.register_forward_hook(once)
    net.register_forward_hook(lambda *_: seen.append(2))
    assert [net(gpudl.ones(1), scale=3).item() for _ in range(2)] == [3, 3]
    assert seen == [1, 2, 2]


def test_forward_is_for_the_subclass_to_give():
    class Empty(nn.Module):
        pass

    with pytest.raises(NotImplementedError, match="Empty has no forward"):
        Empty()(1)


def through_pickle(value):
    return pickle.loads(pickle.dumps(value))


@pytest.mark.parametrize("again", [copy.deepcopy, through_pickle])
def test_copies_and_pickles_are_whole_and_their_own(again):
    net = Net().eval()
    net.head.bias.requires_grad_(False)
    x = gpudl.tensor(np.random.default_rng(0).normal(size=(4, 3)), dtype="float32")
    other = again(net)
    assert np.array_equal(other(x).detach().numpy(), net(x).detach().numpy())
    assert other.head.weight is other.encoder[2].weight
    assert other.again is other.encoder[0]
    assert other.shared is other.mean
    assert not any(module.training for module in other.modules())
    assert [(n, type(p), p.requires_grad) for n, p in other.named_parameters()] == [
        (n, type(p), p.requires_grad) for n, p in net.named_parameters()
    ]
    assert list(other.state_dict()) == list(net.state_dict())
    with gpudl.no_grad():
        for tensor in (*other.parameters(), other.mean):
            tensor.zero_()
    assert all(tensor.array.any() for tensor in (*net.parameters(), net.mean))


def shown(lib, text, inside=True):
    """A module of either library with an extra_repr of one line or several."""

    class Shown(lib.nn.Module):
        def __init__(self):
            super().__init__()
            if inside:
                self.layer = lib.nn.Linear(1, 2)
                self.none = None
                self.add_module("nobody", None)

        def extra_repr(self):
            return text

    return Shown()


def named(lib):
    """A module that goes by another name than its class's."""
    return type("Other", (lib.nn.ReLU,), {"_get_name": lambda self: "Another"})()


@pytest.mark.parametrize(
    "make",
    [
        lambda lib: lib.nn.Linear(3, 4),
        lambda lib: lib.nn.Linear(3, 4, bias=False),
        lambda lib: lib.nn.ReLU(),
        lambda lib: lib.nn.Sequential(),
        lambda lib: lib.nn.Sequential(lib.nn.Linear(3, 4), lib.nn.ReLU()),
        lambda lib: lib.nn.Sequential(OrderedDict(one=lib.nn.Sequential(lib.nn.Tanh(), lib.nn.Flatten()))),
        lambda lib: shown(lib, ""),
        lambda lib: shown(lib, "a=1"),
        lambda lib: shown(lib, "a=1,\nb=2"),
        lambda lib: shown(lib, "a=1", inside=False),
        lambda lib: shown(lib, "a=1,\nb=2", inside=False),
        lambda lib: lib.nn.Sequential(shown(lib, "a=1,\nb=2")),
        lambda lib: lib.nn.Sequential(shown(lib, "a=1,\n\nb=2")),
        lambda lib: shown(lib, "a=1\n", inside=False),
        lambda lib: named(lib),
    ],
)
def test_repr_is_that_of_torch(make):
    assert repr(make(gpudl)) == repr(make(torch))
