"""Convolutions and transposed convolutions as layers beside PyTorch's: results, initial values and errors."""

import copy
import itertools
import pickle
from functools import partial

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
    with pytest.raises(gpudl.ShapeError, match=rf"^1: .*{message}"):
        net(gpudl.zeros(*shape, device=device))


def test_a_dtype_that_is_not_the_weights():
    with pytest.raises(RuntimeError, match=r"^Conv2d: the input is float64 and the weight float32"):
        nn.Conv2d(3, 6, 3)(gpudl.zeros(1, 3, 5, 5, dtype="float64"))


def test_an_output_padding_of_a_whole_stride_is_refused():
    for lib in (torch, gpudl):
        with pytest.raises(RuntimeError, match="smaller than either stride"):
            lib.nn.ConvTranspose2d(3, 4, 3, stride=2, output_padding=2)(lib.zeros(1, 3, 5, 5))


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
