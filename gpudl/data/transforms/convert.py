"""From pictures to Tensors, between dtypes, and from labels to vectors."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpudl.autograd.tensor import Tensor, wrap
from gpudl.backend.arrays import quiet
from gpudl.backend.dtypes import dtype_of, float32
from gpudl.backend.errors import ShapeError
from gpudl.data.transforms.base import Transform, as_tensor, limits, of_array, plain
from gpudl.ops.one_hot import one_hot


def to_image(input: Any) -> Tensor:
    """A picture as a Tensor with its channels first, of the same dtype.

    Args:
        input: a PIL image; a NumPy array (rows, columns), (rows, columns, channels) or (count, rows, columns,
            channels); a Tensor, which stays as it is, but for one channel more if it is (rows, columns).
    Returns: (channels, rows, columns), or (count, channels, rows, columns).
    Raises: TypeError for anything else; ShapeError for another number of dimensions.
    """
    if isinstance(input, Tensor):
        return input.unsqueeze(0) if input.ndim == 2 else input
    if not isinstance(input, np.ndarray):
        if not hasattr(input, "__array_interface__"):
            raise TypeError(f"to_image: expected a PIL image, NumPy array or Tensor, got {type(input).__name__}")
        input = np.array(input)
    if input.ndim not in (2, 3, 4):
        raise ShapeError(
            "to_image: expected (rows, columns), (rows, columns, channels) or (count, rows, columns, channels), got "
            f"{input.shape}"
        )
    channels_first = input[None] if input.ndim == 2 else np.moveaxis(input, -1, -3)
    return of_array(np.ascontiguousarray(channels_first))


def to_dtype(input: Any, dtype: Any = float32, scale: bool = False) -> Any:
    """Values in another dtype.

    Args:
        input: a Tensor or NumPy array of any shape.
        scale: keep the meaning of images, whose floating values are in [0, 1] and whose integers go up to the largest
            of their dtype; else the numbers.
    Returns: a Tensor, or an array of an array.
    Raises: TypeError for anything else, and for bools with `scale`.
    """
    if isinstance(input, np.ndarray):
        return to_dtype(of_array(input), dtype, scale).array
    have, want = as_tensor("to_dtype", input).dtype, dtype_of(dtype)
    if have == want or not scale:
        return input.to(want)
    kinds = "".join("f" if each.kind == "V" else each.kind for each in (have, want))
    if "b" in kinds:
        raise TypeError(f"to_dtype: bools have no scale; {have} to {want} needs scale=False")
    if kinds == "ff":
        return input.to(want)
    x = plain(input)
    if kinds[1] == "f":
        # Divided in float32 at least: float16 holds neither 65535 nor each whole number below it.
        x = x.astype(want if want.itemsize > 2 else float32)
        x /= limits(have)[1]
    elif kinds[0] == "f":
        # The range in equal parts, one for each integer, as in torchvision; what is outside is brought in.
        limit = limits(want)[1]
        with quiet():
            x = x.astype("float64" if want.itemsize > 2 else float32) * (limit + 1.0 - 1e-3)
            x = x.clip(0.0, float(limit)).astype(want)
    else:
        shift = limits(want)[1].bit_length() - limits(have)[1].bit_length()
        x = x.astype(want) * 2**shift if shift > 0 else x // 2**-shift
    x = x if x.dtype == want else x.astype(want)
    return x if isinstance(x, Tensor) else wrap(x, None)


class ToImage(Transform):
    """Pictures (PIL, or NumPy arrays with the channels last) as Tensors (channels, rows, columns) of the same dtype.

    Args, returns, raises: see gpudl.data.transforms.functional.to_image.
    """

    def run(self, input: Any, numbers: Any = None) -> Tensor:
        """The picture as a Tensor."""
        return to_image(input)


class ToDtype(Transform):
    """Values in another dtype; images of uint8 in [0, 1] with ToDtype(float32, scale=True).

    Args:
        dtype: of the result.
        scale: keep the meaning of images, whose floating values are in [0, 1] and whose integers go up to the largest
            of their dtype; else the numbers.
    Shape: (*), to the same.
    """

    def __init__(self, dtype: Any = float32, scale: bool = False):
        super().__init__()
        self.dtype, self.scale = dtype_of(dtype), scale

    def run(self, input: Any, numbers: Any = None) -> Any:
        """The input in the dtype."""
        return to_dtype(input, self.dtype, self.scale)

    def extra_repr(self) -> str:
        return f"{self.dtype}, scale={self.scale}"


class OneHot(Transform):
    """Labels as vectors: 1 at the label, 0 elsewhere.

    Args:
        num_classes: 1 or more.
        dtype: of the result.
    Shape: an int, or a Tensor or NumPy array (*) of integers in [0, num_classes), to a Tensor (*, num_classes).
    Raises: ValueError for num_classes below 1; TypeError for labels that are no integers; on the CPU, IndexError for
        a label out of range.
    """

    def __init__(self, num_classes: int, dtype: Any = float32):
        super().__init__()
        if num_classes < 1:
            raise ValueError(f"OneHot: num_classes must be 1 or more, got {num_classes}")
        self.num_classes, self.dtype = int(num_classes), dtype_of(dtype)

    def run(self, input: Any, numbers: Any = None) -> Tensor:
        """The labels as vectors."""
        labels = input if isinstance(input, Tensor) else of_array(np.asarray(input))
        if labels.dtype.kind not in "iu":
            raise TypeError(f"OneHot: labels must be integers, got {labels.dtype}")
        return one_hot(labels.to(np.int64), self.num_classes).to(self.dtype)

    def extra_repr(self) -> str:
        return f"{self.num_classes}, {self.dtype}"
