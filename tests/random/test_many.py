"""Streams: the words of many streams at once are those of each alone."""

from __future__ import annotations

import numpy as np
import pytest

from gpudl.random import Streams, stream

INDICES = [0, 1, 2**64 - 1, 2**32, 5, 5, *range(1000, 1060)]


def pairs(count):
    like = stream("augment", 7, 0, seed=2**63)
    return Streams(like, np.array(INDICES[:count], np.uint64)), [
        stream("augment", 7, index, seed=2**63) for index in INDICES[:count]
    ]


@pytest.mark.parametrize("count", [1, 4, 5, len(INDICES)])
def test_words_are_those_of_each_stream_whatever_was_drawn_before(count):
    together, alone = pairs(count)
    for words in (1, 3, 0, 4, 17, 5, 40):
        want = np.stack([one.words(words) for one in alone])
        got = together.words(words)
        assert got.dtype == np.uint64 and np.array_equal(got, want)
    assert together.position == alone[0].position and len(together) == count


@pytest.mark.parametrize("count", [2, 40])
def test_uniform_is_that_of_each_stream(count):
    together, alone = pairs(count)
    want = np.stack([one.uniform(11, dtype=np.float64) for one in alone])
    assert np.array_equal(together.uniform(11), want)


def test_more_blocks_than_are_made_at_a_time():
    together, alone = pairs(40)
    assert np.array_equal(together.words(2000)[17], alone[17].words(2000))


def test_no_streams_give_no_words():
    assert pairs(0)[0].words(3).shape == (0, 3)
    assert pairs(0)[0].uniform(0).shape == (0, 0)
