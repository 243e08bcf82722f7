"""What a table cannot say of activations: accuracy of erf, random slopes, results over their inputs."""

import math

import numpy as np
import pytest
from oracle import host, ours, torch

import gpudl
import gpudl.nn.functional as F
from gpudl.ops import parts


def test_error_functions_are_accurate_to_rounding():
    x = np.concatenate([np.linspace(-6, 6, 997), 10.0 ** np.linspace(-300, 1, 300), np.linspace(6, 26, 99)])
    for name, slack in (("erf", 4e-16), ("erfc", 1e-15)):
        want = np.array([getattr(math, name)(each) for each in x])
        got = getattr(gpudl, name)(gpudl.tensor(x)).cpu().numpy()
        assert (abs(got - want) <= slack * abs(want)).all(), name
        single = x.astype("float32")
        want = np.array([getattr(math, name)(float(each)) for each in single])
        got = getattr(gpudl, name)(gpudl.tensor(np.resize(single, 20000))).cpu().numpy()[: x.size]
        assert (abs(got - want) <= 5e-7 * abs(want) + 4e-45).all(), name


def test_erfinv_inverts_erf_and_knows_its_ends():
    y = np.linspace(-5.5, 5.5, 999)
    x = np.concatenate([np.linspace(-1, 1, 9999)[1:-1], 1 - 10.0 ** np.linspace(-7, 0, 300)]).astype("float32")
    want = gpudl.erfinv(gpudl.tensor(x.astype("float64"))).cpu().numpy()
    np.testing.assert_allclose(gpudl.erfinv(gpudl.tensor(x)).cpu().numpy(), want, 4e-7)
    back = gpudl.erfinv(gpudl.erf(gpudl.tensor(y))).cpu().numpy()
    slope = 2 / math.sqrt(math.pi) * np.exp(-y * y)
    assert (abs(back - y) <= 1e-15 * abs(y) + 2e-16 / slope).all()
    for dtype in ("float32", "float64"):
        ends = gpudl.tensor(np.array([1, -1, 0, 2, math.nan], dtype))
        np.testing.assert_array_equal(gpudl.erfinv(ends).cpu().numpy(), [math.inf, -math.inf, 0, math.nan, math.nan])
        ends = gpudl.tensor(np.array([math.inf, -math.inf, 0, 1e30, -1e30, math.nan], dtype))
        np.testing.assert_array_equal(gpudl.erfc(ends).cpu().numpy(), [0, 2, 1, 0, 2, math.nan])


@pytest.mark.parametrize(("dtype", "lowest", "slack"), [("float32", -87.0, 5e-7), ("float64", -700.0, 5e-16)])
def test_small_results_have_all_digits(dtype, lowest, slack, device):
    x = np.linspace(lowest, 30, 1001).astype(dtype)
    want = 1 / (1 + np.exp(-x.astype("longdouble")))
    given = ours(x, device)
    for got in (gpudl.sigmoid(given), F.silu(given) / given, F.glu(gpudl.cat([gpudl.ones_like(given), given]))):
        assert (abs(host(got) - want) <= slack * want).all()
    tiny = ours(-(2.0 ** np.arange(-60.0, -1)).astype(dtype), device)
    for got in (F.elu(tiny), F.selu(tiny) / 1.7580993408473766, F.celu(tiny)):
        np.testing.assert_allclose(host(got), np.expm1(host(tiny)), slack)


def test_random_slopes_are_in_bounds_repeatable_and_used_by_backward(device):
    x = ours(-np.ones((50, 40)), device, grad=True)
    gpudl.manual_seed(3)
    y = F.rrelu(x, 0.1, 0.4, training=True)
    y.sum().backward()
    slopes = -host(y)
    assert slopes.min() >= 0.1 and slopes.max() < 0.4 and slopes.std() > 0.05
    np.testing.assert_array_equal(host(x.grad), slopes)
    gpudl.manual_seed(3)
    np.testing.assert_array_equal(host(F.rrelu(x, 0.1, 0.4, training=True)), host(y))


@pytest.mark.parametrize(
    "op", ["relu", "elu", "selu", "celu", "relu6", "hardtanh", "hardswish", "leaky_relu", "silu", "mish"]
)
def test_in_place_writes_over_the_input_and_refuses_leaves(op, device):
    x = ours(np.array([-1.5, 0.5, 2.0]), device)
    want = host(getattr(F, op)(x))
    assert getattr(F, op)(x, inplace=True) is x
    np.testing.assert_array_equal(host(x), want)
    with pytest.raises(RuntimeError, match=f"{op}_|hardtanh_"):
        getattr(F, op)(ours(np.ones(2), device, grad=True), inplace=True)
    with pytest.raises(RuntimeError):
        F.elu(ours(np.ones(2, "int64"), device))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_hardsigmoid_has_a_slope_of_one_sixth_between_its_bounds(dtype, device):
    x = ours(np.array([-math.inf, -4, -3, -2.5, 0, 2.5, 3, 4, math.inf], dtype), device, grad=True)
    y = F.hardsigmoid(x)
    np.testing.assert_array_equal(host(y), np.clip(host(x) + 3, 0, 6) / np.array(6, dtype))
    y.backward(ours(np.full(9, 3, dtype), device))
    np.testing.assert_array_equal(host(x.grad), [0, 0, 0, 0.5, 0.5, 0.5, 0, 0, 0])


OPS = ("relu", "relu6", "hardtanh", "hardsigmoid", "hardswish", "hardshrink", "softshrink", "leaky_relu", "silu")


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("op", OPS)
def test_infinite_gradients_stay_out_of_where_the_slope_is_zero(op, dtype, device):
    x = ours(np.array([[-9, -4, -0.25], [0.25, 4, 9]], dtype), device, grad=True)
    other = torch.tensor(host(x), requires_grad=True)
    getattr(F, op)(x).backward(ours(np.full((2, 3), math.inf, dtype), device))
    getattr(torch.nn.functional, op)(other).backward(torch.full((2, 3), math.inf, dtype=other.dtype))
    np.testing.assert_array_equal(host(x.grad), other.grad.cpu().numpy())


def test_masks_choose_bits_as_where_does(device):
    rng = np.random.default_rng(0)
    numbers = np.array([math.inf, -math.inf, math.nan, -0.0, 0.0, 1.5, -2.0])
    for dtype in ("float16", "float32", "float64", "int32", "uint8"):
        for shape in ((), (5,), (4, 6)):
            pool = numbers.astype(dtype) if dtype[0] == "f" else np.arange(7, dtype=dtype)
            x, y = (np.asarray(rng.choice(pool, shape)) for _ in range(2))
            mask = np.asarray(rng.random(shape) < 0.5)
            for got, want in (
                (parts.kept(x, mask), np.where(mask, x, x.dtype.type(0))),
                (parts.merged(x, mask, y), np.where(mask, x, y)),
                (parts.merged(x, mask, x.dtype.type(3)), np.where(mask, x, x.dtype.type(3))),
            ):
                assert got.dtype == want.dtype
                np.testing.assert_array_equal(got, want)
                if dtype[0] == "f":
                    np.testing.assert_array_equal(np.signbit(got), np.signbit(want))
            with np.errstate(invalid="ignore"):
                np.testing.assert_array_equal(parts.scaled(x, mask, 2), np.where(mask, x, x * x.dtype.type(2)))


def test_gelu_agrees_whether_or_not_the_slope_is_kept(device):
    x = np.random.default_rng(0).standard_normal(100_003).astype("float32")
    for approximate in ("none", "tanh"):
        kept = F.gelu(ours(x, device, grad=True), approximate)
        np.testing.assert_array_equal(host(kept), host(F.gelu(ours(x, device), approximate)))


def test_gumbel_samples_are_distributed_as_softmax_and_repeatable(device):
    logits = ours(np.resize(np.log(np.array([1.0, 2.0, 5.0, 8.0])), (20000, 4)), device)
    gpudl.manual_seed(1)
    soft, hard = F.gumbel_softmax(logits, tau=0.7), F.gumbel_softmax(logits, hard=True)
    np.testing.assert_allclose(host(soft).sum(1), 1, rtol=1e-12)
    for sample in (host(soft).argmax(1), host(hard).argmax(1)):
        shares = np.bincount(sample, minlength=4) / 20000
        np.testing.assert_allclose(shares, np.array([1, 2, 5, 8]) / 16, atol=0.015)
    assert set(np.unique(host(hard))) == {0.0, 1.0} and (host(hard).sum(1) == 1).all()
    gpudl.manual_seed(1)
    np.testing.assert_array_equal(host(F.gumbel_softmax(logits, tau=0.7)), host(soft))
    assert host(F.gumbel_softmax(logits, tau=50.0)).max() < 0.5  # the noise is divided as well
    assert F.gumbel_softmax(ours(np.zeros((3, 2), "float16"), device), hard=True).dtype == gpudl.float16


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_hard_gumbel_samples_have_the_gradient_of_soft_ones(dim, device):
    start, weights = np.random.default_rng(0).standard_normal((2, 3, 4, 5))
    results = []
    for hard in (False, True):
        x = ours(start, device, grad=True)
        gpudl.manual_seed(2)
        y = F.gumbel_softmax(x, 2.0, hard, dim=dim)
        (y * ours(weights, device)).sum().backward()
        results.append((host(y), host(x.grad)))
    (soft, want), (one_hot, got) = results
    np.testing.assert_array_equal(got, want)
    assert abs(want).max() > 0.01
    np.testing.assert_array_equal(one_hot, soft == soft.max(dim, keepdims=True))


def test_gumbel_softmax_of_unfit_logits_is_refused(device):
    with pytest.raises(RuntimeError, match="gumbel_softmax"):
        F.gumbel_softmax(ours(np.ones(2, "int64"), device))
    with pytest.raises(IndexError, match="gumbel_softmax"):
        F.gumbel_softmax(ours(np.ones(2), device), dim=1)
    assert F.gumbel_softmax(ours(np.ones((2, 0)), device), hard=True).shape == (2, 0)
    assert host(F.gumbel_softmax(ours(np.ones(()), device), hard=True)) == 1
