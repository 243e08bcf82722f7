"""Metrics of classifiers against scikit-learn's, whatever the sizes of the batches, on every device."""

from __future__ import annotations

import functools
import math
import warnings

import numpy as np
import pytest
from sklearn import metrics as oracle

import gpudl
from gpudl import sim
from gpudl.train import metrics

RANDOM = np.random.default_rng(7)
ROWS, CLASSES = 57, 5
SCORES = RANDOM.normal(size=(ROWS, CLASSES)).astype(np.float32)
SCORES[:, 3] = -9  # never predicted
LABELS = RANDOM.choice([0, 1, 3, 4], ROWS)  # class 2 has no sample
LABELS[:20] = np.where(SCORES[:20].argmax(1) == 2, 0, SCORES[:20].argmax(1))
PREDICTED = SCORES.argmax(1)
LABELS_OF_MANY = RANDOM.integers(0, 2, (ROWS, 4))
LABELS_OF_MANY[:, 2] = 0
POWERS = RANDOM.uniform(size=(ROWS, 4)).astype(np.float32)
POWERS[:, 1] = 0.1

SHARES = {
    "precision": (metrics.Precision, oracle.precision_score),
    "recall": (metrics.Recall, oracle.recall_score),
    "f1": (metrics.F1Score, oracle.f1_score),
    "jaccard": (metrics.JaccardIndex, oracle.jaccard_score),
}


def fed(metric, output, target, device="cpu", batch=20):
    """The metric after batches of this size."""
    for start in range(0, len(output), batch):
        end = start + batch
        metric.update(gpudl.tensor(output[start:end], device=device), gpudl.tensor(target[start:end], device=device))
    return metric


def value(metric):
    return metric.compute().cpu().numpy()


def present(*labels):
    return sorted(set(np.concatenate(labels).tolist()))


@pytest.mark.parametrize("average", ["micro", "macro", "weighted", "none"])
@pytest.mark.parametrize("kind", SHARES)
def test_shares_of_classes_equal_scikit_learn(kind, average, device):
    ours, theirs = SHARES[kind]
    labels = list(range(CLASSES)) if average == "none" else None
    wanted = theirs(LABELS, PREDICTED, labels=labels, average=None if average == "none" else average, zero_division=0)
    found = value(fed(ours(average=average), SCORES, LABELS, device, 25))
    np.testing.assert_allclose(found, wanted, rtol=1e-14)
    for batch in (1, 1000):
        np.testing.assert_array_equal(value(fed(ours(average=average), SCORES, LABELS, batch=batch)), found)


@pytest.mark.parametrize("zero_division", [0.0, 1.0, math.nan])
@pytest.mark.parametrize("average", ["macro", "weighted", "none"])
@pytest.mark.parametrize("kind", ["precision", "recall", "f1"])
def test_zero_division_equals_scikit_learn(kind, average, zero_division):
    ours, theirs = SHARES[kind]
    labels = list(range(CLASSES)) if average == "none" else None
    mode = None if average == "none" else average
    wanted = theirs(LABELS, PREDICTED, labels=labels, average=mode, zero_division=zero_division)
    found = value(fed(ours(average=average, zero_division=zero_division), SCORES, LABELS))
    np.testing.assert_allclose(found, wanted, rtol=1e-14)


@pytest.mark.parametrize("average", ["micro", "macro", "weighted", "none"])
@pytest.mark.parametrize("kind", SHARES)
def test_shares_of_labels_equal_scikit_learn(kind, average, device):
    ours, theirs = SHARES[kind]
    mode = None if average == "none" else average
    wanted = theirs(LABELS_OF_MANY, POWERS > 0.5, average=mode, zero_division=0)
    np.testing.assert_allclose(value(fed(ours(average=average), POWERS, LABELS_OF_MANY, device)), wanted, rtol=1e-14)
    logits = np.log(POWERS / (1 - POWERS))
    np.testing.assert_allclose(value(fed(ours(average=average), logits, LABELS_OF_MANY, device)), wanted, rtol=1e-14)


def test_no_label_at_all_equals_scikit_learn():
    nothing = np.zeros_like(LABELS_OF_MANY)
    for average in ("macro", "weighted", "micro"):
        for ours, theirs in (SHARES["precision"], SHARES["recall"]):
            wanted = theirs(nothing, POWERS > 0.5, average=average, zero_division=1)
            assert value(fed(ours(average=average, zero_division=1.0), POWERS, nothing)) == pytest.approx(wanted)


@pytest.mark.parametrize("threshold", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("kind", SHARES)
def test_two_ways_equal_scikit_learn(kind, threshold):
    ours, theirs = SHARES[kind]
    target, powers = LABELS_OF_MANY[:, 0], POWERS[:, 0].copy()
    powers[:5] = threshold  # is not above it
    wanted = theirs(target, powers > threshold, zero_division=0)
    for output in (powers, powers[:, None], powers > threshold):
        for labels in (target, target[:, None]):
            assert value(fed(ours(threshold=threshold), output, labels)) == pytest.approx(wanted, rel=1e-14)
    assert value(fed(ours(average="binary", threshold=threshold), powers, target)) == pytest.approx(wanted)


def test_beta_equals_scikit_learn():
    wanted = oracle.fbeta_score(LABELS, PREDICTED, beta=0.5, average="macro")
    assert value(fed(metrics.FBetaScore(beta=0.5), SCORES, LABELS)) == pytest.approx(wanted, rel=1e-14)


def test_accuracy_equals_scikit_learn(device):
    wanted = oracle.accuracy_score(LABELS, PREDICTED)
    assert value(fed(metrics.Accuracy(), SCORES, LABELS, device)) == pytest.approx(wanted, rel=1e-15)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # class 2 is predicted and has no sample
        balanced = oracle.balanced_accuracy_score(LABELS, PREDICTED)
    assert value(fed(metrics.Accuracy(average="macro"), SCORES, LABELS, device)) == pytest.approx(balanced, rel=1e-14)
    each = value(fed(metrics.Accuracy(average=None), SCORES, LABELS, device))
    assert math.isnan(each[2]) and each[3] == 0
    numbers = metrics.Accuracy(num_classes=CLASSES)
    assert value(fed(numbers, PREDICTED, LABELS, device)) == pytest.approx(wanted, rel=1e-15)
    one_hot = np.eye(CLASSES, dtype=np.float32)[LABELS]
    for dtype in (np.float32, bool):
        metric = fed(metrics.Accuracy("multiclass"), SCORES, one_hot.astype(dtype), device)
        assert value(metric) == pytest.approx(wanted, rel=1e-15)


def test_accuracy_of_labels_counts_each_of_them(device):
    wanted = ((POWERS > 0.5) == LABELS_OF_MANY).mean(0)
    assert value(fed(metrics.Accuracy(), POWERS, LABELS_OF_MANY, device)) == pytest.approx(wanted.mean(), rel=1e-14)
    np.testing.assert_allclose(value(fed(metrics.Accuracy(average="none"), POWERS, LABELS_OF_MANY, device)), wanted)
    for dtype in (gpudl.float32, gpudl.bfloat16, gpudl.float16, gpudl.bool, gpudl.uint8):
        metric = metrics.Accuracy()
        metric.update(gpudl.tensor(POWERS, device=device), gpudl.tensor(LABELS_OF_MANY, device=device).to(dtype))
        assert value(metric) == pytest.approx(wanted.mean(), rel=1e-14)


@pytest.mark.parametrize("k", [1, 2, 3, 5, 9])
def test_top_k_equals_scikit_learn_with_ties(k, device):
    tied = np.round(SCORES)
    # Among equal scores scikit-learn prefers the class with the higher number, so it gets them in the other order.
    turned = CLASSES - 1 - LABELS
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # k above the number of classes
        wanted = oracle.top_k_accuracy_score(turned, tied[:, ::-1], k=k, labels=range(CLASSES))
    assert value(fed(metrics.TopKAccuracy(k), tied, LABELS, device)) == pytest.approx(wanted, rel=1e-15)
    if k == 1:
        assert value(fed(metrics.Accuracy(), tied, LABELS, device)) == pytest.approx(wanted, rel=1e-15)


@pytest.mark.parametrize("normalize", [None, "true", "pred", "all"])
def test_confusion_matrix_equals_scikit_learn(normalize, device):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = oracle.confusion_matrix(LABELS, PREDICTED, labels=range(CLASSES), normalize=normalize)
    metric = fed(metrics.ConfusionMatrix(normalize=normalize), SCORES, LABELS, device)
    np.testing.assert_allclose(value(metric), wanted, rtol=1e-15)
    two = fed(metrics.ConfusionMatrix(normalize=normalize), POWERS[:, 0], LABELS_OF_MANY[:, 0], device)
    wanted = oracle.confusion_matrix(LABELS_OF_MANY[:, 0], POWERS[:, 0] > 0.5, normalize=normalize)
    np.testing.assert_allclose(value(two), wanted, rtol=1e-15)
    if normalize is None:
        assert two.compute().dtype == gpudl.int64
        metric.compute().zero_()
        np.testing.assert_array_equal(value(metric), oracle.confusion_matrix(LABELS, PREDICTED, labels=range(CLASSES)))
        many = fed(metrics.ConfusionMatrix(), POWERS, LABELS_OF_MANY, device)
        np.testing.assert_array_equal(value(many), oracle.multilabel_confusion_matrix(LABELS_OF_MANY, POWERS > 0.5))


def test_segmentation_maps_are_many_samples(device):
    scores = RANDOM.normal(size=(4, 3, 5, 6)).astype(np.float32)
    maps = RANDOM.integers(0, 3, (4, 5, 6))
    maps[0, :2] = 255
    wanted = oracle.jaccard_score(maps[maps != 255], scores.argmax(1)[maps != 255], average="macro")
    metric = fed(metrics.JaccardIndex(ignore_index=255), scores, maps.astype(np.uint8), device, 3)
    assert value(metric) == pytest.approx(wanted, rel=1e-14)
    chosen = metrics.JaccardIndex(num_classes=3, ignore_index=255)
    assert value(fed(chosen, scores.argmax(1), maps, device, 3)) == pytest.approx(wanted, rel=1e-14)
    last = metrics.JaccardIndex(class_dim=-1, ignore_index=255)
    assert value(fed(last, np.moveaxis(scores, 1, -1), maps, device)) == pytest.approx(wanted, rel=1e-14)


def test_ignored_labels_do_not_count(device):
    hidden = LABELS_OF_MANY.copy()
    hidden[::3, 1] = -1
    kept = hidden[:, 1] != -1
    scores = 1 - POWERS
    scores[::6, 1], scores[3::6, 1] = np.nan, 7  # nor do they say that a score is lost, or all are logits
    metric = fed(metrics.Recall(average="none", ignore_index=-1), scores, hidden, device)
    wanted = oracle.recall_score(hidden[kept, 1], 1 - POWERS[kept, 1] > 0.5)
    assert value(metric)[1] == pytest.approx(wanted)
    hits = (hidden == (1 - POWERS > 0.5))[hidden != -1].mean()
    assert value(fed(metrics.Accuracy(ignore_index=-1), scores, hidden, device)) == pytest.approx(hits, rel=1e-14)


def test_logits_are_seen_over_all_batches():
    """A batch whose logits happen to lie in [0, 1] is read as the others are."""
    logits, target = np.array([0.3, 0.4, -2.0, 5.0], np.float32), np.array([1, 1, 0, 1])
    for batch in (1, 2, 4):
        assert value(fed(metrics.Accuracy(), logits, target, batch=batch)) == 1
    assert value(fed(metrics.Accuracy(), logits[:2], target[:2])) == 0
    assert value(fed(metrics.Accuracy(from_logits=True), logits[:2], target[:2])) == 1
    assert value(fed(metrics.Accuracy(from_logits=False), logits, target)) == 0.5


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_other_dtypes_of_scores(dtype, device):
    metric = metrics.Accuracy()
    scores = gpudl.tensor(SCORES, device=device).to(getattr(gpudl, dtype))
    metric.update(scores, gpudl.tensor(LABELS, device=device).to(gpudl.int32))
    assert value(metric) == pytest.approx(oracle.accuracy_score(LABELS, PREDICTED))


def test_no_sample_and_one_class(device):
    micro = functools.partial(metrics.Recall, average="micro", zero_division=1.0)
    ignored = metrics.F1Score("binary", ignore_index=-1)
    assert math.isnan(value(fed(ignored, np.ones(3), np.full(3, -1), device)))
    for make in (metrics.Accuracy, metrics.Precision, metrics.F1Score, micro, metrics.TopKAccuracy):
        assert math.isnan(value(make()))
        metric = make()
        metric.update(gpudl.zeros(0, CLASSES, device=device), gpudl.zeros(0, dtype="int64", device=device))
        assert math.isnan(value(metric))
        np.testing.assert_array_equal(value(fed(metric, SCORES, LABELS, device)), value(fed(make(), SCORES, LABELS)))
    one = np.zeros(ROWS, np.int64)
    wanted = oracle.f1_score(one, PREDICTED, average="macro", zero_division=0)
    assert value(fed(metrics.F1Score(), SCORES, one, device)) == pytest.approx(wanted)


def test_nan_among_the_scores_is_no_prediction(device):
    broken = SCORES.copy()
    broken[30, 4] = np.nan
    for make in (metrics.Accuracy, metrics.Precision, metrics.TopKAccuracy):
        assert math.isnan(value(fed(make(), broken, LABELS, device)))
    assert np.isnan(value(fed(metrics.Recall(average="none"), broken, LABELS, device))).all()
    hidden = LABELS.copy()
    hidden[30] = -100
    for make in (metrics.Accuracy, metrics.Precision, metrics.TopKAccuracy, metrics.ConfusionMatrix):
        assert np.isfinite(value(fed(make(ignore_index=-100), broken, hidden, device))).all()
    with pytest.raises(ValueError, match="1 outputs are nan"):
        fed(metrics.ConfusionMatrix(), broken, LABELS, device).compute()
    holes = POWERS.copy()
    holes[3, 1] = np.nan
    assert math.isnan(value(fed(metrics.Accuracy(), holes, LABELS_OF_MANY, device)))


@pytest.mark.parametrize("bad", [-1, CLASSES, 2**40])
def test_labels_out_of_range_are_refused(bad, device):
    labels = LABELS.copy()
    labels[11] = bad
    for make in (metrics.Accuracy, metrics.ConfusionMatrix, metrics.TopKAccuracy, metrics.AUROC, metrics.Perplexity):
        with pytest.raises(IndexError, match="out of range"):
            fed(make(), SCORES, labels, device).compute()
    many = LABELS_OF_MANY.copy()
    many[3, 2] = bad
    with pytest.raises(IndexError, match="out of range"):
        fed(metrics.Accuracy(), POWERS, many, device).compute()
    with pytest.raises(IndexError, match="out of range"):
        fed(metrics.Accuracy(num_classes=CLASSES), labels, LABELS, device).compute()


def test_update_never_waits_for_the_device(device):
    scores, labels = gpudl.tensor(SCORES, device=device), gpudl.tensor(LABELS, device=device)
    powers, many = gpudl.tensor(POWERS, device=device), gpudl.tensor(LABELS_OF_MANY, device=device)
    makes = (
        metrics.Accuracy, metrics.TopKAccuracy, metrics.Precision, metrics.Recall, metrics.F1Score,
        metrics.JaccardIndex, metrics.ConfusionMatrix, metrics.AUROC, metrics.AveragePrecision,
    )  # fmt: skip
    counted = str(device).startswith("sim")
    before = sim.counters().synchronizations if counted else 0
    for make in makes:
        metric = make()
        with gpudl.strict():
            metric.update(scores, labels)
            metric.update(scores, labels)
            metric.so_far()
    with gpudl.strict():
        metrics.Accuracy(ignore_index=1).update(powers, many)
        metrics.AUROC().update(powers, many)
        metrics.R2Score().update(powers, many)
        metrics.MeanSquaredError().update(powers, many)
        metrics.Perplexity().update(scores, labels)
        metrics.MeanMetric().update(powers, 3)
    assert not counted or sim.counters().synchronizations == before
