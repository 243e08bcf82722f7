"""The programs in examples/ run as a user starts them, reach what they promise, and fail in one line."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from gpudl.backend.device import available

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples"
DIGITS = ROOT.parent / "shared" / "data" / "mnist10k"
needs_mnist = pytest.mark.skipif(not DIGITS.is_dir(), reason="the MNIST subset ../shared/data/mnist10k is absent")
needs_sim = pytest.mark.skipif(not available("sim"), reason="device sim is not available here")
needs_sklearn = pytest.mark.skipif(importlib.util.find_spec("sklearn") is None, reason="scikit-learn is not installed")
PROGRAMS = sorted(path.name for path in EXAMPLES.glob("*.py") if not path.stem.endswith("_test"))


def run(program, *arguments, path=()):
    """The finished process of an example; its Python finds gpudl in this checkout, after the folders of `path`."""
    # On a busy machine two threads of OpenBLAS wait for each other: 30 s in place of 2.
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([*map(str, path), str(ROOT)]),
        "OPENBLAS_NUM_THREADS": "1",
    }
    command = [sys.executable, "-W", "error", str(EXAMPLES / program), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=600)


def result_of(process):
    """What a successful example wrote to stdout."""
    assert process.returncode == 0, process.stderr
    return process.stdout


def accuracy_of(process):
    (found,) = re.fullmatch(r"test accuracy: (\d\.\d{4})\n", result_of(process)).groups()
    return float(found)


def assert_one_line_of_error(process, *words):
    assert (process.returncode, process.stdout) == (2, "")
    assert process.stderr.count("\n") == 1, process.stderr
    for word in words:
        assert word in process.stderr


@needs_mnist
def test_mnist_mlp_learns_the_digits():
    accuracies = [
        accuracy_of(run("mnist_mlp.py", "--data", DIGITS, "--epochs", 10, "--seed", seed)) for seed in range(3)
    ]
    assert min(accuracies) >= 0.92, accuracies
    assert sum(accuracies) / len(accuracies) >= 0.93, accuracies


@needs_mnist
def test_mnist_mlp_reports_progress_on_stderr_and_repeats_itself():
    first, again, other = (run("mnist_mlp.py", "--data", DIGITS, "--epochs", 2, "--seed", seed) for seed in (3, 3, 4))
    losses = re.fullmatch(r"epoch 1: loss (\d+\.\d{4})\nepoch 2: loss (\d+\.\d{4})\n", first.stderr)
    assert losses, first.stderr
    assert float(losses[2]) < float(losses[1])
    assert (first.stdout, first.stderr) == (again.stdout, again.stderr)
    assert first.stderr != other.stderr


def test_mnist_mlp_names_a_damaged_file(tmp_path):
    for name in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"):
        (tmp_path / name).write_bytes(b"not IDX")
    assert_one_line_of_error(run("mnist_mlp.py", "--data", tmp_path), "train-images-idx3-ubyte")


@needs_sklearn
def test_digits_trainer_learns_and_goes_on_where_it_was(tmp_path):
    arguments = ("digits_trainer.py", "--out", tmp_path, "--workers", 1)
    first, again = run(*arguments, "--epochs", 4), run(*arguments, "--epochs", 4)
    assert accuracy_of(first) == accuracy_of(again) >= 0.95
    assert first.stderr.count("\n") == 4 and first.stderr.isascii() and again.stderr == ""
    assert (tmp_path / "metrics.csv").read_text().count("\n") == 5


@needs_sklearn
def test_digits_mlp_learns_the_digits():
    assert accuracy_of(run("digits_mlp.py")) >= 0.97


def test_custom_op_fits_a_curve_equally_with_both_forms():
    process = run("custom_op.py")
    pattern = r"Function: mean squared error (\S+)\nPrimitive: mean squared error (\S+)\n"
    function, primitive = map(float, re.fullmatch(pattern, result_of(process)).groups())
    assert function == pytest.approx(primitive, rel=0.05)
    assert function < 0.01
    assert process.stderr.count("first and second derivatives are right") == 2


def test_keras_line_finds_the_line():
    found = re.fullmatch(r"slope (\S+), intercept (\S+)\n", result_of(run("keras_line.py")))
    slope, intercept = map(float, found.groups())
    assert abs(slope - 2) < 0.05 and abs(intercept - 1) < 0.05


@pytest.mark.parametrize("name", ["SwishFunction", "swish_backward"])
def test_custom_op_finds_a_wrong_gradient(tmp_path, name):
    """The checks in the example are worth something: a planted mistake in either backward stops the program."""
    text = (EXAMPLES / "custom_op.py").read_text(encoding="utf-8")
    start = text.index(name)
    wrong = text[:start] + text[start:].replace("(1 + x * (1 - s))", "(1 + x * (2 - s))", 1)
    assert wrong != text
    (tmp_path / "wrong.py").write_text(wrong, encoding="utf-8")
    process = run(tmp_path / "wrong.py", "--epochs", 1)
    assert process.returncode == 1
    assert "GradcheckError" in process.stderr


@needs_sim
def test_custom_op_computes_by_its_cuda_kernels_on_cuda_devices(tmp_path):
    """Its check runs them: a mistake in the CUDA text alone is found."""
    process = run("custom_op.py", "--device", "sim", "--epochs", 2)
    on_cpu = run("custom_op.py", "--epochs", 2)
    assert process.stderr.count("first and second derivatives are right") == 2
    assert result_of(process) == result_of(on_cpu)
    text = (EXAMPLES / "custom_op.py").read_text(encoding="utf-8")
    right = "(1 + x[i] * (1 - s))"
    assert text.count(right) == 1
    (tmp_path / "wrong.py").write_text(text.replace(right, "(1 + x[i] * (2 - s))"), encoding="utf-8")
    process = run(tmp_path / "wrong.py", "--device", "sim")
    assert process.returncode == 1 and "Function: first" in process.stderr and "GradcheckError" in process.stderr
