"""Planes of (samples, channels, places) arrays, each with numbers of its own: the CPU bodies of the normalizations.

NumPy is fast along rows that are long and contiguous. Long planes are rows themselves, each with one number; short
ones are taken together, and a number repeated for each of their places. Sums are left to the BLAS, those of few
numbers are made in float64.
"""

from __future__ import annotations

import numpy as np

from gpudl.backend.arrays import Array
from gpudl.ops.blocks import blocks

_LONG = 48  # places from which on a plane is a row of its own


class Planes:
    """How (samples, channels, places) is laid out as a matrix; the arrays here are such matrices, and contiguous.

    Attributes:
        shape: (samples, channels, places).
        matrix: the shape of the matrix.
        per_sample: sums are wanted for each plane, not for each channel over all samples.
    """

    def __init__(self, shape: tuple[int, int, int], per_sample: bool):
        samples, channels, places = self.shape = shape
        self.per_sample = per_sample
        self.long = places >= _LONG
        self.matrix = (samples * channels, places) if self.long else (samples, channels * places)

    def spread(self, values: Array, dtype: np.dtype) -> Array:
        """Numbers (samples or 1, channels) as they broadcast with the matrix."""
        samples, channels, places = self.shape
        values = values.astype(dtype)
        if self.long:
            return np.broadcast_to(values, (samples, channels)).reshape(-1, 1)
        return np.repeat(values, places, axis=1)

    def moments(self, x: Array, shift: Array, other: Array | None = None) -> tuple[Array, Array, Array]:
        """x - shift, the sums of `other` and those of other * (x - shift); without `other`, x - shift itself.

        Returns: a matrix; float64 (samples, channels) if per_sample, else (1, channels), twice.
        """
        out = np.empty(self.matrix, x.dtype)
        first, second = self._empty_sums(), self._empty_sums()
        for part in blocks(*self.matrix):
            np.subtract(x[part], _of(shift, part), out=out[part])
            factor = out[part] if other is None else other[part]
            self._add_sums(first, part, factor, None)
            self._add_sums(second, part, factor, out[part])
        return out, self._folded(first), self._folded(second)

    def sums(self, x: Array) -> Array:
        """The sums of x, as in moments."""
        found = self._empty_sums()
        for part in blocks(*self.matrix):
            self._add_sums(found, part, x[part], None)
        return self._folded(found)

    def scale_(
        self, x: Array, scale: Array, shift: Array, other: Array | None = None, factor: Array | None = None
    ) -> None:
        """x = x * scale + shift + other * factor, in place."""
        for part in blocks(*self.matrix):
            x[part] *= _of(scale, part)
            x[part] += _of(shift, part)
            if other is not None:
                x[part] += other[part] * _of(factor, part)

    def _empty_sums(self) -> Array:
        samples, channels, places = self.shape
        return np.zeros((samples, channels) if self.long or self.per_sample else (1, channels * places))

    def _add_sums(self, found: Array, part: slice, x: Array, y: Array | None) -> None:
        places = self.shape[2]
        if self.long or self.per_sample:
            rows = x.reshape(-1, places)
            sums = rows @ np.ones(places, x.dtype) if y is None else np.einsum("ij,ij->i", rows, y.reshape(-1, places))
            found.reshape((self.matrix[0], -1))[part] = sums.reshape(x.shape[0], -1)
        else:
            found[0] += np.ones(len(x), x.dtype) @ (x if y is None else x * y)

    def _folded(self, found: Array) -> Array:
        _, channels, places = self.shape
        if self.per_sample:
            return found
        if self.long:
            return found.sum(axis=0, keepdims=True)
        return found.reshape(channels, places).sum(axis=1)[None]


def _of(values: Array, part: slice) -> Array:
    return values if len(values) == 1 else values[part]
