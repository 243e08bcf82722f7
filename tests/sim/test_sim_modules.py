"""CUDA text that is compiled and run: options, templates, shared memory, conditions, errors, both kinds of checks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from emulated import cupy_on_sim

from gpudl.sim import SimError, settings
from gpudl.sim.module import _options


@pytest.fixture(scope="module")
def cp() -> Any:
    return cupy_on_sim()


def value(cp: Any, text: str, name: str = "k", options: tuple[str, ...] = (), **launch: Any) -> float:
    """What a kernel of one thread writes to its one parameter."""
    y = cp.zeros(1, "f4")
    cp.RawKernel(text, name, options=options)((1,), (1,), (y,), **launch)
    return float(y.item())


def test_options_become_macros_folders_and_a_standard(tmp_path: Path) -> None:
    (tmp_path / "cuda_runtime_api.h").write_text("")
    options = ["-DA", "-DB=2 + 3", "--define-macro=C=1", "-D", "F(x)=x", "-UG", "-I/mine", "--include-path=/other"]
    options += ["--std=c++20", f"-I{tmp_path}", "-I/x/_cccl/cub", "-ftz=true", "--use_fast_math"]
    standard, folders, defines = _options(options)
    assert standard == "c++20" and folders == ["/mine", "/other"]
    assert defines == ["#define A 1", "#define B 2 + 3", "#define C 1", "#define F(x) x", "#undef G"]
    assert _options(["-std=c++11"])[0] == "c++17"


def test_macros_conditions_and_headers_of_the_user(cp: Any, tmp_path: Path) -> None:
    text = """
    #include "mine.cuh"
    #ifdef WANTED
    KERNEL(k) { *y = N + helper(); }
    #else
    extern "C" __global__ void never(float* y) { this is no C++; }
    #endif
    """
    (tmp_path / "mine.cuh").write_text(
        '#define KERNEL(name) extern "C" __global__ void name(float* y)\n__device__ float helper() { return 0.5f; }\n'
    )
    assert value(cp, text, options=("-DWANTED", "-DN=3", f"-I{tmp_path}")) == 3.5
    (tmp_path / "mine.cuh").write_text((tmp_path / "mine.cuh").read_text().replace("0.5f", "0.25f"))
    cp.clear_memo()  # as in another process
    assert value(cp, text, options=("-DWANTED", "-DN=3", f"-I{tmp_path}")) == 3.25


def test_dynamic_shared_memory_in_a_kernel_and_at_file_scope(cp: Any) -> None:
    text = """
    extern __shared__ __align__(16) unsigned char bytes[];
    extern "C" __global__ void k(float* y) {
      extern __shared__ float s[];
      float* same = (float*)bytes;
      s[1] = 2; same[0] = s[1] + 1; bytes[8] = 1;
      *y = s[0] + bytes[8];
    }
    """
    assert value(cp, text, shared_mem=16) == 4


def test_templates_and_namespaces_by_name_expression(cp: Any) -> None:
    text = "namespace a { template <class T, int N> __global__ void k(T* y) { *y = T(N); } }"
    names = ["a::k<float, 3>", "a::k<double, 4>"]
    module = cp.RawModule(code=text, name_expressions=names)
    for name, dtype, wanted in zip(names, ("f4", "f8"), (3, 4)):
        y = cp.zeros(1, dtype)
        module.get_function(name)((1,), (1,), (y,))
        assert y.item() == wanted


def test_kernels_of_c_linkage_in_a_namespace_and_beside_templates(cp: Any) -> None:
    text = """
    namespace a { extern "C" __global__ void k(float* y) { *y = 5; } }
    template <class T> __global__ void other(T* y) { *y = 6; }
    """
    assert value(cp, text) == 5
    module = cp.RawModule(code=text, name_expressions=["&other<float>"])
    y = cp.zeros(1, "f4")
    module.get_function("&other<float>")((1,), (1,), (y,))
    assert y.item() == 6


def test_statics_of_the_same_name_in_two_modules_stay_apart(cp: Any) -> None:
    text = "template <class T> __global__ void k(T* y) { __shared__ T s[N]; s[N - 1] = T(N); *y = s[N - 1]; }"
    for n in (2, 3):
        y = cp.zeros(1, "f4")
        cp.RawModule(code=text, options=(f"-DN={n}",), name_expressions=["k<float>"]).get_function("k<float>")(
            (1,), (1,), (y,)
        )
        assert y.item() == n


def test_constant_memory_is_reached_by_its_name(cp: Any) -> None:
    module = cp.RawModule(code='__constant__ float c[2]; extern "C" __global__ void k(float* y) { *y = c[1]; }')
    pointer = module.get_global("c")
    cp.ndarray(2, "f4", cp.cuda.MemoryPointer(pointer.mem, 0) if hasattr(pointer, "mem") else pointer)[...] = 7
    y = cp.zeros(1, "f4")
    module.get_function("k")((1,), (1,), (y,))
    assert y.item() == 7


def test_compile_error_names_the_line(cp: Any) -> None:
    text = '#line 7 "kernels/cuda/mine.cu"\nextern "C" __global__ void k(float* y) { *y = missing; }'
    with pytest.raises(cp.cuda.compiler.CompileException, match=r"kernels/cuda/mine.cu:7:.*'missing' was not declared"):
        value(cp, text)


def test_function_that_does_not_exist_is_a_compile_error(cp: Any) -> None:
    text = 'extern "C" float missing(); extern "C" __global__ void k(float* y) { *y = missing(); }'
    with pytest.raises(cp.cuda.compiler.CompileException, match="undefined symbol: missing"):
        value(cp, text)


def test_error_of_a_kernel_names_its_line_as_written(cp: Any) -> None:
    text = '#line 7 "kernels/cuda/mine.cu"\nextern "C" __global__ void k(float* y) { y[100000] = 1; }'
    with settings(check="check"), pytest.raises(cp.cuda.driver.CUDADriverError) as caught:
        value(cp, text)
    assert "kernels/cuda/mine.cu:7" in str(caught.value) and "making-" not in str(caught.value)


def test_check_holds_for_kernels_compiled_before(cp: Any) -> None:
    racing = cp.RawKernel('extern "C" __global__ void racing(float* y) { y[0] += 1; }', "racing")
    elementwise = cp.ElementwiseKernel("raw T x", "T y", "y = x[i + 1]", "read_on")
    y, x = cp.zeros(1, "f4"), cp.ones(3, "f4")  # behind x lie 4 bytes that only a checked kernel may not read
    racing((2,), (1,), (y,))
    elementwise(x, size=3)
    with settings(check="check"):
        with pytest.raises(cp.cuda.driver.CUDADriverError, match="race"):
            racing((2,), (1,), (y,))
        with pytest.raises(cp.cuda.driver.CUDADriverError, match="read_on"):
            elementwise(x, size=3)
        assert (x + x).sum() == 6
    racing((2,), (1,), (y,))


def test_what_is_not_emulated_is_said(cp: Any) -> None:
    text = 'extern "C" __global__ void k(float* y) { }'
    with pytest.raises(SimError, match="cooperative groups over the whole grid are not emulated"):
        cp.RawKernel(text, "k", enable_cooperative_groups=True).kernel  # noqa: B018
