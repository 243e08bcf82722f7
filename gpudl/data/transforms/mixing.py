"""Images of a batch mixed with each other, and their labels with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.dtypes import float32
from gpudl.backend.errors import ShapeError
from gpudl.data.draws import sample_draws
from gpudl.data.transforms.base import as_batch, beside, in_float, scalars, whole
from gpudl.data.transforms.erasing import boxes
from gpudl.nn.module import Module
from gpudl.ops.elementwise import where
from gpudl.ops.one_hot import one_hot
from gpudl.ops.rearrange import roll

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Doubles = NDArray[np.float64]


class _Mixing(Module):
    """Base of those that mix image i of a batch with image i - 1, the first with the last.

    The share of each image is a number of the distribution Beta(alpha, alpha) of its own (in torchvision one for all of
    a batch). In evaluation nothing is mixed, and labels are vectors all the same.
    """

    numbers: int

    def __init__(self, *, alpha: float = 1.0, num_classes: int | None = None):
        super().__init__()
        if not 0 < alpha < np.inf:
            raise ValueError(f"{type(self).__name__}: alpha must be above 0 and finite, got {alpha}")
        self.alpha, self.num_classes = float(alpha), num_classes

    def forward(self, input: Any, labels: Any) -> tuple[Tensor, Tensor]:
        name = type(self).__name__
        images = as_batch(name, input)
        if images is not input:
            raise ShapeError(f"{name}: mixes the images of a batch, got one of shape {tuple(input.shape)}; batch first")
        targets = self._vectors(labels, images)
        if not self.training or not images.shape[0]:
            return images, targets
        numbers = sample_draws(images.shape[0], self.numbers, "mix")
        mixed, share = self.mix(images, symmetric_beta(self.alpha, numbers[:, 0], numbers[:, 1]), numbers)
        weight = beside(share.reshape(-1, 1), targets, targets.dtype)
        return mixed, targets * weight + roll(targets, 1, 0) * (1 - weight)

    def mix(self, images: Tensor, share: Doubles, numbers: Doubles) -> tuple[Tensor, Doubles]:
        """The images mixed, and the share of each that is its own."""
        raise NotImplementedError(f"{type(self).__name__} has no mix method")

    def _vectors(self, labels: Any, images: Tensor) -> Tensor:
        name, count = type(self).__name__, images.shape[0]
        if not isinstance(labels, Tensor) or labels.ndim not in (1, 2) or labels.shape[0] != count:
            found = tuple(labels.shape) if isinstance(labels, Tensor) else type(labels).__name__
            raise ShapeError(
                f"{name}: labels must be a Tensor ({count},) of classes or ({count}, classes) of shares, got {found}"
            )
        if labels.ndim == 2:
            return labels if labels.dtype.kind in "fV" else labels.to(float32)
        if self.num_classes is None:
            raise ValueError(f"{name}: labels are classes; say how many there are, with num_classes")
        if labels.dtype.kind not in "iu":
            raise TypeError(f"{name}: labels must be classes (integers) or vectors, got {labels.dtype} {labels.shape}")
        return one_hot(labels.to(np.int64), self.num_classes).to(images.dtype if images.dtype.kind == "f" else float32)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}, num_classes={self.num_classes}"


class MixUp(_Mixing):
    """share * image + (1 - share) * another, and the same of the labels: (images, labels) to (images, labels).

    To be called on batches, after the loader or in its collate_fn.

    Args:
        alpha: the share is of the distribution Beta(alpha, alpha); above 0.
        num_classes: where labels are classes.
    Shape: (count, channels, rows, columns) and (count,) or (count, classes), to the same and (count, classes).
    Raises: ValueError for an alpha that is not above 0, classes without num_classes; ShapeError for a single image, or
        other labels than images.
    Source: Zhang, Cisse, Dauphin & Lopez-Paz 2018, arXiv:1710.09412.
    """

    numbers = 2

    def mix(self, images: Tensor, share: Doubles, numbers: Doubles) -> tuple[Tensor, Doubles]:
        def mixed(x: Array) -> Array:
            weight = scalars(share, x)
            return x * weight + xp_of(x).roll(x, 1, 0) * (1 - weight)

        return in_float(images, mixed), share


class CutMix(_Mixing):
    """A rectangle of another image in each, and its share of the area of the other's label.

    To be called on batches, after the loader or in its collate_fn: (images, labels) to (images, labels).

    Args, shape, raises: as of MixUp. The rectangle has 1 - share of the area, less what is outside of the image.
    Source: Yun, Han, Oh, Chun, Choe & Yoo 2019, arXiv:1905.04899.
    """

    numbers = 4

    def mix(self, images: Tensor, share: Doubles, numbers: Doubles) -> tuple[Tensor, Doubles]:
        rows, columns = images.shape[2:]
        half = 0.5 * np.sqrt(1 - share)
        spans = []
        for number, length in zip(numbers[:, 2:].T, (rows, columns)):
            center, reach = whole(number, length), (half * length).astype(np.int64)
            low = np.maximum(center - reach, 0)
            spans.append((low, np.minimum(center + reach, length) - low))
        (top, height), (left, width) = spans
        inside = boxes(images, top, left, height, width, "CutMix")
        return where(inside, roll(images, 1, 0), images), 1 - height * width / (rows * columns)


def symmetric_beta(alpha: float, first: Doubles, second: Doubles) -> Doubles:
    """Numbers of the distribution Beta(alpha, alpha), of two in [0, 1) each.

    (1 + t / sqrt(1 + t**2)) / 2 with t = sqrt(u**(-1 / alpha) - 1) cos(2 pi v), written so that no power overflows.

    Source: Devroye 1996, "Random variate generation in one line of code"; t is Bailey's 1994 polar form of Student's.
    """
    power = (1 - first) ** (1 / alpha)
    cosine = np.cos(2 * np.pi * second)
    part = (1 - power) * cosine * cosine
    rest = np.maximum(power + part, np.finfo(np.float64).tiny)  # 0 where both are
    share: Doubles = 0.5 + 0.5 * np.sign(cosine) * np.sqrt(part / rest)
    return share
