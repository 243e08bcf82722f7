"""DataLoader: PyTorch's batches, and orders that depend on seed and epoch alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from gpudl.autograd.tensor import Tensor, wrap
from gpudl.backend.errors import ShapeError
from gpudl.data import DataLoader, Dataset, TensorDataset, default_collate
from gpudl.random import initial_seed, manual_seed, stream


def numbers(count: int) -> TensorDataset:
    """Sample i is ([i, i + 0.5], i)."""
    x = np.arange(count, dtype=np.float32)[:, None] + np.array([0, 0.5], np.float32)
    return TensorDataset(wrap(x, None), wrap(np.arange(count), None))


class Squares(Dataset[tuple[float, int]]):
    """Sample i is (i * i as a float, i): a dataset without `batch`."""

    def __init__(self, count: int):
        self.count = count

    def __getitem__(self, index: int, /) -> tuple[float, int]:
        if not 0 <= index < self.count:
            raise IndexError(f"no sample {index}")
        return float(index * index), index

    def __len__(self) -> int:
        return self.count


def labels(batches: Any) -> list[list[int]]:
    return [batch[1].array.tolist() for batch in batches]


def flat(batches: Any) -> list[int]:
    return [label for batch in labels(batches) for label in batch]


@pytest.fixture(autouse=True)
def seed_as_before() -> Iterator[None]:
    before = initial_seed()
    yield
    manual_seed(before)


@pytest.mark.parametrize("count", [0, 1, 4, 10])
@pytest.mark.parametrize("batch_size", [1, 3, 10, 16])
@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("at_once", [False, True])
def test_batches_are_those_of_torch(count: int, batch_size: int, drop_last: bool, at_once: bool) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle here")
    if at_once:
        dataset: Any = numbers(count)
        theirs = torch.utils.data.TensorDataset(*(torch.from_numpy(tensor.array) for tensor in dataset.tensors))
    else:
        dataset = theirs = Squares(count)
    loader = DataLoader(dataset, batch_size, drop_last=drop_last)
    expected = torch.utils.data.DataLoader(theirs, batch_size, drop_last=drop_last)
    assert len(loader) == len(expected)
    found = list(loader)
    assert len(found) == len(expected)
    for mine, other in zip(found, expected, strict=True):
        assert type(mine) is type(other) is list
        for column, reference in zip(mine, other, strict=True):
            assert isinstance(column, Tensor) and not column.requires_grad
            assert column.array.dtype == reference.numpy().dtype
            np.testing.assert_array_equal(column.array, reference.numpy())


def test_gathered_batches_equal_collated_samples() -> None:
    dataset = numbers(11)
    at_once = list(DataLoader(dataset, 4, shuffle=True, seed=1))
    one_by_one = list(DataLoader(dataset, 4, shuffle=True, seed=1, collate_fn=lambda samples: default_collate(samples)))
    for gathered, collated in zip(at_once, one_by_one, strict=True):
        for mine, other in zip(gathered, collated, strict=True):
            np.testing.assert_array_equal(mine.array, other.array)
            assert mine.array.dtype == other.array.dtype


def test_batch_method_is_used_unless_it_is_none() -> None:
    class Whole(Squares):
        batch: Any = None

        def __getitem__(self, index: int, /) -> tuple[float, int]:
            assert self.batch is None, "a dataset with batch() must not be read sample by sample"
            return super().__getitem__(index)

    dataset = Whole(3)
    assert labels(DataLoader(dataset, np.int64(2))) == [[0, 1], [2]]
    dataset.batch = lambda indices: (wrap(indices * 10, None), wrap(indices, None))
    for collate_fn in (None, default_collate):
        first = next(iter(DataLoader(dataset, 2, collate_fn=collate_fn)))
        assert first[0].array.tolist() == [0, 10] and first[0].array.dtype == np.int64


def test_shuffle_visits_every_sample_once_in_the_streams_order() -> None:
    loader = DataLoader(numbers(50), 8, shuffle=True, seed=3)
    for epoch in range(2):
        order = flat(loader)
        assert sorted(order) == list(range(50)) != order
        assert order == stream("shuffle", epoch, seed=3).permutation(50).tolist()


@pytest.mark.parametrize("dataset", [numbers(30), Squares(30)], ids=["at once", "one by one"])
def test_order_depends_on_seed_and_epoch_alone(dataset: Any) -> None:
    manual_seed(7)
    loader = DataLoader(dataset, 4, shuffle=True)
    first, second = labels(loader), labels(loader)
    assert first != second
    np.random.rand(5)
    stream("dropout", 0).permutation(9)
    again = DataLoader(dataset, 4, shuffle=True, seed=7)
    assert labels(again) == first and labels(again) == second
    again.set_epoch(0)
    assert labels(again) == first and again.epoch == 1
    assert labels(DataLoader(dataset, 4, shuffle=True, seed=8)) != first


def test_program_seed_counts_when_the_epoch_starts() -> None:
    loader = DataLoader(numbers(30), 30, shuffle=True)
    manual_seed(1)
    iterator = iter(loader)
    manual_seed(2)
    assert labels(iterator) == labels(DataLoader(numbers(30), 30, shuffle=True, seed=1))


def test_batch_size_does_not_change_the_order() -> None:
    small, large = (DataLoader(numbers(20), size, shuffle=True, seed=0) for size in (3, 20))
    assert flat(small) == flat(large)


def test_iterators_do_not_disturb_each_other() -> None:
    alone = DataLoader(numbers(12), 4, shuffle=True, seed=5)
    first, second = labels(alone), labels(alone)
    loader = DataLoader(numbers(12), 4, shuffle=True, seed=5)
    one, two = iter(loader), iter(loader)
    assert loader.epoch == 2
    found = [next(one), next(two), next(two), next(one), next(two), next(one)]
    assert labels(found[i] for i in (0, 3, 5)) == first
    assert labels(found[i] for i in (1, 2, 4)) == second


def test_partial_epochs_count() -> None:
    loader = DataLoader(numbers(12), 4, shuffle=True, seed=5)
    for _ in loader:
        break
    assert loader.epoch == 1
    fresh = DataLoader(numbers(12), 4, shuffle=True, seed=5)
    fresh.set_epoch(1)
    assert labels(loader) == labels(fresh)


def test_sampler_sets_the_order_anew_each_epoch() -> None:
    for dataset in (numbers(5), Squares(5)):
        loader = DataLoader(dataset, 2, sampler=[4, 0, np.int64(2)])
        assert len(loader) == 2
        assert labels(loader) == labels(loader) == [[4, 0], [2]]
        assert labels(DataLoader(dataset, 2, sampler=[4, 0, 2], drop_last=True)) == [[4, 0]]


def test_sampler_may_be_longer_than_the_dataset_or_endless() -> None:
    class Endless:
        def __iter__(self) -> Iterator[int]:
            while True:
                yield 1

    loader = DataLoader(numbers(3), 2, sampler=Endless())
    iterator = iter(loader)
    assert labels([next(iterator), next(iterator)]) == [[1, 1], [1, 1]]
    with pytest.raises(TypeError, match="Endless has no length"):
        len(loader)


def test_indices_from_a_sampler_are_checked() -> None:
    given = []

    class Records(TensorDataset):
        def batch(self, indices: Any) -> tuple[Tensor, ...]:
            given.append(indices.tolist())
            return super().batch(indices)

    assert labels(DataLoader(Records(*numbers(3).tensors), 2, sampler=[-1, 0])) == [[2, 0]]
    assert given == [[2, 0]], "batch() is promised indices in [0, len)"
    for bad in (3, -4):
        with pytest.raises(IndexError, match=f"index {bad}, the dataset has 3 samples"):
            list(DataLoader(numbers(3), 2, sampler=[0, bad]))
    with pytest.raises(TypeError, match=r"the sampler gave 1\.5"):
        list(DataLoader(numbers(3), 2, sampler=[1.5]))


def test_without_batch_size_single_samples_come() -> None:
    loader = DataLoader(numbers(3), batch_size=None)
    assert len(loader) == 3
    samples = list(loader)
    assert [sample[1].array.shape for sample in samples] == [(), (), ()]
    assert samples[2][0].array.tolist() == [2.0, 2.5]
    assert list(DataLoader(Squares(3), batch_size=None)) == [[0.0, 0], [1.0, 1], [4.0, 2]]
    assert list(DataLoader(Squares(3), batch_size=None, collate_fn=sum)) == [0.0, 2.0, 6.0]
    shuffled = DataLoader(Squares(20), batch_size=None, shuffle=True, seed=4)
    assert [label for _, label in shuffled] == stream("shuffle", 0, seed=4).permutation(20).tolist()


def test_without_batch_size_a_sampler_may_give_lists() -> None:
    (batch,) = DataLoader(numbers(5), batch_size=None, sampler=[[3, 1]])
    assert batch[1].array.tolist() == [3, 1]


def test_collate_fn_gets_the_samples() -> None:
    assert list(DataLoader(Squares(3), 2, collate_fn=tuple)) == [((0.0, 0), (1.0, 1)), ((4.0, 2),)]


def test_dataset_may_be_any_sequence() -> None:
    assert [batch.array.tolist() for batch in DataLoader([5, 6, 7], 2)] == [[5, 6], [7]]


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("batch_size", [2, None])
def test_empty_dataset_gives_nothing(shuffle: bool, batch_size: int | None) -> None:
    for dataset in (numbers(0), Squares(0)):
        loader = DataLoader(dataset, batch_size, shuffle)
        assert len(loader) == 0 and list(loader) == []


@pytest.mark.parametrize("batch_size", [2, None])
def test_errors_keep_their_type_and_name_the_sample(batch_size: int | None) -> None:
    class Bad(Squares):
        def __getitem__(self, index: int, /) -> tuple[float, int]:
            if index == 5:
                raise OSError("cannot read the file")
            return super().__getitem__(index)

    with pytest.raises(OSError, match="cannot read the file") as caught:
        list(DataLoader(Bad(8), batch_size))
    if hasattr(caught.value, "add_note"):
        assert vars(caught.value)["__notes__"] == ["DataLoader: while loading sample 5 of Bad"]


def test_stop_iteration_in_a_dataset_does_not_end_the_epoch() -> None:
    class Stops(Squares):
        def __getitem__(self, index: int, /) -> tuple[float, int]:
            raise StopIteration

    with pytest.raises(RuntimeError, match="StopIteration"):
        list(DataLoader(Stops(4), 2))


def test_ragged_samples_are_named_by_their_index_in_the_dataset() -> None:
    arrays = [np.zeros(2), np.zeros(2), np.zeros(2), np.zeros(3)]
    with pytest.raises(ShapeError, match=r"sample 3 has shape \(3,\), 2 has \(2,\)"):
        list(DataLoader(arrays, 2))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 0}, "batch_size must be a positive integer or None, got 0"),
        ({"batch_size": -2}, "got -2"),
        ({"batch_size": 2.0}, "got 2.0"),
        ({"batch_size": True}, "got True"),
        ({"batch_size": "8"}, "got '8'"),
        ({"shuffle": True, "sampler": [0]}, "shuffle and sampler"),
        ({"batch_size": None, "drop_last": True}, "drop_last needs a batch_size"),
        ({"seed": 1.5}, "seed must be an integer"),
        ({"seed": 2**64}, "seed must be an integer"),
        ({"num_workers": -1}, "num_workers must be an integer of 0 or more, got -1"),
        ({"num_workers": 1.0}, "num_workers must be an integer"),
        ({"num_workers": 1, "workers": "fork"}, "'thread' or 'process', got 'fork'"),
        ({"num_workers": 1, "timeout": -1}, "timeout must be 0 or more"),
        ({"num_workers": 1, "timeout": float("nan")}, "timeout must be 0 or more"),
        ({"num_workers": 1, "prefetch_factor": 0}, "prefetch_factor must be a positive integer"),
        ({"prefetch_factor": 2}, "give num_workers too"),
        ({"timeout": 1}, "give num_workers too"),
        ({"persistent_workers": True}, "give num_workers too"),
        ({"batch_sampler": [[0]], "batch_size": 2}, "batch_sampler takes the place"),
        ({"batch_sampler": [[0]], "shuffle": True}, "batch_sampler takes the place"),
        ({"batch_sampler": [[0]], "sampler": [0]}, "batch_sampler takes the place"),
        ({"batch_sampler": [[0]], "drop_last": True}, "batch_sampler takes the place"),
    ],
)
def test_bad_arguments_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DataLoader(numbers(3), **arguments)


@pytest.mark.parametrize("epoch", [-1, 1.0, None])
def test_bad_epochs_are_refused(epoch: Any) -> None:
    with pytest.raises(ValueError, match="epoch must be an integer of 0 or more"):
        DataLoader(numbers(3)).set_epoch(epoch)


def test_datasets_without_items_or_length_are_refused() -> None:
    with pytest.raises(TypeError, match="needs __getitem__"):
        DataLoader(iter([1]))

    class Unsized:
        def __getitem__(self, index: int) -> int:
            return index

    with pytest.raises(TypeError, match="Unsized has no length"):
        len(DataLoader(Unsized()))
    assert [batch.array.tolist() for batch in DataLoader(Unsized(), 2, sampler=[7, 8])] == [[7, 8]]
