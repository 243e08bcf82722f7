"""GPUDL_SIM_RECORD: what was compiled, one line each, for the NVRTC gate."""

from __future__ import annotations

import fcntl
import json
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from emulated import ROOT, needs_sim, output

from gpudl.sim import recording
from gpudl.sim.errors import SimError
from gpudl.sim.settings import current


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    path = tmp_path / "new" / "record.jsonl"
    chosen = replace(current(), record=path)
    monkeypatch.setattr(recording, "current", lambda: chosen)
    return lambda: [json.loads(line) for line in path.read_text().splitlines()]


def test_each_distinct_source_is_one_line(recorded: Any) -> None:
    for _ in range(2):
        recording.record("a\nb", ("-DN=1",), ("f<int>",))
        recording.record("a\nb", ("-DN=2",), ())
    assert recorded() == [
        {"source": "a\nb", "options": ["-DN=1"], "name_expressions": ["f<int>"]},
        {"source": "a\nb", "options": ["-DN=2"], "name_expressions": []},
    ]


def test_lines_of_others_are_not_repeated(recorded: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    recording.record("a", (), ())
    monkeypatch.setattr(recording, "_seen", set())
    monkeypatch.setattr(recording, "_read", {})
    recording.record("b", (), ())
    recording.record("a", (), ())
    assert [line["source"] for line in recorded()] == ["a", "b"]


def test_parallel_processes_share_a_file(tmp_path: Path) -> None:
    program = f"""
import os
os.environ["GPUDL_SIM_RECORD"] = {str(tmp_path / "record")!r}
from gpudl.sim.recording import record
for i in range(40): record(f"{{i}} " + "x" * 5000, (), ())
"""
    command = [sys.executable, "-c", program]
    with ThreadPoolExecutor(4) as pool:
        assert not any(pool.map(lambda _: subprocess.run(command, cwd=ROOT).returncode, range(4)))
    lines = [json.loads(line)["source"].split()[0] for line in (tmp_path / "record").read_text().splitlines()]
    assert sorted(lines, key=int) == [str(i) for i in range(40)]


def test_writer_waits_for_others(recorded: Any) -> None:
    recording.record("a", (), ())
    with open(recording.current().record, "ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        waiting = threading.Thread(target=recording.record, args=("b", (), ()))
        waiting.start()
        waiting.join(0.3)
        assert waiting.is_alive()
    waiting.join()
    assert [line["source"] for line in recorded()] == ["a", "b"]


def test_file_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    chosen = replace(current(), record=tmp_path / "file" / "record")
    monkeypatch.setattr(recording, "current", lambda: chosen)
    with pytest.raises(SimError, match="GPUDL_SIM_RECORD=.*file/record cannot be written: "):
        recording.record("a", (), ())


def test_kernels_of_cupy_and_of_users_are_recorded(tmp_path: Path) -> None:
    needs_sim()
    program = """
import gpudl.sim
gpudl.sim.install()
import cupy
x = cupy.zeros(3, "f4") + 1
for _ in range(2):
    cupy.RawModule(code="template <class T> __global__ void k(T* x) { x[0] = N; }", options=("-DN=3",),
                   name_expressions=["k<float>"]).get_function("k<float>")((1,), (1,), (x,))
print(x)
"""
    assert output(program, GPUDL_SIM_RECORD=str(tmp_path / "record")) == "[3. 1. 1.]\n"
    lines = [json.loads(line) for line in (tmp_path / "record").read_text().splitlines()]
    (raw,) = [line for line in lines if line["name_expressions"]]
    assert raw["name_expressions"] == ["k<float>"] and "-DN=3" in raw["options"]
    assert any("cupy_add" in line["source"] for line in lines)
