"""The words of a Stream against a plain Philox, and what is made of them."""

import copy
import math
import pickle

import numpy as np
import pytest

from gpudl.random import Stream, stream

MASK = 2**64 - 1
PI = (
    (0x243F6A8885A308D3, 0x13198A2E03707344, 0xA4093822299F31D0, 0x082EFA98EC4E6C89),
    (0x452821E638D01377, 0xBE5466CF34E90C6C),
    (0xA528F45403E61D95, 0x38C72DBD566E9788, 0xA5A1610E72FD18B5, 0x57BD43B5E52B7FE6),
)
# Counter, key and output of "philox4x64 10" in Random123's file of known answers.
KNOWN_ANSWERS = {
    "zeros": ((0,) * 4, (0,) * 2, (0x16554D9ECA36314C, 0xDB20FE9D672D0FDC, 0xD7E772CEE186176B, 0x7E68B68AEC7BA23B)),
    "ones": (
        (MASK,) * 4,
        (MASK,) * 2,
        (0x87B092C3013FE90B, 0x438C3C67BE8D0224, 0x9CC7D7C69CD777B6, 0xA09CAEBF594F0BA0),
    ),
    "pi": PI,
}


def philox(counter, key):
    """Philox4x64-10 as the paper has it, in Python's integers."""
    c, k = list(counter), list(key)
    for _ in range(10):
        x, y = 0xD2E7470EE14C6C93 * c[0], 0xCA5A826395121157 * c[2]
        c = [y >> 64 ^ c[1] ^ k[0], y & MASK, x >> 64 ^ c[3] ^ k[1], x & MASK]
        k = [(k[0] + 0x9E3779B97F4A7C15) & MASK, (k[1] + 0xBB67AE8584CAA73B) & MASK]
    return c


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN_ANSWERS.values(), ids=KNOWN_ANSWERS)
def test_known_answers(counter, key, answer):
    assert philox(counter, key) == list(answer)
    assert Stream(key, counter[1:]).at(counter[0]).words(4).tolist() == list(answer)


def test_word_is_output_of_philox_for_documented_counter():
    s = stream("dropout", 7, 2**64 - 1, seed=-3)
    assert s.index == (2, 7, 2**64 - 1)
    assert s.key[0] == 2**64 - 3
    expected = [word for block in range(5) for word in philox((block, *s.index), s.key)]
    assert s.words(20).tolist() == expected


def test_draws_follow_one_another_word_by_word():
    whole = stream("x", seed=1).words(100)
    s = stream("x", seed=1)
    assert np.array_equal(np.concatenate([s.words(n) for n in (1, 0, 2, 3, 5, 89)]), whole)
    assert s.position == 100


@pytest.mark.parametrize("block", [0, 1, 12345, 2**40, 2**64 - 1])
def test_at_reaches_any_block(block):
    s = stream("x", 3, seed=1)
    s.words(5)
    moved = s.at(block)
    assert moved.position == 4 * block
    assert moved.words(4).tolist() == philox((block, *s.index), s.key)
    assert s.position == 5


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))])
def test_copies_continue_where_the_stream_was(clone):
    s = stream("x", seed=1)
    s.words(6)
    twin = clone(s)
    assert np.array_equal(twin.words(9), s.words(9))
    assert twin.position == s.position


def test_uniform_is_high_bits_of_words_low_half_first():
    words = stream("x", seed=1).words(50)
    halves = [half >> 8 for word in words.tolist() for half in (word & 0xFFFFFFFF, word >> 32)]
    assert stream("x", seed=1).uniform(99).tolist() == [half / 2**24 for half in halves[:99]]
    assert stream("x", seed=1).uniform(50, dtype="float64").tolist() == [
        word / 2**53 for word in (words >> 11).tolist()
    ]
    single = stream("x", seed=1).uniform(100)
    assert np.array_equal(
        stream("x", seed=1).uniform(100, 0, 1, "float16"), np.minimum(single, 1 - 2**-11).astype("f2")
    )


@pytest.mark.parametrize(("count", "dtype", "words"), [(7, "float32", 4), (8, "float32", 4), (7, "float64", 7)])
def test_uniform_consumes_whole_words(count, dtype, words):
    s = stream("x", seed=1)
    s.uniform(count, dtype=dtype)
    assert s.position == words


@pytest.mark.parametrize("draw", ["uniform", "normal", "integers"])
def test_large_draws_equal_small_ones_joined(draw):
    def take(s, count):
        return s.integers(-5, 10**12, count) if draw == "integers" else getattr(s, draw)(count)

    whole = take(stream("x", seed=1), 100_002)
    s = stream("x", seed=1)
    assert np.array_equal(np.concatenate([take(s, n) for n in (40_000, 60_000, 2)]), whole)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize(("low", "high"), [(0, 1), (-2.5, 3.5), (0.1, 0.3), (1, 1.01), (-0.3, -0.1), (1000, 1001)])
def test_uniform_stays_in_half_open_interval(low, high, dtype):
    x = stream("x", seed=1).uniform(200_000, low, high, dtype)
    assert x.dtype == dtype
    assert x.min() >= x.dtype.type(low)
    assert x.max() < x.dtype.type(high)
    assert abs(x.mean(dtype="f8") - (low + high) / 2) < 0.01 * (high - low) + np.spacing(x.dtype.type(high))


def test_uniform_takes_numbers_that_round_to_high_below_it():
    one, next_one = np.float32(1), np.nextafter(np.float32(1), np.float32(2))
    assert set(stream("x", seed=1).uniform(1000, one, next_one).tolist()) == {1.0}
    values = stream("x", seed=1).uniform(100_000, 1, 1 + 2**-22)
    assert np.unique(values).tolist() == [1.0, 1 + 2**-23]


def test_uniform_fills_interval_evenly():
    x = stream("x", seed=5).uniform(1_000_000)
    expected = x.size / 256
    chi2 = ((np.bincount((x * 256).astype(int), minlength=256) - expected) ** 2 / expected).sum()
    assert 255 - 5 * math.sqrt(2 * 255) < chi2 < 255 + 5 * math.sqrt(2 * 255)
    assert abs(np.corrcoef(x[:-1], x[1:])[0, 1]) < 0.005


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0, 10), (-7, 7), (5, 2**40), (-(2**63), 2**63), (0, 2**63)])
def test_integers_are_multiplied_and_shifted_words(low, high):
    words = stream("x", seed=1).words(500).tolist()
    x = stream("x", seed=1).integers(low, high, (20, 25))
    assert x.dtype == np.int64
    assert x.ravel().tolist() == [low + (word * (high - low) >> 64) for word in words]


@pytest.mark.parametrize("factor", [1, 3, 2**32 - 1, 2**32, 2**32 + 1, 2**63, 2**64 - 1])
def test_multiply_high_at_the_carries(factor):
    from gpudl.random.philox import _multiply_high

    words = [0, 1, 2**32 - 1, 2**32, 2**32 + 1, 2**63, 2**64 - 2**32, 2**64 - 1]
    product = _multiply_high(np.array(words, dtype=np.uint64), factor)
    assert product.tolist() == [word * factor >> 64 for word in words]


def test_permutation_is_the_order_of_the_words():
    words = stream("x", seed=1).words(1000).tolist()
    order = stream("x", seed=1).permutation(1000)
    assert order.dtype == np.int64
    assert order.tolist() == sorted(range(1000), key=words.__getitem__)
    assert stream("x", seed=1).permutation(0).shape == (0,)


@pytest.mark.parametrize("draw", ["uniform", "normal"])
def test_shapes(draw):
    for shape, expected in [((), ()), (0, (0,)), (3, (3,)), ((2, 0, 3), (2, 0, 3)), ([2, 3], (2, 3))]:
        s = stream("x", seed=1)
        x = getattr(s, draw)(shape)
        assert isinstance(x, np.ndarray)
        assert x.shape == expected
        assert x.dtype == np.float32
        assert (s.position == 0) == (x.size == 0)
    assert stream("x", seed=1).integers(0, 9).shape == ()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda s: s.words(-1), ValueError, "count must not be negative, got -1"),
        (lambda s: s.words(1.5), TypeError, "integer"),
        (lambda s: s.permutation(-1), ValueError, "negative"),
        (lambda s: s.uniform((2, -3)), ValueError, r"negative lengths, got \(2, -3\)"),
        (lambda s: s.uniform(3, 1, 1), ValueError, "low=1, high=1"),
        (lambda s: s.uniform(3, 2, 1), ValueError, "low=2, high=1"),
        (lambda s: s.uniform(3, 1, 1 + 1e-12), ValueError, "float32 needs finite low < high"),
        (lambda s: s.uniform(3, math.nan, 1), ValueError, "finite"),
        (lambda s: s.uniform(3, 0, math.inf), ValueError, "finite"),
        (lambda s: s.uniform(3, -3e38, 3e38), ValueError, "apart"),
        (lambda s: s.uniform(3, 0, 1e6, "float16"), ValueError, "float16"),
        (lambda s: s.uniform(3, dtype="int32"), TypeError, "uniform: dtype must be floating point, got int32"),
        (lambda s: s.normal(3, dtype="complex64"), TypeError, "complex64"),
        (lambda s: s.normal(3, 0, -1), ValueError, "std must be >= 0"),
        (lambda s: s.normal(3, math.nan), ValueError, "mean=nan"),
        (lambda s: s.normal(3, 0, 1e38), ValueError, "range of float32"),
        (lambda s: s.integers(3, 3), ValueError, "low=3, high=3"),
        (lambda s: s.integers(0, 2**63 + 1), ValueError, "high <= 2"),
        (lambda s: s.integers(0, 1.5), TypeError, "integer"),
        (lambda s: s.integers(0, 2, -1), ValueError, "negative"),
        (lambda s: s.at(-1), ValueError, "block"),
        (lambda s: s.at(2**64), ValueError, "block"),
    ],
)
def test_bad_arguments_are_named(call, error, message):
    s = stream("x", seed=1)
    with pytest.raises(error, match=message):
        call(s)
    assert s.position == 0
