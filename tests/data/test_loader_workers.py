"""DataLoader with workers: the batches of none, in threads and in processes; trouble is named and never hangs."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Iterator
from typing import Any

import made_by_workers as made
import numpy as np
import pytest

from gpudl.autograd.tensor import wrap
from gpudl.data import DataLoader, TensorDataset, get_worker_info
from gpudl.random import initial_seed, manual_seed

KINDS = ["thread", "process"]
pytestmark = pytest.mark.usefixtures("nothing_is_left")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dataset", [made.Drawn(23), made.DrawnAtOnce(23)], ids=["one by one", "at once"])
def test_order_and_draws_are_those_without_workers(kind: Any, dataset: made.Drawn) -> None:
    alone = DataLoader(made.Drawn(23), 4, shuffle=True, seed=3)
    expected = [made.plain(alone) for _ in range(2)]
    assert expected[0] != expected[1]
    drawn = np.array([row[:3] for batch in expected[0] for row in batch[0]])
    assert len(np.unique(drawn)) == 23 * 3, "numbers are drawn once"
    for count in (1, 8) if kind == "thread" or dataset.__class__ is made.Drawn else (2,):
        loader = DataLoader(dataset, 4, shuffle=True, seed=3, num_workers=count, workers=kind, persistent_workers=True)
        assert [made.plain(loader) for _ in range(2)] == expected
        loader.set_epoch(1, batch=2)
        assert made.plain(loader) == expected[1][2:]
    if kind == "thread":
        sizes = DataLoader(dataset, 7, shuffle=True, seed=3, num_workers=3, sampler=None)
        rows = [row for batch in made.plain(sizes) for row in batch[0]]
        assert rows == [row for batch in expected[0] for row in batch[0]], "the size of batches changes no sample"


def test_negative_indices_are_the_samples_they_stand_for() -> None:
    for dataset in (made.Drawn(5), made.DrawnAtOnce(5)):
        assert made.plain(DataLoader(dataset, 2, sampler=[-1, 1], seed=0)) == made.plain(
            DataLoader(dataset, 2, sampler=[4, 1], seed=0)
        )


@pytest.mark.parametrize("kind", KINDS)
def test_structures_come_through(kind: Any) -> None:
    expected = list(DataLoader(made.Strings(), 2))
    found = list(DataLoader(made.Strings(), 2, num_workers=1, workers=kind))
    assert len(found) == len(expected) == 3
    for mine, other in zip(found, expected, strict=True):
        assert mine["text"] == other["text"]
        assert [column.array.tolist() for column in mine["pair"]] == [column.array.tolist() for column in other["pair"]]
        np.testing.assert_array_equal(mine["image"].array, other["image"].array)
        assert mine["image"].array.flags.writeable


def test_batches_that_are_kept_do_not_change() -> None:
    """Memory of processes is used again, but never while somebody can see it."""
    loader = DataLoader(made.Drawn(40), 2, num_workers=1, workers="process", persistent_workers=True)
    kept = [batch[0].array[:, 3:] for batch in loader]
    for _ in range(2):
        for number, batch in enumerate(loader):
            assert batch[0].array[0, 3] == 2 * number
            del batch
    for number, rows in enumerate(kept):
        np.testing.assert_array_equal(rows, np.repeat([[2 * number], [2 * number + 1]], 200, axis=1))


@pytest.mark.parametrize("kind", KINDS)
def test_persistent_workers_stay_and_others_do_not(kind: Any) -> None:
    loader = DataLoader(made.Where(), 4, num_workers=1, workers=kind, persistent_workers=True)
    first, second = made.plain(loader), made.plain(loader)
    assert first == second and {row for batch in first for row in batch[1]} == {0}
    assert (first[0][0][0] == os.getpid()) == (kind == "thread")
    if kind == "process":
        loader = DataLoader(made.Where(), 4, num_workers=1, workers=kind)
        assert made.plain(loader)[0][0] != made.plain(loader)[0][0]
    assert get_worker_info() is None


@pytest.mark.parametrize("kind", KINDS)
def test_worker_init_fn_runs_first_in_each_worker(kind: Any) -> None:
    loader = DataLoader(
        made.Where(), 4, num_workers=1, workers=kind, worker_init_fn=made.remember, collate_fn=made.remembered
    )
    assert list(loader) == [["0"] * 4] * 2
    os.environ.pop("GPUDL_TEST_WORKER", None)
    with pytest.raises(ValueError, match="no worker 0"):
        list(DataLoader(made.Where(), 4, num_workers=1, workers=kind, worker_init_fn=made.fail))


@pytest.mark.parametrize("kind", KINDS)
def test_iterator_left_early_takes_its_workers_along(kind: Any) -> None:
    loader = DataLoader(made.Drawn(100), 1, num_workers=1, workers=kind)
    for _ in loader:
        break
    batches = iter(loader)
    next(batches)
    del batches
    gc.collect()
    assert loader.state_dict() == {"epoch": 1, "batch": 1}
    iter(loader)


@pytest.mark.parametrize("kind", KINDS)
def test_persistent_workers_go_on_after_an_epoch_left_early(kind: Any) -> None:
    expected = DataLoader(made.Drawn(30), 3, shuffle=True, seed=1)
    expected.set_epoch(1)
    loader = DataLoader(made.Drawn(30), 3, shuffle=True, seed=1, num_workers=1, workers=kind, persistent_workers=True)
    next(iter(loader))
    assert made.plain(loader) == made.plain(expected)


def test_iterators_over_one_loader_do_not_disturb_each_other() -> None:
    loader = DataLoader(made.Drawn(12), 3, shuffle=True, seed=1, num_workers=2, persistent_workers=True)
    alone = DataLoader(made.Drawn(12), 3, shuffle=True, seed=1)
    one, two = iter(loader), iter(loader)
    found = [[made.plain(next(two)), made.plain(next(one))] for _ in range(4)]
    expected = [made.plain(alone), made.plain(alone)]
    assert [batch for _, batch in found] == expected[0] and [batch for batch, _ in found] == expected[1]


def test_interrupt_ends_the_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    batches = iter(DataLoader(made.Drawn(100), 1, num_workers=2))

    def interrupted(timeout: float | None) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(batches._pool, "_receive", interrupted)  # type: ignore[attr-defined]
    with pytest.raises(KeyboardInterrupt):
        list(batches)
    monkeypatch.undo()
    assert list(batches) == []


def test_bad_index_of_a_sampler_comes_after_the_batches_before_it() -> None:
    def indices() -> Iterator[int]:
        yield from (0, 1, 2, 3)
        raise LookupError("no more")

    batches = iter(DataLoader(made.Drawn(9), 2, sampler=indices(), num_workers=2))
    assert len([next(batches), next(batches)]) == 2
    with pytest.raises(LookupError, match="no more"):
        next(batches)


@pytest.mark.parametrize("kind", KINDS)
def test_empty_dataset_gives_nothing(kind: Any) -> None:
    assert list(DataLoader(made.Drawn(0), 2, num_workers=1, workers=kind)) == []


def test_program_seed_counts_in_processes_too() -> None:
    before = initial_seed()
    try:
        loader = DataLoader(made.Own(), 4, num_workers=1, workers="process", persistent_workers=True)
        for seed in (5, 6):
            manual_seed(seed)
            assert made.plain(loader) == made.plain(DataLoader(made.Own(), 4))
    finally:
        manual_seed(before)


def test_no_more_batches_are_made_ahead_than_asked_for() -> None:
    asked = []

    class Counted(made.Drawn):
        def __getitem__(self, index: int, /) -> Any:
            asked.append(index)
            return super().__getitem__(index)

    batches = iter(DataLoader(Counted(100), 1, num_workers=2, prefetch_factor=3))
    next(batches)
    time.sleep(0.1)
    assert len(asked) <= 1 + 2 * 3
    next(batches)
    time.sleep(0.1)
    assert len(asked) <= 2 + 2 * 3
    del batches


def test_arrays_of_a_dataset_are_shared_and_private() -> None:
    x = wrap(np.arange(4000.0).reshape(4, 1000), None)
    (batch,) = DataLoader(TensorDataset(x), 4, num_workers=1, workers="process")
    np.testing.assert_array_equal(batch[0].array, x.array)


def test_data_on_a_device_is_refused_by_processes(device: str) -> None:
    import gpudl

    dataset = TensorDataset(gpudl.arange(4, device=device))
    loader = DataLoader(dataset, 2, num_workers=1, workers="process")
    if dataset.tensors[0].array.__class__ is np.ndarray:
        assert made.plain(loader) == [[[0, 1]], [[2, 3]]]
    else:
        with pytest.raises(gpudl.DeviceError, match="a worker process of a DataLoader.*workers='thread'"):
            list(loader)
    assert made.plain(DataLoader(dataset.tensors[0].tolist(), 2, num_workers=1)) == [[0, 1], [2, 3]]
