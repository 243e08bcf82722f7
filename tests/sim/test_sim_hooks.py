"""Jumps written into a library that is loaded."""

from __future__ import annotations

import ctypes
import platform
from pathlib import Path

import pytest
from emulated import needs_sim

from gpudl.sim import hooks
from gpudl.sim.errors import SimError
from gpudl.sim.toolchain import compile_cpp

TEXT = """
static __attribute__((noinline, used, aligned(16))) int cudaOne(int x) { volatile int y = x; y += 1; y *= 3; return y; }
static __attribute__((noinline, used, aligned(16))) int cudaTwo(int x) { volatile int y = x; y += 2; y *= 5; return y; }
static __attribute__((noinline, used, aligned(16))) int cudart_other(int x) { volatile int y = x; return y + 1000; }
extern "C" int one(int x) { return cudaOne(x); }
extern "C" int two(int x) { return cudaTwo(x); }
extern "C" int other(int x) { return cudart_other(x); }
extern "C" void clear(char* low, char* high) { __builtin___clear_cache(low, high); }
"""


def build(folder: Path, text: str) -> Path:
    needs_sim()
    (folder / "hooked.cpp").write_text(text.replace("static", 'extern "C" __attribute__((visibility("hidden")))'))
    path = folder / "hooked.so"
    compile_cpp(["-O0", "-fPIC", "-shared", folder / "hooked.cpp", "-o", path])
    return path


def test_calls_go_where_the_jumps_lead(tmp_path: Path) -> None:
    path = build(tmp_path, TEXT)
    library = ctypes.CDLL(str(path))
    assert (library.one(1), library.two(1), library.other(1)) == (6, 15, 1001)
    found = hooks.runtime_functions(path)
    assert sorted(found) == ["cudaOne", "cudaTwo"]

    stand_in = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(lambda x: -x)
    target = ctypes.cast(stand_in, ctypes.c_void_p).value
    assert target
    hooks.overwrite(path, {"cudaOne": found["cudaOne"]}, {"cudaOne": target}, library.clear)
    assert (library.one(7), library.two(1), library.other(1)) == (-7, 15, 1001)
    low = hooks.base_of(path)
    maps = Path("/proc/self/maps").read_text().splitlines()
    rights = [line.split()[1] for line in maps if line.endswith(str(path)) and int(line.split("-")[0], 16) >= low]
    assert rights and not any("w" in each and "x" in each for each in rights)


def test_function_too_short_for_a_jump_is_refused(tmp_path: Path) -> None:
    text = TEXT.replace("volatile int y = x; y += 1; y *= 3; return y;", "__builtin_unreachable();").replace(
        ", aligned(16)", ""
    )
    with pytest.raises(SimError, match="cudaOne in hooked.so of CuPy is too short for a jump"):
        hooks.runtime_functions(build(tmp_path, text))


def test_module_without_the_runtime_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SimError, match="works with the wheels cupy-cuda12x and cupy-cuda13x"):
        hooks.runtime_functions(build(tmp_path, "static int f() { return 1; }"))


def test_module_that_is_not_loaded_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SimError, match="is not loaded"):
        hooks.base_of(build(tmp_path, TEXT))


def test_jumps_of_both_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    assert hooks.jump(0x1122334455667788).hex() == "ff25000000008877665544332211"
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert hooks.jump(0x1122334455667788).hex() == "5000005800021fd68877665544332211"
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(SimError, match="riscv64"):
        hooks.jump(0)
