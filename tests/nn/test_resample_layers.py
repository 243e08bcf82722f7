"""Layers that resize, shuffle, fold and unfold, beside PyTorch's: results and gradients, settings, errors."""

import copy
import pickle

import numpy as np
import pytest
from twins import array, compare

import gpudl
from gpudl import nn

torch = pytest.importorskip("torch")

LAYERS = [
    ("Upsample", (7,), {}, (2, 3, 5)),
    ("Upsample", ((7, 3),), {}, (2, 3, 5, 4)),
    ("Upsample", (), {"scale_factor": 2}, (2, 3, 2, 3, 4)),
    ("Upsample", (), {"scale_factor": (1.5, 0.5)}, (2, 3, 5, 4)),
    ("Upsample", (), {"scale_factor": 2.5, "mode": "nearest-exact"}, (2, 3, 5, 4)),
    ("Upsample", (), {"scale_factor": 0.6, "mode": "area"}, (2, 3, 5, 4)),
    ("Upsample", (9, None, "linear"), {}, (2, 3, 5)),
    ("Upsample", (None, 1.7, "linear", True), {}, (2, 3, 5)),
    ("Upsample", (), {"scale_factor": 1.7, "mode": "bilinear"}, (2, 3, 5, 4)),
    ("Upsample", (), {"scale_factor": 1.7, "mode": "bilinear", "recompute_scale_factor": True}, (2, 3, 5, 4)),
    ("Upsample", ([4, 9],), {"mode": "bilinear", "align_corners": True}, (2, 3, 5, 4)),
    ("Upsample", (8,), {"mode": "bicubic", "align_corners": False}, (2, 3, 5, 4)),
    ("Upsample", ((3, 5, 6),), {"mode": "trilinear", "align_corners": True}, (1, 2, 2, 3, 4)),
    ("UpsamplingNearest2d", (), {"scale_factor": 2}, (2, 3, 5, 4)),
    ("UpsamplingNearest2d", ((7, 6),), {}, (2, 3, 5, 4)),
    ("UpsamplingBilinear2d", (), {"scale_factor": (2, 1.5)}, (2, 3, 5, 4)),
    ("UpsamplingBilinear2d", (9,), {}, (2, 3, 5, 4)),
    ("PixelShuffle", (1,), {}, (2, 3, 4, 5)),
    ("PixelShuffle", (2,), {}, (2, 8, 3, 4)),
    ("PixelShuffle", (3,), {}, (9, 2, 1)),
    ("PixelShuffle", (2,), {}, (2, 1, 3, 4, 5, 2)),
    ("PixelUnshuffle", (2,), {}, (2, 3, 4, 6)),
    ("PixelUnshuffle", (3,), {}, (1, 3, 6)),
    ("ChannelShuffle", (2,), {}, (2, 6, 3)),
    ("ChannelShuffle", (3,), {}, (1, 6, 3, 4)),
    ("ChannelShuffle", (1,), {}, (1, 6, 3, 4, 2)),
    ("Unfold", (2,), {}, (2, 3, 5, 6)),
    ("Unfold", ((3, 2), (1, 2), (2, 1), (2, 1)), {}, (2, 3, 5, 6)),
    ("Unfold", ([2, 2],), {"stride": 2}, (3, 5, 6)),
    ("Fold", ((5, 6), 2), {}, (2, 12, 20)),
    ("Fold", (5, (3, 2), (1, 2), (1, 0)), {"stride": (2, 1)}, (2, 12, 9)),
    ("Fold", ((4, 4), (2, 2)), {"stride": 2}, (8, 4)),
]


def make(kind, args, settings):
    return lambda lib: getattr(lib.nn, kind)(*args, **settings)


@pytest.mark.parametrize(("kind", "args", "settings", "shape"), LAYERS)
def test_results(device, kind, args, settings, shape):
    layer = make(kind, args, settings)
    for dtype in ("float32", "float64"):
        compare(layer, array(*shape, dtype=dtype), device=device, dtype=dtype, slack=8, calls=1)
    mine, theirs = layer(gpudl), layer(torch)
    for name in theirs.__constants__:
        assert getattr(mine, name) == getattr(theirs, name), name
    assert not mine.state_dict()


@pytest.mark.parametrize(
    ("kind", "args", "shape"),
    [
        ("Upsample", (4,), (0, 3, 2, 2)),
        ("ChannelShuffle", (2,), (0, 4, 3)),
        ("Unfold", (2,), (0, 3, 4, 4)),
        ("Fold", (3, 2), (0, 4, 4)),
    ],
)
def test_an_empty_batch(device, kind, args, shape):
    compare(make(kind, args, {}), array(*shape), device=device, calls=1)


def test_no_pixels_are_shuffled(device):
    """PyTorch does so too, but fails in the gradient."""
    x = gpudl.zeros(0, 4, 6, 6, device=device, requires_grad=True)
    y = nn.PixelUnshuffle(3)(nn.PixelShuffle(2)(x))
    y.sum().backward()
    assert (y.shape, x.grad.shape) == ((0, 9, 4, 4), x.shape)


@pytest.mark.parametrize(
    ("kind", "args", "shape"),
    [("Upsample", (7, None, "bilinear"), (1, 2, 4, 5)), ("Unfold", (2,), (1, 2, 3, 4)), ("Fold", (3, 2), (1, 8, 4))],
)
def test_half_floats(device, kind, args, shape):
    x = array(*shape, dtype="float16")
    compare(make(kind, args, {}), x, device=device, dtype="float16", slack=4, calls=1)


def test_shuffles_and_folds_undo_each_other(device):
    x = gpudl.tensor(array(2, 4, 6, 8), device=device)
    assert gpudl.equal(nn.PixelShuffle(2)(nn.PixelUnshuffle(2)(x)), x)
    assert gpudl.equal(nn.ChannelShuffle(2)(nn.ChannelShuffle(2)(x)), x)
    assert gpudl.equal(nn.Fold((6, 8), 2, stride=2)(nn.Unfold(2, stride=2)(x)), x)


def test_named_upsampling_is_upsampling():
    for layer, mode, corners in (
        (nn.UpsamplingNearest2d(2), "nearest", None),
        (nn.UpsamplingBilinear2d(2), "bilinear", True),
    ):
        assert isinstance(layer, nn.Upsample)
        assert (layer.name, layer.mode, layer.align_corners) == (type(layer).__name__, mode, corners)


WRONG = [
    ("Upsample", (), {}, ValueError, "give either size or scale_factor, got None and None", (1, 4, 4, 4)),
    ("Upsample", (4, 2.0), {}, ValueError, "give either size or scale_factor, got 4 and 2.0", (1, 4, 4, 4)),
    ("Upsample", (4.5,), {}, TypeError, "size must be an int", (1, 4, 4, 4)),
    ("Upsample", ((4, 0),), {}, RuntimeError, r"size must be at least 1, got \(4, 0\)", (1, 4, 4, 4)),
    ("Upsample", (), {"scale_factor": "x"}, ValueError, "could not convert string to float", (1, 4, 4, 4)),
    ("Upsample", (4,), {"mode": "cubic"}, NotImplementedError, "mode must be one of .*, got 'cubic'", (1, 4, 4, 4)),
    ("Upsample", (4,), {"align_corners": True}, ValueError, "mode 'nearest' takes no align_corners", (1, 4, 4, 4)),
    ("PixelShuffle", (0,), {}, RuntimeError, "upscale_factor must be >= 1, got 0", (1, 4, 4, 4)),
    ("PixelShuffle", (2.0,), {}, TypeError, "upscale_factor must be an int, got 2.0", (1, 4, 4, 4)),
    ("PixelUnshuffle", (-1,), {}, RuntimeError, "downscale_factor must be >= 1, got -1", (1, 4, 4, 4)),
    ("ChannelShuffle", (0,), {}, RuntimeError, "groups must be >= 1, got 0", (1, 4, 4, 4)),
    ("Unfold", ((2, 2, 2),), {}, RuntimeError, r"kernel_size must be one int or 2, got \(2, 2, 2\)", (1, 4, 4, 4)),
    ("Unfold", (2, 0), {}, RuntimeError, "dilation must be at least 1, got 0", (1, 4, 4, 4)),
    ("Unfold", (2.0,), {}, TypeError, "kernel_size must be an int or 2 of them, got 2.0", (1, 4, 4, 4)),
    ("Fold", (4, 0), {}, RuntimeError, "kernel_size must be at least 1, got 0", (1, 4, 9)),
    ("Fold", (0, 2), {}, RuntimeError, "output_size must be at least 1, got 0", (1, 4, 9)),
    ("Fold", (4, 2), {"padding": -1}, RuntimeError, "padding must be at least 0, got -1", (1, 4, 9)),
    ("Fold", (4, 2, 1, 0, 0), {}, RuntimeError, "stride must be at least 1, got 0", (1, 4, 9)),
]


@pytest.mark.parametrize(("kind", "args", "settings", "error", "message", "shape"), WRONG)
def test_arguments_are_checked(kind, args, settings, error, message, shape):
    with pytest.raises(error):  # PyTorch finds most of it out only when it is called
        getattr(torch.nn, kind)(*args, **settings)(torch.zeros(shape))
    with pytest.raises(error, match=message):
        getattr(nn, kind)(*args, **settings)


@pytest.mark.parametrize(
    ("kind", "args", "shape", "error", "message"),
    [
        ("Upsample", (4,), (3, 4), NotImplementedError, r"expected \(batch, channels, ...\) of 3 to 5 .* got \(3, 4\)"),
        ("Upsample", ((4, 4),), (1, 3, 4), ValueError, "has 2 numbers, the input 1 dimensions after two"),
        ("UpsamplingBilinear2d", (4,), (1, 3, 4), NotImplementedError, "'bilinear' needs an input of 4 dimensions"),
        ("PixelShuffle", (2,), (1, 6, 3, 3), RuntimeError, r"6 channels are no multiple of 2\*\*2"),
        ("PixelUnshuffle", (2,), (1, 6, 3, 4), RuntimeError, "height and width must be multiples of 2"),
        ("ChannelShuffle", (4,), (1, 6, 3, 4), RuntimeError, "4 groups do not divide the 6 channels"),
        ("Unfold", (5,), (1, 2, 4, 4), RuntimeError, r"windows of \(5, 5\) .* do not fit into \(4, 4\)"),
        ("Fold", (4, 2), (1, 4, 8), RuntimeError, r"expected \(batch, channels \* 4, 9\), got \(1, 4, 8\)"),
    ],
)
def test_inputs_are_checked(device, kind, args, shape, error, message):
    with pytest.raises(error):
        getattr(torch.nn, kind)(*args)(torch.zeros(shape))
    with pytest.raises(error, match=rf"^0: .*{message}"):
        nn.Sequential(getattr(nn, kind)(*args))(gpudl.zeros(*shape, device=device))


def test_scale_factors_are_floats():
    assert nn.Upsample(scale_factor=2).scale_factor == 2.0
    assert repr(nn.Upsample(scale_factor=(2, np.float32(1.5)))) == "Upsample(scale_factor=(2.0, 1.5), mode='nearest')"
    assert nn.Upsample(scale_factor=[2, 3]).scale_factor == (2.0, 3.0)  # a list stops PyTorch


@pytest.mark.parametrize("again", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))])
@pytest.mark.parametrize(("kind", "args"), [("Upsample", (7,)), ("PixelUnshuffle", (2,)), ("Unfold", (2,))])
def test_copies_give_the_same(kind, args, again):
    layer, x = getattr(nn, kind)(*args), gpudl.tensor(array(2, 4, 6, 6))
    assert gpudl.equal(again(layer)(x), layer(x))
