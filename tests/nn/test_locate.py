"""An error inside a model reads "path of the layer: message", whatever it is that operations raise."""

import pickle

import pytest

import gpudl
from gpudl import nn
from gpudl.backend.errors import OutOfRangeError

torch = pytest.importorskip("torch")


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear1 = nn.Linear(4, 3)
        self.linear2 = nn.Linear(3, 4)

    def forward(self, x):
        return self.linear2(self.linear1(x))


class Encoder(nn.Module):
    """The list of layers is never called itself."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([Block() for _ in range(3)])

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = Encoder()
        self.head = nn.Sequential(nn.ReLU(), nn.Linear(4, 2))

    def forward(self, x):
        return self.head(self.encoder(x))


def message_of(call):
    with pytest.raises((ValueError, RuntimeError, TypeError, IndexError)) as caught:
        call()
    return str(caught.value)


def broken(path, layer):
    net = Net()
    net.set_submodule(path, layer)
    return net


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nn.Linear(4, 3)(gpudl.ones(2, 5)), "Linear: expected (*, 4), got (2, 5)"),
        (lambda: nn.Linear(4, 3)(gpudl.ones(())), "Linear: expected (*, 4), got ()"),
        (
            lambda: nn.Linear(4, 3)(gpudl.ones(4, dtype="float64")),
            "Linear: the input is float64 and the weight float32; cast one with to()",
        ),
        (lambda: nn.Sequential(nn.Linear(4, 3))(gpudl.ones(2, 5)), "0: expected (*, 4), got (2, 5)"),
        (lambda: Net()(gpudl.ones(8, 6)), "encoder.layers.0.linear1: expected (*, 4), got (8, 6)"),
        (
            lambda: broken("encoder.layers.2.linear2", nn.Linear(5, 4))(gpudl.ones(8, 4)),
            "encoder.layers.2.linear2: expected (*, 5), got (8, 3)",
        ),
        (lambda: broken("head.1", nn.Linear(7, 4))(gpudl.ones(8, 4)), "head.1: expected (*, 7), got (8, 4)"),
        (lambda: broken("head", nn.Unflatten(1, (3, 3)))(gpudl.ones(8, 4)), "head: (3, 3) does not multiply to 4"),
        (lambda: broken("head", nn.ModuleList())(gpudl.ones(8, 4)), "head: ModuleList has no forward method"),
        (lambda: broken("head", nn.Linear(4, 1))(gpudl.ones(8, 4), 1), "Net: "),
    ],
)
def test_an_error_names_the_layer_where_it_happened(call, message):
    assert message_of(call).startswith(message)
    assert message_of(call).count(message) == 1


@pytest.mark.parametrize(
    "given", [(gpudl.ones(2, 4),), [1.0, 2.0], None, 3, gpudl.ones(1, 4).numpy()], ids=lambda x: type(x).__name__
)
@pytest.mark.parametrize(
    "layer", [nn.Linear(4, 2), nn.LSTM(4, 2), nn.ReLU(), nn.Dropout(), nn.Conv1d(1, 1, 1), nn.GRUCell(4, 2)]
)
def test_what_is_no_tensor_is_named_with_the_layer(layer, given):
    with pytest.raises(TypeError) as caught:
        nn.Sequential(nn.Identity(), nn.Sequential(layer))(given)
    assert str(caught.value).startswith(f"1.0: expected a Tensor, got {type(given).__name__}")


class ReadsShape(nn.Module):
    def forward(self, x):
        return x.shape


class Forgets(nn.Module):
    def forward(self, x):
        return self.shape


def test_an_attribute_that_a_user_looks_for_in_vain_is_the_users_own_error():
    for layer in (ReadsShape(), Forgets()):
        with pytest.raises(AttributeError, match="object has no attribute 'shape'"):
            nn.Sequential(layer)(None)


class Raises(nn.Module):
    """Raises what it is given, deep in a model."""

    def forward(self, error):
        raise error


def raised(error):
    with pytest.raises(type(error)) as caught:
        nn.Sequential(nn.Sequential(nn.Identity(), Raises()))(error)
    assert caught.value is error
    return error


@pytest.mark.parametrize(
    "kind",
    [
        RuntimeError,
        TypeError,
        IndexError,
        ValueError,
        NotImplementedError,
        OutOfRangeError,
        gpudl.ShapeError,
        gpudl.DeviceError,
        gpudl.GraphError,
    ],
)
def test_everything_that_operations_raise_is_named(kind):
    error = raised(kind("add: it does not fit: at all"))
    assert str(error) == "0.1: add: it does not fit: at all"
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


class Mine(ValueError):
    """A user's error that means its one argument to be read by a program."""


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("two", "things"),
        RuntimeError(3),
        RuntimeError(),
        KeyError("x"),
        OSError("full"),
        ZeroDivisionError("by zero"),
        AttributeError("none"),
        Mine("code 7"),
        UnicodeDecodeError("utf-8", b"x", 0, 1, "bad"),
        StopIteration("done"),
        KeyboardInterrupt("key"),
        SystemExit("bye"),
        GeneratorExit("gone"),
        RecursionError("deep"),
    ],
)
def test_other_errors_pass_unharmed(error):
    arguments = error.args
    raised(error)
    assert error.args == arguments


@pytest.mark.parametrize(
    ("layer", "said", "left"),
    [
        ("Conv2d", "conv2d: bad", "bad"),
        ("BatchNorm1d", "batch_norm: bad", "bad"),
        ("CrossEntropyLoss", "cross_entropy: bad", "bad"),
        ("LeakyReLU", "leaky_relu: bad", "bad"),
        ("Linear", "Linear: bad", "bad"),
        ("Attention", "matmul: bad", "matmul: bad"),
        ("Linear", "lin: bad", "lin: bad"),
        ("Linear", "linear", "linear"),
        ("Linear", ": bad", ": bad"),
    ],
)
def test_the_operation_is_not_named_beside_a_layer_of_the_same_name(layer, said, left):
    made = type(layer, (Raises,), {})()
    assert message_of(lambda: made(ValueError(said))) == f"{layer}: {left}"


def test_the_operation_itself_is_named_where_there_is_no_layer():
    for lib in (gpudl, torch):
        message = message_of(lambda lib=lib: lib.nn.functional.linear(lib.ones(2, 5), lib.ones(3, 4)))
        assert lib is torch or message == "linear: expected (*, 4), got (2, 5)"


def test_a_layer_that_nobody_registered_is_named_by_its_class():
    class Hides(nn.Module):
        def __init__(self):
            super().__init__()
            self.hidden = [nn.Linear(4, 3)]

        def forward(self, x):
            return self.hidden[0](x)

    assert message_of(lambda: Hides()(gpudl.ones(2))) == "Linear: expected (*, 4), got (2,)"
    assert message_of(lambda: nn.Sequential(Hides())(gpudl.ones(2))) == "0: expected (*, 4), got (2,)"


def test_a_module_that_calls_itself_is_found():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Linear(4, 3)

        def forward(self, x, again=True):
            return self(x, False) if again else self.inner(x)

    assert message_of(lambda: Twice()(gpudl.ones(2))) == "inner: expected (*, 4), got (2,)"


def test_errors_of_hooks_are_named():
    net = nn.Sequential(nn.ReLU())

    def refuse(module, args):
        raise ValueError("no")

    net[0].register_forward_pre_hook(refuse)
    assert message_of(lambda: net(gpudl.ones(1))) == "0: no"


def test_endless_recursion_ends_as_such():
    class Endless(nn.Module):
        def forward(self, x):
            return self(x)

    with pytest.raises(RecursionError, match="^maximum recursion depth"):
        Endless()(1)
