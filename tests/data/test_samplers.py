"""Samplers: PyTorch's lengths and errors, orders that depend on seed and epoch alone, probabilities that are right."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gpudl.autograd.tensor import wrap
from gpudl.data import (
    BatchSampler,
    DataLoader,
    DistributedSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)
from gpudl.random import initial_seed, manual_seed, stream

MAKERS: dict[str, Any] = {
    "random": lambda seed: RandomSampler(range(40), seed=seed),
    "replacement": lambda seed: RandomSampler(range(40), replacement=True, seed=seed),
    "subset": lambda seed: SubsetRandomSampler(list(range(5, 45)), seed=seed),
    "weighted": lambda seed: WeightedRandomSampler(np.ones(40), 40, seed=seed),
    "weighted without": lambda seed: WeightedRandomSampler(np.ones(40), 40, replacement=False, seed=seed),
    "distributed": lambda seed: DistributedSampler(range(40), 1, 0, seed=seed),
}


@pytest.mark.parametrize("name", MAKERS)
def test_order_depends_on_seed_and_epoch_alone(name: str) -> None:
    make = MAKERS[name]
    sampler = make(7)
    first, second = list(sampler), list(sampler)
    assert len(sampler) == len(first) == 40 and first != second
    np.random.rand(3)
    stream("shuffle", 0).permutation(5)
    again = make(7)
    again.set_epoch(1)
    assert list(again) == second
    again.set_epoch(0)
    assert list(again) == first and list(make(8)) != first
    assert all(type(index) is int for index in first)


@pytest.mark.parametrize("name", [name for name in MAKERS if name != "distributed"])
def test_program_seed_is_taken_where_none_is_given(name: str) -> None:
    before = initial_seed()
    try:
        manual_seed(7)
        assert list(MAKERS[name](None)) == list(MAKERS[name](7))
    finally:
        manual_seed(before)


def test_random_sampler_is_what_shuffle_does() -> None:
    data = list(range(20))
    for loader in (
        DataLoader(data, 20, shuffle=True, seed=3),
        DataLoader(data, 20, sampler=RandomSampler(data, seed=3)),
    ):
        loader.set_epoch(4)
        assert next(iter(loader)).array.tolist() == stream("shuffle", 4, seed=3).permutation(20).tolist()


def test_random_sampler_draws_as_many_as_asked_for() -> None:
    for count in (3, 10, 25):
        drawn = list(RandomSampler(range(10), num_samples=count, seed=0))
        assert len(drawn) == count
        for start in range(0, count, 10):
            part = drawn[start : start + 10]
            assert len(set(part)) == len(part), "none comes again before all have come"
    drawn = list(RandomSampler(range(10), True, 1000, seed=0))
    assert set(drawn) == set(range(10)) and len(drawn) == 1000
    assert list(RandomSampler([], seed=0)) == [] == list(RandomSampler([], True, seed=0))
    with pytest.raises(ValueError, match="cannot draw 2 samples from none"):
        list(RandomSampler([], num_samples=2))


def test_sequential_sampler_counts() -> None:
    sampler = SequentialSampler([7, 8, 9])
    assert list(sampler) == [0, 1, 2] and len(sampler) == 3


def test_subset_random_sampler_gives_each_index_once() -> None:
    assert sorted(SubsetRandomSampler([4, 2, 9], seed=1)) == [2, 4, 9]
    assert list(SubsetRandomSampler([])) == []


def test_weights_are_probabilities() -> None:
    weights = np.array([1.0, 0, 3, 0, 4])
    drawn = np.bincount(list(WeightedRandomSampler(weights, 20_000, seed=0)), minlength=5)
    assert drawn[1] == drawn[3] == 0
    np.testing.assert_allclose(drawn / 20_000, weights / 8, atol=4 * 0.5 / 20_000**0.5)


def test_weights_without_replacement_are_those_of_drawing_one_by_one() -> None:
    weights, rounds = np.array([1.0, 2, 0, 5]), 4000
    first, both = np.zeros(4), np.zeros((4, 4))
    sampler = WeightedRandomSampler(wrap(weights, None), 2, replacement=False, seed=1)
    for _ in range(rounds):
        a, b = sampler
        first[a] += 1
        both[a, b] += 1
    np.testing.assert_allclose(first / rounds, weights / 8, atol=4 * 0.5 / rounds**0.5)
    expected = np.array(
        [[w / 8 * v / (8 - w) * (i != j) for j, v in enumerate(weights)] for i, w in enumerate(weights)]
    )
    np.testing.assert_allclose(both / rounds, expected, atol=4 * 0.5 / rounds**0.5)


def test_last_weight_of_zero_is_never_drawn() -> None:
    assert set(WeightedRandomSampler([1e-300, 0.0], 50, seed=0)) == {0}
    assert list(WeightedRandomSampler([0.0, 1e-300], 1, replacement=False, seed=0)) == [1]


@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("count", [0, 1, 5, 8, 9])
@pytest.mark.parametrize("replicas", [1, 2, 3, 7])
def test_distributed_parts_are_those_of_torch(count: int, replicas: int, drop_last: bool) -> None:
    torch_data = pytest.importorskip("torch.utils.data", reason="PyTorch is the oracle here")
    for rank in range(replicas if count else 0):
        mine = DistributedSampler(range(count), replicas, rank, shuffle=False, drop_last=drop_last)
        theirs = torch_data.DistributedSampler(range(count), replicas, rank, shuffle=False, drop_last=drop_last)
        assert len(mine) == len(theirs) == mine.num_samples and mine.total_size == theirs.total_size
        assert list(mine) == list(theirs)
    shuffled = [list(DistributedSampler(range(count), replicas, rank, drop_last=drop_last)) for rank in range(replicas)]
    everything = [index for part in shuffled for index in part]
    assert len({len(part) for part in shuffled}) == 1
    assert (len(set(everything)) == len(everything)) if drop_last else (set(everything) == set(range(count)))


def test_batch_sampler_is_that_of_torch() -> None:
    torch_data = pytest.importorskip("torch.utils.data", reason="PyTorch is the oracle here")
    for count, size, drop_last in [(0, 2, False), (5, 2, False), (5, 2, True), (4, 2, False), (3, 9, True)]:
        mine = BatchSampler(range(count), size, drop_last)
        theirs = torch_data.BatchSampler(range(count), size, drop_last)
        assert list(mine) == list(theirs) and len(mine) == len(theirs)
    nested = BatchSampler(RandomSampler(range(9), seed=2), 3)
    loader = DataLoader(list(range(9)), batch_sampler=nested)
    assert len(loader) == 3
    loader.set_epoch(5)
    flat = [index for batch in loader for index in batch.array.tolist()]
    assert flat == stream("shuffle", 5, seed=2).permutation(9).tolist()


def test_own_sampler_is_told_the_epoch() -> None:
    class Mine(Sampler[int]):
        def __iter__(self) -> Any:
            return iter([self.epoch, 0])

    loader = DataLoader(list(range(9)), 2, sampler=Mine())
    assert [batch.array.tolist() for _ in range(3) for batch in loader] == [[0, 0], [1, 0], [2, 0]]
    with pytest.raises(NotImplementedError, match="Sampler needs __iter__"):
        iter(Sampler())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RandomSampler(range(3), num_samples=0), "num_samples must be a positive integer, got 0"),
        (lambda: RandomSampler(range(3), num_samples=True), "got True"),
        (lambda: WeightedRandomSampler([1.0], 0), "num_samples must be a positive integer"),
        (lambda: WeightedRandomSampler([1.0, -1.0], 1), "finite and not negative"),
        (lambda: WeightedRandomSampler([1.0, float("nan")], 1), "finite and not negative"),
        (lambda: WeightedRandomSampler([1.0, float("inf")], 1), "finite and not negative"),
        (lambda: WeightedRandomSampler([[1.0]], 1), r"must be \(count,\)"),
        (lambda: WeightedRandomSampler([0.0, 0.0], 1), "0 weights are above 0"),
        (lambda: WeightedRandomSampler([1.0, 0.0], 2, replacement=False), "1 weights are above 0, for 2"),
        (lambda: BatchSampler(range(3), 0), "batch_size must be a positive integer"),
        (lambda: BatchSampler(range(3), 1.5), "batch_size must be a positive integer"),  # type: ignore[arg-type]
        (lambda: DistributedSampler(range(3), 0, 0), "num_replicas must be a positive"),
        (lambda: DistributedSampler(range(3), 2, 2), r"rank must be in \[0, 2\), got 2"),
        (lambda: DistributedSampler(range(3), 2, -1), "rank must be in"),
    ],
)
def test_bad_arguments_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
