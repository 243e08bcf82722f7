"""Batches on the device where they are wanted, and in pinned memory."""

from __future__ import annotations

import collections
import threading
from typing import Any

import made_by_workers as made
import numpy as np
import pytest

import gpudl
from gpudl.backend.device import is_on_host
from gpudl.data import DataLoader, TensorDataset, pad_collate

Point = collections.namedtuple("Point", ["x", "y"])
WORKERS: list[dict[str, Any]] = [{}, {"num_workers": 2}, {"num_workers": 1, "workers": "process"}]


@pytest.mark.parametrize("workers", WORKERS, ids=["none", "threads", "a process"])
def test_batches_arrive_on_the_device(device: str, workers: dict[str, Any]) -> None:
    loader = DataLoader(made.Drawn(23), 4, shuffle=True, seed=3, device=device, **workers)
    expected = DataLoader(made.Drawn(23), 4, shuffle=True, seed=3)
    for _ in range(2):
        found = []
        for number, batch in enumerate(loader, 1):
            assert {tensor.device for tensor in batch} == {gpudl.device(device)}
            doubled = batch[0] * 2  # on the current stream, which has to wait for the copy
            found.append([(doubled.cpu().array / 2).tolist(), batch[1].tolist()])
            assert loader.state_dict()["batch"] == number
        assert found == made.plain(expected)


def test_training_strictly_makes_no_implicit_copy(device: str) -> None:
    loader = DataLoader(made.DrawnAtOnce(8), 4, device=device, num_workers=1)
    with gpudl.strict():
        sums = [batch[1].sum() for batch in loader]
    assert [total.item() for total in sums] == [6, 22]


def test_memory_that_is_free_again_is_not_written_too_early(device: str) -> None:
    """Batches of the size of what the step frees: a copy into it must wait for the step."""
    x = np.arange(64 * 5000, dtype=np.float32).reshape(64, 5000)
    loader = DataLoader(TensorDataset(gpudl.from_numpy(x)), 4, device=device, num_workers=2, prefetch_factor=4)
    total = gpudl.zeros(4, 5000, device=device)
    for (batch,) in loader:
        for _ in range(3):
            total = total + batch * 1
    np.testing.assert_array_equal(total.cpu().array, 3 * x.reshape(16, 4, 5000).sum(0))


def test_structures_are_kept(device: str) -> None:
    samples = [{"a": Point(np.float32(i), [np.zeros(0)]), "b": "text", "c": np.arange(i + 1)} for i in range(2)]
    for workers in (0, 1):
        ((batch),) = DataLoader(samples, 2, device=device, num_workers=workers, collate_fn=pad_collate)
        assert type(batch) is dict and type(batch["a"]) is Point and batch["b"] == ["text", "text"]
        assert batch["a"].x.tolist() == [0, 1] and batch["a"].y[0].values.shape == (2, 0)
        assert batch["c"].values.tolist() == [[0, 0], [0, 1]] and batch["c"].lengths.tolist() == [1, 2]
        assert batch["c"].mask is None
        for tensor in (batch["a"].x, *batch["a"].y[0][:2], *batch["c"][:2]):
            assert tensor.device == gpudl.device(device)


def test_every_dtype_and_layout(device: str) -> None:
    for dtype in ("bool", "uint8", "int16", "float16", "float64"):
        values = np.arange(24).reshape(2, 3, 4).astype(dtype)
        for workers in (0, 1):
            loader = DataLoader(
                [values], 1, device=device, num_workers=workers, collate_fn=lambda rows: gpudl.from_numpy(rows[0].T)
            )
            (batch,) = loader
            assert str(batch.array.dtype) == dtype
            np.testing.assert_array_equal(batch.cpu().array, values.T)


def test_dataset_that_is_on_the_device_stays_there(device: str) -> None:
    dataset = TensorDataset(gpudl.arange(10, device=device))
    for workers in (0, 2):
        loader = DataLoader(dataset, 4, device=device, num_workers=workers)
        assert [batch[0].tolist() for batch in loader] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
        back = DataLoader(dataset, 4, device="cpu", num_workers=workers)
        assert all(is_on_host(batch[0].array) for batch in back)


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_in_pinned_memory(device: str, workers: int) -> None:
    if is_on_host(gpudl.zeros(1, device=device).array):
        pytest.skip("pinned memory is for devices that read it")
    loader = DataLoader(made.Drawn(6), 4, pin_memory=True, num_workers=workers)
    found = list(loader)
    assert all(tensor.is_pinned() for batch in found for tensor in batch)
    assert made.plain(found) == made.plain(DataLoader(made.Drawn(6), 4, seed=gpudl.initial_seed()))


@pytest.mark.parametrize("workers", WORKERS[1:], ids=["threads", "a process"])
def test_iterator_left_early_leaves_nothing_behind(device: str, workers: dict[str, Any]) -> None:
    loader = DataLoader(made.Drawn(50), 1, device=device, **workers)
    for _ in range(2):
        batches = iter(loader)
        next(batches)
        del batches
    del loader
    names = [thread.name for thread in threading.enumerate()]
    assert not [name for name in names if name.startswith("DataLoader worker")]


def test_error_comes_after_the_batches_before_it(device: str) -> None:
    batches = iter(DataLoader(made.Trouble("error", 5), 2, device=device, num_workers=1))
    assert [next(batches).tolist() for _ in range(2)] == [[0, 1], [2, 3]]
    with pytest.raises(OSError, match="cannot read the file"):
        next(batches)


def test_missing_device_is_an_error() -> None:
    with pytest.raises(gpudl.DeviceError, match="no such device|not a device"):
        DataLoader(made.Drawn(3), device="gpu")
    with pytest.raises(gpudl.DeviceError, match="not available"):
        iter(DataLoader(made.Drawn(3), device="cuda:99"))
