"""Random flips, rotations and affine maps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gpudl.autograd.tensor import Tensor
from gpudl.data.transforms import geometry, warp
from gpudl.data.transforms.base import Fill, Transform, between, interval, probability

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Doubles = NDArray[np.float64]


class RandomHorizontalFlip(Transform):
    """Left and right exchanged with probability p.

    Args:
        p: the probability.
    """

    numbers = 1
    dim = 3

    def __init__(self, p: float = 0.5):
        super().__init__()
        self.p = probability(self, p)

    def transform(self, images: Tensor, numbers: Doubles) -> Tensor:
        return geometry.turned(images, numbers[:, 0] < self.p, self.dim)

    def extra_repr(self) -> str:
        return f"p={self.p}"


class RandomVerticalFlip(RandomHorizontalFlip):
    """Up and down exchanged with probability p.

    Args:
        p: the probability.
    """

    dim = 2


class RandomRotation(Transform):
    """Images turned by a random angle, in a frame of the same size.

    Args:
        degrees: (least, most), counterclockwise; or one number for (-degrees, degrees).
        interpolation: "nearest" | "bilinear" | "bicubic".
        center: (x, y) in pixels from the upper left corner, by default the middle.
        fill: outside of the image: a number, or one for each channel.
    """

    numbers = 1

    def __init__(
        self,
        degrees: Any,
        interpolation: str = "nearest",
        *,
        center: Sequence[float] | None = None,
        fill: Fill = 0,
    ):
        super().__init__()
        self.degrees = around(self, "degrees", degrees)
        self.interpolation = geometry.shown_mode("RandomRotation", interpolation)
        self.center, self.fill = center, fill

    def transform(self, images: Tensor, numbers: Doubles) -> Tensor:
        angle = between(numbers[:, 0], self.degrees)
        return warp.rotate(  # type: ignore[no-any-return]
            images, angle, self.interpolation, center=self.center, fill=self.fill
        )

    def extra_repr(self) -> str:
        return f"{self.degrees}, interpolation={self.interpolation!r}"


class RandomAffine(Transform):
    """Images turned, moved, scaled and sheared at random, in a frame of the same size.

    Args:
        degrees: (least, most), clockwise; or one number for (-degrees, degrees).
        translate: (across, down): the farthest that images are moved, as shares of width and height in [0, 1], to a
            whole number of pixels; None not to.
        scale: (least, most), above 0; None not to.
        shear: degrees, (least, most) along x; or one number for (-shear, shear); or four, along y too. None not to.
        interpolation, fill, center: as of RandomRotation.
    """

    numbers = 6

    def __init__(
        self,
        degrees: Any,
        translate: Sequence[float] | None = None,
        scale: Sequence[float] | None = None,
        shear: Any = None,
        interpolation: str = "nearest",
        fill: Fill = 0,
        center: Sequence[float] | None = None,
    ):
        super().__init__()
        self.degrees = around(self, "degrees", degrees)
        shares = (0.0, 0.0) if translate is None else tuple(translate)
        if len(shares) != 2 or not all(0 <= share <= 1 for share in shares):
            raise ValueError(f"RandomAffine: translate must be two numbers in [0, 1], got {translate}")
        self.translate = shares
        self.scale = interval(self, "scale", (1, 1) if scale is None else scale, 1e-6, 1e6)
        four = shear if isinstance(shear, Sequence) and len(shear) == 4 else (0, 0, 0, 0)
        self.shear = (
            (interval(self, "shear", four[:2]), interval(self, "shear", four[2:]))
            if shear is None or four is shear
            else (around(self, "shear", shear), (0.0, 0.0))
        )
        self.interpolation = geometry.shown_mode("RandomAffine", interpolation)
        self.fill, self.center = fill, center

    def transform(self, images: Tensor, numbers: Doubles) -> Tensor:
        angle, across, down, scale, shear_x, shear_y = numbers.T
        rows, columns = images.shape[2:]
        moved = [
            (between(number, (-share * length, share * length))).round()
            for number, share, length in zip((across, down), self.translate, (columns, rows))
        ]
        return warp.affine(  # type: ignore[no-any-return]
            images,
            between(angle, self.degrees),
            moved,
            between(scale, self.scale),
            (between(shear_x, self.shear[0]), between(shear_y, self.shear[1])),
            self.interpolation,
            self.fill,
            self.center,
        )

    def extra_repr(self) -> str:
        return f"{self.degrees}, translate={self.translate}, scale={self.scale}, shear={self.shear}"


def around(transform: Transform, name: str, value: Any) -> Any:
    """(least, most) of a pair, or (-value, value) of a number.

    Raises: ValueError for a negative number, or anything else.
    """
    if isinstance(value, (int, float)):
        if not 0 <= value < math.inf:
            raise ValueError(f"{type(transform).__name__}: {name} must be 0 or more, or (least, most); got {value}")
        value = -value, value
    return interval(transform, name, value, -1e6, 1e6)
