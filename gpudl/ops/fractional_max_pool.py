"""fractional_max_pool2d and 3d: max pooling whose windows lie at random, a fraction of an element apart on average.

    start[q] = int((q + u) a) - int(u a),    a = (size - kernel) / (out - 1),    u uniform in [0, 1)

Graham 2014, arXiv:1412.6071.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.dtypes import float32, promote_types
from gpudl.backend.errors import ShapeError
from gpudl.ops.pick import Pick, largest_places
from gpudl.ops.sample import rand
from gpudl.ops.windows import Lengths, batched, lengths

__all__ = [
    "fractional_max_pool2d", "fractional_max_pool2d_with_indices", "fractional_max_pool3d",
    "fractional_max_pool3d_with_indices",
]  # fmt: skip

Ratios = float | Sequence[float] | None


class FractionalPlaces(Primitive):
    """Where the largest element of each window lies: the first of equals, the last nan."""

    __slots__ = ()
    differentiable = False
    widens = False  # the windows lie where the samples' own precision puts them

    def forward(ctx, x: Array, samples: Array, kernel: Lengths, out: Lengths) -> Array:
        xp, ndim = xp_of(x), len(kernel)
        starts = []
        for axis, (size, taps, count) in enumerate(zip(x.shape[2:], kernel, out)):
            # In two dimensions the first sample is that of the width.
            own = samples[: x.shape[0], :, ndim - 1 - axis if ndim == 2 else axis, None]
            step = own.dtype.type(size - taps) / own.dtype.type(max(count - 1, 1))
            start = ((xp.arange(count).astype(own.dtype) + own) * step).astype("int64") - (own * step).astype("int64")
            start[..., -1:] = size - taps
            starts.append(start.reshape((*start.shape[:2], *(count if i == axis else 1 for i in range(ndim)))))
        return largest_places(
            x, (_flat(starts, taps, x.shape[2:]) for taps in itertools.product(*map(range, kernel))), out
        )


def _flat(starts: Sequence[Array], taps: Sequence[int], size: Lengths) -> Array:
    """The place of a tap of all windows, (n, c, *out)."""
    found: Any = 0
    for start, tap, length in zip(starts, taps, size):
        found = found * length + start + tap
    return found


def fractional_max_pool2d(
    input: Tensor,
    kernel_size: int | Lengths,
    output_size: int | Lengths | None = None,
    output_ratio: Ratios = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """Max pooling to a given size, of windows that lie at random and may overlap.

    Args:
        input: (batch, channels, height, width), or without the batch, floating point.
        kernel_size: the windows' lengths: one int, or two.
        output_size: how many windows; or
        output_ratio: how many for each element, in (0, 1).
        return_indices: give the places of the largest elements too, int64.
        _random_samples: (batch, channels, 2) in [0, 1), the random numbers; default from the stream "sample".
    Returns: (batch, channels, *output_size); or that and the indices.
    Raises: ValueError if neither output_size nor output_ratio is given; ShapeError if the windows do not fit;
        RuntimeError for integers.
    Gradient: dy to the largest element of each window, the first of equals.
    Source: Graham 2014, arXiv:1412.6071.
    """
    found = _pooled("fractional_max_pool2d", 2, input, kernel_size, output_size, output_ratio, _random_samples)
    return found if return_indices else found[0]


def fractional_max_pool2d_with_indices(
    input: Tensor,
    kernel_size: int | Lengths,
    output_size: int | Lengths | None = None,
    output_ratio: Ratios = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """fractional_max_pool2d and the places of the largest elements, whatever `return_indices` says."""
    return _pooled("fractional_max_pool2d", 2, input, kernel_size, output_size, output_ratio, _random_samples)


def fractional_max_pool3d(
    input: Tensor,
    kernel_size: int | Lengths,
    output_size: int | Lengths | None = None,
    output_ratio: Ratios = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """As fractional_max_pool2d, for inputs (batch, channels, depth, height, width), with three samples each."""
    found = _pooled("fractional_max_pool3d", 3, input, kernel_size, output_size, output_ratio, _random_samples)
    return found if return_indices else found[0]


def fractional_max_pool3d_with_indices(
    input: Tensor,
    kernel_size: int | Lengths,
    output_size: int | Lengths | None = None,
    output_ratio: Ratios = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """fractional_max_pool3d and the places of the largest elements, whatever `return_indices` says."""
    return _pooled("fractional_max_pool3d", 3, input, kernel_size, output_size, output_ratio, _random_samples)


def _pooled(
    name: str, ndim: int, input: Tensor, kernel_size: Any, output_size: Any, output_ratio: Any, samples: Tensor | None
) -> tuple[Tensor, Tensor]:
    if output_size is None and output_ratio is None:
        raise ValueError(f"{name}: give output_size or output_ratio")
    x, has_batch = batched(name, input, ndim)
    if x.dtype.kind not in "fV":
        raise RuntimeError(f"{name}: the input is {x.dtype}; cast it to a floating dtype first")
    if output_size is None:
        ratios = tuple(output_ratio) if isinstance(output_ratio, Sequence) else (output_ratio,) * ndim
        if len(ratios) != ndim:
            raise ValueError(f"{name}: output_ratio must be one number or {ndim}, got {output_ratio}")
        output_size = tuple(int(size * ratio) for size, ratio in zip(x.shape[2:], ratios))
    kernel, out = lengths(name, "kernel_size", kernel_size, ndim, 1), lengths(name, "output_size", output_size, ndim, 1)
    if 0 in x.shape[1:] or any(
        count + taps - 1 > size - (ndim > 2) for count, taps, size in zip(out, kernel, x.shape[2:])
    ):
        raise ShapeError(f"{name}: {out} windows of {kernel} do not fit into an input of shape {input.shape}")
    drawn = samples is None
    if samples is None:  # not in a half dtype, which could round them up to 1
        samples = rand(*x.shape[:2], ndim, dtype=promote_types(x.dtype, float32), device=x.device)
    if samples.ndim != 3 or samples.shape[0] < x.shape[0] or samples.shape[1:] != (x.shape[1], ndim):
        raise ShapeError(f"{name}: _random_samples must be {(*x.shape[:2], ndim)}, got {samples.shape}")
    if samples.requires_grad:
        raise RuntimeError(f"{name}: the windows' places have no gradient; give _random_samples.detach()")
    if samples.dtype != x.dtype and not drawn:
        raise RuntimeError(f"{name}: _random_samples must be {x.dtype} as the input, got {samples.dtype}")
    at = FractionalPlaces.apply(x, samples, kernel, out)
    y: Tensor = Pick.apply(x, at)
    return (y, at) if has_batch else (y.reshape(y.shape[1:]), at.reshape(at.shape[1:]))
