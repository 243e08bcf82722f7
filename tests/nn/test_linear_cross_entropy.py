"""LinearCrossEntropyLoss is a Linear and a CrossEntropyLoss, with PyTorch's names."""

import numpy as np
import pytest
from twins import array, compare

import gpudl
from gpudl import nn

torch = pytest.importorskip("torch")


def build(weight=None, **settings):
    def make(lib):
        given = {} if weight is None else {"weight": lib.tensor(weight)}
        layer = lib.nn.LinearCrossEntropyLoss(4, 5, **settings, **given)
        if lib is torch:  # whose options, how to compute it by parts, are not here
            shown = layer.extra_repr().replace(", options=None", "")
            layer.extra_repr = lambda: shown
        return layer

    return make


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_classes_and_probabilities(device, dtype, reduction, bias, smoothing):
    settings = {"bias": bias, "reduction": reduction, "label_smoothing": smoothing}
    where = {"device": device, "dtype": dtype, "slack": 8, "calls": 1}
    weight = np.arange(1, 6).astype(dtype)
    target = np.array([0, 4, 2, 2, 1, 3])
    for given in ({}, {"weight": weight}, {"weight": weight, "ignore_index": 2}):
        compare(build(**settings, **given), array(6, 4, dtype=dtype), target, **where)
    compare(build(**settings), array(4, dtype=dtype), np.asarray(3), **where)
    shares = np.abs(array(6, 5, dtype=dtype))
    compare(build(**settings, weight=weight), array(6, 4, dtype=dtype), shares, **where)
    compare(build(**settings), array(4, dtype=dtype), shares[0], **where)
    for places in ((2,), (3, 2)):
        places_target = np.random.default_rng(0).integers(0, 5, size=(6, *places))
        compare(build(**settings, out_features=places), array(6, 4, dtype=dtype), places_target, **where)


def test_rows_there_are_none(device):
    compare(build(), array(0, 4), np.zeros(0, int), device=device)


def test_it_is_linear_and_cross_entropy():
    layer = nn.LinearCrossEntropyLoss(4, 5, bias=True)
    x, target = gpudl.tensor(array(6, 4)), gpudl.tensor([0, 4, 2, 2, 1, 3])
    assert gpudl.equal(layer(x, target), nn.CrossEntropyLoss()(layer.linear(x), target))
    assert list(layer.state_dict()) == ["linear.weight", "linear.bias"]


def test_parameters_are_made_where_they_are_told(device):
    layer = nn.LinearCrossEntropyLoss(4, 5, bias=True, device=device, dtype="float64")
    assert all(p.dtype == gpudl.float64 and p.device is device for p in layer.parameters())


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"weight": np.ones(4, "f")}, r"weight"),
        ({"label_smoothing": 1.5}, r"label_smoothing"),
        ({"label_smoothing": -0.5}, r"label_smoothing"),
    ],
)
def test_settings_that_make_no_sense(settings, match):
    for lib in (gpudl, torch):
        with pytest.raises(RuntimeError, match=match):
            build(**settings)(lib)


def test_ignore_index_beside_probabilities():
    for lib in (gpudl, torch):
        with pytest.raises(RuntimeError, match="probabilities"):
            build(ignore_index=1)(lib)(lib.ones(3, 4), lib.ones(3, 5))


def test_shapes_that_do_not_fit():
    for shape, target, places in (((3, 5), (3,), ()), ((3, 4), (2,), ()), ((4,), (2,), (2,)), ((2, 3, 4), (2, 3), ())):
        for lib, error in ((gpudl, gpudl.ShapeError), (torch, (RuntimeError, ValueError))):
            with pytest.raises(error):
                build(out_features=places)(lib)(lib.ones(shape), lib.zeros(target, dtype=lib.int64))
