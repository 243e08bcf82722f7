"""Module: casts and moves of parameters, gradients and buffers, with what is shared."""

import copy

import numpy as np
import pytest
from test_module import Net

import gpudl
from gpudl import nn
from gpudl.optim import SGD, Adam

torch = pytest.importorskip("torch")


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
    pytest.importorskip("ml_dtypes")
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
