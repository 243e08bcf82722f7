"""The CPU's convolution: products of weights with shifted copies of the input, a part that fits the cache at a time.

    out[n, o, q] = sum over c, t of w[o, c, t] x[n, c, stride q + offset[t]],    0 outside of x

im2col writes every input element kernel-size times. Here only the shifts along the dimensions after the first are
copied: elements are laid out (channel, shift, row, image, ...), so that moving on by some rows is another start of the
same matrix, and each tap of the first dimension is one matrix product on it, in which images do not show. A stride
along the first dimension sorts the rows by their remainder first. The same layout, multiplied with a partner from the
other side, gives gradients of the weights.

Low-memory forms of im2col: Anderson et al. 2017, arXiv:1709.03395; Cho and Brand 2017, arXiv:1706.06873.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from gpudl.ops.windows import Windows, along, overlap

Host = np.ndarray[Any, Any]
Offsets = Sequence[Sequence[int]]

# Bytes of shifted copies at a time: with the products they are to fit into the second cache of a core (1 to 2 MB).
_PART = 900_000
# A matrix product on fewer columns spends its time on fetching the weights.
_COLUMNS = 512
# A part that is smaller than this costs more in calls of NumPy than in work.
_LEAST = 300_000


class _Part(NamedTuple):
    """Some images and rows of the result, and for each first tap the matrix (groups, channels and shifts, columns)."""

    images: slice
    rows: slice
    matrices: list[Host]


class _Spare(dict[str, Host]):
    """Memory that the parts use one after the other, by what it is for."""

    def take(self, name: str, shape: tuple[int, ...], dtype: Any) -> Host:
        size = math.prod(shape)
        if name not in self or self[name].size < size:
            self[name] = np.empty(size, dtype)
        return self[name][:size].reshape(shape)


def correlate(
    x: Host,
    w: Host | None,
    out: Host | None,
    stride: Sequence[int],
    offsets: Offsets,
    bias: Host | None = None,
    partner: Host | None = None,
    groups: int = 1,
) -> Host | None:
    """Fill `out` with the sum above, and give the sums of the products with a partner.

    Args:
        x: (images, groups * channels, *size).
        w: (groups, results, channels, *taps), or None to fill nothing.
        out: (images, groups * results, *windows), written to; None without w.
        stride, offsets: one for each spatial dimension; the offsets of its taps.
        bias: (groups * results,), added to the result.
        partner: (images, groups * partners, *windows).
        groups: how many there are.
    Returns: for a partner, (groups, partners, channels, *taps): the sum over n, q of
        partner[n, p, q] x[n, c, stride q + offset[t]].
    """
    if len(offsets) == 1:  # all below counts on a dimension for the rows
        w, out, partner = (None if each is None else each[..., None, :] for each in (w, out, partner))
        sums = correlate(x[:, :, None], w, out, (1, *stride), ([0], *offsets), bias, partner, groups)
        return None if sums is None else sums[..., 0, :]
    like = out if out is not None else partner
    assert like is not None
    windows, channels, results = like.shape[2:], x.shape[1] // groups, 0 if w is None else w.shape[1]
    taps, shifts = len(offsets[0]), math.prod(map(len, offsets[1:]))
    # Joining the matrices of the taps saves adding their products, and makes thin products thick.
    rows = channels * shifts
    # Channels that are groups by themselves have products of vectors, which gain nothing.
    alone = channels == 1 and groups > 1
    joined = taps > 1 and not alone and (rows < 64 or taps * rows < 2 * (taps - 1) * results)
    weights = None if w is None else _weights(w, joined)
    tall = (1, taps * rows) if joined else (taps, rows)
    sums = None if partner is None else np.zeros((tall[0], groups, partner.shape[1] // groups, tall[1]), x.dtype)
    spare = _Spare()
    target, other = (None if each is None else np.moveaxis(each, 0, 2) for each in (out, partner))
    for part in _parts(x, groups, stride, offsets, windows, max(results, 1), joined, spare):
        matrices = part.matrices
        if joined:
            wide = spare.take("joined", (groups, taps * rows, matrices[0].shape[2]), x.dtype)
            matrices = [np.concatenate(matrices, axis=1, out=wide)]
        if target is not None and weights is not None:
            _multiply(weights, matrices, target, part, None if bias is None else bias.reshape(groups, -1, 1), spare)
        if other is not None and sums is not None:
            _add_products(sums, matrices, other[:, part.rows, part.images])
    if sums is None:
        return None
    lengths = [len(each) for each in offsets]
    if joined:
        return np.moveaxis(sums.reshape(*sums.shape[1:3], taps, channels, *lengths[1:]), 2, 3)
    return np.moveaxis(sums.reshape(*sums.shape[:3], channels, *lengths[1:]), 0, 3)


def correlate_back(dy: Host, x: Host | None, w: Host | None, windows: Windows, groups: int) -> tuple[Host, ...]:
    """The gradients of a convolution from dy (n, o, *out): dx if w is given, and dw if x is given."""
    if w is None:  # x may have far fewer channels than dy, so it is the one to copy
        sums: Any = correlate(np.asarray(x), None, None, windows.stride, windows.offsets(), None, dy, groups)
        return (np.ascontiguousarray(sums).reshape((dy.shape[1], -1, *windows.kernel)),)
    weights = np.swapaxes(grouped(w, groups), 1, 2)
    dx = np.empty((dy.shape[0], groups * weights.shape[1], *windows.size), dy.dtype)
    dw = None if x is None else np.zeros((groups, *weights.shape[2:0:-1], *windows.kernel), dy.dtype)
    for begin in itertools.product(*map(range, windows.stride)):
        # Every stride-th element of dx meets the same taps, so it is a sum over these with stride 1.
        taps, offsets = windows.met(begin)
        part: Any = (..., *(slice(first, None, stride) for first, stride in zip(begin, windows.stride)))
        if not dx[part].size:
            continue
        if not all(taps):
            dx[part] = 0
            continue
        chosen: Any = (..., *np.ix_(*taps))
        seen = None if x is None else x[part]
        sums = correlate(dy, weights[chosen], dx[part], (1,) * len(begin), offsets, None, seen, groups)
        if dw is not None:
            dw[chosen] = np.swapaxes(sums, 1, 2)
    return (dx,) if dw is None else (dx, dw.reshape((dy.shape[1], -1, *windows.kernel)))


def grouped(w: Any, groups: int) -> Any:
    """(o, c, ...) as (groups, o / groups, c, ...)."""
    return w.reshape((groups, w.shape[0] // groups, *w.shape[1:]))


def _weights(w: Host, joined: bool) -> list[Host]:
    """The weights as matrices (groups, results, channels and shifts), one for each first tap, or all in one."""
    if joined:
        return [np.moveaxis(w, 3, 2).reshape(*w.shape[:2], -1)]
    return [np.ascontiguousarray(w[:, :, :, tap]).reshape(*w.shape[:2], -1) for tap in range(w.shape[3])]


def _multiply(
    weights: list[Host], matrices: list[Host], out: Host, part: _Part, bias: Host | None, spare: _Spare
) -> None:
    """The part of `out`, with the images behind the rows, that these matrices give."""
    images, rows, _ = part
    groups, columns = matrices[0].shape[0], matrices[0].shape[2]
    count, height = images.stop - images.start, rows.stop - rows.start
    results = weights[0].shape[1]
    straight = count == 1 and out[:, :, images.start].flags.c_contiguous
    if straight:
        plane = columns // height
        planes = out[:, :, images.start].reshape(groups, results, -1)
        target = planes[..., rows.start * plane : rows.stop * plane]
    else:
        target = spare.take("target", (groups, results, columns), out.dtype)
    np.matmul(weights[0], matrices[0], out=target)
    if len(weights) > 1:
        product = spare.take("product", target.shape, out.dtype)
        for weight, matrix in zip(weights[1:], matrices[1:]):
            target += np.matmul(weight, matrix, out=product)
    if bias is not None:
        target += bias
    if not straight:
        out[:, rows, images] = target.reshape(out.shape[0], height, count, *out.shape[3:])


def _add_products(sums: Host, matrices: list[Host], partner: Host) -> None:
    """Add the products of the matrices with a part of the partner, in which the images are behind the rows."""
    other = partner.reshape(sums.shape[1], sums.shape[2], -1)
    for total, matrix in zip(sums, matrices):
        total += other @ matrix.swapaxes(1, 2)


def _parts(
    x: Host,
    groups: int,
    stride: Sequence[int],
    offsets: Offsets,
    windows: tuple[int, ...],
    results: int,
    joined: bool,
    spare: _Spare,
) -> Iterator[_Part]:
    """The shifted copies of x, a part at a time. Each part is gone when the next one is asked for."""
    step, plane = stride[0], math.prod(windows[1:])
    moves: dict[int, list[int]] = {}
    for offset in offsets[0]:
        moves.setdefault(offset % step, []).append(offset // step)
    halo = max(max(each) - min(each) for each in moves.values())
    shifts = list(itertools.product(*offsets[1:]))
    depth = len(shifts) * x.shape[1]
    # Bytes of a row of an image in the copies, and in their joined form and the products.
    copied = x.itemsize * plane * depth * len(moves)
    row = copied + x.itemsize * plane * (joined * depth * len(offsets[0]) + 2 * groups * results)
    height = min(windows[0], max((_PART - copied * halo) // row, halo, 1))
    fitting = _PART // (row * windows[0] + copied * halo)
    enough = max(-(-_COLUMNS // (plane * windows[0])), _LEAST // (row * windows[0]))
    count = min(x.shape[0], max(fitting, 1), enough)
    turned = np.moveaxis(x, 0, 2)
    unmoved = not any(map(any, shifts)) and all(each == 1 for each in stride) and x.shape[3:] == windows[1:]
    for first, top in itertools.product(range(0, x.shape[0], count), range(0, windows[0], height)):
        images, rows = slice(first, min(first + count, x.shape[0])), slice(top, min(top + height, windows[0]))
        some, wide = images.stop - images.start, (images.stop - images.start) * plane
        seen = turned[:, :, images]
        copies: dict[int, Host] = {}
        for remainder, move in moves.items():
            start, stop = rows.start + min(move), rows.stop + max(move)
            if unmoved and some == 1 and start >= 0 and stop <= x.shape[2]:
                copy = seen[:, start:stop]
            else:
                shape = (x.shape[1], len(shifts), stop - start, some, *windows[1:])
                copy = spare.take(f"copy {remainder}", shape, x.dtype)
                for number, shift in enumerate(shifts):
                    _shift(seen, copy[:, number], stride, (step * start + remainder, *shift))
            copies[remainder] = copy.reshape(groups, depth // groups, (stop - start) * wide)
        matrices = []
        for offset in offsets[0]:
            begin = (offset // step - min(moves[offset % step])) * wide
            matrices.append(copies[offset % step][:, :, begin : begin + (rows.stop - rows.start) * wide])
        yield _Part(images, rows, matrices)


def _shift(x: Host, copy: Host, stride: Sequence[int], offsets: Sequence[int]) -> None:
    """copy[c, q, n, ...] = x[c, stride q + offset, n, ...], and 0 where that is outside of x."""
    source: list[slice] = [slice(None)]
    for axis, step, offset in zip((1, *range(3, x.ndim)), stride, offsets):
        inside, place = overlap(x.shape[axis], copy.shape[axis], step, offset)
        if inside.start:
            copy[along(axis, slice(inside.start))] = 0
        if inside.stop < copy.shape[axis]:
            copy[along(axis, slice(inside.stop, None))] = 0
        copy = copy[along(axis, inside)]
        source += [place] if axis > 1 else [place, slice(None)]
    copy[...] = x[tuple(source)]
