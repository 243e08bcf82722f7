"""Exponential, Cauchy, geometric and Poisson numbers: the formulas, the distributions, the same bits everywhere."""

import hashlib
import math

import numpy as np
import pytest

from gpudl.random import laws, stream


def numbers(count=20_000):
    return stream("x", seed=1).words(count)


def kolmogorov(sample, below):
    """The largest distance between a sample's distribution and `below`, in units of the 1 percent limit."""
    x = np.sort(sample)
    cumulative = np.array([below(value) for value in x[::50]])
    return np.abs(cumulative - np.arange(0, x.size, 50) / x.size).max() * math.sqrt(x.size) / 1.63


def test_exp_and_log_are_right_to_the_last_bits():
    x = np.concatenate([np.linspace(-700, 700, 4001), np.linspace(-1, 1, 1001), [0.0, 1e-300, -1e-17]])
    wanted = np.array([math.exp(value) for value in x])
    np.testing.assert_allclose(laws.exp(x), wanted, rtol=3 * np.finfo(float).eps, atol=0)
    assert laws.exp(np.array([0.0])) == 1
    with np.errstate(over="ignore"):
        assert laws.exp(np.array([-1e4, 1e4])).tolist() == [0, math.inf]
    y = np.exp(np.linspace(-700, 700, 3999)).reshape(3, -1)
    np.testing.assert_allclose(laws.log(y), np.log(y), rtol=4 * np.finfo(float).eps, atol=1e-18)


@pytest.mark.parametrize("p", [1e-300, 1e-17, 1e-5, 0.1, 0.2499, 0.25, 0.2501, 0.5, 0.9, 1 - 2.0**-53])
def test_log_of_complement(p):
    assert laws.log_of_complement(p) == pytest.approx(math.log1p(-p), rel=1e-15)


def test_formulas_are_the_documented_ones():
    words = numbers()
    unit = ((words >> np.uint64(11)).astype(float) + 1) / 2**53
    np.testing.assert_allclose(laws.exponential(stream("x", seed=1), 20_000), -np.log(unit), rtol=1e-14)
    angle = math.pi * ((words.view(np.int64) >> 11).astype(float) / 2**53 + 2.0**-54)
    np.testing.assert_allclose(laws.cauchy(stream("x", seed=1), 20_000), np.tan(angle), rtol=1e-10)
    trials = laws.geometric(stream("x", seed=1), 0.3, 20_000)
    np.testing.assert_array_equal(trials, np.maximum(np.ceil(np.log(unit) / math.log(0.7)), 1))


def test_each_number_takes_its_words():
    s = stream("x", seed=1)
    laws.exponential(s, 10)
    laws.cauchy(s, 10)
    laws.geometric(s, 0.5, 10)
    assert s.position == 30


def test_distributions():
    exponential = laws.exponential(stream("x", seed=2), 100_000)
    assert exponential.min() >= 0
    assert kolmogorov(exponential, lambda x: 1 - math.exp(-x)) < 1
    assert kolmogorov(laws.cauchy(stream("x", seed=2), 100_000), lambda x: 0.5 + math.atan(x) / math.pi) < 1


@pytest.mark.parametrize("p", [0.02, 0.3, 0.9])
def test_geometric_frequencies(p):
    drawn = laws.geometric(stream("x", seed=2), p, 100_000)
    assert drawn.min() == 1
    wanted = np.array([p * (1 - p) ** (k - 1) for k in range(1, 30)]) * drawn.size
    counts = np.array([(drawn == k).sum() for k in range(1, 30)])
    assert (np.abs(counts - wanted) < 5 * np.sqrt(wanted) + 5).all()


@pytest.mark.parametrize("rate", [0.0, 0.01, 0.7, 5.0, 9.99, 10.0, 11.0, 30.0, 200.0])
def test_poisson_frequencies(rate):
    drawn = laws.poisson(stream("x", seed=3), np.full(200_000, rate))
    assert (drawn == np.floor(drawn)).all()
    ks = range(int(rate + 12 * math.sqrt(rate) + 12))
    chance = [math.exp(k * math.log(rate) - rate - math.lgamma(k + 1)) if rate else float(k == 0) for k in ks]
    wanted = np.array(chance) * drawn.size
    counts = np.array([(drawn == k).sum() for k in ks])
    assert counts.sum() == drawn.size
    assert (np.abs(counts - wanted) < 5 * np.sqrt(wanted) + 5).all()
    often = wanted > 10
    chi_square = ((counts - wanted)[often] ** 2 / wanted[often]).sum()
    degrees = often.sum()
    assert chi_square < degrees + 5 * math.sqrt(2 * degrees) + 10


@pytest.mark.parametrize("rate", [1e4, 1e8, 1e12, 1e15])
def test_poisson_of_large_rates(rate):
    drawn = (laws.poisson(stream("x", seed=3), np.full(100_000, rate)) - rate) / math.sqrt(rate)
    assert abs(drawn.mean()) < 5 / math.sqrt(drawn.size)
    assert abs(drawn.var() - 1) < 0.03
    assert kolmogorov(drawn, lambda x: (1 + math.erf((x + 0.5 / math.sqrt(rate)) / math.sqrt(2))) / 2) < 1.5


def test_log_poisson_is_the_density():
    for rate in (10.0, 25.5, 400.0):
        k = np.arange(0.0, 3 * rate)
        wanted = [x * math.log(rate) - rate - math.lgamma(x + 1) for x in k]
        np.testing.assert_allclose(laws._log_poisson(k, np.full(k.size, rate)), wanted, rtol=0, atol=2e-10)


def test_a_poisson_number_depends_on_its_own_rate_and_order_only_where_said():
    together = laws.poisson(stream("x", seed=3), np.array([3.0, 50.0, 0.5, 12.0]))
    again = laws.poisson(stream("x", seed=3), np.array([3.0, 50.0, 0.5, 12.0]))
    np.testing.assert_array_equal(together, again)


def test_bits_are_the_same_on_every_machine():
    s = stream("x", seed=1)
    rates = np.repeat([0.5, 3.0, 20.0, 1e6], 10_000)
    drawn = [
        laws.exponential(s, 50_000),
        laws.cauchy(s, 50_000),
        laws.geometric(s, 0.1, 50_000),
        laws.poisson(s, rates),
    ]
    drawn.append(laws.exp(s.normal(50_000, dtype="float64")))
    digest = hashlib.sha256(np.concatenate(drawn).astype("<f8").tobytes()).hexdigest()
    assert digest == "f813f127440949be3675c1d4a0bac89b81c73bf30087576eb9911d1214194696"
