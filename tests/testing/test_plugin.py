"""The pytest plugin as a project of somebody else uses it, in processes of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gpudl import sim

ROOT = Path(__file__).resolve().parents[2]
needs_sim = pytest.mark.skipif(sim.why_unavailable() is not None, reason=str(sim.why_unavailable()))


def run(folder, *arguments, **environment):
    """pytest in a folder that has nothing of gpudl's settings."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rs", *arguments]

    settings = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    settings.pop("PYTEST_ADDOPTS", None)
    return subprocess.run(command, cwd=folder, env=settings, capture_output=True, text=True, timeout=300)


@pytest.fixture
def project(tmp_path):
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["gpudl.testing.plugin"]\n')
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_it.py").write_text(
        "import gpudl\n\n"
        "def test_sum(device):\n"
        "    x = gpudl.ones(3, device=device)\n"
        "    assert x.device is device and x.sum().item() == 3\n\n"
        "def test_plain():\n"
        "    pass\n"
    )
    return tmp_path


def test_the_cpu_is_the_default(project):
    done = run(project, "-v")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "test_sum[cpu]" in done.stdout and "gpudl: devices cpu" in done.stdout and "2 passed" in done.stdout


@needs_sim
def test_one_test_runs_on_every_device(project):
    done = run(project, "-v", "--device", "cpu,sim")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "test_sum[cpu]" in done.stdout and "test_sum[sim]" in done.stdout and "3 passed" in done.stdout


@needs_sim
def test_devices_may_stand_in_the_settings(project):
    (project / "pytest.ini").write_text("[pytest]\ngpudl_devices = cpu, sim\n")
    assert "3 passed" in run(project).stdout


def test_what_is_no_device_is_wrong_usage(project):
    done = run(project, "--device", "gpu")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR and "'gpu' is not a device" in done.stderr


def test_a_gpu_that_is_missing_skips_its_tests_and_says_why(project):
    if gpudl_has_a_gpu():
        pytest.skip("there is a GPU")
    done = run(project, "--device", "cpu,cuda")
    assert done.returncode == 0 and "2 passed, 1 skipped" in done.stdout
    assert done.stdout.count("'cuda:0' is not available") == 2, done.stdout


def test_a_gpu_that_is_all_one_asked_for_must_be_there(project):
    if gpudl_has_a_gpu():
        pytest.skip("there is a GPU")
    done = run(project, "--device", "cuda")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR and "not available" in done.stderr


@needs_sim
def test_a_sim_device_that_the_command_line_names_must_be_there(project):
    done = run(project, "--device", "cpu,sim", PATH="", CXX="no-such-compiler")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR and "compiler" in done.stderr


def gpudl_has_a_gpu():
    from gpudl.backend.device import available

    return available("cuda")


@needs_sim
def test_the_example_of_a_kernel_of_ones_own_passes(tmp_path):
    example = tmp_path / "own_kernel_test.py"
    example.write_text((ROOT / "examples" / "own_kernel_test.py").read_text())
    done = run(tmp_path, "-p", "gpudl.testing.plugin", "--device", "sim", str(example))
    assert done.returncode == 0 and " passed" in done.stdout, done.stdout + done.stderr


@needs_sim
def test_errors_of_kernels_are_named(tmp_path):
    (tmp_path / "test_wrong.py").write_text(
        "import cupy, numpy as np\n"
        'double = cupy.ElementwiseKernel("T x", "T y", "y = x + x + (i == 3)", "wrong")\n'
        "def test_double(check_kernel):\n"
        "    check_kernel(double, [np.arange(8.0)], lambda x: 2 * x)\n"
        "def test_missing(check_kernel):\n"
        "    check_kernel(double, [np.arange(8.0)], lambda x: 2 * x, grid=(1,))\n"
    )
    done = run(tmp_path, "-p", "gpudl.testing.plugin", "--device", "sim")
    assert done.returncode == 1 and "2 failed" in done.stdout
    assert "output 0 on sim:0 with threads in forward order" in done.stdout
    assert "1 of 8 elements differ" in done.stdout and "(3,): got 7.0, want 6.0" in done.stdout
    assert "a launched kernel needs grid, block and outputs" in done.stdout
