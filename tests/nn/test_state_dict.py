"""State dictionaries: PyTorch's names and order, values from anywhere, and all or nothing."""

import numpy as np
import pytest

import gpudl
from gpudl.nn import Linear, Module, Parameter, Sequential

torch = pytest.importorskip("torch")


def net_of(lib):
    """A model whose parts are shared, nested, absent and unnamed by the alphabet."""

    class Block(lib.nn.Module):
        def __init__(self, width):
            super().__init__()
            self.register_buffer("steps", lib.tensor(3))
            self.outer = lib.nn.Linear(width, 2, bias=False)
            self.inner = lib.nn.Sequential(lib.nn.Linear(2, width), lib.nn.ReLU(), lib.nn.Linear(width, 2))
            self.gain = lib.nn.Parameter(lib.ones(()))
            self.register_buffer("scratch", lib.zeros(2), persistent=False)

    class Net(lib.nn.Module):
        def __init__(self):
            super().__init__()
            self.z = Block(3)
            self.a = Block(4)
            self.tied = self.z.outer
            self.own = lib.nn.Parameter(lib.ones(2, 2))
            self.own_too = self.own

    return Net()


def values_of(net):
    return {name: value.numpy().copy() for name, value in net.state_dict().items()}


def assert_values(net, want):
    got = values_of(net)
    assert list(got) == list(want)
    for name, value in want.items():
        assert got[name].dtype == value.dtype, name
        assert np.array_equal(got[name], value), name


@pytest.fixture
def net():
    return net_of(gpudl)


@pytest.fixture
def given():
    """A PyTorch state_dict of the same architecture with values of its own."""
    torch.manual_seed(1)
    other = net_of(torch)
    with torch.no_grad():
        for number, buffer in enumerate(other.buffers()):
            buffer += number + 1
    return other.state_dict()


def test_names_order_and_shapes_are_those_of_torch(net):
    mine, other = net.state_dict(), net_of(torch).state_dict()
    assert [(name, value.shape) for name, value in mine.items()] == [(n, tuple(v.shape)) for n, v in other.items()]
    assert {"z.outer.weight", "tied.weight", "own", "own_too"} <= set(mine)
    assert not [name for name in mine if "scratch" in name]


def test_entries_are_plain_tensors_on_the_memory_of_the_module(net):
    entry = net.state_dict()["z.outer.weight"]
    assert type(entry) is gpudl.Tensor
    assert not entry.requires_grad
    assert np.shares_memory(entry.array, net.z.outer.weight.array)
    loss = (net.z.outer.weight * net.z.outer.weight).sum()
    entry.zero_()
    with pytest.raises(gpudl.GraphError, match="changed in place"):
        loss.backward()


def test_prefix_and_keep_vars(net):
    kept = net.z.state_dict(prefix="part.", keep_vars=True)
    assert list(kept) == ["part." + name for name in net.z.state_dict()]
    assert kept["part.gain"] is net.z.gain


def test_round_trip_between_models(net):
    other = net_of(gpudl)
    assert not np.array_equal(values_of(other)["tied.weight"], values_of(net)["tied.weight"])
    result = other.load_state_dict(net.state_dict())
    assert result == ([], [])
    assert result.missing_keys == result.unexpected_keys == []
    assert_values(other, values_of(net))
    assert not np.shares_memory(other.own.array, net.own.array)


def as_tensors(state):
    return {name: gpudl.from_numpy(value.numpy()) for name, value in state.items()}


def as_arrays(state):
    return {name: value.numpy() for name, value in state.items()}


def as_lists_inside(state):
    """Objects that only know __array__, as the arrays of other libraries do."""

    class Foreign:
        def __init__(self, value):
            self.value = value

        def __array__(self, dtype=None, copy=None):
            return np.array(self.value.tolist(), self.value.dtype)

    return {name: Foreign(value.numpy()) for name, value in state.items()}


@pytest.mark.parametrize("form", [dict, as_tensors, as_arrays, as_lists_inside])
def test_takes_the_values_of_a_torch_model(net, given, form):
    parameters = list(net.parameters())
    net.load_state_dict(form(given))
    assert_values(net, as_arrays(given))
    assert all(before is after for before, after in zip(parameters, net.parameters(), strict=True))
    assert all(p.requires_grad for p in parameters)


def test_a_torch_model_takes_our_values(net):
    other = net_of(torch)
    other.load_state_dict({name: torch.from_numpy(value) for name, value in values_of(net).items()})
    assert all(np.array_equal(value.numpy(), values_of(net)[name]) for name, value in other.state_dict().items())


def test_values_are_cast_to_what_the_module_has(net, given):
    net.double()
    net.load_state_dict({name: np.asarray(value, np.float32) for name, value in given.items()})
    assert {str(value.dtype) for value in net.state_dict().values()} == {"float64", "int64"}
    assert np.array_equal(net.own.detach().numpy(), given["own"].numpy())


def test_float64_values_are_not_rounded_on_the_way():
    layer = Linear(1, 1, dtype="float64")
    values = {"weight": torch.full((1, 1), 1 / 3, dtype=torch.float64), "bias": np.array([2 / 3])}
    layer.load_state_dict(values)
    assert layer.weight.item() == 1 / 3
    assert layer.bias.item() == 2 / 3


def spoilt(given):
    state = as_tensors(given)
    del state["own"], state["z.gain"]
    state["extra"] = state["z.stranger"] = gpudl.ones(1)
    state["a.outer.weight"] = gpudl.ones(4, 2)
    state["a.inner.0.weight"] = gpudl.ones(4, 1)  # would broadcast
    state["a.gain"] = "a string"
    state["z.inner.0.bias"] = None
    return state


def test_refuses_with_a_report_of_everything_and_changes_nothing(net, given):
    before, versions = values_of(net), [p._version[0] for p in net.parameters()]
    with pytest.raises(RuntimeError) as caught:
        net.load_state_dict(spoilt(given))
    assert str(caught.value).split("\n\t") == [
        "Error(s) in loading state_dict for Net:",
        'Missing key(s) in state_dict: "own", "z.gain".',
        'Unexpected key(s) in state_dict: "extra", "z.stranger".',
        "z.inner.0.bias: expected a Tensor or an array, got NoneType",
        "a.gain: expected a Tensor or an array, got str",
        "size mismatch for a.outer.weight: got (4, 2), the module has (2, 4).",
        "size mismatch for a.inner.0.weight: got (4, 1), the module has (4, 2).",
    ]
    assert_values(net, before)
    assert versions == [p._version[0] for p in net.parameters()]


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("spoil", ["missing", "unexpected", "shape", "value"])
def test_refuses_what_torch_refuses(net, given, strict, spoil):
    if spoil == "missing":
        del given["own"]
    elif spoil == "unexpected":
        given["none.such"] = torch.ones(1)
    else:
        given["a.outer.weight"] = torch.ones(4, 2) if spoil == "shape" else "a string"
    outcomes = []
    for model, state in ((net, dict(given)), (net_of(torch), given)):
        try:
            result = model.load_state_dict(state, strict=strict)
            outcomes.append((result.missing_keys, result.unexpected_keys))
        except RuntimeError:
            outcomes.append("refused")
    assert outcomes[0] == outcomes[1]


def test_what_matches_is_loaded_when_not_strict(net, given):
    del given["own"], given["own_too"]
    given["extra"] = torch.ones(1)
    result = net.load_state_dict(given, strict=False)
    assert result.missing_keys == ["own", "own_too"]
    assert result.unexpected_keys == ["extra"]
    assert net.own.detach().tolist() == [[1, 1], [1, 1]]
    assert np.array_equal(net.z.outer.weight.detach().numpy(), given["z.outer.weight"].numpy())


def test_a_parameter_that_is_none_has_no_entry():
    layer = Linear(2, 2, bias=False)
    assert list(layer.state_dict()) == ["weight"]
    with pytest.raises(RuntimeError, match=r'Unexpected key\(s\) in state_dict: "bias"'):
        layer.load_state_dict(Linear(2, 2).state_dict())


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (torch.ones(2, dtype=torch.bfloat16), "BFloat16"),
        (torch.ones(2, requires_grad=True), "requires grad"),
        (np.array(["a", "b"]), "elements of"),
        (np.ones(2, np.complex64), "complex64"),
    ],
)
def test_an_array_that_cannot_be_read_is_named_with_the_reason(value, reason):
    net = Module()
    net.w = Parameter(gpudl.zeros(2))
    with pytest.raises(RuntimeError, match=rf"(?s)for Module:\n\tw: .*{reason}"):
        net.load_state_dict({"w": value})


@pytest.mark.parametrize("state", [[("weight", 1)], None, "weights.pt"])
def test_needs_a_mapping(state):
    with pytest.raises(TypeError, match="expected a mapping"):
        Sequential().load_state_dict(state)


def test_loading_makes_older_graphs_fail(net):
    loss = (net.own * net.own).sum()
    net.load_state_dict(net_of(gpudl).state_dict())
    with pytest.raises(gpudl.GraphError, match="changed in place"):
        loss.backward()


def test_parameters_stay_on_their_device(device):
    layer = Linear(2, 2, device=device)
    layer.load_state_dict({"weight": np.ones((2, 2), np.float32), "bias": gpudl.zeros(2)})
    assert layer.weight.device is layer.bias.device is device
    assert layer.weight.tolist() == [[1, 1], [1, 1]]
