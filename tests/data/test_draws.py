"""sample_draws: what a sample gets depends on seed, epoch and its index, on nothing else."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import gpudl
from gpudl.data.draws import making, sample_draws
from gpudl.random import stream


def draws(epoch, indices, seed=3, counts=(2, 5)):
    with making(epoch, indices, seed):
        return np.concatenate([sample_draws(len(indices), count) for count in counts], axis=1)


def test_numbers_are_those_of_the_documented_stream():
    want = stream("augment", 4, 9, seed=3).uniform(7, dtype=np.float64)
    assert np.array_equal(draws(4, [9])[0], want)


@pytest.mark.parametrize("size", [1, 3, 8, 50])
def test_size_and_order_of_batches_change_nothing(size):
    order = np.random.default_rng(0).permutation(50)
    whole = draws(2, np.arange(50))
    for start in range(0, 50, size):
        part = order[start : start + size]
        assert np.array_equal(draws(2, part), whole[part])


def test_seed_epoch_and_index_all_count():
    base = draws(1, [5], 3)
    assert not (base == draws(1, [5], 4)).any()
    assert not (base == draws(2, [5], 3)).any()
    assert not (base == draws(1, [6], 3)).any()


def test_seed_of_the_program_is_the_default():
    gpudl.manual_seed(11)
    assert np.array_equal(draws(0, [1, 2], None), draws(0, [1, 2], 11))


def test_other_threads_and_blocks_inside_do_not_disturb():
    found = []
    with making(0, [1], 3):
        first = sample_draws(1, 2)
        thread = threading.Thread(target=lambda: found.append(draws(0, [8])))
        thread.start()
        thread.join()
        inner = draws(5, [6, 7])
        second = sample_draws(1, 5)
    assert np.array_equal(np.concatenate((first, second), axis=1), draws(0, [1]))
    assert np.array_equal(found[0], draws(0, [8])) and np.array_equal(inner, draws(5, [6, 7]))


def test_outside_of_a_loader_they_follow_the_seed():
    gpudl.manual_seed(5)
    first, second = sample_draws(3, 2), sample_draws(3, 2)
    gpudl.manual_seed(5)
    assert np.array_equal(sample_draws(3, 2), first) and not (first == second).any()
    assert ((first >= 0) & (first < 1)).all()


def test_another_purpose_has_numbers_of_its_own():
    with making(4, [9, 2], 3):
        first, mixed, second = sample_draws(2, 2), sample_draws(2, 4, "mix"), sample_draws(2, 5)
    assert np.array_equal(np.concatenate((first, second), axis=1), draws(4, [9, 2]))
    assert np.array_equal(mixed[1], stream("mix", 4, 2, seed=3).uniform(4, dtype=np.float64))


def test_another_number_of_samples_is_refused():
    with making(0, [1, 2]), pytest.raises(ValueError, match="2 samples are being made, not 3"):
        sample_draws(3, 1)


def test_no_samples_have_no_numbers():
    assert draws(0, []).shape == (0, 7)


def test_one_sample_of_a_batch_draws_its_own_and_the_batch_goes_on() -> None:
    with making(0, [5, 5, 9], seed=7) as made:
        found = []
        for place in (2, 0, 1):
            made.one = place
            found.append(sample_draws(1, 2)[0])
        made.one = None
        rest = sample_draws(3, 1)
    with making(0, [9, 5], seed=7):
        nine, five = sample_draws(2, 3)
    np.testing.assert_array_equal(found, [nine[:2], five[:2], five[:2]])
    np.testing.assert_array_equal(rest, [[five[2]], [five[2]], [nine[2]]])


def test_other_indices_are_numbers_too() -> None:
    with making(0, ["cat", (1, 2), "cat", -1], seed=7):
        cat, pair, again, last = sample_draws(4, 1)[:, 0]
    assert cat == again and len({cat, pair, last}) == 3


def test_a_batch_that_drew_goes_on_sample_by_sample_and_back():
    want = draws(0, [5, 9], 7, (6,))
    with making(0, [5, 9], 7) as made:
        first = sample_draws(2, 2)
        made.one = 1
        nine = sample_draws(1, 3)
        made.one = 0
        five = sample_draws(1, 3)
        made.one = None
        last = sample_draws(2, 1)
    assert np.array_equal(np.concatenate((first, np.concatenate((five, nine)), last), axis=1), want)
