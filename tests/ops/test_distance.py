"""Distances: special values, equal rows, short distances, and memory."""

import tracemalloc

import numpy as np
import pytest
from oracle import assert_same, check_gradients, ours, outcome, theirs, torch

import gpudl
from gpudl.autograd import grad, gradgradcheck

POWERS = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, float("inf"))
SPECIALS = (np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 0.5, -2.0, 3.0, 1e30)


@pytest.mark.parametrize("p", POWERS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_special_values(p, dtype, device):
    # For these two torch makes of a nan, or of inf - inf, what depends on its place.
    numbers = SPECIALS[3:] if p in (0, np.inf) else SPECIALS
    for seed in range(4):
        rng = np.random.default_rng(seed)
        x, y = (rng.choice(numbers, shape).astype(dtype) for shape in ((6, 2), (5, 2)))
        got = outcome(gpudl.cdist, ours(x, device), ours(y, device), p)
        assert_same(got, torch.cdist(theirs(x), theirs(y), p), f"cdist {p} {x.tolist()} {y.tolist()}")
        got = outcome(gpudl.nn.functional.pdist, ours(x, device), p)
        assert_same(got, torch.nn.functional.pdist(theirs(x), p), f"pdist {p} {x.tolist()}")


@pytest.mark.parametrize("p", POWERS)
@pytest.mark.parametrize("rows", [3, 40])
def test_equal_rows_get_no_gradient(p, rows, device):
    x = np.random.default_rng(0).integers(0, 3, (rows, 2)).astype("float32")
    mine, other = ours(x, device, grad=True), theirs(x, grad=True)
    got = gpudl.cdist(mine, mine.detach(), p)
    want = torch.cdist(other, other.detach(), p, compute_mode="donot_use_mm_for_euclid_dist")
    assert_same(got, want, f"cdist {p}", slack=4)
    check_gradients(got, want, [mine], [other], f"cdist {p}", slack=10)
    assert (got.detach().cpu().numpy().diagonal() == 0).all()


def test_equal_rows_are_told_from_rounding_in_products(device):
    values = 10 ** np.random.default_rng(6).uniform(-4, 4, (100, 30))  # whose squares fill float64
    x = ours(values.astype("float32"), device, grad=True)
    y = gpudl.cdist(x, x.detach())
    assert (y.detach().cpu().numpy().diagonal() == 0).all() and (y.detach().cpu().numpy() == 0).sum() == 100
    (dx,) = grad(y, x, gpudl.tensor(np.eye(100, dtype="float32"), device=device))
    assert not dx.cpu().numpy().any()


@pytest.mark.parametrize("p", [1.0, 3.0, float("inf")])
def test_chunks_of_rows_add_up(p, device, monkeypatch):
    monkeypatch.setattr("gpudl.ops.distance._CHUNK", 100)
    rng = np.random.default_rng(7)
    x, y = rng.normal(size=(2, 13, 3)), rng.normal(size=(2, 8, 3))
    mine, other = [ours(each, device, grad=True) for each in (x, y)], [theirs(each, grad=True) for each in (x, y)]
    got, want = gpudl.cdist(*mine, p), torch.cdist(*other, p)
    assert_same(got, want, f"cdist {p}")
    check_gradients(got, want, mine, other, f"cdist {p}")


@pytest.mark.parametrize("p", [0.5, 1.5, 2.0, 3.0])
def test_second_gradients_of_all_pairs_are_finite_and_right(p, device):
    x = gpudl.tensor(np.random.default_rng(2).uniform(-2, 2, (5, 3)), device=device, requires_grad=True)
    y = gpudl.tensor(np.random.default_rng(3).uniform(-2, 2, (4, 3)), device=device, requires_grad=True)
    gradgradcheck(lambda a: gpudl.nn.functional.pdist(a, p), [x])
    gradgradcheck(lambda a, b: gpudl.cdist(a, b, p), [x, y])


def test_products_in_float32_tell_short_distances(device):
    rng = np.random.default_rng(4)
    x = rng.uniform(100, 101, (50, 3)).astype("float32")
    y = (x + rng.uniform(-1e-3, 1e-3, x.shape)).astype("float32")
    exact = np.sqrt(((x.astype("float64")[:, None] - y.astype("float64")) ** 2).sum(-1))
    got = gpudl.cdist(ours(x, device), ours(y, device)).cpu().numpy()
    np.testing.assert_allclose(got, exact, rtol=1e-5)


@pytest.mark.parametrize("p", [1.0, 2.0, 3.0])
def test_memory_does_not_grow_with_all_differences(p, device):
    x = gpudl.ones(300, 200, device=device, dtype=gpudl.float64, requires_grad=True)
    y = gpudl.zeros(300, 200, device=device, dtype=gpudl.float64, requires_grad=True)
    whole = 300 * 300 * 200 * 8
    tracemalloc.start()
    try:
        result = gpudl.cdist(x, y, p)
        grad(result.sum(), [x, y])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < whole / 10


@pytest.mark.parametrize("shape", [(0, 3), (1, 3), (4, 0), (0, 0)])
def test_few_rows_and_no_columns(shape, device):
    x = ours(np.ones(shape, "float32"), device, grad=True)
    rows = shape[0]
    result = gpudl.nn.functional.pdist(x)
    assert result.shape == (rows * (rows - 1) // 2,)
    assert not result.detach().cpu().numpy().any()
    assert not grad(result.sum(), x)[0].cpu().numpy().any()
    square = gpudl.cdist(x, x)
    assert square.shape == (rows, rows) and not square.detach().cpu().numpy().any()


def test_errors_name_the_shapes(device):
    x, y = gpudl.ones(2, 3, device=device), gpudl.ones(2, 4, device=device)
    with pytest.raises(gpudl.ShapeError, match=r"cdist: .*\(2, 3\) and \(2, 4\)"):
        gpudl.cdist(x, y)
    with pytest.raises(gpudl.ShapeError, match="do not broadcast"):
        gpudl.cdist(x.expand(2, 2, 3), x.expand(3, 2, 3))
    with pytest.raises(ValueError, match="compute_mode must be one of"):
        gpudl.cdist(x, x, compute_mode="fast")
    with pytest.raises(RuntimeError, match="cast"):
        gpudl.cdist(x.long(), x.long())
    with pytest.raises(RuntimeError, match="p must be at least 0"):
        gpudl.nn.functional.pdist(x, -1)
