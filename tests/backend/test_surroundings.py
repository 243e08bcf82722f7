"""What gpudl doctor says of the surroundings: versions, GPUs, extras, caches and variables, each in a line."""

import importlib
import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest

import gpudl
from gpudl.backend import cuda_probe, surroundings
from gpudl.backend.doctor import Finding

tomllib = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")

ROOT = Path(__file__).resolve().parents[2]


class Driver:
    """A driver's library with two GPUs, whose functions fill what they are given by reference."""

    def cuDeviceGet(self, device, number):
        device._obj.value = 10 + number

    def cuDeviceGetName(self, name, size, device):
        assert size == 256
        name.value = b"NVIDIA H200" if device.value == 10 else b"NVIDIA \xff"

    def cuDeviceTotalMem_v2(self, memory, device):
        memory._obj.value = 150 * 2**30 if device.value == 10 else 2**29

    def cuDeviceGetAttribute(self, value, attribute, device):
        value._obj.value = {75: 9, 76: 0}[attribute]


class Management:
    """The management library."""

    started = 0

    def nvmlInit_v2(self):
        return self.started

    def nvmlSystemGetDriverVersion(self, text, size):
        text.value = b"550.54.15"
        return 0

    def nvmlShutdown(self):
        return 0


@pytest.fixture
def libraries(monkeypatch):
    """Sets the libraries that can be loaded, by a part of their name."""

    def set_to(**known):
        def load(path):
            for name, library in known.items():
                if name in path:
                    return library
            raise OSError(f"{path}: cannot open")

        monkeypatch.setattr(surroundings.ctypes, "CDLL", load)
        monkeypatch.setattr(cuda_probe, "driver", lambda: cuda_probe.Driver(13000, 2, None))

    return set_to


def test_programs_are_named_with_versions_and_places():
    found = {finding.name: finding for finding in surroundings.programs()}
    assert list(found) == ["gpudl", "Python", "NumPy"] and all(finding.found for finding in found.values())
    assert found["gpudl"].text == f"{gpudl.__version__}, {Path(gpudl.__file__).parent}"
    assert sys.executable in found["Python"].text
    assert re.fullmatch(rf"{re.escape(np.__version__)}, BLAS .+, \d+ processors?", found["NumPy"].text)


def test_threads_of_openblas_are_those_that_numpy_uses():
    threads = surroundings.blas_threads()
    if threads is None:
        pytest.skip("this NumPy comes without OpenBLAS")
    wanted = os.environ.get("OPENBLAS_NUM_THREADS") or os.environ.get("OMP_NUM_THREADS")
    assert threads == int(wanted) if wanted else threads >= 1


def test_each_gpu_is_a_line(libraries):
    libraries(libcuda=Driver(), nvcuda=Driver(), nvml=Management(), **{"nvidia-ml": Management()})
    first, second = surroundings.gpus()
    text = "NVIDIA H200, 150.0 GiB, compute capability 9.0, driver 550.54.15"
    assert first == Finding("GPU 0", True, text)
    assert second.name == "GPU 1" and second.text.startswith("NVIDIA \ufffd, 0.5 GiB, ")


def test_a_driver_without_its_management_library_is_enough(libraries):
    libraries(libcuda=Driver(), nvcuda=Driver())
    assert [finding.text.endswith("compute capability 9.0") for finding in surroundings.gpus()] == [True, True]
    broken = Management()
    broken.started = 9
    libraries(libcuda=Driver(), nvcuda=Driver(), nvml=broken, **{"nvidia-ml": broken})
    assert [finding.text.endswith("compute capability 9.0") for finding in surroundings.gpus()] == [True, True]


def test_no_gpus_where_there_is_no_driver(libraries, monkeypatch):
    libraries()
    assert list(surroundings.gpus()) == []
    monkeypatch.setattr(cuda_probe, "driver", lambda: cuda_probe.Driver(0, 0, "no NVIDIA driver was found"))
    libraries(libcuda=None)
    monkeypatch.setattr(cuda_probe, "driver", lambda: cuda_probe.Driver(13000, 1, "too old"))
    assert list(surroundings.gpus()) == []


def test_extras_are_those_of_the_project_with_the_line_that_installs_each(monkeypatch):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = set(project["optional-dependencies"]) - {"dev", "test", "cuda12", "cuda13"}
    assert [finding.name for finding in surroundings.extras()] == sorted(wanted)
    monkeypatch.setattr(surroundings, "_version_of", lambda package: None if package == "pillow" else "1.2")
    found = {finding.name: finding for finding in surroundings.extras()}
    assert found["image"] == Finding("image", False, 'pillow not installed: pip install "gpudl[image]"')
    assert found["plot"] == Finding("plot", True, "matplotlib 1.2")
    assert found["sim"].text.startswith("cupy-cuda12x 1.2, ml_dtypes 1.2, ")  # with those of the extra amp in it


def test_extras_of_an_installed_package_are_read_from_its_metadata(monkeypatch, tmp_path):
    (tmp_path / "gpudl").mkdir()
    monkeypatch.setattr(surroundings, "_HERE", tmp_path / "gpudl")
    lines = [
        "numpy>=2.0",
        'tomli>=2.0; python_version < "3.11"',
        'ml_dtypes>=0.4; extra == "amp"',
        "cupy-cuda12x<15,>=14; extra == 'sim'",
        'gpudl[amp]; extra == "sim"',
    ]
    monkeypatch.setattr(surroundings.metadata, "requires", lambda name: lines)
    assert surroundings._extras() == {"amp": ["ml_dtypes"], "sim": ["cupy-cuda12x", "ml_dtypes"]}
    monkeypatch.setattr(surroundings.metadata, "requires", lambda name: None)
    assert surroundings._extras() == {}


def test_caches_are_told_with_their_size(monkeypatch, tmp_path):
    monkeypatch.setenv("CUPY_CACHE_DIR", str(tmp_path / "none"))
    monkeypatch.setenv("GPUDL_SIM_CACHE", str(tmp_path / "sim"))
    (tmp_path / "sim" / "deeper").mkdir(parents=True)
    (tmp_path / "sim" / "a").write_bytes(b"x" * 150_000)
    (tmp_path / "sim" / "deeper" / "b").write_bytes(b"x" * 50_000)
    (tmp_path / "sim" / "gone").symlink_to(tmp_path / "nowhere")
    cupy, sim = surroundings.caches()
    assert cupy == Finding("CuPy", False, f"{tmp_path / 'none'} is not there yet")
    assert sim.found and sim.text == f"{tmp_path / 'sim'}, 3 files, 0.2 MB"


def test_variables_that_are_set_are_told_and_typos_named(monkeypatch):
    for name in list(os.environ):
        if name.startswith("GPUDL_"):
            monkeypatch.delenv(name)
    assert list(surroundings.variables()) == []
    monkeypatch.setenv("GPUDL_DEBUG", "1")
    monkeypatch.setenv("GPUDL_SIM_CHEKC", "check")
    monkeypatch.setenv("GPUDL_XYZ", "")
    assert list(surroundings.variables()) == [
        Finding("GPUDL_DEBUG", True, "1"),
        Finding("GPUDL_SIM_CHEKC", False, "gpudl knows no such variable; did you mean GPUDL_SIM_CHECK?"),
        Finding(
            "GPUDL_XYZ",
            False,
            f"gpudl knows no such variable; there are {', '.join(surroundings.known_variables())}",
        ),
    ]


def test_all_variables_that_the_package_reads_are_known():
    files = [path for path in (ROOT / "gpudl").rglob("*") if path.suffix in (".py", ".cpp", ".h")]
    named = {name for path in files for name in re.findall(r"\bGPUDL_[A-Z_]*[A-Z]\b", path.read_text(encoding="utf-8"))}
    assert named <= set(surroundings.known_variables())
