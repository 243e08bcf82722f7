"""Synthetic sets: the shapes and classes they promise, and the same points everywhere."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gpudl
from gpudl.data import (
    DataLoader,
    TensorDataset,
    make_blobs,
    make_circles,
    make_classification,
    make_moons,
    make_regression,
    make_spirals,
)
from gpudl.random.gauss import cosine_sine

ALL: list[Callable[..., TensorDataset]] = [
    make_blobs, make_circles, make_classification, make_moons, make_regression, make_spirals,
]  # fmt: skip
CLASSES = [make for make in ALL if make is not make_regression]


def arrays(dataset: TensorDataset) -> tuple[np.ndarray[Any, Any], ...]:
    return tuple(tensor.array for tensor in dataset.tensors)


@pytest.mark.parametrize("make", ALL)
def test_seed_fixes_the_points_and_they_differ_without(make: Callable[..., TensorDataset]) -> None:
    first, again, other = (arrays(make(20, seed=seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
    assert not np.array_equal(first[0], other[0])
    gpudl.manual_seed(5)
    one, two = arrays(make(20)), arrays(make(20))
    assert not np.array_equal(one[0], two[0])
    gpudl.manual_seed(5)
    np.testing.assert_array_equal(arrays(make(20))[0], one[0])


def test_points_are_the_same_on_every_machine() -> None:
    """The bits themselves, made once: nothing of the C library, of the processor or of BLAS is in them."""
    digest = hashlib.sha256()
    for make in ALL:
        options = {} if make in (make_blobs, make_classification) else {"noise": 0.1}
        for array in arrays(make(257, seed=3, **options)):
            digest.update(array.tobytes())
    assert digest.hexdigest() == "c53399e33ae88cf65c24b2ad1cadfa9c888c009ceb73a3460885e114f353e5e4"


@pytest.mark.parametrize("make", ALL)
def test_edges(make: Callable[..., TensorDataset]) -> None:
    for count in (0, 1, 3):
        dataset = make(count, seed=0)
        assert len(dataset) == count and len(list(DataLoader(dataset, 2))) == (count + 1) // 2
        assert dataset.tensors[0].dtype == gpudl.float32
    with pytest.raises(ValueError, match=f"{make.__name__}: n_samples must be 0 or more, got -1"):
        make(-1)
    with pytest.raises(TypeError, match=f"{make.__name__}: n_samples must be an integer"):
        make(2.5)
    if make not in (make_blobs, make_classification):
        with pytest.raises(ValueError, match="noise must be 0 or more"):
            make(4, noise=-1)


@pytest.mark.parametrize("make", CLASSES)
def test_classes_are_even_and_in_order_unless_shuffled(make: Callable[..., TensorDataset]) -> None:
    plain, mixed = (arrays(make(31, shuffle=shuffle, seed=4))[1] for shuffle in (False, True))
    assert plain.dtype == np.int64
    if make is not make_classification:  # which gives a few labels at random
        counts = np.bincount(plain)
        assert counts.max() - counts.min() <= 1 and (np.diff(plain) >= 0).all()
        assert (np.diff(mixed) < 0).any() and np.bincount(mixed).tolist() == counts.tolist()


@pytest.mark.parametrize("make", [make_moons, make_circles])
def test_curves_are_those_of_scikit_learn(make: Callable[..., TensorDataset]) -> None:
    datasets = pytest.importorskip("sklearn.datasets", reason="scikit-learn is the oracle here")
    for count in (100, 101, (30, 50)):
        x, y = arrays(make(count, shuffle=False))
        expected = getattr(datasets, make.__name__)(count, shuffle=False)
        np.testing.assert_allclose(x, expected[0], atol=1e-6)
        np.testing.assert_array_equal(y, expected[1])


def test_noise_has_its_standard_deviation() -> None:
    clean, noisy = (arrays(make_moons(4000, noise=noise, shuffle=False, seed=1))[0] for noise in (None, 0.3))
    assert abs((noisy - clean).std() - 0.3) < 0.01 and abs((noisy - clean).mean()) < 0.01


def test_shuffling_keeps_points_and_classes_together() -> None:
    x, y = arrays(make_circles(40, factor=0.5, seed=2))
    np.testing.assert_allclose(np.hypot(*x.T), np.where(y == 0, 1, 0.5), atol=1e-6)


def test_blobs_lie_around_their_centers() -> None:
    centers = [[0.0, 0, 0], [50, 0, 0], [0, 80, 0]]
    x, y = arrays(make_blobs(6000, centers=centers, cluster_std=[0.5, 1, 2], seed=0))
    for label, std in enumerate([0.5, 1, 2]):
        np.testing.assert_allclose(x[y == label].mean(0), centers[label], atol=0.2)
        np.testing.assert_allclose(x[y == label].std(0), std, rtol=0.05)
    drawn, labels = arrays(make_blobs(300, 4, centers=5, cluster_std=0, center_box=(2, 3), seed=0))
    assert drawn.shape == (300, 4) and len(np.unique(drawn, axis=0)) == 5 and labels.max() == 4
    assert drawn.min() >= 2 and drawn.max() < 3
    assert np.bincount(arrays(make_blobs([3, 0, 5], seed=0))[1]).tolist() == [3, 0, 5]


def test_blobs_must_fit_together() -> None:
    with pytest.raises(ValueError, match="2 centers need one or as many cluster_std"):
        make_blobs(10, centers=2, cluster_std=[1, 2, 3])
    with pytest.raises(ValueError, match="n_samples"):
        make_blobs([1, 2], centers=[[0, 0], [1, 1], [2, 2]])
    with pytest.raises(ValueError, match="cluster_std of 0 or more"):
        make_blobs(10, cluster_std=-1)
    with pytest.raises(ValueError, match=r"centers must be a number or \(classes, features\)"):
        make_blobs(10, centers=[1.0, 2.0])


def test_spirals_turn_as_often_as_they_are_told() -> None:
    x, y = arrays(make_spirals(300, n_classes=3, turns=2, shuffle=False))
    np.testing.assert_allclose(np.hypot(*x[y == 1].T), np.arange(1, 101) / 100, atol=1e-6)
    angles = np.unwrap(np.arctan2(x[y == 0][:, 1], x[y == 0][:, 0]))
    assert abs(angles[-1] - angles[0] - 4 * math.pi * 0.99) < 1e-4
    np.testing.assert_allclose(x[y == 1][-1], [math.cos(2 * math.pi / 3), math.sin(2 * math.pi / 3)], atol=1e-6)
    with pytest.raises(ValueError, match="n_samples must be one number or 3"):
        make_spirals((1, 2), n_classes=3)


def test_regression_is_linear_in_the_informative_features() -> None:
    (x, y), w = _regression(200, 8, n_informative=3, bias=2.5)
    assert (w != 0).sum() == 3 and x.shape == (200, 8) and y.shape == (200,)
    np.testing.assert_allclose(y, x.astype(np.float64) @ w + 2.5, rtol=1e-4, atol=1e-4)
    (x, y), w = _regression(5000, 3, n_targets=2, noise=4.0)
    assert y.shape == (5000, 2) and w.shape == (3, 2)
    assert abs((y - x @ w).std() - 4) < 0.1
    (_, _), w = _regression(5, 6, n_informative=2, shuffle=False)
    assert (w[:2] != 0).all() and (w[2:] == 0).all()


def _regression(*counts: int, **options: Any) -> tuple[tuple[np.ndarray[Any, Any], ...], np.ndarray[Any, Any]]:
    data, weights = make_regression(*counts, coef=True, seed=1, **options)
    return arrays(data), weights


def test_classification_can_be_learned_from_its_informative_features() -> None:
    options = {"n_informative": 2, "n_classes": 4, "flip_y": 0.0, "shuffle": False, "class_sep": 4.0}
    x, y = arrays(make_classification(400, 5, seed=0, **options))
    guessed = (x[:, 0] > 0) + 2 * (x[:, 1] > 0)
    assert (guessed == y).mean() > 0.99 and abs(x[:, 2:].mean()) < 0.2
    flipped = arrays(make_classification(4000, 5, seed=0, **{**options, "flip_y": 0.4}))[1]
    assert abs((flipped != np.repeat(range(4), 1000)).mean() - 0.3) < 0.03
    for wrong in ({"n_classes": 5}, {"n_informative": 6}, {"flip_y": 1.5}):
        with pytest.raises(ValueError, match="make_classification: needs"):
            make_classification(10, 5, **{**options, **wrong})


def test_default_dtype_is_that_of_the_points() -> None:
    gpudl.set_default_dtype(gpudl.float64)
    try:
        for make in ALL:
            assert make(4, seed=0).tensors[0].dtype == gpudl.float64
    finally:
        gpudl.set_default_dtype(gpudl.float32)


def test_cosine_and_sine_of_half_turns() -> None:
    t = np.concatenate([np.linspace(-7, 7, 4001), [0.0, 0.5, 1.0, -0.5, 1e6 + 0.25]])
    cosine, sine = cosine_sine(t)
    exact = t - 2 * np.rint(t / 2)
    np.testing.assert_allclose(cosine, np.cos(np.pi * exact), rtol=0, atol=5e-16)
    np.testing.assert_allclose(sine, np.sin(np.pi * exact), rtol=0, atol=5e-16)
    assert cosine_sine(np.zeros(0))[0].shape == (0,)
