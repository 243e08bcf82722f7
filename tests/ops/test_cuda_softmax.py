"""Softmax and its logarithm on a GPU: every form of their kernels, all dtypes, views, hard numbers, launches."""

from functools import partial

import numpy as np
import pytest
import torch
from on_gpu import gpu, launched  # noqa: F401
from test_cuda_rooms import DTYPES, INF, NAN, both, host, placed, reals, same
from tolerances import assert_close

from gpudl.backend.device import to_host, transfer
from gpudl.nn import functional as F
from gpudl.ops.softmax import (
    log_softmax_backward,
    log_softmax_forward,
    softmax_backward,
    softmax_forward,
)

# Single elements, several rows a warp; a warp with one, two and more packs a thread; a block; rows that begin anywhere
# between two multiples of 16; more than registers hold.
ROWS = ((1, 1), (70, 3), (9, 10), (5, 67), (3, 128), (3, 258), (3, 517), (2, 1031), (2, 4099), (1, 8200), (2, 16391))
COLUMNS = ((3, 5, 4), (2, 3, 7), (1, 70, 3), (40, 33), (300, 40), (600, 5), (2, 9, 260))
OPS = {"softmax": F.softmax, "log_softmax": F.log_softmax}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("op", OPS)
def test_rows_of_every_length(gpu, op, dtype):  # noqa: F811
    for shape in (*ROWS, *(((1, 33000),) if dtype in ("float32", "float16") else ())):
        both(lambda x: OPS[op](x, -1), [reals(shape, "float64")], dtype, gpu, f"{op} of {shape}", slack=8)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("op", OPS)
def test_other_dimensions(gpu, op, dtype):  # noqa: F811
    for shape in COLUMNS:
        for dim in range(len(shape) - 1):
            both(
                lambda x, dim=dim: OPS[op](x, dim),
                [reals(shape, "float64")],
                dtype,
                gpu,
                f"{op} of {shape}, {dim}",
                slack=8,
            )


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_views_that_begin_anywhere_and_have_gaps(gpu, dtype):  # noqa: F811
    x, dy = reals(3000, dtype), reals(3000, dtype)
    there, up = transfer(x, gpu), transfer(dy, gpu)
    for start, shape, dim in (
        (1, (2, 1400), 1),
        (3, (5, 130), 1),
        (1, (4, 9), 1),
        (2, (6, 3, 8), 1),
        (1, (2, 8, 16), 1),
    ):
        part = slice(start, start + int(np.prod(shape)))
        views = [each[part].reshape(shape) for each in (there, up)]
        wide, wide_dy = (each[part].reshape(shape).astype("float64") for each in (x, dy))
        for forward, backward in ((softmax_forward, softmax_backward), (log_softmax_forward, log_softmax_backward)):
            label = f"{forward.name} from {start}, {shape}"
            y = forward(views[0], dim)
            same(y, forward.reference(wide, dim), label, 8)
            want = backward.reference(wide_dy, to_host(y).astype("float64"), dim)
            same(backward(views[1], y, dim), want, label, 8)
            other = transfer(to_host(y), gpu)
            same(backward(views[1], other, dim), want, f"{label}, y elsewhere", 8)
    turned, want = there[:2100].reshape(30, 70).T, softmax_forward.reference(x[:2100].reshape(30, 70).T.astype("f8"), 1)
    same(softmax_forward(turned, 1), want, "turned", 8)


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_hard_numbers(gpu, op, dtype):  # noqa: F811
    rows = np.array(
        [[1e4, 1e4 - 8, -1e4, 0], [-INF, 0, 1, -INF], [-INF] * 4, [INF, 0, 0, 0], [NAN, 0, 0, 0], [3e4, -3e4, 0, 0]]
    )
    for width in (4, 600, 1500, 20000):
        x = np.concatenate([rows, np.full((6, width - 4), -INF)], axis=1).astype(dtype)
        for dim, given in ((1, x), (0, np.ascontiguousarray(x.T[:700]))):
            ours, twin = placed(gpu, given, dtype), torch.tensor(given.astype("float64"), requires_grad=True)
            got, want = OPS[op](ours, dim), getattr(torch, op)(twin, dim)
            got.backward(placed(gpu, np.ones(given.shape), dtype, False))
            want.backward(torch.ones_like(want))
            assert_close(host(got), want.detach().numpy().astype(dtype), f"{op} {width} {dim}", 4)
            assert_close(host(ours.grad), twin.grad.numpy().astype(dtype), f"{op} {width} {dim}: gradient", 4)


@pytest.mark.parametrize("op", OPS)
def test_no_elements(gpu, op):  # noqa: F811
    for shape in ((0, 4), (4, 0), (2, 0, 3)):
        assert OPS[op](placed(gpu, np.ones(shape), "float32"), 1).shape == shape


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_one_launch_each_way(gpu, op, dtype):  # noqa: F811
    for shape, dim in (((4, 10), 1), ((4, 600), 1), ((2, 20000), 1), ((3, 40, 8), 1)):
        x = placed(gpu, reals(shape), dtype)
        dy = placed(gpu, reals(shape), dtype, False)
        y = OPS[op](x, dim)
        assert launched(gpu, partial(OPS[op], x, dim)) == 1
        assert launched(gpu, lambda y=y, dy=dy: y.backward(dy, retain_graph=True)) <= 2  # the second adds to x.grad
