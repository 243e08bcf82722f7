"""gpudl doctor: what is found, what to install, and whether a device works."""

import re
import sys

import numpy as np
import pytest

import gpudl
from gpudl.backend import cuda_probe, device, doctor
from gpudl.backend.doctor import Finding
from gpudl.cli import main
from tests.backend.emulated import has_gpu, run

GPU = cuda_probe.Driver(13000, 2, None)
NONE = cuda_probe.Driver(0, 0, "no NVIDIA driver was found")


@pytest.fixture
def driver(monkeypatch):
    """Sets what the driver is to say."""

    def set_to(said):
        monkeypatch.setattr(cuda_probe, "driver", lambda: said)

    return set_to


def test_all_parts_are_looked_for(driver):
    driver(GPU)
    found = {finding.name: finding for finding in doctor.parts()}
    assert list(found) == ["driver", "CuPy", "runtime", "NVRTC", "cuBLAS", "compiler"]
    assert found["driver"] == Finding("driver", True, "for CUDA 13.0, 2 GPUs")
    for finding in found.values():
        assert "\n" not in finding.text
        if finding.found and finding.name not in ("driver", "CuPy"):
            assert re.search(r"\d+\.\d+.*, .*/", finding.text), finding  # a version and a place


def test_parts_without_a_gpu_and_without_cupy(driver, monkeypatch):
    driver(NONE)
    monkeypatch.setattr(cuda_probe, "find_spec", lambda name: None)
    monkeypatch.setattr(doctor, "find_spec", lambda name: None)
    monkeypatch.setattr(cuda_probe, "cupy_wheels", list)
    monkeypatch.setenv("CXX", "no-such-compiler")
    found = {finding.name: finding for finding in doctor.parts()}
    assert not any(finding.found for finding in found.values())
    assert found["CuPy"].text == 'CuPy is not installed; run: pip install "gpudl[sim]"'


@pytest.mark.parametrize(
    ("said", "line"),
    [
        (GPU, 'pip install "gpudl[cuda13]"'),
        (GPU._replace(version=12080), 'pip install "gpudl[cuda12]"'),
        (NONE, 'pip install "gpudl[cuda12]" (or cuda13)'),
    ],
)
def test_the_install_line_fits_the_driver(driver, said, line):
    driver(said)
    gpu, emulated = doctor.install_lines()
    assert gpu.endswith(line) and 'pip install "gpudl[sim]"' in emulated


@pytest.mark.parametrize(
    ("said", "cupy", "wanted"),
    [
        (NONE, False, ["cpu"]),
        (NONE, True, ["cpu", "sim:0"]),
        (GPU, True, ["cpu", "cuda:0"]),
        (GPU, False, ["cpu"]),
    ],
)
def test_what_is_installed_should_work(driver, monkeypatch, said, cupy, wanted):
    driver(said)
    monkeypatch.setattr(doctor, "find_spec", lambda name: name if cupy else None)
    chosen, others = doctor.installed()
    assert [str(place) for place in chosen] == wanted
    assert sorted(map(str, (*chosen, *others))) == ["cpu", "cuda:0", "sim:0"]


def test_a_device_shows_that_it_works(place):
    assert "compiled, run and checked" in doctor.prove(place)
    assert doctor.prove(gpudl.device("cpu")) == f"NumPy {np.__version__}"


@pytest.mark.parametrize("number", [0, 1, 2])
def test_wrong_numbers_are_noticed(place, monkeypatch, number):
    backend = device.require(place)
    calls = []
    right = backend.to_host

    def spoiled(array):
        calls.append(array)
        return right(array) + (len(calls) == number + 1)

    monkeypatch.setattr(backend, "to_host", spoiled)
    what = ("a kernel", "an operation", "a matrix product")[number]
    with pytest.raises(gpudl.DeviceError, match=f"^{what} gives wrong numbers"):
        doctor.prove(place)


def test_what_breaks_is_told_in_one_line(place, monkeypatch):
    monkeypatch.setattr(doctor, "_SOURCE", "no CUDA at all")
    with pytest.raises(gpudl.DeviceError) as caught:
        doctor.prove(place)
    assert "\n" not in str(caught.value)


def test_a_trial_survives_a_process_that_does_not(monkeypatch):
    monkeypatch.setattr(doctor, "_TRIAL", "import os; os.abort()")
    assert doctor.trial(gpudl.device("cpu")) == Finding("cpu", False, "the process ended with -6")
    monkeypatch.setattr(doctor, "_TRIAL", "import time; time.sleep(60)")
    monkeypatch.setattr(doctor, "_PATIENCE", 0.1)
    assert doctor.trial(gpudl.device("cpu")) == Finding("cpu", False, "no answer within 0.1 s")


def test_the_command_reports_and_its_exit_code_says_whether_the_device_works(capsys, place):
    assert main(["doctor", "--device", "cpu"]) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert err == "" and lines[0].startswith("gpudl ") and "cpu       yes  works: NumPy" in out
    assert sum(line.startswith(("cuda:", "sim:")) for line in lines) == 0
    assert "pip install" in lines[-1] and "pip install" in lines[-2]
    assert main(["doctor", "--device", str(place)]) == 0
    assert f"{place!s:9} yes  works: " in capsys.readouterr().out


@pytest.mark.skipif(has_gpu(), reason="there is a GPU here")
def test_a_gpu_that_is_not_there_is_exit_code_1(capsys):
    assert main(["doctor", "--device", "cuda"]) == 1
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("cuda:0"))
    assert line.startswith("cuda:0    no   ") and "driver" in line and "device 'cpu'" in line


def test_what_should_work_and_does_not_is_exit_code_1(capsys, driver, monkeypatch):
    driver(GPU)
    monkeypatch.setattr(doctor, "find_spec", lambda name: None)
    monkeypatch.setattr(doctor, "trial", lambda place: Finding(str(place), place.index is None, "so it is"))
    assert main(["doctor"]) == 0
    monkeypatch.setattr(doctor, "find_spec", lambda name: name)
    monkeypatch.setattr(doctor, "_libraries", list)
    assert main(["doctor"]) == 1
    out = capsys.readouterr().out
    assert "cuda:0    no   so it is" in out and "sim:0     no   so it is" in out


@pytest.mark.parametrize("arguments", [["--device", "gpu"], ["--device", "cpu:7"], ["--what"], ["cpu"]])
def test_wrong_usage_is_exit_code_2(capsys, arguments):
    assert main(["doctor", *arguments]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.skipif(has_gpu(), reason="there is a GPU here")
@pytest.mark.parametrize(
    "program",
    [
        ["-m", "gpudl", "train", "examples/digits.toml", "--device", "cuda"],
        ["examples/digits_mlp.py", "--device", "cuda"],
        ["examples/keras_line.py", "--device", "cuda"],
        ["examples/custom_op.py", "--device", "cuda"],
    ],
)
def test_programs_without_the_gpu_they_ask_for_end_with_the_reason(program):
    code = f"import subprocess, sys; sys.exit(subprocess.run([{sys.executable!r}, *{program!r}]).returncode)"
    said = run(code, fails=True)
    assert said.count("\n") == 0 and "device 'cuda:0' is not available: " in said and "driver" in said


def test_memory_that_is_spent_is_one_message_and_exit_code_1(capsys, monkeypatch):
    def spend(*args, **kwargs):
        raise gpudl.OutOfMemoryError("cuda:0 is out of memory")

    monkeypatch.setattr(doctor, "installed", spend)
    assert main(["doctor"]) == 1
    assert capsys.readouterr().err == "gpudl: cuda:0 is out of memory\n"
