"""Nothing is exported without a test: a row of the op table, or a file of its own."""

from pathlib import Path

import pytest
from cases import ROWS, declared

import gpudl
import gpudl.linalg
import gpudl.nn.functional
from gpudl.ops.methods import METHODS

ELSEWHERE = declared("ELSEWHERE")  # names that no row can hold -> the files of this folder that test them
OPS = "gpudl.ops."


def exported():
    """Every operation that a user can call, as the op table names it."""
    public = [(name, value) for name, value in vars(gpudl).items() if not name.startswith("_")]
    names = [name for name, value in public if (getattr(value, "__module__", None) or "").startswith(OPS)]
    linalg = [name for name in vars(gpudl.linalg) if name[0].islower()]
    functional = [name for name, value in vars(gpudl.nn.functional).items() if callable(value)]
    return [
        *names,
        *(f"linalg.{name}" for name in linalg),
        *(f"nn.functional.{name}" for name in functional),
        *(f"Tensor.{name}" for name in METHODS),
    ]


@pytest.mark.parametrize("name", exported())
def test_each_exported_operation_has_a_row_or_a_file(name):
    if name in ELSEWHERE:
        text = (Path(__file__).parent / ELSEWHERE[name]).read_text(encoding="utf-8")
        assert name.split(".")[-1].strip("_") in text, f"{ELSEWHERE[name]} does not mention {name}"
    else:
        assert name in {row.op for row in ROWS.values()}, f"{name}: add a row to a rows_*.py file"


def test_the_list_of_exceptions_is_short_and_current():
    assert set(ELSEWHERE) <= set(exported())


def test_many_operations_are_exported():
    assert len(exported()) > 200
    assert "add" in exported()
    assert "Tensor.clamp_" in exported()
    assert "nn.functional.linear" in exported()
