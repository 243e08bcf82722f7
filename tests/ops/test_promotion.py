"""Element types of results, against PyTorch: every pair of dtypes, as tensors, 0-d tensors and Python numbers."""

import itertools
import operator

import numpy as np
import pytest
from cases import FLOATS, INTEGERS
from oracle import assert_same, ours, outcome, theirs, torch

import gpudl

DTYPES = ("bool", *INTEGERS, *FLOATS)
VALUES = {
    "bool": (True, False, True),
    **dict.fromkeys(INTEGERS, (3, 0, 1)),
    **dict.fromkeys(FLOATS, (0.5, 2.0, -1.5)),
}
NUMBERS = (True, 2, 1.5)
OPERATIONS = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": operator.truediv,
    "pow": operator.pow,
    "eq": operator.eq,
    "lt": operator.lt,
    "ge": operator.ge,
    "and": operator.and_,
    "maximum": lambda x, y: (torch if isinstance(x, torch.Tensor) else gpudl).maximum(x, y),
}


def forms(dtype, device):
    """(gpudl's, torch's) tensor of a dtype, with and without dimensions."""
    whole = np.array(VALUES[dtype], dtype)
    for array in (whole, whole[0].reshape(())):
        yield ours(array, device), theirs(array)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", OPERATIONS)
def test_two_tensors(name, dtype, device):
    function = OPERATIONS[name]
    for other in DTYPES:
        for (x, x_twin), (y, y_twin) in itertools.product(forms(dtype, device), forms(other, device)):
            label = f"{name} of {dtype} {x.shape} and {other} {y.shape}"
            assert_same(outcome(function, x, y), outcome(function, x_twin, y_twin), label)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", [name for name in OPERATIONS if name != "maximum"])
def test_a_tensor_and_a_number(name, dtype, device):
    function = OPERATIONS[name]
    for (x, twin), number in itertools.product(forms(dtype, device), NUMBERS):
        label = f"{name} of {dtype} {x.shape} and {number}"
        assert_same(outcome(function, x, number), outcome(function, twin, number), label)
        assert_same(outcome(function, number, x), outcome(function, number, twin), f"{label}, reversed")


@pytest.mark.parametrize("name", ["maximum", "minimum"])
def test_maximum_takes_numbers_too(name, device):
    for dtype, number in itertools.product(DTYPES, NUMBERS):
        ((x, twin), _) = forms(dtype, device)
        want = getattr(torch, name)(twin, torch.tensor(number))
        assert_same(getattr(gpudl, name)(x, number), want, f"{name} of {dtype} and {number}")
        assert_same(getattr(gpudl, name)(number, x), want, f"{name} of {number} and {dtype}")


@pytest.mark.parametrize("dtype", DTYPES)
def test_where(dtype, device):
    condition = np.array([True, False, True])
    c, c_twin = ours(condition, device), theirs(condition)
    operands = [*forms(dtype, device), *((number, number) for number in NUMBERS)]
    others = [pair for other in DTYPES for pair in forms(other, device)]
    for (x, x_twin), (y, y_twin) in itertools.product(operands, [*others, *((n, n) for n in NUMBERS)]):
        label = f"where of {x!r} and {y!r}"
        assert_same(outcome(gpudl.where, c, x, y), outcome(torch.where, c_twin, x_twin, y_twin), label)


def test_result_type(device):
    operands = [pair for dtype in DTYPES for pair in forms(dtype, device)]
    operands += [(number, number) for number in NUMBERS]
    for (x, x_twin), (y, y_twin) in itertools.product(operands, operands):
        want = str(torch.result_type(x_twin, y_twin)).removeprefix("torch.")
        assert gpudl.result_type(x, y).name == want, f"result_type of {x!r} and {y!r}"


def test_promote_types():
    for x, y in itertools.product(DTYPES, DTYPES):
        want = str(torch.promote_types(getattr(torch, x), getattr(torch, y))).removeprefix("torch.")
        assert gpudl.promote_types(getattr(gpudl, x), getattr(gpudl, y)).name == want, f"{x} and {y}"


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("number", [-1, 200, 300, -129, 2**15, 2**31, 2**40, 2**63 - 1, -(2**63)])
def test_numbers_beyond_the_range_of_an_integer_dtype_wrap(dtype, number, device):
    array = np.array([0, 1, 5, 127], dtype)
    x, twin = ours(array, device), theirs(array)
    for name in ("add", "mul", "sub", "eq", "lt", "ge", "and"):
        function = OPERATIONS[name]
        label = f"{name} of {dtype} and {number}"
        assert_same(outcome(function, x, number), outcome(function, twin, number), label)


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("number", [-1, -255, -256, 255, 256, 2**31, 2**63 - 1, 1.9, -0.5, 1e10, float("nan")])
def test_numbers_stored_as_an_integer_dtype_must_fit(dtype, number, device):
    array = np.array([0, 1, 5, 100], dtype)
    x, twin = ours(array, device), theirs(array)
    calls = {
        "full": lambda lib, t: lib.full((2,), number, dtype=getattr(lib, dtype)),
        "full_like": lambda lib, t: lib.full_like(t, number),
        "new_full": lambda lib, t: t.new_full((2,), number),
        "fill_": lambda lib, t: t.clone().fill_(number),
        "masked_fill": lambda lib, t: t.masked_fill(t > 1, number),
        "where": lambda lib, t: lib.where(t > 1, t, number),
        "clamp": lambda lib, t: lib.clamp(t, max=number),
        "pow": lambda lib, t: t**number if isinstance(number, int) else None,
    }
    for name, call in calls.items():
        got, want = outcome(call, gpudl, x), outcome(call, torch, twin)
        assert_same(got, want, f"{name} of {dtype} and {number}")


@pytest.mark.parametrize("number", [2**63, 2**70, -(2**64)])
def test_numbers_that_no_dtype_holds(number, device):
    x = ours(np.array([1, 2]), device)
    for function in (operator.add, operator.mul, operator.eq, operator.and_):
        with pytest.raises((RuntimeError, OverflowError)):
            function(x, number)
    with pytest.raises((RuntimeError, OverflowError)):
        gpudl.full((2,), number, dtype=gpudl.int64, device=device)


def test_bool_arithmetic(device):
    array = np.array([True, True, False])
    x, twin = ours(array, device), theirs(array)
    for name, function in {
        "x + x": lambda t: t + t,
        "x * x": lambda t: t * t,
        "x - x": lambda t: t - t,
        "x - 1": lambda t: t - 1,
        "1 - x": lambda t: 1 - t,
        "x - True": lambda t: t - True,
        "-x": lambda t: -t,
        "+x": lambda t: +t,
        "abs": abs,
        "~x": lambda t: ~t,
        "x / x": lambda t: t / t,
        "x ** x": lambda t: t**t,
        "x ** 2": lambda t: t**2,
        "sum": lambda t: t.sum(),
        "mean": lambda t: t.mean(),
        "max": lambda t: t.max(),
        "argmax": lambda t: t.argmax(),
        "matmul": lambda t: t @ t,
        "relu": lambda t: t.relu(),
        "clamp": lambda t: t.clamp(0, 1),
        "exp": lambda t: t.exp(),
        "x += x": lambda t: t.clone().add_(t),
        "x += 1": lambda t: t.clone().add_(1),
    }.items():
        assert_same(outcome(function, x), outcome(function, twin), name)


def test_floats_with_numbers_beyond_their_range(device):
    for dtype, number in itertools.product(("float32", "float64"), (1e300, -1e300, 1e40, float("inf"), float("nan"))):
        array = np.array([0.0, 1.0, -2.0], dtype)
        x, twin = ours(array, device), theirs(array)
        for name in ("add", "mul", "sub", "lt", "eq"):
            label = f"{name} of {dtype} and {number}"
            assert_same(OPERATIONS[name](x, number), OPERATIONS[name](twin, number), label)


def test_the_default_dtype_is_that_of_floats_and_of_divided_integers(device):
    x, twin = ours(np.array([1, 2]), device), theirs(np.array([1, 2]))
    try:
        for dtype in FLOATS:
            gpudl.set_default_dtype(getattr(gpudl, dtype))
            torch.set_default_dtype(getattr(torch, dtype))
            for name, call in {
                "x / 2": lambda t: t / 2,
                "x + 0.5": lambda t: t + 0.5,
                "sqrt": lambda t: t.sqrt(),
                "x > 1.5": lambda t: t > 1.5,
            }.items():
                assert_same(call(x), call(twin), f"{name} by default {dtype}")
            assert gpudl.zeros(1).dtype == gpudl.tensor([0.5]).dtype == np.dtype(dtype)
    finally:
        gpudl.set_default_dtype(gpudl.float32)
        torch.set_default_dtype(torch.float32)
