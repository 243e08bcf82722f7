"""Making tensors: inferred dtypes, checked values, and whose memory it is; against PyTorch."""

import math

import numpy as np
import pytest
from cases import FLOATS, INTEGERS
from oracle import Raised, assert_same, host, outcome, torch

import gpudl
import gpudl.random

NAN, INF = math.nan, math.inf

DATA = [
    [], [[]], [[], []], (), 1, 1.5, True, [1, 2.5], [True, 2], [True, 2.5], [[1, 2], [3, 4]], ((1,), (2,)), range(3),
    [[[1.0]]], [(1, 2), [3, 4]], [2**40, -(2**63)], [2**53 + 1], NAN, [INF, -INF], 1e300, [1e39],
    np.float64(1.5), np.float32(1.5), np.int8(1), np.bool_(True), [np.float64(1.5)], [np.float32(1.5)], [np.int8(1)],
    np.array(1.5), np.zeros((2, 0)), np.arange(4)[::2], np.zeros((2, 3), "float32").T,
    *(np.array([0, 1], dtype) for dtype in ("bool", *INTEGERS, *FLOATS)),
]  # fmt: skip
BAD = [[[1, 2], [3]], [[1], [[2]]], "text", ["text"], [2**63], [2**70], np.array(["text"])]
CUT = [
    ([1.7, -1.7], "int64"), ([1.7], "uint8"), ([-1.7], "uint8"), ([-1], "uint8"), ([256], "uint8"), ([-256], "uint8"),
    ([200], "int8"), ([NAN], "int32"), ([INF], "int64"), ([1e20], "int64"), ([2.5, 0.0, NAN], "bool"), ([0, 2], "bool"),
    ([1e300], "float32"), ([1e5], "float16"), ([1, 2], "float64"), (3, "float16"), ([True], "float32"), ([], "int8"),
    (np.array([300, -1]), "uint8"), (np.array([1e300]), "float32"), (np.array([NAN, INF, 1e20]), "int32"),
]  # fmt: skip


def both(name, *args, device=None, dtype=None, **settings):
    """The outcomes of one call in gpudl and in torch; a dtype by name."""
    results = []
    for lib, place in ((gpudl, device), (torch, "cpu")):
        given = {**settings, "device": place}
        if dtype is not None:
            given["dtype"] = getattr(lib, dtype)
        results.append(outcome(getattr(lib, name), *args, **given))
    return results


@pytest.mark.parametrize("data", DATA, ids=repr)
@pytest.mark.parametrize("name", ["tensor", "as_tensor"])
def test_dtype_is_inferred(name, data, device):
    got, want = both(name, data, device=device)
    assert_same(got, want, f"{name} of {data!r}")
    assert got.device is device


@pytest.mark.parametrize("data", BAD, ids=repr)
@pytest.mark.parametrize("name", ["tensor", "as_tensor"])
def test_what_is_no_tensor_raises(name, data, device):
    got, want = both(name, data, device=device)
    assert isinstance(want, Raised)
    assert isinstance(got, Raised)
    assert isinstance(got.error, (TypeError, ValueError, RuntimeError))


@pytest.mark.parametrize("data", [None, [None], {}, object, 1j, np.array([1j]), np.array([1], np.uint16)], ids=repr)
def test_what_gpudl_has_no_elements_for_raises(data, device):
    with pytest.raises(TypeError, match="element"):
        gpudl.tensor(data, device=device)


@pytest.mark.parametrize(("data", "dtype"), CUT, ids=str)
def test_data_is_cast_to_the_dtype(data, dtype, device):
    got, want = both("tensor", data, device=device, dtype=dtype)
    assert_same(got, want, f"{data!r} as {dtype}")


def test_ragged_sequences_name_the_problem(device):
    with pytest.raises(gpudl.ShapeError, match="differ in length"):
        gpudl.tensor([[1, 2], [3]], device=device)


def test_tensors_among_the_data(device):
    for lists in (lambda lib: [lib.tensor(1), lib.tensor(2)], lambda lib: [lib.tensor(1.0), lib.tensor(2)]):
        assert_same(gpudl.tensor(lists(gpudl)), torch.tensor(lists(torch)), "a list of 0-d tensors")
    rows = gpudl.tensor([gpudl.tensor([1, 2]), gpudl.tensor([3, 4])])
    np.testing.assert_array_equal(host(rows), [[1, 2], [3, 4]])
    assert gpudl.tensor([gpudl.tensor(1, dtype=gpudl.int8), 2]).dtype == gpudl.int64


def test_dtypes_by_any_name(device):
    for dtype in ("float64", np.float64, np.dtype("float64"), gpudl.float64):
        assert gpudl.tensor([1], dtype=dtype, device=device).dtype == np.float64
    assert gpudl.zeros(1, dtype=bool).dtype == np.bool_
    assert gpudl.zeros(1, dtype=int).dtype == np.int64
    for dtype in ("complex64", np.uint16, "float128", object, "nonsense"):
        with pytest.raises(TypeError, match="not an element type"):
            gpudl.zeros(1, dtype=dtype, device=device)


def test_tensor_copies(device):
    array = np.zeros(2)
    made = gpudl.tensor(array, device=device)
    again = gpudl.tensor(made)
    array[:] = 1
    made.fill_(2)
    np.testing.assert_array_equal(host(made), [2, 2])
    np.testing.assert_array_equal(host(again), [0, 0])


def test_a_tensor_of_a_tensor_has_no_history():
    x = gpudl.tensor([1.0], requires_grad=True)
    assert not gpudl.tensor(x).requires_grad
    assert gpudl.tensor(x * 2, requires_grad=True).is_leaf
    assert gpudl.tensor(x, dtype=gpudl.int64).dtype == np.int64


def test_as_tensor_shares_what_it_can():
    array = np.zeros(2, "float32")
    shared, cast = gpudl.as_tensor(array), gpudl.as_tensor(array, dtype=gpudl.float64)
    array[0] = 1
    np.testing.assert_array_equal(host(shared), [1, 0])
    np.testing.assert_array_equal(host(cast), [0, 0])
    assert gpudl.as_tensor(shared) is shared
    x = gpudl.tensor([1.0], requires_grad=True)
    assert gpudl.as_tensor(x) is x
    assert gpudl.as_tensor(x, dtype=gpudl.float64).requires_grad


def test_from_numpy_shares_memory_both_ways():
    array = np.arange(6.0).reshape(2, 3)[:, ::2]
    tensor = gpudl.from_numpy(array)
    tensor[0, 0] = 9
    array[1, 1] = 8
    assert array[0, 0] == 9
    assert tensor[1, 1].item() == 8
    assert gpudl.from_numpy(np.array(3.0)).shape == ()


@pytest.mark.parametrize("given", [[1], 1.5, np.float32(1), None], ids=repr)
def test_from_numpy_takes_arrays_only(given):
    with pytest.raises(TypeError, match="NumPy array"):
        gpudl.from_numpy(given)


def test_from_numpy_refuses_what_it_cannot_share():
    with pytest.raises(ValueError, match="negative strides"):
        gpudl.from_numpy(np.arange(3)[::-1])
    with pytest.raises(TypeError, match="complex128"):
        gpudl.from_numpy(np.array([1j]))


@pytest.mark.parametrize("name", ["zeros", "ones"])
@pytest.mark.parametrize("shape", [(2, 3), ((2, 3),), ([2],), ((),), (0,), (2, 0), (-1,), (2.5,), ("x",)], ids=repr)
def test_filled_shapes(name, shape, device):
    for dtype in (None, "int8", "bool", "float16"):
        got, want = both(name, *shape, device=device, dtype=dtype)
        assert_same(got, want, f"{name}{shape} {dtype}")


@pytest.mark.parametrize("value", [1, 1.5, True, NAN, INF, -3, 1e300, 2**40], ids=repr)
def test_full(value, device):
    for dtype in (None, *INTEGERS, *FLOATS, "bool"):
        got, want = both("full", (2,), value, device=device, dtype=dtype)
        assert_same(got, want, f"full of {value} {dtype}")


@pytest.mark.parametrize("name", ["empty", "zeros", "ones"])
def test_sizes_by_name(name, device):
    make = getattr(gpudl, name)
    assert make(size=(2, 3), device=device).shape == (2, 3)
    assert make(2, device=device, dtype="int8").dtype == np.int8
    for wrong in (lambda: make(), lambda: make(2, size=(2,))):
        with pytest.raises(TypeError):
            wrong()
    with pytest.raises(gpudl.ShapeError):
        make(2, -1)


def test_empty_tensors_hold_something_that_is_the_same_in_every_run(device):
    x = gpudl.ones(2, 3, device=device, dtype="float64")
    for made in (gpudl.empty(2, 3, device=device), gpudl.empty_like(x), x.new_empty(2, 3), x.new_empty(size=(2, 3))):
        assert made.shape == (2, 3)
        assert made.device is device
        assert not host(made).any()
    assert gpudl.empty_like(x).dtype == x.new_empty(1).dtype == np.float64
    assert gpudl.empty_like(x, dtype="int8", requires_grad=False).dtype == np.int8
    assert x.new_ones(2, requires_grad=True).requires_grad
    assert x.new_empty(2, dtype="float32", requires_grad=True).dtype == np.float32


@pytest.mark.parametrize("value", [3, 2.5, True, np.float64(2), NAN], ids=repr)
def test_scalar_tensor(value, device):
    for dtype in (None, "int8", "float64", "bool"):
        assert_same(*both("scalar_tensor", value, device=device, dtype=dtype), f"scalar_tensor {value} {dtype}")


@pytest.mark.parametrize("data", [[1, 2], [1.5], 3, np.array([1.0, 2.0]), [[True]]], ids=repr)
def test_new_tensor_has_the_dtype_of_the_tensor(data, device):
    results = [
        lib.ones(1, dtype=lib.float64, device=place).new_tensor(data)
        for lib, place in ((gpudl, device), (torch, "cpu"))
    ]
    assert_same(*results, "new_tensor")
    assert results[0].device is device
    assert gpudl.ones(1, dtype="int8").new_tensor(data, dtype="float32", requires_grad=True).requires_grad


def test_asarray_shares_copies_or_says_that_it_cannot(device):
    array = np.zeros(2, "float32")
    shared, copied = gpudl.asarray(array), gpudl.asarray(array, copy=True)
    array[0] = 1
    np.testing.assert_array_equal(host(shared), [1, 0])
    np.testing.assert_array_equal(host(copied), [0, 0])
    assert gpudl.asarray(array, copy=False).array.base is array
    for wrong in (lambda: gpudl.asarray(array, dtype="float64", copy=False), lambda: gpudl.asarray([1.0], copy=False)):
        with pytest.raises(ValueError, match="copy=None"):
            wrong()
    x = gpudl.ones(2, device=device, requires_grad=True)
    y = gpudl.asarray(x, device=device)
    assert not y.requires_grad
    y.fill_(4)
    np.testing.assert_array_equal(host(x), [4, 4])
    assert gpudl.asarray([1.0], requires_grad=True).requires_grad


def test_full_takes_the_numbers_of_tensors_and_numpy(device):
    for value in (lambda lib: lib.tensor(3), lambda lib: lib.tensor(2.5)):
        assert_same(gpudl.full((2,), value(gpudl)), torch.full((2,), value(torch)), "full")
    assert gpudl.full((2,), np.int64(3), device=device).dtype == np.int64


@pytest.mark.parametrize("name", ["zeros_like", "ones_like", "full_like", "new_full", "new_zeros", "new_ones"])
def test_likes_take_dtype_and_device_of_the_tensor(name, device):
    extra = {"full_like": (2,), "new_full": ((3,), 2), "new_zeros": (3,), "new_ones": ((3,),)}.get(name, ())
    for own in ("int32", "float16"):
        for dtype in (None, "float64"):
            results = []
            for lib in (gpudl, torch):
                x = lib.zeros((2, 2), dtype=getattr(lib, own), device=device if lib is gpudl else "cpu")
                settings = {} if dtype is None else {"dtype": getattr(lib, dtype)}
                owner = x if name.startswith("new") else lib
                args = extra if owner is x else (x, *extra)
                results.append(getattr(owner, name)(*args, **settings))
            assert_same(*results, f"{name} of {own} as {dtype}")
            assert results[0].device is device


ARANGES = [
    (5,), (5.0,), (0,), (-3,), (1, 4), (1, 4, 2), (4, 1, -1), (4, 0, -2), (1, 1), (0, 1, 0.25), (0, 1, 0.1), (1, 4, -1),
    (1, 4, 0), (0.5, 3.5), (2.5,), (0, 1e-3, 1e-4), (0, NAN), (0, INF), (2**40, 2**40 + 2), (-1.0, 1.0, 0.3), (True,),
]  # fmt: skip


@pytest.mark.parametrize("args", ARANGES, ids=repr)
def test_arange(args, device):
    for dtype in (None, "int64", "float64", "float16", "uint8"):
        if dtype == "uint8" and any(not 0 <= a <= 255 for a in args):
            continue
        got, want = both("arange", *args, device=device, dtype=dtype)
        assert_same(got, want, f"arange{args} {dtype}")


def test_arange_takes_tensors_numpy_and_names():
    np.testing.assert_array_equal(host(gpudl.arange(gpudl.tensor(3))), [0, 1, 2])
    assert gpudl.arange(np.int64(3)).dtype == np.int64
    np.testing.assert_array_equal(host(gpudl.arange(start=1, end=4, step=2)), [1, 3])


@pytest.mark.parametrize("args", [(3,), (2, 3), (3, 2), (0,), (0, 2), (-1,), (2, -1)], ids=repr)
def test_eye(args, device):
    for dtype in (None, "int64", "bool"):
        got, want = both("eye", *args, device=device, dtype=dtype)
        assert_same(got, want, f"eye{args} {dtype}")


@pytest.mark.parametrize("name", ["tensor", "zeros", "ones", "full", "arange", "eye", "rand", "randn", "zeros_like"])
def test_requires_grad(name, device):
    args = {"tensor": ([1.0],), "full": ((2,), 1.0), "arange": (3.0,), "zeros_like": (gpudl.ones(2, device=device),)}
    tensor = getattr(gpudl, name)(*args.get(name, (2,)), device=device, requires_grad=True)
    assert tensor.requires_grad
    assert tensor.is_leaf
    assert not gpudl.zeros_like(tensor).requires_grad
    if name not in ("rand", "randn"):
        with pytest.raises(RuntimeError, match="floating point"):
            getattr(gpudl, name)(*args.get(name, (2,)), dtype=gpudl.int64, device=device, requires_grad=True)


def test_devices_by_name():
    assert gpudl.zeros(1, device="cpu").device is gpudl.device("cpu")
    with pytest.raises(gpudl.DeviceError, match="'nope'"):
        gpudl.zeros(1, device="nope")
