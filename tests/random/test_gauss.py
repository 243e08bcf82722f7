"""Normal numbers: the formula, the distribution, and the same bits on every machine."""

import hashlib
import math

import numpy as np
import pytest

from gpudl.random import stream
from gpudl.random.gauss import _log, box_muller


def draw(words):
    words = np.asarray(words, dtype=np.uint64)
    return [x.copy() for x in box_muller(words, np.empty((5, words.size // 2)))]


def test_box_muller_is_the_documented_formula():
    words = stream("x", seed=1).words(20_000)
    first, second = words[0::2], words[1::2]
    r = np.sqrt(-2 * np.log(((first >> 11) + np.uint64(1)).astype(float) / 2**53))
    t = math.pi * (second.view(np.int64) >> 11) / 2**53
    cosine, sine = draw(words)
    np.testing.assert_allclose(cosine, r * np.cos(t) * np.where(second & np.uint64(1), -1, 1), rtol=0, atol=4e-15)
    np.testing.assert_allclose(sine, r * np.sin(t), rtol=0, atol=4e-15)


def test_log_is_right_to_the_last_bits():
    x = np.concatenate(
        [2.0 ** -np.arange(0, 54), 1 - 2.0 ** -np.arange(1, 54), stream("x", seed=1).uniform(10_000) + 1e-9]
    )
    expected = np.array([math.log(value) for value in x])
    np.testing.assert_allclose(_log(x.copy(), *np.empty((3, x.size))), expected, rtol=4 * np.finfo(float).eps, atol=0)


@pytest.mark.parametrize("second", [0, 1, 2**62, 2**63 - 1, 2**63, 2**64 - 1])
def test_extreme_words_give_finite_numbers(second):
    largest = math.sqrt(2 * 53 * math.log(2))
    for first, radius in [(0, largest), (2**11 - 1, largest), (2**64 - 1, 0.0)]:
        cosine, sine = draw([first, second])
        assert math.hypot(cosine[0], sine[0]) == pytest.approx(radius, abs=1e-14)


def test_bits_are_the_same_on_every_machine():
    digest = hashlib.sha256(stream("x", seed=1).normal(100_000, 1, 3, "float64").astype("<f8").tobytes()).hexdigest()
    assert digest == "bf50375a0a4b8d0ab637340e0b7107d7f40ab538e6010ee9e76c100bd68c353b"
    digest = hashlib.sha256(stream("x", seed=1).normal(100_000).astype("<f4").tobytes()).hexdigest()
    assert digest == "407a29fdc17c679fc33148114a6c4542cd4924297ee15184924a624e711606e5"


def test_normal_rounds_and_scales_box_muller():
    cosine, sine = draw(stream("x", seed=1).words(1000))
    expected = 2 + 0.5 * np.stack([cosine, sine], axis=1).ravel()
    for dtype in ("float16", "float32", "float64"):
        for count in (1, 2, 999, 1000):
            s = stream("x", seed=1)
            assert np.array_equal(s.normal(count, 2, 0.5, dtype), expected[:count].astype(dtype))
            assert s.position == (count + 1) // 2 * 2


def test_std_zero_gives_the_mean():
    assert set(stream("x", seed=1).normal(100, 3, 0).tolist()) == {3.0}


def test_distribution_is_normal():
    x = np.sort(stream("x", seed=3).normal(400_000, dtype="float64"))
    below = np.array([(1 + math.erf(value / math.sqrt(2))) / 2 for value in x[::100]])
    assert np.abs(below - np.arange(0, x.size, 100) / x.size).max() < 1.63 / math.sqrt(x.size)  # Kolmogorov, 1 percent
    assert abs((x**4).mean() - 3) < 0.05
    pairs = stream("x", seed=3).normal((200_000, 2))
    assert abs(np.corrcoef(pairs.T)[0, 1]) < 0.01
    assert abs(np.corrcoef(pairs.T**2)[0, 1]) < 0.01
    quadrants = np.bincount((pairs > 0) @ [1, 2])
    assert abs(quadrants - 50_000).max() < 800
