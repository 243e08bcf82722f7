"""Device memory of the emulated device: its limit, its fill, its guards, and what it costs."""

import ctypes
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from native_runtime import KernelError, module, requires_compiler, runtime

pytestmark = requires_compiler

SOURCE = r"""
extern "C" __global__ void touch(char* x, long long i) { x[i] = 1; }
struct View { char* data; long long size; };
extern "C" __global__ void touch_view(View x) { x.data[x.size] = 1; }
"""
KERNELS = ("touch", "touch_view")


class View(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("size", ctypes.c_longlong)]


@pytest.mark.parametrize("size", [1, 2, 15, 16, 48, 100, 4096, 65536, 100000, 20 << 20])
def test_an_array_is_filled_aligned_and_ends_at_its_guard(size):
    x = runtime().empty(size, "u1")
    assert (x.get() == 0xFF).all()
    alignment = min(256, max(16, size & -size))
    assert x.pointer % alignment == 0
    compiled = module(SOURCE, KERNELS)
    compiled.launch("touch", 1, 1, x, size - 1)
    for outside in (size, -1):
        with pytest.raises(KernelError):
            compiled.launch("touch", 1, 1, x, outside)
    checked = module(SOURCE, KERNELS, checked=True)
    for outside in (size, -1):
        with pytest.raises(KernelError, match=f"an allocation of {size} bytes"):
            checked.launch("touch", 1, 1, x, outside)


def test_memory_used_is_counted_and_limited():
    library = runtime().library
    total, used = library.sim_memory_total(), library.sim_memory_used()
    x = runtime().empty(1000, "u1")
    assert library.sim_memory_used() == used + 1000
    library.sim_memory_set_total(used + 2000)
    try:
        assert not library.sim_malloc(1001)
        assert library.sim_memory_peak() >= used + 1000
        library.sim_free(library.sim_malloc(1000))
        assert library.sim_memory_peak() >= used + 2000
        library.sim_memory_reset_peak()
        assert library.sim_memory_peak() == used + 1000
    finally:
        library.sim_memory_set_total(total)
    x.free()
    x.pointer = None
    assert library.sim_memory_used() == used


def test_an_allocation_is_found_by_any_address_in_it():
    x = runtime().empty(1000, "u1")
    start, size = ctypes.c_void_p(), ctypes.c_size_t()
    find = runtime().library.sim_allocation
    for offset in (0, 1, 999):
        assert find(x.pointer + offset, ctypes.byref(start), ctypes.byref(size)) == 0
        assert (start.value, size.value) == (x.pointer, 1000)
    assert find(x.pointer + 1000, ctypes.byref(start), ctypes.byref(size)) == -1
    assert find(x.pointer - 1, ctypes.byref(start), ctypes.byref(size)) == -1


def test_only_the_start_of_an_allocation_can_be_freed_and_only_once():
    free = runtime().library.sim_free
    pointer = runtime().library.sim_malloc(100)
    assert free(pointer + 16) == -1
    assert free(pointer) == 0
    assert free(pointer) == -1
    assert free(None) == -1


def test_freed_memory_is_not_used_again_at_once_and_is_filled_anew():
    library, seen = runtime().library, set()
    for _ in range(12):
        x = runtime().array(np.zeros(500, "u1"))
        assert x.pointer not in seen
        seen.add(x.pointer)
    for _ in range(40):
        x = runtime().empty(500, "u1")
        assert (x.get() == 0xFF).all()
        x.set(np.zeros(500, "u1"))
    assert library.sim_memory_used() >= 500


def test_pointers_in_structs_are_looked_at_before_and_after_a_launch():
    compiled = module(SOURCE, KERNELS)
    x = runtime().empty(100, "u1")
    compiled.launch("touch_view", 1, 1, View(x.pointer, 99))
    with pytest.raises(KernelError, match=r"wrote 1 byte\(s\) past the end of an allocation of 100 bytes"):
        compiled.launch("touch_view", 1, 1, View(x.pointer, 100))
    compiled.launch("touch_view", 1, 1, View(x.pointer, 99))
    pointer = x.pointer
    x.free()
    x.pointer = None
    with pytest.raises(KernelError, match="parameter 1 points into an allocation of 100 bytes that is freed"):
        compiled.launch("touch_view", 1, 1, View(pointer, 99))


def test_thousands_of_arrays_may_live_beyond_what_the_system_maps():
    """In a process of its own: those beyond the limit have no guard pages, and what is freed is used again."""
    here = Path(__file__).parent
    code = (
        f"import sys; sys.path.insert(0, {str(here)!r}); import test_runtime_memory as t; t.keep_thousands_of_arrays()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


def keep_thousands_of_arrays():
    library = runtime().library
    pointers = [library.sim_malloc(64) for _ in range(40000)]  # needs more mappings than Linux gives a process
    try:
        assert all(pointers) and len(set(pointers)) == 40000
        compiled = module(SOURCE, KERNELS, checked=True)
        with pytest.raises(KernelError, match="an allocation of 64 bytes"):
            compiled.launch("touch", 1, 1, pointers[-1], 64)
        compiled.launch("touch", 1, 1, pointers[-1], 63)
    finally:
        for pointer in pointers:
            assert library.sim_free(pointer) == 0
