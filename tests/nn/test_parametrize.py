"""Parametrized tensors behave as PyTorch's: names of the state, classes, values, removal, errors."""

import copy
import pickle

import numpy as np
import pytest
from tolerances import assert_close
from twins import array, compare

import gpudl
from gpudl import nn
from gpudl.nn.utils import parametrize as P

torch = pytest.importorskip("torch")

LIBRARIES = (gpudl, torch)


class Zoo:
    """Parametrizations of a library."""

    def __init__(self, lib):
        class Symmetric(lib.nn.Module):
            def forward(self, X):
                return X.triu() + X.triu(1).T

            def right_inverse(self, A):
                return A.triu()

        class Skew(lib.nn.Module):
            def forward(self, X):
                return X.triu(1) - X.triu(1).T

        class Doubled(lib.nn.Module):
            def forward(self, X):
                return X * 2

            def right_inverse(self, A):
                return A / 2

        class Outer(lib.nn.Module):
            def forward(self, x, y):
                return x[:, None] * y

            def right_inverse(self, Z):
                return Z[:, 0].clone(), Z[0].clone()

        class Sum(lib.nn.Module):
            def forward(self, *parts):
                return parts[0] + parts[1] + parts[2]

            def right_inverse(self, Z):
                return [Z / 2, Z / 4, Z / 4]

        class Bias(lib.nn.Module):
            """With a parameter of its own."""

            def __init__(self):
                super().__init__()
                self.shift = lib.nn.Parameter(lib.ones(1) / 4)

            def forward(self, X):
                return X + self.shift

        class Refuses(lib.nn.Module):
            def forward(self, X):
                return X + 1

            def right_inverse(self, A):
                raise NotImplementedError

        class Returns(lib.nn.Module):
            """Whatever it is told to."""

            def __init__(self, forward, inverse=None):
                super().__init__()
                self.gives = forward
                if inverse is not None:
                    self.right_inverse = inverse

            def forward(self, *X):
                return self.gives(*X)

        self.__dict__.update({name: value for name, value in locals().items() if name not in ("self", "lib")})


ZOO = {lib: Zoo(lib) for lib in LIBRARIES}


def tools(lib):
    return lib.nn.utils.parametrize


def linear(lib, *parametrizations, name="weight", features=(3, 3), **settings):
    """A Linear with the same values in both libraries, parametrized."""
    layer = lib.nn.Linear(*features)
    layer.weight.data = lib.tensor(array(*features[::-1]))
    layer.bias.data = lib.tensor(array(features[1], seed=1))
    for each in parametrizations:
        tools(lib).register_parametrization(layer, name, getattr(ZOO[lib], each)(), **settings)
    return layer


STACKS = [
    ("Symmetric",),
    ("Skew",),
    ("Doubled",),
    ("Outer",),
    ("Sum",),
    ("Bias",),
    ("Refuses",),
    ("Symmetric", "Doubled"),
    ("Outer", "Doubled", "Bias"),
    ("Doubled", "Skew"),
    ("Bias", "Refuses"),
]


@pytest.mark.parametrize("stack", STACKS, ids="-".join)
def test_a_parametrized_linear_is_torchs(device, stack):
    """Names in the state, repr, outputs, and gradients of originals and of the parametrization's own parameters."""
    compare(lambda lib: linear(lib, *stack), array(2, 3), device=device, calls=1, slack=4)


@pytest.mark.parametrize("stack", STACKS, ids="-".join)
def test_the_value_after_registration_is_torchs(stack):
    got, want = (linear(lib, *stack).weight.detach().numpy() for lib in LIBRARIES)
    assert_close(got, want, "weight")


@pytest.mark.parametrize("stack", STACKS, ids="-".join)
def test_assignment_is_torchs(stack):
    results = []
    for lib in LIBRARIES:
        layer = linear(lib, *stack)
        value = lib.tensor(array(3, 3, seed=7))
        try:
            layer.weight = value
            results.append([p.detach().numpy() for p in layer.parameters()])
        except Exception as error:
            results.append(error)
    got, want = results
    if isinstance(want, Exception):
        assert isinstance(got, type(want))
    else:
        for mine, theirs in zip(got, want, strict=True):
            assert_close(mine, theirs, "parameters")


@pytest.mark.parametrize("leave", [True, False])
@pytest.mark.parametrize("stack", STACKS, ids="-".join)
def test_removal_is_torchs(stack, leave):
    results = []
    for lib in LIBRARIES:
        layer = linear(lib, *stack)
        original = getattr(layer.parametrizations.weight, "original", None)
        try:
            assert tools(lib).remove_parametrizations(layer, "weight", leave_parametrized=leave) is layer
        except ValueError:
            assert tools(lib).is_parametrized(layer, "weight")
            results.append("ValueError")
            continue
        assert type(layer) is lib.nn.Linear
        assert not hasattr(layer, "parametrizations")
        assert isinstance(layer.weight, lib.nn.Parameter)
        assert original is None or layer.weight is original
        results.append([(name, p.detach().numpy(), p.requires_grad) for name, p in layer.named_parameters()])
    got, want = results
    assert (got == "ValueError") == (want == "ValueError") == (not leave and stack[0] in ("Outer", "Sum"))
    for mine, theirs in zip(got, want) if leave else ():
        assert (mine[0], mine[2]) == (theirs[0], theirs[2])
        assert_close(mine[1], theirs[1], mine[0])


def test_the_class_and_its_life():
    layer = nn.Linear(3, 3)
    assert P.type_before_parametrizations(layer) is nn.Linear
    assert not P.is_parametrized(layer)
    zoo = ZOO[gpudl]
    assert P.register_parametrization(layer, "weight", zoo.Symmetric()) is layer
    assert type(layer).__name__ == "ParametrizedLinear"
    assert isinstance(layer, nn.Linear)
    assert P.type_before_parametrizations(layer) is nn.Linear
    assert P.is_parametrized(layer) and P.is_parametrized(layer, "weight") and not P.is_parametrized(layer, "bias")
    P.register_parametrization(layer, "bias", zoo.Doubled())
    assert list(layer.state_dict()) == ["parametrizations.weight.original", "parametrizations.bias.original"]
    assert isinstance(layer.parametrizations.weight, P.ParametrizationList)
    assert len(layer.parametrizations.weight) == 1
    P.remove_parametrizations(layer, "weight")
    assert type(layer).__name__ == "ParametrizedLinear" and P.is_parametrized(layer, "bias")
    P.remove_parametrizations(layer, "bias")
    assert type(layer) is nn.Linear
    assert list(layer.state_dict()) == ["weight", "bias"]
    other = nn.Linear(3, 3)
    assert type(other) is nn.Linear and isinstance(other.weight, nn.Parameter)


def test_two_modules_of_a_class_are_parametrized_apart():
    first, second = linear(gpudl, "Symmetric"), linear(gpudl, "Doubled", name="bias")
    assert type(first) is not type(second)
    assert not P.is_parametrized(first, "bias") and isinstance(second.weight, nn.Parameter)


def test_the_parameter_stays_the_same_so_that_an_optimizer_goes_on():
    layer = nn.Linear(3, 3)
    weight = layer.weight
    P.register_parametrization(layer, "weight", ZOO[gpudl].Symmetric())
    assert layer.parametrizations.weight.original is weight
    layer.weight = gpudl.eye(3)
    assert layer.parametrizations.weight.original is weight
    assert P.remove_parametrizations(layer, "weight").weight is weight


def test_buffers_can_be_parametrized():
    for lib in LIBRARIES:
        module = lib.nn.Module()
        module.register_buffer("scale", lib.tensor([1.0, 2.0]))
        tools(lib).register_parametrization(module, "scale", ZOO[lib].Doubled())
        assert list(module.state_dict()) == ["parametrizations.scale.original"]
        assert module.scale.tolist() == [1, 2] and not list(module.parameters())
        tools(lib).remove_parametrizations(module, "scale")
        assert [name for name, _ in module.named_buffers()] == ["scale"]
        tools(lib).register_parametrization(module, "scale", ZOO[lib].Sum())
        assert [name.rpartition(".")[2] for name, _ in module.named_buffers()] == [f"original{i}" for i in range(3)]
        tools(lib).remove_parametrizations(module, "scale")
        assert module.scale.tolist() == [1, 2] and len(module.state_dict()) == 1


def test_frozen_parameters_stay_frozen():
    for stack in (["Sum"], ["Doubled"]):
        layer = linear(gpudl)
        layer.weight.requires_grad_(False)
        P.register_parametrization(layer, "weight", getattr(ZOO[gpudl], stack[0])())
        assert not any(p.requires_grad for p in layer.parametrizations.parameters())
        assert not layer.weight.requires_grad


def test_a_parametrization_takes_on_the_mode_of_the_module():
    made = ZOO[gpudl].Doubled()
    layer = P.register_parametrization(nn.Linear(3, 3).eval(), "weight", made)
    assert not made.training
    layer.train()
    assert made.training


def test_unsafe_may_change_shape_and_dtype():
    for lib in LIBRARIES:
        layer = linear(lib, "Doubled")
        assert not layer.parametrizations.weight.unsafe
        tools(lib).remove_parametrizations(layer, "weight")
        half = ZOO[lib].Returns(lambda X: X[:, :2])
        tools(lib).register_parametrization(layer, "weight", half, unsafe=True)
        assert tuple(layer.weight.shape) == (3, 2) and layer.parametrizations.weight.unsafe
        tools(lib).register_parametrization(layer, "weight", ZOO[lib].Returns(lambda X: X.double()), unsafe=True)
        assert layer.weight.dtype == lib.float64
        with pytest.raises(RuntimeError):
            tools(lib).remove_parametrizations(layer, "weight")
        tools(lib).remove_parametrizations(layer, "weight", leave_parametrized=False)
        assert tuple(layer.weight.shape) == (3, 3)


@pytest.mark.parametrize(
    ("forward", "inverse", "first", "message"),
    [
        (lambda lib: lambda X: X.double(), None, True, "may not change the dtype"),
        (lambda lib: lambda X: X[0], None, True, "may not change the shape"),
        (lambda lib: lambda X: [X], None, True, "must give a Tensor, got list"),
        (lambda lib: lambda X: X, lambda lib: lambda A: A.double(), True, "may not change dtype or device"),
        (lambda lib: lambda X: X, lambda lib: lambda A: 3, True, "Tensor or a sequence of them, got int"),
        (lambda lib: lambda X: X, lambda lib: lambda A: [A, 3], True, "Tensors, got int at place 1"),
        (lambda lib: lambda X: X.double(), None, False, "may not change the dtype"),
        (lambda lib: lambda X: X[0], None, False, "may not change the shape"),
        (lambda lib: lambda X: (X,), None, False, "must give a Tensor, got tuple"),
        (lambda lib: lambda X: X, lambda lib: lambda A: A.double(), False, "right_inverse may not change the dtype"),
        (lambda lib: lambda X: X, lambda lib: lambda A: A[:1], False, "right_inverse may not change the shape"),
        (lambda lib: lambda X: X, lambda lib: lambda A: [A, A], False, "right_inverse must give a Tensor, got list"),
    ],
)
def test_registration_checks_what_a_parametrization_gives(forward, inverse, first, message):
    for lib in LIBRARIES:
        layer = linear(lib, *(() if first else ("Symmetric",)))
        made = ZOO[lib].Returns(forward(lib), inverse and inverse(lib))
        with pytest.raises(ValueError, match=message if lib is gpudl else None):
            tools(lib).register_parametrization(layer, "weight", made)


@pytest.mark.parametrize(
    ("stack", "inverse", "error", "message"),
    [
        ("Skew", None, RuntimeError, "parametrization Skew does not implement right_inverse"),
        ("Outer", lambda lib: lambda Z: (Z[0],), ValueError, "must give 2 tensors, got 1"),
        ("Outer", lambda lib: lambda Z: Z[0], ValueError, "sequence"),
        ("Outer", lambda lib: lambda Z: (Z[0], 3), ValueError, "got int at place 1"),
        ("Outer", lambda lib: lambda Z: (Z[0], Z[0].double()), ValueError, "float64 for original1, which is float32"),
        ("Doubled", lambda lib: lambda Z: [Z], ValueError, "must give a Tensor, got list"),
        ("Doubled", lambda lib: lambda Z: Z.double(), ValueError, "float64 for original, which is float32"),
    ],
)
def test_assignment_checks_what_right_inverse_gives(stack, inverse, error, message):
    for lib in LIBRARIES:
        layer = linear(lib, stack)
        before = [p.detach().clone() for p in layer.parameters()]
        if inverse:
            layer.parametrizations.weight[0].right_inverse = inverse(lib)
        with pytest.raises(error, match=message if lib is gpudl else None):
            layer.weight = lib.ones(3, 3)
        if lib is gpudl:
            assert all(gpudl.equal(p, q) for p, q in zip(layer.parameters(), before))


def test_a_list_of_several_parametrizations_inverts_them_from_the_last():
    values = []
    for lib in LIBRARIES:
        zoo = ZOO[lib]
        inverted = zoo.Returns(lambda X: X + 1, lambda A: A - 1)
        made = tools(lib).ParametrizationList([zoo.Doubled(), inverted], lib.tensor([4.0, 7.0]))
        values.append((made.original.tolist(), made().tolist()))
        stack = tools(lib).register_parametrization(linear(lib, "Doubled"), "weight", inverted, unsafe=True)
        assert stack.parametrizations.weight.unsafe
    assert values[0] == values[1] == ([1.5, 3], [4, 7])


def test_names_that_are_not_there():
    for lib in LIBRARIES:
        layer = linear(lib)
        layer.plain = lib.ones(2)
        layer.register_parameter("absent", None)
        for name in ("nothing", "plain", "in_features"):
            with pytest.raises(ValueError, match=name):
                tools(lib).register_parametrization(layer, name, ZOO[lib].Doubled())
        with pytest.raises(ValueError, match="weight"):
            tools(lib).remove_parametrizations(layer, "weight")
        with pytest.raises(KeyError, match="weight"):
            tools(lib).register_parametrization(layer, "weight", ZOO[lib].Doubled())
            layer.weight = lib.nn.Parameter(lib.ones(3, 3))
        with pytest.raises(ValueError, match="one or more"):
            tools(lib).ParametrizationList([], lib.ones(2))


def test_an_error_inside_says_where():
    layer = linear(gpudl)
    P.register_parametrization(layer, "weight", ZOO[gpudl].Returns(lambda X: X.nothing), unsafe=True)
    with pytest.raises(RuntimeError, match=r"parametrization of 'weight' failed: .*nothing"):
        layer(gpudl.ones(1, 3))


def test_cached_computes_once():
    calls = []
    layer = linear(gpudl)
    counted = ZOO[gpudl].Returns(lambda X: calls.append(1) or X * 2, lambda A: A / 2)
    P.register_parametrization(layer, "weight", counted)
    calls.clear()
    with P.cached():
        first = layer.weight
        with P.cached():
            assert layer.weight is first
        assert layer.weight is first and len(calls) == 1
        other = copy.deepcopy(layer)
        assert other.weight is not first and len(calls) == 2
        layer.weight = gpudl.eye(3)
        assert layer.weight.tolist() == np.eye(3).tolist() and len(calls) == 3
        with gpudl.no_grad():
            assert not layer.weight.requires_grad and len(calls) == 4
        assert layer.weight.requires_grad and len(calls) == 4
        P.register_parametrization(layer, "weight", ZOO[gpudl].Doubled(), unsafe=True)
        assert layer.weight.tolist() == (2 * np.eye(3)).tolist()
    assert layer.weight is not first
    calls.clear()
    layer(gpudl.ones(1, 3)), layer(gpudl.ones(1, 3))
    assert len(calls) == 2
    with pytest.raises(ZeroDivisionError), P.cached():
        raise ZeroDivisionError
    assert layer.weight is not layer.weight


def test_gradients_add_up_through_the_cache():
    grads = []
    for lib in LIBRARIES:
        layer = linear(lib, "Symmetric")
        with tools(lib).cached():
            layer(layer(lib.tensor(array(2, 3)))).sum().backward()
        grads.append(layer.parametrizations.weight.original.grad.numpy())
    assert_close(*grads, "gradient", 4)


def test_a_copy_is_on_its_own():
    layer = linear(gpudl, "Symmetric")
    net = nn.Sequential(layer, nn.ReLU(), layer)
    copied = copy.deepcopy(net)
    assert copied[0] is copied[2]
    assert repr(copied) == repr(net)
    assert gpudl.equal(copied[0].weight, layer.weight)
    with gpudl.no_grad():
        copied[0].parametrizations.weight.original.zero_()
    assert copied[0].weight.abs().sum().item() == 0 and layer.weight.abs().sum().item() > 0
    P.remove_parametrizations(copied[0], "weight")
    assert type(copied[0]) is nn.Linear
    assert P.is_parametrized(layer, "weight") and layer.weight.shape == (3, 3)
    P.register_parametrization(layer, "bias", ZOO[gpudl].Doubled())
    assert isinstance(copied[0].bias, nn.Parameter)


def test_pickling_is_refused():
    for lib in LIBRARIES:
        with pytest.raises(RuntimeError, match="state_dict"):
            pickle.dumps(linear(lib, "Symmetric"))


def test_state_dicts_go_round():
    first, second = linear(gpudl, "Outer", "Doubled"), linear(gpudl, "Outer", "Doubled")
    with gpudl.no_grad():
        for p in first.parameters():
            p += 1
    second.load_state_dict(first.state_dict())
    assert gpudl.equal(first.weight, second.weight)
    moved = second.double()
    assert moved.weight.dtype == gpudl.float64


@pytest.mark.parametrize("name", [None, "weight"])
@pytest.mark.parametrize("stack", STACKS, ids="-".join)
def test_transfer_shares_parametrizations_and_originals(stack, name):
    source, target = linear(gpudl, *stack), nn.Linear(3, 3)
    P.register_parametrization(source, "bias", ZOO[gpudl].Doubled())
    assert P.transfer_parametrizations_and_params(source, target, name) is target
    assert P.is_parametrized(target, "bias") == (name is None)
    theirs, mine = source.parametrizations.weight, target.parametrizations.weight
    assert theirs is not mine
    assert list(theirs.state_dict()) == list(mine.state_dict())
    assert all(p is q for p, q in zip(theirs.parameters(), mine.parameters()))
    assert list(theirs) == list(mine)
    assert gpudl.equal(source.weight, target.weight)
    P.register_parametrization(target, "weight", ZOO[gpudl].Doubled())
    assert len(theirs) == len(mine) - 1


def test_transfer_to_where_nothing_is_and_from_where_nothing_is():
    for lib in LIBRARIES:
        source, empty = linear(lib, "Symmetric"), lib.nn.Module()
        tools(lib).transfer_parametrizations_and_params(source, empty)
        assert list(empty.state_dict()) == ["parametrizations.weight.original"]
        assert lib.equal(empty.weight, source.weight)
        plain = linear(lib)
        assert not tools(lib).is_parametrized(tools(lib).transfer_parametrizations_and_params(plain, linear(lib)))
        with pytest.raises(KeyError):
            tools(lib).transfer_parametrizations_and_params(source, linear(lib), "bias")
    target = linear(gpudl, "Doubled")
    P.transfer_parametrizations_and_params(source := linear(gpudl, "Symmetric"), target)
    assert gpudl.equal(target.weight, source.weight)
