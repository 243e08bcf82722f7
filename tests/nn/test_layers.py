"""Layers give PyTorch's outputs and gradients once they have its weights; initial weights have its distribution."""

import math
from collections import OrderedDict

import numpy as np
import pytest
from tolerances import assert_close

import gpudl
from gpudl import nn

torch = pytest.importorskip("torch")
torch.set_num_threads(1)


def array(*shape, dtype="float32", seed=0):
    return np.asarray(np.random.default_rng(seed).normal(size=shape), dtype)


def compare(make, x, device, slack=1.0):
    """Output, and gradients of the input and of every parameter by name, of one model in both libraries."""
    torch.manual_seed(0)
    theirs = make(torch).to(getattr(torch, x.dtype.name))
    mine = make(gpudl).to(device, x.dtype)
    mine.load_state_dict(theirs.state_dict())
    a = torch.tensor(x, requires_grad=True)
    b = gpudl.tensor(x, device=device, requires_grad=True)
    want, got = theirs(a), mine(b)
    assert got.device is device
    assert_close(got.detach().cpu().numpy(), want.detach().numpy(), "output", slack)
    seed = array(*want.shape, dtype=x.dtype, seed=1)
    want.backward(torch.tensor(seed))
    got.backward(gpudl.tensor(seed, device=device))
    assert_close(b.grad.cpu().numpy(), a.grad.numpy(), "gradient of the input", slack)
    gradients = {name: p.grad for name, p in mine.named_parameters()}
    assert list(gradients) == [name for name, _ in theirs.named_parameters()]
    for name, p in theirs.named_parameters():
        assert_close(gradients[name].cpu().numpy(), p.grad.numpy(), f"gradient of {name}", slack)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(5, 3), (3,), (2, 4, 3), (2, 1, 4, 3), (0, 3), (1, 3)])
def test_linear(device, shape, bias, dtype):
    compare(lambda lib: lib.nn.Linear(3, 4, bias=bias), array(*shape, dtype=dtype), device, slack=2)


LAYERS = {
    "Identity": lambda lib: lib.nn.Identity(1, anything=2),
    "Flatten": lambda lib: lib.nn.Flatten(),
    "Flatten(0)": lambda lib: lib.nn.Flatten(0),
    "Flatten(1, 2)": lambda lib: lib.nn.Flatten(1, 2),
    "Flatten(-2, -1)": lambda lib: lib.nn.Flatten(-2, -1),
    "ReLU": lambda lib: lib.nn.ReLU(),
    "Tanh": lambda lib: lib.nn.Tanh(),
    "Sigmoid": lambda lib: lib.nn.Sigmoid(),
    "Softmax(dim=1)": lambda lib: lib.nn.Softmax(dim=1),
    "Softmax(-1)": lambda lib: lib.nn.Softmax(-1),
    "LogSoftmax(dim=0)": lambda lib: lib.nn.LogSoftmax(dim=0),
    "LogSoftmax(3)": lambda lib: lib.nn.LogSoftmax(3),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_without_parameters(device, name):
    compare(LAYERS[name], array(2, 3, 4, 5), device)
    assert repr(LAYERS[name](gpudl)) == repr(LAYERS[name](torch))
    assert not list(LAYERS[name](gpudl).parameters())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_network(device, dtype):
    def make(lib):
        inner = lib.nn.Sequential(OrderedDict(up=lib.nn.Linear(6, 8), act=lib.nn.Tanh(), down=lib.nn.Linear(8, 6)))
        tail = [lib.nn.ReLU(inplace=True), lib.nn.Linear(6, 5, bias=False), lib.nn.LogSoftmax(dim=-1)]
        return lib.nn.Sequential(lib.nn.Flatten(), lib.nn.Linear(12, 6), lib.nn.Sigmoid(), inner, inner, *tail)

    compare(make, array(7, 3, 4, dtype=dtype), device, slack=4)


def test_relu_in_place_writes_over_its_input():
    x = gpudl.tensor([-1.0, 2.0])
    assert nn.ReLU(inplace=True)(x) is x
    assert x.tolist() == [0, 2]
    assert nn.ReLU()(x) is not x


def test_log_softmax_is_no_softmax():
    assert not isinstance(nn.LogSoftmax(0), nn.Softmax)
    assert nn.Softmax().dim is nn.LogSoftmax().dim is None


@pytest.mark.parametrize("features", [(200, 100), (64, 300), (1, 5000)])
def test_initial_weights_are_spread_as_those_of_torch(device, features):
    """Uniform over (-k, k): the bound, and the first two moments within 4 standard errors."""
    gpudl.manual_seed(3)
    layer, k = nn.Linear(*features, device=device), 1 / math.sqrt(features[0])
    torch.manual_seed(3)
    for name, p in torch.nn.Linear(*features).named_parameters():
        other, mine = p.detach().numpy(), getattr(layer, name).detach().cpu().numpy()
        assert mine.shape == other.shape
        assert mine.dtype == np.float32
        for values in (mine, other):
            assert np.abs(values).max() <= k
            assert np.abs(values).max() > k * (1 - 10 / values.size)
            assert abs(values.mean()) < 4 * k / math.sqrt(3 * values.size)
            assert abs((values**2).mean() - k * k / 3) < 4 * k * k * math.sqrt(4 / 45 / values.size)


def test_initial_weights_depend_on_the_seed_alone(device):
    def weights(**settings):
        layers = [nn.Linear(4, 3, **settings), nn.Linear(4, 3, **settings)]
        return [p.detach().cpu().numpy() for layer in layers for p in layer.parameters()]

    gpudl.manual_seed(5)
    first = weights(device=device)
    gpudl.manual_seed(5)
    gpudl.rand(7)
    second = weights()
    third = weights()
    assert all(np.array_equal(a, b) for a, b in zip(first, second))
    assert not any(np.array_equal(a, b) for a, b in zip(second, third))
    assert not np.array_equal(first[0], first[2])


def test_reset_parameters_draws_anew_in_place():
    layer = nn.Linear(3, 2)
    parameters = list(layer.parameters())
    before = [p.detach().clone() for p in parameters]
    layer.reset_parameters()
    assert all(a is b for a, b in zip(parameters, layer.parameters()))
    assert not any(gpudl.equal(a, b.detach()) for a, b in zip(before, parameters))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", gpudl.float64, np.float64])
def test_dtype_of_the_parameters(dtype):
    assert {p.dtype for p in nn.Linear(3, 2, dtype=dtype).parameters()} == {np.dtype(dtype)}


def test_dtype_is_the_default_unless_given():
    gpudl.set_default_dtype("float64")
    try:
        assert nn.Linear(3, 2).weight.dtype == gpudl.float64
    finally:
        gpudl.set_default_dtype("float32")


def test_integer_weights_cannot_be_trained():
    for lib in (gpudl, torch):
        with pytest.raises((RuntimeError, TypeError)):
            lib.nn.Linear(3, 2, dtype=lib.int64)


@pytest.mark.parametrize(
    ("features", "error", "message"),
    [
        ((2.0, 3), TypeError, "in_features must be an int, got 2.0"),
        ((2, "3"), TypeError, "out_features must be an int, got '3'"),
        ((-1, 3), gpudl.ShapeError, "in_features must be >= 0, got -1"),
        ((2, -3), gpudl.ShapeError, "out_features must be >= 0, got -3"),
    ],
)
def test_features_must_be_counts(features, error, message):
    with pytest.raises((TypeError, RuntimeError)):
        torch.nn.Linear(*features)
    with pytest.raises(error, match=message):
        nn.Linear(*features)


def test_features_may_be_what_numpy_counts():
    layer = nn.Linear(np.prod((2, 3)), np.int32(4))
    assert layer.weight.shape == (4, 6)
    assert repr(layer) == "Linear(in_features=6, out_features=4, bias=True)"


@pytest.mark.parametrize("features", [(0, 3), (3, 0)])
def test_a_layer_without_weights_warns_and_works(features):
    outputs = []
    for lib in (gpudl, torch):
        with pytest.warns(UserWarning, match="elements|no-op"):
            layer = lib.nn.Linear(*features)
        if not features[0]:
            assert layer.bias.tolist() == [0, 0, 0]
        outputs.append(tuple(layer(lib.ones(2, features[0])).shape))
    assert outputs[0] == outputs[1]


def test_errors_name_the_layer_and_the_shapes():
    layer = nn.Linear(3, 2)
    with pytest.raises(gpudl.ShapeError, match=r"^Linear: expected \(\*, 3\), got \(5, 4\)$"):
        layer(gpudl.ones(5, 4))
    with pytest.raises(RuntimeError, match=r"^Linear: the input is float64 .*float32"):
        layer(gpudl.ones(5, 3, dtype="float64"))


def sequential():
    return nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))


def names(net):
    return list(net._modules)


def test_sequential_is_a_list_of_modules():
    net = sequential()
    assert len(net) == 3
    assert list(net) == [net[0], net[1], net[2]] == list(net.children())
    assert net[-1] is net[2]
    assert net[np.int64(1)] is net[1]
    for index in (3, -4):
        with pytest.raises(IndexError, match=f"module {index} of a Sequential of 3"):
            net[index]
    assert nn.Sequential()(5) == 5


@pytest.mark.parametrize("part", [slice(1, None), slice(-1), slice(None, None, 2), slice(None, None, -1), slice(3, 9)])
def test_a_slice_of_a_sequential_shares_modules_and_names(part):
    class Stack(nn.Sequential):
        pass

    net = Stack(*sequential())
    got, want = net[part], torch.nn.Sequential(*[torch.nn.ReLU() for _ in net])[part]
    assert type(got) is Stack
    assert list(got) == list(net)[part]
    assert names(got) == names(want)


@pytest.mark.parametrize(
    "change",
    [
        lambda lib, net: net.append(lib.nn.Tanh()).append(lib.nn.ReLU()),
        lambda lib, net: net.extend([lib.nn.Tanh(), lib.nn.ReLU()]),
        lambda lib, net: net.__setitem__(1, lib.nn.Tanh()),
        lambda lib, net: net.__setitem__(-1, lib.nn.Tanh()),
        lambda lib, net: net.__delitem__(1),
        lambda lib, net: net.__delitem__(-1),
        lambda lib, net: net.__delitem__(slice(0, 2)),
        lambda lib, net: (net.__delitem__(0), net.append(lib.nn.Tanh())),
        lambda lib, net: net.__setitem__(3, lib.nn.Tanh()),
        lambda lib, net: net.__delitem__(7),
        lambda lib, net: net.append("Tanh"),
    ],
)
def test_sequential_changes_as_in_torch(change):
    results = []
    for lib in (gpudl, torch):
        net = lib.nn.Sequential(lib.nn.Linear(2, 3), lib.nn.ReLU(), lib.nn.Linear(3, 1))
        try:
            change(lib, net)
            raised = None
        except Exception as error:
            raised = type(error)
        results.append((raised, [(name, type(module).__name__) for name, module in net.named_children()]))
    assert results[0] == results[1]


def test_appending_to_a_slice_loses_nothing():
    assert names(sequential()[1:].append(nn.Tanh())) == ["1", "2", "3"]


def test_sequential_by_names():
    net = nn.Sequential(OrderedDict(first=nn.Linear(2, 3), second=nn.Tanh()))
    assert net.first is net[0]
    assert list(net.state_dict()) == ["first.weight", "first.bias"]


@pytest.mark.parametrize("part", [None, "ReLU", nn.ReLU, [nn.ReLU()], {"a": nn.ReLU()}])
def test_sequential_takes_modules_only(part):
    with pytest.raises(TypeError, match="takes Modules, got"):
        nn.Sequential(part)
    with pytest.raises(TypeError, match="takes Modules, got"):
        sequential()[0] = part
