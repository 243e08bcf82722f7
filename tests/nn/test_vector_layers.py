"""Distances of vectors and Bilinear give PyTorch's outputs and gradients."""

import math

import numpy as np
import pytest
from twins import array, compare, torch

import gpudl
from gpudl import nn

PAIRS = [((4, 3), (4, 3)), ((4, 3), (1, 3)), ((2, 4, 3), (2, 4, 3)), ((0, 3), (0, 3))]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shapes", PAIRS)
@pytest.mark.parametrize("settings", [{}, {"dim": -1}, {"dim": 0}, {"dim": 1, "eps": 3.0}])
def test_cosine_similarity(device, shapes, settings, dtype):
    given = [array(*shape, dtype=dtype, seed=seed) for seed, shape in enumerate(shapes)]
    compare(lambda lib: lib.nn.CosineSimilarity(**settings), *given, device=device, dtype=dtype, slack=4, calls=1)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shapes", [*PAIRS, ((3,), (3,))])
@pytest.mark.parametrize(
    "settings", [{}, {"p": 1}, {"p": 3.0, "eps": 0.5}, {"p": math.inf}, {"keepdim": True}, {"p": 1.5, "keepdim": True}]
)
def test_pairwise_distance(device, shapes, settings, dtype):
    given = [array(*shape, dtype=dtype, seed=seed) for seed, shape in enumerate(shapes)]
    compare(lambda lib: lib.nn.PairwiseDistance(**settings), *given, device=device, dtype=dtype, slack=4, calls=1)


def test_settings_are_attributes():
    for lib in (gpudl, torch):
        cosine, distance = lib.nn.CosineSimilarity(0, 0.1), lib.nn.PairwiseDistance(1.0, 0.2, True)
        assert (cosine.dim, cosine.eps) == (0, 0.1)
        assert (distance.norm, distance.eps, distance.keepdim) == (1.0, 0.2, True)


def test_vectors_of_different_lengths_are_refused():
    for layer in (nn.CosineSimilarity(), nn.PairwiseDistance()):
        with pytest.raises(gpudl.ShapeError, match=rf"^{type(layer).__name__}: .*\(2, 3\).*\(2, 4\)"):
            layer(gpudl.ones(2, 3), gpudl.ones(2, 4))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("lead", [(), (5,), (2, 3), (0,)])
def test_bilinear(device, lead, bias, dtype):
    given = array(*lead, 3, dtype=dtype), array(*lead, 4, dtype=dtype, seed=1)
    compare(lambda lib: lib.nn.Bilinear(3, 4, 5, bias=bias), *given, device=device, dtype=dtype, slack=4, calls=1)


@pytest.mark.parametrize("features", [(25, 30, 40), (4, 1, 5000)])
def test_initial_weights_of_bilinear_are_spread_as_those_of_torch(device, features):
    """Uniform over (-k, k): the bound, and the first two moments within 4 standard errors."""
    gpudl.manual_seed(3)
    torch.manual_seed(3)
    k = 1 / math.sqrt(features[0])
    for layer in (nn.Bilinear(*features, device=device), torch.nn.Bilinear(*features)):
        for parameter in (layer.weight, layer.bias):
            values = parameter.detach().cpu().numpy()
            assert values.dtype == np.float32
            assert k * (1 - 10 / values.size) < np.abs(values).max() <= k
            assert abs(values.mean()) < 4 * k / math.sqrt(3 * values.size)
            assert abs((values**2).mean() - k * k / 3) < 4 * k * k * math.sqrt(4 / 45 / values.size)


@pytest.mark.parametrize(
    ("features", "error", "message"),
    [
        ((0, 2, 3), ValueError, "Bilinear: in1_features must be >= 1, got 0"),
        ((2, -1, 3), gpudl.ShapeError, "Bilinear: in2_features must be >= 0, got -1"),
        ((2, 2, 1.5), TypeError, "Bilinear: out_features must be an int, got 1.5"),
    ],
)
def test_features_of_bilinear_must_be_counts(features, error, message):
    with pytest.raises((TypeError, ValueError, RuntimeError)):
        torch.nn.Bilinear(*features)
    with pytest.raises(error, match=message):
        nn.Bilinear(*features)


def test_bilinear_names_itself_and_the_shapes():
    layer = nn.Bilinear(3, 4, 5)
    with pytest.raises(gpudl.ShapeError, match=r"^Bilinear: .*\(..., 3\) and \(..., 4\).*got \(2, 3\) and \(2, 5\)"):
        layer(gpudl.ones(2, 3), gpudl.ones(2, 5))
    assert nn.Bilinear(np.int64(3), 4, 5, dtype="float64").weight.dtype == gpudl.float64
