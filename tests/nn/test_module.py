"""Module: how it is called, converted, switched, copied and shown; PyTorch runs the same programs."""

import copy
import pickle
from collections import OrderedDict

import numpy as np
import pytest

import gpudl
from gpudl import nn
from gpudl.optim import SGD, Adam

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


@pytest.mark.parametrize(("cast", "dtype"), [("double", "float64"), ("half", "float16"), ("float", "float32")])
@pytest.mark.parametrize("by_name", [True, False])
def test_casts_keep_the_parameters_and_spare_integers(cast, dtype, by_name):
    net = Net().double() if dtype == "float32" else Net()
    net(gpudl.ones(2, 3, dtype=net.mean.dtype)).sum().backward()
    before, tied = list(net.parameters()), net.head.weight
    assert (net.to(dtype) if by_name else getattr(net, cast)()) is net
    assert [id(p) for p in net.parameters()] == [id(p) for p in before]
    assert net.head.weight is tied is net.encoder[2].weight
    assert {str(p.dtype) for p in net.parameters()} == {dtype}
    assert {str(p.grad.dtype) for p in net.parameters()} == {dtype}
    assert all(p.requires_grad and p.is_leaf for p in net.parameters())
    assert net.mean.dtype == dtype
    assert net.shared is net.mean
    assert net.count.dtype == gpudl.int64


def test_casts_leave_tensors_of_others_alone():
    weight = gpudl.ones(3)
    loss = nn.CrossEntropyLoss(weight).double()
    assert loss.weight.dtype == gpudl.float64
    assert weight.dtype == gpudl.float32


@pytest.mark.parametrize("dtype", ["int64", "bool"])
def test_cannot_be_cast_to_what_is_not_floating(dtype):
    net = Net()
    with pytest.raises(TypeError, match="floating point dtype"):
        net.to(dtype)
    with pytest.raises(TypeError, match="floating point"):
        torch.nn.Linear(1, 1).to(getattr(torch, dtype))
    assert net.mean.dtype == gpudl.float32


def test_to_takes_what_tensors_take(device):
    net = Net()
    for arguments in [(device,), (str(device), "float64"), (gpudl.zeros(1, dtype="float64", device=device),)]:
        assert net.to(*arguments) is net
        assert all(tensor.device is device for tensor in (*net.parameters(), *net.buffers()))
    assert net.head.weight.dtype == gpudl.float64
    assert net.to(dtype="float32", device=device).head.weight.dtype == gpudl.float32
    with pytest.raises(gpudl.DeviceError):
        net.to("cpu:7")


def test_casts_to_bfloat16():
    net = nn.Linear(1, 1).bfloat16()
    assert net.weight.dtype == gpudl.bfloat16


@pytest.mark.parametrize("dtype", ["float16", "float64", "int64"])
def test_type_casts_everything(dtype):
    kinds = []
    for lib in (gpudl, torch):
        net = lib.nn.Sequential(lib.nn.Linear(1, 1)).requires_grad_(dtype != "int64")
        net.register_buffer("count", lib.tensor(7))
        assert net.type(getattr(lib, dtype)) is net
        kinds.append([str(each.dtype).removeprefix("torch.") for each in (*net.parameters(), *net.buffers())])
    assert kinds[0] == kinds[1]
    with pytest.raises(RuntimeError, match="floating point"):
        nn.Linear(1, 1).type("int64")


def test_to_empty_keeps_shapes_and_what_is_shared(device):
    net = Net()
    before = list(net.parameters())
    assert net.to_empty(device=device) is net
    assert all(a is b for a, b in zip(before, net.parameters()))
    assert net.shared is net.mean
    assert all(each.device is device for each in (*net.parameters(), *net.buffers()))
    assert (net.count.dtype, net.encoder[0].weight.shape) == (gpudl.int64, (4, 3))


def test_to_empty_may_spare_what_is_inside():
    net = nn.Sequential(nn.Linear(2, 2))
    net.own = nn.Parameter(gpudl.ones(2))
    weight, own = net[0].weight.array, net.own.array
    net.to_empty(device="cpu", recurse=False)
    assert net[0].weight.array is weight
    assert net.own.array is not own


def test_modules_may_move_what_else_they_have():
    class Keeps(nn.Module):
        def __init__(self):
            super().__init__()
            self.cache = [gpudl.ones(2)]

        def _apply(self, fn, recurse=True):
            self.cache = [fn(each) for each in self.cache]
            return super()._apply(fn, recurse)

    net = nn.Sequential(nn.Sequential(Keeps())).double()
    assert net[0][0].cache[0].dtype == gpudl.float64


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


@pytest.mark.parametrize("optimizer", [lambda p: SGD(p, 0.1, momentum=0.9), lambda p: Adam(p, 0.1)])
def test_an_optimizer_goes_on_after_a_cast(optimizer):
    """Two steps in float32 and two in float64 stay close to four in float64."""
    gpudl.manual_seed(0)
    first = Net()
    second = copy.deepcopy(first).double()
    optimizers = [optimizer(net.parameters()) for net in (first, second)]
    x = np.random.default_rng(0).normal(size=(5, 3))
    for number in range(4):
        if number == 2:
            first.double()
        for net, each in zip((first, second), optimizers):
            each.zero_grad()
            (net(gpudl.tensor(x, dtype=net.mean.dtype)) ** 2).mean().backward()
            each.step()
    for mine, other in zip(first.parameters(), second.parameters()):
        state = optimizers[0].state[mine]
        assert {str(value.dtype) for key, value in state.items() if key != "step"} == {"float64"}
        np.testing.assert_allclose(mine.detach().numpy(), other.detach().numpy(), rtol=1e-4, atol=1e-4)


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
