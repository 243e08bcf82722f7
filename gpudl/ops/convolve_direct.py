"""The GPU's convolution where groups have very few channels, as in depthwise ones: each thread for itself."""

from __future__ import annotations

import math

from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.cuda_text import CudaText, Shape, dense
from gpudl.ops.convolve_parts import HEAD, add_slices, of_phase, packed, phases, slices_like, slices_of
from gpudl.ops.windows import Windows

_HIGH = {3: "depthwise<{T}, {A}, 4, 3>", 5: "depthwise<{T}, {A}, 4, 5>", 7: "depthwise<{T}, {A}, 4, 7>"}
_ANY = "depthwise<{T}, {A}, 1, 0>"
_TEXT = CudaText(*HEAD, "cuda/convolution_depthwise.cu", kernels=(*_HIGH.values(), _ANY, "depthwise_weights"))

_FEW = 16  # products of a tap and group up to which tiles would be mostly empty
_TAPS = 9  # that a block of depthwise_weights sums at once
_LINES = 64  # of a slice at least


def is_thin(w: Array, groups: int) -> bool:
    """Whether groups have so few channels, with weights (o, c / groups, *kernel)."""
    return groups > 1 and w.shape[0] // groups * w.shape[1] <= _FEW


def convolve_thin(x: Array, w: Array, b: Array | None, y: Array, windows: Windows, groups: int, back: bool) -> None:
    """Fill y with the convolution of x, or where `back`, with the gradient by its input that dy=x gives, plus b."""
    rows, inner = w.shape[0] // groups, w.shape[1]
    if back:
        rows, inner = inner, rows
    results = of_phase(windows) if back else windows.out
    lengths = (*((1,) * (3 - len(results))), *results)
    unit = len(results) > 1 and windows.stride[-2] == windows.dilation[-2] == 1
    name = _HIGH.get(windows.kernel[-2], _ANY) if unit else _ANY
    strips = x.shape[0] * groups * rows * lengths[0] * -(-lengths[1] // (1 if name is _ANY else 4))
    block = _block(lengths[2])
    _TEXT.launch(
        name,
        (-(-strips // block[1]), phases(windows) if back else 1),
        block,
        *(dense(x), dense(w), None if b is None else dense(b), y),
        *(x.shape[0], groups, rows, inner, back, *packed(windows)),
    )


def thin_weights(dy: Array, x: Array, windows: Windows, groups: int) -> Array:
    """dw (o, c / groups, *kernel) for dy (n, o, *out) and x (n, c, *size)."""
    rows, inner, taps = dy.shape[1] // groups, x.shape[1] // groups, math.prod(windows.kernel)
    dw = xp_of(dy).empty((dy.shape[1], inner, *windows.kernel), dy.dtype)
    lines = dy.shape[0] * math.prod(windows.out[:-1])
    passes = -(-taps // _TAPS)
    of_slice, count = slices_of(lines, _LINES, dy.shape[1] * inner * passes, dw.size)
    slices = slices_like(dy, count, dw.size)
    _TEXT.launch(
        "depthwise_weights",
        (dy.shape[1] * inner, count, passes),
        _block(windows.out[-1]),
        *(dense(dy), dense(x), dw, slices, dy.shape[0], groups, rows, inner, of_slice, *packed(windows)),
    )
    add_slices(dw, slices)
    return dw


def _block(width: int) -> Shape:
    """Threads along a row of results, and rows."""
    across = 8
    while across < min(width, 64):
        across *= 2
    return across, 256 // across
