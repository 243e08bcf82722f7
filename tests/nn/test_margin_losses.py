"""Losses of pairs and triples give PyTorch's values and gradients for every setting."""

import math

import pytest
from loss_cases import both_dtypes, check, every_reduction, positive, signs
from tolerances import assert_close
from twins import array

import gpudl
from gpudl import nn

torch = pytest.importorskip("torch")


@both_dtypes
@every_reduction
@pytest.mark.parametrize("margin", [None, 0.3, -0.2, 2.0])
def test_pairs(device, dtype, reduction, margin):
    given = {"dtype": dtype, "reduction": reduction, **({} if margin is None else {"margin": margin})}
    for shape in ((6,), (4, 3), (), (0, 3)):
        x, y = array(*shape, dtype=dtype), array(*shape, dtype=dtype, seed=2)
        check(device, "MarginRankingLoss", x, y, signs(*shape, dtype=dtype), **given)
        check(device, "HingeEmbeddingLoss", positive(*shape, dtype=dtype), signs(*shape).astype("int64"), **given)
    for shape in ((6, 4), (4,), (0, 4)):
        x, y = array(*shape, dtype=dtype), array(*shape, dtype=dtype, seed=2)
        check(device, "CosineEmbeddingLoss", x, y, signs(*shape[:-1]).astype("int64"), **given)


@both_dtypes
@every_reduction
@pytest.mark.parametrize("swap", [True, False])
@pytest.mark.parametrize("p", [1.0, 2.0, 3.0, math.inf])
def test_triplets(device, dtype, reduction, swap, p):
    for shape in ((5, 4), (4,), (2, 3, 4)):
        args = [array(*shape, dtype=dtype, seed=seed) for seed in (0, 1, 2)]
        settings = {"dtype": dtype, "reduction": reduction, "swap": swap, "margin": 0.7}
        check(device, "TripletMarginLoss", *args, p=p, eps=1e-3, **settings)
    check(device, "TripletMarginLoss", *(array(5, 4, seed=seed) for seed in (0, 1, 2)), reduction=reduction)


class Manhattan:
    """A distance that both libraries compute."""

    def __call__(self, x, y):
        return (x - y).abs().sum(-1)

    def __repr__(self):
        return "Manhattan()"


@both_dtypes
@every_reduction
@pytest.mark.parametrize("swap", [True, False])
@pytest.mark.parametrize("distance", [None, Manhattan()])
def test_triplets_with_a_distance(device, dtype, reduction, swap, distance):
    results = []
    for lib, place in ((gpudl, {"device": device}), (torch, {})):
        given = [lib.tensor(array(5, 4, dtype=dtype, seed=seed), **place).requires_grad_() for seed in (0, 1, 2)]
        settings = {"margin": 0.4, "swap": swap, "reduction": reduction, "distance_function": distance}
        y = lib.nn.TripletMarginWithDistanceLoss(**settings)(*given)
        (y * y).sum().backward()
        results.append([y.detach().cpu().numpy(), *(x.grad.cpu().numpy() for x in given)])
    for got, want in zip(*results):
        assert_close(got, want, "loss and gradients", 8)


def test_a_distance_that_is_a_module_is_trained(device):
    class Weighted(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(gpudl.ones(4, device=device))

        def forward(self, x, y):
            return ((x - y) * self.scale).abs().sum(-1)

    loss = nn.TripletMarginWithDistanceLoss(distance_function=Weighted())
    assert [name for name, _ in loss.named_parameters()] == ["distance_function.scale"]
    loss(*(gpudl.tensor(array(5, 4, seed=seed), device=device) for seed in (0, 1, 2))).backward()
    assert loss.distance_function.scale.grad.abs().sum() > 0
