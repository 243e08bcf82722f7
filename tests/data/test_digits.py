"""scikit-learn's digits: values, shapes, and a split that never changes."""

from __future__ import annotations

import hashlib
import sys
from typing import Any

import numpy as np
import pytest

from gpudl.data import DataLoader, Digits
from gpudl.random import initial_seed, manual_seed

DIGEST = "6150ffb38b98d9ee00309dd12030a2c3061964989f8c0f6bb5f1c161d7065e3c"


@pytest.fixture
def original() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    datasets = pytest.importorskip("sklearn.datasets", reason="the digits come with scikit-learn")
    bundle = datasets.load_digits()
    return bundle.data, bundle.target


@pytest.mark.usefixtures("original")
def test_split_is_the_documented_one() -> None:
    train, test = Digits(), Digits(train=False)
    assert (len(train), len(test)) == (1442, 355)
    assert train.train and not test.train
    for digit in range(10):
        share = (test.targets.array == digit).sum() / (train.targets.array == digit).sum()
        assert abs(share - 0.25) < 0.01


def test_split_divides_all_images(original: tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]) -> None:
    both = np.concatenate([part.data.array.reshape(-1, 64) for part in (Digits(), Digits(train=False))])
    labels = np.concatenate([part.targets.array for part in (Digits(), Digits(train=False))])
    found = np.column_stack([both, labels])
    expected = np.column_stack([original[0].astype(np.uint8), original[1]])
    assert len(found) == 1797
    np.testing.assert_array_equal(found[np.lexsort(found.T)], expected[np.lexsort(expected.T)])


@pytest.mark.usefixtures("original")
def test_split_never_changes() -> None:
    before = initial_seed()
    for seed in (0, 1):
        manual_seed(seed)
        np.random.seed(seed)
        test = Digits(train=False)
        content = test.data.array.tobytes() + test.targets.array.astype("<i8").tobytes()
        assert hashlib.sha256(content).hexdigest() == DIGEST
    manual_seed(before)


@pytest.mark.usefixtures("original")
def test_images_are_pixels_divided_by_16() -> None:
    flat, square = Digits(), Digits(flatten=False)
    image, label = flat[0]
    assert image.array.shape == (64,) and image.array.dtype == np.float32 and label == 0 and type(label) is int
    np.testing.assert_array_equal(image.array * 16, flat.data.array[0].reshape(64))
    assert square[0][0].array.shape == (1, 8, 8)
    np.testing.assert_array_equal(square[5][0].array.reshape(64), flat[5][0].array)
    (batch,) = DataLoader(flat, 2000)
    assert batch[0].array.shape == (1442, 64) and batch[0].array.min() == 0 and batch[0].array.max() == 1
    assert batch[1].array.dtype == np.int64
    assert Digits.classes == tuple("0123456789")
    assert Digits(dtype="float64")[0][0].array.dtype == np.float64


@pytest.mark.usefixtures("original")
def test_labels_belong_to_their_images() -> None:
    """The nearest class mean recognizes about 90 %."""
    (train,), (test,) = (DataLoader(Digits(train=part), 2000) for part in (True, False))
    means = np.stack([train[0].array[train[1].array == digit].mean(0) for digit in range(10)])
    distances = ((test[0].array[:, None] - means) ** 2).sum(2)
    assert (distances.argmin(1) == test[1].array).mean() > 0.85


@pytest.mark.usefixtures("original")
def test_transforms_are_applied() -> None:
    dataset = Digits(transform=lambda image: 2.0, target_transform=str)
    assert dataset[1] == (2.0, "1")
    assert next(iter(DataLoader(dataset, 2)))[1] == ["0", "1"]


def test_without_scikit_learn_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ImportError, match=r'pip install "gpudl\[digits\]"'):
        Digits()
