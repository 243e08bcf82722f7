"""Installing the emulated device, in processes of their own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from emulated import needs_sim, output, run

from gpudl.sim.toolchain import compile_cpp


@pytest.fixture(autouse=True)
def _sim() -> None:
    needs_sim()


def test_cupy_runs_after_install_and_again_is_nothing() -> None:
    program = """
import gpudl.sim
assert not gpudl.sim.installed()
gpudl.sim.install()
gpudl.sim.install()
assert gpudl.sim.installed()
import cupy
x = cupy.arange(5, dtype="float32")
print((x * 2 + 1).sum(), (x.reshape(1, 5) @ x).item())
"""
    assert output(program) == "25.0 30.0\n"


def test_import_neither_imports_cupy_nor_starts_a_compiler() -> None:
    program = """
import sys, subprocess
def refuse(*arguments, **options): raise AssertionError("a process was started")
subprocess.Popen.__init__ = refuse
import gpudl.sim
print([name for name in ("cupy", "cupy_backends", "cuda") if name in sys.modules])
"""
    assert output(program) == "[]\n"


def test_cupy_imported_before_is_refused() -> None:
    done = run("import cupy, gpudl.sim; gpudl.sim.install()")
    assert done.stderr.splitlines()[-1] == (
        "gpudl.sim.errors.SimError: CuPy was imported before gpudl.sim.install(), and has found no driver: "
        "import it afterwards"
    )


def test_real_driver_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.cpp").write_text('extern "C" int cuInit(unsigned) { return 0; }')
    compile_cpp(
        ["-shared", "-fPIC", "-Wl,-soname,libcuda.so.1", tmp_path / "a.cpp", "-o", tmp_path / "libcuda.so.550.1"]
    )
    done = run(
        f"import ctypes; ctypes.CDLL({str(tmp_path / 'libcuda.so.550.1')!r})\nimport gpudl.sim; gpudl.sim.install()"
    )
    assert "this process uses a real CUDA driver, and a process has either that or the sim device" in done.stderr


def test_wrong_setting_is_said() -> None:
    done = run("import gpudl.sim; gpudl.sim.install()", GPUDL_SIM_CHECK="no")
    assert done.stderr.splitlines()[-1] == "ValueError: GPUDL_SIM_CHECK=no: it must be fast or check"


def test_functions_without_a_stand_in_say_their_names() -> None:
    program = """
import gpudl.sim
gpudl.sim.install()
import cupy
try:
    cupy.cuda.runtime.createSurfaceObject(0)
except Exception as error:
    print(type(error).__name__)
"""
    done = run(program)
    assert done.stdout == "CUDARuntimeError\n" and "cudaCreateSurfaceObject is not emulated" in done.stderr


@pytest.mark.parametrize(
    ("call", "told"),
    [
        ("cupy.fft.fft(cupy.ones(4))", "cufft is not emulated on the sim device"),
        ("cupy.linalg.inv(cupy.eye(2))", "cusolver is not emulated on the sim device"),
        ("cupy.random.default_rng(1)", "cupy.random.default_rng runs machine code that is in CuPy only for GPUs"),
        ("cupy.random.Generator(None)", "cupy.random.Generator runs machine code that is in CuPy only for GPUs"),
        ("cupy.cuda.cub.device_reduce(None, 0, None)", "cupy.cuda.cub.device_reduce runs machine code"),
        ("import cupyx.scipy.sparse as s; s.csr_matrix(cupy.eye(2)) @ cupy.ones(2)", "cusparse is not emulated"),
    ],
)
def test_what_is_not_emulated_raises(call: str, told: str) -> None:
    done = run(f"import gpudl.sim; gpudl.sim.install()\nimport cupy; {call}")
    assert done.returncode and told in done.stderr.splitlines()[-1]


def test_folder_that_cannot_be_written_still_works(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    program = """
from gpudl.sim.module import compile_text
from gpudl.sim.libraries import load_runtime
load_runtime()
print(compile_text('extern "C" __global__ void k(float* x) { x[0] = 1; }').names)
"""
    done = run(program, GPUDL_SIM_CACHE=str(tmp_path / "file" / "cache"))
    assert done.stdout == "['k']\n" and done.stderr.count("cannot be written") == 1, done.stderr


def test_warm_install_is_quick() -> None:
    program = """
import time
start = time.process_time()
import gpudl.sim
gpudl.sim.install()
print(time.process_time() - start)
"""
    output(program)
    assert float(output(program)) < 1.5


def test_compiler_is_not_asked_twice_for_the_same_kernel(tmp_path: Path) -> None:
    """A wrapper counts how often the compiler runs."""
    real = shutil.which("g++")
    wrapper = tmp_path / "g++"
    wrapper.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\nexec {real} "$@"\n')
    wrapper.chmod(0o755)
    program = """
from gpudl.sim.module import compile_text
from gpudl.sim.libraries import load_runtime
load_runtime()
compile_text('extern "C" __global__ void k(float* x) { x[0] = 1; }')
"""
    output(program, CXX=str(wrapper), GPUDL_SIM_CACHE=str(tmp_path / "cache"))
    first = (tmp_path / "calls").read_text().splitlines()
    output(program, CXX=str(wrapper), GPUDL_SIM_CACHE=str(tmp_path / "cache"))
    more = (tmp_path / "calls").read_text().splitlines()[len(first) :]
    assert len(first) > 3 and more == ["--version"]
