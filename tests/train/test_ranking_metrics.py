"""Areas under curves against scikit-learn's: ties, absent classes, one class only."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from sklearn import metrics as oracle

import gpudl
from gpudl.train import metrics

RANDOM = np.random.default_rng(3)
ROWS, CLASSES = 61, 4
LABELS = RANDOM.integers(0, CLASSES, ROWS)
LOGITS = RANDOM.normal(size=(ROWS, CLASSES)) + 1.5 * np.eye(CLASSES)[LABELS]
POWERS = np.exp(LOGITS) / np.exp(LOGITS).sum(1, keepdims=True)
TWO = (LABELS > 1).astype(np.int64)
MANY = RANDOM.integers(0, 2, (ROWS, 3))
AREAS = {
    "roc": (metrics.AUROC, oracle.roc_auc_score),
    "precision": (metrics.AveragePrecision, oracle.average_precision_score),
}


def area(metric, output, target, device="cpu", batch=25):
    for start in range(0, max(len(output), 1), batch):
        end = start + batch
        metric.update(gpudl.tensor(output[start:end], device=device), gpudl.tensor(target[start:end], device=device))
    return metric.compute().cpu().numpy()


def without_warnings(function, *args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*args, **kwargs)


@pytest.mark.parametrize("digits", [1, 9])
@pytest.mark.parametrize("kind", AREAS)
def test_two_classes_equal_scikit_learn_with_ties(kind, digits, device):
    ours, theirs = AREAS[kind]
    scores = np.round(LOGITS[:, 2], digits).astype(np.float32)
    wanted = theirs(TWO, scores)
    for batch in (9, ROWS):
        assert area(ours(), scores, TWO, device, batch) == pytest.approx(wanted, rel=1e-14)
    assert area(ours(average="binary"), scores[:, None], TWO, device) == pytest.approx(wanted, rel=1e-14)


@pytest.mark.parametrize("kind", AREAS)
def test_all_scores_equal_and_perfect_and_reversed(kind):
    ours, theirs = AREAS[kind]
    for scores in (np.zeros(ROWS), TWO.astype(float), -TWO.astype(float), np.where(TWO, np.inf, -np.inf)):
        finite = np.clip(scores, -9, 9)
        assert area(ours(), scores, TWO) == pytest.approx(theirs(TWO, finite), rel=1e-14)


@pytest.mark.parametrize("average", ["macro", "weighted", "none"])
@pytest.mark.parametrize("kind", AREAS)
def test_one_against_the_rest_equals_scikit_learn(kind, average, device):
    ours, theirs = AREAS[kind]
    mode = None if average == "none" else average
    wanted = theirs(np.eye(CLASSES, dtype=int)[LABELS], POWERS, average=mode)
    np.testing.assert_allclose(area(ours(average=average), POWERS, LABELS, device), wanted, rtol=1e-14)
    np.testing.assert_allclose(area(ours(average=average), LOGITS, LABELS, device), wanted, rtol=1e-14)
    if kind == "roc" and mode:
        assert wanted == pytest.approx(theirs(LABELS, POWERS, multi_class="ovr", average=mode))


@pytest.mark.parametrize("average", ["macro", "weighted", "none"])
@pytest.mark.parametrize("absent", [0, 1])
@pytest.mark.parametrize("kind", AREAS)
def test_absent_labels_equal_scikit_learn(kind, absent, average):
    ours, theirs = AREAS[kind]
    target = MANY.copy()
    target[:, 1] = absent
    mode = None if average == "none" else average
    wanted = without_warnings(theirs, target, POWERS[:, :3], average=mode)
    np.testing.assert_allclose(area(ours(average=average), POWERS[:, :3], target), wanted, rtol=1e-14)


@pytest.mark.parametrize("kind", AREAS)
def test_one_class_only_equals_scikit_learn(kind, device):
    ours, theirs = AREAS[kind]
    for target in (np.zeros(ROWS, np.int64), np.ones(ROWS, np.int64)):
        wanted = without_warnings(theirs, target, POWERS[:, 0])
        np.testing.assert_allclose(area(ours(), POWERS[:, 0], target, device), wanted)


@pytest.mark.parametrize("make", [metrics.AUROC, metrics.AveragePrecision])
def test_no_sample_nan_and_ignored(make, device):
    assert math.isnan(make().compute())
    assert math.isnan(area(make(), np.zeros(0), np.zeros(0, np.int64), device))
    assert math.isnan(area(make(ignore_index=0), np.ones(3), np.zeros(3, np.int64), device))
    scores = LOGITS[:, 0].copy()
    scores[5] = np.nan
    assert math.isnan(area(make(), scores, TWO, device))
    target = np.where(np.arange(ROWS) == 5, -1, TWO)
    kept = target != -1
    assert area(make(ignore_index=-1), scores, target, device) == pytest.approx(
        area(make(), scores[kept], target[kept]), rel=1e-14
    )


def test_scores_of_several_classes_are_logits_if_one_that_counts_is(device):
    target = np.where(np.arange(ROWS) == 5, -1, LABELS)
    powers = RANDOM.uniform(size=(ROWS, CLASSES))
    powers[5] = 7
    kept = target != -1
    wanted = oracle.roc_auc_score(np.eye(CLASSES)[LABELS[kept]], powers[kept])
    assert area(metrics.AUROC(ignore_index=-1), powers, target, device) == pytest.approx(wanted, rel=1e-14)
    logits = np.float32([[0, 20], [0, 25]])  # the probabilities of class 1 are equal in float32
    assert area(metrics.AUROC(), logits, np.array([0, 1]), device) == 1


def test_class_numbers_have_no_curve():
    with pytest.raises(ValueError, match="needs scores"):
        metrics.AUROC(num_classes=2).update(gpudl.tensor([0, 1]), gpudl.tensor([0, 1]))
    assert area(metrics.AUROC(), np.array([True, False]), np.array([1, 0])) == 1
    with pytest.raises(TypeError, match="must be a Tensor, got list"):
        metrics.AUROC().update([0.1, 0.9], gpudl.tensor([0, 1]))


def test_half_floats(device):
    scores = LOGITS[:, 2].astype(np.float16)
    assert area(metrics.AUROC(), scores, TWO, device) == pytest.approx(oracle.roc_auc_score(TWO, scores), rel=1e-14)


def test_outputs_changed_later_do_not_change_the_area():
    metric, scores = metrics.AUROC(), gpudl.tensor([0.1, 0.9])
    metric.update(scores, gpudl.tensor([0, 1]))
    scores.mul_(-1)
    assert metric.compute().item() == 1
