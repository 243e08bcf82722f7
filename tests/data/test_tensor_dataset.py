"""TensorDataset on the CPU, and on a device whose arrays are not NumPy's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from gpudl.autograd.tensor import Tensor, wrap
from gpudl.backend import device as devices
from gpudl.backend.device import CpuBackend, Device, register_backend
from gpudl.backend.errors import DeviceError, ShapeError
from gpudl.data import DataLoader, TensorDataset, default_collate


def make(values: Any, dtype: Any = None) -> Tensor:
    return wrap(np.array(values, dtype), None)


def test_samples_are_rows() -> None:
    x, y = make([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), make([7, 8, 9])
    dataset = TensorDataset(x, y)
    assert len(dataset) == 3
    assert dataset.tensors == (x, y)
    row, label = dataset[-1]
    assert row.array.tolist() == [5.0, 6.0]
    assert isinstance(label.array, np.ndarray) and label.array.shape == () and int(label.array) == 9


def test_slices_and_lists_give_several_rows() -> None:
    dataset = TensorDataset(make([[1.0], [2.0], [3.0]]))
    assert dataset[1:][0].array.tolist() == [[2.0], [3.0]]
    assert dataset[[2, 0]][0].array.tolist() == [[3.0], [1.0]]
    assert dataset[make([1, 1])][0].array.tolist() == [[2.0], [2.0]]


def test_iteration_ends_at_the_last_row() -> None:
    assert [int(row.array) for (row,) in TensorDataset(make([1, 2, 3]))] == [1, 2, 3]  # type: ignore[attr-defined]
    with pytest.raises(IndexError):
        TensorDataset(make([1, 2, 3]))[3]


def test_samples_carry_no_history() -> None:
    dataset = TensorDataset(make([[1.0], [2.0]]).requires_grad_())
    assert not dataset[0][0].requires_grad
    assert not dataset.batch(np.array([0, 1]))[0].requires_grad


def test_batch_copies_rows_in_the_order_asked_for() -> None:
    x, y = make(np.arange(12.0).reshape(4, 3)), make([10, 11, 12, 13])
    rows, labels = TensorDataset(x, y).batch(np.array([3, 0, 3]))
    assert rows.array.tolist() == [[9, 10, 11], [0, 1, 2], [9, 10, 11]]
    assert labels.array.tolist() == [13, 10, 13]
    rows.array[:] = 0
    assert x.array[3].tolist() == [9, 10, 11]


def test_batch_of_nothing() -> None:
    dataset = TensorDataset(make(np.zeros((0, 3))))
    assert len(dataset) == 0
    assert dataset.batch(np.empty(0, np.int64))[0].array.shape == (0, 3)


def test_lengths_must_agree() -> None:
    with pytest.raises(ShapeError, match=r"equal first lengths, got shapes \(2,\), \(3, 1\)"):
        TensorDataset(make([1, 2]), make([[1], [2], [3]]))
    with pytest.raises(ShapeError, match=r"\(\)"):
        TensorDataset(make(1.0))


def test_arguments_must_be_tensors() -> None:
    with pytest.raises(TypeError, match="argument 1 must be a Tensor, got ndarray"):
        TensorDataset(make([1]), np.array([1]))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="one tensor or more"):
        TensorDataset()


class Elsewhere(np.ndarray[Any, Any]):
    """The arrays of a device that takes no indices from another one."""

    __array_priority__ = 1.0  # so that np.stack answers this class

    def take(self, indices: Any, axis: Any = None, **others: Any) -> Any:  # type: ignore[override]
        assert type(indices) is Elsewhere, "indices must be on the array's device"
        return super().take(indices, axis=axis, **others)


class ElsewhereBackend(CpuBackend):
    type = "elsewhere"
    array_type: Any = Elsewhere

    def device_of(self, array: Any) -> Device:
        return Device("elsewhere", 0)

    def from_host(self, array: Any, device: Device, non_blocking: bool = False) -> Any:
        return array.copy().view(Elsewhere)


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    from gpudl.backend import arrays

    tables = ((devices, "_backends"), (devices, "_by_array_type"))
    for module, table in tables:
        monkeypatch.setattr(module, table, dict(getattr(module, table)))
    before = dict(arrays._namespaces)
    register_backend(ElsewhereBackend())
    yield
    arrays._namespaces.clear()
    arrays._namespaces.update(before)


@pytest.mark.usefixtures("elsewhere")
def test_batches_stay_on_the_datasets_device() -> None:
    x = wrap(np.arange(6.0).reshape(3, 2).view(Elsewhere), None)
    y = make([5, 6, 7])
    dataset = TensorDataset(x, y)
    batches = list(DataLoader(dataset, batch_size=2))
    assert [batch[0].array.tolist() for batch in batches] == [[[0, 1], [2, 3]], [[4, 5]]]
    assert all(type(batch[0].array) is Elsewhere and type(batch[1].array) is np.ndarray for batch in batches)
    assert type(dataset[0][0].array) is Elsewhere


@pytest.mark.usefixtures("elsewhere")
def test_collate_stays_on_the_device_and_mixes_none() -> None:
    far = wrap(np.zeros(2).view(Elsewhere), None)
    assert str(default_collate([far, far]).device) == "elsewhere:0"
    with pytest.raises(DeviceError, match=r"sample 1 is on cpu, sample 0 on elsewhere:0"):
        default_collate([far, make([0.0, 0.0])])
