"""default_collate and default_convert: PyTorch's structure and dtypes, and messages that name the sample."""

from __future__ import annotations

import collections
import types
from typing import Any

import numpy as np
import pytest

from gpudl.autograd.grad_mode import inference_mode
from gpudl.autograd.tensor import Tensor, wrap
from gpudl.backend.dtypes import get_default_dtype, set_default_dtype
from gpudl.backend.errors import ShapeError
from gpudl.data import default_collate, default_convert

Point = collections.namedtuple("Point", ["x", "y"])


def make(values: Any, dtype: Any = None) -> Tensor:
    return wrap(np.array(values, dtype), None)


def plain(value: Any) -> Any:
    """A batch of either framework with every tensor as (dtype, values)."""
    if isinstance(value, Tensor):
        return str(value.array.dtype), value.array.tolist()
    if hasattr(value, "numpy"):
        return str(value.numpy().dtype), value.numpy().tolist()
    if isinstance(value, collections.abc.Mapping):
        return type(value).__name__, {key: plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        if value and all(isinstance(entry, (str, bytes)) for entry in value):
            return list(value)  # strings inside of samples stay in a tuple in PyTorch, in a list here
        return type(value).__name__, [plain(entry) for entry in value]
    return value


SAMPLES: dict[str, list[Any]] = {
    "arrays": [np.array([1.5, 2.0], np.float32), np.array([3.0, 4.0], np.float32)],
    "arrays of no dimension": [np.array(1, np.int8), np.array(2, np.int8)],
    "arrays of two dtypes": [np.array([1, 2], np.int64), np.array([3.5, 4.5], np.float32)],
    "arrays of three dtypes": [np.ones(1, np.float16), np.ones(1, np.float64), np.ones(1, np.int64)],
    "bytes of an image": [np.zeros((2, 2), np.uint8), np.full((2, 2), 255, np.uint8)],
    "bool arrays": [np.array([True, False]), np.array([True, True])],
    "scalars float32": [np.float32(1.5), np.float32(2.5)],
    "scalars float64": [np.float64(1.5), np.float64(2.5)],
    "scalars int32": [np.int32(1), np.int32(2)],
    "scalars bool": [np.bool_(True), np.bool_(False)],
    "floats": [1.5, 2.5, -0.5],
    "float, then int": [1.5, 2],
    "ints": [1, 2, -3],
    "int, then float": [1, 2.5],
    "bool, then float": [True, 2.5],
    "bools": [True, False],
    "bool, then int": [True, 2],
    "strings": ["a", "bc"],
    "bytes": [b"a", b"bc"],
    "tuples": [(np.ones(2, np.float32), 1), (np.zeros(2, np.float32), 2)],
    "lists": [[1, 2.0, "a"], [3, 4.0, "b"]],
    "namedtuples": [Point(1, (2.0, 3)), Point(4, (5.0, 6))],
    "dicts": [{"image": np.ones(2), "label": 1}, {"image": np.zeros(2), "label": 2, "extra": 3}],
    "nested": [{"a": [{"b": (1, "x")}]}, {"a": [{"b": (2, "y")}]}],
    "ordered dict": [collections.OrderedDict(b=1, a=2), collections.OrderedDict(b=3, a=4)],
    "default dict": [collections.defaultdict(int, a=1), collections.defaultdict(int, a=2)],
    "read-only mapping": [types.MappingProxyType({"a": 1}), types.MappingProxyType({"a": 2})],
    "ranges": [range(2), range(1, 3)],
    "one sample": [(np.ones(3), 1)],
    "empty tuples": [(), ()],
}


@pytest.mark.parametrize("name", SAMPLES)
def test_batch_is_what_torch_makes(name: str) -> None:
    data = pytest.importorskip("torch.utils.data", reason="PyTorch is the oracle here")
    assert plain(default_collate(SAMPLES[name])) == plain(data.default_collate(SAMPLES[name]))


@pytest.mark.parametrize("name", SAMPLES)
def test_single_sample_is_what_torch_makes(name: str) -> None:
    data = pytest.importorskip("torch.utils.data", reason="PyTorch is the oracle here")
    sample = SAMPLES[name][0]
    assert plain(default_convert(sample)) == plain(data.default_convert(sample))


def test_mixed_numbers_take_the_default_dtype() -> None:
    before = get_default_dtype()
    set_default_dtype("float64")
    try:
        assert default_collate([1, 2.5]).array.dtype == np.float64
    finally:
        set_default_dtype(before)


def test_tensors_are_stacked_without_history_into_new_memory() -> None:
    first, second = make([1.0, 2.0]).requires_grad_(), make([3.0, 4.0])
    batch = default_collate([first, second])
    assert not batch.requires_grad and batch.grad_fn is None
    batch.array[0, 0] = 9.0
    assert first.array.tolist() == [1.0, 2.0]


def test_one_tensor_is_copied_too() -> None:
    only = make([1.0, 2.0])
    default_collate([only]).array[:] = 0
    assert only.array.tolist() == [1.0, 2.0]


def test_inference_mode_makes_inference_tensors() -> None:
    with inference_mode():
        assert default_collate([1, 2]).is_inference()
    assert not default_collate([1, 2]).is_inference()


def test_ragged_shapes_name_the_sample_and_both_shapes() -> None:
    with pytest.raises(ShapeError, match=r"sample 2 has shape \(4,\), 0 has \(3,\)"):
        default_collate([np.zeros(3), np.zeros(3), np.zeros(4)])


def test_message_says_where_in_the_sample() -> None:
    batch = [{"pair": (1, np.zeros(2))}, {"pair": (1, np.zeros((2, 1)))}]
    with pytest.raises(ShapeError, match=r"at \['pair'\]\[1\] sample 1 has shape \(2, 1\)"):
        default_collate(batch)


@pytest.mark.parametrize(
    ("batch", "kind", "message"),
    [
        ([], ValueError, "empty batch"),
        ([None, None], TypeError, "sample 0 is NoneType; give the DataLoader a collate_fn"),
        ([object()], TypeError, "sample 0 is object"),
        ([np.zeros(2), None], TypeError, "sample 1 is NoneType, sample 0 is ndarray"),
        ([1, "a"], TypeError, "sample 1 is str, sample 0 is int"),
        ([(1, 2), 3], TypeError, "sample 1 is int, sample 0 is tuple"),
        ([{"a": 1}, [1]], TypeError, "sample 1 is list, sample 0 is dict"),
        ([(1, 2), (1, 2, 3)], ShapeError, "sample 1 has 3 entries, 0 has 2"),
        ([{"a": 1, "b": 2}, {"a": 1}], KeyError, "sample 1 has no key 'b'"),
        ([np.array(["a"]), np.array(["b"])], TypeError, "not an element type of gpudl"),
        ([np.array([None]), np.array([None])], TypeError, "not an element type of gpudl"),
        ([1, 2**63], OverflowError, "too large"),
        ([2**64], OverflowError, "too large"),
    ],
)
def test_what_cannot_be_joined_is_refused(batch: list[Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        default_collate(batch)


def test_convert_shares_the_arrays_memory() -> None:
    array = np.zeros(3, np.float32)
    default_convert([array])[0].array[1] = 5
    assert array[1] == 5


def test_convert_refuses_element_types_that_do_not_exist() -> None:
    with pytest.raises(TypeError, match="complex128"):
        default_convert(np.zeros(2, complex))
