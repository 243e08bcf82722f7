"""Normalizations on a GPU beside their sizes: running statistics, numbers that are special, views, launches."""

import numpy as np
import pytest
import torch
from on_gpu import gpu, launched  # noqa: F401
from test_cuda_norms import RNG, agree, chunked, host, layer, no_debug, placed  # noqa: F401
from tolerances import assert_close

import gpudl
from gpudl.backend.device import to_host, transfer
from gpudl.nn import functional as F
from gpudl.ops.batch_norm import batch_norm_backward, batch_norm_forward
from gpudl.ops.group_norm import group_norm_backward, group_norm_forward
from gpudl.ops.layer_norm import layer_norm_backward, layer_norm_forward
from gpudl.ops.local_response_norm import local_response_norm_backward
from gpudl.ops.normalize import normalize_backward
from gpudl.ops.rms_norm import rms_norm_backward

INF, NAN = float("inf"), float("nan")


@pytest.mark.parametrize("momentum", [0.3, None])
@pytest.mark.parametrize("shape", [(6, 3), (611, 4), (4, 3, 5), (2, 3, 901)])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_running_statistics_are_those_of_torch(gpu, shape, momentum, dtype, chunked):  # noqa: F811
    kind = gpudl.nn.BatchNorm1d(shape[1], momentum=momentum, dtype=dtype).to(gpu)
    other = torch.nn.BatchNorm1d(shape[1], momentum=momentum, dtype=torch.float64)
    for step in range(3):
        x = (RNG.standard_normal(shape) * (step + 1) + step).astype(dtype)
        kind(gpudl.tensor(x).to(gpu))
        other(torch.tensor(x.astype("float64")))
    for got, want in ((kind.running_mean, other.running_mean), (kind.running_var, other.running_var)):
        assert_close(host(got), want.numpy().astype(dtype), "running statistics", 20)
    assert host(kind.num_batches_tracked) == 3


def test_half_beside_float32_weights(gpu):  # noqa: F811
    x, w, b = RNG.standard_normal((6, 8)).astype("float16"), RNG.uniform(0.5, 2, 8), RNG.standard_normal(8)
    for call in (
        lambda lib, x, w, b: lib.nn.functional.layer_norm(x, (8,), w, b),
        lambda lib, x, w, b: lib.nn.functional.batch_norm(x, None, None, w, b, True),
        lambda lib, x, w, b: lib.nn.functional.group_norm(x, 2, w, b),
    ):
        mine = [placed(gpu, x, "float16"), placed(gpu, w, "float32"), placed(gpu, b, "float32")]
        theirs = [torch.tensor(each.astype("float64"), requires_grad=True) for each in (x, w, b)]
        y, want = call(gpudl, *mine), call(torch, *theirs)
        (y * y).sum().backward()
        (want * want).sum().backward()
        assert_close(host(y), want.detach().numpy().astype("float16"), "y", 4)
        for got, expected, dtype in zip(mine, theirs, ("float16", "float32", "float32")):
            assert host(got.grad).dtype == dtype
            assert_close(host(got.grad), expected.grad.numpy().astype(dtype), "gradient", 20, along=["float16"])


def test_a_large_mean_costs_no_digits(gpu, chunked):  # noqa: F811
    for shape, mean in (((4, 6, 50), 1e4), ((2, 2, 900), -3e4), ((611, 5), -3e4)):
        x = (RNG.standard_normal(shape) + mean).astype("float32")
        x.reshape(-1)[0] = 0  # what is met first lies far away
        for call in (
            lambda lib, x: lib.nn.functional.layer_norm(x, x.shape[1:]),
            lambda lib, x: lib.nn.functional.batch_norm(x, None, None, training=True),
            lambda lib, x: lib.nn.functional.group_norm(x, 1),
        ):
            agree(call, [x], "float32", gpu, f"{shape}", slack=100)


def test_nan_inf_and_huge_numbers_stay_in_their_row(gpu):  # noqa: F811
    x = RNG.standard_normal((6, 40)).astype("float32")
    x[0, 3], x[1, 39], x[2, 0], x[3] = NAN, INF, -INF, 7.0
    for call in (
        lambda x: F.layer_norm(x, (40,)),
        lambda x: F.rms_norm(x, (40,)),
        lambda x: F.normalize(x),
        lambda x: F.normalize(x.T, dim=0).T,
        lambda x: F.batch_norm(x.T, None, None, training=True).T,
        lambda x: F.group_norm(x, 1),
        lambda x: F.instance_norm(x.reshape(1, 6, 40)).reshape(6, 40),
    ):
        got, want = (host(call(placed(place, x, "float32", False))) for place in (gpu, "cpu"))
        assert_close(got, want, "special rows", 10)
        assert np.isfinite(got[3:]).all()


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_views_that_begin_anywhere(gpu, dtype):  # noqa: F811
    x, dy = (RNG.standard_normal(1700).astype(dtype) for _ in range(2))
    there, up = transfer(x, gpu), transfer(dy, gpu)
    w = RNG.uniform(0.5, 2, 16).astype(dtype)
    on_gpu = transfer(w, gpu)
    for start in (0, 1, 2, 8):
        part = slice(start, start + 1600)
        wide, wide_dy, wide_w = (each.astype("float64") for each in (x[part], dy[part], w))
        for rows, columns in ((100, 16), (16, 100)):
            shape, factor = (rows, columns), on_gpu if columns == 16 else None
            exact_w = wide_w if columns == 16 else None
            y, mean, rstd = layer_norm_forward(there[part].reshape(shape), factor, factor, 1e-5)
            want, *exact = layer_norm_forward.reference(wide.reshape(shape), exact_w, exact_w, 1e-5)
            assert_close(to_host(y), want.astype(dtype), f"rows from {start}", 10)
            got = layer_norm_backward(up[part].reshape(shape), there[part].reshape(shape), factor, 1e-5, mean, rstd, 1)
            want = layer_norm_backward.reference(wide_dy.reshape(shape), wide.reshape(shape), exact_w, 1e-5, *exact, 1)
            for one, two in zip(got, want):
                assert (
                    one is two or abs(to_host(one).astype("float64") - two).max() < 3e-2 * (dtype == "float16") + 3e-5
                )
        for shape in ((10, 16, 10), (100, 16, 1), (5, 16, 20)):
            args = there[part].reshape(shape), on_gpu, on_gpu
            exact_args = wide.reshape(shape), wide_w, wide_w
            for forward, backward, more, of_batch in (
                (batch_norm_forward, batch_norm_backward, (None, None, 1e-5), (True,)),
                (group_norm_forward, group_norm_backward, (2, 1e-5), ()),
            ):
                (y, *kept), (want, *exact) = forward(*args, *more), forward.reference(*exact_args, *more)
                assert_close(to_host(y), want.astype(dtype), f"{forward.name} from {start}", 10)
                setting = ((2, 1e-5), ()) if not of_batch else ((), (1e-5, True))
                got = backward(up[part].reshape(shape), *args[:2], *setting[0], *kept, *setting[1])
                want = backward.reference(wide_dy.reshape(shape), *exact_args[:2], *setting[0], *exact, *setting[1])
                for one, two in zip(got, want):
                    worst = abs(to_host(one).astype("float64") - two).max()
                    assert worst < (5e-2 if dtype == "float16" else 3e-5), f"{backward.name} from {start}"


def test_sums_are_the_same_in_every_run(gpu):  # noqa: F811
    dy, x, w = (transfer(RNG.standard_normal(s).astype("float32"), gpu) for s in ((300, 40), (300, 40), (40,)))
    _, mean, rstd = layer_norm_forward(x, w, w, 1e-5)
    runs = [[to_host(each) for each in layer_norm_backward(dy, x, w, 1e-5, mean, rstd, True)] for _ in range(2)]
    for first, second in zip(*runs):
        np.testing.assert_array_equal(first, second)


def launches_of(place, call, *shapes, dtype="float32"):
    """How many kernels forward starts, and backward."""
    given = [placed(place, RNG.uniform(0.5, 2, shape), dtype) for shape in shapes]
    result = call(*given)
    up = placed(place, np.ones(result.shape), dtype, False).array
    return launched(place, call, *given), launched(place, result._node.run, up, True)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_launches(gpu, dtype, chunked):  # noqa: F811
    def count(call, *shapes):
        return launches_of(gpu, call, *shapes, dtype=dtype)

    own = lambda x, w, b: layer(gpudl, x, w, b)  # noqa: E731
    assert count(own, (4, 2, 64), (64,), (64,)) == (1, 1)  # so few rows that one block has their sums
    assert count(own, (40, 768), (768,), (768,)) == (1, 2)
    assert count(lambda x: F.layer_norm(x, (64,)), (50, 64)) == (1, 1)
    assert count(lambda x, w: F.rms_norm(x, (768,), w), (40, 768), (768,)) == (1, 2)
    batch = lambda x, w, b: F.batch_norm(x, None, None, w, b, True)  # noqa: E731
    assert count(batch, (8, 4, 7, 7), (4,), (4,)) == (1, 2)
    assert count(batch, (2, 4, 30, 40), (4,), (4,)) == (2, 2)  # few channels, each over several blocks
    assert count(batch, (100, 40), (40,), (40,)) == (1, 1)
    assert count(batch, (600, 40), (40,), (40,)) == (2, 2)
    assert count(lambda x, w, b: F.group_norm(x, 2, w, b), (3, 4, 6, 6), (4,), (4,)) == (1, 2)
    assert count(lambda x: F.instance_norm(x), (3, 4, 6, 6)) == (1, 2)
    assert count(lambda x: F.local_response_norm(x, 5), (2, 7, 4, 4)) == (1, 1)
    assert count(lambda x: F.normalize(x, dim=-1), (30, 64)) == (1, 1)
    assert count(lambda x: F.normalize(x, dim=1), (3, 4, 6, 6)) == (1, 1)


def test_a_layer_in_training_and_inference_is_one_launch(gpu):  # noqa: F811
    layer, x = gpudl.nn.BatchNorm2d(5).to(gpu), placed(gpu, RNG.standard_normal((4, 5, 6, 6)), "float32", False)
    assert launched(gpu, layer, x) == 1
    assert host(layer.num_batches_tracked) == 2
    layer.eval()
    assert launched(gpu, layer, x) == 1


def test_gradients_of_gradients(gpu):  # noqa: F811
    x = RNG.standard_normal((3, 4, 6))
    for call in (
        lambda x: F.layer_norm(x, (6,)),
        lambda x: F.batch_norm(x, None, None, training=True),
        lambda x: F.normalize(x, dim=-1),
        lambda x: F.local_response_norm(x, 3, 0.5),
    ):
        results = []
        for place in (gpu, "cpu"):
            leaf = placed(place, x, "float64")
            (first,) = gpudl.autograd.grad((call(leaf) ** 3).sum(), [leaf], create_graph=True)
            (first * first).sum().backward()
            results.append((host(first), host(leaf.grad)))
        for got, want in zip(*results):
            assert_close(got, want, "gradient of a gradient", 100)


def test_backward_kernels_take_what_other_bodies_kept(gpu):  # noqa: F811
    x = transfer(RNG.standard_normal((3, 4)).astype("float16"), gpu)
    assert rms_norm_backward(x, x, None, 1e-5, None)[0].shape == (3, 4)
    assert normalize_backward(x, x, 2.0, (1,), 1e-12, None).shape == (3, 4)
    deep = x.reshape(1, 12, 1)
    assert local_response_norm_backward(deep, deep, 17, 0.5, 0.75, 1.0).shape == (1, 12, 1)
