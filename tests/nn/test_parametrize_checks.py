"""What parametrizations may give, what unsafe=True allows, and the errors of the rest."""

import pytest
from parametrizations_zoo import LIBRARIES, ZOO, linear, tools

import gpudl
from gpudl.nn.utils import parametrize as P


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
