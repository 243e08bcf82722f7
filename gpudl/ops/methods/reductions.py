"""Reductions, cumulative sums and statistics as methods."""

from __future__ import annotations

from typing import Any, cast

from gpudl.autograd.tensor import Tensor
from gpudl.backend.errors import ShapeError
from gpudl.ops import cumsum as sums
from gpudl.ops import cumulative, extreme, reduce, statistics, variance
from gpudl.ops import histogram as histograms
from gpudl.ops import logcumsumexp as logsums
from gpudl.ops import logsumexp as log_of_sums
from gpudl.ops import norm as norms
from gpudl.ops import prod as products
from gpudl.ops import quantile as ranks
from gpudl.ops.create import lengths_of
from gpudl.ops.methods.in_place import ALL, in_place


class ReductionMethods:
    """A part of TensorMethods."""

    __slots__ = ()

    sum = reduce.sum
    mean = reduce.mean
    nansum = reduce.nansum
    nanmean = reduce.nanmean
    prod = products.prod
    var = variance.var
    std = variance.std
    logsumexp = log_of_sums.logsumexp
    count_nonzero = reduce.count_nonzero
    trace = reduce.trace
    norm = norms.norm
    dist = norms.dist
    renorm = norms.renorm
    renorm_ = in_place("renorm_", norms.renorm, ALL)
    all = reduce.all
    any = reduce.any

    max = extreme.max
    min = extreme.min
    amax = extreme.amax
    amin = extreme.amin
    aminmax = extreme.aminmax
    argmax = extreme.argmax
    argmin = extreme.argmin

    median = ranks.median
    nanmedian = ranks.nanmedian
    mode = ranks.mode
    quantile = ranks.quantile
    nanquantile = ranks.nanquantile
    bincount = histograms.bincount
    histc = histograms.histc
    histogram = histograms.histogram

    cumsum = sums.cumsum
    cumsum_ = in_place("cumsum_", sums.cumsum)
    cumprod = products.cumprod
    cumprod_ = in_place("cumprod_", products.cumprod, ALL)
    cummax = cumulative.cummax
    cummin = cumulative.cummin
    logcumsumexp = logsums.logcumsumexp
    diff = statistics.diff
    cov = statistics.cov
    corrcoef = statistics.corrcoef

    def sum_to_size(self, *size: Any) -> Tensor:
        """Summed to a shape that broadcasts to this one: over dimensions that it lacks, or has with length 1.

        Raises: ShapeError if the size does not broadcast to the shape.
        """
        tensor, wanted = cast(Tensor, self), lengths_of(size)
        lead = tensor.ndim - len(wanted)
        if lead < 0 or any(n not in (1, have) for n, have in zip(wanted, tensor.shape[lead:])):
            raise ShapeError(f"sum_to_size: {wanted} does not broadcast to {tensor.shape}")
        dims = [i for i, have in enumerate(tensor.shape) if i < lead or (wanted[i - lead] == 1 and have != 1)]
        return tensor.sum(dims).reshape(wanted) if dims or not wanted else tensor
