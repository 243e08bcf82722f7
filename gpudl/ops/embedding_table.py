"""What embedding and embedding_bag do first: check the numbers of rows against the table, and bound the rows' norms."""

from __future__ import annotations

import numpy as np

from gpudl.autograd.grad_mode import no_grad
from gpudl.autograd.inplace import rebind
from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, quiet, xp_of
from gpudl.backend.dtypes import int32, int64
from gpudl.backend.errors import ShapeError
from gpudl.backend.take_rows import taken
from gpudl.ops.accumulate import check_indices, put_rows_
from gpudl.ops.operands import widened
from gpudl.ops.pnorm import norm_of


def check_table(name: str, input: Tensor, weight: Tensor, padding_idx: int | None, sparse: bool) -> int:
    """padding_idx counted from the front; -1 for none.

    Raises: as embedding.
    """
    if sparse:
        raise NotImplementedError(f"{name}: gradients are dense here; leave out sparse=True")
    if input.dtype not in (int64, int32):
        raise RuntimeError(f"{name}: the numbers of rows must be int64 or int32, got {input.dtype}; cast with long()")
    if weight.ndim != 2:
        raise ShapeError(f"{name}: weight must be (count, features), got {weight.shape}")
    count = weight.shape[0]
    if padding_idx is not None and not -count <= padding_idx < count:
        raise AssertionError(f"{name}: padding_idx {padding_idx} is out of range for a weight of {count} rows")
    check_indices(input.array, 0, count, name, 0)
    return -1 if padding_idx is None else padding_idx % count


def renormalize_(name: str, weight: Tensor, index: Array, max_norm: float, p: float) -> None:
    """Scale the rows of a table that are in `index` and longer than max_norm to that length, in place.

    Raises: RuntimeError for a weight of integers.
    """
    if weight.dtype.kind not in "fV":
        raise RuntimeError(f"{name}: max_norm needs a floating weight, got {weight.dtype}")
    with no_grad(), quiet():
        xp, table = xp_of(weight.array), weight.array
        # On a device a row that is asked for twice is scaled twice alike: how many there are nobody waits to know.
        rows = xp.unique(index) if type(index) is np.ndarray else index.reshape(-1)
        found = widened(taken(table, rows))
        norms = norm_of(found, p, (1,), True)
        bounded = xp.where(norms > max_norm, found * (max_norm / (norms + 1e-7)), found).astype(table.dtype)
        put_rows_(table, rows, bounded)
        rebind(weight, None)
