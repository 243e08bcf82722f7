"""Attention and rotary embedding on a GPU: tiles, dtypes, views, masks, memory, launches; the same in every run."""

import itertools
from functools import partial

import numpy as np
import pytest
from on_gpu import gpu, launched  # noqa: F401
from tolerances import assert_close

import gpudl
import gpudl.cuda as memory
from gpudl import nn
from gpudl.backend.device import to_host, transfer
from gpudl.backend.dtypes import dtype_of
from gpudl.nn import functional as F
from gpudl.ops.attention_checks import Settings
from gpudl.ops.rotary_embedding import rotary_embedding_backward, rotary_embedding_forward
from gpudl.ops.scaled_dot_product_attention import (
    scaled_dot_product_attention_backward,
    scaled_dot_product_attention_forward,
)

RNG = np.random.default_rng(0)
DTYPES = ["float64", "float32", "float16", "bfloat16"]
INF, NAN = float("inf"), float("nan")
attention = F.scaled_dot_product_attention


def reals(*shape):
    return RNG.standard_normal(shape)


def placed(place, x, dtype, grad=True):
    return gpudl.tensor(x, dtype=dtype_of(dtype)).to(place).requires_grad_(grad)


def host(tensor):
    return to_host(tensor.detach().array)


def outcomes(place, dtype, arrays, mask, **settings):
    """Result and gradients of attention, float64 numbers in a dtype on a device; a floating mask has a gradient too."""
    leaves = [placed(place, x, dtype) for x in arrays]
    if mask is not None:
        boolean = mask.dtype == bool
        mask = gpudl.tensor(mask).to(place) if boolean else placed(place, mask, dtype)
        leaves += [] if boolean else [mask]
    gpudl.manual_seed(7)
    y = attention(*leaves[:3], mask, **settings)
    y.backward(gpudl.tensor(np.cos(np.arange(y.numel())).reshape(y.shape), dtype=y.dtype).to(place))
    return [host(y), *(host(x.grad) for x in leaves)]


def agree(gpu, dtype, arrays, mask=None, slack=8, **settings):  # noqa: F811
    arrays = [x.astype(dtype_of(dtype)).astype("float64") for x in arrays]
    if mask is not None and mask.dtype != bool:
        mask = mask.astype(dtype_of(dtype)).astype("float64")
    got = outcomes(gpu, dtype, arrays, mask, **settings)
    want = outcomes("cpu", "float64", arrays, mask, **settings)
    for number, (one, two) in enumerate(zip(got, want)):
        assert one.dtype == dtype_of(dtype)
        label = f"{dtype} {[x.shape for x in arrays]}, {settings}, result {number}"
        assert_close(one, two.astype(one.dtype), label, slack)


@pytest.mark.parametrize("dtype", DTYPES)
def test_masks_dropout_and_shared_heads(gpu, dtype):  # noqa: F811
    """One width of heads, so that each kernel is compiled once: tiles that are open, cut, hidden, and skipped."""
    for queries, keys in ((1, 1), (70, 40), (33, 150)):
        arrays = reals(2, 4, queries, 16), reals(2, 2, keys, 16), reals(2, 2, keys, 11)
        settings = {"enable_gqa": True}
        agree(gpu, dtype, arrays, **settings)
        agree(gpu, dtype, arrays, is_causal=True, dropout_p=0.3, **settings)
        seen = RNG.random((2, 1, queries, keys)) < 0.7
        seen[0, 0, 0] = False
        agree(gpu, dtype, arrays, seen, **settings)
        for mask in ((2, 4, queries, keys), (1, 4, 1, keys), (queries, 1), (2, 1, 1, 1)):
            agree(gpu, dtype, arrays, reals(*mask), dropout_p=0.2, slack=16, **settings)


@pytest.mark.parametrize(
    ("dtype", "features", "width"),
    [("float32", 65, 130), ("float16", 96, 90), ("float16", 130, 129), ("float64", 40, 70), ("float32", 0, 3)],
)
def test_heads_of_other_widths(gpu, dtype, features, width):  # noqa: F811
    agree(gpu, dtype, [reals(1, 20, features) / 4, reals(1, 37, features), reals(1, 37, width)], is_causal=True)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_parts_of_one_projection_are_read_where_they_are(gpu, dtype):  # noqa: F811
    for start, heads, batch_first in itertools.product((0, 1), (1, 3), (True, False)):
        packed = reals(2, 5, 3 * heads * 16 + start)
        results = []
        for place, kind in ((gpu, dtype), ("cpu", "float64")):
            leaf = placed(place, packed.astype(dtype), kind)
            parts = leaf[..., start:].chunk(3, -1)
            order = (0, 2, 1, 3) if batch_first else (1, 2, 0, 3)
            q, k, v = (each.reshape((2, 5, heads, 16)).permute(order) for each in parts)
            y = attention(q, k, v, is_causal=True).permute((0, 2, 1, 3) if batch_first else (2, 0, 1, 3))
            assert place == "cpu" or y.is_contiguous()
            (y * y).sum().backward()
            results.append((host(y), host(leaf.grad)))
        for got, want in zip(*results):
            assert_close(got, want.astype(got.dtype), f"{dtype} from {start}, {heads} heads", 8)


def test_it_takes_one_launch_forward_and_two_back(gpu):  # noqa: F811
    q, k, v, dy = (
        transfer(reals(2, 2, *rest).astype("float32"), gpu) for rest in ((1, 5, 4), (6, 4), (6, 4), (1, 5, 4))
    )
    mask = transfer(reals(1, 1, 1, 5, 6).astype("float32"), gpu)
    dropping = Settings(0.5, False, 0.2, gpudl.random.stream("test", 0, seed=1))
    for given, settings in itertools.product((None, mask), (Settings(0.5, True), dropping)):
        forward = partial(scaled_dot_product_attention_forward, q, k, v, given, None, settings)
        assert launched(gpu, forward) == 1
        kept = forward()
        for for_mask in (False, True):
            args = (dy, q, k, v, given, None, settings, *kept, for_mask)
            expected = 3 if for_mask and given is not None else 2
            assert launched(gpu, partial(scaled_dot_product_attention_backward, *args)) == expected


@pytest.mark.parametrize("batch_first", [True, False])
def test_multihead_attention_copies_nothing(gpu, batch_first):  # noqa: F811
    """Two projections, each a product and its bias, and one kernel between them."""
    layer = nn.MultiheadAttention(8, 2, batch_first=batch_first).to(gpu)
    x = placed(gpu, reals(3, 5, 8), "float32", False)
    projections = launched(gpu, lambda: layer.out_proj(F.linear(x, layer.in_proj_weight, layer.in_proj_bias)[..., :8]))
    assert launched(gpu, lambda: layer(x, x, x, need_weights=False)) <= projections + 1


def test_memory_grows_with_the_rows_alone(gpu):  # noqa: F811
    q, k, v = (placed(gpu, reals(1, 1, 400, 8), "float32") for _ in range(3))
    for settings in ({"is_causal": True}, {"dropout_p": 0.1}):
        memory.reset_peak_memory_stats(gpu)
        before = memory.memory_allocated(gpu)
        attention(q, k, v, **settings).sum().backward()
        assert memory.max_memory_allocated(gpu) - before < 400 * 400 * 4 / 4


def test_results_are_the_same_in_every_run(gpu):  # noqa: F811
    arrays = [reals(2, 40, 16), reals(2, 50, 16), reals(2, 50, 16)]
    first, second = (outcomes(gpu, "float16", arrays, reals(1, 50) * 0, dropout_p=0.1) for _ in range(2))
    for one, two in zip(first, second):
        np.testing.assert_array_equal(one, two)


def test_rows_that_see_nothing_and_numbers_that_are_none(gpu):  # noqa: F811
    q, k, v = reals(4, 3, 8), reals(4, 20, 8), reals(4, 20, 8)
    q[1, 1, 0], k[2, 4, 0], q[3, 0, 0] = NAN, INF, 1e30
    mask = np.zeros((4, 3, 20))
    mask[0, 2], mask[0, 1, 5:] = -INF, -INF
    for dtype in ("float32", "float64"):
        with np.errstate(all="ignore"):
            given = [x.astype(dtype) for x in (q, k, v, mask)]
            got = outcomes(gpu, dtype, given[:3], given[3])
            want = outcomes("cpu", dtype, given[:3], given[3])
        for one, two in zip(got, want):
            np.testing.assert_array_equal(np.isnan(one), np.isnan(two))
            assert not one[0, 2].any() or one.shape != got[0].shape
        assert_close(got[0][0], want[0][0], "the head of finite numbers", 8)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("interleaved", [False, True])
def test_rotary_embedding_of_views(gpu, dtype, interleaved):  # noqa: F811
    for features, pairs, start in ((16, 8, 0), (24, 8, 0), (16, 8, 1), (7, 2, 0)):
        x = reals(2, 5, 3 * features + start).astype(dtype_of(dtype))
        cos, sin = (reals(9, pairs).astype("float32" if dtype != "float64" else dtype) for _ in range(2))
        wide = [each.astype("float64") for each in (x, cos, sin)]
        there = [transfer(each, gpu) for each in (x, cos, sin)]
        results = []
        for a, c, s in (there, wide):
            view = a[..., start:].reshape((2, 5, 3, features)).transpose((0, 2, 1, 3)) if start == 0 else a[..., start:]
            given = view, c[2:7], s[2:7]
            y = rotary_embedding_forward(*given, interleaved)
            back, *_ = rotary_embedding_backward(y, None, *given[1:], interleaved)
            results.append((to_host(y), to_host(back)))
        for got, want in zip(*results):
            assert_close(got, want.astype(got.dtype), f"{features} features, {pairs} pairs, from {start}", 8)


def test_rotary_embedding_is_one_launch_each_way(gpu):  # noqa: F811
    x, cos, sin = (transfer(reals(*shape).astype("float32"), gpu) for shape in ((2, 5, 3, 8), (5, 4), (5, 4)))
    turned = x.transpose((0, 2, 1, 3))
    assert launched(gpu, partial(rotary_embedding_forward, turned, cos, sin, False)) == 1
    assert launched(gpu, partial(rotary_embedding_backward, turned, None, cos, sin, False)) == 1
