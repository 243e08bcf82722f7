"""Arrays to and from other libraries on the CPU, without a copy; for GPUs see tests/backend/test_dlpack_cuda.py."""

import numpy as np
import pytest

import gpudl

torch = pytest.importorskip("torch")


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int64", "int32", "uint8", "bool"])
def test_torch_shares_memory_on_the_cpu(dtype):
    x = gpudl.tensor([[0, 1, 2], [3, 4, 5]], dtype=dtype)
    there = torch.from_dlpack(x)
    there[1, 2] = 1
    assert x[1, 2].item() == 1 and str(there.dtype) == f"torch.{dtype}"
    back = gpudl.from_dlpack(there.T)
    back[0, 0] = 1
    assert x[0, 0].item() == 1 and back.shape == (3, 2) and back.dtype == x.dtype


def test_numpy_shares_memory():
    x = gpudl.ones(3)
    np.from_dlpack(x)[0] = 5
    assert x[0].item() == 5
    values = np.zeros(2)
    gpudl.from_dlpack(values)[1] = 4
    assert values[1] == 4


def test_jax_shares_memory():
    jax = pytest.importorskip("jax")
    assert jax.dlpack.from_dlpack(gpudl.arange(3.0)).tolist() == [0, 1, 2]
    assert gpudl.from_dlpack(jax.numpy.arange(3)).tolist() == [0, 1, 2]


def test_a_copy_only_where_it_may_be():
    there = torch.zeros(2)
    gpudl.from_dlpack(there, copy=True)[0] = 1
    assert there[0] == 0
    x = gpudl.ones(2)
    gpudl.from_dlpack(x)[0] = 3
    gpudl.from_dlpack(x, copy=True)[1] = 3
    assert x.tolist() == [3, 1]
    assert gpudl.from_dlpack(there, device="cpu", copy=False).tolist() == [0, 0]


def test_what_cannot_be_exchanged():
    with pytest.raises(TypeError, match="__dlpack__.*got list"):
        gpudl.from_dlpack([1.0])
    with pytest.raises(BufferError, match="detach"):
        torch.from_dlpack(gpudl.ones(2, requires_grad=True))
    with pytest.raises(TypeError, match="complex"):
        gpudl.from_dlpack(torch.ones(2, dtype=torch.complex64))
    with pytest.raises(BufferError, match="no stream"):
        gpudl.ones(2).__dlpack__(stream=1)

    class Elsewhere:
        def __dlpack__(self):
            raise AssertionError

        def __dlpack_device__(self):
            return 8, 0

    with pytest.raises(BufferError, match="type 8"):
        gpudl.from_dlpack(Elsewhere())


def test_a_tensor_on_the_cpu_is_no_cuda_array_and_not_pinned():
    x = gpudl.ones(2)
    assert not hasattr(x, "__cuda_array_interface__") and not x.is_pinned()
    assert x.__dlpack_device__() == (1, 0) and gpudl.from_dlpack(x).equal(x)
    with pytest.raises((gpudl.DeviceError, TypeError)):
        x.pin_memory("cpu")


def test_an_array_that_is_read_only_stays_so():
    values = np.zeros(2)
    values.flags.writeable = False
    x = gpudl.from_dlpack(values)
    with pytest.raises(ValueError, match="read-only"):
        x.add_(1)
    assert x.tolist() == [0, 0]
