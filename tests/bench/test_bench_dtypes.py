"""Other types than float32: what is measured in them, in both libraries, and what is not."""

from __future__ import annotations

from typing import Any

import pytest

import gpudl
from gpudl.bench import as_text, measure, tables
from gpudl.bench.case import Make
from gpudl.bench.library import gpudl_on
from gpudl.bench.limits import limits
from gpudl.bench.memory_cases import on_host
from gpudl.bench.suites import cases
from gpudl.bench.timing import QUICK
from gpudl.cli import main

torch = pytest.importorskip("torch")
CPU = gpudl.device("cpu")
LABELS = ["elementwise: exp", "norms: batch_norm", "optimizers: Adam", "rnn: LSTMCell", "nets: GPT", "nets: DCGAN"]


@pytest.mark.parametrize("lib", [gpudl, torch], ids=lambda lib: lib.__name__)
@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_all_inputs_and_weights_are_of_the_type(lib: Any, dtype: str) -> None:
    for case in cases(["ops", "nets"]):
        if case.label in LABELS:
            make = Make(lib, lib.device("cpu"), 0, dtype)
            for part in case.build(make, *case.small).values():
                part.program()
            assert {each.dtype for each in make.inputs} <= {make.dtype, lib.int64}, case.label
            assert make.dtype == getattr(lib, dtype) and make.dtype in {each.dtype for each in make.inputs}


def test_the_numbers_are_those_of_float32_but_for_rounding() -> None:
    exact, rounded = (Make(gpudl, CPU, 3, dtype)(4, 5).detach() for dtype in ("float64", "float32"))
    assert (exact.float() == rounded).all().item() and exact.dtype == gpudl.float64


def test_a_new_maker_of_the_same_begins_anew() -> None:
    make = Make(gpudl, CPU, 3, "float64")
    first = make(4)
    again = make.again()
    assert (again(4) == first).all().item() and again.dtype == gpudl.float64 and len(again.inputs) == 1


def test_bytes_are_those_of_the_type() -> None:
    half, single, double = (
        measure(["ops"], ["cpu"], only=["elementwise: exp"], quick=True, dtype=dtype)
        for dtype in ("float16", "float32", "float64")
    )
    assert [each["rows"][0]["bytes"] for each in (half, single, double)] == [2 * n * 32 * 64 for n in (2, 4, 8)]
    assert half["environment"]["dtype"] == "float16" and "float16, float32 products in " in as_text(tables(half))


def test_the_limit_of_products_is_that_of_the_type(monkeypatch: pytest.MonkeyPatch) -> None:
    library = gpudl_on(CPU)
    seen = []
    monkeypatch.setattr(library.lib, "matmul", lambda a, b: seen.append(a.dtype))
    limits(library, QUICK, copied=10, sides=(4,), dtype="float64")
    assert set(seen) == {gpudl.float64}


def test_the_memory_of_weights_is_that_of_the_type() -> None:
    sizes = (64, 100), (100,), (200, 10)
    single, double = (on_host("MLP", sizes, 0, dtype)["kept"] for dtype in ("float32", "float64"))
    assert 1.9 < double / single < 2.05
    (row,) = measure(["memory"], ["cpu"], only=["MLP"], quick=True, dtype="float64")["rows"]
    assert row["memory"]["kept"] > 4 * 8 * 298


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--dtype", "int8"], "invalid choice: 'int8'"),
        (["--dtype", "float16", "--suite", "ops,start-up"], "start-up: measured in float32 alone, got float16"),
        (["--dtype", "float64", "--suite", "end-to-end"], "end-to-end: measured in float32 alone, got float64"),
    ],
)
def test_a_type_that_cannot_be_is_one_line(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--quick", *words]) == 2
    out, err = capsys.readouterr()
    assert out == "" and said in err


def test_the_command_measures_in_the_type(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--quick", "--suite", "ops", "--devices", "cpu", "--only", "gemm: bmm", "-q"]
    assert main(["bench", *words, "--dtype", "float64"]) == 0
    assert "float64, float32 products in " in capsys.readouterr().out


def test_measure_refuses_an_unknown_type() -> None:
    with pytest.raises(ValueError, match="dtype must be one of float32, float16, bfloat16, float64, got 'half'"):
        measure(["ops"], ["cpu"], dtype="half")
