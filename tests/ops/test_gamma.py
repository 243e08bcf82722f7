"""The gamma function's logarithm and its derivatives, against what is known of them."""

import math

import numpy as np
import pytest
from oracle import host, ours, theirs, torch

import gpudl
from gpudl.ops.gamma import zeta

EULER = 0.5772156649015329


def test_lgamma_is_that_of_the_standard_library(device):
    x = np.concatenate([np.linspace(-9.9, 30, 3001), [1e5, 1e300, 1e-300]])
    want = [math.lgamma(each) for each in x]
    np.testing.assert_allclose(host(gpudl.lgamma(ours(x, device))), want, 1e-13, 1e-13)


def test_poles(device):
    x = ours(np.array([0.0, -0.0, -1.0, -2.0, -50.0, np.inf, -np.inf, np.nan]), device)
    np.testing.assert_array_equal(host(gpudl.lgamma(x)), [np.inf] * 7 + [np.nan])
    np.testing.assert_array_equal(host(gpudl.digamma(x)), [-np.inf, np.inf, *[np.nan] * 3, np.inf, np.nan, np.nan])
    np.testing.assert_array_equal(host(gpudl.polygamma(1, x)), [np.inf] * 5 + [0.0, np.nan, np.nan])


def test_known_values(device):
    one = ours(np.array(1.0), device)
    assert float(gpudl.digamma(one)) == pytest.approx(-EULER, rel=1e-14)
    assert float(gpudl.polygamma(1, one)) == pytest.approx(math.pi**2 / 6, rel=1e-14)
    assert float(gpudl.polygamma(3, one)) == pytest.approx(math.pi**4 / 15, rel=1e-14)
    assert float(zeta(one * 4, one)) == pytest.approx(math.pi**4 / 90, rel=1e-14)


def test_recurrence_of_digamma_on_both_sides_of_0(device):
    x = np.linspace(-7.77, 20, 1001)
    mine = host(gpudl.digamma(ours(x + 1, device))) - host(gpudl.digamma(ours(x, device)))
    np.testing.assert_allclose(mine, 1 / x, 1e-10, 1e-11)


@pytest.mark.parametrize("n", [2, 3, 5])
def test_polygamma_left_of_0(n, device):
    x = np.linspace(-5.9, -0.1, 100)
    np.testing.assert_allclose(host(gpudl.polygamma(n, ours(x, device))), torch.polygamma(n, theirs(x)).numpy(), 1e-9)


def test_float32_is_rounded_once(device):
    x = np.linspace(0.5, 3, 1001).astype("float32")
    got = host(gpudl.lgamma(ours(x, device)))
    np.testing.assert_allclose(got, [math.lgamma(each) for each in x], 6e-8, 1e-15)


def test_zeta_has_a_gradient_for_its_second_argument_only(device):
    q = ours(np.array([0.5, 2.5]), device, grad=True)
    assert gpudl.autograd.gradcheck(lambda q: zeta(3, q), (q,))
    x = ours(np.array([2.5]), device, grad=True)
    with pytest.raises(NotImplementedError, match="no formula"):
        zeta(x, 1.0).sum().backward()
