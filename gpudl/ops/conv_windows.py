"""The arguments of convolutions, checked: how their windows lie, and what does not fit together."""

from __future__ import annotations

from typing import Any

from gpudl.autograd.tensor import Tensor
from gpudl.backend.dtypes import DType
from gpudl.backend.errors import ShapeError
from gpudl.ops.windows import Lengths, Windows, lengths

Shape = tuple[int, ...]


def conv_windows(name: str, x: Shape, w: Shape, stride: Any, padding: Any, dilation: Any, groups: int) -> Windows:
    """The windows of a convolution of an input (n, c, ...) or (c, ...) with weights (o, c / groups, ...).

    Args:
        padding: an int, one for each dimension, "valid" for none, or "same" for as many windows as elements.
    Raises: ShapeError and TypeError where an argument is wrong or the shapes do not fit.
    """
    ndim = len(w) - 2
    steps, gaps = lengths(name, "stride", stride, ndim, 1), lengths(name, "dilation", dilation, ndim, 1)
    check_groups(name, w, groups)
    size = _spatial(name, x, w, w[1] * groups, groups)
    spans = tuple(gap * (kernel - 1) + 1 for gap, kernel in zip(gaps, w[2:]))
    before, behind = paddings(name, padding, w[2:], steps, gaps)
    padded = tuple(map(sum, zip(size, before, behind)))
    if any(length < span for length, span in zip(padded, spans)):
        raise ShapeError(f"{name}: windows of {spans} do not fit into an input of {padded} with its padding")
    _check_not_empty(name, x, size)
    out = tuple((length - span) // step + 1 for length, span, step in zip(padded, spans, steps))
    return Windows(size, w[2:], steps, before, gaps, out)


def paddings(name: str, padding: Any, kernel: Lengths, stride: Lengths, dilation: Lengths) -> tuple[Lengths, Lengths]:
    """How many positions are added before the first element and behind the last one, for each dimension.

    Args:
        padding: as in conv_windows.
    Raises: ShapeError and TypeError where it is wrong.
    """
    if not isinstance(padding, str):
        both = lengths(name, "padding", padding, len(kernel), 0)
        return both, both
    if padding not in ("same", "valid"):
        raise ShapeError(f"{name}: padding must be ints, 'same' or 'valid', got {padding!r}")
    if padding == "valid":
        return (0,) * len(kernel), (0,) * len(kernel)
    if any(step != 1 for step in stride):
        raise ShapeError(f"{name}: padding='same' needs stride 1, got {stride}; give the padding as a number")
    more = [gap * (taps - 1) for gap, taps in zip(dilation, kernel)]
    # What is left over of an odd number goes behind the last element.
    return tuple(each // 2 for each in more), tuple(each - each // 2 for each in more)


def transposed_windows(
    name: str, x: Shape, w: Shape, stride: Any, padding: Any, output_padding: Any, dilation: Any, groups: int
) -> Windows:
    """The windows of the convolution whose gradient maps an input by weights (o, c / groups, ...).

    The input is (n, o, ...) or (o, ...).

    Raises: ShapeError and TypeError where an argument is wrong or the shapes do not fit.
    """
    ndim = len(w) - 2
    steps, gaps = lengths(name, "stride", stride, ndim, 1), lengths(name, "dilation", dilation, ndim, 1)
    before, extra = lengths(name, "padding", padding, ndim, 0), lengths(name, "output_padding", output_padding, ndim, 0)
    check_groups(name, w, groups)
    out = _spatial(name, x, w, w[0], groups)
    if any(more >= max(step, gap) for more, step, gap in zip(extra, steps, gaps)):
        raise ShapeError(
            f"{name}: output_padding {extra} must be smaller than either stride {steps} or dilation {gaps}"
        )
    size = tuple(
        (count - 1) * step - 2 * pad + gap * (kernel - 1) + more + 1
        for count, step, pad, gap, kernel, more in zip(out, steps, before, gaps, w[2:], extra)
    )
    _check_not_empty(name, x, out)
    if min(size) < 1:
        raise ShapeError(f"{name}: padding {before} leaves nothing of an output of {size}; make it smaller")
    return Windows(size, w[2:], steps, before, gaps, out)


def check_groups(name: str, w: Shape, groups: int) -> None:
    """Raise ShapeError unless the weights (o, ...) can be split into groups."""
    if groups < 1 or w[0] < 1 or w[0] % groups or 0 in w[2:]:
        raise ShapeError(f"{name}: weight {w} cannot be split into {groups} groups of at least one window each")


def _spatial(name: str, x: Shape, w: Shape, channels: int, groups: int) -> Shape:
    """The spatial dimensions of an input that has so many channels, with or without a batch."""
    ndim = len(w) - 2
    if x[-ndim - 1] != channels:
        wanted = f"({'n, ' if len(x) > ndim + 1 else ''}{channels}{', *' * ndim})"
        raise ShapeError(f"{name}: expected {wanted} for a weight of {w} with groups={groups}, got {x}")
    return x[-ndim:]


def _check_not_empty(name: str, x: Shape, size: Shape) -> None:
    if 0 in size:
        raise ShapeError(f"{name}: the input {x} has no elements in a spatial dimension; only the batch may be empty")


def check_operands(name: str, ndim: int, x: Tensor, w: Tensor, b: Tensor | None, results: int) -> None:
    """Raise unless weight and bias have the right dimensions, `results` channels and the input's dtype."""
    if w.ndim != ndim + 2:
        raise ShapeError(f"{name}: expected a weight of {ndim + 2} dimensions, got shape {w.shape}")
    if b is not None and b.shape != (results,):
        raise ShapeError(f"{name}: expected a bias of shape ({results},), got {b.shape}")
    for what, other in (("weight", w), ("bias", b)):
        if other is not None and other.dtype != x.dtype:
            raise RuntimeError(f"{name}: the input is {x.dtype} and the {what} {other.dtype}; cast one with to()")


def check_dtype(name: str, dtype: DType, small: bool) -> None:
    """Raise for bools, and for integers other than int64 unless `small` ones will do."""
    if dtype.kind == "b" or (dtype.kind in "iu" and dtype.itemsize < 8 and not small):
        raise RuntimeError(f"{name}: the input is {dtype}; cast input and weight to a floating dtype first")
