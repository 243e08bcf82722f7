"""Every body of every kernel agrees with its reference: on the device, in each dtype, whatever the memory order.

A kernel has an entry in EXAMPLES of an examples_*.py file: a function of `arrays` that gives the argument lists to
try. `arrays(shape, low, high)` makes floating point arguments of the dtype under test. A kernel without an
entry fails a test.
"""

import importlib
import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from cases import FLOATS, INTEGERS
from tolerances import assert_close

import gpudl.amp
import gpudl.nn
import gpudl.optim
from gpudl.backend.arrays import quiet
from gpudl.backend.device import to_host, transfer
from gpudl.backend.kernel import KERNELS
from gpudl.compare.tolerances import tolerance

EXAMPLES: dict[str, Callable] = {}
DTYPES: dict[str, tuple[str, ...]] = {}
for path in sorted(Path(__file__).parent.glob("examples_*.py")):
    module = importlib.import_module(path.stem)
    EXAMPLES |= module.EXAMPLES
    DTYPES |= getattr(module, "DTYPES", {})

ORDERS = {
    "C": lambda x: x.copy("C"),
    "F": lambda x: x.copy("F"),
    "strided": lambda x: np.repeat(x, 2, axis=-1)[..., ::2] if x.ndim else x,
}


@pytest.mark.parametrize("name", KERNELS)
def test_each_kernel_has_examples(name):
    assert name in EXAMPLES, f"add examples for kernel {name} to {__name__}.EXAMPLES"


def test_examples_are_of_kernels_that_exist():
    assert set(EXAMPLES) <= set(KERNELS)


def maker(dtype, seed=0):
    rng = np.random.default_rng(seed)
    return lambda shape, low=-2.0, high=2.0: np.asarray(rng.uniform(low, high, shape)).astype(dtype)


def run(body, args, place, order=np.array):
    """What a body gives and what it leaves in its arguments, as NumPy arrays, for copies of the arguments on a device.

    The copies are laid out by `order` where the device keeps that.
    """

    def moved(arg):
        if isinstance(arg, np.ndarray):
            return transfer(order(arg.copy()), place)
        return type(arg)(*map(moved, arg)) if hasattr(arg, "_fields") else arg

    there = [moved(arg) for arg in args]
    with quiet():
        result = body(*there)
    results = result if isinstance(result, tuple) else (result,)
    arrays = [np.asarray(each) if isinstance(each, np.generic) else each for each in results]
    return [None if each is None else to_host(each) for each in arrays], [
        to_host(arg) for arg in there if hasattr(arg, "dtype")
    ]


@pytest.mark.parametrize(("name", "dtype"), [(name, dtype) for name in EXAMPLES for dtype in DTYPES.get(name, FLOATS)])
def test_bodies_agree_with_the_reference(name, dtype, device):
    kernel = KERNELS[name]
    host = gpudl.device("cpu")
    for number, args in enumerate(EXAMPLES[name](maker(dtype))):
        exact_args = [x.astype("float64") if isinstance(x, np.ndarray) and x.dtype.kind == "f" else x for x in args]
        exact, exact_left = run(kernel.reference, exact_args, host)
        given = [arg for arg in args if isinstance(arg, np.ndarray)]
        variants = {body.__name__: body for body in kernel.variants(transfer(given[0], device))}
        # Elsewhere than on the CPU a reference beside a body of its own is CuPy's work, and never runs.
        bodies = {"dispatched": kernel, **(variants if device.type == "cpu" else {})}
        for (label, body), (order, laid_out) in itertools.product(bodies.items(), ORDERS.items()):
            where = f"{name} {dtype}, body {label}, example {number}, order {order}"
            in_steps = (body is kernel.reference or len(variants) == 1) and (dtype == "float16" or order == "F")
            results, left = run(body, args, device, laid_out)
            assert len(results) == len(exact), where
            for place, (got, want) in enumerate(zip(results, exact)):
                if got is not None and want is not None:
                    check(got, want, name, dtype, where, in_steps)
                else:  # what a forward keeps, a body may leave to its backward to compute again
                    assert got is want or (place and got is None), where
            for got, want, before in zip(left, exact_left, given):
                if name.endswith("_"):
                    check(got, want, name, dtype, f"{where}: an argument afterwards", in_steps)
                else:
                    np.testing.assert_array_equal(got, before, f"{where}: an argument was changed")


def check(got, want, name, dtype, label, in_steps=False):
    """A kernel's result lies within what gpudl/PARITY.md promises.

    Floating point results have the dtype under test, though what a forward keeps for its backward may be wider.
    `in_steps`: by a reference body, which rounds half floats after each of its steps, where operations give it
    float32; and for which NumPy adds up rows in Fortran's order one number after the other.
    """
    limit = 0.0
    if want.dtype.kind == "f":
        assert got.dtype == dtype or (dtype == "float16" and got.dtype == "float32"), f"{label}: dtype {got.dtype}"
        want = want.astype(got.dtype)
        got, want, limit = got.astype(dtype), want.astype(dtype), tolerance(name, dtype)
        limit *= 4 if in_steps else 1
    assert_close(got, want, label, limit=limit)


def test_there_are_optimized_bodies_to_compare():
    assert any(kernel.bodies for kernel in KERNELS.values())


def test_a_wrong_body_is_caught(device):
    name = "cross_entropy_forward"
    kernel = KERNELS[name]
    arrays = maker("float32")
    args = next(iter(EXAMPLES[name](arrays)))
    (losses, *_), _ = run(kernel.reference, args, device)
    with pytest.raises(AssertionError):
        check(losses * np.float32(1.00001), losses, name, "float32", "a constant")
    with pytest.raises(AssertionError):
        check(losses.astype("float64"), losses, name, "float32", "a dtype")


@pytest.mark.parametrize("dtype", INTEGERS)
def test_labels_out_of_range_are_found_in_every_dtype(dtype):
    kernel = KERNELS["check_classes"]
    assert kernel(np.array([0, 3], dtype), 4, -100) is None
    for bad in (4, -1) if dtype != "uint8" else (4, 255):
        with pytest.raises(IndexError, match=str(bad)):
            kernel(np.array([0, bad], dtype), 4, -100)
