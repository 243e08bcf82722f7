"""Losses of classes and labels give PyTorch's values and gradients for every setting."""

import math

import numpy as np
import pytest
from loss_cases import (
    REDUCTIONS,
    both_dtypes,
    build,
    check,
    dtype_of,
    every_reduction,
    labels,
    positive,
    probabilities,
    signs,
)
from tolerances import assert_close
from twins import array

import gpudl

torch = pytest.importorskip("torch")


@both_dtypes
@every_reduction
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("ignored", [-100, 2])
def test_cross_entropy(device, dtype, reduction, smoothing, weighted, ignored):
    weights = {"weight": positive(5, dtype=dtype)} if weighted else {}
    for shape in ((6, 5), (2, 5, 3), (2, 5, 2, 3)):
        target = labels(5, shape[0], *shape[2:])
        target.reshape(-1)[1] = ignored
        x = array(*shape, dtype=dtype) * 2
        check(device, "CrossEntropyLoss", x, target, weights=weights, dtype=dtype, reduction=reduction,
              label_smoothing=smoothing, ignore_index=ignored, slack=8)  # fmt: skip


@every_reduction
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weighted", [False, True])
def test_cross_entropy_with_probabilities(device, reduction, smoothing, weighted):
    weights = {"weight": positive(5)} if weighted else {}
    for shape in ((6, 5), (2, 5, 3), (5,)):
        target = np.abs(array(*shape, seed=1))
        target /= target.sum(1 if target.ndim > 1 else 0, keepdims=True)
        check(device, "CrossEntropyLoss", array(*shape), target, weights=weights, reduction=reduction,
              label_smoothing=smoothing, slack=8)  # fmt: skip


@every_reduction
@pytest.mark.parametrize("name", ["CrossEntropyLoss", "NLLLoss", "MultiMarginLoss"])
def test_one_row_none_and_all_ignored(device, name, reduction):
    check(device, name, array(5), labels(5), reduction=reduction)
    check(device, name, array(5), labels(5), reduction=reduction, weights={"weight": positive(5)})
    if name != "MultiMarginLoss":  # whose value without rows is uninitialized memory in PyTorch
        check(device, name, array(0, 5), labels(5, 0), reduction=reduction)
        check(device, name, array(3, 5), np.full(3, 1), reduction=reduction, ignore_index=1)
        check(device, name, array(5), np.asarray(1), reduction=reduction, ignore_index=1)


@both_dtypes
@every_reduction
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("ignored", [-100, 2])
def test_negative_log_likelihood(device, dtype, reduction, weighted, ignored):
    weights = {"weight": positive(5, dtype=dtype)} if weighted else {}
    for shape in ((6, 5), (2, 5, 3), (2, 5, 2, 3)):
        target = labels(5, shape[0], *shape[2:])
        target.reshape(-1)[1] = ignored
        x = -positive(*shape, dtype=dtype)
        check(device, "NLLLoss", x, target, weights=weights, dtype=dtype, reduction=reduction, ignore_index=ignored)


def test_the_former_name_of_nll_loss(device):
    results = []
    for lib in (gpudl, torch):
        with pytest.warns(FutureWarning, match="NLLLoss"):
            loss = lib.nn.NLLLoss2d(lib.ones(3), ignore_index=1, reduction="sum")
        assert isinstance(loss, lib.nn.NLLLoss)
        results.append(float(loss(lib.tensor(array(2, 3, 2, 2)), lib.tensor(labels(3, 2, 2, 2)))))
    assert math.isclose(*results, rel_tol=1e-6)


@both_dtypes
@every_reduction
@pytest.mark.parametrize("weight", [None, (3,), (4, 3), (4, 1), ()])
def test_binary_cross_entropy(device, dtype, reduction, weight):
    weights = {} if weight is None else {"weight": positive(*weight, dtype=dtype)}
    x, target = (probabilities(4, 3, dtype=dtype, seed=seed) for seed in (4, 8))
    check(device, "BCELoss", x, target, weights=weights, dtype=dtype, reduction=reduction)
    for pos_weight in (None, (3,), (4, 3)):
        both = {**weights, **({} if pos_weight is None else {"pos_weight": positive(*pos_weight, dtype=dtype, seed=9)})}
        check(device, "BCEWithLogitsLoss", array(4, 3, dtype=dtype) * 3, target, weights=both, dtype=dtype,
              reduction=reduction, slack=8)  # fmt: skip


@every_reduction
@pytest.mark.parametrize("name", ["BCELoss", "BCEWithLogitsLoss", "SoftMarginLoss"])
@pytest.mark.parametrize("shape", [(), (5,), (2, 3, 4), (0, 3)])
def test_binary_losses_of_any_shape(device, name, shape, reduction):
    # PyTorch has no gradient to the target of SoftMarginLoss: integers want none.
    target = signs(*shape, dtype="int64") if name == "SoftMarginLoss" else (signs(*shape) + 1) / np.float32(2)
    check(device, name, probabilities(*shape), target, reduction=reduction)


def test_certainties_and_far_logits(device):
    """Exactly 0 and 1 count as -100 in BCELoss; logits of any size stay finite in BCEWithLogitsLoss."""
    x = np.array([0, 1, 0, 1, 0.5], "float32")
    target = np.array([0, 1, 1, 0, 1], "float32")
    for reduction in REDUCTIONS:
        results = [
            build("BCELoss", reduction=reduction)(lib)(lib.tensor(x), lib.tensor(target)) for lib in (gpudl, torch)
        ]
        assert_close(results[0].numpy(), results[1].numpy(), reduction)
    assert results[0].tolist()[2:4] == [100, 100]
    far = np.array([1e30, -1e30, 1e4, -1e4, 0], "float32")
    for reduction in ("sum", "none"):
        check(device, "BCEWithLogitsLoss", far, target, reduction=reduction)
        check(device, "BCEWithLogitsLoss", far, target, reduction=reduction, weights={"pos_weight": positive(5)})
    check(device, "CrossEntropyLoss", np.stack([far, far[::-1]]), labels(5, 2), reduction="none")


@both_dtypes
@every_reduction
def test_losses_of_labels(device, dtype, reduction):
    for shape in ((4, 5), (5,), (2, 3, 5), (0, 5)):
        target = (signs(*shape, dtype=dtype) + 1) / dtype_of(dtype)(2)
        for weights in ({}, {"weight": positive(5, dtype=dtype)}):
            check(device, "MultiLabelSoftMarginLoss", array(*shape, dtype=dtype), target, weights=weights, dtype=dtype,
                  reduction=reduction)  # fmt: skip
    some = np.array([[3, 0, -1, 1, 2], [-1, 0, 1, 2, 3], [0, 1, 2, 3, 4], [2, 2, -1, -1, -1]])
    check(device, "MultiLabelMarginLoss", array(4, 5, dtype=dtype), some, dtype=dtype, reduction=reduction)
    check(device, "MultiLabelMarginLoss", array(5, dtype=dtype), some[0], dtype=dtype, reduction=reduction)


@both_dtypes
@every_reduction
@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("margin", [1.0, 0.3, -0.5])
def test_multi_margin(device, dtype, reduction, p, margin):
    for weights in ({}, {"weight": positive(5, dtype=dtype)}):
        check(device, "MultiMarginLoss", array(6, 5, dtype=dtype), labels(5, 6), weights=weights, dtype=dtype,
              reduction=reduction, p=p, margin=margin)  # fmt: skip
