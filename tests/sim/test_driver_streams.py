"""The driver stand-in: streams, events, errors, pools, and two devices."""

import ctypes
import threading
from pathlib import Path

import numpy as np
from native_driver import (
    ArrayArgument,
    attributes_of,
    fails,
    missing,
    refused,
    requires_driver,
)

pytestmark = requires_driver


def test_streams_and_events(cuda):
    stream = cuda.made("cudaStreamCreateWithPriority", 1, -99)
    priority, flags = ctypes.c_int(), ctypes.c_uint()
    cuda.call("cudaStreamGetPriority", stream, ctypes.byref(priority))
    cuda.call("cudaStreamGetFlags", stream, ctypes.byref(flags))
    assert (priority.value, flags.value) == (-5, 1)
    start, end, plain = (cuda.made("cudaEventCreateWithFlags", flag) for flag in (0, 0, 2))
    elapsed = ctypes.c_float(-1)
    assert cuda.status("cudaEventElapsedTime", ctypes.byref(elapsed), start, end) == 400
    before = cuda.counters()
    for event in (start, plain, end):
        cuda.call("cudaEventRecord", event, stream)
    cuda.call("cudaEventElapsedTime", ctypes.byref(elapsed), start, end)
    assert 0 <= elapsed.value < 1000
    assert cuda.status("cudaEventElapsedTime", ctypes.byref(elapsed), start, plain) == 400
    cuda.call("cudaStreamWaitEvent", stream, end, 0)
    assert cuda.counted(before) == {}
    for name, handle in (("cudaStreamQuery", stream), ("cudaEventQuery", end), ("cudaEventSynchronize", end)):
        cuda.call(name, handle)
    cuda.call("cudaStreamSynchronize", stream)
    cuda.call("cudaDeviceSynchronize")
    assert cuda.counted(before) == {"synchronizations": 3}


def test_functions_of_the_host_run_in_the_stream(cuda):
    seen = []
    simple = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(seen.append)
    full = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)(lambda *all: seen.append(all[1:]))
    cuda.call("cudaLaunchHostFunc", 0, simple, 5)
    cuda.call("cudaStreamAddCallback", 0, full, 6, 0)
    assert seen == [5, (0, 6)]


def test_the_last_error_is_the_threads_own(cuda):
    cuda.status("cudaFree", 12345)
    other = []
    thread = threading.Thread(target=lambda: other.append(cuda.status("cudaGetLastError")))
    thread.start()
    thread.join()
    assert other == [0]
    assert cuda.status("cudaPeekAtLastError") == 1 and cuda.status("cudaGetLastError") == 1
    assert cuda.status("cudaGetLastError") == 0
    assert cuda.library.cudaGetErrorName(2) == b"cudaErrorMemoryAllocation"
    assert cuda.library.cudaGetErrorString(2) == b"out of memory"


def test_memory_pools_keep_accounts(cuda):
    pool, used = cuda.made("cudaDeviceGetDefaultMemPool", 0), ctypes.c_uint64()
    stream = cuda.stream()
    pointer = cuda.made("cudaMallocAsync", 500, stream)
    cuda.call("cudaMemPoolGetAttribute", pool, 7, ctypes.byref(used))
    assert used.value == 500
    cuda.call("cudaFreeAsync", pointer, stream)
    for attribute, expected in ((7, 0), (8, 500)):
        cuda.call("cudaMemPoolGetAttribute", pool, attribute, ctypes.byref(used))
        assert used.value == expected


def test_functions_by_name(cuda):
    found, status = ctypes.c_void_p(), ctypes.c_int(-1)
    cuda.call("cuGetProcAddress_v2", b"cuModuleGetGlobal", ctypes.byref(found), 12000, 0, ctypes.byref(status))
    assert found.value == ctypes.cast(cuda.library.cuModuleGetGlobal_v2, ctypes.c_void_p).value and status.value == 0
    assert cuda.status("cuGetProcAddress", b"cuNothing", ctypes.byref(found), 12000, 0) == 500


def test_devices_are_current_by_thread(two):
    two.call("cudaSetDevice", 1)
    seen = []
    thread = threading.Thread(target=lambda: seen.append(two.number("cudaGetDevice")))
    thread.start()
    thread.join()
    assert seen == [0] and two.number("cudaGetDevice") == 1
    context = two.made("cuCtxGetCurrent")
    two.call("cudaSetDevice", 0)
    assert two.made("cuCtxGetCurrent") != context
    two.call("cuCtxPushCurrent_v2", context)
    assert two.number("cuCtxGetDevice") == 1
    assert two.made("cuCtxPopCurrent_v2") == context and two.number("cudaGetDevice") == 0


def test_memory_belongs_to_a_device(two):
    two.call("cudaSetDevice", 1)
    far = two.array([1, 2])
    assert attributes_of(two, far)[1] == 1
    two.call("cudaSetDevice", 0)
    near = two.array([5, 6])
    assert "peer access" in refused(two.scale_add, far, 1, 2).args[0]
    array = ArrayArgument(far, 2, b"x")  # as CuPy passes its arrays
    assert two.launch_status("fill", array, ctypes.c_bool(False), ctypes.c_double(1)) == 700
    assert two.number("cudaDeviceCanAccessPeer", 0, 1) == 1
    two.call("cudaDeviceEnablePeerAccess", 1, 0)
    assert two.status("cudaDeviceEnablePeerAccess", 1, 0) == 704
    two.scale_add(far, 1, 2)
    two.call("cudaDeviceDisablePeerAccess", 1)
    assert two.status("cudaDeviceDisablePeerAccess", 1) == 705
    two.call("cudaMemcpyPeer", near, 0, far, 1, 8)
    np.testing.assert_array_equal(two.get(near, 2), [2, 3])
    assert "named" in fails(two, 1, "cudaMemcpyPeer", near, 1, far, 0, 8)


def test_streams_and_events_belong_to_a_device(two):
    stream, event = two.stream(), two.made("cudaEventCreate")
    two.call("cudaSetDevice", 1)
    far = two.array([1])
    assert refused(two.scale_add, far, 1, 1, stream).code == 400
    assert "an event of device 0" in fails(two, 400, "cudaEventRecord", event, two.stream())


def test_the_skip_names_what_is_missing(monkeypatch):
    import native_driver

    assert missing() is None
    monkeypatch.setattr(native_driver, "COMPILER", None)
    assert "NO C++ COMPILER" in str(missing())
    monkeypatch.setattr(native_driver, "COMPILER", "g++")
    monkeypatch.setattr(native_driver, "NATIVE", Path("nowhere"))
    assert "RUNTIME" in str(missing())
