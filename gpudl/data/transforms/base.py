"""What transforms have in common: images and batches of them alike, and random numbers that belong to samples."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec

import numpy as np

from gpudl.autograd.grad_mode import mode
from gpudl.autograd.tensor import Tensor, wrap
from gpudl.backend.arrays import Array, quiet
from gpudl.backend.device import device_of, transfer
from gpudl.backend.dtypes import DType, dtype_of, float32, float64
from gpudl.backend.errors import ShapeError
from gpudl.data.draws import sample_draws
from gpudl.nn.module import Module

if TYPE_CHECKING:
    from numpy.typing import NDArray

P = ParamSpec("P")
PerSample = Any
"""A number for all images, or one for each: a sequence or NumPy array (count,)."""
Fill = float | Sequence[float]


def as_tensor(name: str, input: Any) -> Tensor:
    """The input, if it is a Tensor.

    Raises: TypeError if it is none.
    """
    if not isinstance(input, Tensor):
        kind = type(input).__name__
        raise TypeError(f"{name}: expected a Tensor or NumPy array, got {kind}; begin with ToImage() for pictures")
    return input


def as_batch(name: str, input: Any) -> Tensor:
    """(count, channels, rows, columns) of an image or a batch.

    Raises: TypeError for what is no Tensor; ShapeError for another number of dimensions.
    """
    images = as_tensor(name, input)
    if images.ndim == 3:
        # A view without the overhead of a recorded operation where none is recorded.
        return images.unsqueeze(0) if images.requires_grad else wrap(images.array[None], None, images._version)
    if images.ndim != 4:
        raise ShapeError(
            f"{name}: expected an image (channels, rows, columns) or a batch (count, channels, rows, columns), "
            f"got {tuple(images.shape)}; ToImage() makes the first of (rows, columns) and (rows, columns, channels)"
        )
    return images


def of_array(input: np.ndarray[Any, Any]) -> Tensor:
    """A NumPy array as a Tensor that shares its memory.

    Raises: TypeError for element types that gpudl does not have.
    """
    dtype_of(input.dtype)
    return wrap(input, None)


def on_images(function: Callable[Concatenate[Tensor, P], Tensor]) -> Callable[..., Any]:
    """A function of a batch for single images too, and for NumPy arrays, which give NumPy arrays."""
    name = function.__name__

    @functools.wraps(function)
    def called(input: Any, *args: P.args, **kwargs: P.kwargs) -> Any:
        if isinstance(input, np.ndarray):
            return called(of_array(input), *args, **kwargs).array
        batch = as_batch(name, input)
        result = function(batch, *args, **kwargs)
        return result if batch is input else _first(result)

    return called


def _first(batch: Tensor) -> Tensor:
    return batch.squeeze(0) if batch.requires_grad else wrap(batch.array[0], None, batch._version)


def plain(images: Tensor) -> Array:
    """The bare NumPy array where images are on the host and no history is recorded, else the Tensor.

    An operation on small arrays takes a third of the time of one on Tensors. Whoever computes on what this gives
    writes for both: with operators, methods that both have, and `xp_of`.
    """
    bare = type(images.array) is np.ndarray and not (mode.enabled and images.requires_grad)
    return images.array if bare else images


def in_float(images: Tensor, compute: Callable[[Array], Array], unit: bool = False, *, widens: bool = False) -> Tensor:
    """What `compute` makes of `plain` images in float32 or float64, in the dtype of the images again.

    Half floats are rounded once. Integers are rounded to the nearest (half to even) and kept in range.

    Args:
        widens: `compute` takes bare integers as they are, and gives floats (see `wide`).
        unit: give integers to `compute` divided by the largest number of their dtype, as images in [0, 1].
    Raises: TypeError for bools.
    """
    dtype, x = images.dtype, plain(images)
    if dtype.kind == "b":
        raise TypeError("images of bools cannot be interpolated or colored; put ToDtype(gpudl.float32) before")
    with quiet():
        if dtype.kind in "fV":
            result = compute(x) if dtype.itemsize > 2 else compute(x.astype(float32)).astype(dtype)
        else:
            least, most = limits(dtype)
            if not widens or isinstance(x, Tensor):
                x = x.astype(wide(dtype))
            result = compute(x / most) * most if unit else compute(x)
            if isinstance(result, Tensor):
                result = result.round().clip(float(least), float(most))
            else:
                np.rint(result, out=result).clip(float(least), float(most), out=result)
            result = result.astype(dtype)
    if result is x:
        return images
    return result if isinstance(result, Tensor) else wrap(result, None)


def wide(dtype: DType) -> DType:
    """The dtype to compute in for images of float32, float64 or integers."""
    return dtype if dtype.kind == "f" else float32 if dtype.itemsize < 4 else float64


@functools.cache
def limits(dtype: DType) -> tuple[int, int]:
    """The least and the largest integer of a dtype."""
    found = np.iinfo(dtype)
    return int(found.min), int(found.max)


def beside(values: Any, images: Array, dtype: DType | None = None) -> Array:
    """Values from the host for images that `plain` gave: an array, or a Tensor whose copy waits for nothing."""
    found = np.ascontiguousarray(values, dtype)
    return wrap(transfer(found, device_of(images.array)), None) if isinstance(images, Tensor) else found


def per_sample(name: str, what: str, values: PerSample, count: int, dtype: Any = float64) -> NDArray[Any]:
    """(count,) on the host, of one number or of one for each image.

    Raises: ShapeError for another number of them.
    """
    if isinstance(values, Tensor):
        raise TypeError(f"{name}: {what} must be numbers on the host, a sequence or NumPy array, not a Tensor")
    found = np.asarray(values, dtype)
    if found.shape not in ((), (count,)):
        raise ShapeError(f"{name}: {what} must be one number or one for each of {count} images, got {found.shape}")
    return found if found.shape else np.full(count, found)


def scalars(values: NDArray[Any], images: Array) -> Array:
    """(count, 1, 1, 1) beside the images, in their dtype."""
    return beside(values.reshape(-1, 1, 1, 1), images, images.dtype)


def fill_of(name: str, fill: Fill, images: Array) -> Array:
    """(channels or 1, 1, 1) beside the images, in their dtype.

    Raises: ShapeError for another number of values than channels.
    """
    values = np.asarray(fill, float64).reshape(-1, 1, 1)
    if len(values) not in (1, images.shape[1]):
        raise ShapeError(f"{name}: {len(values)} values to fill in, but the images have {images.shape[1]} channels")
    return beside(values, images, images.dtype)


def chosen(images: Array, rows: NDArray[np.int64]) -> Array:
    """The images of these numbers."""
    if isinstance(images, Tensor):
        return images.index_select(0, beside(rows, images, dtype_of("int64")))
    return images[rows]


class Transform(Module):
    """Base of the transforms: of one image, of a batch, and a layer of a model.

    A transform takes an image (channels, rows, columns) or a batch (count, channels, rows, columns), a Tensor on any
    device or a NumPy array, and gives the same kind. What it does to an image does not depend on the others of its
    batch. The random ones are active in training mode only, as dropout is: a dataset's transforms are in it from the
    start, and those that are layers of a model follow its train() and eval().

    Random numbers come from `gpudl.data.draws.sample_draws`: in a DataLoader they depend on the seed, the epoch and
    the sample alone, elsewhere on the seed and on how many random calls there were before; never on the device. They
    are made on the host, and go to a device in a copy that waits for nothing; so a step that is captured as a graph
    can hold none of the random ones.

    A subclass gives `transform`, and `numbers` if it is random.

    Attributes:
        numbers: how many random numbers an image takes.
    """

    numbers: int = 0

    @property
    def draws(self) -> int:
        """How many random numbers an image takes now: none in evaluation."""
        return self.numbers if self.training else 0

    def transform(self, images: Tensor, numbers: NDArray[np.float64]) -> Tensor:
        """The batch transformed.

        Args:
            images: (count, channels, rows, columns).
            numbers: (count, self.numbers) in [0, 1).
        """
        raise NotImplementedError(f"{type(self).__name__} has no transform method")

    def still(self, images: Tensor) -> Tensor:
        """What a random transform makes of a batch in evaluation: by default nothing."""
        return images

    def run(self, input: Any, numbers: NDArray[np.float64] | None) -> Any:
        """An image or a batch transformed by numbers that were drawn before: (count, draws), None for no draws."""
        if isinstance(input, np.ndarray):
            return self.run(of_array(input), numbers).array
        batch = as_batch(type(self).__name__, input)
        if self.numbers and numbers is None:
            result = self.still(batch)
        else:
            result = self.transform(batch, np.empty((batch.shape[0], 0)) if numbers is None else numbers)
        return result if batch is input else _first(result)

    def forward(self, input: Any) -> Any:
        return self.run(input, self.drawn(input, self.draws))

    def drawn(self, input: Any, count: int) -> NDArray[np.float64] | None:
        """So many numbers for each image of an input, None for none."""
        if not count:
            return None
        shape: Array = input if isinstance(input, np.ndarray) else as_batch(type(self).__name__, input)
        return sample_draws(1 if shape.ndim == 3 else shape.shape[0], count)


def probability(transform: Transform, p: float) -> float:
    """p, if it is one.

    Raises: ValueError if it is not in [0, 1].
    """
    if not 0 <= p <= 1:
        raise ValueError(f"{type(transform).__name__}: p must be in [0, 1], got {p}")
    return float(p)


def interval(transform: Transform, name: str, value: Any, low: float = -np.inf, high: float = np.inf) -> Any:
    """(least, most) of a pair of numbers, which are in [low, high].

    Raises: ValueError for anything else.
    """
    try:
        least, most = map(float, value)
    except (TypeError, ValueError):
        least, most = np.nan, np.nan
    if not low <= least <= most <= high:
        raise ValueError(
            f"{type(transform).__name__}: {name} must be (least, most) in [{low:g}, {high:g}], got {value!r}"
        )
    return least, most


def between(numbers: NDArray[np.float64], limits: tuple[float, float]) -> NDArray[np.float64]:
    """Numbers in [0, 1) spread over an interval."""
    return limits[0] + numbers * (limits[1] - limits[0])


def whole(numbers: NDArray[np.float64], count: Any) -> NDArray[np.int64]:
    """Numbers in [0, 1) to whole ones in [0, count)."""
    found: NDArray[np.int64] = np.minimum(np.floor(numbers * count), np.asarray(count) - 1).astype(np.int64)
    return found


def pair(name: str, what: str, value: Any) -> tuple[int, int]:
    """Two whole numbers, of one for both or of two.

    Raises: ValueError for anything else, or a number below 1.
    """
    numbers = (value, value) if np.ndim(value) == 0 else tuple(value)
    if len(numbers) != 2 or any(int(each) != each or each < 1 for each in numbers):
        raise ValueError(f"{name}: {what} must be one whole number of 1 or more, or two of them; got {value}")
    return int(numbers[0]), int(numbers[1])
