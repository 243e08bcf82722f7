"""normal, bernoulli, multinomial, poisson and what overwrites tensors: frequencies for fixed seeds, and errors."""

import itertools
import math

import numpy as np
import pytest
from cases import FLOATS
from oracle import assert_same, host, outcome, torch

import gpudl
import gpudl.random

NAN, INF = math.nan, math.inf

CALLS = [
    lambda lib: lib.normal(lib.zeros(3), 1.0),
    lambda lib: lib.normal(lib.zeros(3), std=lib.ones(3, 1)),
    lambda lib: lib.normal(0.0, lib.ones(3, dtype=lib.float64)),
    lambda lib: lib.normal(lib.zeros(3)),
    lambda lib: lib.normal(lib.zeros(2), lib.ones(2, dtype=lib.float64)),
    lambda lib: lib.normal(mean=2.0, std=0.5, size=(2, 3), dtype=lib.float64),
    lambda lib: lib.normal(0.0, 1.0, (2,), requires_grad=True),
    lambda lib: lib.normal(lib.zeros(3), -1.0),
    lambda lib: lib.normal(lib.zeros(3), lib.tensor([1.0, -1.0, 1.0])),
    lambda lib: lib.normal(lib.zeros(3), lib.ones(2)),
    lambda lib: lib.normal(0.0, 1.0),
    lambda lib: lib.normal(0.0, -1.0, (2,)),
    lambda lib: lib.normal(lib.tensor([1, 2]), 1.0),
    lambda lib: lib.bernoulli(lib.full((2, 3), 0.5)),
    lambda lib: lib.bernoulli(lib.full((2, 3), 0.5, dtype=lib.float16)),
    lambda lib: lib.full((2, 3), 0.5, dtype=lib.float64).bernoulli(),
    lambda lib: lib.bernoulli(lib.tensor([1.0, 7.0]), 0.5),
    lambda lib: lib.bernoulli(lib.tensor([1, 7]), 0.5),
    lambda lib: lib.bernoulli(lib.tensor([0.5, 1.5])),
    lambda lib: lib.bernoulli(lib.tensor([-0.1])),
    lambda lib: lib.bernoulli(lib.tensor([NAN])),
    lambda lib: lib.bernoulli(lib.tensor([1])),
    lambda lib: lib.zeros(3).bernoulli_(),
    lambda lib: lib.zeros(3).bernoulli_(0.3),
    lambda lib: lib.zeros(3).bernoulli_(lib.full((3,), 0.5)),
    lambda lib: lib.zeros(2, 3).bernoulli_(lib.full((3,), 0.5, dtype=lib.float64)),
    lambda lib: lib.zeros(3, dtype=lib.int64).bernoulli_(0.5),
    lambda lib: lib.zeros(3, dtype=lib.bool).bernoulli_(lib.full((3,), 0.5)),
    lambda lib: lib.zeros(3).bernoulli_(2.0),
    lambda lib: lib.multinomial(lib.tensor([1.0, 2.0, 3.0]), 2),
    lambda lib: lib.multinomial(lib.ones(4, 3), 5, True),
    lambda lib: lib.ones(4, 3, dtype=lib.float16).multinomial(num_samples=2, replacement=False),
    lambda lib: lib.multinomial(lib.zeros(2), 1),
    lambda lib: lib.multinomial(lib.tensor([1.0, -1.0]), 1),
    lambda lib: lib.multinomial(lib.tensor([1.0, NAN]), 1),
    lambda lib: lib.multinomial(lib.tensor([1.0, INF]), 1, True),
    lambda lib: lib.multinomial(lib.ones(2), 3),
    lambda lib: lib.multinomial(lib.ones(2), 0),
    lambda lib: lib.multinomial(lib.tensor([1, 1]), 1),
    lambda lib: lib.multinomial(lib.ones(2, 2, 2), 1),
    lambda lib: lib.multinomial(lib.tensor(1.0), 1),
    lambda lib: lib.multinomial(lib.ones(0, 3), 2),
    lambda lib: lib.poisson(lib.full((2, 3), 4.0)),
    lambda lib: lib.poisson(lib.full((2, 3), 4.0, dtype=lib.float16)),
    lambda lib: lib.poisson(lib.tensor([-1.0])),
    lambda lib: lib.poisson(lib.tensor([NAN])),
    lambda lib: lib.poisson(lib.tensor([1])),
    lambda lib: lib.zeros(3).exponential_(),
    lambda lib: lib.zeros(3, dtype=lib.float16).exponential_(2.0),
    lambda lib: lib.zeros(3).exponential_(0.0),
    lambda lib: lib.zeros(3).exponential_(lambd=-1.0),
    lambda lib: lib.zeros(3, dtype=lib.int64).exponential_(),
    lambda lib: lib.zeros(3).cauchy_(1.0, 2.0) * 0,
    lambda lib: lib.zeros(3).cauchy_(0.0, 0.0),
    lambda lib: lib.zeros(3, dtype=lib.int64).cauchy_(),
    lambda lib: lib.zeros(3).log_normal_(mean=0.5, std=0.2),
    lambda lib: lib.zeros(3).log_normal_(0.0, 0.0),
    lambda lib: lib.zeros(3, dtype=lib.int64).log_normal_(),
    lambda lib: lib.zeros(3).geometric_(0.5),
    lambda lib: lib.zeros(3, dtype=lib.int64).geometric_(p=0.5),
    lambda lib: lib.zeros(3, dtype=lib.bool).geometric_(0.5),
    lambda lib: lib.zeros(3).geometric_(0.0),
    lambda lib: lib.zeros(3).geometric_(1.0),
]


@pytest.mark.parametrize("call", CALLS)
def test_arguments_dtypes_and_errors_are_those_of_torch(call):
    got, want = outcome(call, gpudl), outcome(call, torch)
    if isinstance(got, gpudl.Tensor) and isinstance(want, torch.Tensor):  # the values are random: compare all but them
        got, want = got * 0, want * 0
    assert_same(got, want, "a random tensor")


def drawn(make, seed=1, **given):
    """Host values of what `make` draws for a seed, as float64."""
    return host(make(gpudl.Generator().manual_seed(seed), **given)).astype("float64")


def test_one_seed_gives_the_same_numbers_on_every_device(device):
    chances, weights = np.linspace(0, 1, 300, dtype="float32"), np.ones((3, 50), "float32")
    for make in (
        lambda g, where: gpudl.normal(gpudl.tensor(chances, device=where), 2.0, generator=g),
        lambda g, where: gpudl.bernoulli(gpudl.tensor(chances, device=where), generator=g),
        lambda g, where: gpudl.multinomial(gpudl.tensor(weights, device=where), 20, generator=g),
        lambda g, where: gpudl.multinomial(gpudl.tensor(weights, device=where), 20, True, generator=g),
        lambda g, where: gpudl.poisson(gpudl.tensor(chances * 20, device=where), g),
        lambda g, where: gpudl.zeros(300, device=where).exponential_(generator=g),
        lambda g, where: gpudl.zeros(300, device=where).cauchy_(generator=g),
        lambda g, where: gpudl.zeros(300, device=where).geometric_(0.1, generator=g),
        lambda g, where: gpudl.zeros(300, device=where).log_normal_(generator=g),
        lambda g, where: gpudl.zeros(300, device=where).bernoulli_(0.4, generator=g),
    ):
        here, there = drawn(make, where="cpu"), drawn(make, where=device)
        np.testing.assert_array_equal(here, there)
        assert not np.array_equal(here, drawn(make, seed=2, where="cpu"))


def test_normal_scales_and_shifts_each_element(device):
    mean = gpudl.tensor([0.0, 100.0, -5.0], device=device)
    std = gpudl.tensor([[1.0], [0.0], [3.0]], device=device)
    x = drawn(lambda g: gpudl.normal(mean.expand(20_000, 3, 3), std, generator=g))
    np.testing.assert_allclose(x.mean(0), np.broadcast_to(host(mean), (3, 3)), atol=0.1)
    np.testing.assert_allclose(x.std(0), np.broadcast_to(host(std), (3, 3)), atol=0.08)
    plain = drawn(lambda g: gpudl.randn(50, dtype="float64", generator=g))
    moved = drawn(lambda g: gpudl.normal(2.0, gpudl.full((50,), 3.0, dtype="float64"), generator=g))
    np.testing.assert_array_equal(moved, 2 + 3 * plain)


@pytest.mark.parametrize("dtype", FLOATS)
def test_bernoulli_frequencies(dtype, device):
    chances = [0.0, 0.001, 0.25, 0.5, 0.9, 1.0]
    p = gpudl.tensor(chances, dtype=dtype, device=device).expand(40_000, 6)
    for x in (
        drawn(lambda g: gpudl.bernoulli(p, generator=g)),
        drawn(lambda g: gpudl.empty_like(p).bernoulli_(p, generator=g)),
    ):
        assert set(np.unique(x)) == {0, 1}
        for share, chance in zip(x.mean(0), chances):
            assert abs(share - chance) <= 5 * math.sqrt(chance * (1 - chance) / 40_000)
    assert abs(drawn(lambda g: gpudl.zeros(40_000, dtype=dtype).bernoulli_(0.3, generator=g)).mean() - 0.3) < 0.0115


@pytest.mark.parametrize("replacement", [False, True])
def test_multinomial_frequencies(replacement, device):
    weights = np.array([0.0, 1.0, 2.0, 3.0, 4.0])
    x = drawn(
        lambda g: gpudl.tensor(np.tile(weights, (30_000, 1)), device=device).multinomial(2, replacement, generator=g)
    ).astype(int)
    share = weights / weights.sum()
    for first, second in itertools.product(range(5), range(5)):
        chance = share[first] * share[second]
        if not replacement:
            chance = 0 if first == second or not share[first] else chance / (1 - share[first])
        count = ((x[:, 0] == first) & (x[:, 1] == second)).sum()
        assert abs(count - 30_000 * chance) <= 5 * math.sqrt(30_000 * chance), (first, second)


def test_multinomial_of_all_categories_is_a_permutation_and_never_takes_a_zero(device):
    x = drawn(lambda g: gpudl.ones(200, 7, device=device).multinomial(7, generator=g))
    np.testing.assert_array_equal(np.sort(x, 1), np.tile(np.arange(7), (200, 1)))
    with pytest.raises(RuntimeError, match="too few"):
        gpudl.multinomial(gpudl.tensor([1.0, 0.0], device=device), 2)
    last = drawn(lambda g: gpudl.tensor([1.0, 0.0, 1e-30], device=device).multinomial(1000, True, generator=g))
    assert set(last) == {0}


def test_multinomial_draws_from_the_end_of_rounded_sums():
    x = drawn(lambda g: gpudl.full((1000,), 0.1).multinomial(100_000, True, generator=g)).astype(int)
    assert x.max() < 1000
    assert np.bincount(x, minlength=1000).min() > 50


class Same(gpudl.random.Stream):
    """A stream of one word again and again: what happens by chance once in 2**53 draws."""

    def __init__(self, word):
        super().__init__((0, 0))
        self.word = word

    def words(self, count):
        return np.full(count, self.word, np.uint64)


def test_the_extreme_words_of_a_stream():
    lowest, highest = Same(0), Same(2**64 - 1)
    chances = gpudl.tensor([0.0, 2.0**-24, 1.0])
    assert gpudl.bernoulli(chances, generator=lowest).tolist() == [0, 1, 1]
    assert gpudl.bernoulli(chances, generator=highest).tolist() == [0, 0, 1]
    weights = gpudl.tensor([0.0, 1.0, 2.0, 0.0])
    assert gpudl.multinomial(weights, 2, True, generator=lowest).tolist() == [1, 1]
    assert gpudl.multinomial(weights, 2, True, generator=highest).tolist() == [2, 2]
    alternating = gpudl.tensor([1.0, 2.0] * 500)  # of equal times, the first
    assert gpudl.multinomial(alternating, 100, generator=lowest).tolist() == list(range(1, 200, 2))
    assert gpudl.multinomial(alternating, 100, generator=highest).tolist() == list(range(100))
    assert not np.signbit(host(gpudl.zeros(3).exponential_(generator=highest))).any()
    for word in (lowest, highest):
        assert gpudl.multinomial(weights, 2, generator=word).tolist() in ([1, 2], [2, 1])
        assert np.isfinite(host(gpudl.zeros(3, dtype="float64").exponential_(generator=word))).all()
        assert np.isfinite(host(gpudl.zeros(3, dtype="float64").cauchy_(generator=word))).all()
        assert host(gpudl.zeros(3).geometric_(0.5, generator=word)).min() >= 1


def test_poisson_frequencies(device):
    rates = gpudl.tensor([0.0, 0.5, 8.0, 40.0], device=device).expand(40_000, 4)
    x = drawn(lambda g: gpudl.poisson(rates, g))
    assert (x == np.floor(x)).all()
    for mean, variance, rate in zip(x.mean(0), x.var(0), (0.0, 0.5, 8.0, 40.0)):
        assert abs(mean - rate) <= 5 * math.sqrt(rate / 40_000)
        assert abs(variance - rate) <= 0.04 * rate


@pytest.mark.parametrize("dtype", FLOATS)
def test_quartiles_of_what_overwrites_tensors(dtype, device):
    x = gpudl.zeros(40_000, dtype=dtype, device=device)
    root = 0.6744897501960817  # the upper quartile of the normal distribution
    for make, quartiles in (
        (lambda g: x.exponential_(2.0, generator=g), [math.log(4 / 3) / 2, math.log(2) / 2, math.log(4) / 2]),
        (lambda g: x.cauchy_(1.0, 3.0, generator=g), [-2, 1, 4]),
        (lambda g: x.log_normal_(0.5, 0.25, generator=g), [math.exp(0.5 + 0.25 * q) for q in (-root, 0, root)]),
        (lambda g: x.normal_(2.0, 4.0, generator=g), [2 - 4 * root, 2, 2 + 4 * root]),
        (lambda g: x.uniform_(-1.0, 3.0, generator=g), [0, 1, 2]),
    ):
        values = drawn(make)
        for share, quartile in zip((0.25, 0.5, 0.75), quartiles):
            assert abs((values < quartile).mean() - share) < 0.012


def test_geometric_counts_trials(device):
    x = drawn(lambda g: gpudl.zeros(40_000, dtype="int64", device=device).geometric_(0.25, generator=g))
    assert x.min() == 1
    assert abs(x.mean() - 4) < 0.09
    assert abs((x == 1).mean() - 0.25) < 0.011
    tiny = host(gpudl.zeros(100, dtype="int8", device=device).geometric_(1e-9))
    assert (tiny == 127).all()


def test_half_floats_stay_in_their_range(device):
    x = drawn(lambda g: gpudl.zeros(100_000, dtype="float16", device=device).uniform_(0, 1, generator=g))
    assert x.max() < 1
    assert np.isfinite(drawn(lambda g: gpudl.zeros(100_000, dtype="float16").exponential_(generator=g))).all()
