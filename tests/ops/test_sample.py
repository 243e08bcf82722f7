"""Evenly and normally distributed tensors: shapes, ranges, seeds, generators, states; the same bits on every device."""

import itertools
import math

import numpy as np
import pytest
from cases import FLOATS, INTEGERS
from oracle import assert_same, host, outcome, torch

import gpudl
import gpudl.random

MAKERS = {
    "rand": lambda lib, **given: lib.rand(500, **given),
    "randn": lambda lib, **given: lib.randn(500, **given),
    "randint": lambda lib, **given: lib.randint(1000, (500,), **given),
    "randperm": lambda lib, **given: lib.randperm(500, **given),
    "normal": lambda lib, **given: lib.normal(0.0, 1.0, (500,), **given),
    "rand_like": lambda lib, **given: lib.rand_like(lib.zeros(500), **given),
    "randn_like": lambda lib, **given: lib.randn_like(lib.zeros(500), **given),
    "randint_like": lambda lib, **given: lib.randint_like(lib.zeros(500), 1000, **given),
}


@pytest.mark.parametrize("name", MAKERS)
def test_seeds_and_generators(name, device):
    make = MAKERS[name]
    gpudl.manual_seed(7)
    first, second = make(gpudl, device=device), make(gpudl, device=device)
    assert not gpudl.equal(first, second)
    gpudl.manual_seed(7)
    np.testing.assert_array_equal(host(make(gpudl, device=device)), host(first))
    a, b = gpudl.Generator().manual_seed(3), gpudl.Generator(device).manual_seed(3)
    np.testing.assert_array_equal(host(make(gpudl, generator=a)), host(make(gpudl, generator=b, device=device)))
    assert not gpudl.equal(make(gpudl, generator=a), make(gpudl, generator=a))
    gpudl.manual_seed(7)
    make(gpudl, generator=a)
    np.testing.assert_array_equal(host(make(gpudl)), host(first))  # a generator leaves the program's streams alone
    with pytest.raises(TypeError, match="Generator"):
        make(gpudl, generator=5)


CALLS = [
    lambda lib: lib.rand(2, 3),
    lambda lib: lib.rand((2, 3), dtype=lib.float64),
    lambda lib: lib.rand(size=[2]),
    lambda lib: lib.rand(()),
    lambda lib: lib.rand(0, 3, requires_grad=True),
    lambda lib: lib.rand(2, dtype=lib.int64),
    lambda lib: lib.rand(-1),
    lambda lib: lib.rand(2.5),
    lambda lib: lib.randn(2, 3, dtype=lib.float16),
    lambda lib: lib.randn([2, 3]),
    lambda lib: lib.randn(2, dtype=lib.bool),
    lambda lib: lib.randint(5, (2, 3)),
    lambda lib: lib.randint(-5, 5, (2, 3)),
    lambda lib: lib.randint(low=2, high=5, size=(3,)),
    lambda lib: lib.randint(high=5, size=(3,)),
    lambda lib: lib.randint(3, size=(3,), dtype=lib.uint8),
    lambda lib: lib.randint(3, (3,), dtype=lib.float32, requires_grad=True),
    lambda lib: lib.randint(2, (3,), dtype=lib.bool),
    lambda lib: lib.randint(3, 3, (2,)),
    lambda lib: lib.randint(5, 3, (2,)),
    lambda lib: lib.randint(0, 300, (2,), dtype=lib.uint8),
    lambda lib: lib.randint(-1, 3, (2,), dtype=lib.uint8),
    lambda lib: lib.randint(3),
    lambda lib: lib.randperm(5),
    lambda lib: lib.randperm(0),
    lambda lib: lib.randperm(-1),
    lambda lib: lib.randperm(300, dtype=lib.uint8),
    lambda lib: lib.randperm(200, dtype=lib.uint8),
    lambda lib: lib.randperm(5, dtype=lib.float16),
    lambda lib: lib.rand_like(lib.zeros(2, 3, dtype=lib.float16)),
    lambda lib: lib.rand_like(lib.zeros(2, dtype=lib.int64)),
    lambda lib: lib.rand_like(lib.zeros(2, dtype=lib.int64), dtype=lib.float64),
    lambda lib: lib.randn_like(lib.zeros(2, 3), requires_grad=True),
    lambda lib: lib.randint_like(lib.zeros(2, 3), 5),
    lambda lib: lib.randint_like(lib.zeros(2, 3, dtype=lib.int8), 2, 5),
    lambda lib: lib.randint_like(lib.zeros(2, 3), 2, 5, dtype=lib.int32),
    lambda lib: lib.randint_like(lib.zeros(2), low=2, high=5),
    lambda lib: lib.zeros(3).uniform_(2, 1),
    lambda lib: lib.zeros(3).uniform_(to=2.0),
    lambda lib: lib.zeros(3).uniform_(0, math.inf),
    lambda lib: lib.zeros(3, dtype=lib.int64).uniform_(),
    lambda lib: lib.zeros(3, dtype=lib.float16).uniform_(-2, 1),
    lambda lib: lib.zeros(3).normal_(0, -1),
    lambda lib: lib.zeros(3).normal_(1, 2),
    lambda lib: lib.zeros(3, dtype=lib.int64).normal_(),
    lambda lib: lib.zeros(3).random_(5, 5),
    lambda lib: lib.zeros(3).random_(5),
    lambda lib: lib.zeros(3, dtype=lib.uint8).random_(0, 300),
    lambda lib: lib.zeros(3, dtype=lib.int8).random_(-200, 5),
    lambda lib: lib.zeros(3, dtype=lib.bool).random_(),
    lambda lib: lib.zeros(3, dtype=lib.int64).random_(-5),
    lambda lib: lib.zeros(3, requires_grad=True).uniform_(),
    lambda lib: (lib.zeros(3, requires_grad=True) * 2).uniform_(),
]


@pytest.mark.parametrize("call", CALLS)
def test_arguments_dtypes_and_errors_are_those_of_torch(call):
    got, want = outcome(call, gpudl), outcome(call, torch)
    if isinstance(got, gpudl.Tensor) and isinstance(want, torch.Tensor):  # the values are random: compare all but them
        got, want = got * 0, want * 0
    assert_same(got, want, "a random tensor")


@pytest.mark.parametrize("dtype", FLOATS)
def test_uniform_numbers_fill_their_range(dtype, device):
    gpudl.manual_seed(0)
    for low, high in ((0.0, 1.0), (-3.0, 5.0), (2.0, 2.0)):
        x = host(gpudl.zeros(20_000, dtype=dtype, device=device).uniform_(low, high)).astype("float64")
        assert x.min() >= low
        assert x.max() < high or low == high
        assert abs(x.mean() - (low + high) / 2) < 0.03 * (high - low + 1e-9)
        if low < high:
            counts = np.histogram(x, 20, (low, high))[0]
            assert ((counts - 1000) ** 2 / 1000).sum() < 60
    assert (host(gpudl.zeros(9).uniform_(**{"from": 5, "to": 6})) >= 5).all()


def test_integers_are_evenly_distributed(device):
    gpudl.manual_seed(0)
    x = host(gpudl.randint(-3, 4, (70_000,), device=device))
    assert sorted(set(x.tolist())) == [-3, -2, -1, 0, 1, 2, 3]
    assert (abs(np.bincount(x + 3) - 10_000) < 500).all()


@pytest.mark.parametrize("dtype", [*INTEGERS, "bool", *FLOATS])
def test_random_covers_the_whole_range_of_a_dtype(dtype, device):
    gpudl.manual_seed(0)
    x = host(gpudl.zeros(50_000, dtype=getattr(gpudl, dtype), device=device).random_()).astype("float64")
    top = {"bool": 1, "float16": 2**11, "float32": 2**24, "float64": 2**53}.get(dtype)
    top = gpudl.iinfo(dtype).max if top is None else top
    assert x.min() >= 0
    assert x.max() <= top
    assert x.max() > 0.99 * top
    assert abs(x.mean() / top - 0.5) < 0.01
    assert set(host(gpudl.zeros(1000, dtype=getattr(gpudl, dtype)).random_(0, 2)).tolist()) == {0, 1}


def test_all_permutations_occur_equally_often(device):
    gpudl.manual_seed(0)
    counts = dict.fromkeys(itertools.permutations(range(4)), 0)
    for _ in range(2400):
        counts[tuple(gpudl.randperm(4, device=device).tolist())] += 1
    assert min(counts.values()) > 60
    assert max(counts.values()) < 145
    assert sorted(gpudl.randperm(1000).tolist()) == list(range(1000))


def test_generator_starts_over_and_restores_its_state(device):
    g = gpudl.Generator(device)
    assert g.device is device
    assert g.initial_seed() == torch.Generator().initial_seed()
    first = gpudl.rand(3, generator=g)
    assert g.manual_seed(g.initial_seed()) is g
    assert gpudl.equal(gpudl.rand(3, generator=g), first)
    for drawn in (1, 2, 3, 4, 5, 10):
        gpudl.rand(2 * drawn, generator=g)
        state = g.get_state()
        assert state.dtype == gpudl.uint8
        ahead = gpudl.randn(7, generator=g)
        gpudl.rand(100, generator=g)
        g.set_state(state)
        assert gpudl.equal(gpudl.randn(7, generator=g), ahead)
        other = gpudl.Generator()
        other.set_state(state)
        assert gpudl.equal(gpudl.randn(7, generator=other), ahead)
    assert gpudl.Generator().manual_seed(-1).initial_seed() == 2**64 - 1
    seeds = {g.seed() for _ in range(3)}
    assert len(seeds) == 3
    assert g.initial_seed() in seeds
    for bad in (2**64, -(2**63) - 1):
        with pytest.raises(ValueError, match="seed"):
            g.manual_seed(bad)
    with pytest.raises(TypeError, match="state"):
        g.set_state(gpudl.zeros(3))


def test_generators_of_different_seeds_are_independent():
    a, b = (gpudl.randn(10_000, generator=gpudl.Generator().manual_seed(seed)) for seed in (1, 2))
    assert abs(float((a * b).mean())) < 0.05
    gpudl.manual_seed(1)
    assert not gpudl.equal(gpudl.randn(10_000), a)  # nor is a generator's sequence that of the program


def test_the_state_of_the_program():
    gpudl.manual_seed(5)
    gpudl.rand(3)
    gpudl.random.init_stream()
    state = gpudl.get_rng_state()
    ahead = [gpudl.rand(3), gpudl.randn(2), gpudl.random.init_stream().words(3)]
    gpudl.manual_seed(99)
    gpudl.rand(5)
    gpudl.set_rng_state(state)
    assert gpudl.initial_seed() == 5
    again = [gpudl.rand(3), gpudl.randn(2), gpudl.random.init_stream().words(3)]
    for x, y in zip(ahead, again):
        np.testing.assert_array_equal(np.asarray(x), np.asarray(y))
    with pytest.raises(TypeError, match="state"):
        gpudl.set_rng_state(gpudl.zeros(3))
    assert gpudl.seed() == gpudl.initial_seed()
    gpudl.manual_seed(0)


def test_drawing_over_a_tensor_changes_its_views_and_stops_its_gradient(device):
    x = gpudl.ones(4, device=device, requires_grad=True)
    y = x * 2
    part = y[:2]
    part.uniform_(5, 6)
    assert (host(y)[:2] >= 5).all()
    assert (host(y)[2:] == 2).all()
    y.sum().backward()
    np.testing.assert_array_equal(host(x.grad), [0, 0, 2, 2])
