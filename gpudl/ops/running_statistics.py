"""Batch normalization with running statistics, which on a device are followed in the kernel that finds the batch's."""

from __future__ import annotations

from typing import Any

from gpudl.backend.arrays import Array
from gpudl.backend.kernel import kernel
from gpudl.ops.norm_columns import columns_forward
from gpudl.ops.norm_cuda import fits
from gpudl.ops.norm_sets import Running, channels_of_batch, fit, sets_forward
from gpudl.ops.operands import widened


@kernel
def normalize_batch_(
    x: Array,
    w: Array | None,
    b: Array | None,
    running_mean: Array,
    running_var: Array,
    tracked: Array | None,
    momentum: float | None,
    eps: float,
) -> tuple[Array, Array, Array]:
    """As batch_norm_forward with the statistics of the batch, which the running ones follow; tracked is counted up."""
    from gpudl.ops.batch_norm import batch_norm_forward  # here, since it imports this file

    y, mean, var = batch_norm_forward(x, w, b, None, None, eps)
    share: Any = momentum
    if tracked is not None:
        tracked += 1
        if momentum is None:  # the mean over all batches so far
            share = 1 / tracked.astype("float64")
    count = x.shape[0] * x.shape[2]
    mix_(running_mean, mean, share)
    mix_(running_var, var * (count / max(count - 1, 1)), share)
    return y, mean, var


@normalize_batch_.cuda("float32", "float64", "float16", "bfloat16", beside_half=True)
def normalize_batch_cuda(
    x: Array,
    w: Array | None,
    b: Array | None,
    running_mean: Array,
    running_var: Array,
    tracked: Array | None,
    momentum: float | None,
    eps: float,
) -> tuple[Array, Array, Array]:
    running = Running(running_mean, running_var, tracked, momentum)
    sets, written = channels_of_batch(x.shape), [each for each in running[:3] if each is not None]
    if (
        not (fits(x, w, b) and fits(x, running_mean, running_var) and fit(sets))
        or not all(each.flags.c_contiguous for each in written)
        or (momentum is not None and momentum < 0)
    ):
        return normalize_batch_.reference(x, w, b, running_mean, running_var, tracked, momentum, eps)  # type: ignore[no-any-return]
    if x.shape[2] == 1:
        y, mean, var = columns_forward(x.reshape(x.shape[:2]), w, b, eps, None, running)
        return y.reshape(x.shape), mean, var
    return sets_forward(x, w, b, sets, eps, running=running)


def mix_(running: Array, new: Array, share: Any) -> None:
    """running = (1 - share) * running + share * new, in place."""
    running[...] = widened(running) * (1 - share) + new * share
