"""pad_collate: PyTorch's pad_sequence, with lengths and masks, in whatever structure samples have."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest

import gpudl
from gpudl.data import DataLoader, Padded, pad_collate

ROWS = [np.array([1.0, 2, 3], np.float32), np.array([], np.float32), np.array([4.0], np.float32)]


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("shape", [(), (2,)])
def test_values_are_those_of_pad_sequence(batch_first: bool, side: Any, shape: tuple[int, ...]) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle here")
    rows = [np.random.default_rng(0).random((length, *shape)) for length in (3, 0, 5)]
    found = pad_collate(rows, padding_value=-1, batch_first=batch_first, padding_side=side, mask=True)
    assert isinstance(found, Padded) and found.mask is not None
    tensors = [torch.from_numpy(row) for row in rows]
    pad = functools.partial(torch.nn.utils.rnn.pad_sequence, padding_side=side)
    np.testing.assert_array_equal(found.values.array, pad(tensors, batch_first, -1.0).numpy())
    assert found.lengths.array.tolist() == [3, 0, 5] and found.lengths.array.dtype == np.int64
    kept = pad([torch.ones(len(row), dtype=torch.bool) for row in rows], True, False)
    np.testing.assert_array_equal(found.mask.array, kept.numpy())


def test_structure_and_dtypes_are_those_of_default_collate() -> None:
    samples = [{"tokens": np.arange(n), "label": n, "name": "x" * n} for n in (2, 3)]
    found = pad_collate(samples)
    assert found["label"].array.tolist() == [2, 3] and found["name"] == ["xx", "xxx"]
    values, lengths, mask = found["tokens"]
    assert values.array.tolist() == [[0, 1, 0], [0, 1, 2]] and values.array.dtype == np.int64 and mask is None
    assert lengths.array.tolist() == [2, 3]
    mixed = pad_collate([np.ones(1, np.float16), np.ones(2, np.float32)])
    assert mixed.values.array.dtype == np.float32
    assert pad_collate([np.float32(1), np.float32(2)]).array.tolist() == [1, 2], "numbers are no sequences"
    one = pad_collate([np.ones((2, 3))[:, ::2]])
    assert one.values.array.tolist() == [[[1, 1], [1, 1]]]


def test_only_chosen_fields_are_padded() -> None:
    samples = [(np.zeros(n), np.ones(2), [np.zeros(4)]) for n in (1, 2)]
    padded, plain, (nested,) = pad_collate(samples, fields=[0])
    assert isinstance(padded, Padded) and plain.array.shape == (2, 2) and nested.array.shape == (2, 4)
    with pytest.raises(ValueError, match=r"at \[0\] sample 1 has shape \(2,\), 0 has \(1,\)"):
        pad_collate(samples, fields=[2])
    inside = pad_collate([(np.zeros(2), [np.zeros(n)]) for n in (1, 2)], fields=[1])
    assert isinstance(inside[1][0], Padded) and not isinstance(inside[0], Padded)
    by_key = pad_collate([{"a": np.zeros(2), "b": np.zeros(2)}], fields=["b"])
    assert isinstance(by_key["b"], Padded) and by_key["a"].array.shape == (1, 2)


def test_batches_of_a_loader() -> None:
    loader = DataLoader(ROWS, 2, collate_fn=functools.partial(pad_collate, mask=True), num_workers=1)
    first, second = loader
    assert first.values.array.tolist() == [[1, 2, 3], [0, 0, 0]] and second.lengths.array.tolist() == [1]
    assert first.mask.array.tolist() == [[True] * 3, [False] * 3]


def test_on_a_device(device: str) -> None:
    rows = [gpudl.tensor(row, device=device) for row in ROWS]
    found = pad_collate(rows, mask=True, padding_value=9)
    assert found.values.device == found.mask.device == gpudl.device(device)
    assert found.values.cpu().array.tolist() == [[1, 2, 3], [9, 9, 9], [4, 9, 9]]
    assert found.lengths.array.tolist() == [3, 0, 1]
    assert found.mask.cpu().array.sum(1).tolist() == [3, 0, 1]


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        ([np.zeros((2, 3)), np.zeros((2, 4))], r"sample 1 has shape \(2, 4\), 0 has \(2, 3\); only the first"),
        ([np.zeros(2), np.zeros((2, 2))], "only the first length may differ"),
        ([np.zeros(2), np.zeros(())], "only the first length may differ"),
        ([], "one sample or more"),
    ],
)
def test_other_shapes_are_refused(samples: list[Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pad_collate(samples)


def test_other_sides_are_refused() -> None:
    with pytest.raises(ValueError, match="padding_side must be 'right' or 'left', got 'up'"):
        pad_collate(ROWS, padding_side="up")  # type: ignore[arg-type]
