"""Programs with workers that end in every way: nothing hangs, nothing is printed, no process and no file is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

START = """
import time
from gpudl.data import DataLoader, shared_files

shared_files._MEMORY = FOLDER

class Squares:
    def __len__(self):
        return 1000
    def __getitem__(self, index):
        time.sleep(SLEEP)
        return index * index

def start(workers):
    batches = iter(DataLoader(Squares(), 2, num_workers=1, workers=workers))
    next(batches)
    return batches
"""
posix = pytest.mark.skipif(os.name != "posix", reason="signals and /proc are needed")


def started(folder: Path, program: str, sleep: float = 0.0) -> subprocess.Popen[str]:
    path = folder / "program.py"
    (folder / "shared").mkdir()
    text = START.replace("SLEEP", str(sleep)).replace("FOLDER", repr(str(folder / "shared"))) + program
    path.write_text(text, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}
    return subprocess.Popen(
        [sys.executable, str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
        start_new_session=True,
    )  # fmt: skip


def left(process: subprocess.Popen[str], folder: Path) -> list[str]:
    """Processes of the program's session, and shared files."""
    found = [each.name for each in Path("/proc").glob("[0-9]*") if _session(each) == process.pid]
    return [*found, *map(str, (folder / "shared").iterdir())]


def _session(folder: Path) -> int:
    try:
        fields = (folder / "stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return -1
    return -1 if fields[0] == "Z" else int(fields[3])


def soon(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + 30
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


@posix
def test_program_that_ends_in_an_epoch_leaves_nothing(tmp_path: Path) -> None:
    program = """
if __name__ == "__main__":
    kept = [start("thread"), start("process")]
"""
    process = started(tmp_path, program)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    assert soon(lambda: left(process, tmp_path) == [])


@posix
def test_program_without_a_guard_is_told_so(tmp_path: Path) -> None:
    process = started(tmp_path, 'start("process")\n')
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "worker 0 (process" in errors and "if __name__ == '__main__':" in errors.splitlines()[-1]
    assert soon(lambda: left(process, tmp_path) == [])


@posix
@pytest.mark.parametrize(("workers", "busy"), [("thread", True), ("process", True), ("process", False)])
def test_interrupted_program_ends_at_once(tmp_path: Path, workers: str, busy: bool) -> None:
    """While it waits for the workers, and while they wait for it."""
    program = f"""
if __name__ == "__main__":
    batches = start("{workers}")
    print("running", flush=True)
    for batch in batches:
        time.sleep({0 if busy else 60})
"""
    process = started(tmp_path, program, sleep=0.05 if busy else 0)
    assert process.stdout is not None and process.stdout.readline() == "running\n"
    time.sleep(0 if busy else 0.3)  # until the worker has made what it may
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all processes of the group
    _, errors = process.communicate(timeout=30)
    assert process.returncode == -signal.SIGINT
    assert errors.count("Traceback") == 1 and errors.rstrip().endswith("KeyboardInterrupt")
    assert soon(lambda: left(process, tmp_path) == [])


@posix
def test_workers_of_a_killed_program_end_and_clean_up(tmp_path: Path) -> None:
    program = """
if __name__ == "__main__":
    batches = start("process")
    print("running", flush=True)
    time.sleep(60)
"""
    process = started(tmp_path, program, sleep=0.01)
    assert process.stdout is not None and process.stderr is not None
    assert process.stdout.readline() == "running\n"
    assert len(left(process, tmp_path)) >= 3, "the program, its worker, and what they share"
    process.kill()
    process.wait()
    assert soon(lambda: left(process, tmp_path) == [])
    process.stdout.close()
    process.stderr.close()
