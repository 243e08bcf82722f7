"""Losses of counts, normal variables, distributions and sequences give PyTorch's values and gradients."""

import numpy as np
import pytest
from loss_cases import REDUCTIONS, both_dtypes, check, every_reduction, labels, positive, probabilities
from tolerances import assert_close
from twins import array

import gpudl
from gpudl import nn

torch = pytest.importorskip("torch")


@both_dtypes
@every_reduction
@pytest.mark.parametrize("log_input", [True, False])
@pytest.mark.parametrize("full", [True, False])
def test_poisson(device, dtype, reduction, log_input, full):
    for shape in ((4, 3), (), (0, 3), (2, 2, 2)):
        for counts in (labels(6, *shape), positive(*shape, dtype=dtype, seed=6)):
            check(device, "PoissonNLLLoss", positive(*shape, dtype=dtype), counts, dtype=dtype, log_input=log_input,
                  full=full, eps=1e-3, reduction=reduction, slack=8)  # fmt: skip


@both_dtypes
@every_reduction
@pytest.mark.parametrize("full", [True, False])
def test_gaussian(device, dtype, reduction, full):
    for shape, of_var in (((4, 3), (4, 3)), ((4, 3), (4, 1)), ((4, 3), (4,)), ((0, 3), (0, 3)), ((5,), (5,))):
        args = (array(*shape, dtype=dtype), array(*shape, dtype=dtype, seed=2), positive(*of_var, dtype=dtype))
        check(device, "GaussianNLLLoss", *args, dtype=dtype, full=full, reduction=reduction)
        check(device, "GaussianNLLLoss", *args, dtype=dtype, full=full, reduction=reduction, eps=0.75)
    loss = nn.GaussianNLLLoss(full=full, reduction=reduction)
    x, target = (gpudl.tensor(each, device=device) for each in args[:2])
    assert gpudl.equal(loss(x, target, 0.5), loss(x, target, gpudl.full_like(x, 0.5)))


@both_dtypes
@pytest.mark.parametrize("reduction", [*REDUCTIONS, "batchmean"])
@pytest.mark.parametrize("log_target", [True, False])
@pytest.mark.filterwarnings("ignore:reduction:UserWarning:torch")
def test_divergence(device, dtype, reduction, log_target):
    for shape in ((4, 3), (2, 3, 4), (5,), ()):
        logs, target = -positive(*shape, dtype=dtype), probabilities(*shape, dtype=dtype)
        check(device, "KLDivLoss", logs, np.log(target) if log_target else target, dtype=dtype, reduction=reduction,
              log_target=log_target)  # fmt: skip


@both_dtypes
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("zero_infinity", [True, False])
@pytest.mark.parametrize("blank", [0, 3])
def test_ctc(device, dtype, reduction, zero_infinity, blank):
    """Batched and not, targets in rows and in one row; the last target of three does not fit into its input."""
    target = labels(4, 3, 4, seed=2)
    target = np.where(target == blank, blank + 1 if blank < 3 else 1, target)
    lengths, counts = np.array([7, 6, 2 if zero_infinity else 5]), np.array([3, 4, 4 if zero_infinity else 1])
    results = []
    for lib, place in ((gpudl, {"device": device}), (torch, {})):
        found = []
        loss = lib.nn.CTCLoss(blank, reduction, zero_infinity)
        row = np.concatenate([each[:n] for each, n in zip(target, counts)])
        for targets in (target, row):
            x = lib.tensor(array(7, 3, 4, dtype=dtype), **place).requires_grad_()
            given = [lib.tensor(each, **place) for each in (targets, lengths, counts)]
            y = loss(lib.nn.LogSoftmax(-1)(x), *given)
            y.sum().backward()
            found += [y, x.grad]
        x = lib.tensor(array(7, 4, dtype=dtype), **place)
        single = [lib.tensor(np.asarray(each), **place) for each in (target[0], 7, 4)]
        found.append(loss(lib.nn.LogSoftmax(-1)(x), *single))
        results.append([each.detach().cpu().numpy() for each in found])
    for got, want in zip(*results):
        assert_close(got, want, "ctc", 10)
