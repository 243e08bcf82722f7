"""Builds the emulated device's driver and library stand-ins into one library of its own, and calls it by ctypes alone.

The product loads them under NVIDIA's names for the whole process. Here they stay private to the tests, so that tests of
the product may run in the same process.
"""

import ctypes
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np
import pytest

NATIVE = Path(__file__).resolve().parents[2] / "gpudl" / "sim" / "native"
COMPILER = os.environ.get("CXX") or shutil.which("g++")
FLAGS = ["-std=c++17", "-O2", "-fPIC", "-Wall", "-Wextra", "-Werror"]


def missing() -> str | None:
    if COMPILER is None:
        return "NO C++ COMPILER FOUND: the emulated device's driver is not tested (install g++ or set CXX)"
    if not list((NATIVE / "runtime").glob("*.cpp")):
        return "THE RUNTIME IS NOT HERE: the emulated device's driver is not tested (gpudl/sim/native/runtime)"
    return None


requires_driver = pytest.mark.skipif(missing() is not None, reason=str(missing()))

# Kernels as a compiled CUDA text has them; one thread does it all, so that they need nothing of the runtime.
KERNELS = """
#include <string.h>
#include <stdlib.h>
#define OPEN extern "C" __attribute__((visibility("default")))
extern "C" char __ehdr_start __attribute__((visibility("hidden")));
extern "C" char _end __attribute__((visibility("hidden")));
OPEN void sim_image(void** range) { range[0] = &__ehdr_start; range[1] = &_end; }
OPEN float factors[4] = {1, 2, 3, 4};

OPEN void sim_entry_0(void** a) {  // scale_add(float* x, float factor, int count)
  float* x = *(float**)a[0];
  for (int i = 0; i < *(int*)a[2]; ++i) x[i] = x[i] * *(float*)a[1] + 1;
}
OPEN void sim_signature_0(char* text) { strcpy(text, "Pf4,f4,i4,"); }

struct Array { float* data; long size; char flag; };
OPEN void sim_entry_1(void** a) {  // fill(Array x, bool odd, double value)
  Array x = *(Array*)a[0];
  for (long i = *(bool*)a[1]; i < x.size; ++i) x.data[i] = (float)*(double*)a[2];
}
OPEN void sim_signature_1(char* text) { strcpy(text, "V24,?1,f8,"); }

OPEN void sim_entry_2(void** a) {  // wild(float* x, long at)
  (*(volatile float**)a[0])[*(long*)a[1]] = 1;
}
OPEN void sim_signature_2(char* text) { strcpy(text, "Pf4,i8,"); }

OPEN void sim_entry_3(void** a) { **(float**)a[0] += factors[*(int*)a[1]]; }  // use_factor(float* x, int which)
OPEN void sim_signature_3(char* text) { strcpy(text, "Pf4,i4,"); }
"""
KERNEL_NAMES = ("scale_add", "fill", "wild", "use_factor")

H2D, D2H, D2D, ANY = 1, 2, 3, 4
GLOBAL, THREAD, RELAXED = 0, 1, 2
CAPTURE_UNSUPPORTED, INVALIDATED, MERGE, UNMATCHED, UNJOINED, ISOLATION, IMPLICIT, CAPTURED = range(900, 908)


class Counters(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_int64)
        for name in (
            *("launches", "host_to_device", "device_to_host", "device_to_device"),
            *("bytes_host_to_device", "bytes_device_to_host", "synchronizations", "allocations"),
            *("graph_launches", "library_calls"),
        )
    ]


class _Module(ctypes.Structure):
    _fields_ = [
        ("path", ctypes.c_char_p),
        ("low", ctypes.c_size_t),
        ("high", ctypes.c_size_t),
        ("flags", ctypes.c_int),
        ("variable_count", ctypes.c_int),
        ("variables", ctypes.c_void_p),
    ]


class _Options(ctypes.Structure):
    _fields_ = [("order", ctypes.c_int), ("seed", ctypes.c_uint), ("limit_ms", ctypes.c_int)]


class ArrayArgument(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("size", ctypes.c_long), ("flag", ctypes.c_char)]


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(" ".join(command) + "\n" + done.stderr[:4000])


@cache
def _built() -> Path | RuntimeError:
    try:
        return _build()
    except RuntimeError as error:  # kept, so that not every test compiles again
        return error


def build() -> Path:
    """The libraries, built once for all runs with the same sources; returns the folder that holds them."""
    built = _built()
    if isinstance(built, RuntimeError):
        raise RuntimeError(str(built))
    return built


def _build() -> Path:
    files = sorted(path for name in ("runtime", "driver", "language") for path in (NATIVE / name).glob("*.[ch]*"))
    content = b"".join(path.name.encode() + path.read_bytes() for path in files)
    name = hashlib.sha256(content + f"{COMPILER} {FLAGS} {KERNELS}".encode()).hexdigest()[:24]
    folder = Path(tempfile.gettempdir(), f"gpudl-sim-tests-{os.getuid()}", name)
    if folder.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=folder.parent))
    sources = [path for path in files if path.suffix == ".cpp"]
    (work / "kernels.cpp").write_text(KERNELS)

    def compile_one(path: Path) -> str:
        target = work / f"{path.parent.name}_{path.stem}.o"
        # The runtime is another part's; its warnings are not this test's matter.
        flags = FLAGS if path.parent.name == "driver" else ["-std=c++17", "-O2", "-fPIC", "-w"]
        _run([str(COMPILER), *flags, "-c", str(path), "-o", str(target)])
        return str(target)

    with ThreadPoolExecutor(2) as pool:
        objects = list(pool.map(compile_one, sources))
    bound = ["-shared", "-fPIC", "-Wl,-Bsymbolic"]  # to itself, whatever else the process has loaded
    _run([str(COMPILER), *bound, *objects, "-ldl", "-lpthread", "-o", str(work / "driver.so")])
    _run([str(COMPILER), "-O1", "-w", *bound, str(work / "kernels.cpp"), "-o", str(work / "kernels.so")])
    try:
        work.rename(folder)
    except OSError:  # another process was faster
        shutil.rmtree(work)
    return folder


class CudaError(Exception):
    def __init__(self, name: str, code: int, text: str):
        super().__init__(f"{name} gave {code}: {text}")
        self.code = code


def refused(function: Callable[..., object], *arguments: object) -> CudaError:
    """The error of a call that must fail."""
    with pytest.raises(CudaError) as caught:
        function(*arguments)
    return caught.value


class Driver:
    """One emulated driver. A call that fails raises CudaError, unless it is made by `status`."""

    def __init__(self, devices: int = 1):
        folder = build()
        # Copies of its own: a library's state is one for all that load the same file.
        with tempfile.TemporaryDirectory(prefix="sim-driver-") as copies:
            self.library = ctypes.CDLL(shutil.copy(folder / "driver.so", copies))
            kernels = ctypes.CDLL(shutil.copy(folder / "kernels.so", copies))
        self.library.sim_last_error.restype = ctypes.c_char_p
        self.library.cudaGetErrorName.restype = ctypes.c_char_p
        self.library.cudaGetErrorString.restype = ctypes.c_char_p
        self.library.sim_memory_set_total(ctypes.c_size_t(256 << 20))
        before = os.environ.get("GPUDL_SIM_DEVICES")
        os.environ["GPUDL_SIM_DEVICES"] = str(devices)  # read at the first call
        try:
            self.status("cudaGetDeviceCount", ctypes.byref(ctypes.c_int()))
        finally:
            del os.environ["GPUDL_SIM_DEVICES"]
            if before is not None:
                os.environ["GPUDL_SIM_DEVICES"] = before
        self.library.sim_set_options(ctypes.byref(_Options(0, 0, 20000)))
        image = (ctypes.c_size_t * 2)()
        kernels.sim_image(image)
        module = _Module(b"kernels.so", image[0], image[1], 0, 0, None)
        names = (ctypes.c_char_p * len(KERNEL_NAMES))(*(name.encode() for name in KERNEL_NAMES))
        handle = ctypes.c_void_p(kernels._handle)
        self.call("sim_register_module", b"token", handle, ctypes.byref(module), len(KERNEL_NAMES), names)
        self.module = self.made("cuModuleLoadData", b"token")

    def status(self, name: str, *arguments: object) -> int:
        return int(getattr(self.library, name)(*map(_argument, arguments)))

    def call(self, name: str, *arguments: object) -> None:
        code = self.status(name, *arguments)
        if code:
            raise CudaError(name, code, self.last_error())

    def last_error(self) -> str:
        return self.library.sim_last_error().decode()

    def made(self, name: str, *arguments: object) -> int:
        """What a function gives through its first argument."""
        out = ctypes.c_void_p()
        self.call(name, ctypes.byref(out), *arguments)
        return out.value or 0

    def number(self, name: str, *arguments: object) -> int:
        out = ctypes.c_int()
        self.call(name, ctypes.byref(out), *arguments)
        return out.value

    def array(self, value: object, dtype: str = "f4") -> int:
        value = np.asarray(value, dtype)
        pointer = self.made("cudaMalloc", value.nbytes)
        self.call("cudaMemcpy", pointer, np.asfortranarray(value), value.nbytes, H2D)
        return pointer

    def get(self, pointer: int, shape: object, dtype: str = "f4") -> np.ndarray:
        out = np.empty(shape, dtype, order="F")  # type: ignore[call-overload]
        self.call("cudaMemcpy", out, pointer, out.nbytes, D2H)
        return out

    def counters(self) -> dict[str, int]:
        counters = Counters()
        self.library.sim_counters(ctypes.byref(counters))
        return {name: getattr(counters, name) for name, _ in Counters._fields_}

    def counted(self, before: dict[str, int]) -> dict[str, int]:
        """What was counted since, without what was not."""
        return {name: value - before[name] for name, value in self.counters().items() if value != before[name]}

    def stream(self, blocking: bool = False) -> int:
        return self.made("cudaStreamCreateWithFlags", int(not blocking))

    def function(self, name: str) -> int:
        return self.made("cuModuleGetFunction", self.module, name.encode())

    def launch_status(self, name: str, *arguments: object, stream: int = 0, grid: object = (1, 1, 1),
                      block: object = (1, 1, 1), shared: int = 0) -> int:  # fmt: skip
        pointers = (ctypes.c_void_p * len(arguments))(*(ctypes.addressof(argument) for argument in arguments))
        return self.status("cuLaunchKernel", self.function(name), *grid, *block, shared, stream, pointers, 0)

    def scale_add(self, pointer: int, factor: float, count: int, stream: int = 0) -> None:
        arguments = ctypes.c_void_p(pointer), ctypes.c_float(factor), ctypes.c_int(count)
        code = self.launch_status("scale_add", *arguments, stream=stream)
        if code:
            raise CudaError("cuLaunchKernel", code, self.last_error())

    def capture(self, stream: int, mode: int = RELAXED) -> None:
        self.call("cudaStreamBeginCapture", stream, mode)

    def end(self, stream: int) -> int:
        graph = ctypes.c_void_p()
        self.call("cudaStreamEndCapture", stream, ctypes.byref(graph))
        return graph.value or 0

    def instantiate(self, graph: int) -> int:
        return self.made("cudaGraphInstantiate", graph, 0)


def _argument(value: object) -> object:
    """A whole number fills a register, so that it serves for an int and for a pointer alike."""
    if isinstance(value, np.ndarray):
        return ctypes.c_void_p(value.ctypes.data)
    if isinstance(value, (bool, int, np.integer)):
        return ctypes.c_longlong(int(value))
    return value


class PointerAttributes(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("device", ctypes.c_int),
        ("of_device", ctypes.c_void_p),
        ("of_host", ctypes.c_void_p),
    ]


def attributes_of(cuda, pointer):
    out = PointerAttributes()
    cuda.call("cudaPointerGetAttributes", ctypes.byref(out), pointer)
    return out.type, out.device, out.of_device, out.of_host


def fails(cuda, code, name, *arguments):
    """The message of a call that must fail so."""
    assert cuda.status(name, *arguments) == code
    return cuda.last_error()


def code_of(function, *arguments):
    return refused(function, *arguments).code


def status_of(cuda, stream):
    status = ctypes.c_int(-1)
    cuda.call("cudaStreamIsCapturing", stream, ctypes.byref(status))
    return status.value
