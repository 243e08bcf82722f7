"""Compiling the CUDA texts before they are used: all of them, for the dtypes asked for, and found again afterwards."""

import pytest
from on_gpu import gpu, launches  # noqa: F401

import gpudl.nn
import gpudl.optim
from gpudl.backend import cuda_text, warmup
from gpudl.backend.cuda_text import TEXTS, CudaText
from gpudl.backend.errors import CompileError, DeviceError
from gpudl.backend.warmup import usual_floats, warm_up
from gpudl.cli import main

GOOD = "template <typename T, typename A> __global__ void fill(T* x, A value) { x[threadIdx.x] = T(value); }\n"


@pytest.fixture
def texts(monkeypatch, tmp_path):
    """A function that makes the only CUDA text that there is, of a source."""

    def made(source, **options):
        (tmp_path / "fill.cu").write_text(source)
        monkeypatch.setattr("gpudl.backend.source.kernels_folder", lambda: tmp_path)
        monkeypatch.setattr(cuda_text, "TEXTS", [])
        text = CudaText("fill.cu", kernels=("fill",), **options)
        monkeypatch.setattr(warmup, "TEXTS", [text])
        return text

    return made


def test_all_texts_are_known():
    files = {text.files[-1] for text in TEXTS}
    assert {"cuda/cross_entropy.cu", "cuda/random_bits.cu", "cuda/adam.cu"} <= files


def test_compiles_the_dtypes_asked_for_and_starts_nothing(gpu, texts):  # noqa: F811
    text, lines = texts(GOOD), []
    before = launches(gpu)
    assert warm_up(gpu, ["float32", "float16"], lines.append) == 2
    assert sorted(lines) == ["fill.cu float16", "fill.cu float32"] and launches(gpu) == before
    assert {dtype.name for dtype in text._ready} == {"float32", "float16"}


def test_texts_of_integers_are_compiled_whatever_the_floats(gpu, texts):  # noqa: F811
    texts(GOOD, dtypes=("bool", "int32", "float64"))
    lines = []
    assert warm_up(gpu, ["float32"], lines.append) == 2
    assert sorted(lines) == ["fill.cu bool", "fill.cu int32"]


def test_a_text_that_does_not_compile_says_where(gpu, texts, capsys):  # noqa: F811
    texts(GOOD.replace("T(value)", "T(valu)"))
    with pytest.raises(CompileError, match=r"(?s)CUDA text fill.cu.* for float32.*kernels/fill\.cu.*valu"):
        warm_up(gpu, ["float32"])
    assert main(["warmup", "--device", gpu.type, "--dtype", "float32"]) == 1
    assert "does not compile for float32" in capsys.readouterr().err


def test_what_has_no_kernels_is_said(gpu):  # noqa: F811
    with pytest.raises(DeviceError, match="cpu has no kernels to compile; choose cuda"):
        warm_up(gpudl.device("cpu"), ["float32"])
    with pytest.raises(ValueError, match="no kernels are made for 'int8'; there are float32"):
        warm_up(gpu, ["int8"])


def test_command(gpu, texts, capsys):  # noqa: F811
    texts(GOOD)
    assert main(["warmup", "--device", str(gpu)]) == 0
    said = capsys.readouterr()
    floats = usual_floats()
    assert said.out.startswith(f"{len(floats)} CUDA modules for {', '.join(floats)} are ready on {gpu}, ")
    assert len(said.err.splitlines()) == len(floats)
    assert main(["warmup", "--device", str(gpu), "--dtype", "float64", "-q"]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("1 CUDA modules for float64") and not said.err
    assert main(["warmup", "--device", "cpu"]) == 2
    assert main(["warmup", "--dtype", "int8"]) == 2
