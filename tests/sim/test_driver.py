"""The CUDA runtime and driver stand-in: devices, memory, copies, streams, events, launches, errors, counters."""

import ctypes
import os
import subprocess
import sys

import numpy as np
import pytest
from native_driver import (
    ANY,
    D2D,
    D2H,
    H2D,
    KERNEL_NAMES,
    ArrayArgument,
    attributes_of,
    build,
    fails,
    requires_driver,
)

pytestmark = requires_driver


def test_one_device_says_what_it_is(cuda):
    assert cuda.number("cudaGetDeviceCount") == 1
    assert [cuda.number("cudaDeviceGetAttribute", which, 0) for which in (75, 76, 10, 8)] == [8, 0, 32, 48 << 10]
    assert "device 1 of 1" in fails(cuda, 101, "cudaSetDevice", 1)
    name = ctypes.create_string_buffer(100)
    cuda.call("cuDeviceGetName", name, 100, 0)
    assert "emulated" in name.value.decode() and "CPU" in name.value.decode()
    for function in ("cudaGetDeviceProperties", "cudaGetDeviceProperties_v2"):
        properties = ctypes.create_string_buffer(4096)
        cuda.call(function, properties, 0)
        assert properties.value == name.value


@pytest.mark.parametrize("devices, code", [("0", 100), ("two", 3), ("-1", 3), ("99", 3)])
def test_a_number_of_devices_that_cannot_be_is_an_error(devices, code):
    program = "import ctypes, sys; print(ctypes.CDLL(sys.argv[1]).cudaGetDevice(ctypes.byref(ctypes.c_int())))"
    path = str(build() / "driver.so")
    done = subprocess.run(
        [sys.executable, "-c", program, path],
        env={**os.environ, "GPUDL_SIM_DEVICES": devices},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == str(code)


def test_memory_is_counted_and_limited(cuda):
    free, total = ctypes.c_size_t(), ctypes.c_size_t()

    def left():
        cuda.call("cudaMemGetInfo", ctypes.byref(free), ctypes.byref(total))
        return free.value

    before, counters = left(), cuda.counters()
    pointer = cuda.made("cudaMalloc", 1000)
    assert before - left() == 1000 and total.value == 256 << 20
    assert cuda.counted(counters) == {"allocations": 1}
    message = fails(cuda, 2, "cudaMalloc", ctypes.byref(ctypes.c_void_p()), 1 << 40)
    assert "GPUDL_SIM_MEMORY" in message
    cuda.call("cudaFree", pointer)
    assert left() == before
    assert "freed twice" in fails(cuda, 1, "cudaFree", pointer)
    cuda.call("cudaFree", 0)
    assert cuda.made("cudaMalloc", 0) == 0


def test_kinds_of_memory_are_told_apart(cuda):
    on_device, pinned, managed = (
        cuda.made("cudaMalloc", 64),
        cuda.made("cudaHostAlloc", 64, 0),
        cuda.made("cudaMallocManaged", 64, 1),
    )
    host = np.zeros(16, "f4")
    assert attributes_of(cuda, on_device + 63) == (2, 0, on_device + 63, None)
    assert attributes_of(cuda, pinned + 8) == (1, 0, pinned + 8, pinned + 8)
    assert attributes_of(cuda, managed) == (3, 0, managed, managed)
    assert attributes_of(cuda, host.ctypes.data) == (0, -2, None, host.ctypes.data)
    cuda.call("cudaHostRegister", host, host.nbytes, 0)
    assert attributes_of(cuda, host.ctypes.data + 4)[0] == 1
    assert cuda.status("cudaHostRegister", host, 8, 0) == 712
    cuda.call("cudaHostUnregister", host)
    assert cuda.status("cudaHostUnregister", host) == 713
    assert cuda.status("cudaFree", pinned) == 1 and cuda.status("cudaFreeHost", on_device) == 1
    for name, pointer in (("cudaFree", on_device), ("cudaFree", managed), ("cudaFreeHost", pinned)):
        cuda.call(name, pointer)
    assert attributes_of(cuda, on_device)[0] == 0 and attributes_of(cuda, pinned)[0] == 0


def test_copies_reach_their_targets_and_are_counted(cuda):
    values, back = np.arange(6, dtype="f4"), np.empty(6, "f4")
    first, second, pinned = cuda.made("cudaMalloc", 24), cuda.made("cudaMalloc", 24), cuda.made("cudaHostAlloc", 24, 0)
    before = cuda.counters()
    cuda.call("cudaMemcpy", first, values, 24, H2D)
    cuda.call("cudaMemcpy", second, first, 24, D2D)
    cuda.call("cudaMemcpy", back, second, 24, ANY)
    np.testing.assert_array_equal(back, values)
    counted = {"host_to_device": 1, "device_to_device": 1, "device_to_host": 1, "synchronizations": 2}
    assert cuda.counted(before) == {**counted, "bytes_host_to_device": 24, "bytes_device_to_host": 24}

    before = cuda.counters()
    cuda.call("cudaMemcpyAsync", pinned, second, 24, D2H, 0)  # waits for nothing
    assert cuda.counted(before) == {"device_to_host": 1, "bytes_device_to_host": 24}
    cuda.call("cudaMemcpyAsync", back, second, 24, D2H, 0)  # pageable
    assert cuda.counted(before)["synchronizations"] == 1


def test_copies_are_checked(cuda):
    host, pointer = np.zeros(4, "f4"), cuda.made("cudaMalloc", 16)
    assert "allocation of 16 bytes has 12 left" in fails(cuda, 1, "cudaMemcpy", pointer + 4, host, 16, H2D)
    assert "no live memory" in fails(cuda, 1, "cudaMemcpy", host, host, 16, D2H)
    assert "says host" in fails(cuda, 1, "cudaMemcpy", pointer, pointer, 16, H2D)
    assert "kind 7" in fails(cuda, 21, "cudaMemcpy", pointer, host, 16, 7)
    assert "has 15 left" in fails(cuda, 1, "cudaMemset", pointer + 1, 0, 16)
    cuda.call("cudaFree", pointer)
    assert "no live memory" in fails(cuda, 1, "cudaMemcpy", pointer, host, 16, H2D)


def test_copies_of_rows(cuda):
    values = np.arange(24, dtype="u1").reshape(4, 6)
    pointer = cuda.made("cudaMalloc", 4 * 8)
    cuda.call("cudaMemset", pointer, 255, 32)
    cuda.call("cudaMemcpy2D", pointer, 8, values, 6, 5, 4, H2D)
    cuda.call("cudaMemset2D", pointer + 8, 8, 7, 2, 2)
    expected = np.full((4, 8), 255, "u1")
    expected[:, :5] = values[:, :5]
    expected[1:3, :2] = 7
    np.testing.assert_array_equal(cuda.get(pointer, 32, "u1").reshape(4, 8), expected)
    assert "rows of 9 bytes at a pitch of 8" in fails(cuda, 12, "cudaMemcpy2D", pointer, 8, values, 9, 9, 1, H2D)
    assert "has 31 left" in fails(cuda, 1, "cudaMemcpy2D", pointer + 1, 8, values, 6, 6, 5, H2D)


def test_a_kernel_gets_its_arguments(cuda):
    pointer = cuda.array(np.arange(5))
    before = cuda.counters()
    cuda.scale_add(pointer, 2, 5)
    assert cuda.counted(before) == {"launches": 1}
    array = ArrayArgument(pointer, 5, b"x")
    assert cuda.launch_status("fill", array, ctypes.c_bool(True), ctypes.c_double(8)) == 0
    np.testing.assert_array_equal(cuda.get(pointer, 5), [1, 8, 8, 8, 8])
    # CuPy asks for what a name expression made by its number.
    assert cuda.function("2") and KERNEL_NAMES[2] == "wild"
    assert "no kernel 'other'" in fails(
        cuda, 500, "cuModuleGetFunction", ctypes.byref(ctypes.c_void_p()), cuda.module, b"other"
    )


def test_a_failed_kernel_is_reported_and_the_device_lives_on(cuda):
    pointer = cuda.array(np.zeros(4))
    assert cuda.launch_status("wild", ctypes.c_void_p(pointer), ctypes.c_long(4)) in (700, 719)
    assert "kernel 'wild'" in cuda.last_error()
    text = ctypes.c_char_p()
    cuda.call("cuGetErrorString", 700, ctypes.byref(text))
    assert text.value is not None and b"wild" in text.value
    cuda.scale_add(pointer, 1, 4)
    np.testing.assert_array_equal(cuda.get(pointer, 4), np.ones(4))


def test_memory_of_the_host_is_no_argument(cuda):
    host = np.zeros(4, "f4")
    assert cuda.launch_status("scale_add", ctypes.c_void_p(host.ctypes.data), ctypes.c_float(1), ctypes.c_int(4)) == 700
    assert "argument 0" in cuda.last_error() and "memory of the host" in cuda.last_error()
    pinned = cuda.made("cudaHostAlloc", 16, 0)
    cuda.scale_add(pinned, 0, 4)
    cuda.scale_add(0, 0, 0)
    cuda.scale_add(cuda.array(np.zeros(4)) + 16, 0, 0)  # an empty view behind the last element


@pytest.mark.parametrize(
    "shape, message",
    [
        ({"block": (1025, 1, 1)}, "1024 is the limit"),
        ({"block": (64, 32, 1)}, "a block of 2048 threads"),
        ({"block": (1, 1, 65)}, "64 is the limit"),
        ({"grid": (1, 65536, 1)}, "65535 is the limit"),
        ({"grid": (0, 1, 1)}, "size 0"),
        ({"shared": (48 << 10) + 1}, "MAX_DYNAMIC_SHARED_SIZE_BYTES"),
    ],
)
def test_limits_of_a_launch(cuda, shape, message):
    arguments = ctypes.c_void_p(0), ctypes.c_float(1), ctypes.c_int(0)
    assert cuda.launch_status("scale_add", *arguments, **shape) == 1
    assert message in cuda.last_error()


def test_more_shared_memory_on_demand(cuda):
    function = cuda.function("fill")
    assert cuda.number("cuFuncGetAttribute", 8, function) == 48 << 10
    cuda.call("cuFuncSetAttribute", function, 8, 100 << 10)
    pointer = cuda.array(np.zeros(2))
    arguments = ArrayArgument(pointer, 2, b"x"), ctypes.c_bool(False), ctypes.c_double(1)
    assert cuda.launch_status("fill", *arguments, shared=100 << 10) == 0
    assert cuda.status("cuFuncSetAttribute", function, 8, (163 << 10) + 1) == 1
    assert cuda.number("cuOccupancyMaxActiveBlocksPerMultiprocessor", function, 1024, 0) == 2
    assert cuda.number("cuOccupancyMaxActiveBlocksPerMultiprocessor", function, 256, 100 << 10) == 1


def test_a_variable_of_a_module_can_be_written(cuda):
    size = ctypes.c_size_t()
    address = ctypes.c_void_p()
    cuda.call("cuModuleGetGlobal", ctypes.byref(address), ctypes.byref(size), cuda.module, b"factors")
    assert size.value == 16
    cuda.call("cudaMemcpy", address.value + 8, np.array([50], "f4"), 4, H2D)
    pointer = cuda.array(np.zeros(1))
    assert cuda.launch_status("use_factor", ctypes.c_void_p(pointer), ctypes.c_int(2)) == 0
    assert cuda.get(pointer, 1)[0] == 50


def test_unloaded_modules_and_dead_handles_are_refused(cuda):
    module = cuda.made("cuModuleLoadData", b"token")
    function = cuda.made("cuModuleGetFunction", module, b"fill")
    cuda.call("cuModuleUnload", module)
    assert cuda.status("cuLaunchKernel", function, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0) == 400
    assert "machine code" in fails(cuda, 200, "cuModuleLoadData", ctypes.byref(ctypes.c_void_p()), b"\x7fELF")
    stream, event = cuda.stream(), cuda.made("cudaEventCreate")
    cuda.call("cudaStreamDestroy", stream)
    cuda.call("cudaEventDestroy", event)
    assert cuda.status("cudaStreamSynchronize", stream) == 400 and cuda.status("cudaEventRecord", event, 0) == 400
