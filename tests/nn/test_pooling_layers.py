"""Pooling layers beside PyTorch's: results and gradients, settings, errors."""

import copy
import pickle

import numpy as np
import pytest
from twins import array, compare, twins

import gpudl
from gpudl import nn

torch = pytest.importorskip("torch")

SIZES = {1: (11,), 2: (9, 8), 3: (6, 7, 8)}

LAYERS = [
    ("MaxPool1d", (3,), {}),
    ("MaxPool1d", ((2,), 1, 1, 2), {}),
    ("MaxPool1d", (3,), {"stride": 2, "ceil_mode": True, "return_indices": True}),
    ("MaxPool2d", (2,), {}),
    ("MaxPool2d", (3, 2, 1), {}),
    ("MaxPool2d", ([2, 3],), {"stride": (1, 2), "dilation": (3, 2), "padding": (0, 1)}),
    ("MaxPool2d", (3,), {"stride": 2, "ceil_mode": True}),
    ("MaxPool2d", ((3, 2),), {"padding": 1, "return_indices": True}),
    ("MaxPool3d", (2,), {}),
    ("MaxPool3d", ((1, 2, 3),), {"stride": (1, 2, 1), "padding": (0, 1, 1), "ceil_mode": True}),
    ("MaxPool3d", (2,), {"dilation": 2, "return_indices": True}),
    ("AvgPool1d", (3,), {}),
    ("AvgPool1d", (4, 3, 2, True, False), {}),
    ("AvgPool1d", ((2,),), {"stride": (1,), "padding": (1,), "count_include_pad": True}),
    ("AvgPool2d", (2,), {}),
    ("AvgPool2d", ((3, 2),), {"stride": (2, 1), "padding": (1, 0)}),
    ("AvgPool2d", (3, 2, 1, True, False), {}),
    ("AvgPool2d", (2,), {"divisor_override": 3}),
    ("AvgPool2d", (2,), {"stride": 3, "ceil_mode": True}),
    ("AvgPool3d", (2,), {}),
    ("AvgPool3d", ([1, 2, 3], [1, 2, 1], [0, 1, 1]), {"ceil_mode": True, "count_include_pad": False}),
    ("AvgPool3d", (2,), {"stride": 1, "divisor_override": -2}),
    ("LPPool1d", (2, 3), {}),
    ("LPPool1d", (2.0, 3), {"stride": 1, "ceil_mode": True}),
    ("LPPool2d", (2, 3), {}),
    ("LPPool2d", (4, (2, 3)), {"stride": (1, 2), "ceil_mode": True}),
    ("LPPool3d", (2, 2), {}),
    ("LPPool3d", (2, (1, 2, 3)), {"stride": 2}),
    ("AdaptiveAvgPool1d", (4,), {}),
    ("AdaptiveAvgPool1d", ((1,),), {}),
    ("AdaptiveAvgPool2d", (3,), {}),
    ("AdaptiveAvgPool2d", ((None, 4),), {}),
    ("AdaptiveAvgPool2d", (1,), {}),
    ("AdaptiveAvgPool3d", ((3, 2, 5),), {}),
    ("AdaptiveAvgPool3d", ((2, None, None),), {}),
    ("AdaptiveMaxPool1d", (5,), {}),
    ("AdaptiveMaxPool1d", (5, True), {}),
    ("AdaptiveMaxPool2d", ((3, 4),), {}),
    ("AdaptiveMaxPool2d", ([None, 4],), {"return_indices": True}),
    ("AdaptiveMaxPool3d", (2,), {}),
    ("AdaptiveMaxPool3d", ((None, 2, 3),), {"return_indices": True}),
]


def make(kind, args, settings):
    return lambda lib: getattr(lib.nn, kind)(*args, **settings)


@pytest.mark.parametrize(("kind", "args", "settings"), LAYERS)
def test_pooling(device, kind, args, settings):
    layer, size = make(kind, args, settings), SIZES[int(kind[-2])]
    # The p-norm takes roots of sums of powers, which only even powers keep from being negative.
    compare(layer, array(2, 3, *size), device=device, slack=6, calls=1)
    compare(layer, array(3, *size, dtype="float64"), device=device, dtype="float64", slack=6, calls=1)
    mine, theirs = layer(gpudl), layer(torch)
    for name in theirs.__constants__:
        assert getattr(mine, name) == getattr(theirs, name), name
    assert not mine.state_dict()


@pytest.mark.parametrize("kind", ["MaxPool", "AvgPool", "AdaptiveAvgPool", "AdaptiveMaxPool"])
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_an_empty_batch(device, kind, ndim):
    compare(make(f"{kind}{ndim}d", (2,), {}), array(0, 3, *SIZES[ndim]), device=device, calls=1)


@pytest.mark.parametrize("kind", ["MaxPool2d", "AvgPool2d", "AdaptiveAvgPool2d", "AdaptiveMaxPool2d"])
def test_half_floats(device, kind):
    x = array(2, 3, 9, 8, dtype="float16")
    compare(make(kind, (3,), {}), x, device=device, dtype="float16", slack=4, calls=1)


@pytest.mark.parametrize("kind", ["MaxPool2d", "AvgPool2d", "AdaptiveMaxPool2d", "AdaptiveAvgPool2d"])
def test_nan_stays(device, kind):
    x = array(1, 2, 6, 6)
    x[0, 0, 1, 2] = np.nan
    compare(make(kind, (3,), {}), x, device=device, calls=1)


@pytest.mark.parametrize("norm_type", [float("inf"), 3, 1])
def test_the_p_norm_of_positive_numbers(device, norm_type):
    compare(make("LPPool2d", (norm_type, 3), {"stride": 2}), np.abs(array(2, 3, 7, 8)), device=device, slack=8, calls=1)


def test_indices_are_those_that_unpooling_takes(device):
    pool = nn.MaxPool2d(2, return_indices=True)
    y, at = pool(gpudl.tensor(array(2, 3, 6, 8), device=device))
    assert at.dtype == gpudl.int64
    assert gpudl.equal(pool(nn.MaxUnpool2d(2)(y.exp(), at))[0], y.exp())
    assert gpudl.equal(nn.MaxPool2d(2)(gpudl.tensor(array(2, 3, 6, 8), device=device)), y)


UNPOOLED = [
    (1, (2,), {}, None),
    (1, ((3,), 2, 1), {}, (11,)),
    (2, (2,), {}, (9, 8)),
    (2, ((3, 2),), {"stride": (2, 1), "padding": (1, 0)}, (2, 3, 9, 8)),
    (2, (3, 2), {}, (9, 8)),
    (3, (2,), {}, [6, 7, 8]),
    (3, ((2, 3, 2),), {"stride": 2}, None),
]


@pytest.mark.parametrize(("ndim", "args", "settings", "output_size"), UNPOOLED)
@pytest.mark.parametrize("batch", [(2,), ()])
def test_unpooling(device, ndim, args, settings, output_size, batch):
    if output_size is not None and not batch:
        output_size = output_size[-ndim:]
    layer = make(f"MaxUnpool{ndim}d", args, settings)
    y, at = getattr(torch.nn, f"MaxPool{ndim}d")(*args, **settings, return_indices=True)(
        torch.tensor(array(*batch, 3, *SIZES[ndim]))
    )

    def sized(lib):
        class Sized(type(layer(lib))):
            def forward(self, input, indices):
                return super().forward(input, indices, output_size)

        return Sized(*args, **settings)

    # Where windows overlap, a place may be named twice; each time with the same element, as in the gradient.
    compare(sized, y.numpy(), at.numpy(), device=device, calls=1)
    mine, theirs = layer(gpudl), layer(torch)
    assert (mine.kernel_size, mine.stride, mine.padding) == (theirs.kernel_size, theirs.stride, theirs.padding)


@pytest.mark.parametrize(
    ("output_size", "error", "message"),
    [((3, 4), ValueError, r"^Max.*: .*output_size \(3, 4\) must be less"), ((4,), ValueError, "2 or 4 lengths, got")],
)
def test_unpooling_to_a_size_that_cannot_be(output_size, error, message):
    for lib in (torch, gpudl):
        pool, unpool = lib.nn.MaxPool2d(2, return_indices=True), lib.nn.MaxUnpool2d(2)
        with pytest.raises(error, match=message if lib is gpudl else None):
            unpool(*pool(lib.ones(1, 1, 6, 6)), output_size=output_size)


FRACTIONAL = [
    (2, (2,), {"output_size": 4}),
    (2, ((3, 2),), {"output_size": (3, 5)}),
    (2, (2,), {"output_ratio": 0.5}),
    (2, (3,), {"output_ratio": (0.6, 0.4), "return_indices": True}),
    (3, (2,), {"output_size": 3}),
    (3, ((2, 1, 2),), {"output_ratio": (0.5, 0.6, 0.3), "return_indices": True}),
]


@pytest.mark.parametrize(("ndim", "args", "settings"), FRACTIONAL)
def test_fractional_pooling_of_given_samples(device, ndim, args, settings):
    samples = np.random.default_rng(2).random((2, 3, ndim))

    def layer(lib):
        drawn = lib.tensor(samples)
        return getattr(lib.nn, f"FractionalMaxPool{ndim}d")(*args, **settings, _random_samples=drawn)

    for dtype in ("float32", "float64"):
        compare(layer, array(2, 3, *SIZES[ndim], dtype=dtype), device=device, dtype=dtype, calls=1)
    mine, theirs = layer(gpudl), layer(torch)
    assert list(mine.state_dict()) == ["_random_samples"]
    for name in ("kernel_size", "output_size", "output_ratio", "return_indices"):
        assert getattr(mine, name) == getattr(theirs, name), name


@pytest.mark.parametrize("ndim", [2, 3])
def test_fractional_pooling_draws_anew(device, ndim):
    layer = getattr(nn, f"FractionalMaxPool{ndim}d")(2, output_size=3)
    assert layer._random_samples is None and not layer.state_dict()
    assert repr(layer) == f"FractionalMaxPool{ndim}d()"
    x = gpudl.tensor(array(8, 5, *(9,) * ndim), device=device)
    gpudl.manual_seed(1)
    first, second = layer(x), layer(x)
    gpudl.manual_seed(1)
    assert first.shape == (8, 5, *(3,) * ndim)
    assert gpudl.equal(layer(x), first)
    assert not gpudl.equal(first, second)


WRONG = [
    ("MaxPool2d", (0,), {}, RuntimeError, "kernel_size must be at least 1, got 0"),
    ("MaxPool2d", (2.5,), {}, TypeError, "kernel_size must be an int or 2 of them, got 2.5"),
    ("MaxPool2d", ((2, 2, 2),), {}, RuntimeError, r"kernel_size must be one int or 2, got \(2, 2, 2\)"),
    ("MaxPool2d", (2, 0), {}, RuntimeError, "stride must be at least 1, got 0"),
    ("MaxPool1d", (2,), {"padding": -1}, RuntimeError, "padding must be at least 0, got -1"),
    ("MaxPool3d", (2,), {"dilation": 0}, RuntimeError, "dilation must be at least 1, got 0"),
    ("MaxUnpool2d", (2,), {"stride": 1.5}, TypeError, "stride must be an int or 2 of them, got 1.5"),
    ("AvgPool1d", ((2, 2),), {}, RuntimeError, r"kernel_size must be one int or 1, got \(2, 2\)"),
    ("AvgPool1d", (2, 0), {}, RuntimeError, "stride must be at least 1, got 0"),
    ("AvgPool2d", (2,), {"divisor_override": 0}, RuntimeError, "divisor_override must not be 0"),
    ("AvgPool2d", (2,), {"divisor_override": 1.5}, TypeError, "divisor_override must be an int or None, got 1.5"),
    ("AvgPool3d", (2, 2, -1), {}, RuntimeError, "padding must be at least 0, got -1"),
    ("LPPool1d", (2, "3"), {}, TypeError, "kernel_size must be an int or 1 of them, got '3'"),
    ("LPPool2d", (2, 3, 0), {}, RuntimeError, "stride must be at least 1, got 0"),
    ("AdaptiveAvgPool1d", (None,), {}, TypeError, "output_size must be an int or 1 of them, got None"),
    ("AdaptiveAvgPool2d", (None,), {}, TypeError, "output_size must be an int or 2 of them, got None"),
    ("AdaptiveAvgPool2d", (-1,), {}, RuntimeError, "output_size must be at least 0, got -1"),
    ("AdaptiveMaxPool2d", (2.5,), {}, TypeError, "output_size must be an int or 2 of them, got 2.5"),
    ("AdaptiveMaxPool3d", ((2, 2),), {}, (RuntimeError, ValueError), r"output_size must be one int or 3, got \(2, 2"),
    ("FractionalMaxPool2d", (2,), {}, ValueError, "give either output_size or output_ratio, got None and None"),
    ("FractionalMaxPool3d", (2, 3, 0.5), {}, ValueError, "give either output_size or output_ratio, got 3 and 0.5"),
    ("FractionalMaxPool2d", (2,), {"output_ratio": 1.5}, ValueError, r"one number or 2 in \(0, 1\), got 1.5"),
    ("FractionalMaxPool2d", (2,), {"output_ratio": "a"}, (TypeError, ValueError), r"in \(0, 1\)|not supported"),
    ("FractionalMaxPool3d", (0, 2), {}, ValueError, "kernel_size must be at least 1, got 0"),
]


@pytest.mark.parametrize(("kind", "args", "settings", "error", "message"), WRONG)
def test_arguments_are_checked(kind, args, settings, error, message):
    with pytest.raises(error):  # PyTorch finds most of it out only when it is called
        layer = getattr(torch.nn, kind)(*args, **settings)
        x = torch.zeros(1, 2, *(6,) * int(kind[-2]))
        layer(x, x.long()) if "Unpool" in kind else layer(x)
    with pytest.raises(error, match=message):
        getattr(nn, kind)(*args, **settings)


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (lambda lib: lib.nn.MaxPool2d(2), (3,), r"expected \(batch, channels, height, width\) or .*, got \(3,\)"),
        (lambda lib: lib.nn.MaxPool2d(2, padding=2), (1, 1, 8, 8), r"padding \(2, 2\) must be at most half"),
        (lambda lib: lib.nn.AvgPool1d(3), (1, 1, 2), r"windows of \(3,\) .* do not fit into an input of \(2,\)"),
        (lambda lib: lib.nn.AvgPool3d(2), (1, 0, 4, 4, 4), "has no elements; only the batch may be empty"),
        (lambda lib: lib.nn.AdaptiveAvgPool2d(2), (2, 2), r"expected \(batch, channels, height, width\) or .*, got"),
        (lambda lib: lib.nn.AdaptiveMaxPool1d(2), (1, 2, 0), "has no elements to pool"),
        (lambda lib: lib.nn.FractionalMaxPool2d(3, 5), (1, 2, 6, 6), r"\(5, 5\) windows of \(3, 3\) do not fit"),
    ],
)
def test_inputs_are_checked(device, layer, shape, message):
    with pytest.raises(RuntimeError):
        layer(torch)(torch.zeros(shape))
    mine = layer(gpudl)
    with pytest.raises(gpudl.ShapeError, match=rf"^0: .*{message}"):
        nn.Sequential(mine)(gpudl.zeros(*shape, device=device))


def test_a_norm_of_order_zero_is_refused():
    for lib in (torch, gpudl):
        with pytest.raises(ZeroDivisionError):
            lib.nn.LPPool2d(0, 2)(lib.ones(1, 1, 4, 4))


@pytest.mark.parametrize("again", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))])
@pytest.mark.parametrize(("kind", "args"), [("MaxPool2d", (2,)), ("AdaptiveAvgPool2d", (1,)), ("LPPool2d", (2, 2))])
def test_copies_give_the_same(kind, args, again):
    layer, x = getattr(nn, kind)(*args), gpudl.tensor(array(2, 3, 6, 6))
    assert gpudl.equal(again(layer)(x), layer(x))


def test_settings_may_be_changed_later():
    mine, theirs = twins(lambda lib: lib.nn.MaxPool2d(2))
    for layer in (mine, theirs):
        layer.stride, layer.padding = 1, (0, 1)
    x = array(1, 2, 5, 6)
    assert repr(mine) == repr(theirs)
    np.testing.assert_array_equal(mine(gpudl.tensor(x)).numpy(), theirs(torch.tensor(x)).numpy())
