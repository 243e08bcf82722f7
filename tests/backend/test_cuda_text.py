"""CUDA text: compiled once for each dtype, given arguments of the right types, started on the arrays' device."""

import numpy as np
import pytest
from on_gpu import gpu, launched  # noqa: F401

from gpudl.backend import cuda_text
from gpudl.backend.cuda_text import CudaText, dense, row_grid, spread
from gpudl.backend.device import to_host, transfer
from gpudl.backend.dtypes import bfloat16

TEXT = """
template <typename T, typename A>
__global__ void scale(const T* x, T* y, const T* more, long long count, A factor, long long twice) {
    const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count) y[i] = T(A(x[i]) * factor * A(twice ? 2 : 1) + (more ? A(more[i]) : A(0)));
}
"""


@pytest.fixture
def text(monkeypatch, tmp_path):
    """A function that makes a CudaText of a source, as if that were a file of kernels/."""

    def made(source=TEXT, *kernels):
        (tmp_path / "made").mkdir(exist_ok=True)
        (tmp_path / "made" / "scale.cu").write_text(source)
        return CudaText("made/scale.cu", kernels=kernels or ("scale",))

    monkeypatch.setattr("gpudl.backend.source.kernels_folder", lambda: tmp_path)
    return made


def scaled(text, x, *rest):
    y = x.copy()
    text.launch("scale", *spread(x), x, y, *rest)
    return to_host(y)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
def test_arguments_reach_the_kernel_as_what_it_takes(gpu, text, dtype):  # noqa: F811
    x = np.arange(5).astype(bfloat16() if dtype == "bfloat16" else dtype)
    there, program = transfer(x, gpu), text()
    np.testing.assert_array_equal(scaled(program, there, None, 5, 0.5, False), x * x.dtype.type(0.5))
    np.testing.assert_array_equal(scaled(program, there, None, 5, 0.5, True), x)
    np.testing.assert_array_equal(scaled(program, there, there, 5, 1.0, True), x * x.dtype.type(3))


def test_a_float_keeps_the_digits_of_the_accumulator(gpu, text):  # noqa: F811
    program = text()
    for dtype in ("float32", "float64"):
        got = scaled(program, transfer(np.ones(1, dtype), gpu), None, 1, 1 / 3, False)
        assert got[0] == np.dtype(dtype).type(1 / 3)


def test_compiles_once_for_each_dtype(gpu, text, monkeypatch):  # noqa: F811
    program, made = text(), []
    x = transfer(np.ones(3, "float32"), gpu)
    module = cuda_text.backend_of(x).namespace.RawModule
    monkeypatch.setattr(
        cuda_text.backend_of(x).namespace,
        "RawModule",
        lambda **given: made.append(given["name_expressions"]) or module(**given),
    )
    for _ in range(3):
        scaled(program, x, None, 3, 1.0, False)
        scaled(program, x.astype("float16"), None, 3, 1.0, False)
    assert made == [("scale<float, float>",), ("scale<__half, float>",)]


def test_an_empty_array_starts_nothing(gpu, text):  # noqa: F811
    program, x = text(), transfer(np.ones((0, 3), "float32"), gpu)
    assert spread(x)[0] == (0,)
    assert launched(gpu, lambda: program.launch("scale", *spread(x), x, x, None, 0, 1.0, False)) == 0


def test_a_launch_is_one_kernel_and_nothing_else(gpu, text):  # noqa: F811
    program, x = text(), transfer(np.ones(5, "float32"), gpu)
    assert launched(gpu, lambda: program.launch("scale", *spread(x), x, x, None, 5, 1.0, False)) == 1


def test_runs_on_the_current_stream(gpu, text):  # noqa: F811
    program, x = text(), transfer(np.full(5, 3, "float32"), gpu)
    try:
        own = cuda_text.backend_of(x).namespace.cuda.Stream(non_blocking=True)
    except RuntimeError as error:
        pytest.skip(f"{gpu} has no streams: {error}")
    with own as stream:
        y = x.copy()
        program.launch("scale", *spread(x), x, y, None, 5, 2.0, False)
    stream.synchronize()
    np.testing.assert_array_equal(to_host(y), np.full(5, 6, "float32"))


def test_an_error_names_the_kernel_file_and_the_line(gpu, text):  # noqa: F811
    program = text(TEXT.replace("if (i < count)", "if (i < counts)"))
    x = transfer(np.ones(5, "float32"), gpu)
    with pytest.raises(Exception, match=r"kernels/made/scale\.cu\W+5\b"):
        scaled(program, x, None, 5, 1.0, False)


def test_what_the_compiler_gets_is_the_text_that_ships(gpu, text):  # noqa: F811
    x = transfer(np.ones(1, "float32"), gpu)
    assert scaled(text(), x, None, 1, 1.0, True)[0] == 2
    assert scaled(text(TEXT.replace("? 2 : 1", "? 3 : 1")), x, None, 1, 1.0, True)[0] == 3


def test_source_for_a_dtype_has_the_header_that_knows_it():
    program = CudaText("math/numbers.cuh", kernels=("scale", "other"))
    assert program.text(np.dtype("float32")).startswith('#line 1 "kernels/math/numbers.cuh"\n')
    assert program.text(np.dtype("float16")).startswith("#include <cuda_fp16.h>\n#line 1")
    assert program.text(bfloat16()).startswith("#include <cuda_bf16.h>\n#line 1")
    assert program.name_expressions(bfloat16()) == ("scale<__nv_bfloat16, float>", "other<__nv_bfloat16, float>")
    program = CudaText("math/numbers.cuh", kernels=("map<{T}, {A}, Silu>", "scale"))
    assert program.name_expressions(np.dtype("int8"))[0] == "map<signed char, signed char, Silu>"
    assert repr(program) == "<CUDA text math/numbers.cuh>"


def test_grids():
    assert spread(np.zeros(1, "float32")) == ((1,), (256,))
    assert spread(np.zeros(1025, "float32")) == ((2,), (256,))
    assert spread(np.broadcast_to(np.float32(0), 1 << 40))[0] == (cuda_text.MOST_BLOCKS,)
    assert row_grid(5, 10) == ((1,), (32, 8)) and row_grid(9, 1024) == ((2,), (32, 8))
    assert row_grid(256, 10, meets=True) == ((1,), (32, 32)) and row_grid(257, 10, meets=True) == ((33,), (32, 8))
    assert row_grid(7, 1025) == ((7,), (256, 1)) and row_grid(1 << 20, 50000) == ((1024,), (256, 1))


def test_dense_copies_only_what_has_gaps(gpu):  # noqa: F811
    x = transfer(np.arange(6.0).reshape(2, 3), gpu)
    assert dense(x) is x
    turned = dense(x.T)
    assert turned.flags.c_contiguous
    np.testing.assert_array_equal(to_host(turned), np.arange(6.0).reshape(2, 3).T)
