"""Convolutions and transposed convolutions as layers beside PyTorch's: results, initial values and errors."""

import copy
import itertools
import math
import pickle
from functools import partial

import numpy as np
import pytest
from twins import array, compare, twins

import gpudl
from gpudl import nn

torch = pytest.importorskip("torch")

CONV = {
    1: [
        {},
        {"stride": 2, "padding": 1},
        {"padding": 2, "dilation": 2, "groups": 2, "bias": False},
        {"padding": "same"},
        {"padding": "valid", "stride": 3},
        *({"padding": 2, "padding_mode": mode} for mode in ("reflect", "replicate", "circular")),
    ],
    2: [
        {},
        {"stride": (2, 1), "padding": (0, 2), "bias": False},
        {"padding": 2, "dilation": (1, 2), "groups": 4},
        {"padding": "same", "dilation": (3, 1), "kernel_size": (2, 5)},
        {"padding": "valid", "stride": 2},
        *({"padding": (1, 2), "padding_mode": mode} for mode in ("reflect", "replicate", "circular")),
        {"padding": "same", "padding_mode": "reflect", "kernel_size": (4, 3)},
        {"padding": "valid", "padding_mode": "circular"},
        {"padding": (2, 0), "padding_mode": "replicate", "stride": 2, "groups": 2},
    ],
    3: [
        {},
        {"stride": (1, 2, 1), "padding": (1, 0, 2), "kernel_size": (2, 3, 1)},
        {"padding": "same", "dilation": (1, 1, 2), "groups": 2},
        *({"padding": (1, 0, 1), "padding_mode": mode} for mode in ("reflect", "replicate", "circular")),
    ],
}
TRANSPOSED = {
    1: [
        {},
        {"stride": 3, "padding": 1, "output_padding": 2},
        {"dilation": 2, "groups": 2, "bias": False, "output_padding": 1},
    ],
    2: [
        {},
        {"stride": (2, 3), "padding": (1, 0), "output_padding": (1, 2)},
        {"dilation": (2, 1), "groups": 4, "kernel_size": (2, 3), "bias": False},
    ],
    3: [
        {"kernel_size": 2},
        {"stride": (1, 2, 1), "padding": (1, 0, 1), "output_padding": (0, 1, 0), "kernel_size": (2, 3, 2), "groups": 2},
    ],
}
SIZES = {1: (9,), 2: (7, 6), 3: (4, 5, 6)}


def rows(table):
    return [pytest.param(ndim, each, id=f"{ndim}d-{each}") for ndim, settings in table.items() for each in settings]


def maker(kind, ndim, settings, channels=(4, 8)):
    """library -> the layer, with a kernel of 3 unless told otherwise."""
    return lambda lib: getattr(lib.nn, f"{kind}{ndim}d")(*channels, **{"kernel_size": 3, **settings})


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize(("ndim", "settings"), rows(CONV))
def test_conv(device, ndim, settings):
    make = maker("Conv", ndim, settings)
    compare(make, array(2, 4, *SIZES[ndim]), device=device, slack=6)
    compare(make, array(4, *SIZES[ndim], dtype="float64"), device=device, dtype="float64", slack=6, calls=1)


@pytest.mark.parametrize(("ndim", "settings"), rows(TRANSPOSED))
def test_conv_transpose(device, ndim, settings):
    make = maker("ConvTranspose", ndim, settings)
    compare(make, array(2, 4, *SIZES[ndim]), device=device, slack=6)
    compare(make, array(4, *SIZES[ndim], dtype="float64"), device=device, dtype="float64", slack=6, calls=1)


@pytest.mark.parametrize("kind", ["Conv", "ConvTranspose"])
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_an_empty_batch(device, kind, ndim):
    compare(maker(kind, ndim, {}), array(0, 4, *SIZES[ndim]), device=device, calls=1)


@pytest.mark.parametrize("padding_mode", ["reflect", "replicate", "circular"])
def test_an_empty_batch_is_padded(device, padding_mode):
    make = maker("Conv", 2, {"padding": 1, "padding_mode": padding_mode})
    compare(make, array(0, 4, 5, 5), device=device, calls=1)


def test_half_floats(device):
    make = maker("Conv", 2, {"padding": 1, "stride": 2})
    compare(make, array(2, 4, 7, 6, dtype="float16"), device=device, dtype="float16", slack=4, calls=1)


@pytest.mark.parametrize(
    ("ndim", "settings", "sizes"),
    [
        (1, {"stride": 3}, [(27,), (28,), (29,), (2, 8, 28)]),
        (1, {"stride": 2, "padding": 1, "dilation": 2, "output_padding": 1}, [(19,), (20,), None]),
        (2, {"stride": (2, 3)}, [(15, 18), (16, 20), (2, 8, 15, 19)]),
        (3, {"stride": (1, 2, 1)}, [(6, 11, 8), [6, 12, 8], (2, 8, 6, 12, 8)]),
    ],
)
def test_output_size_of_a_transposed_convolution(device, ndim, settings, sizes):
    def make(lib, size):
        class Sized(getattr(lib.nn, f"ConvTranspose{ndim}d")):
            def forward(self, input):
                return super().forward(input, output_size=size)

        return Sized(4, 8, 3, **settings)

    for size in sizes:
        compare(partial(make, size=size), array(2, 4, *SIZES[ndim]), device=device, slack=6, modes=("train",))
    mine, theirs = twins(maker("ConvTranspose", ndim, settings), device)
    x = array(4, *SIZES[ndim])
    whole = (8, *(size for size in sizes[0][-ndim:]))
    got = mine(gpudl.tensor(x, device=device), whole)
    assert got.shape == tuple(theirs(torch.tensor(x), whole).shape) == whole


def test_a_transposed_convolution_undoes_the_shape_of_a_convolution():
    down, up = nn.Conv2d(3, 5, 3, stride=2, padding=1), nn.ConvTranspose2d(5, 3, 3, stride=2, padding=1)
    for size in itertools.product((6, 7), (8, 9)):
        x = gpudl.ones(2, 3, *size)
        assert up(down(x), output_size=x.size()).shape == x.shape


@pytest.mark.parametrize(
    ("size", "message"),
    [
        (
            (14, 20),
            r"expected .* from \(15, 18\) to \(16, 20\) for an input of \(2, 4, 7, 6\), got \(14, 20\)",
        ),
        ((15, 21), r"to \(16, 20\)"),
        ((15,), r"expected an output_size of 2 or 4 lengths, got \(15,\)"),
        ((8, 15, 18), "of 2 or 4 lengths"),
    ],
)
def test_an_output_size_that_cannot_be(size, message):
    for lib, error in ((torch, ValueError), (gpudl, gpudl.ShapeError)):
        layer = lib.nn.ConvTranspose2d(4, 8, 3, stride=(2, 3))
        with pytest.raises(error, match=message if lib is gpudl else None):
            layer(lib.zeros(2, 4, 7, 6), output_size=size)


SHARED = [
    ((-3, 4, 3), {}, RuntimeError, "in_channels must be >= 0, got -3"),
    ((3, 4.0, 3), {}, TypeError, "out_channels must be an int, got 4.0"),
    (("3", 4, 3), {}, TypeError, "in_channels must be an int, got '3'"),
    ((3, 4, 3.0), {}, TypeError, "kernel_size must be an int or 2 of them, got 3.0"),
    ((3, 4, (3, 3, 3)), {}, (TypeError, RuntimeError), r"kernel_size must be one int or 2, got \(3, 3, 3\)"),
    ((3, 4, 0), {}, RuntimeError, "kernel_size must be at least 1, got 0"),
    ((3, 4, 3), {"stride": 0}, RuntimeError, "stride must be at least 1, got 0"),
    ((3, 4, 3), {"dilation": (1, 0)}, RuntimeError, r"dilation must be at least 1, got \(1, 0\)"),
    ((3, 4, 3), {"padding": -1}, RuntimeError, "padding must be at least 0, got -1"),
    ((3, 4, 3), {"groups": 0}, ValueError, "groups must be >= 1, got 0"),
    ((3, 4, 3), {"groups": 2}, ValueError, "in_channels must be divisible by groups, got in_channels=3 and groups=2"),
    ((3, 4, 3), {"groups": 3}, ValueError, "out_channels must be divisible by groups, got out_channels=4 and groups=3"),
]


@pytest.mark.parametrize("kind", ["Conv2d", "ConvTranspose2d"])
@pytest.mark.parametrize(("args", "settings", "error", "message"), SHARED)
@pytest.mark.filterwarnings("ignore:Initializing zero-element")
def test_arguments_of_both_are_checked(kind, args, settings, error, message):
    with pytest.raises(error):  # PyTorch finds some of it out only when it is called
        getattr(torch.nn, kind)(*args, **settings)(torch.zeros(1, 3, 9, 9))
    with pytest.raises(error, match=f"^{kind}: {message}"):
        getattr(nn, kind)(*args, **settings)


@pytest.mark.parametrize(
    ("kind", "settings", "error", "message"),
    [
        ("Conv1d", {"padding": "full"}, ValueError, "padding must be ints, 'same' or 'valid', got 'full'"),
        ("Conv2d", {"padding": "same", "stride": (1, 2)}, ValueError, r"'same' needs stride 1, got \(1, 2\)"),
        ("Conv3d", {"padding_mode": "constant"}, ValueError, "padding_mode must be one of .*, got 'constant'"),
        ("ConvTranspose1d", {"padding_mode": "reflect"}, ValueError, "the only padding_mode is 'zeros', got 'reflect'"),
        ("ConvTranspose2d", {"padding": "same"}, TypeError, "padding must be an int or 2 of them, got 'same'"),
        ("ConvTranspose1d", {"output_padding": 0.5}, TypeError, "output_padding must be an int or 1 of them, got 0.5"),
    ],
)
def test_arguments_of_one_are_checked(kind, settings, error, message):
    with pytest.raises(error):
        getattr(torch.nn, kind)(3, 4, 3, **settings)(torch.zeros(1, 3, *(9,) * int(kind[-2])))
    with pytest.raises(error, match=message):
        getattr(nn, kind)(3, 4, 3, **settings)


@pytest.mark.parametrize(
    ("kind", "shape", "message"),
    [
        ("Conv1d", (8, 4, 5), r"expected \(n, 3, \*\) for a weight of \(6, 3, 3\) with groups=1, got \(8, 4, 5\)"),
        ("Conv2d", (8, 4, 5, 5), r"expected \(n, 3, \*, \*\) .*, got \(8, 4, 5, 5\)"),
        ("Conv2d", (4, 5, 5), r"expected \(3, \*, \*\) .*, got \(4, 5, 5\)"),
        ("Conv2d", (3,), r"expected \(batch, channels, height, width\) or \(channels, height, width\), got \(3,\)"),
        ("Conv2d", (1, 3, 2, 9), r"windows of \(3, 3\) do not fit into an input of \(2, 9\)"),
        ("Conv3d", (1, 3, 0, 9, 9), r"windows of .* do not fit into an input of \(0, 9, 9\)"),
        ("ConvTranspose2d", (8, 4, 5, 5), r"expected \(n, 3, \*, \*\) .*, got \(8, 4, 5, 5\)"),
        ("ConvTranspose3d", (4, 5, 5, 5), r"expected \(3, \*, \*, \*\) .*, got \(4, 5, 5, 5\)"),
        ("ConvTranspose1d", (2, 3, 0), r"the input \(2, 3, 0\) has no elements"),
    ],
)
def test_inputs_are_checked(device, kind, shape, message):
    with pytest.raises(RuntimeError):
        getattr(torch.nn, kind)(3, 6, 3)(torch.zeros(shape))
    net = nn.Sequential(nn.Identity(), getattr(nn, kind)(3, 6, 3, device=device))
    with pytest.raises(gpudl.ShapeError, match=rf"{message}.* \[in 1, {kind}\(3, 6, kernel_size=\("):
        net(gpudl.zeros(*shape, device=device))


def test_a_dtype_that_is_not_the_weights():
    with pytest.raises(RuntimeError, match=r"the input is float64 and the weight float32.*\[in Conv2d\(3, 6"):
        nn.Conv2d(3, 6, 3)(gpudl.zeros(1, 3, 5, 5, dtype="float64"))


def test_an_output_padding_of_a_whole_stride_is_refused():
    for lib in (torch, gpudl):
        with pytest.raises(RuntimeError, match="smaller than either stride"):
            lib.nn.ConvTranspose2d(3, 4, 3, stride=2, output_padding=2)(lib.zeros(1, 3, 5, 5))


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("Conv2d", {}),
        ("Conv1d", {"groups": 10}),
        ("Conv3d", {"kernel_size": (1, 2, 3)}),
        ("ConvTranspose2d", {}),
        ("ConvTranspose1d", {"groups": 5}),
    ],
)
def test_initial_values_are_spread_as_those_of_torch(device, kind, settings):
    """Uniform over (-k, k), k = 1 / sqrt(fan in): the bound, and the first two moments within 4 standard errors."""
    settings = {"kernel_size": 5, **settings}
    gpudl.manual_seed(3)
    torch.manual_seed(3)
    mine = getattr(nn, kind)(50, 200, device=device, **settings)
    theirs = getattr(torch.nn, kind)(50, 200, **settings)
    k = 1 / math.sqrt(math.prod(mine.weight.shape[1:]))
    for name, p in theirs.named_parameters():
        assert getattr(mine, name).shape == tuple(p.shape)
        for values in (getattr(mine, name).detach().cpu().numpy(), p.detach().numpy()):
            assert values.dtype == np.float32
            assert k * (1 - 10 / values.size) < np.abs(values).max() <= k
            assert abs(values.mean()) < 4 * k / math.sqrt(3 * values.size)
            assert abs((values**2).mean() - k * k / 3) < 4 * k * k * math.sqrt(4 / 45 / values.size)


def test_initial_values_depend_on_the_seed_alone(device):
    def values(**where):
        gpudl.manual_seed(5)
        return [p.detach().cpu().numpy() for p in nn.Conv2d(3, 4, 3, **where).parameters()]

    assert all(np.array_equal(a, b) for a, b in zip(values(), values(device=device)))


def test_reset_parameters_draws_anew_in_place():
    layer = nn.Conv2d(3, 2, 3)
    weight, bias = layer.weight, layer.bias
    before = weight.tolist(), bias.tolist()
    layer.reset_parameters()
    assert weight is layer.weight and bias is layer.bias
    assert weight.tolist() != before[0] and bias.tolist() != before[1]


def test_a_layer_without_input_channels_gives_its_bias():
    """PyTorch gives no output channels here, whatever it was told."""
    with pytest.warns(UserWarning, match="elements"):
        layer = nn.Conv2d(0, 4, 3)
    assert layer.bias.tolist() == [0] * 4
    nn.init.constant_(layer.bias, 2)
    assert gpudl.equal(layer(gpudl.zeros(2, 0, 5, 6)), gpudl.full((2, 4, 3, 4), 2.0))


@pytest.mark.parametrize("kind", ["Conv", "ConvTranspose"])
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_attributes_are_those_of_torch(kind, ndim):
    settings = {"stride": 2, "padding": [1] * ndim, "dilation": (2,) * ndim, "groups": 2, "dtype": "float64"}
    mine = maker(kind, ndim, settings)(gpudl)
    theirs = maker(kind, ndim, {**settings, "dtype": torch.float64})(torch)
    for name in [*theirs.__constants__, "transposed", "_reversed_padding_repeated_twice"]:
        assert getattr(mine, name) == getattr(theirs, name), name
    assert {p.dtype for p in mine.parameters()} == {gpudl.float64}


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_padding_by_name_is_kept_as_torch_keeps_it(padding):
    mine, theirs = (lib.nn.Conv2d(3, 4, (4, 3), dilation=(3, 2), padding=padding) for lib in (gpudl, torch))
    assert mine.padding == theirs.padding == padding
    assert list(mine._reversed_padding_repeated_twice) == list(theirs._reversed_padding_repeated_twice)


@pytest.mark.parametrize("again", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))])
@pytest.mark.parametrize("kind", ["Conv2d", "ConvTranspose2d"])
def test_copies_give_the_same(kind, again):
    layer = getattr(nn, kind)(3, 4, 3, padding=1, groups=1)
    x = gpudl.tensor(array(2, 3, 5, 6))
    assert gpudl.equal(again(layer)(x), layer(x))
    other = getattr(nn, kind)(3, 4, 3, padding=1)
    other.load_state_dict(layer.state_dict())
    assert gpudl.equal(other(x), layer(x))


def test_a_subclass_may_change_the_weight_before_it_is_used(device):
    def make(lib):
        class Standardized(lib.nn.Conv2d):
            def forward(self, input):
                return self._conv_forward(input, self.weight - self.weight.mean(), self.bias)

        return Standardized(3, 4, 3, padding=1, padding_mode="reflect")

    compare(make, array(2, 3, 5, 6), device=device, slack=6, calls=1)


def test_an_input_that_is_not_contiguous(device):
    x = array(2, 5, 6, 3)
    layer = nn.Conv2d(3, 4, 3, device=device)
    turned = gpudl.tensor(x, device=device).permute(0, 3, 1, 2)
    assert gpudl.equal(layer(turned), layer(turned.contiguous()))
