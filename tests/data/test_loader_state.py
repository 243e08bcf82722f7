"""Going on in the middle of an epoch; IterableDatasets; batch samplers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import made_by_workers as made
import numpy as np
import pytest

from gpudl.data import DataLoader, IterableDataset, RandomSampler
from gpudl.random import stream

COUNTS = [0, 2]


class Watched(made.Drawn):
    """Remembers what was asked for."""

    def __init__(self, count: int):
        super().__init__(count)
        self.asked: list[int] = []

    def __getitem__(self, index: int, /) -> tuple[Any, int]:
        self.asked.append(index)
        return super().__getitem__(index)


@pytest.mark.parametrize("workers", COUNTS)
@pytest.mark.parametrize("way", ["shuffle", "sampler", "batch sampler", "samples"])
def test_epoch_goes_on_at_a_batch_without_making_those_before(workers: int, way: str) -> None:
    dataset = Watched(20)
    order = stream("shuffle", 3, seed=1).permutation(20)
    lists = [order[i : i + 3].tolist() for i in range(0, 20, 3)]
    arguments: dict[str, Any] = {
        "shuffle": {"batch_size": 3, "shuffle": True},
        "sampler": {"batch_size": 3, "sampler": RandomSampler(dataset, seed=1)},
        "batch sampler": {"batch_sampler": lists},
        "samples": {"batch_size": None, "shuffle": True},
    }[way]
    loader = DataLoader(dataset, seed=1, num_workers=workers, **arguments)
    loader.set_epoch(3)
    whole = made.plain(loader)
    assert len(whole) == len(loader)
    for batch in (0, 1, 4, len(loader), len(loader) + 5):
        dataset.asked.clear()
        loader.set_epoch(3, batch)
        assert loader.state_dict() == {"epoch": 3, "batch": batch}
        assert made.plain(loader) == whole[batch:]
        size = 1 if way == "samples" else 3
        assert sorted(dataset.asked) == sorted(order[batch * size :].tolist())
        assert loader.state_dict() == {"epoch": 4, "batch": 0} and loader.epoch == 4


@pytest.mark.parametrize("workers", COUNTS)
def test_state_is_what_the_consumer_has_seen(workers: int) -> None:
    loader = DataLoader(made.Drawn(20), 3, shuffle=True, seed=1, num_workers=workers)
    assert loader.state_dict() == {"epoch": 0, "batch": 0}
    expected = [made.plain(loader), made.plain(loader)]
    loader.set_epoch(0)
    batches = iter(loader)
    assert loader.state_dict() == {"epoch": 0, "batch": 0}, "batches that are made ahead do not count"
    for number in range(1, 8):
        next(batches)
        assert loader.state_dict() == {"epoch": 0, "batch": number}
        other = DataLoader(made.Drawn(20), 3, shuffle=True, seed=1, num_workers=2 - workers)
        other.load_state_dict(loader.state_dict())
        assert made.plain(other) == expected[0][number:]
        assert made.plain(other) == expected[1], "the epochs after it are whole"
    assert list(batches) == [] and loader.state_dict() == {"epoch": 1, "batch": 0}


def test_state_after_an_epoch_left_early_is_in_its_middle() -> None:
    loader = DataLoader(made.Drawn(20), 3, shuffle=True, seed=1)
    for number, _ in enumerate(loader):
        if number == 2:
            break
    assert loader.state_dict() == {"epoch": 0, "batch": 3} and loader.epoch == 1
    again = iter(loader)
    assert loader.state_dict() == {"epoch": 1, "batch": 0}
    next(again)
    assert loader.state_dict() == {"epoch": 1, "batch": 1}


def test_bad_states_are_refused() -> None:
    loader = DataLoader(made.Drawn(4))
    for bad in (-1, 1.0, None, True):
        with pytest.raises(ValueError, match="batch must be an integer of 0 or more"):
            loader.set_epoch(0, bad)  # type: ignore[arg-type]
    with pytest.raises(KeyError, match="batch"):
        loader.load_state_dict({"epoch": 1})
    assert loader.state_dict() == {"epoch": 0, "batch": 0}


def test_batch_sampler_gives_the_indices_of_each_batch() -> None:
    lists: list[Any] = [[4, 0], np.array([1]), [-1, 2, 2], range(2)]
    for dataset in (made.Drawn(5), made.DrawnAtOnce(5)):
        loader = DataLoader(dataset, batch_sampler=lists)
        assert len(loader) == 4
        assert [batch[1].array.tolist() for batch in loader] == [[4, 0], [1], [4, 2, 2], [0, 1]]
    with pytest.raises(IndexError, match="index 5, the dataset has 5"):
        list(DataLoader(made.DrawnAtOnce(5), batch_sampler=[np.array([5])]))


@pytest.mark.parametrize("workers", [0, 1, 3])
@pytest.mark.parametrize("size", [1, 2, 4, None])
def test_iterable_dataset_gives_each_sample_once(workers: int, size: int | None) -> None:
    for count in (0, 1, 11):
        loader = DataLoader(made.Numbers(count), size, num_workers=workers)
        found = list(loader)
        flat = [number for batch in found for number in (batch.array.tolist() if size else [batch])]
        assert sorted(flat) == list(range(count))
        if workers < 2:
            assert flat == sorted(flat)
        assert loader.state_dict() == {"epoch": 1, "batch": 0}
        second = [number for batch in loader for number in (batch.array.tolist() if size else [batch])]
        assert second == [number + 1000 for number in flat], "the dataset is told the epoch"


@pytest.mark.parametrize("kind", ["thread", "process"])
def test_iterable_dataset_is_that_of_torch(kind: Any) -> None:
    torch_data = pytest.importorskip("torch.utils.data", reason="PyTorch is the oracle here")

    class Theirs(torch_data.IterableDataset):  # type: ignore[name-defined, misc]
        def __iter__(self) -> Iterator[int]:
            worker = torch_data.get_worker_info()
            return iter(range(worker.id if worker else 0, 11, worker.num_workers if worker else 1))

    for drop_last in (False, True):
        expected = [batch.tolist() for batch in torch_data.DataLoader(Theirs(), 2, num_workers=2, drop_last=drop_last)]
        loader = DataLoader(made.Numbers(11), 2, num_workers=2, workers=kind, drop_last=drop_last)
        assert [batch.array.tolist() for batch in loader] == expected


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_iterable_dataset_goes_on_after_the_batches_before(workers: int) -> None:
    for drop_last in (False, True):
        loader = DataLoader(made.Numbers(23, draw=True), 2, num_workers=workers, seed=4, drop_last=drop_last)
        whole = made.plain(loader)
        drawn = {number: value for batch in whole for number, value in zip(*batch)}
        expected = stream("augment", 0, 22, seed=4).uniform(1, dtype=np.float64)[0]
        assert drop_last or drawn[22] == expected, "draws are those of the sample's number in the whole"
        for batch in (1, 5, len(whole), len(whole) + 3):
            loader.set_epoch(0, batch)
            assert made.plain(loader) == whole[batch:]


def test_iterable_dataset_has_a_length_where_it_says_so() -> None:
    class Sized(made.Numbers):
        def __len__(self) -> int:
            return self.count

    assert len(DataLoader(Sized(5), 2)) == 3
    with pytest.raises(TypeError, match="Numbers has no length"):
        len(DataLoader(made.Numbers(5), 2))


def test_iterable_dataset_has_its_own_order() -> None:
    for arguments in ({"shuffle": True}, {"sampler": [0]}, {"batch_sampler": [[0]]}):
        with pytest.raises(ValueError, match="an IterableDataset has its own order"):
            DataLoader(made.Numbers(3), **arguments)  # type: ignore[arg-type]
    with pytest.raises(NotImplementedError, match="IterableDataset needs __iter__"):
        list(DataLoader(IterableDataset()))


def test_error_in_an_iterable_dataset_names_the_sample() -> None:
    class Broken(made.Numbers):
        def __iter__(self) -> Iterator[int]:
            yield from range(3)
            raise OSError("cut off")

    for workers in (0, 1):
        with pytest.raises(OSError, match="cut off") as caught:
            list(DataLoader(Broken(9), 2, num_workers=workers))
        if hasattr(caught.value, "add_note"):
            assert "while loading sample 3 of Broken" in vars(caught.value)["__notes__"][0]
