"""Means and standard deviations taken out of data: given ones, or those of the data itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gpudl.autograd.tensor import Tensor, wrap
from gpudl.backend.arrays import quiet
from gpudl.backend.device import device_of, is_on_host, transfer
from gpudl.backend.dtypes import float32, get_default_dtype
from gpudl.backend.errors import ShapeError
from gpudl.data.transforms.base import Transform, as_tensor, of_array, plain
from gpudl.ops.create import tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Doubles = NDArray[np.float64]

_AT_ONCE = 256  # samples of a dataset that are seen together


class Normalize(Transform):
    """(images - mean) / std, channel by channel.

    Args:
        mean, std: one number for each channel; std above 0.
        dtype: of the buffers.
    Attributes:
        mean, std: (channels,) buffers, which are saved with a model; on the host they serve images of any device.
    Shape: (*, channels, rows, columns) floating, to the same.
    Raises: ValueError for a std of 0 or less, or not as many of them; TypeError for images of integers; ShapeError for
        another number of channels.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float], *, dtype: Any = float32):
        super().__init__()
        means, stds = np.asarray(mean, np.float64), np.asarray(std, np.float64)
        if means.ndim != 1 or means.shape != stds.shape or not (stds > 0).all():
            raise ValueError(f"Normalize: needs as many std, all above 0, as mean; got mean={mean}, std={std}")
        self.register_buffer("mean", tensor(means, dtype=dtype))
        self.register_buffer("std", tensor(stds, dtype=dtype))

    def run(self, input: Any, numbers: Any = None) -> Any:
        """The images normalized."""
        if isinstance(input, np.ndarray):
            return self.run(of_array(input)).array
        if as_tensor("Normalize", input).dtype.kind not in "fV":
            raise TypeError(f"Normalize: images are {input.dtype}; put ToDtype(gpudl.float32, scale=True) before")
        channels = self.mean.shape[0]
        if input.ndim < 3 or input.shape[-3] != channels:
            raise ShapeError(
                f"Normalize: {channels} channels were given, so images must be (..., {channels}, rows, columns), got "
                f"{tuple(input.shape)}"
            )
        return _standardized(input, self.mean, self.std, (-1, 1, 1))

    def extra_repr(self) -> str:
        return f"{self.mean.shape[0]} channels"


class Standardize(Transform):
    """(x - mean) / std of each feature, with the mean and standard deviation of the data that `fit` saw.

    Where all values of a feature are alike it is divided by 1. Before `fit`, or values that are loaded, mean is 0 and
    std 1.

    Args:
        shape: how the mean broadcasts with the end of a sample's shape: (channels, 1, 1) for each channel of images,
            the number of features for rows of a table, the whole shape of a sample for each of its elements.
        dtype: of the buffers.
    Attributes:
        mean, std: buffers of this shape, which are saved with a model; on the host they serve data of any device.
    Shape: (*, *shape), to the same; integers give the default dtype.
    Raises: ValueError for a negative length; ShapeError for data that does not end in the shape.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, shape: int | Sequence[int], *, dtype: Any = float32):
        super().__init__()
        self.shape = (shape,) if isinstance(shape, int) else tuple(int(each) for each in shape)
        if min(self.shape, default=1) < 1:
            raise ValueError(f"Standardize: lengths of the shape must be 1 or more, got {self.shape}")
        self.register_buffer("mean", tensor(np.zeros(self.shape), dtype=dtype))
        self.register_buffer("std", tensor(np.ones(self.shape), dtype=dtype))

    def fit(self, data: Any) -> Standardize:
        """Take mean and standard deviation from data, seen once and never all in memory.

        The same to rounding of float64 as those of all values together, however they are divided in batches. nan is
        left out. A DataLoader is iterated over once: that is an epoch of it.

        Args:
            data: a Tensor or NumPy array, a dataset, or an iterable of batches; of samples that are tuples the first.
        Returns: this one.
        Raises: ValueError for no values of a feature, or infinite ones; ShapeError for data that does not end in the
            shape.
        Source: Chan, Golub & LeVeque 1979, "Updating formulae and a pairwise algorithm for computing sample variances".
        """
        count, mean, squares = (np.zeros(self.shape) for _ in range(3))
        for part in _parts(data):
            self._check(part.shape)
            values = part.astype(np.float64)
            if np.isinf(values).any():
                raise ValueError("Standardize.fit: the data has infinite values; leave them out, or make them nan")
            more, part_mean, part_squares = self._moments(values)
            total = np.maximum(count + more, 1)
            shift = part_mean - mean
            mean += shift * (more / total)
            squares += part_squares + shift * shift * (count * more / total)
            count += more
        if not count.all():
            raise ValueError(f"Standardize.fit: the data has no values for {int((count == 0).sum())} of the features")
        std = np.sqrt(squares / count)
        # Rounding leaves some variance where all values are alike.
        alike = std <= 10 * np.finfo(np.float64).eps * abs(mean)
        self.mean = tensor(mean, dtype=self.mean.dtype, device=self.mean.device)
        self.std = tensor(np.where(alike, 1.0, std), dtype=self.std.dtype, device=self.std.device)
        return self

    def _moments(self, values: Doubles) -> tuple[Doubles, Doubles, Doubles]:
        """How many values each feature has, their mean, and the sum of the squares of what lies off it."""
        lead = values.ndim - len(self.shape)
        axes = (*range(lead), *(lead + place for place, length in enumerate(self.shape) if length == 1))
        known = ~np.isnan(values)
        count = known.sum(axes, keepdims=True).astype(np.float64)
        mean = np.where(known, values, 0).sum(axes, keepdims=True) / np.maximum(count, 1)
        off = np.where(known, values - mean, 0)
        squares = (off * off).sum(axes, keepdims=True)
        return count.reshape(self.shape), mean.reshape(self.shape), squares.reshape(self.shape)

    def _check(self, shape: tuple[int, ...]) -> None:
        ends = shape[len(shape) - len(self.shape) :]
        fits = len(shape) >= len(self.shape)
        if not fits or any(want not in (1, have) for want, have in zip(self.shape, ends, strict=True)):
            raise ShapeError(f"Standardize: data {tuple(shape)} does not end in the shape {self.shape} it was made for")

    def run(self, input: Any, numbers: Any = None) -> Any:
        """The data standardized."""
        if isinstance(input, np.ndarray):
            return self.run(of_array(input)).array
        self._check(as_tensor("Standardize", input).shape)
        values = _floating(input)
        return _standardized(values, self.mean, self.std, self.shape)

    def inverse(self, input: Any) -> Any:
        """From standardized data back to data."""
        if isinstance(input, np.ndarray):
            return self.inverse(of_array(input)).array
        self._check(as_tensor("Standardize", input).shape)
        values = _floating(input)
        return values * _near(self.std, values) + _near(self.mean, values)

    def extra_repr(self) -> str:
        return f"{self.shape}"


def _standardized(input: Tensor, mean: Tensor, std: Tensor, shape: tuple[int, ...]) -> Tensor:
    x = plain(input) if input.dtype.itemsize > 2 else input  # half floats are rounded after each operation
    means, stds = (_near(each, input) for each in (mean, std))
    if isinstance(x, Tensor):
        return (x - means.reshape(shape)) / stds.reshape(shape)
    with quiet():
        result = x - plain(means).reshape(shape)
        result /= plain(stds).reshape(shape)
    return wrap(result, None)


def _floating(input: Tensor) -> Tensor:
    return input if input.dtype.kind in "fV" else input.to(get_default_dtype())


def _near(buffer: Tensor, input: Tensor) -> Tensor:
    """A buffer beside the input, in its dtype; one that is on another device than the host must be there already."""
    if is_on_host(buffer.array):
        buffer = wrap(transfer(buffer.array, device_of(input.array)), None)
    return buffer if buffer.dtype == input.dtype else buffer.to(input.dtype)


def _parts(data: Any) -> Iterator[NDArray[Any]]:
    """Data piece by piece, on the host."""
    if isinstance(data, (Tensor, np.ndarray)):
        yield _on_host(data)
        return
    if callable(getattr(data, "batch", None)):
        for start in range(0, len(data), _AT_ONCE):
            yield _on_host(data.batch(np.arange(start, min(start + _AT_ONCE, len(data)))))
        return
    if isinstance(data, Iterable):
        samples: Iterable[Any] = data
    elif hasattr(data, "__getitem__") and hasattr(data, "__len__"):
        samples = (data[index] for index in range(len(data)))
    else:
        raise TypeError(f"Standardize.fit: expected data, a dataset or batches, got {type(data).__name__}")
    for sample in samples:
        yield _on_host(sample)


def _on_host(sample: Any) -> NDArray[Any]:
    first = sample[0] if isinstance(sample, (tuple, list)) else sample
    return first.detach().cpu().numpy() if isinstance(first, Tensor) else np.asarray(first)
