"""Losses where a table does not reach: messages that name the fix, labels that repeat, zero distances, ignored rows."""

import numpy as np
import pytest
from oracle import assert_same, check_gradients, host, ours, theirs, torch

import gpudl
import gpudl.nn.functional as F
from gpudl.autograd import gradgradcheck


@pytest.mark.parametrize("op", ["l1_loss", "mse_loss", "smooth_l1_loss", "huber_loss", "binary_cross_entropy"])
def test_shapes_are_not_broadcast(op, device):
    with pytest.raises(gpudl.ShapeError, match=rf"{op}.*\(3, 1\).*\(3,\)"):
        getattr(F, op)(gpudl.ones(3, 1, device=device), gpudl.ones(3, device=device))


@pytest.mark.parametrize("op", ["binary_cross_entropy", "binary_cross_entropy_with_logits"])
def test_weights_do_not_enlarge_the_input(op, device):
    x = gpudl.ones(3, 4, device=device)
    with pytest.raises(gpudl.ShapeError, match=rf"{op}: weight \(2, 3, 4\)"):
        getattr(F, op)(x, x, gpudl.ones(2, 3, 4, device=device))


@pytest.mark.parametrize("op", ["nll_loss", "multi_margin_loss"])
def test_weights_of_classes_have_no_gradient(op, device):
    x, labels = gpudl.ones(2, 3, device=device), ours(np.array([0, 1]), device)
    with pytest.raises(RuntimeError, match="detach"):
        getattr(F, op)(x, labels, weight=gpudl.ones(3, device=device, requires_grad=True))


@pytest.mark.parametrize("op", ["nll_loss", "multi_margin_loss"])
def test_labels_out_of_range_name_the_label(op, device):
    x = gpudl.ones(2, 3, device=device)
    if device.type == "cpu":
        for bad in (3, -1):
            with pytest.raises(IndexError, match=f"{op}: target {bad} .*3 classes"):
                getattr(F, op)(x, ours(np.array([0, bad]), device))


def test_an_ignored_row_may_be_infinite_and_its_weight_too(device):
    x, labels = np.array([[-np.inf, -1.0, -2.0], [-1.0, -2.0, -3.0]]), np.array([0, 2])
    weight = np.array([np.inf, 1.0, 2.0])
    t = ours(x, device, grad=True)
    loss = F.nll_loss(t, ours(labels, device), ours(weight, device), ignore_index=0)
    loss.backward()
    assert loss.item() == 3
    np.testing.assert_array_equal(host(t.grad), [[0, 0, 0], [0, 0, -1]])


def test_weights_of_elements_have_gradients(device):
    rng = np.random.default_rng(0)
    x, t, w = (ours(rng.uniform(0.1, 0.9, (3, 4)), device, grad=True) for _ in range(3))
    for op in ("l1_loss", "mse_loss", "huber_loss", "binary_cross_entropy", "binary_cross_entropy_with_logits"):
        assert gradgradcheck(lambda *a, op=op: getattr(F, op)(a[0], a[1] + 1 * ("l1" in op), weight=a[2])
                             if "binary" not in op else getattr(F, op)(*a), [x, t, w])  # fmt: skip


def test_a_label_that_stands_twice_counts_twice(device):
    x, labels = np.array([[0.1, 0.2, 0.4, 0.8]]), np.array([[3, 3, 0, -1]])
    mine, twin = ours(x, device, grad=True), theirs(x, grad=True)
    got = F.multilabel_margin_loss(mine, ours(labels, device))
    want = torch.nn.functional.multilabel_margin_loss(twin, theirs(labels))
    assert_same(got, want, "labels")
    check_gradients(got, want, [mine], [twin], "labels")


@pytest.mark.parametrize("p", [1.0, 2.0, 3.0])
def test_a_distance_of_zero_has_no_slope(p, device):
    x = ours(np.ones((2, 3)), device, grad=True)
    F.triplet_margin_loss(x, x.detach(), x.detach() + 2, margin=9.0, p=p, eps=0.0, reduction="sum").backward()
    assert np.isfinite(host(x.grad)).all()


def test_soft_margin_loss_does_not_overflow(device):
    x = ours(np.array([1e4, -1e4], "float32"), device, grad=True)
    loss = F.soft_margin_loss(x, gpudl.ones(2, device=device), reduction="none")
    loss.sum().backward()
    np.testing.assert_array_equal(host(loss), [0, 1e4])
    np.testing.assert_array_equal(host(x.grad), [0, -1])


def test_negative_variances_are_refused(device):
    x = gpudl.ones(2, 3, device=device)
    if device.type == "cpu":
        with pytest.raises(ValueError, match="negative"):
            F.gaussian_nll_loss(x, x, -x)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_counts_without_stirlings_term_have_finite_gradients(reduction, device):
    x, t = np.array([0.5, -1.0, 2.0, 1.5]), np.array([0.0, -0.0, 1.0, -3.0])
    rate, count = ours(x, device, grad=True), ours(t, device, grad=True)
    F.poisson_nll_loss(rate, count, full=True, reduction=reduction).backward()
    divisor = 4 if reduction == "mean" else 1
    np.testing.assert_allclose(host(count.grad), -x / divisor)
    np.testing.assert_allclose(host(rate.grad), (np.exp(x) - t) / divisor)


def test_the_divergence_of_the_smallest_probability_has_an_exact_gradient(device):
    x, t = np.array([-2.0, -1.0], "float32"), np.array([1e-42, 1e-45], "float32")
    target = ours(t, device, grad=True)
    (F.kl_div(ours(x, device), target, reduction="sum") / 12).backward()
    np.testing.assert_allclose(host(target.grad), (np.log(t.astype("float64")) + 1 - x) / 12, 1e-5)
