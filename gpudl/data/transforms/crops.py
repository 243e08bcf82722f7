"""Padding, cropping and resizing as transforms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gpudl.autograd.tensor import Tensor
from gpudl.backend.errors import ShapeError
from gpudl.data.transforms import geometry
from gpudl.data.transforms.base import Fill, Transform, between, interval, pair, whole

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Doubles = NDArray[np.float64]

_TRIES = 10  # as in torchvision


class Pad(Transform):
    """More pixels at the edges.

    Args:
        padding: one number, (left and right, top and bottom), or (left, top, right, bottom).
        fill: what "constant" fills in: a number, or one for each channel.
        padding_mode: "constant" | "edge" | "reflect" | "symmetric"; see gpudl.data.transforms.functional.pad.
    """

    def __init__(self, padding: Any, fill: Fill = 0, padding_mode: str = "constant"):
        super().__init__()
        self.padding, self.fill, self.padding_mode = geometry.sides("Pad", padding), fill, padding_mode

    def transform(self, images: Tensor, numbers: Doubles) -> Tensor:
        return geometry.pad(images, self.padding, self.fill, self.padding_mode)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        return f"{self.padding}, fill={self.fill}, padding_mode={self.padding_mode!r}"


class CenterCrop(Transform):
    """The rectangle in the middle; smaller images are padded with 0 first.

    Args:
        size: height and width, or one number for both.
    """

    def __init__(self, size: Any):
        super().__init__()
        self.size = pair("CenterCrop", "size", size)

    def transform(self, images: Tensor, numbers: Doubles) -> Tensor:
        return geometry.center_crop(images, self.size)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        return f"{self.size}"


class Resize(Transform):
    """The whole image at another size.

    Args:
        size: height and width; or one number, the shorter side, in proportion to which the other comes out.
        interpolation: "nearest" | "bilinear" | "bicubic".
        antialias: widen the filter when making smaller.
    """

    def __init__(self, size: Any, interpolation: str = "bilinear", *, antialias: bool = True):
        super().__init__()
        pair("Resize", "size", size)
        self.size, self.antialias = size, antialias
        self.interpolation = geometry.shown_mode("Resize", interpolation)

    def transform(self, images: Tensor, numbers: Doubles) -> Tensor:
        return geometry.resize(images, self.size, self.interpolation, antialias=self.antialias)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        return f"{self.size}, interpolation={self.interpolation!r}, antialias={self.antialias}"


class RandomCrop(Transform):
    """A rectangle of a random place; in evaluation the one in the middle.

    Args:
        size: height and width, or one number for both.
        padding: pixels put around the image before, as of Pad; None for none.
        pad_if_needed: pad images that are still smaller than the crop, on both sides.
        fill, padding_mode: as of Pad.
    Raises: ShapeError for smaller images.
    """

    numbers = 2

    def __init__(
        self,
        size: Any,
        padding: Any = None,
        pad_if_needed: bool = False,
        fill: Fill = 0,
        padding_mode: str = "constant",
    ):
        super().__init__()
        self.size = pair("RandomCrop", "size", size)
        self.padding = None if padding is None else geometry.sides("RandomCrop", padding)
        self.pad_if_needed, self.fill, self.padding_mode = pad_if_needed, fill, padding_mode

    def transform(self, images: Tensor, numbers: Doubles) -> Tensor:
        if self.padding is not None:
            images = geometry.pad(images, self.padding, self.fill, self.padding_mode)
        more = [max(want - have, 0) for want, have in zip(self.size, images.shape[2:])]
        if any(more) and self.pad_if_needed:
            images = geometry.pad(images, (more[1], more[0]), self.fill, self.padding_mode)
        elif any(more):
            raise ShapeError(
                f"RandomCrop: images of {images.shape[2]} x {images.shape[3]} are smaller than the crop of "
                f"{self.size[0]} x {self.size[1]}; set pad_if_needed=True, or padding"
            )
        room = [have - want + 1 for have, want in zip(images.shape[2:], self.size)]
        top, left = whole(numbers, np.array(room)).T
        return geometry.cropped(images, top, left, *self.size)

    def still(self, images: Tensor) -> Tensor:
        return geometry.center_crop(images, self.size)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        return f"{self.size}, padding={self.padding}"


class RandomResizedCrop(Transform):
    """A rectangle of random place, area and shape, brought to one size; in evaluation the whole image.

    Args:
        size: height and width, or one number for both.
        scale: (least, most) share of the image's area, in [0, 1]; spread evenly.
        ratio: (least, most) of width over height, above 0; its logarithm is spread evenly.
        interpolation, antialias: as of Resize.
    Raises: ValueError for pairs out of range.
    Source: Szegedy et al. 2015, arXiv:1409.4842; the rule for what does not fit (the largest rectangle in the middle
        whose ratio is allowed, after ten tries) is torchvision's.
    """

    numbers = 2 * _TRIES + 2

    def __init__(
        self,
        size: Any,
        scale: Sequence[float] = (0.08, 1.0),
        ratio: Sequence[float] = (3 / 4, 4 / 3),
        interpolation: str = "bilinear",
        antialias: bool = True,
    ):
        super().__init__()
        self.size = pair("RandomResizedCrop", "size", size)
        self.scale = interval(self, "scale", scale, 0, 1)
        self.ratio = interval(self, "ratio", ratio, 1e-6, 1e6)
        self.interpolation, self.antialias = geometry.shown_mode("RandomResizedCrop", interpolation), antialias

    def transform(self, images: Tensor, numbers: Doubles) -> Tensor:
        rows, columns = images.shape[2:]
        if not rows or not columns:
            raise ShapeError(f"RandomResizedCrop: images of {rows} x {columns} have no pixels")
        height, width, found = rectangles(rows, columns, numbers[:, :-2], self.scale, self.ratio)
        top, left = whole(numbers[:, -2], rows - height + 1), whole(numbers[:, -1], columns - width + 1)
        if not found.all():
            low, high = self.ratio
            shape = columns / rows
            whole_height = min(max(round(columns / low), 1), rows) if shape < low else rows
            whole_width = min(max(round(rows * high), 1), columns) if shape > high else columns
            middle = (rows - whole_height) // 2, (columns - whole_width) // 2, whole_height, whole_width
            box = np.where(found, (top, left, height, width), np.array(middle)[:, None])
            top, left, height, width = box
        how = self.interpolation, self.antialias
        return geometry.resized_boxes(images, (top, left, height, width), self.size, *how)

    def still(self, images: Tensor) -> Tensor:
        return geometry.resize(images, self.size, self.interpolation, antialias=self.antialias)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        return f"{self.size}, scale={self.scale}, ratio={self.ratio}, interpolation={self.interpolation!r}"


def rectangles(
    rows: int, columns: int, numbers: Doubles, scale: tuple[float, float], ratio: tuple[float, float], less: int = 0
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Heights and widths of random area and shape, (count,) each, and which of them fit into rows x columns.

    Args:
        numbers: (count, 2 * tries) in [0, 1): areas, then shapes, of which the first that fit are taken.
        scale: of the area, as a share of rows * columns.
        ratio: of width over height.
        less: by how much a rectangle that fits is smaller than the image, at least.
    """
    tries = numbers.shape[1] // 2
    area = rows * columns * between(numbers[:, :tries], scale)
    shape = np.exp(between(numbers[:, tries:], (np.log(ratio[0]), np.log(ratio[1]))))
    width, height = np.rint(np.sqrt(area * shape)), np.rint(np.sqrt(area / shape))
    fits = (height >= 1) & (height <= rows - less) & (width >= 1) & (width <= columns - less)
    first = np.argmax(fits, axis=1)
    every = np.arange(len(numbers))
    return height[every, first].astype(np.int64), width[every, first].astype(np.int64), fits[every, first]
