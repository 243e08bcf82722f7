"""The stand-in's structures and codes, declared by itself, against NVIDIA's headers where those are installed."""

import re
import subprocess
from importlib import metadata
from pathlib import Path

import pytest
from native_driver import COMPILER, NATIVE, missing

WHEELS = {"12": "nvidia-cuda-runtime-cu12", "13": "nvidia-cuda-runtime"}
NAMES_OF_POINTERS = {
    "type": "type",
    "device": "device",
    "device_pointer": "devicePointer",
    "host_pointer": "hostPointer",
}
NAMES_OF_POOLS = {
    "allocation_type": "allocType",
    "handle_types": "handleTypes",
    "location_type": "location.type",
    "location": "location.id",
    "max_size": "maxSize",
    "usage": "usage",
}
NAMES_OF_PARAMETERS = {
    "flags": "flags",
    "upload_stream": "uploadStream",
    "error_node": "errNode_out",
    "result": "result_out",
}


# What NVIDIA's headers take from the compiler's own, which is in another wheel.
COMPILER_HEADER = """
#define __device_builtin__
#define __device_builtin_texture_type__
#define __device_builtin_surface_type__
#define __host__
#define __device__
#define __builtin_align__(size)
#define __align__(size)
#define CUDARTAPI
#define __cuda_builtin_vector_align8(tag, ...) struct tag { __VA_ARGS__ };
"""


def headers(major):
    """The folder of a CUDA's headers; skips loudly where its wheel is not installed."""
    if COMPILER is None:
        pytest.skip(str(missing()))
    try:
        files = metadata.files(WHEELS[major]) or []
    except metadata.PackageNotFoundError:
        pytest.skip(f"{WHEELS[major]} IS NOT INSTALLED: layouts of CUDA {major} are not checked")
    return next(Path(str(file.locate())).parent for file in files if file.name == "cuda_runtime_api.h")


def check(folder, assertions, tmp_path):
    """Compiles static assertions, with NVIDIA's headers beside ours."""
    source = tmp_path / "layouts.cpp"
    (tmp_path / "crt").mkdir()
    (tmp_path / "crt" / "host_defines.h").write_text(COMPILER_HEADER)
    ours = NATIVE / "driver" / "abi.h"
    body = "\n".join(f'static_assert({assertion}, "{index}");' for index, assertion in enumerate(assertions))
    source.write_text(
        '#include <cstddef>\n#include <cstdint>\n#include "driver_types.h"\n'
        f'namespace ours {{\n#include "{ours}"\n}}\n{body}\n'
    )
    command = [str(COMPILER), "-std=c++17", "-fsyntax-only", "-w", f"-I{tmp_path}", f"-I{folder}", str(source)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[:3000]


def same(ours, theirs, names):
    yield f"sizeof(ours::{ours}) == sizeof({theirs})"
    for name, other in names.items():
        yield f"offsetof(ours::{ours}, {name}) == offsetof({theirs}, {other})"


@pytest.mark.parametrize("major", WHEELS)
def test_device_properties(major, tmp_path):
    folder = headers(major)
    text = (NATIVE / "driver" / "abi.h").read_text()
    fields = re.findall(r"(FIELD|ARRAY|ONLY_12)\(\w+, (\w+)", text[text.index("#define SIM_PROPERTIES") :])
    names = {name: name for kind, name in fields if kind != "ONLY_12" or major == "12"}
    assert len(names) > 80
    if major == "13":
        names.pop("reserved")  # part of it has names by now
    check(folder, same(f"DeviceProperties{major}", "cudaDeviceProp", names), tmp_path)


@pytest.mark.parametrize("major", WHEELS)
def test_other_structures(major, tmp_path):
    folder = headers(major)
    assertions = [
        *same("PointerAttributes", "cudaPointerAttributes", NAMES_OF_POINTERS),
        *same("PoolProperties", "cudaMemPoolProps", NAMES_OF_POOLS),
        *same("InstantiateParameters", "cudaGraphInstantiateParams", NAMES_OF_PARAMETERS),
    ]
    if major == "13":  # it has members of its own before the reserve; only ours are looked at
        assertions = [line for line in assertions if not line.startswith("sizeof(ours::PointerAttributes)")]
    check(folder, assertions, tmp_path)


@pytest.mark.parametrize("major", WHEELS)
def test_error_codes_and_their_names(major, tmp_path):
    folder = headers(major)
    codes = dict(re.findall(r"(k\w+) = (\d+),", (NATIVE / "driver" / "abi.h").read_text()))
    rows = re.findall(r'\{(k\w+), "(cuda\w+)", "CUDA_\w+",\s+"', (NATIVE / "driver" / "errors.cpp").read_text())
    assert len(rows) > 40
    check(folder, [f"{name} == {codes[ours]}" for ours, name in rows], tmp_path)


def test_kinds_and_modes(tmp_path):
    pairs = {
        "kHostToDevice": "cudaMemcpyHostToDevice",
        "kDeviceToHost": "cudaMemcpyDeviceToHost",
        "kDefaultKind": "cudaMemcpyDefault",
        "kUnregistered": "cudaMemoryTypeUnregistered",
        "kHostMemory": "cudaMemoryTypeHost",
        "kDeviceMemory": "cudaMemoryTypeDevice",
        "kManagedMemory": "cudaMemoryTypeManaged",
        "kCaptureActive": "cudaStreamCaptureStatusActive",
        "kCaptureBroken": "cudaStreamCaptureStatusInvalidated",
        "kGlobalMode": "cudaStreamCaptureModeGlobal",
        "kThreadMode": "cudaStreamCaptureModeThreadLocal",
        "kRelaxedMode": "cudaStreamCaptureModeRelaxed",
        "kKernelNode": "cudaGraphNodeTypeKernel",
        "kCopyNode": "cudaGraphNodeTypeMemcpy",
        "kSetNode": "cudaGraphNodeTypeMemset",
        "kHostNode": "cudaGraphNodeTypeHost",
        "kGraphNode": "cudaGraphNodeTypeGraph",
        "kRecordNode": "cudaGraphNodeTypeEventRecord",
    }
    check(headers("12"), [f"(int)ours::{ours} == (int){theirs}" for ours, theirs in pairs.items()], tmp_path)
