"""Colors and sharpness changed at random."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array
from gpudl.data.transforms import color
from gpudl.data.transforms.base import Transform, between, in_float, interval, pair, scalars
from gpudl.data.transforms.containers import in_groups

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Doubles = NDArray[np.float64]

_KINDS: tuple[Callable[[Array, Array], Array], ...] = (
    color.brightened,
    color.contrasted,
    color.saturated,
    color.turned,
)


class Grayscale(Transform):
    """RGB images as gray ones.

    Args:
        num_output_channels: 1, or 3 alike.
    """

    def __init__(self, num_output_channels: int = 1):
        super().__init__()
        if num_output_channels not in (1, 3):
            raise ValueError(f"Grayscale: num_output_channels must be 1 or 3, got {num_output_channels}")
        self.num_output_channels = num_output_channels

    def transform(self, images: Tensor, numbers: Doubles) -> Tensor:
        return color.rgb_to_grayscale(images, self.num_output_channels)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        return f"{self.num_output_channels}"


class ColorJitter(Transform):
    """Brightness, contrast, saturation and hue changed by random factors, in an order that is random too.

    Args:
        brightness, contrast, saturation: (least, most) factor, 0 or more; or a number x for (max(0, 1 - x), 1 + x).
        hue: (least, most) turns in [-0.5, 0.5]; or a number x for (-x, x).
    Shape: (*, 1 or 3, rows, columns), to the same: floating in [0, 1], or integers.
    Raises: ValueError for factors out of range.
    """

    numbers = 8

    def __init__(self, brightness: Any = 0, contrast: Any = 0, saturation: Any = 0, hue: Any = 0):
        super().__init__()
        self.brightness = self._limits("brightness", brightness)
        self.contrast = self._limits("contrast", contrast)
        self.saturation = self._limits("saturation", saturation)
        self.hue = self._limits("hue", hue)

    def _limits(self, name: str, value: Any) -> tuple[float, float] | None:
        """(least, most); None for what changes nothing."""
        center, low, high = (0.0, -0.5, 0.5) if name == "hue" else (1.0, 0.0, np.inf)
        if isinstance(value, (int, float)):
            if not 0 <= value < np.inf:
                raise ValueError(f"ColorJitter: {name} must be 0 or more, or (least, most); got {value}")
            value = (center - value if name == "hue" else max(0.0, center - value)), center + value
        limits: tuple[float, float] = interval(self, name, value, low, high)
        return None if limits == (center, center) else limits

    def transform(self, images: Tensor, numbers: Doubles) -> Tensor:
        limits = self.brightness, self.contrast, self.saturation, self.hue
        color.check_channels("ColorJitter", images)
        order = np.argsort(numbers[:, 4:], axis=1, kind="stable")

        def changed(part: Array, kind: int, own: Doubles) -> Array:
            wanted = limits[kind]
            return part if wanted is None else _KINDS[kind](part, scalars(between(own[:, kind], wanted), part))

        def jittered(part: Array) -> Array:
            for turn in order.T:
                part = in_groups("ColorJitter", part, numbers, [turn == kind for kind in range(4)], changed)
            return part

        return in_float(images, jittered, unit=True)  # integers are rounded once, after all four

    def extra_repr(self) -> str:
        names = "brightness", "contrast", "saturation", "hue"
        return ", ".join(f"{name}={getattr(self, name)}" for name in names)


class GaussianBlur(Transform):
    """Images smoothed by a Gaussian of random width.

    Args:
        kernel_size: an odd number, or (width, height).
        sigma: standard deviation in pixels, above 0: (least, most), or one number.
    """

    numbers = 1

    def __init__(self, kernel_size: Any, sigma: float | Sequence[float] = (0.1, 2.0)):
        super().__init__()
        self.kernel_size = pair("GaussianBlur", "kernel_size", kernel_size)
        if not all(size % 2 for size in self.kernel_size):
            raise ValueError(f"GaussianBlur: kernel_size must be odd, got {kernel_size}")
        self.sigma = interval(self, "sigma", (sigma, sigma) if isinstance(sigma, (int, float)) else sigma, 1e-3, 1e6)

    def transform(self, images: Tensor, numbers: Doubles) -> Tensor:
        sigma = between(numbers[:, 0], self.sigma)
        return color.gaussian_blur(images, self.kernel_size, sigma)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        return f"{self.kernel_size}, sigma={self.sigma}"
