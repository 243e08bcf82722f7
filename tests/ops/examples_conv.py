"""Arguments to try the kernels of convolution and pooling on; see test_kernels.py."""

import numpy as np

from gpudl.ops.pool_windows import winners
from gpudl.ops.windows import Windows

# Channels, results and groups; then size, kernel, stride, padding and dilation of each dimension; and what the output
# has beyond the windows that fit.
SHAPES = (
    ((3, 4, 1), (7,), (3,), (1,), (1,), (1,)),
    ((3, 4, 1), (6, 5), (3, 3), (1, 1), (1, 1), (1, 1)),
    ((4, 6, 2), (6, 7), (3, 2), (2, 3), (1, 0), (2, 1)),
    ((4, 4, 4), (6, 5), (3, 3), (1, 1), (1, 1), (1, 1)),
    ((4, 8, 4), (6, 5), (3, 3), (2, 1), (0, 1), (1, 1)),
    ((20, 9, 1), (9, 8), (3, 3), (1, 1), (1, 1), (1, 1)),
    ((5, 7, 1), (6, 5), (1, 1), (1, 1), (0, 0), (1, 1)),
    ((5, 7, 1), (6, 5), (1, 2), (3, 2), (0, 0), (1, 1)),
    ((2, 3, 1), (4, 5, 3), (2, 3, 2), (1, 2, 1), (1, 1, 0), (1, 1, 2)),
)


def windows_of(size, kernel, stride, padding, dilation):
    out = tuple(
        (n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in zip(size, kernel, stride, padding, dilation)
    )
    return Windows(size, kernel, stride, padding, dilation, out)


def convolution_forward(arrays):
    for (channels, results, groups), *lengths in SHAPES:
        windows = windows_of(*lengths)
        x, w = arrays((3, channels, *windows.size)), arrays((results, channels // groups, *windows.kernel))
        yield [x, w, arrays((results,)), windows, groups]
        yield [x, w, None, windows, groups]
        yield [x[:0], w, None, windows, groups]


def convolution_backward(arrays):
    for x, w, b, windows, groups in convolution_forward(arrays):
        dy = arrays((len(x), len(w), *windows.out))
        yield [dy, x, w, None, True, windows, groups]
        if b is not None:
            yield [dy, x, None, None, False, windows, groups]
            yield [dy, None, w, arrays((x.shape[1],)), False, windows, groups]
    # Sums over few images and many pixels, the other way round, and of nothing.
    for shape in ((1, 2, 70, 130), (40, 2, 20, 15), (300, 2, 1, 1), (0, 3, 4, 4), (1, 1, 1, 1)):
        yield [arrays(shape), None, None, None, True, windows_of(*[(1, 1)] * 3, (0, 0), (1, 1)), 1]


def pools():
    for (channels, *_), size, kernel, stride, padding, dilation in SHAPES:
        yield (
            channels,
            windows_of(size, kernel, stride, tuple(min(p, k // 2) for p, k in zip(padding, kernel)), dilation),
        )
    yield 3, windows_of((6, 8), (2, 2), (2, 2), (0, 0), (1, 1))
    yield 3, windows_of((7, 9), (3, 3), (2, 2), (1, 1), (1, 1))
    yield 3, windows_of((6, 8), (6, 8), (1, 1), (0, 0), (1, 1))
    yield 80, windows_of((40, 40), (2, 2), (2, 2), (0, 0), (1, 1))


def different(arrays, shape):
    """Elements that stay different in every dtype, so that the largest of a window is the same one."""
    return (np.random.default_rng(0).permutation(np.prod(shape)) % 1789).reshape(shape).astype(arrays((1,)).dtype)


def max_pool2d_forward(arrays):
    for channels, windows in pools():
        for with_winners in (False, True):
            yield [different(arrays, (2, channels, *windows.size)), windows, with_winners]
        yield [arrays((0, channels, *windows.size)), windows, True]


def tap_numbers(x, windows):
    """The winners as forward gives them, and as it gives those of too many taps for a byte."""
    return winners(x, windows).astype("uint8" if windows.kernel[0] < 4 else "int32")


def max_pool_places(arrays):
    for x, windows, with_winners in max_pool2d_forward(arrays):
        if with_winners:
            yield [x, windows]


def max_pool2d_backward(arrays):
    for x, windows, with_winners in max_pool2d_forward(arrays):
        y = np.full((*x.shape[:2], *windows.out), -np.inf, x.dtype)
        for taps in np.ndindex(*windows.kernel):
            inside, place = windows.overlap(taps)
            y[(..., *inside)] = np.maximum(y[(..., *inside)], x[(..., *place)])
        yield [arrays(y.shape), x, y, tap_numbers(x, windows) if with_winners else None, windows]


def counts_of(windows):
    return tuple(tuple(range(1, out + 1)) for out in windows.out)


def avg_pool2d_forward(arrays):
    for channels, windows in pools():
        yield [arrays((2, channels, *windows.size)), windows, counts_of(windows)]
        yield [arrays((0, channels, *windows.size)), windows, counts_of(windows)]


def avg_pool2d_backward(arrays):
    for channels, windows in pools():
        yield [arrays((2, channels, *windows.out)), windows, counts_of(windows)]
        yield [arrays((0, channels, *windows.out)), windows, counts_of(windows)]


def segment_means(arrays):
    for shape, axis, out in (((2, 7, 3), 1, 3), ((5, 4), 1, 4), ((3, 2), 1, 5), ((2, 1, 9), 2, 1), ((0, 4), 1, 2)):
        yield [arrays(shape), axis, out]


def segment_spread(arrays):
    for x, axis, out in segment_means(arrays):
        yield [arrays((*x.shape[:axis], out, *x.shape[axis + 1 :])), axis, x.shape[axis]]


EXAMPLES = {
    "segment_means_forward": segment_means,
    "segment_means_backward": segment_spread,
    "avg_pool2d_backward": avg_pool2d_backward,
    "avg_pool2d_forward": avg_pool2d_forward,
    "convolution_backward": convolution_backward,
    "convolution_forward": convolution_forward,
    "max_pool2d_backward": max_pool2d_backward,
    "max_pool2d_forward": max_pool2d_forward,
    "pool_places_forward": max_pool_places,
}
