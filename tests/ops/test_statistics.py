"""Reductions and statistics where a table cannot say it: precision, named results, ties, ranges and messages."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import assert_same, check_gradients, ours, outcome, theirs, torch
from tolerances import assert_close

import gpudl
from gpudl.autograd import grad, gradcheck, gradgradcheck
from gpudl.backend.reductions import blocked_sum, running_by_doubling


@pytest.mark.parametrize("keepdims", [False, True])
def test_blocked_sums_are_sums_over_any_dimensions(keepdims):
    rng = np.random.default_rng(0)
    for shape in ((130, 5), (3, 130, 7), (13, 11, 4), (2, 13, 11, 4), (65, 1), (129,), (200, 0), (0, 200), ()):
        x = rng.integers(-9, 9, shape).astype("float64")  # whose sums are exact in any order
        choices = [c for n in range(len(shape) + 1) for c in itertools.combinations(range(len(shape)), n)]
        for axis in (None, *range(-len(shape), len(shape)), *choices):
            for given_x in (x, np.asfortranarray(x)):
                got, want = blocked_sum(given_x, axis, keepdims), x.sum(axis=axis, keepdims=keepdims)
                np.testing.assert_array_equal(got, want, f"{shape} {axis}")


@pytest.mark.parametrize("name", ["maximum", "minimum"])
def test_running_extremes_by_doubling_are_those_of_numpy(name):
    function, rng = getattr(np, name), np.random.default_rng(0)
    for shape in ((1,), (2,), (7,), (8,), (9,), (3, 17), (17, 3), (0, 3), (3, 0), (2, 5, 3)):
        x = rng.normal(size=shape)
        for axis in range(len(shape)):
            np.testing.assert_array_equal(running_by_doubling(function, x, axis), function.accumulate(x, axis))


def test_a_sum_over_many_short_rows_keeps_its_digits(device):
    x = np.random.default_rng(1).random((300_001, 3)).astype("float32")
    exact = x.astype("float64").sum(0)
    for got in (ours(x, device).sum(0), ours(x, device).mean(0) * len(x)):
        assert abs(got.cpu().numpy() / exact - 1).max() < 1e-6


def test_variance_of_numbers_far_from_0_keeps_its_digits(device):
    x = (1000 + np.random.default_rng(2).random((1000, 4))).astype("float32")
    exact = x.astype("float64").var(0, ddof=1)
    assert abs(ours(x, device).var(0).cpu().numpy() / exact - 1).max() < 1e-4
    assert abs(ours(x.T.copy(), device).std(1).cpu().numpy() ** 2 / exact - 1).max() < 1e-4


def test_results_of_several_have_names(device):
    x = gpudl.tensor([[1.0, 5.0], [3.0, 2.0]], device=device)
    for name in ("max", "min", "median", "nanmedian", "mode", "cummax", "cummin"):
        assert getattr(x, name)(0)._fields == ("values", "indices")
    assert x.aminmax()._fields == ("min", "max")
    assert x.aminmax(dim=0).max.tolist() == [3, 5]
    hist, edges = gpudl.histogram(x, 2)
    assert gpudl.histogram(x, 2)._fields == ("hist", "bin_edges")
    assert (hist.tolist(), edges.tolist()) == ([2, 2], [1, 3, 5])


def test_all_and_any_of_uint8_are_uint8(device):
    x = gpudl.tensor([[0, 2], [3, 4]], dtype=gpudl.uint8, device=device)
    assert x.all(1).dtype == gpudl.uint8 and x.all(1).tolist() == [0, 1]
    assert x.any().dtype == gpudl.uint8 and x.any().item() == 1


@given(st.integers(1, 6), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_medians_and_modes_choose_as_torch_does(rows, columns, seed):
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 3, (rows, columns)).astype("float32")
    lost = np.where(rng.random(x.shape) < 0.2, np.nan, x).astype("float32")
    for dim, (name, values) in itertools.product((0, 1), (("median", lost), ("nanmedian", lost), ("mode", x))):
        mine, other = ours(values, "cpu", grad=True), theirs(values, grad=True)
        got, want = getattr(gpudl, name)(mine, dim), getattr(torch, name)(other, dim)
        label = f"{name} {values.tolist()} {dim}"
        assert_same(got, want, label)
        check_gradients(got, want, [mine], [other], label)


@given(st.integers(1, 9), st.sampled_from(("linear", "lower", "higher", "midpoint", "nearest")), st.integers(0, 2**32))
def test_quantiles_beside_nan_agree_with_torch(columns, interpolation, seed):
    rng = np.random.default_rng(seed)
    x = np.where(rng.random((4, columns)) < 0.2, np.nan, rng.normal(size=(4, columns)))
    q = np.append(rng.random(3), (0.0, 0.5, 1.0))
    for name, dim in itertools.product(("quantile", "nanquantile"), (0, 1, None)):
        mine, other = (ours(x, "cpu"), ours(q, "cpu")), (theirs(x), theirs(q))
        got = getattr(gpudl, name)(*mine, dim, interpolation=interpolation)
        want = getattr(torch, name)(*other, dim, interpolation=interpolation)
        assert_same(got, want, f"{name} {dim} {interpolation} {x.tolist()} {q.tolist()}")


def test_quantile_has_a_gradient_for_its_level_and_for_equal_elements(device):
    x = gpudl.tensor([1.0, 2.0, 4.0, 8.0], dtype=gpudl.float64, device=device, requires_grad=True)
    q = gpudl.tensor(0.5, dtype=gpudl.float64, device=device, requires_grad=True)
    dx, dq = grad(gpudl.quantile(x, q), [x, q])
    assert dx.tolist() == [0, 0.5, 0.5, 0] and dq.item() == 3 * (4 - 2)
    same = gpudl.ones(3, device=device, requires_grad=True)
    levels = gpudl.quantile(same, gpudl.tensor([0.5, 0.5], device=device))
    assert grad(levels.sum(), same)[0].sum().item() == 2


@pytest.mark.parametrize("p", [0, 0.5, 1, 1.5, 2, 3, float("inf"), "fro"])
def test_norm_at_0_has_the_gradient_0(p, device):
    for shape in ((3,), (2, 3)):
        x = gpudl.zeros(*shape, device=device, requires_grad=True)
        assert not grad(gpudl.norm(x, p).sum(), x)[0].cpu().numpy().any()
        assert not grad(gpudl.norm(x, p, dim=-1).sum(), x)[0].cpu().numpy().any()
    (dx,) = grad(gpudl.dist(x, x.detach(), 2), x)
    assert not dx.cpu().numpy().any()


def test_logsumexp_of_minus_infinities(device):
    x = gpudl.full((2, 3), -np.inf, device=device, requires_grad=True)
    y = x.logsumexp(1)
    assert y.tolist() == [-np.inf, -np.inf]
    assert np.isnan(grad(y.sum(), x)[0].cpu().numpy()).all()  # as PyTorch: the shares of nothing are not defined
    assert gpudl.zeros(2, 0, device=device).logsumexp(1).tolist() == [-np.inf, -np.inf]


@pytest.mark.parametrize("edges", [[-1.0, 0.0, 0.5, 2.0], [0.0, 1.0], [-3.0, -1.0, -0.5, 0.25, 0.3, 9.0]])
def test_histogram_of_given_edges(edges, device):
    x = np.append(np.random.default_rng(1).uniform(-3, 3, 200), [*edges, np.nan, np.inf]).astype("float32")
    weight = np.random.default_rng(2).uniform(0, 1, x.shape).astype("float32")
    sides = np.array(edges, "float32")
    for settings in ({}, {"density": True}, {"weight": weight}):
        mine = {key: ours(v, device) if isinstance(v, np.ndarray) else v for key, v in settings.items()}
        other = {key: theirs(v) if isinstance(v, np.ndarray) else v for key, v in settings.items()}
        got = gpudl.histogram(ours(x, device), ours(sides, device), **mine)
        assert_same(got, torch.histogram(theirs(x), theirs(sides), **other), f"{edges} {settings.keys()}", slack=10)


@given(st.lists(st.floats(-4, 4, width=32), min_size=1, max_size=30), st.integers(1, 20))
def test_histc_counts_each_element_in_the_range_once(values, bins):
    x = np.array(values, "float32")
    counts = gpudl.histc(ours(x, "cpu"), bins, -2, 2).cpu().numpy()
    assert counts.shape == (bins,) and counts.sum() == (abs(x) <= 2).sum()
    assert gpudl.histc(ours(x, "cpu"), bins).cpu().numpy().sum() == len(x)


def test_bincount_and_weights(device):
    x = gpudl.tensor([1, 3, 3, 0], device=device)
    assert gpudl.bincount(x).tolist() == [1, 1, 0, 2]
    assert gpudl.bincount(x, minlength=6).tolist() == [1, 1, 0, 2, 0, 0]
    weights = gpudl.tensor([0.5, 1.0, 2.0, 4.0], device=device)
    assert gpudl.bincount(x, weights).tolist() == [4, 0.5, 0, 3]
    assert gpudl.bincount(x, weights).dtype == gpudl.float32
    assert gpudl.bincount(x, gpudl.tensor([1, 2, 3, 4], device=device)).dtype == gpudl.float64


def test_renorm_leaves_short_slices_alone(device):
    x = gpudl.tensor([[3.0, 4.0], [0.3, 0.4]], dtype=gpudl.float64, device=device, requires_grad=True)
    y = x.renorm(2, 0, 1.0)
    np.testing.assert_allclose(y.detach().cpu().numpy(), [[0.6, 0.8], [0.3, 0.4]], rtol=1e-6)
    gradcheck(lambda t: t.renorm(2, 0, 1.0), [x])
    gradgradcheck(lambda t: t.renorm(2, 0, 1.0), [x])
    twin = x.detach().clone()
    assert twin.renorm_(2, 0, 1.0) is twin
    assert_close(twin.cpu().numpy(), y.detach().cpu().numpy(), "renorm_")


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda x: x.long().var(), RuntimeError, "var: the input is int64; cast it"),
        (lambda x: x.var(0, unbiased=True, correction=1), TypeError, "var: give unbiased or correction"),
        (lambda x: x.norm("nuclear"), RuntimeError, "norm: p must be .*'nuc'"),
        (lambda x: x[:0].norm(float("inf"), 0), gpudl.ShapeError, r"norm: shape \(0, 3\) has no elements"),
        (lambda x: x[:0].median(0), IndexError, "median: dimension 0 of shape .* is empty"),
        (lambda x: x[:0].aminmax(), gpudl.ShapeError, "aminmax: .* empty"),
        (lambda x: x.half().quantile(0.5), RuntimeError, "quantile: the input must be float32 or float64"),
        (lambda x: x.quantile(1.5), RuntimeError, r"quantile: q must be in \[0, 1\], got 1.5"),
        (lambda x: x.quantile(0.5, interpolation="cubic"), RuntimeError, "quantile: interpolation must be linear"),
        (lambda x: x.quantile(gpudl.tensor(0.5).double()), RuntimeError, "q is float64 and the input float32"),
        (lambda x: x.bincount(), gpudl.ShapeError, "bincount: expected integers of one dimension"),
        (lambda x: gpudl.tensor([-1]).bincount(), RuntimeError, "bincount: .* -1 is negative"),
        (lambda x: x.histc(bins=0), RuntimeError, "histc: bins must be above 0"),
        (lambda x: gpudl.histogram(x, 3, range=(2.0, 1.0)), RuntimeError, r"histogram: the range \[2.0, 1.0\]"),
        (lambda x: x.trace().trace(), gpudl.ShapeError, r"trace: expected a matrix, got shape \(\)"),
        (lambda x: x.renorm(2, 0, -1.0), RuntimeError, "renorm: maxnorm must be at least 0, got -1.0"),
        (lambda x: x.logsumexp(), TypeError, "logsumexp: give the dimension"),
        (lambda x: x.sum_to_size(3, 3), gpudl.ShapeError, r"sum_to_size: \(3, 3\) does not broadcast to \(2, 3\)"),
        (lambda x: x.diff(n=-1), RuntimeError, "diff: n must be at least 0"),
        (lambda x: gpudl.trapezoid(x, x, dx=1.0), TypeError, "trapezoid: give the places x or their distance dx"),
        (lambda x: gpudl.cov(x, fweights=gpudl.ones(3)), RuntimeError, "cov: fweights cannot be float32"),
        (lambda x: gpudl.cov(x, aweights=gpudl.zeros(3)), RuntimeError, "cov: the weights sum to 0"),
        (lambda x: gpudl.max(3), TypeError, "max: expected a Tensor, got int"),
    ],
)
def test_errors_name_the_operation_and_the_fix(call, kind, message, device):
    result = outcome(call, gpudl.ones(2, 3, device=device))
    with pytest.raises(kind, match=message):
        raise result.error
