"""Muon: PyTorch's steps, once PyTorch computes in the parameter's dtype, and near them as it is."""

import numpy as np
import pytest
from beside_torch import advance, assert_alike, host, parameters, torch

import gpudl
from gpudl import nn, optim
from gpudl.optim.muon import orthogonalize_forward

SHAPES = ((3, 4), (6, 2), (5, 5), (1, 3), "transposed")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("nesterov", [True, False])
@pytest.mark.parametrize("weight_decay", [0, 0.1])
@pytest.mark.parametrize("adjust_lr_fn", [None, "original", "match_rms_adamw"])
@pytest.mark.parametrize("newton_schulz", [{}, {"ns_steps": 3, "ns_coefficients": (2, -1.5, 0.5), "eps": 1e-3}])
def test_steps_are_those_of_torch(device, monkeypatch, dtype, nesterov, weight_decay, adjust_lr_fn, newton_schulz):
    monkeypatch.setattr(torch.Tensor, "bfloat16", torch.Tensor.clone)
    settings = {"lr": 0.05, "momentum": 0.8, "nesterov": nesterov, "weight_decay": weight_decay}
    settings |= {"adjust_lr_fn": adjust_lr_fn, **newton_schulz}
    mine = optim.Muon(parameters(gpudl, dtype, device, SHAPES), **settings)
    theirs = torch.optim.Muon(parameters(torch, dtype, shapes=SHAPES), **settings)
    advance(gpudl, mine)
    advance(torch, theirs)
    assert_alike(mine, theirs, slack=200)  # the steps magnify rounding where singular values are small


def test_bfloat16_is_all_that_differs():
    mine = optim.Muon(parameters(gpudl, shapes=SHAPES), lr=0.05)
    theirs = torch.optim.Muon(parameters(torch, shapes=SHAPES), lr=0.05)
    advance(gpudl, mine)
    advance(torch, theirs)
    for p, q in zip(mine.param_groups[0]["params"], theirs.param_groups[0]["params"]):
        np.testing.assert_allclose(host(p), q.detach().numpy(), atol=0.06)


@pytest.mark.parametrize("shape", [(8, 8), (4, 20), (20, 4)])
def test_singular_values_become_about_1(shape):
    x = np.random.default_rng(0).normal(size=shape)
    y = orthogonalize_forward(x, (3.4445, -4.7750, 2.0315), 5, 1e-7)
    values = np.linalg.svd(y, compute_uv=False)
    assert values.min() > 0.3 and values.max() < 1.3
    u, _, vt = np.linalg.svd(x, full_matrices=False)
    assert (np.diag(u.T @ y @ vt.T) > 0.3).all()


def test_only_matrices():
    with pytest.raises(ValueError, match=r"shape \(3,\); give it to AdamW"):
        optim.Muon([nn.Parameter(gpudl.ones(2, 2)), nn.Parameter(gpudl.ones(3))])


def test_a_gradient_of_zeros_moves_nothing():
    p = nn.Parameter(gpudl.ones(2, 2))
    optimizer = optim.Muon([p], weight_decay=0)
    p.grad = gpudl.zeros(2, 2)
    optimizer.step()
    assert (host(p) == 1).all()
