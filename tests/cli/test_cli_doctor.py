"""gpudl doctor: one line each, or the same as JSON."""

from __future__ import annotations

import json
import re

import pytest

from gpudl.backend import doctor, surroundings
from gpudl.backend.doctor import Finding
from gpudl.cli import main


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No looking for CUDA's libraries, no processes, and no large caches."""
    monkeypatch.setattr(doctor, "_libraries", list)
    monkeypatch.setattr(doctor, "trial", lambda place: Finding(str(place), str(place) == "cpu", "so it is"))
    monkeypatch.setattr(surroundings, "caches", lambda: [Finding("CuPy", True, "/cache, 3 files, 0.1 MB")])
    monkeypatch.setenv("GPUDL_DEBUG", "1")
    monkeypatch.setenv("GPUDL_SIM_CHEKC", "check")


def test_each_finding_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--device", "cpu"]) == 0
    out, err = capsys.readouterr()
    lines = [line for line in out.splitlines() if line]
    assert err == "" and all(re.match(r"[\w:/ ]{9} (yes|no ) ", line) for line in lines[:-2])
    assert lines[-3] == "cpu       yes  so it is"
    assert "cache     yes  CuPy: /cache, 3 files, 0.1 MB" in lines
    assert "variable  yes  GPUDL_DEBUG: 1" in lines
    assert any(line.startswith("variable  no   GPUDL_SIM_CHEKC: ") and "GPUDL_SIM_CHECK?" in line for line in lines)
    assert any(re.match(r"extra     (yes|no )  plot: ", line) for line in lines)


@pytest.mark.parametrize(("place", "code"), [("cpu", 0), ("sim", 1)])
def test_json_says_the_same(place: str, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--device", place]) == code
    text = capsys.readouterr().out
    assert main(["doctor", "--device", place, "--json"]) == code
    out, err = capsys.readouterr()
    said = json.loads(out)
    assert err == "" and said["works"] is (code == 0)
    assert [each["name"] for each in said["devices"]] == ["cpu" if place == "cpu" else "sim:0"]
    for kind in ("parts", "extras", "caches", "variables", "devices"):
        assert said[kind]
        for each in said[kind]:
            assert set(each) == {"name", "found", "text"} and each["text"] in text
    assert "\n".join(said["install"]) in text


def test_a_wrong_device_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--device", "gpu", "--json"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("gpudl: 'gpu' is not a device; use one of ") and err.count("\n") == 1
