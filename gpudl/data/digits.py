"""The small real dataset that any machine with scikit-learn has."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from gpudl.backend.dtypes import float32
from gpudl.data.images import ImageDataset, Transform

_EVERY = 5


class Digits(ImageDataset):
    """Handwritten digits, 8 x 8, from scikit-learn's copy of the UCI set: 1,797 images, no download.

    The split is fixed and the same everywhere: of each class, in the order of the file, every fifth image is for
    testing. That gives 1,442 images for training and 355 for testing, with each class in proportion. Writers
    may occur on both sides.

    Sample i is `(image, label)`: an image (64,) with values in [0, 1] (pixel / 16), and an int in 0..9.

    Args:
        train: the training images; else the test images.
        flatten: images of (64,); else (1, 8, 8).
        transform: applied to each image, a Tensor; None for none.
        target_transform: applied to each label; None for none.
        dtype: floating point, of the images.
    Attributes:
        data: (count, 8, 8) uint8 Tensor, values 0..16.
        targets: (count,) int64 Tensor.
        classes: the name of each class.
    Raises: ImportError if scikit-learn is not installed; TypeError for a dtype that is not floating point.
    Source: Alpaydin and Kaynak 1998, Optical recognition of handwritten digits, UCI machine learning repository.
    """

    classes = ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")

    def __init__(
        self,
        train: bool = True,
        flatten: bool = True,
        *,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        dtype: Any = float32,
    ):
        images, labels = _load()
        chosen = np.flatnonzero(_is_test(labels) != train)
        super().__init__(
            images[chosen],
            labels[chosen],
            largest=16,
            flatten=flatten,
            dtype=dtype,
            transform=transform,
            target_transform=target_transform,
        )
        self.train = train


def _load() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """All 1,797: (count, 8, 8) uint8 and (count,) int64."""
    try:
        datasets = importlib.import_module("sklearn.datasets")
    except ImportError as error:
        raise ImportError(f'Digits needs scikit-learn ({error}); install it: pip install "gpudl[digits]"') from error
    bundle = datasets.load_digits()
    return bundle.images.astype(np.uint8), bundle.target.astype(np.int64)


def _is_test(labels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """True for every fifth label of each class: the 5th, 10th, 15th, ..."""
    test = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        test[np.flatnonzero(labels == label)[_EVERY - 1 :: _EVERY]] = True
    return test
