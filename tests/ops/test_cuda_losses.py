"""Losses on a GPU: each in one launch forward, whatever the reduction, and one backward; sizes, views, hard numbers."""

import itertools
from functools import partial

import numpy as np
import pytest
import torch
from on_gpu import gpu, launched  # noqa: F401
from test_cuda_rooms import DTYPES, INF, NAN, RNG, both, host, placed, reals
from tolerances import assert_close

import gpudl
from gpudl.backend.debug import debug
from gpudl.backend.device import to_host, transfer
from gpudl.backend.dtypes import dtype_of
from gpudl.nn import functional as F
from gpudl.ops.mse_loss import mse_loss_forward

REDUCTIONS = ["mean", "sum", "none"]
LOSSES = {  # settings, range of the numbers, how many arrays
    "mse_loss": ({}, -4, 4, 2),
    "l1_loss": ({}, -4, 4, 2),
    "smooth_l1_loss": ({"beta": 0.5}, -4, 4, 2),
    "huber_loss": ({"delta": 2.0}, -4, 4, 2),
    "binary_cross_entropy": ({}, 0.1, 0.9, 2),
    "binary_cross_entropy_with_logits": ({}, -4, 4, 2),
    "kl_div": ({}, 0.1, 2, 2),
    "poisson_nll_loss": ({"log_input": False, "full": True}, 1.2, 4, 2),
    "gaussian_nll_loss": ({"full": True}, 0.5, 2, 3),
}
KINDS = ["float32", "float16"]


def call(name, reduction, **more):
    settings = {**LOSSES[name][0], **more, "reduction": reduction}
    return lambda *given: getattr(F, name)(*given, **settings)


def arguments(name, shape):
    _, low, high, count = LOSSES[name]
    return [reals(shape, "float64", low, high) for _ in range(count)]


@pytest.fixture(autouse=True, scope="module")
def debug_mode():
    """Off here: looking at labels is a launch more, and what no debug mode sees is tested."""
    with debug(False):
        yield


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", LOSSES)
def test_every_size(gpu, name, dtype):  # noqa: F811
    for number, size in enumerate((0, 1, 7, 4099, 40007)):
        if size == 40007 and dtype not in KINDS:
            continue
        for reduction in REDUCTIONS if size == 4099 else REDUCTIONS[number % 3 :][:1]:
            label = f"{name} of {size}, {reduction}"
            if dtype == "float16" and reduction == "sum" and size > 4099:
                continue  # beyond its range
            both(call(name, reduction), arguments(name, size), dtype, gpu, label, slack=8)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("name", LOSSES)
def test_one_launch_each_way(gpu, name, reduction):  # noqa: F811
    for shape in ((5, 7), (300, 301)):
        leaves = [placed(gpu, x, "float32") for x in arguments(name, shape)]
        assert launched(gpu, lambda given=leaves: call(name, reduction)(*given)) == 1
        loss = call(name, reduction)(*leaves)
        dy = gpudl.ones_like(loss)
        backward = partial(gpudl.autograd.grad, loss, leaves, dy, retain_graph=True)
        assert launched(gpu, backward) == 1


@pytest.mark.parametrize(
    "name", ["mse_loss", "l1_loss", "huber_loss", "binary_cross_entropy", "binary_cross_entropy_with_logits"]
)
def test_weights_are_factors(gpu, name):  # noqa: F811
    shapes = [(33, 40)] if "binary" not in name else [(33, 40), (40,), (1, 40), (33, 1), ()]
    for shape, reduction in itertools.product(shapes, REDUCTIONS):
        w = reals(shape, "float64", 0.5, 2)

        def weighted(*given, w=w, reduction=reduction):
            weight = gpudl.tensor(w, dtype=given[0].dtype).to(given[0].device)
            return call(name, reduction, weight=weight)(*given)

        both(weighted, arguments(name, (33, 40)), "float32", gpu, f"{name} with weights {shape}, {reduction}", slack=8)
    x, t = (placed(gpu, z, "float32") for z in arguments(name, (33, 40)))
    weight = gpudl.ones(33, 40, device=gpu)
    assert launched(gpu, lambda: call(name, "none", weight=weight)(x, t)) == 1


@pytest.mark.parametrize("shape", [(40,), (), (33, 40), (33, 1)])
def test_weights_of_positives(gpu, shape):  # noqa: F811
    p, w = reals(shape, "float64", 0.5, 2), reals((40,), "float64", 0.5, 2)

    def weighted(*given):
        pos, weight = (gpudl.tensor(z, dtype=given[0].dtype).to(given[0].device) for z in (p, w))
        return F.binary_cross_entropy_with_logits(*given, weight, pos_weight=pos)

    for rows in (33, 660) if len(shape) < 2 else (33,):  # one block and several
        args = arguments("binary_cross_entropy_with_logits", (rows, 40))
        both(weighted, args, "float32", gpu, f"pos_weight {shape}, {rows} rows", slack=8)


@pytest.mark.parametrize("name", LOSSES)
def test_views_and_shapes_that_broadcast(gpu, name):  # noqa: F811
    whole = [z.astype("float32") for z in arguments(name, 2000)]
    there = [placed(gpu, z, "float32", False) for z in whole]
    for part, reduction in ((slice(1, 1992), "mean"), (slice(3, None, 2), "sum"), (slice(2, 4), "none")):
        want = call(name, reduction)(*(gpudl.tensor(z[part].astype("float64")) for z in whole))
        got = call(name, reduction)(*(z[part] for z in there))
        assert_close(host(got), host(want).astype("float32"), f"{name} {part}", 8)
    mixed = call(name, "mean")(there[0][1:1001], *(z[:1000] for z in there[1:]))
    want = call(name, "mean")(
        *(gpudl.tensor(z.astype("float64")) for z in (whole[0][1:1001], *(z[:1000] for z in whole[1:])))
    )
    assert_close(host(mixed), host(want).astype("float32"), f"{name}: x begins elsewhere", 8)
    if name in ("kl_div", "poisson_nll_loss", "gaussian_nll_loss"):
        x, t, *rest = arguments(name, (6, 5))
        both(call(name, "mean"), [x, t[0], *(v[:, :1] for v in rest)], "float32", gpu, f"{name} broadcasts", slack=8)


HARD = np.array([0.0, -0.0, 1e-30, -1e-30, 0.5, 1.0, -1.0, 2.0, 90.0, -90.0, 3e38, -3e38, INF, -INF, NAN], "float32")


@pytest.mark.parametrize("name", LOSSES)
def test_hard_numbers_are_those_of_the_cpu(gpu, name):  # noqa: F811
    x, t = (np.ascontiguousarray(z.ravel()) for z in np.meshgrid(HARD, HARD))
    if name == "binary_cross_entropy":
        keep = (x >= 0) & (x <= 1)
        x, t = x[keep], t[keep]
    variances = [np.resize(np.array([0.0, 0.5, 1e-30, 3.0, INF], "float32"), x.shape)] * (LOSSES[name][3] - 2)
    results = []
    for place in (gpu, "cpu"):
        leaves = [placed(place, z, "float32") for z in (x, t, *variances)]
        loss = call(name, "none")(*leaves)
        loss.backward(gpudl.ones_like(loss))
        results.append([host(loss), *(host(leaf.grad) for leaf in leaves)])
    for number, (got, want) in enumerate(zip(*results)):
        assert_close(got, want, f"{name}, result {number}", 8)


def test_the_sum_is_the_same_in_every_run(gpu):  # noqa: F811
    x, t = (transfer(reals(100_003), gpu) for _ in range(2))
    assert len({to_host(mse_loss_forward(x, t, None, "mean")).tobytes() for _ in range(3)}) == 1


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_nll_loss_is_that_of_torch(gpu, dtype, reduction):  # noqa: F811
    for shape, weighted in itertools.product(((1, 1), (7, 10), (2600, 3), (3, 5, 4), (2, 3, 33, 41)), (False, True)):
        x = reals(shape, "float64", -3, 0).astype(dtype_of(dtype)).astype("float64")
        target = np.random.default_rng(0).integers(0, shape[1], (shape[0], *shape[2:]))
        target.flat[1::3] = -100
        w = reals(shape[1], "float64", 0.5, 2).astype(dtype_of(dtype)).astype("float64") if weighted else None
        twin = torch.tensor(x, requires_grad=True)
        weight = None if w is None else torch.tensor(w)
        want = torch.nn.functional.nll_loss(twin, torch.tensor(target), weight, reduction=reduction)
        want.sum().backward()
        ours, labels = placed(gpu, x, dtype), gpudl.tensor(target).to(gpu)
        given = None if w is None else placed(gpu, w, dtype, False)
        loss = F.nll_loss(ours, labels, given, reduction=reduction)
        loss.sum().backward()
        label = f"nll_loss of {shape}, weights {weighted}"
        assert_close(host(loss), want.detach().numpy().astype(loss.dtype), label, 8)
        assert_close(host(ours.grad), twin.grad.numpy().astype(loss.dtype), f"{label}: gradient", 8)
        if dtype == "float32":
            assert launched(gpu, lambda a=ours, b=labels, c=given: F.nll_loss(a, b, c, reduction=reduction)) == 1
            loss, dy = F.nll_loss(ours, labels, given, reduction=reduction), gpudl.ones_like(loss)
            assert launched(gpu, lambda a=loss, b=ours, c=dy: gpudl.autograd.grad(a, b, c, retain_graph=True)) == 1


def test_few_threads_go_round_all_elements(gpu, monkeypatch):  # noqa: F811
    for room in ("elementwise_loss", "nll_loss"):
        monkeypatch.setattr(f"gpudl.ops.{room}.spread", lambda x: ((1,), (32,)))
    p = reals((40,), "float64", 0.5, 2)

    def weighted(*given):
        pos = gpudl.tensor(p, dtype=given[0].dtype).to(given[0].device)
        return F.binary_cross_entropy_with_logits(*given, pos_weight=pos, reduction="none")

    both(weighted, arguments("binary_cross_entropy_with_logits", (33, 40)), "float32", gpu, "pos_weight", slack=8)
    target = RNG.integers(0, 7, (3, 11))

    def nll(x):
        return F.nll_loss(x, gpudl.tensor(target).to(x.device), reduction="none")

    both(nll, [reals((3, 7, 11), "float64")], "float32", gpu, "nll_loss", slack=8)


def test_nll_loss_of_a_target_out_of_range_is_nan(gpu):  # noqa: F811
    x = placed(gpu, reals((3, 4)), "float32", False)
    losses = F.nll_loss(x, gpudl.tensor(np.array([0, 4, -1])).to(gpu), reduction="none")
    assert np.isnan(host(losses)).tolist() == [False, True, True]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_cross_entropy_and_its_gradient_are_one_launch_each(gpu, dtype):  # noqa: F811
    for shape in ((5, 3), (900, 10), (4, 1500)):
        x, target = placed(gpu, reals(shape), dtype), gpudl.tensor(np.arange(shape[0]) % shape[1]).to(gpu)
        for reduction, smoothing in (("mean", 0.0), ("sum", 0.1)):
            loss_of = partial(F.cross_entropy, x, target, reduction=reduction, label_smoothing=smoothing)
            assert launched(gpu, loss_of) == 1
            loss = loss_of()
            dy = gpudl.ones_like(loss)
            assert launched(gpu, partial(gpudl.autograd.grad, loss, [x], dy, retain_graph=True)) == 1


@pytest.mark.parametrize("width", [3, 4, 40, 2000])
def test_smoothing_over_infinite_and_large_logits(gpu, width):  # noqa: F811
    x = np.zeros((6, width), "float32")
    x[0, :3], x[1], x[2, -1], x[3, 0], x[4] = (1e4, 1e4 + 0.5, 1e4 - 1), -INF, -INF, NAN, np.linspace(-80, 80, width)
    x[5, ::2] = -INF
    target, w = np.array([1, 0, 0, 1, 2, 1]), np.linspace(0.5, 2, width)
    for weight in (None, w):
        want = torch.nn.functional.cross_entropy(
            torch.tensor(x.astype("float64")), torch.tensor(target), None if weight is None else torch.tensor(weight),
            label_smoothing=0.2, reduction="none",
        )  # fmt: skip
        given = None if weight is None else placed(gpu, weight, "float32", False)
        got = F.cross_entropy(
            placed(gpu, x, "float32"), gpudl.tensor(target).to(gpu), given, label_smoothing=0.2, reduction="none"
        )
        assert_close(host(got), want.numpy().astype("float32"), f"{width} classes", 8)
