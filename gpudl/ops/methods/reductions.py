"""Reductions, cumulative sums and statistics as methods."""

from __future__ import annotations

from gpudl.ops import reduce


class ReductionMethods:
    """A part of TensorMethods."""

    __slots__ = ()

    sum = reduce.sum
    mean = reduce.mean
    max = reduce.max
    min = reduce.min
    amax = reduce.amax
    amin = reduce.amin
    argmax = reduce.argmax
    argmin = reduce.argmin
    all = reduce.all
    any = reduce.any
