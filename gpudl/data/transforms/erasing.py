"""Rectangles of images overwritten."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gpudl.autograd.tensor import Tensor, wrap
from gpudl.data.transforms.base import (
    Fill,
    PerSample,
    Transform,
    beside,
    fill_of,
    interval,
    on_images,
    per_sample,
    plain,
    probability,
    whole,
)
from gpudl.data.transforms.crops import rectangles
from gpudl.ops.elementwise import where
from gpudl.random import Streams, stream
from gpudl.random.gauss import box_muller

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Doubles = NDArray[np.float64]


_PLACES = "top", "left", "height", "width"


def boxes(
    images: Tensor, top: PerSample, left: PerSample, height: PerSample, width: PerSample, name: str = "erase"
) -> Tensor:
    """(count, 1, rows, columns): true inside of each image's rectangle, as far as that is inside of the image.

    Only its sides come from the host.
    """
    count, _, rows, columns = images.shape
    places = zip(_PLACES, (top, left, height, width), strict=True)
    tops, lefts, heights, widths = (per_sample(name, what, value, count, np.int64)[:, None] for what, value in places)
    down, across = np.arange(rows) - tops, np.arange(columns) - lefts
    inside_down, inside_across = (down >= 0) & (down < heights), (across >= 0) & (across < widths)
    inside: Tensor = beside(inside_down[:, None, :, None], images) & beside(inside_across[:, None, None, :], images)
    return inside


@on_images
def erase(input: Tensor, i: PerSample, j: PerSample, h: PerSample, w: PerSample, v: Fill | Tensor = 0) -> Tensor:
    """A rectangle of each image overwritten; what of it is outside of the image is left out.

    Args:
        input: (channels, rows, columns) or (count, channels, rows, columns), any dtype.
        i, j, h, w: top, left, height and width, whole numbers or one for each image.
        v: a number, one for each channel, or a Tensor that broadcasts with the batch.
    """
    value = v.to(input.dtype) if isinstance(v, Tensor) else fill_of("erase", v, input)
    x, bare = plain(input), plain(value)
    if not (isinstance(x, np.ndarray) and isinstance(bare, np.ndarray)):
        return where(boxes(input, i, j, h, w), value, input)
    places = [per_sample("erase", what, each, len(x), np.int64) for what, each in zip(_PLACES, (i, j, h, w))]
    values, x = np.broadcast_to(bare, x.shape), x.copy()
    for n, (top, left, height, width) in enumerate(np.stack(places, axis=1).tolist()):
        inside = n, slice(None), slice(max(top, 0), max(top + height, 0)), slice(max(left, 0), max(left + width, 0))
        x[inside] = values[inside]
    return wrap(x, None)


class RandomErasing(Transform):
    """A rectangle of random place, area and shape overwritten, with probability p.

    Args:
        p: the probability.
        scale: (least, most) share of the image's area, in [0, 1].
        ratio: (least, most) of height over width, above 0; its logarithm is spread evenly.
        value: a number, one for each channel, or "random" for numbers of the standard normal distribution (floating
            images only).
    Raises: ValueError for p or pairs out of range, or another word for value.
    Source: Zhong, Zheng, Kang, Li & Yang 2020, "Random erasing data augmentation".
    """

    numbers = 24

    def __init__(
        self,
        p: float = 0.5,
        scale: Sequence[float] = (0.02, 0.33),
        ratio: Sequence[float] = (0.3, 3.3),
        value: Fill | str = 0,
    ):
        super().__init__()
        self.p = probability(self, p)
        self.scale = interval(self, "scale", scale, 0, 1)
        self.ratio = interval(self, "ratio", ratio, 1e-6, 1e6)
        if isinstance(value, str) and value != "random":
            raise ValueError(f"RandomErasing: value must be numbers or 'random', got {value!r}")
        self.value = value

    def transform(self, images: Tensor, numbers: Doubles) -> Tensor:
        rows, columns = images.shape[2:]
        if self.value == "random" and images.dtype.kind not in "fV":
            raise TypeError(f"RandomErasing: 'random' needs floating images, got {images.dtype}; put ToDtype() before")
        # Smaller than the image, as in torchvision; where none of ten is, nothing is erased. Height over width is the
        # ratio here, so that sides change places.
        sides = columns, rows, numbers[:, 1:21], self.scale, self.ratio
        width, height, found = rectangles(*sides, less=1)
        found &= numbers[:, 0] < self.p
        if not found.any():
            return images
        top, left = whole(numbers[:, 21], rows - height + 1), whole(numbers[:, 22], columns - width + 1)
        value: Any = self.value
        if value == "random":
            value = beside(_noise(numbers[:, 23], found, images.shape[1:]), images, images.dtype)
        return erase(images, top, left, height * found, width * found, value)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        return f"p={self.p}, scale={self.scale}, ratio={self.ratio}, value={self.value!r}"


class Cutout(Transform):
    """Squares overwritten, whose centers are anywhere in the image, so that some of a square may be outside.

    Args:
        length: of a side, pixels.
        holes: how many squares.
        fill: a number, or one for each channel.
    Raises: ValueError for a length or holes below 1.
    Source: DeVries & Taylor 2017, arXiv:1708.04552.
    """

    def __init__(self, length: int, holes: int = 1, fill: Fill = 0):
        super().__init__()
        if length < 1 or holes < 1:
            raise ValueError(f"Cutout: length and holes must be 1 or more, got {length} and {holes}")
        self.length, self.holes, self.fill = int(length), int(holes), fill
        self.numbers = 2 * self.holes

    def transform(self, images: Tensor, numbers: Doubles) -> Tensor:
        rows, columns = images.shape[2:]
        half = self.length // 2
        inside: Any = False
        for hole in range(self.holes):
            top, left = (whole(numbers[:, 2 * hole + i], length) - half for i, length in enumerate((rows, columns)))
            inside = boxes(images, top, left, self.length, self.length, "Cutout") | inside
        return where(inside, fill_of("Cutout", self.fill, images), images)

    def extra_repr(self) -> str:
        return f"{self.length}, holes={self.holes}, fill={self.fill}"


def _noise(keys: Doubles, wanted: NDArray[np.bool_], shape: tuple[int, ...]) -> Doubles:
    """(count, *shape) numbers of the standard normal distribution, of streams that a number in [0, 1) names.

    Images that are not wanted get zeros.
    """
    noise = np.zeros((len(keys), int(np.prod(shape))))
    pairs = -(-noise.shape[1] // 2)
    words = Streams(stream("erasing", 0, 0, seed=0), (keys[wanted] * 2**53).astype(np.uint64)).words(2 * pairs)
    first, second = box_muller(np.ascontiguousarray(words).reshape(-1), np.empty((5, words.size // 2)))
    normal = np.stack((first, second), axis=1).reshape(len(words), 2 * pairs)
    noise[wanted] = normal[:, : noise.shape[1]]
    return noise.reshape(len(keys), *shape)
