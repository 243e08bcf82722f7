"""Arrays on a device to and from other libraries, without a copy; for the CPU see tests/ops/test_interchange.py."""

import numpy as np
import pytest

import gpudl
from gpudl.backend import device
from tests.backend.emulated import has_gpu

torch = pytest.importorskip("torch")


@pytest.fixture
def cupy(place):
    """CuPy on the device, in use."""
    gpudl.ones(1, device=place)
    return device.require(place).namespace


def test_the_device_is_told(place):
    assert gpudl.ones(1).__dlpack_device__() == (1, 0)
    assert gpudl.ones(1, device=place).__dlpack_device__() == (2, 0)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "int64", "bool"])
def test_cupy_shares_memory_both_ways(place, cupy, dtype):
    x = gpudl.zeros(2, 3, dtype=dtype, device=place)
    there = cupy.from_dlpack(x)
    there[1, 2] = 1
    assert x[1, 2].item() == 1
    back = gpudl.from_dlpack(there.T)
    back[0, 0] = 1
    assert x[0, 0].item() == 1 and back.device is place and back.shape == (3, 2) and back.dtype == x.dtype


def test_cupy_arrays_become_tensors_without_a_copy(place, cupy):
    values = cupy.arange(4, dtype=np.float32)
    shared = gpudl.as_tensor(values)
    assert shared.device is place and shared.array.data.ptr == values.data.ptr and shared.array is not values
    assert gpudl.asarray(values, copy=False).array.data.ptr == values.data.ptr
    shared.requires_grad_().sum().backward()
    assert shared.grad.tolist() == [1] * 4
    copied = gpudl.tensor(values)
    assert copied.device is place and copied.array.data.ptr != values.data.ptr and copied.tolist() == [0, 1, 2, 3]
    assert gpudl.tensor(values, dtype="int64", device="cpu").tolist() == [0, 1, 2, 3]
    assert gpudl.as_tensor(values, device="cpu").device.type == "cpu"
    for change in ({"dtype": "float64"}, {"device": "cpu"}):
        with pytest.raises(ValueError, match="need a copy"):
            gpudl.asarray(values, copy=False, **change)
    with pytest.raises(TypeError, match="complex"):
        gpudl.as_tensor(cupy.ones(2, np.complex64))


def test_anything_with_the_cuda_array_interface_is_taken(place, cupy):
    class Foreign:
        def __init__(self, array):
            self.array = array
            self.__cuda_array_interface__ = array.__cuda_array_interface__

    values = cupy.arange(6, dtype=np.int32).reshape(2, 3)
    for make in (gpudl.as_tensor, gpudl.asarray):
        shared = make(Foreign(values))
        assert (
            shared.device is place and shared.array.data.ptr == values.data.ptr and shared.tolist() == values.tolist()
        )
    assert gpudl.tensor(Foreign(values)).array.data.ptr != values.data.ptr


def test_the_cuda_array_interface(place, cupy):
    x = gpudl.arange(6.0, device=place).reshape(2, 3)
    interface = x.__cuda_array_interface__
    assert interface["shape"] == (2, 3) and interface["data"] == (x.array.data.ptr, False)
    assert interface["typestr"] == "<f4" and interface["version"] == 3
    assert interface["stream"] == gpudl.cuda.current_stream(place).cuda_stream
    shared = cupy.asarray(x.T)
    shared[0, 1] = 9
    assert x[1, 0].item() == 9
    assert not hasattr(gpudl.ones(2), "__cuda_array_interface__")
    assert not hasattr(gpudl.ones(2, device=place, requires_grad=True), "__cuda_array_interface__")
    assert not hasattr(gpudl.ones(2, dtype="bfloat16", device=place), "__cuda_array_interface__")


def test_a_copy_on_the_cpu_can_be_asked_for(place):
    x = gpudl.arange(3.0, device=place)
    host = np.from_dlpack(x, device="cpu")
    assert host.tolist() == [0, 1, 2]


def test_from_dlpack_moves_where_asked(place, cupy):
    moved = gpudl.from_dlpack(torch.ones(2), device=place)
    assert moved.device is place and moved.tolist() == [1, 1]
    with pytest.raises(ValueError, match=f"{place} needs a copy"):
        gpudl.from_dlpack(torch.ones(2), device=place, copy=False)


def test_export_is_ordered_with_the_reader_s_stream(place, cupy):
    x = gpudl.ones(3, device=place)
    stream = gpudl.cuda.Stream(place)
    with gpudl.cuda.stream(stream):
        assert cupy.from_dlpack(x).tolist() == [1, 1, 1]
        assert gpudl.from_dlpack(cupy.ones(2)).tolist() == [1, 1]


@pytest.mark.gpu
@pytest.mark.skipif(not has_gpu() or not torch.cuda.is_available(), reason="no GPU, or PyTorch without CUDA")
def test_torch_shares_memory_on_a_gpu(place):
    x = gpudl.zeros(2, 3, device=place)
    there = torch.from_dlpack(x)
    there[1, 2] = 1
    torch.cuda.synchronize()
    assert x[1, 2].item() == 1
    back = gpudl.from_dlpack(there.T)
    back[0, 0] = 1
    gpudl.cuda.synchronize()
    assert there[0, 0].item() == 1
    assert gpudl.as_tensor(there).tolist() == there.tolist()
