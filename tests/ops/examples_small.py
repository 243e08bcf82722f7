"""Arguments to try the kernels on that take several small steps in one; see test_kernels.py."""

import itertools

import numpy as np

from gpudl.ops import resample
from gpudl.ops.windows import Windows

REDUCTIONS = ("none", "sum", "mean")
# The shape of an operand, and that of the other, to which it broadcasts: columns, rows, pieces and chunks of them.
BROADCAST = (
    ((), (7,)), ((), (3, 3000)), ((5,), (4, 5)), ((8,), (300, 8)), ((3, 1), (3, 4)), ((6, 1), (6, 1500)),
    ((3, 1, 1), (2, 3, 4, 5)), ((2, 1, 1), (40, 2, 9, 30)), ((2, 3, 1, 1), (2, 3, 4, 4)), ((4, 1, 3), (4, 5, 3)),
)  # fmt: skip


def mul_backward(arrays):
    for small, big in BROADCAST:
        x, y = arrays(big, 0.5, 2), arrays(small, 0.5, 2)
        yield [arrays(big), x, y, (big, small)]
        yield [arrays(big), x, None, (big, small)]
        yield [arrays(big), y, x, (small, big)]
        yield [arrays(big), None, x, (small, big)]
    yield [arrays((9, 5)), arrays((9, 5)), arrays((9, 5)), None]
    yield [arrays((9, 5)), 2.5, arrays((9, 5)), None]
    yield [arrays((3, 5)), arrays((3, 1)), arrays((5,)), ((3, 1), (5,))]


def div_backward(arrays):
    for small, big in BROADCAST:
        x, y = arrays(big, 0.5, 2), arrays(small, 0.5, 2)
        yield [arrays(big), x, y, (big, small), True]
        yield [arrays(big), x, y, (big, small), False]
        yield [arrays(big), y, x, (small, big), True]
        yield [arrays(big), None, x, (small, big), True]
    yield [arrays((9, 5)), arrays((9, 5)), arrays((9, 5), 0.5, 2), None, True]
    yield [arrays((9, 5)), arrays((9, 5)), 2.5, None, True]


def power_backward(arrays):
    for exponent in (0, 1, 2, 3, 0.5, 1.5, -1, 2.7):
        yield [arrays((7, 5)), arrays((7, 5), 0.5, 2), exponent]


def abs_backward(arrays):
    yield [arrays((9, 5)), np.round(arrays((9, 5)))]


def clamp_forward(arrays):
    for low, high in ((None, 0.5), (-0.5, None), (-0.5, 0.5), (0.5, -0.5)):
        yield [arrays((9, 5)), low, high]


def clamp_backward(arrays):
    for x, low, high in clamp_forward(arrays):
        yield [arrays(x.shape), x, low, high]


def losses(arrays):
    """x, a target of 1, 0 or -1, and a reduction."""
    for shape, reduction in itertools.product(((), (7,), (5, 16), (300, 50)), REDUCTIONS):
        yield np.asarray(arrays(shape)), np.asarray(np.round(arrays(shape, -1, 1))), reduction


def upstream_of(arrays, x, reduction):
    return np.asarray(arrays(x.shape if reduction == "none" else ()))


def hinge_embedding_loss_forward(arrays):
    for x, t, reduction in losses(arrays):
        yield [x, t, None, reduction, 0.9]


def hinge_embedding_loss_backward(arrays):
    for x, t, reduction in losses(arrays):
        yield [upstream_of(arrays, x, reduction), x, t, None, (True,), reduction, 0.9]


def margin_ranking_loss_forward(arrays):
    for x, v, reduction in losses(arrays):
        yield [x, np.asarray(arrays(x.shape)), v, None, reduction, 0.3]


def margin_ranking_loss_backward(arrays):
    for x, v, reduction in losses(arrays):
        given = x, np.asarray(arrays(x.shape)), v
        yield [upstream_of(arrays, x, reduction), *given, None, (True, True), reduction, 0.3]


def soft_margin_loss_forward(arrays):
    for x, t, reduction in losses(arrays):
        yield [x, t, None, reduction]


def soft_margin_loss_backward(arrays):
    for x, t, reduction in losses(arrays):
        yield [upstream_of(arrays, x, reduction), x, t, None, (True, True), reduction]


def soft_cross_entropy_forward(arrays):
    settings = itertools.cycle(itertools.product((0.0, 0.2), REDUCTIONS))
    for (rows, classes), weighted in itertools.product(((1, 1), (5, 4), (70, 33), (9, 1030)), (False, True)):
        p = arrays((rows, classes), 0, 2 / classes)
        for smoothing, reduction in itertools.islice(settings, 2):
            yield [arrays(p.shape, -5, 5), p, arrays((classes,), 0.5, 2) if weighted else None, smoothing, reduction]
    yield [arrays((0, 4)), arrays((0, 4)), None, 0.1, "sum"]


def soft_cross_entropy_backward(arrays):
    for x, p, weight, smoothing, reduction in soft_cross_entropy_forward(arrays):
        wide = x.astype("float64")
        high = wide.max(1) if x.size else None
        mass = None if high is None else np.exp(wide - high[:, None]).sum(1)
        q = p.astype("float64") * (1 - smoothing) + smoothing / x.shape[1]
        heft = None if high is None else (q if weight is None else q * weight.astype("float64")).sum(1)
        kind = "float64" if x.dtype == "float64" else "float32"
        kept = (None if each is None else each.astype(kind) for each in (high, mass, heft))
        dloss = arrays((len(x),)) if reduction == "none" else np.asarray(arrays(()))
        yield [dloss, x, p, weight, *kept, smoothing, reduction]


WINDOWS = (
    Windows((7, 6), (3, 2), (2, 1), (1, 1), (1, 2), (4, 6)),
    Windows((4, 40), (2, 2), (3, 2), (0, 0), (1, 1), (1, 20)),
    Windows((1, 1), (1, 1), (1, 1), (0, 0), (1, 1), (1, 1)),
)


def unfold_forward(arrays):
    for windows, planes in itertools.product(WINDOWS, ((2, 3), (0, 2))):
        yield [arrays((*planes, *windows.size)), windows]


def fold_forward(arrays):
    for windows, (batch, channels) in itertools.product(WINDOWS, ((2, 3), (0, 2))):
        yield [arrays((batch, channels * np.prod(windows.kernel), np.prod(windows.out))), windows]


def resample_forward(arrays):
    kind = np.dtype("float64")
    near, line = resample.nearest(5, 9, None, False), resample.linear(6, 4, None, False, kind)
    cubic, area = resample.cubic(5, 8, None, True, kind), resample.area(6, 4, kind)
    wide = resample.antialiased(9, 4, None, False, kind, "bilinear")
    yield [arrays((2, 3, 5)), ((2, near),)]
    yield [arrays((2, 3, 6)), ((2, line),)]
    yield [arrays((2, 3, 5, 6)), ((3, area), (2, cubic))]
    yield [arrays((2, 3, 5, 5)), ((3, near), (2, near))]
    yield [arrays((1, 2, 9, 6)), ((2, wide), (3, line))]
    yield [arrays((1, 2, 4, 4)), ((2, wide.turned()), (3, line.turned()))]
    yield [arrays((2, 1, 5, 6, 9)), ((2, near), (3, line), (4, wide))]
    yield [arrays((2, 1, 5, 6, 9)), ((4, wide),)]
    yield [arrays((0, 3, 5)), ((2, near),)]


POOLS = (((7,), (3,)), ((5, 7), (3, 2)), ((4, 5, 6), (3, 2, 5)), ((3, 3), (5, 1)))


def segment_largest_forward(arrays):
    for size, out in POOLS:
        yield [np.round(2 * arrays((2, 3, *size))), out]


def segment_largest_backward(arrays):
    from gpudl.backend.kernel import KERNELS

    for x, out in segment_largest_forward(arrays):
        _, at = KERNELS["segment_largest_forward"].reference(x.astype("float64"), out)
        yield [arrays(at.shape), at, x.shape[2:]]


def grids(arrays):
    for mode, padding, aligned in itertools.product(
        ("bilinear", "nearest", "bicubic"), ("zeros", "border", "reflection"), (False, True)
    ):
        for size, points in (((5, 6), (4, 3)), ((3, 4, 5), (2, 3, 2))):
            if mode != "bicubic" or len(size) == 2:
                # Steps of 1/16 that no rounding moves to the other side of an element, whatever the dtype.
                grid = np.round(arrays((2, *points, len(size)), -1.4, 1.4).astype("float64") * 16) / 16 + 1 / 64
                x = arrays((2, 3, *size))
                yield x, grid.astype(x.dtype), mode, padding, aligned


def grid_sample_forward(arrays):
    for given in grids(arrays):
        yield [*given]


def grid_sample_backward(arrays):
    for x, grid, *settings in grids(arrays):
        for wants in ((True, True), (True, False), (False, True)):
            yield [arrays((*x.shape[:2], *grid.shape[1:-1])), x, grid, wants, *settings]


EXAMPLES = {
    name: make for name, make in list(globals().items()) if name.endswith(("_forward", "_backward")) and callable(make)
}
