"""Element types and their promotion, against PyTorch."""

import itertools

import numpy as np
import pytest

import gpudl
from gpudl.backend.dtypes import dtype_of, promote_types

NAMES = ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64"]


@pytest.mark.parametrize(("a", "b"), list(itertools.product(NAMES, NAMES)))
def test_promotion_equals_pytorch(a, b):
    torch = pytest.importorskip("torch")
    expected = torch.promote_types(getattr(torch, a), getattr(torch, b))
    assert f"torch.{promote_types(dtype_of(a), dtype_of(b))}" == str(expected)


def test_names_of_dtypes():
    assert dtype_of("float32") is gpudl.float32 and dtype_of(np.float32) is gpudl.float32
    assert dtype_of(float) is gpudl.float64 and dtype_of(int) is gpudl.int64 and dtype_of(bool) == np.bool_
    assert dtype_of("long") is gpudl.int64 and gpudl.float is gpudl.float32 and gpudl.double is gpudl.float64
    assert dtype_of(np.dtype("<f4")) is gpudl.float32


@pytest.mark.parametrize("wrong", ["float33", complex, np.complex64, object, "S3", None, 3, np.dtype(">f4"), np.uint16])
def test_what_is_no_element_type_is_refused(wrong):
    with pytest.raises(TypeError, match="not an element type"):
        dtype_of(wrong)


def test_the_default_dtype_can_be_changed():
    try:
        gpudl.set_default_dtype(gpudl.float64)
        assert gpudl.tensor([1.0]).dtype == gpudl.float64 and gpudl.zeros(1).dtype == gpudl.float64
        assert (gpudl.tensor([1]) / 2).dtype == gpudl.float64
    finally:
        gpudl.set_default_dtype(gpudl.float32)
    with pytest.raises(TypeError, match="int64"):
        gpudl.set_default_dtype(gpudl.int64)
    assert gpudl.get_default_dtype() is gpudl.float32
