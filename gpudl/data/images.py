"""What the built-in image datasets have in common: images in memory as uint8, scaled when they are read."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from gpudl.autograd.tensor import Tensor, wrap
from gpudl.backend.arrays import Array
from gpudl.backend.dtypes import dtype_of, is_floating
from gpudl.data.dataset import Dataset, take_rows

Transform = Callable[[Any], Any]


class ImageDataset(Dataset[tuple[Any, Any]]):
    """Images and their classes; sample i is `(image, label)`.

    Args:
        data: (count, rows, columns) or (count, channels, rows, columns) uint8, NumPy.
        targets: (count,) int64, NumPy.
        largest: the pixel value that becomes 1.0.
        flatten: images of one dimension instead of (channels, rows, columns).
        dtype: floating point, of the images.
        transform: applied to each image, a Tensor; None for none.
        target_transform: applied to each label, an int; None for none.
    Attributes:
        data: uint8 Tensor.
        targets: (count,) int64 Tensor.
        classes: the name of each class.
    Raises: TypeError for a dtype that is not floating point.
    """

    classes: ClassVar[tuple[str, ...]]

    def __init__(
        self,
        data: np.ndarray[Any, Any],
        targets: np.ndarray[Any, Any],
        *,
        largest: int,
        flatten: bool,
        dtype: Any,
        transform: Transform | None,
        target_transform: Transform | None,
    ):
        self.dtype = dtype_of(dtype)
        if not is_floating(self.dtype):
            raise TypeError(f"{type(self).__name__}: dtype must be floating point, got {self.dtype}; see also .data")
        self.data, self.targets = wrap(data, None), wrap(targets, None)
        self.transform, self.target_transform = transform, target_transform
        whole = data.shape[1:] if data.ndim == 4 else (1, *data.shape[1:])
        self._shape = (math.prod(whole),) if flatten else whole
        self._largest = largest

    def __len__(self) -> int:
        return int(self.data.array.shape[0])

    def __getitem__(self, index: int, /) -> tuple[Any, Any]:
        """Sample `index`: the image, a Tensor with values in [0, 1], and the label, an int; both transformed.

        Raises: IndexError for an index out of range.
        """
        number = operator.index(index)
        image: Any = wrap(self._scaled(self.data.array[number]).reshape(self._shape), None)
        label: Any = int(self.targets.array[number])
        if self.transform is not None:
            image = self.transform(image)
        if self.target_transform is not None:
            label = self.target_transform(label)
        return image, label

    @property
    def batch(self) -> Callable[[Any], tuple[Tensor, ...]] | None:
        """Makes whole batches for DataLoader; None while there are transforms, which see one sample at a time."""
        return self._batch if self.transform is None and self.target_transform is None else None

    def _batch(self, indices: Sequence[int] | np.ndarray[Any, Any]) -> tuple[Tensor, ...]:
        images = self._scaled(take_rows(self.data.array, indices)).reshape(len(indices), *self._shape)
        return wrap(images, None), wrap(take_rows(self.targets.array, indices), None)

    def _scaled(self, pixels: Array) -> Array:
        # Divided, not multiplied by 1/255: the quotient is rounded once, as in torchvision, and 255 becomes 1.
        images = pixels.astype(self.dtype)
        images /= self._largest
        return images

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} images, {self.dtype} {self._shape})"
