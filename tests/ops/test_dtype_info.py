"""Questions about element types, answered as PyTorch answers them; and casts to bfloat16."""

import numpy as np
import pytest
from cases import FLOATS, INTEGERS
from oracle import Raised, assert_same, host, outcome, torch

import gpudl

ALL = ("bool", *INTEGERS, "bfloat16", *FLOATS)


@pytest.mark.parametrize("name", [*FLOATS, "bfloat16", None])
def test_finfo(name):
    mine = gpudl.finfo() if name is None else gpudl.finfo(getattr(gpudl, name))
    other = torch.finfo() if name is None else torch.finfo(getattr(torch, name))
    for attribute in ("bits", "dtype", "eps", "max", "min", "resolution", "smallest_normal", "tiny"):
        assert getattr(mine, attribute) == getattr(other, attribute), attribute
    assert f"{mine.max:g}" in repr(mine)
    assert "eps=" in repr(mine)


@pytest.mark.parametrize("name", INTEGERS)
def test_iinfo(name):
    mine, other = gpudl.iinfo(getattr(gpudl, name)), torch.iinfo(getattr(torch, name))
    for attribute in ("bits", "dtype", "max", "min"):
        assert getattr(mine, attribute) == getattr(other, attribute), attribute
    assert repr(mine) == f"iinfo(min={other.min}, max={other.max}, dtype={name})"


def test_limits_of_the_wrong_kind_name_the_other_function():
    with pytest.raises(TypeError, match="iinfo"):
        gpudl.finfo(gpudl.int8)
    with pytest.raises(TypeError, match="finfo"):
        gpudl.iinfo(gpudl.float32)
    with pytest.raises(TypeError, match="bool"):
        gpudl.iinfo(gpudl.bool)


@pytest.mark.parametrize("a", ALL)
@pytest.mark.parametrize("b", ALL)
def test_can_cast_and_promote_types(a, b):
    assert gpudl.can_cast(getattr(gpudl, a), getattr(gpudl, b)) is torch.can_cast(getattr(torch, a), getattr(torch, b))
    mine = gpudl.promote_types(getattr(gpudl, a), getattr(gpudl, b))
    assert f"torch.{mine.name}" == str(torch.promote_types(getattr(torch, a), getattr(torch, b)))


def test_is_tensor_and_its_kin(device):
    assert gpudl.is_tensor(gpudl.ones(1, device=device))
    assert not gpudl.is_tensor(np.ones(1))
    for name in ALL:
        x, y = gpudl.ones(1, dtype=getattr(gpudl, name), device=device), torch.ones(1, dtype=getattr(torch, name))
        assert gpudl.is_floating_point(x) is torch.is_floating_point(y)
        assert x.is_signed() is y.is_signed()
    with pytest.raises(TypeError, match="ndarray"):
        gpudl.is_floating_point(np.ones(1))


def test_type_names_and_casts(device):
    x = gpudl.ones(2, device=device)
    assert x.type() == "gpudl.float32"
    assert x.type("float64").dtype == x.type(gpudl.float64).dtype == gpudl.float64
    assert x.type(x.type()) is x
    assert x.get_device() == (-1 if device.index is None else device.index)


def test_bfloat16_is_rounded_and_differentiated_as_in_torch(device):
    values = np.array([1.0, 1.00390625, 1.01171875, 3e38, np.inf, np.nan, 1e-40, -2.7182818], "float32")
    x, y = gpudl.tensor(values, device=device, requires_grad=True), torch.tensor(values, requires_grad=True)
    assert_same(x.bfloat16(), y.bfloat16(), "bfloat16")
    (x.bfloat16() * 3).float().sum().backward()
    (y.bfloat16() * 3).float().sum().backward()
    assert_same(x.grad, y.grad, "gradient through bfloat16")


@pytest.mark.parametrize(
    "make",
    [
        lambda lib: lib.tensor([1.0, 2.5], dtype=lib.bfloat16),
        lambda lib: lib.tensor([[1, 2], [3, 4]], dtype=lib.bfloat16),
        lambda lib: lib.zeros(2, dtype=lib.bfloat16),
        lambda lib: lib.full((2,), 1e3, dtype=lib.bfloat16),
        lambda lib: lib.full((2,), 4e38, dtype=lib.bfloat16),
        lambda lib: lib.arange(5, dtype=lib.bfloat16),
        lambda lib: lib.arange(0, 1, 0.1, dtype=lib.bfloat16),
        lambda lib: lib.linspace(0, 1, 5, dtype=lib.bfloat16),
        lambda lib: lib.eye(2, dtype=lib.bfloat16),
        lambda lib: lib.ones(2, dtype=lib.bfloat16).tolist(),
        lambda lib: lib.tensor(2.5, dtype=lib.bfloat16).item(),
        lambda lib: lib.hann_window(8, dtype=lib.bfloat16),
    ],
)
def test_bfloat16_tensors_are_made_as_others(make):
    got, want = outcome(make, gpudl), outcome(make, torch)
    assert_same(got, want, "bfloat16")


def test_bfloat16_arrays_and_text(device):
    array = np.array([1.0, 2.5]).astype(gpudl.bfloat16)
    shared = gpudl.from_numpy(array)
    shared[0] = 7
    assert array[0] == 7
    assert gpudl.tensor(array, device=device).dtype == gpudl.bfloat16
    assert repr(gpudl.tensor([0.1, 2.5], dtype=gpudl.bfloat16)) == "tensor([0.1001, 2.5   ], dtype=bfloat16)"
    for drawn in (gpudl.rand(100, dtype=gpudl.bfloat16, device=device), gpudl.randn(3, dtype="bfloat16")):
        assert drawn.dtype == gpudl.bfloat16
        assert np.isfinite(host(drawn).astype("float32")).all()
    assert not isinstance(outcome(gpudl.rand, 3, dtype=gpudl.bfloat16), Raised)
    assert host(gpudl.rand(100_000, dtype=gpudl.bfloat16)).astype("float32").max() < 1
