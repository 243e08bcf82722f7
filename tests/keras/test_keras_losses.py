"""Keras' losses and metrics: their formulas, and labels in every shape that Keras takes."""

import numpy as np
import pytest

import gpudl
from gpudl import keras


def tensors(y, p):
    return gpudl.tensor(y), gpudl.tensor(p)


rng = np.random.default_rng(0)
P = rng.dirichlet(np.ones(4), 6).astype("float32")
Q = rng.dirichlet(np.ones(4), 6).astype("float32")
LABELS = rng.integers(0, 4, 6)
ROWS = np.eye(4, dtype="float32")[LABELS]
Z = rng.normal(size=(6, 4)).astype("float32")
SMOOTH = ROWS * 0.8 + 0.05
BITS = rng.integers(0, 2, (6, 4)).astype("float32")
LOGS = np.log(np.exp(Z) / np.exp(Z).sum(-1, keepdims=True))
S = 1 / (1 + np.exp(-Z))

CASES = {
    "mse": ("mse", Q, P, ((P - Q) ** 2).mean()),
    "mean_absolute_error": ("mean_absolute_error", Q, P, abs(P - Q).mean()),
    "huber": (
        keras.losses.Huber(0.1), Q, P, np.where(abs(P - Q) < 0.1, (P - Q) ** 2 / 2, 0.1 * abs(P - Q) - 0.005).mean()
    ),
    "binary": ("binary_crossentropy", BITS, P, -(BITS * np.log(P) + (1 - BITS) * np.log(1 - P)).mean()),
    "binary logits": (
        keras.losses.BinaryCrossentropy(from_logits=True), BITS, Z,
        -(BITS * np.log(S) + (1 - BITS) * np.log(1 - S)).mean(),
    ),
    "binary smoothed": (
        keras.losses.BinaryCrossentropy(label_smoothing=0.2), BITS, P,
        -((0.8 * BITS + 0.1) * np.log(P) + (0.9 - 0.8 * BITS) * np.log(1 - P)).mean(),
    ),
    "categorical": ("categorical_crossentropy", ROWS, P, -(ROWS * np.log(P)).sum(-1).mean()),
    "categorical logits": (
        keras.losses.CategoricalCrossentropy(from_logits=True), ROWS, Z, -(ROWS * LOGS).sum(-1).mean()
    ),
    "categorical smoothed": (
        keras.losses.CategoricalCrossentropy(label_smoothing=0.2), ROWS, P, -(SMOOTH * np.log(P)).sum(-1).mean()
    ),
    "sparse": ("sparse_categorical_crossentropy", LABELS, P, -np.log(P[range(6), LABELS]).mean()),
    "sparse columns": ("sparse_categorical_crossentropy", LABELS[:, None], P, -np.log(P[range(6), LABELS]).mean()),
    "sparse ignored": (
        keras.losses.SparseCategoricalCrossentropy(ignore_class=int(LABELS[0])), LABELS, P,
        -np.log(P[range(6), LABELS])[LABELS[0] != LABELS].mean(),
    ),
    "kl": ("kl_divergence", Q, P, (Q * np.log(Q / P)).sum(-1).mean()),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_losses_are_their_formulas(name):
    loss, y, p, want = CASES[name]
    got = keras.losses.get(loss)(*tensors(y, p))
    assert got.item() == pytest.approx(float(want), rel=2e-5)


def test_certain_mistakes_cost_much_but_not_infinity():
    for loss, y, p in (
        ("binary_crossentropy", [[1.0]], [[0.0]]),
        ("categorical_crossentropy", [[0.0, 1.0]], [[1.0, 0.0]]),
        ("sparse_categorical_crossentropy", [1], [[1.0, 0.0]]),
    ):
        value = keras.losses.get(loss)(*tensors(y, p)).item()
        assert value == pytest.approx(-np.log(1e-7), rel=1e-3)


def test_labels_take_the_shape_of_the_predictions():
    mse = keras.losses.get("mse")
    assert mse(*tensors([1.0, 2.0], [[1.0], [4.0]])).item() == 2
    assert mse(*tensors([[1.0], [2.0]], [1.0, 4.0])).item() == 2
    with pytest.raises(ValueError, match=r"labels have shape \(3,\), the predictions \(2, 1\)"):
        mse(*tensors([1.0, 2.0, 3.0], [[1.0], [4.0]]))


@pytest.mark.parametrize(
    ("name", "y", "p", "want"),
    [
        ("accuracy", [0, 1, 1], [[0.2], [0.7], [0.4]], [1, 1, 0]),
        ("accuracy", [2, 0], [[0.1, 0.2, 0.7], [0.1, 0.8, 0.1]], [1, 0]),
        ("accuracy", [[0, 0, 1], [1, 0, 0]], [[0.1, 0.2, 0.7], [0.1, 0.8, 0.1]], [1, 0]),
        ("binary_accuracy", [1, 0], [0.9, 0.6], [1, 0]),
        ("sparse_categorical_accuracy", [[1], [0]], [[0.1, 0.9], [0.1, 0.9]], [1, 0]),
        ("mse", [1.0, 2.0], [[3.0], [2.0]], [4, 0]),
        ("mae", [1.0, 2.0], [[3.0], [2.0]], [2, 0]),
    ],
)
def test_metrics(name, y, p, want):
    label, metric = keras.metrics.get(name)
    assert label == name
    assert metric(*tensors(y, p)).to(dtype="float32").flatten().tolist() == want


def test_a_metric_may_be_a_function():
    def largest(y_true, y_pred):
        return y_pred.amax(-1)

    assert keras.metrics.get(largest)[0] == "largest"
