"""PyTorch in a process of its own gives what PyTorch in this one does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

import gpudl
from gpudl.bench import measure
from gpudl.bench.case import CannotMeasure, Case, Make, Part, Parts
from gpudl.bench.library import Library
from gpudl.bench.rival import Elsewhere, Rival, rival_on
from gpudl.bench.suites import SUITES, cases
from gpudl.bench.timing import Lap

torch = pytest.importorskip("torch")

CPU = gpudl.device("cpu")


@pytest.fixture(scope="module")
def there() -> Iterator[Elsewhere]:
    with closing(Elsewhere()) as made:
        yield made


@pytest.fixture
def here() -> Rival:
    return Rival(Library(torch, torch.device("cpu"), lambda: None, lambda: None))


def one(suite: str, only: str) -> Case:
    (case,) = cases([suite], [only])
    return case


def test_it_has_the_same_parts_of_every_case(here: Rival, there: Elsewhere) -> None:
    compared = 0
    for case in cases(SUITES):
        names = list(there.build(case, case.small, 0, "float32"))
        assert names == list(here.build(case, case.small, 0, "float32")), case.label
        compared += len(names)
    assert compared > 100


def test_a_sample_runs_so_many_times_and_what_a_part_tells_comes_over(there: Elsewhere) -> None:
    case = one("ops", "elementwise: exp")
    assert list(there.build(case, case.small, 0, "float64")) == ["forward", "backward"]
    few, many = (there.sample("backward")(number) for number in (1, 2000))
    assert isinstance(many, Lap) and 0 < few.wall < many.wall and many.device is None
    assert there.tells("backward") == {}
    case = one("end-to-end", "spirals")
    there.build(case, case.sizes, 0, "float32")
    lap = there.sample("to accuracy")(1)
    assert lap.wall > 0 and there.tells("to accuracy")["accuracy"]["reached"] >= 0.99


def test_what_cannot_be_measured_there_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "sklearn.py").write_text("raise ImportError('no scikit-learn here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with closing(Elsewhere()) as made:
        digits, spirals = cases(["end-to-end"])
        with pytest.raises(CannotMeasure, match="scikit-learn"):
            made.build(digits, digits.sizes, 0, "float32")
        assert list(made.build(spirals, spirals.sizes, 0, "float32")) == ["to accuracy"]  # and it goes on


def test_versions_and_threads_are_pytorch_s(there: Elsewhere) -> None:
    made = rival_on(CPU)
    assert isinstance(made, Elsewhere) and there.about["torch"] == torch.__version__
    with closing(made):
        assert made.about == there.about and made.about["torch_threads"] >= 1


def test_a_process_that_ends_is_said_and_closing_it_is_no_error() -> None:
    made = Elsewhere()
    made._process.kill()
    with pytest.raises(RuntimeError, match="the process of PyTorch ended with exit code -9"):
        made.build(one("ops", "elementwise: exp"), ((2, 2),), 0, "float32")
    made.close()


def test_it_outlives_an_interrupt_and_ends_when_it_is_closed() -> None:
    made = Elsewhere()
    os.kill(made._process.pid, signal.SIGINT)
    case = one("ops", "elementwise: exp")
    assert list(made.build(case, case.small, 0, "float32")) == ["forward", "backward"]
    made.close()
    assert made._process.returncode == 0


def test_gpudl_is_measured_without_pytorch_in_its_process() -> None:
    code = (
        "import sys; from gpudl.bench import measure\n"
        "made = measure(['ops'], ['cpu'], only=['elementwise: exp'], quick=True, versus_torch=True)\n"
        "assert 'torch' not in sys.modules and all(row['ratio']['median'] > 0 for row in made['rows'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


def test_dropout_of_pytorch_begins_at_the_seed_and_leaves_its_numbers_alone(here: Rival) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    drawn = []

    def build(make: Make) -> Parts:
        drawn.append(make.lib.rand(3))
        return {}

    for seed in (1, 1, 2):
        here.build(Case("ops", "a", "b", build, (), ()), (), seed, "float32")
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[1], drawn[2])
    assert torch.equal(torch.rand(3), expected)


def test_memory_of_a_library_that_counts_it_is_told(here: Rival) -> None:
    case = Case("memory", "a", "b", lambda make: {"whole": Part(lambda: {"peak": 2, "kept": 1}, says="memory")}, (), ())
    assert list(here.build(case, (), 0, "float32")) == ["whole"]
    assert here.tells("whole") == {"memory": {"peak": 2, "kept": 1}}


def test_steps_are_measured_in_turn_with_gpudl_s() -> None:
    made = measure(["nets"], ["cpu"], only=["MLP"], quick=True, versus_torch=True)
    assert {row["part"] for row in made["rows"]} >= {"forward", "backward", "whole"}
    assert all(row["torch"]["wall"]["low"] > 0 for row in made["rows"]) and made["missing"] == []
