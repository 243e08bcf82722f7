"""LAMB: Adam's step, scaled for each parameter by the ratio of the parameter's norm to the step's.

    m, v as in Adam, m' = m / (1 - b1^t), v' = v / (1 - b2^t);   u = m' / (sqrt(v') + eps) + weight_decay p

    p = p - lr phi u,   phi = ||p|| / ||u||, or 1 where one of the norms is 0

You et al. 2020, "Large Batch Optimization for Deep Learning: Training BERT in 76 minutes", arXiv:1904.00962.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.cuda_text import THREADS, CudaText, dense
from gpudl.backend.device import Device, device_of, transfer
from gpudl.backend.dtypes import float32, float64
from gpudl.backend.kernel import kernel
from gpudl.optim.adam import take_in
from gpudl.optim.optimizer import Optimizer
from gpudl.optim.settings import Group, require_betas, require_nonnegative

__all__ = ["LAMB"]

_TEXT = CudaText(
    "math/numbers.cuh",
    "math/packs.cuh",
    "math/reduce.cuh",
    "math/step.cuh",
    "cuda/lamb.cu",
    kernels=("lamb_averages", "lamb_step"),
)
_CHUNK = 8192  # elements that a block has; a multiple of what a thread takes at a time
_MOST_CHUNKS = 1 << 14  # about, beyond one for each parameter


@kernel
def lamb_step_(
    p: Array,
    dp: Array,
    m: Array,
    v: Array,
    sizes: tuple[int, ...],
    step: int,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
) -> None:
    """Step number `step` (from 1) of one parameter, or of several of these sizes end to end, in p, m and v."""
    if len(sizes) > 1:
        ends = [0, *accumulate(sizes)]
        for start, stop in pairwise(ends):
            part = [x[start:stop] for x in (p, dp, m, v)]
            lamb_step_.reference(*part, (stop - start,), step, lr, beta1, beta2, eps, weight_decay)
        return
    xp = xp_of(p)
    root = take_in(dp, m, v, beta1, beta2)
    xp.divide(v, 1 - beta2**step, out=root)
    xp.sqrt(root, out=root)
    root += eps
    change = m / (1 - beta1**step)
    change /= root
    if weight_decay:
        change += weight_decay * p
    size, length = (xp.sqrt((x * x).sum()) for x in (p, change))
    known = (size > 0) & (length > 0)
    ratio = xp.where(known, size, 1) / xp.where(known, length, 1)
    change *= (lr * ratio).astype(p.dtype)
    p -= change


@lamb_step_.cuda("float32", "float64", "float16", "bfloat16")
def lamb_step_cuda_(
    p: Array,
    dp: Array,
    m: Array,
    v: Array,
    sizes: tuple[int, ...],
    step: int,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
) -> None:
    first, *state = changed = [dense(x) for x in (p, m, v)]
    chunks = _chunks(device_of(p), sizes)
    grid, block = (len(chunks),), (THREADS,)
    sums = xp_of(p).empty((len(chunks), 2), float64 if p.dtype == float64 else float32)
    averages = beta1, 1 - beta1, beta2, 1 - beta2
    corrections, last = (1 - beta1**step, 1 - beta2**step), (float(eps), float(weight_decay))
    _TEXT.launch("lamb_averages", grid, block, first, dense(dp), *state, chunks, sums, *corrections, *averages, *last)
    _TEXT.launch("lamb_step", grid, block, *changed, chunks, sums, float(lr), *corrections, *last)
    for x, copy in zip((p, m, v), changed):
        if x is not copy:
            x[...] = copy


@lru_cache(maxsize=256)
def _chunks(device: Device, sizes: tuple[int, ...]) -> Array:
    """What each block has to do, (blocks, 4) int64, see kernels/cuda/lamb.cu; kept, since a copy takes its time."""
    total = sum(sizes)
    chunk = max(_CHUNK, -(-total // _MOST_CHUNKS // _CHUNK) * _CHUNK)
    rows: list[tuple[int, int, int, int]] = []
    start = 0
    for size in sizes:
        stop, begin = start + size, len(rows)
        end = begin + -(-size // chunk)
        rows += [(each, min(each + chunk, stop), begin, end) for each in range(start, stop, chunk)]
        start = stop
    return transfer(np.array(rows, np.int64).reshape(-1, 4), device)


class LAMB(Optimizer):
    """LAMB, for large batches.

    Args:
        params: Tensors, or dicts of parameter groups.
        lr: learning rate, >= 0.
        betas: how fast the averages of g and g^2 fade, both in [0, 1).
        eps: added to the denominator, >= 0.
        weight_decay: added to the step times the parameter, >= 0.
        maximize: ascend instead.
    Raises: ValueError for a setting out of range.
    Source: You et al. 2020, arXiv:1904.00962.
    """

    elementwise = False
    joins = True

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
    ) -> None:
        settings = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
        super().__init__(params, settings)

    def check(self, group: Group) -> None:
        require_nonnegative("LAMB", group, "lr", "eps", "weight_decay")
        require_betas("LAMB", group)

    def buffers(self, group: Group, shape: tuple[int, ...]) -> dict[str, float]:
        return {"exp_avg": 0.0, "exp_avg_sq": 0.0}

    def update(self, p: Array, dp: Array, state: dict[str, Array], step: int, group: Group) -> None:
        self.update_joined(p, dp, state, step, group, (p.size,))

    def update_joined(
        self, p: Array, dp: Array, state: dict[str, Array], step: int, group: Group, sizes: tuple[int, ...]
    ) -> None:
        averages, settings = (state["exp_avg"], state["exp_avg_sq"]), (group["eps"], group["weight_decay"])
        lamb_step_(p, dp, *averages, sizes, step, float(group["lr"]), *map(float, group["betas"]), *settings)
