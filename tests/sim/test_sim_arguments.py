"""Arguments of raw kernels are checked against the kernel's signature, however the kernel is called."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from emulated import cupy_on_sim

from gpudl.sim.arguments import check, spelled

SOURCE = """
struct Step { float rate; int count; double scale; };
extern "C" __global__ void all(const float* x, int* y, float a, double b, int n, unsigned char c, bool flag) {
  if (threadIdx.x < n && flag) y[threadIdx.x] = int(x[threadIdx.x] * a + b) + c;
}
extern "C" __global__ void stepped(float* y, Step step) { y[0] = step.rate * step.count + step.scale; }
extern "C" __global__ void many(float* const* parts, int n) { for (int i = 0; i < n; ++i) parts[i][0] = i; }
extern "C" __global__ void any(void* p, float4* q) { ((float*)p)[0] = q[0].w; }
template <class T> __global__ void filled(T* y, T value) { y[threadIdx.x] = value; }
"""


@pytest.fixture(scope="module")
def cp() -> Any:
    return cupy_on_sim()


@pytest.fixture(scope="module")
def module(cp: Any) -> Any:
    return cp.RawModule(code=SOURCE, name_expressions=["filled<float>", "filled<__half>"])


@pytest.fixture
def good(cp: Any) -> list[Any]:
    return [cp.arange(4, dtype="f4"), cp.zeros(4, "i4"), np.float32(2), 0.5, 4, 3, True]


def launch(module: Any, name: str, *arguments: Any) -> None:
    module.get_function(name)((1,), (4,), arguments)


def test_right_arguments_pass(cp: Any, module: Any, good: list[Any]) -> None:
    launch(module, "all", *good)
    assert good[1].tolist() == [3, 5, 7, 9]


@pytest.mark.parametrize(
    ("position", "wrong", "told"),
    [
        (1, lambda cp: cp.zeros(4, "f8"), "it is const float*, and the array's elements are float64"),
        (1, lambda cp: cp.zeros((4, 4), "f4")[:, 0], "the array is not contiguous"),
        (
            1,
            lambda cp: np.zeros(4, "f4"),
            "it is const float*, and an array in the host's memory was given: move it with cupy.asarray",
        ),
        (1, lambda cp: 1.5, "it is const float*, and float is neither an array nor an address"),
        (2, lambda cp: cp.zeros(4, "u4"), "it is int*, and the array's elements are uint32"),
        (
            3,
            lambda cp: 2.0,
            "it is float, and a Python float was given, whose raw bytes CuPy would pass: convert it with numpy.float32",
        ),
        (3, lambda cp: np.float64(2), "it is float, and float64 was given"),
        (3, lambda cp: 2, "it is float, and a Python int was given"),
        (3, lambda cp: cp.zeros(1, "f4"), "it is float, by value, and an array was given"),
        (4, lambda cp: np.float32(2), "it is double, and float32 was given"),
        (5, lambda cp: 1 << 31, "it is int, which 2147483648 (a Python int) does not fit"),
        (5, lambda cp: 4.0, "it is int, and a Python float was given"),
        (5, lambda cp: np.int16(4), "it is int, which 4 (int16) does not fit"),
        (6, lambda cp: -1, "it is unsigned char, which -1 (a Python int) does not fit"),
        (6, lambda cp: 256, "it is unsigned char, which 256 (a Python int) does not fit"),
        (7, lambda cp: 2, "it is bool, which 2 (a Python int) does not fit"),
        (7, lambda cp: None, "it is bool, by value, and a pointer was given"),
        (7, lambda cp: "yes", "it is bool, and str is nothing that a kernel can be given"),
    ],
)
def test_wrong_argument_is_named(cp: Any, module: Any, good: list[Any], position: int, wrong: Any, told: str) -> None:
    good[position - 1] = wrong(cp)
    with pytest.raises(TypeError) as caught:
        launch(module, "all", *good)
    assert str(caught.value).startswith(f"kernel all, parameter {position}: {told}")


@pytest.mark.parametrize("count", [0, 6, 8])
def test_number_of_arguments(module: Any, good: list[Any], count: int) -> None:
    with pytest.raises(TypeError, match=f"kernel all takes 7 arguments, and {count} were given"):
        launch(module, "all", *(good * 2)[:count])


def test_struct_by_value_is_checked_by_its_size(cp: Any, module: Any) -> None:
    step = np.dtype([("rate", "f4"), ("count", "i4"), ("scale", "f8")])
    y = cp.zeros(1, "f4")
    for value in (np.array((2, 3, 4), step), np.array([(2, 3, 4)], step)):
        y.fill(0)
        launch(module, "stepped", y, value)
        assert y.item() == 10
    packed = np.array((2, 3), np.dtype([("rate", "f4"), ("count", "i4")]))
    with pytest.raises(TypeError, match="parameter 2: it is a struct of 16 bytes, and .* has 8"):
        launch(module, "stepped", y, packed)
    with pytest.raises(TypeError, match="parameter 2: .* by value, and an array of 2 elements was given"):
        launch(module, "stepped", y, np.zeros(2, step))


def test_carrays_of_cupy_are_for_their_number_of_dimensions(cp: Any) -> None:
    text = """
    #include <cupy/carray.cuh>
    extern "C" __global__ void corner(CArray<float, 2, false> x) { x[x.size() - 1] = 5; }
    """
    kernel = cp.RawKernel(text, "corner")
    x = cp.zeros((4, 6), "f4")
    kernel((1,), (1,), (x[:, ::2],))
    assert x[3, 4].item() == x.sum().item() == 5
    with pytest.raises(TypeError, match="kernel corner, parameter 1: it is a struct of 48 bytes, by value"):
        kernel((1,), (1,), (x[0],))


def test_pointers_to_anything(cp: Any, module: Any) -> None:
    parts = [cp.zeros(1, "f4") for _ in range(3)]
    launch(module, "many", cp.asarray([part.data.ptr for part in parts], dtype="u8"), 3)
    assert [part.item() for part in parts] == [0, 1, 2]
    x, y = cp.arange(4, dtype="f4"), cp.zeros(1, "f4")
    launch(module, "any", y, x)
    assert y.item() == 3
    launch(module, "any", y.data.ptr, x.data)
    with pytest.raises(TypeError, match="kernel many, parameter 1"):
        launch(module, "many", parts[0], 1)


def test_template_kernels_are_checked(cp: Any, module: Any) -> None:
    y = cp.zeros(4, "f2")
    launch(module, "filled<__half>", y, np.float16(1.5))
    assert y.tolist() == [1.5] * 4
    with pytest.raises(TypeError, match="kernel filled<__half>, parameter 1: it is __half"):
        launch(module, "filled<__half>", cp.zeros(4, "f4"), np.float16(1.5))


def test_every_way_to_a_kernel_is_checked(cp: Any) -> None:
    from cupy._core.raw import RawKernel

    text = 'extern "C" __global__ void one(float* x) { x[0] = 1; }'
    module = cp.RawModule(code=text)
    ways = [
        cp.RawKernel(text, "one"),
        RawKernel(text, "one"),
        module.get_function("one"),
        module.module.get_function("one"),
        cp.RawKernel(text, "one").kernel,
    ]
    for way in ways:
        x = cp.zeros(1, "f4")
        way((1,), (1,), (x,))
        assert x.item() == 1
        with pytest.raises(TypeError, match="kernel one, parameter 1: it is float"):
            way((1,), (1,), (x.astype("f8"),))


def test_codes_in_cpp() -> None:
    assert [spelled(code) for code in ("pf4", "PPb2", "u8", "V24", "P*0", "u1")] == [
        "const float*",
        "__nv_bfloat16**",
        "unsigned long long",
        "a struct of 24 bytes",
        "void*",
        "unsigned char",
    ]


def test_bytes_of_chars_and_bools_stand_for_one_another() -> None:
    class Array:
        size, ndim = 4, 1
        flags = np.zeros(4).flags

        def __init__(self, dtype: str):
            self.dtype = np.dtype(dtype)

    for dtype in ("i1", "u1", "?"):
        check("k", ["Pi1", "P?1"], [Array(dtype), Array(dtype)], Array)
    with pytest.raises(TypeError, match="char"):
        check("k", ["Pi1"], [Array("i2")], Array)
