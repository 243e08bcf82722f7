"""Dropout layers: the op in training and nothing in evaluation, masks from the seed alone, and the right shares."""

import math

import numpy as np
import pytest
from twins import array, compare, torch

import gpudl
from gpudl import nn
from gpudl.nn import functional as F

OPS = {
    "Dropout": F.dropout,
    "Dropout1d": F.dropout1d,
    "Dropout2d": F.dropout2d,
    "Dropout3d": F.dropout3d,
    "AlphaDropout": F.alpha_dropout,
    "FeatureAlphaDropout": F.feature_alpha_dropout,
}
SHAPES = {"Dropout1d": (8, 30, 7), "Dropout2d": (8, 30, 3, 4), "Dropout3d": (8, 30, 2, 3, 2)}
ALPHA = ["AlphaDropout", "FeatureAlphaDropout"]
PLAIN = [name for name in OPS if name not in ALPHA]


LIMIT = 1.0507009873554805 * 1.6732632423543772  # minus what SELU tends to: its scale * alpha


def shape_of(name):
    return SHAPES.get(name, (8, 30, 5))


def dropped(name, y, p):
    """Where a layer has dropped elements, told by their value."""
    return np.isclose(y, -LIMIT * math.sqrt((1 - p) / (1 + p * LIMIT**2)), atol=1e-6) if name in ALPHA else y == 0


@pytest.mark.parametrize("name", OPS)
def test_training_is_the_op_with_masks_from_the_seed(device, name):
    layer = getattr(nn, name)(0.3)
    x = gpudl.tensor(array(*shape_of(name)), device=device)
    gpudl.manual_seed(3)
    first, second = layer(x), layer(x)
    gpudl.manual_seed(3)
    assert gpudl.equal(OPS[name](x, 0.3, True), first)
    assert gpudl.equal(layer(x), second)
    assert not gpudl.equal(first, second)
    gpudl.manual_seed(4)
    assert not gpudl.equal(layer(x), first)


@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize("name", OPS)
def test_evaluation_gives_the_input_itself_and_draws_nothing(device, name, inplace):
    layer = getattr(nn, name)(0.9, inplace).eval()
    x = gpudl.tensor(array(*shape_of(name)), device=device)
    gpudl.manual_seed(3)
    want = gpudl.rand(4)
    gpudl.manual_seed(3)
    assert layer(x) is x
    assert x.tolist() == array(*shape_of(name)).tolist()
    assert gpudl.equal(gpudl.rand(4), want)


@pytest.mark.parametrize("p", [0, 1, 0.0, 1.0])
@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize("name", OPS)
def test_nothing_or_all_is_dropped_as_in_torch(device, name, inplace, p):
    def make(lib):
        return getattr(lib.nn, name)(p, inplace=False)

    compare(make, array(*shape_of(name)), device=device)
    x = gpudl.tensor(array(*shape_of(name)), device=device)
    y = getattr(nn, name)(p, inplace)(x)
    theirs = getattr(torch.nn, name)(p, inplace)(torch.tensor(array(*shape_of(name))))
    assert y.cpu().numpy().tolist() == theirs.numpy().tolist()


@pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
@pytest.mark.parametrize("name", PLAIN)
def test_share_and_scale(device, name, p):
    """Dropped with probability p within 5 standard errors, independently, and what is kept divided by 1 - p."""
    gpudl.manual_seed(1)
    x = gpudl.ones(200, 100, *shape_of(name)[2:], device=device) * 3
    y = getattr(nn, name)(p)(x).cpu().numpy()
    kept = y != 0
    np.testing.assert_allclose(y[kept], 3 / (1 - p), rtol=1e-6)
    channels = kept.reshape(200, 100, -1)
    if name == "Dropout":
        independent = channels
    else:
        assert (channels == channels[:, :, :1]).all()
        independent = channels[:, :, 0]
    assert abs(independent.mean() - (1 - p)) < 5 * math.sqrt(p * (1 - p) / independent.size)
    for axis in range(independent.ndim):
        shares = independent.mean(axis)
        assert shares.std() < 1.3 * math.sqrt(p * (1 - p) / independent.shape[axis])


@pytest.mark.parametrize("name", ALPHA)
def test_alpha_dropout_keeps_mean_and_variance(device, name):
    gpudl.manual_seed(1)
    x = gpudl.tensor(array(400, 500, 3), device=device)
    y = getattr(nn, name)(0.3)(x).cpu().numpy()
    assert abs(y.mean()) < 0.02
    assert abs(y.var() - 1) < 0.03
    gone = dropped(name, y, 0.3)
    assert abs(gone.mean() - 0.3) < 0.01
    whole = (gone == gone[:, :, :1]).mean() > 0.999  # some numbers that were kept come near that value by chance
    assert whole == (name == "FeatureAlphaDropout")


@pytest.mark.parametrize("name", PLAIN)
def test_in_place(device, name):
    start = array(*shape_of(name))
    x = gpudl.tensor(start, device=device)
    gpudl.manual_seed(2)
    want = getattr(nn, name)(0.5)(x)
    assert x.tolist() == start.tolist()
    gpudl.manual_seed(2)
    assert getattr(nn, name)(0.5, inplace=True)(x) is x
    assert gpudl.equal(x, want)


@pytest.mark.parametrize("name", ALPHA)
@pytest.mark.parametrize("lib", [gpudl, torch], ids=["gpudl", "torch"])
def test_alpha_dropout_never_writes_over_its_input(name, lib):
    x = lib.tensor(array(4, 5, 3), requires_grad=True)
    y = getattr(lib.nn, name)(0.5, inplace=True)(x)
    assert y is not x
    assert x.tolist() == array(4, 5, 3).tolist()


@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize("name", OPS)
def test_gradient_goes_to_what_was_kept(device, name, inplace):
    x = gpudl.tensor(array(*shape_of(name)), device=device, requires_grad=True)
    gpudl.manual_seed(2)
    y = getattr(nn, name)(0.25, inplace)(x * 1)
    y.sum().backward()
    gradient = x.grad.cpu().numpy()
    scale = 1 / 0.75 if name in PLAIN else 1 / math.sqrt(0.75 * (1 + 0.25 * LIMIT**2))
    np.testing.assert_allclose(gradient, ~dropped(name, y.detach().cpu().numpy(), 0.25) * scale, rtol=1e-6)


@pytest.mark.parametrize("shape", [(30, 7), (8, 30, 7)])
def test_dropout1d_takes_inputs_without_samples(shape):
    gpudl.manual_seed(0)
    kept = nn.Dropout1d()(gpudl.ones(shape)).numpy() != 0
    assert (kept == kept[..., :1]).all()
    assert 0.2 < kept.mean() < 0.8


@pytest.mark.parametrize("name", OPS)
@pytest.mark.parametrize("settings", [{}, {"p": 0.2}, {"p": 1}, {"p": 0.3, "inplace": True}])
def test_repr_and_attributes(name, settings):
    mine, theirs = (getattr(lib.nn, name)(**settings) for lib in (gpudl, torch))
    assert repr(mine) == repr(theirs)
    assert (mine.p, mine.inplace) == (theirs.p, theirs.inplace)
    assert not mine.state_dict()


@pytest.mark.parametrize("p", [-0.1, 1.1, math.nan])
@pytest.mark.parametrize("name", OPS)
def test_p_must_be_a_probability(name, p):
    with pytest.raises(ValueError, match=f"^{name}: p must be in \\[0, 1\\], got {p}"):
        getattr(nn, name)(p)


@pytest.mark.parametrize(
    ("name", "shape"), [("Dropout1d", (3,)), ("Dropout1d", (2, 3, 4, 5)), ("FeatureAlphaDropout", (3,))]
)
def test_errors_name_layer_and_shape(name, shape):
    with pytest.raises(gpudl.ShapeError, match=rf"^{name}: expected .*got "):
        getattr(nn, name)()(gpudl.ones(shape))
    with pytest.raises((ValueError, RuntimeError)):
        getattr(torch.nn, name)()(torch.ones(shape))


def test_integers_are_refused():
    with pytest.raises(RuntimeError, match=r"^Dropout: .*int64; cast it"):
        nn.Dropout()(gpudl.ones(3, dtype="int64"))


def test_layers_of_a_model_drop_differently_and_follow_its_mode():
    gpudl.manual_seed(0)
    model = nn.Sequential(nn.Dropout(0.5), nn.Dropout(0.5))
    x = gpudl.ones(1000)
    once, twice = model[0](x).numpy() != 0, model(x).numpy() != 0
    assert 0.4 < once.mean() < 0.6
    assert 0.2 < twice.mean() < 0.3
    assert model.eval()(x) is x
