"""Errors of numbers, means, metrics of text, names; and what all metrics do: reset, move, save, refuse."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from sklearn import metrics as oracle

import gpudl
from gpudl.train import metrics

RANDOM = np.random.default_rng(11)
TARGET = RANDOM.normal(size=(50, 3)) + 1e6  # far from 0, where sums of squares would cancel
OUTPUT = TARGET + RANDOM.normal(size=(50, 3))


def fed(metric, output, target, device="cpu", batch=20):
    for start in range(0, len(output), batch):
        end = start + batch
        metric.update(gpudl.tensor(output[start:end], device=device), gpudl.tensor(target[start:end], device=device))
    return metric


def value(metric):
    return metric.compute().cpu().numpy()


@pytest.mark.parametrize("batch", [7, 50])
def test_errors_of_numbers_equal_scikit_learn(batch, device):
    for metric, theirs in (
        (metrics.MeanAbsoluteError(), oracle.mean_absolute_error),
        (metrics.MeanSquaredError(), oracle.mean_squared_error),
        (metrics.MeanSquaredError(squared=False), lambda a, b: oracle.mean_squared_error(a, b) ** 0.5),
    ):
        wanted = theirs(TARGET.reshape(-1), OUTPUT.reshape(-1))
        assert value(fed(metric, OUTPUT, TARGET, device, batch)) == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("batch", [1, 7, 50])
@pytest.mark.parametrize("multioutput", ["uniform_average", "variance_weighted", "raw_values"])
def test_r2_equals_scikit_learn(multioutput, batch, device):
    wanted = oracle.r2_score(TARGET, OUTPUT, multioutput=multioutput)
    found = value(fed(metrics.R2Score(multioutput), OUTPUT, TARGET, device, batch))
    np.testing.assert_allclose(found, wanted, rtol=1e-9)


def test_r2_of_constant_targets_equals_scikit_learn():
    for output in ([2.0, 2.0, 2.0], [1.0, 2.0, 3.0]):
        wanted = oracle.r2_score([2.0, 2.0, 2.0], output)
        assert value(fed(metrics.R2Score(), np.array(output), np.full(3, 2.0), batch=1)) == wanted
    assert math.isnan(value(fed(metrics.R2Score(), np.ones(1), np.ones(1))))
    target = gpudl.tensor([1.0, 2.0, 4.0], dtype="float64")
    reused = metrics.R2Score()
    reused.update(target, target)
    target.zero_()
    reused.update(target + 1, target)
    wanted = oracle.r2_score([1.0, 2, 4, 0, 0, 0], [1.0, 2, 4, 1, 1, 1])
    assert value(reused) == pytest.approx(wanted, rel=1e-12)
    tenths = fed(metrics.R2Score(), np.arange(40.0), np.full(40, 0.1), batch=7)
    assert value(tenths) == 0  # though the mean of so many 0.1 is not 0.1
    weighted = fed(metrics.R2Score("variance_weighted"), np.zeros((3, 2)), np.ones((3, 2)))
    assert value(weighted) == oracle.r2_score(np.ones((3, 2)), np.zeros((3, 2)), multioutput="variance_weighted")


def test_errors_without_samples_and_with_nan(device):
    for make in (metrics.MeanAbsoluteError, metrics.MeanSquaredError, metrics.R2Score):
        assert math.isnan(value(make()))
        assert math.isnan(value(fed(make(), np.zeros(0), np.zeros(0), device)))
        assert math.isnan(value(fed(make(), np.array([1, np.nan, 3]), np.ones(3), device)))
        with pytest.raises(gpudl.ShapeError, match=r"output \(3, 1\) and target \(3,\)"):
            make().update(gpudl.zeros(3, 1), gpudl.zeros(3))
    with pytest.raises(gpudl.ShapeError, match="reshape"):
        metrics.R2Score().update(gpudl.zeros(3, 1, 2), gpudl.zeros(3, 1, 2))
    assert value(fed(metrics.MeanAbsoluteError(), np.array([60000.0] * 9, np.float16), np.zeros(9, np.float16))) == 6e4


def test_mean_of_losses(device):
    metric = metrics.MeanMetric()
    assert math.isnan(metric.compute())
    metric.update(gpudl.tensor(2.0, device=device, requires_grad=True), 3)
    metric.update(gpudl.tensor([1.0, math.nan], device=device), gpudl.tensor([1, 0], device=device))
    assert value(metric) == 1.75 and not metric.compute().requires_grad
    many = metrics.MeanMetric()
    for _ in range(1000):
        many.update(gpudl.tensor(0.1, device=device))
    assert value(many) == pytest.approx(np.float32(0.1), rel=1e-13)
    with pytest.raises(gpudl.ShapeError, match="weights"):
        metric.update(gpudl.zeros(3), gpudl.zeros(2))


def test_function_of_output_and_target(device):
    def close(output, target):
        return (output - target).abs() < 0.5

    output, target = np.array([0.1, 0.6, 0.3]), np.zeros(3)
    metric = fed(metrics.get(close), output, target, device, 2)
    assert metric.name == "close" and value(metric) == pytest.approx(2 / 3)
    loss = fed(metrics.get(gpudl.nn.MSELoss()), output, target, device, 2)
    assert loss.name == "MSELoss" and value(loss) == pytest.approx((output**2).mean())


@pytest.mark.parametrize("dim", [-1, 1])
def test_perplexity_is_exp_of_cross_entropy(dim, device):
    logits = RANDOM.normal(size=(6, 5, 9)).astype(np.float32)
    target = RANDOM.integers(0, 9, (6, 5))
    target[2:, 3:] = -100
    loss = gpudl.nn.functional.cross_entropy(gpudl.tensor(logits).movedim(-1, 1), gpudl.tensor(target))
    metric = metrics.Perplexity(class_dim=dim)
    fed(metric, np.moveaxis(logits, -1, dim), target, device, 4)
    assert value(metric) == pytest.approx(math.exp(loss.item()), rel=1e-6)
    assert math.isnan(value(metrics.Perplexity()))
    uniform = fed(metrics.Perplexity(), np.zeros((3, 9), np.float32), np.zeros(3, np.int64), device)
    assert value(uniform) == pytest.approx(9, rel=1e-6)


def test_bleu_of_known_corpora():
    # The example of torchmetrics' documentation, and nltk's corpus_bleu of these texts.
    metric = metrics.BLEUScore()
    metric.update(["the cat is on the mat"], [["there is a cat on the mat", "a cat is on the mat"]])
    assert metric.compute().item() == pytest.approx(0.7598356856515925)
    tokens = metrics.BLEUScore()
    tokens.update([[1, 2, 3, 4, 5, 6]], [[[7, 3, 8, 2, 5, 1, 6], [8, 2, 3, 4, 1, 6]]])
    tokens.reset()
    words = [[1, 2, 3, 4, 1, 6]], [[[5, 3, 8, 2, 4, 1, 6], [8, 2, 3, 4, 1, 6]]]
    tokens.update(*words)
    assert tokens.compute().item() == pytest.approx(0.7598356856515925)
    clipped = metrics.BLEUScore(1)  # Papineni's: "the" counts twice, as often as in the reference with most of it
    clipped.update(["the the the the the the the"], [["the cat is on the mat", "there is a cat on the mat"]])
    assert clipped.compute().item() == pytest.approx(2 / 7)


def test_bleu_of_short_and_empty_texts():
    short = metrics.BLEUScore(2)
    short.update(["a b", "c"], ["a b c d", "c"])
    assert short.compute().item() == pytest.approx(math.exp(1 - 5 / 3))  # all precisions are 1
    long = metrics.BLEUScore(1)
    long.update(["a b c d"], ["a b"])
    assert long.compute().item() == 0.5  # no prize for being longer
    closest = metrics.BLEUScore(1)
    closest.update(["a b c d"], [["a b", "a b c d e"]])  # the length that counts is the closest, 5
    assert closest.compute().item() == pytest.approx(math.exp(1 - 5 / 4))
    assert math.isnan(metrics.BLEUScore().compute())
    none = metrics.BLEUScore()
    none.update(["a b c"], ["a b c"])
    assert none.compute().item() == 0  # it has no 4-gram
    smooth = metrics.BLEUScore(smooth=True)
    smooth.update(["a b c x"], ["a b c d"])
    assert smooth.compute().item() == pytest.approx((3 / 4 * 3 / 4 * 2 / 3 * 1 / 2) ** 0.25)
    empty = metrics.BLEUScore()
    empty.update([""], ["a b"])
    assert empty.compute().item() == 0
    with pytest.raises(TypeError, match="put it in"):
        empty.update("a b", ["a b"])
    with pytest.raises(ValueError, match="2 outputs but 1 targets"):
        empty.update(["a", "b"], ["a"])
    with pytest.raises(ValueError, match="2 weights are needed"):
        metrics.BLEUScore(2, weights=[1.0])


SCORES, LABELS = RANDOM.normal(size=(40, 4)).astype(np.float32), RANDOM.integers(0, 4, 40)
OF_CLASSES = ["accuracy", "top_3_accuracy", "precision", "f1", "iou", "roc_auc", "average_precision", "perplexity"]
OF_NUMBERS = ["mae", "mse", "rmse", "r2"]


@pytest.mark.parametrize("name", OF_CLASSES + OF_NUMBERS)
def test_state_goes_on_where_it_was_saved(name, device):
    output, target = (SCORES, LABELS) if name in OF_CLASSES else (SCORES, SCORES[::-1].copy())
    whole = value(fed(metrics.get(name), output, target, device))
    begun = fed(metrics.get(name), output[:20], target[:20], device)
    state = begun.state_dict()
    assert state and all(isinstance(each, gpudl.Tensor) for each in state.values())
    saved = {key: each.cpu() for key, each in state.items()}
    fed(begun, output[20:], target[20:], device)
    resumed = metrics.get(name).to(device)
    resumed.load_state_dict(saved)
    fed(resumed, output[20:], target[20:], device)
    np.testing.assert_array_equal(value(resumed), whole)
    np.testing.assert_array_equal(value(begun), whole)
    assert value(begun.to("cpu")) == pytest.approx(whole, rel=1e-12)
    assert {each.device.type for each in begun.state_dict().values()} == {"cpu"}
    begun.reset()
    assert math.isnan(value(begun)) and begun.state_dict() == {}
    np.testing.assert_array_equal(value(fed(begun, output, target, device)), whole)


def test_state_that_is_none_is_refused():
    with pytest.raises(TypeError, match="'counts' of a state_dict must be a Tensor, got list"):
        metrics.Accuracy().load_state_dict({"counts": [1]})


def test_names_give_metrics():
    metric = metrics.get("acc")
    assert type(metric) is metrics.Accuracy and metric.name == "acc" and metrics.get(metric) is metric
    with pytest.raises(ValueError, match=r"accuracy, acc, .* got 'acuracy'"):
        metrics.get("acuracy")
    with pytest.raises(TypeError, match=r"make it: Accuracy\(\)"):
        metrics.get(metrics.Accuracy)
    with pytest.raises(TypeError, match="got int"):
        metrics.get(3)


@pytest.mark.parametrize(
    ("output", "target", "settings", "says"),
    [
        ((4, 3), (5,), {}, r"output float32 \(4, 3\) and target int64 \(5,\).*class_dim"),
        ((4, 7, 3), (4, 7), {}, "class_dim=-1"),
        ((3,), (), {}, "classes at dim 1"),
        ((4, 0), (4,), {}, "no classes"),
        ((4, 3), (4,), {"num_classes": 5}, "num_classes is 5"),
        ((4, 2), (4,), {"task": "binary"}, r"output\[:, 1\]"),
        ((4,), (4,), {"task": "multilabel"}, "labels"),
    ],
)
def test_shapes_that_do_not_fit_are_named_with_the_fix(output, target, settings, says):
    with pytest.raises(gpudl.ShapeError, match=says):
        metrics.Accuracy(**settings).update(gpudl.zeros(output), gpudl.zeros(target, dtype="int64"))


def test_arguments_that_cannot_be():
    for settings in (
        {"task": "multi"}, {"average": "mean"}, {"threshold": 2.0}, {"num_classes": 1}, {"num_labels": 0},
        {"num_classes": 2.0}, {"task": "multiclass", "average": "binary"},
    ):  # fmt: skip
        with pytest.raises(ValueError, match="accuracy: "):
            metrics.Accuracy(**settings)
    with pytest.raises(ValueError, match='average "binary" is of task "binary", got .*multiclass'):
        metrics.AUROC("multiclass", average="binary")
    for make in (
        lambda: metrics.Precision(zero_division=0.5), lambda: metrics.FBetaScore(beta=0),
        lambda: metrics.TopKAccuracy(0), lambda: metrics.ConfusionMatrix(normalize="rows"),
        lambda: metrics.AUROC(average="micro"), lambda: metrics.R2Score("mean"), lambda: metrics.BLEUScore(0),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="must be"):
            make()


def test_inputs_that_cannot_be(device):
    labels = gpudl.tensor([0, 1, 2])
    with pytest.raises(TypeError, match=r"cast with \.long\(\)"):
        metrics.Accuracy().update(gpudl.zeros(3, 3), labels.float())
    with pytest.raises(TypeError, match="must be a Tensor, got ndarray"):
        metrics.Accuracy().update(np.zeros((3, 3)), labels)
    with pytest.raises(ValueError, match="say num_classes="):
        metrics.Accuracy().update(labels, labels)
    with pytest.raises(IndexError, match=r"target 0.5 is out of range .* need task=.multiclass"):
        metrics.Accuracy().update(gpudl.zeros(2), gpudl.tensor([0.5, 1]))
    metric = metrics.Accuracy()
    metric.update(gpudl.zeros(3, 3), labels)
    with pytest.raises(ValueError, match="3 classes, this one has 4"):
        metric.update(gpudl.zeros(3, 4), labels)
    with pytest.raises(RuntimeError, match="call update first"):
        metrics.ConfusionMatrix().compute()
    if str(device) != "cpu":
        with pytest.raises(gpudl.DeviceError):
            metric.update(gpudl.zeros(3, 3, device=device), labels)
        with pytest.raises(gpudl.DeviceError):
            metric.update(gpudl.zeros(3, 3, device=device), labels.to(device))
        area = metrics.AUROC()
        area.update(gpudl.zeros(3, 3), labels)
        with pytest.raises(gpudl.DeviceError):
            area.update(gpudl.zeros(3, 3, device=device), labels.to(device))


def test_views_and_gradients():
    scores = gpudl.tensor(SCORES.T.copy(), requires_grad=True).T
    metric = metrics.Accuracy()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        metric.update(scores, gpudl.tensor(np.repeat(LABELS, 2))[::2])
    assert value(metric) == pytest.approx(oracle.accuracy_score(LABELS, SCORES.argmax(1)))
    assert not metric.compute().requires_grad
