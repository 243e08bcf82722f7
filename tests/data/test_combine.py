"""Datasets made of datasets, and random splits, beside PyTorch's."""

from __future__ import annotations

import itertools
from typing import Any

import made_by_workers as made
import numpy as np
import pytest

from gpudl.autograd.tensor import wrap
from gpudl.data import ChainDataset, ConcatDataset, DataLoader, IterableDataset, Subset, TensorDataset, random_split


def numbers(*values: float) -> TensorDataset:
    return TensorDataset(wrap(np.array(values), None))


def test_subset_gives_the_chosen_samples() -> None:
    dataset = numbers(0.0, 10.0, 20.0, 30.0)
    for indices in ([3, -4, 3], np.array([3, -4, 3]), wrap(np.array([3, -4, 3]), None)):
        subset = Subset(dataset, indices)
        assert len(subset) == 3 and [subset[i][0].array.item() for i in range(3)] == [30, 0, 30]
        assert subset[-2][0].array.item() == 0 and subset[[0, 1]][0].array.tolist() == [30, 0]
        (batch,) = DataLoader(subset, 3)
        assert batch[0].array.tolist() == [30, 0, 30]
    with pytest.raises(IndexError):
        subset[3]
    nested = Subset(Subset(dataset, [3, 2, 1]), [2, 0])
    assert [batch[0].array.tolist() for batch in DataLoader(nested, 2)] == [[10, 30]]
    assert list(DataLoader(Subset(dataset, []), 2)) == []


def test_subset_makes_whole_batches_only_where_the_dataset_does() -> None:
    assert Subset(numbers(1.0), [0]).batch is not None
    assert Subset(made.Strings(), [0]).batch is None  # type: ignore[type-var]
    by_hand = DataLoader(Subset(made.Drawn(9), [5, 6]), 2, seed=0)
    at_once = DataLoader(Subset(made.DrawnAtOnce(9), [5, 6]), 2, seed=0)
    assert made.plain(by_hand) == made.plain(at_once)


def test_concatenated_datasets_follow_each_other() -> None:
    both = ConcatDataset([numbers(1.0, 2.0), numbers(), numbers(3.0)])
    assert len(both) == 3 and both.cumulative_sizes == [2, 2, 3]
    assert [both[i][0].array.item() for i in (0, 1, 2, -1, -3)] == [1, 2, 3, 3, 1]
    for bad in (3, -4):
        with pytest.raises(IndexError, match=f"index {bad} is out of range for 3"):
            both[bad]
    assert [batch[0].array.tolist() for batch in DataLoader(both, 2)] == [[1, 2], [3]]
    with pytest.raises(ValueError, match="one dataset or more"):
        ConcatDataset([])
    with pytest.raises(TypeError, match="ChainDataset"):
        ConcatDataset([made.Numbers(3)])  # type: ignore[list-item]


def test_chained_datasets_follow_each_other() -> None:
    class Sized(made.Numbers):
        def __len__(self) -> int:
            return self.count

    chain = made.Numbers(2) + ChainDataset([made.Numbers(1), made.Numbers(3)])
    assert isinstance(chain, IterableDataset) and list(chain) == [0, 1, 0, 0, 1, 2]
    assert [batch.array.tolist() for batch in DataLoader(chain, 4)] == [[0, 1, 0, 0], [1, 2]]
    second = DataLoader(chain, 6)
    second.set_epoch(1)
    assert next(iter(second)).array.tolist() == [1000, 1001, 1000, 1000, 1001, 1002], "each is told the epoch"
    assert len(ChainDataset([Sized(2), Sized(5)])) == 7
    with pytest.raises(TypeError, match="IterableDatasets, got list"):
        list(ChainDataset([[1, 2]]))  # type: ignore[list-item]


@pytest.mark.parametrize("lengths", [[3, 7], [10], [0, 10, 0], [0.3, 0.7], [1 / 3, 1 / 3, 1 / 3], [0.25, 0.75], [1.0]])
@pytest.mark.parametrize("count", [10])
def test_split_has_the_lengths_of_torch(lengths: list[float], count: int) -> None:
    torch_data = pytest.importorskip("torch.utils.data", reason="PyTorch is the oracle here")
    parts = random_split(list(range(count)), lengths, seed=1)  # type: ignore[arg-type]
    assert [len(part) for part in parts] == [len(part) for part in torch_data.random_split(range(count), lengths)]
    assert sorted(itertools.chain.from_iterable(part.indices for part in parts)) == list(range(count))


def test_split_depends_on_the_seed_alone() -> None:
    data: Any = list(range(30))
    first = [part.indices for part in random_split(data, [0.5, 0.5], seed=1)]
    assert first == [part.indices for part in random_split(data, [15, 15], seed=1)]
    assert first != [part.indices for part in random_split(data, [15, 15], seed=2)]
    assert sorted(first[0]) != first[0]
    assert [len(part) for part in random_split([], [0, 0])] == [0, 0]  # type: ignore[arg-type]
    assert [len(part) for part in random_split([7], [0, 1])] == [0, 1]  # type: ignore[arg-type]


@pytest.mark.parametrize("lengths", [[3, 3], [0.5, 0.4], [11, -1], [2.5, 7.5], [float("nan"), 1.0], []])
def test_bad_lengths_are_refused(lengths: list[float]) -> None:
    with pytest.raises(ValueError, match="random_split: lengths must"):
        random_split(list(range(10)), lengths)  # type: ignore[arg-type]
