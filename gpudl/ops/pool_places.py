"""Where the largest elements of the windows of a pooling lie, counted over the spatial dimensions."""

from __future__ import annotations

from gpudl.autograd.widen import ReadsHalf
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.kernel import kernel
from gpudl.ops.pool_launch import fits, search
from gpudl.ops.pool_windows import places
from gpudl.ops.windows import Windows

__all__: list[str] = []


@kernel
def pool_places_forward(x: Array, windows: Windows) -> Array:
    """int64 (n, c, *out) for x (n, c, *size): of the first of equals, of the last nan."""
    return places(x, windows)


@pool_places_forward.cuda("float32", "float64", "float16", "bfloat16")
def pool_places_forward_cuda(x: Array, windows: Windows) -> Array:
    if not fits(windows):
        return places(x, windows)
    found = xp_of(x).empty((*x.shape[:2], *windows.out), "int64")
    search(x, windows, None, None, None, found)
    return found


class Places(ReadsHalf):
    """Where the largest element of each window of a pooling lies."""

    __slots__ = ()
    differentiable = False

    def forward(ctx, x: Array, windows: Windows) -> Array:
        return pool_places_forward(x, windows)
