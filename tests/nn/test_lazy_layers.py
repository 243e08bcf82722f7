"""Lazy convolutions and norms become the layers they stand for, with PyTorch's shapes and the same first values."""

import copy
import pickle

import numpy as np
import pytest
from twins import array, compare, torch

import gpudl
from gpudl import nn

LAYERS = {
    **{f"Conv{n}d": ((6, 3), {"groups": 2, "padding": 1}) for n in (1, 2, 3)},
    **{f"ConvTranspose{n}d": ((6, 2), {"stride": 2, "bias": False}) for n in (1, 2, 3)},
    **{f"BatchNorm{n}d": ((1e-3,), {"momentum": 0.3}) for n in (1, 2, 3)},
    **{f"InstanceNorm{n}d": ((), {}) for n in (1, 2, 3)},
}


def lazy(name, lib=nn):
    args, kwargs = LAYERS[name]
    return getattr(lib, f"Lazy{name}")(*args, **kwargs)


def sample(name, channels=4):
    return array(2, channels, *[5] * int(name[-2]))


@pytest.mark.parametrize("name", LAYERS)
def test_the_first_input_makes_it_the_plain_layer(name, device):
    layer = lazy(name).to(device)
    assert layer.has_uninitialized_params() and type(layer).__name__ == f"Lazy{name}"
    gpudl.manual_seed(3)
    y = layer(gpudl.tensor(sample(name), device=device))
    assert type(layer) is getattr(nn, name)
    args, kwargs = LAYERS[name]
    if name.startswith("Instance"):
        kwargs = {"affine": True, "track_running_stats": True}
    gpudl.manual_seed(3)
    eager = getattr(nn, name)(4, *args, **kwargs).to(device)
    assert repr(layer) == repr(eager)
    assert gpudl.equal(eager(gpudl.tensor(sample(name), device=device)), y)
    for (label, mine), (other, theirs) in zip(layer.state_dict().items(), eager.state_dict().items(), strict=True):
        assert label == other and gpudl.equal(mine, theirs)


@pytest.mark.parametrize("name", LAYERS)
def test_outputs_gradients_and_buffers_are_torchs(name):
    def make(lib):
        layer = lazy(name, lib.nn)
        layer(lib.tensor(sample(name)))
        return layer

    compare(make, sample(name), slack=10)


@pytest.mark.parametrize("name", LAYERS)
def test_before_it_is_shown_copied_pickled_and_moved_as_in_torch(name):
    layer = lazy(name)
    assert repr(layer) == repr(lazy(name, torch.nn))
    for each in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer)), layer.double()):
        dtype = next(each.parameters()).dtype
        y = each(gpudl.tensor(sample(name)).to(dtype=dtype))
        assert y.dtype == dtype and y.shape[0] == 2


@pytest.mark.parametrize("name", LAYERS)
def test_a_state_gives_the_shapes(name):
    args, kwargs = LAYERS[name]
    if name.startswith("Instance"):
        kwargs = {"affine": True, "track_running_stats": True}
    eager = getattr(nn, name)(4, *args, **kwargs)
    layer = lazy(name)
    layer.load_state_dict(eager.state_dict())
    x = gpudl.tensor(sample(name))
    np.testing.assert_array_equal(layer(x).detach().numpy(), eager(x).detach().numpy())


def test_channels_that_the_groups_do_not_divide():
    with pytest.raises(gpudl.ShapeError, match="divisible by groups"):
        lazy("Conv2d")(gpudl.tensor(sample("Conv2d", 3)))
