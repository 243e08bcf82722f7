"""Dispatch: which body runs for which arrays, and the registry."""

import numpy as np
import pytest

import gpudl
from gpudl.backend.arrays import xp_of
from gpudl.backend.kernel import KERNELS, kernel


@pytest.fixture
def traced():
    """A kernel that says which body ran."""

    @kernel
    def traced_body(x, y=None):
        """Doubles x."""
        ran.append("reference")
        return x * 2

    @traced_body.cpu("float32", "float64")
    def traced_body_cpu(x, y=None):
        ran.append("cpu")
        return x * 2

    @traced_body.cuda("float32")
    def traced_body_cuda(x, y=None):
        ran.append("cuda")
        return x * 2

    ran = []
    traced_body.ran = ran
    yield traced_body
    del KERNELS["traced_body"]


@pytest.mark.parametrize(
    ("arguments", "body"),
    [
        ((np.ones(2, "f4"),), "cpu"),
        ((np.ones(2, "f8"),), "cpu"),
        ((np.ones(2, "f2"),), "reference"),
        ((np.ones(2, "i8"),), "reference"),
        ((np.ones(2, "f4"), np.ones(2, "f4")), "cpu"),
        ((np.ones(2, "f4"), np.ones(2, "f8")), "reference"),
        ((np.ones(2, "f4"), np.ones(2, "i8")), "cpu"),
        ((np.ones(2, "f4"), np.ones(2, "?")), "cpu"),
        ((np.ones(2, "f4"), None), "cpu"),
        ((np.ones(2, "f4"), 3.0), "cpu"),
        ((np.float32(1),), "reference"),
    ],
)
def test_the_body_is_chosen_by_array_type_and_dtype(traced, arguments, body):
    traced(*arguments)
    assert traced.ran == [body]


def test_tensors_take_the_reference_and_record(traced):
    x = gpudl.ones(2, requires_grad=True)
    y = traced(x)
    assert traced.ran == ["reference"] and y.requires_grad


def test_a_kernel_without_optimized_bodies_runs_its_reference():
    @kernel
    def bare(x):
        return x + 1

    try:
        assert bare(np.zeros(1)).tolist() == [1]
    finally:
        del KERNELS["bare"]


def test_a_kernel_of_ones_own_may_be_made_again_but_none_of_gpudl():
    def twice(x):
        return x + 1

    try:
        first, second = kernel(twice), kernel(twice)
        assert KERNELS["twice"] is second is not first
    finally:
        del KERNELS["twice"]
    twice.__name__ = "relu_forward"
    relu = KERNELS["relu_forward"]
    with pytest.raises(ValueError, match="kernel named 'relu_forward' already"):
        kernel(twice)
    assert KERNELS["relu_forward"] is relu


def test_variants_name_the_bodies_that_may_run(traced):
    assert len(list(traced.variants(np.ones(1, "f4")))) == 2
    assert list(traced.variants(np.ones(1, "f2"))) == [traced.reference]


def test_registry_and_names(traced):
    assert KERNELS["traced_body"] is traced and traced.__doc__ == "Doubles x."
    assert repr(traced) == "<kernel traced_body: reference, cpu float32, cpu float64, cuda float32>"
    with pytest.raises(TypeError, match="float33"):
        traced.cpu("float33")(traced.reference)


def test_namespaces():
    assert xp_of(np.ones(1)) is np and xp_of(np.float32(1)) is np and xp_of(gpudl.ones(1)) is gpudl
    assert xp_of(gpudl.nn.Parameter(gpudl.ones(1))) is gpudl
    with pytest.raises(TypeError, match="list"):
        xp_of([1])


def test_floating_point_warnings_are_silenced_and_come_back():
    with np.errstate(all="raise"):
        y = gpudl.zeros(1, requires_grad=True).log()
        (1 / y).sum().backward()
        with pytest.raises(FloatingPointError):
            np.zeros(1) / np.zeros(1)
        with pytest.raises(gpudl.ShapeError):
            gpudl.zeros(2) + gpudl.zeros(3)
        with pytest.raises(FloatingPointError):
            np.zeros(1) / np.zeros(1)
