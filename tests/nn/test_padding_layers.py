"""Padding layers beside PyTorch's: results and gradients, settings, errors."""

import copy
import pickle

import numpy as np
import pytest
from twins import array, compare

import gpudl
from gpudl import nn

torch = pytest.importorskip("torch")

SIZES = {1: (6,), 2: (5, 6), 3: (4, 5, 6)}
COPYING = ("ReflectionPad", "ReplicationPad", "CircularPad")
WIDTHS = {
    1: [2, (1, 3), (0, 2), (-1, 2), (0, 0)],
    2: [2, (1, 2, 3, 0), [0, -1, 2, 1]],
    3: [1, (1, 0, 2, 1, 0, 3), (-1, 2, 0, 0, -1, 1)],
}
ROWS = [(ndim, widths) for ndim, each in WIDTHS.items() for widths in each]


def make(kind, ndim, *args):
    return lambda lib: getattr(lib.nn, f"{kind}{ndim}d")(*args)


@pytest.mark.parametrize("kind", [*COPYING, "ZeroPad"])
@pytest.mark.parametrize(("ndim", "padding"), ROWS)
def test_padding(device, kind, ndim, padding):
    layer = make(kind, ndim, padding)
    compare(layer, array(2, 3, *SIZES[ndim]), device=device, calls=1)
    compare(layer, array(3, *SIZES[ndim], dtype="float64"), device=device, dtype="float64", calls=1)
    compare(layer, array(0, 3, *SIZES[ndim]), device=device, calls=1)
    assert layer(gpudl).padding == layer(torch).padding


@pytest.mark.parametrize("value", [1.5, -2, 0, float("inf"), float("nan"), True])
@pytest.mark.parametrize(("ndim", "padding"), ROWS)
def test_constant_padding(device, ndim, padding, value):
    layer = make("ConstantPad", ndim, padding, value)
    compare(layer, array(2, 3, *SIZES[ndim]), device=device, calls=1, modes=("train",))
    compare(layer, array(*SIZES[ndim]), device=device, calls=1, modes=("train",))  # any dimensions before
    assert layer(gpudl).padding == layer(torch).padding


@pytest.mark.parametrize("kind", [*COPYING, "ZeroPad"])
def test_half_floats(device, kind):
    x = array(1, 2, 4, 5, dtype="float16")
    compare(make(kind, 2, (1, 2, 0, 3)), x, device=device, dtype="float16", slack=4, calls=1)


def test_constants_in_integers(device):
    x = np.arange(12).reshape(3, 4)
    got = nn.ConstantPad1d((1, 2), 7)(gpudl.tensor(x, device=device))
    want = torch.nn.ConstantPad1d((1, 2), 7)(torch.tensor(x))
    assert got.dtype == gpudl.int64
    np.testing.assert_array_equal(got.cpu().numpy(), want.numpy())


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_padding_by_zeros_is_padding_by_a_constant(ndim):
    layer = getattr(nn, f"ZeroPad{ndim}d")(1)
    assert isinstance(layer, getattr(nn, f"ConstantPad{ndim}d"))
    assert layer.value == 0.0


@pytest.mark.parametrize("kind", COPYING)
@pytest.mark.parametrize(("ndim", "shape"), [(1, (6,)), (1, (1, 2, 3, 4)), (2, (5, 6)), (3, (5, 6, 7)), (3, (1,) * 6)])
def test_inputs_have_one_or_two_dimensions_more(kind, ndim, shape):
    for lib in (torch, gpudl):
        error = ValueError if kind == "CircularPad" else NotImplementedError
        with pytest.raises(error, match=rf"^{kind}{ndim}d: " if lib is gpudl else None):
            make(kind, ndim, 1)(lib)(lib.zeros(shape))


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (make("ReflectionPad", 1, 4), (1, 2, 4), "'reflect' can add at most 3 elements to a dimension of length 4"),
        (make("CircularPad", 2, 5), (1, 2, 9, 4), "'circular' can add at most 4 elements to a dimension of length 4"),
        (make("ReplicationPad", 1, 1), (1, 2, 0), "'replicate' has nothing to copy"),
        (make("ZeroPad", 2, -2), (1, 2, 3, 9), r"\(-2, -2, -2, -2\) takes more elements from the shape"),
        (make("ConstantPad", 3, 1, 2.0), (2, 3), r"6 numbers pad 3 dimensions, the input has 2: \(2, 3\)"),
    ],
)
def test_inputs_are_checked(device, layer, shape, message):
    with pytest.raises(RuntimeError):
        layer(torch)(torch.zeros(shape))
    mine = layer(gpudl)
    with pytest.raises(gpudl.ShapeError, match=rf"^0: .*{message}"):
        nn.Sequential(mine)(gpudl.zeros(*shape, device=device))


@pytest.mark.parametrize("kind", [*COPYING, "ZeroPad"])
@pytest.mark.parametrize(
    ("padding", "error", "message"),
    [
        (1.5, TypeError, "padding must be an int or 4 of them, got 1.5"),
        ("1", TypeError, "padding must be an int or 4 of them, got '1'"),
        ((1, 2, 3), gpudl.ShapeError, r"padding must be one int or 4, got \(1, 2, 3\)"),
        # PyTorch takes these for ZeroPad2d and ConstantPad2d, and pads other dimensions than the name says.
        ((1, 1), gpudl.ShapeError, r"padding must be one int or 4, got \(1, 1\)"),
    ],
)
def test_widths_are_checked(kind, padding, error, message):
    with pytest.raises(error, match=f"^{kind}2d: {message}"):
        getattr(nn, f"{kind}2d")(padding)


@pytest.mark.parametrize("again", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))])
@pytest.mark.parametrize("kind", [*COPYING, "ZeroPad"])
def test_copies_give_the_same(kind, again):
    layer, x = getattr(nn, f"{kind}2d")((1, 2, 0, 3)), gpudl.tensor(array(2, 3, 6, 6))
    assert gpudl.equal(again(layer)(x), layer(x))
