"""Image files as samples like those of a run's data: its channels, its scale of values, its transforms, its size."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gpudl.autograd.tensor import Tensor, wrap
from gpudl.backend.dtypes import is_floating, uint8
from gpudl.data.folder import DatasetFolder, ImageError, ImageFolder, _tensor
from gpudl.data.images import ImageDataset

if TYPE_CHECKING:
    from PIL import Image

_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


class Pictures:
    """Makes samples of image files.

    A folder of images reads a file as it reads its own. Other data has images of one size, to which Pillow brings the
    file, with as many channels; 0 and 255 become 0 and 1, or stay where samples are of uint8.

    Args:
        sample: the first one of the data, transformed.
        source: the data without transforms.
        transforms: that its samples go through, one after the other.
    Raises: ValueError if samples are no images.
    """

    def __init__(self, sample: Tensor, source: Any, transforms: Sequence[Callable[[Any], Any]]) -> None:
        self.sample, self.source, self.transforms = sample, source, transforms
        self.is_folder = isinstance(source, DatasetFolder)
        if self.is_folder:
            return
        if isinstance(source, ImageDataset):
            self.shape, self.dtype = tuple(source._shape), source.dtype
            pixels = tuple(source.data.shape[1:])
        else:
            raw = sample if not transforms else source[0][0]
            if not isinstance(raw, Tensor):
                raise ValueError(f"the run's data has no images, its samples are {type(raw).__name__}")
            self.shape, self.dtype = pixels, _ = tuple(raw.shape), raw.dtype
        self.rows, self.columns = pixels[-2:] if len(pixels) in (2, 3) else (0, 0)
        channels = pixels[0] if len(pixels) == 3 else 1
        if not self.rows or channels not in _MODES or not (is_floating(self.dtype) or self.dtype == uint8):
            raise ValueError(f"the run's data has no images, its samples are {self.dtype} {self.shape}")
        self.mode = _MODES[channels]

    def read(self, path: str) -> Any:
        """The sample that a file gives.

        Raises: ImageError, which names the file, if it is damaged or no image; ValueError if it cannot become such a
            sample; OSError if it cannot be opened; ImportError without Pillow.
        """
        return self._of_folder(path) if self.is_folder else self._transformed(self._fitted(path))

    def _of_folder(self, path: str) -> Any:
        """As the folder reads it; where that gives another size, brought to that of its first image."""
        folder = self.source
        image = folder.loader(path)
        is_image = isinstance(folder, ImageFolder) and type(image).__module__.startswith("PIL.")
        result = self._transformed(_tensor(image, folder.dtype) if is_image else image)
        if not is_image or tuple(result.shape) == tuple(self.sample.shape):
            return result
        size = folder.loader(folder.samples[0][0]).size
        return self._transformed(_tensor(_resized(image, size), folder.dtype))

    def _fitted(self, path: str) -> Tensor:
        image = _resized(_opened(path).convert(self.mode), (self.columns, self.rows))
        pixels = np.asarray(image)
        channels_first = pixels if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
        values = channels_first.astype(self.dtype, order="C").reshape(self.shape)
        if self.dtype != uint8:
            values /= 255  # as the data sets do
        return wrap(values, None)

    def _transformed(self, value: Any) -> Any:
        for transform in self.transforms:
            value = transform(value)
        return value


def _opened(path: str | os.PathLike[str]) -> Image.Image:
    """The image in a file, in the mode that the file has, but 16 bits a pixel as 8."""
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError(f'reading images needs Pillow ({error}); install it: pip install "gpudl[image]"') from error
    with open(path, "rb") as file:
        try:
            image: Image.Image = Image.open(file)
            image.load()
            if image.mode.startswith("I;16"):  # which Pillow would clip
                return Image.fromarray((np.asarray(image) // 257).astype(np.uint8))
            return image
        except Exception as error:  # whatever a damaged file makes Pillow's many readers raise
            raise ImageError(f"{path}: not an image that Pillow can read: {error}") from error


def _resized(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """At a size (columns, rows)."""
    from PIL import Image

    return image if image.size == size else image.resize(size, Image.Resampling.BILINEAR)
