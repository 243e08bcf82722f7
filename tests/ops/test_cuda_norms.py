"""Normalizations on a GPU give what PyTorch gives in float64, whatever the size, the memory and the numbers."""

import numpy as np
import pytest
import torch
from on_gpu import gpu  # noqa: F401
from tolerances import assert_close

import gpudl
from gpudl.backend.debug import debug
from gpudl.backend.device import to_host
from gpudl.backend.dtypes import dtype_of
from gpudl.ops import norm_rows, norm_sets

DTYPES = ["float64", "float32", "float16", "bfloat16"]
RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True, scope="module")
def no_debug():
    with debug(False):
        yield


@pytest.fixture
def chunked(monkeypatch):
    """Cut sets that are small into chunks already, so that what large ones take is reached by few elements."""
    monkeypatch.setattr(norm_sets, "_CHUNK", 256)
    monkeypatch.setattr(norm_sets, "_BLOCKS", 8)


def host(tensor):
    return to_host(tensor.detach().array)


def placed(place, x, dtype, grad=True):
    return gpudl.tensor(x, dtype=dtype_of(dtype)).to(place).requires_grad_(grad)


def agree(call, arrays, dtype, place, label, slack=20):
    """call(lib, *tensors) here in a dtype and in PyTorch in float64, on the same numbers: values and gradients."""
    rounded = [np.asarray(x).astype(dtype_of(dtype)).astype("float64") for x in arrays]
    mine = [placed(place, x, dtype) for x in rounded]
    theirs = [torch.tensor(x, requires_grad=True) for x in rounded]
    y, want = call(gpudl, *mine), call(torch, *theirs)
    up = np.random.default_rng(1).integers(-4, 5, y.shape) / 4.0  # exact in every dtype
    y.backward(placed(place, up, dtype, False))
    want.backward(torch.tensor(up))
    pairs = [(y, want.detach().numpy()), *((x.grad, t.grad.numpy()) for x, t in zip(mine, theirs))]
    for number, (got, expected) in enumerate(pairs):
        got = host(got)
        assert got.dtype == dtype_of(dtype), f"{label}: {got.dtype}"
        factor = slack * max(1.0, abs(expected).max() / 4) if number else slack  # sums are as exact as their largest
        assert_close(got, expected.astype(got.dtype), f"{label}, result {number}", factor if slack else 1)


# Shapes of rows: lanes of a warp, a warp, several warps, a block, several blocks; 16 bytes at a time and one by one.
ROWS = [(1, 1), (3, 2), (5, 7), (37, 8), (2, 3, 64), (9, 129), (300, 24), (6, 520), (3, 1100), (2, 4104), (2, 8200)]


def layer(lib, x, w=None, b=None):
    return lib.nn.functional.layer_norm(x, x.shape[-1:], w, b)


def rms(lib, x, w):
    return lib.nn.functional.rms_norm(x, x.shape[-1:], w, 1e-3)


@pytest.mark.parametrize("dtype", DTYPES)
def test_rows_of_every_size(gpu, dtype):  # noqa: F811
    for shape in ROWS if dtype in ("float32", "float16") else ROWS[2:9]:
        last = shape[-1:]
        x, w, b = RNG.standard_normal(shape) + 1, RNG.uniform(0.5, 2, last), RNG.standard_normal(last)
        if last != (1,):
            agree(layer, [x, w, b], dtype, gpu, f"{shape}")
            agree(layer, [x], dtype, gpu, f"bare {shape}")
        agree(rms, [x, w], dtype, gpu, f"rms {shape}")


@pytest.mark.parametrize("dtype", DTYPES)
def test_rows_that_no_block_can_keep(gpu, dtype, chunked, monkeypatch):  # noqa: F811
    monkeypatch.setattr(norm_rows, "_team", lambda *args: None)  # as if no block could
    for rows, columns in ((1, 4104), (3, 1037), (140, 40), (133, 33)):  # blocks of 512 threads, of 256; shares of rows
        x, w, b = RNG.standard_normal((rows, columns)), RNG.uniform(0.5, 2, columns), RNG.standard_normal(columns)
        agree(layer, [x, w, b], dtype, gpu, f"{rows} rows of {columns}")
        agree(rms, [x, w], dtype, gpu, f"rms, {rows} rows of {columns}")
    agree(layer, [x], dtype, gpu, "bare")


# (samples, channels, places): one or several teams, blocks and chunks of a channel; packed and one by one.
PLANES = [(7, 2, 6), (5, 6, 49), (3, 4, 1), (40, 33, 1), (611, 8, 1), (2, 3, 4), (3, 2, 360)]
CHUNKED = [(3, 2, 360), (2, 2, 901)]


@pytest.mark.parametrize("dtype", DTYPES)
def test_batches_of_every_size(gpu, dtype):  # noqa: F811
    agree_on_batches(gpu, dtype, PLANES if dtype in ("float32", "float16") else PLANES[:5])


@pytest.mark.parametrize("dtype", DTYPES)
def test_batches_over_several_blocks(gpu, dtype, chunked):  # noqa: F811
    agree_on_batches(gpu, dtype, CHUNKED)


def agree_on_batches(gpu, dtype, shapes):  # noqa: F811
    for shape in shapes:
        channels = shape[1:2]
        x, w, b = RNG.standard_normal(shape) + 1, RNG.uniform(0.5, 2, channels), RNG.standard_normal(channels)
        mean, var = RNG.uniform(-0.5, 0.5, channels), RNG.uniform(0.5, 2, channels)

        def train(lib, x, w=None, b=None):
            return lib.nn.functional.batch_norm(x, None, None, w, b, True, 0.1, 1e-2)

        def run(lib, x, w, b, statistics=(mean, var)):
            if lib is torch:
                given = (torch.tensor(each.astype(dtype_of(dtype)).astype("float64")) for each in statistics)
            else:
                given = (placed(gpu, each, dtype, False) for each in statistics)
            return lib.nn.functional.batch_norm(x, *given, w, b, False, 0.1, 1e-2)

        agree(train, [x, w, b], dtype, gpu, f"training {shape}")
        agree(run, [x, w, b], dtype, gpu, f"inference {shape}")
        agree(train, [x], dtype, gpu, f"bare {shape}")


@pytest.mark.parametrize("dtype", DTYPES)
def test_groups_of_every_size(gpu, dtype):  # noqa: F811
    shapes = [(2, 4, 5), (3, 6, 8), (2, 6, 49), (40, 4, 16), (2, 2, 600), (5, 8, 1)]
    agree_on_groups(gpu, dtype, shapes if dtype == "float32" else shapes[1:4])
    agree(lambda lib, x: lib.nn.functional.instance_norm(x), [RNG.standard_normal((3, 5, 70))], dtype, gpu, "instance")


@pytest.mark.parametrize("dtype", DTYPES)
def test_groups_over_several_blocks(gpu, dtype, chunked):  # noqa: F811
    agree_on_groups(gpu, dtype, [(1, 4, 600), (2, 2, 901)])


def agree_on_groups(gpu, dtype, shapes):  # noqa: F811
    for shape in shapes:
        channels = shape[1:2]
        x, w, b = RNG.standard_normal(shape) + 1, RNG.uniform(0.5, 2, channels), RNG.standard_normal(channels)
        for groups in {1, 2, channels[0]}:
            if channels[0] // groups * shape[2] == 1:
                continue
            call = lambda lib, x, w, b, n=groups: lib.nn.functional.group_norm(x, n, w, b, 1e-2)  # noqa: E731
            agree(call, [x, w, b], dtype, gpu, f"{groups} groups of {shape}")


@pytest.mark.parametrize("dtype", DTYPES)
def test_responses_and_lengths(gpu, dtype):  # noqa: F811
    for shape, size in (((2, 5, 3), 3), ((1, 24, 16), 5), ((3, 70, 1), 2), ((2, 6, 130), 1), ((1, 40, 4), 18)):
        for beta in (0.75, 0.5):
            call = lambda lib, x: lib.nn.functional.local_response_norm(x, size, 0.5, beta, 1.5)  # noqa: B023, E731
            agree(call, [RNG.standard_normal(shape)], dtype, gpu, f"response {shape} {size}")
    for shape, dim in (
        ((5, 7), 1),
        ((5, 8), -1),
        ((2, 9, 40), 1),
        ((3, 4), 0),
        ((2, 3, 2000), -1),
        ((6, 3, 5), (0, 1)),
    ):
        call = lambda lib, x: lib.nn.functional.normalize(x, 2.0, dim)  # noqa: B023, E731
        agree(call, [RNG.uniform(0.5, 2, shape)], dtype, gpu, f"length {shape} {dim}")
    small = RNG.uniform(-0.1, 0.1, (4, 6))
    agree(lambda lib, x: lib.nn.functional.normalize(x, eps=0.5), [small], dtype, gpu, "below eps")
    agree(lambda lib, x: lib.nn.functional.normalize(x, eps=0.5, dim=0), [small], dtype, gpu, "below eps")
