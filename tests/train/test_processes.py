"""The command as a process of its own: signals, terminals, pipes and exit codes."""

from __future__ import annotations

import json
import os
import re
import signal
import struct
import subprocess
import sys
from pathlib import Path

import pytest

import gpudl
from gpudl.cli import main

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(gpudl.__file__).resolve().parents[1])}
GPUDL = [sys.executable, "-m", "gpudl"]
TRAIN = [*GPUDL, "train", "small.toml", "--out", "run"]


@pytest.fixture
def here(config_file: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the configuration, as the current one."""
    monkeypatch.chdir(config_file.parent)
    return config_file.parent


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_interrupt_leaves_a_run_that_can_be_tested(here: Path) -> None:
    command = [*TRAIN, "--epochs", "100000"]
    with subprocess.Popen(
        command, env=ENVIRONMENT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("epoch      2/"):
                break
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and out == ""
    last = err.splitlines()[-1]
    match = re.fullmatch(r"gpudl: interrupted after epoch (\d+) of 100000; run has the weights of epoch \1", last)
    assert match is not None and "Traceback" not in err
    log = (here / "run" / "log.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(log[-1])["epoch"] == int(match[1]) == len(log) - 1
    assert sorted(os.listdir(here / "run")) == ["config.toml", "log.jsonl", "model.safetensors"]
    assert main(["test", "run"]) == 0


@pytest.mark.usefixtures("here")
def test_terminal_gets_a_bar() -> None:
    fcntl, termios = pytest.importorskip("fcntl"), pytest.importorskip("termios")
    master, terminal = os.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 120, 0, 0))
    process = subprocess.Popen(TRAIN, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=terminal)
    os.close(terminal)
    seen = b""
    while True:
        try:
            part = os.read(master, 4096)
        except OSError:  # Linux says so when the other end is closed
            break
        if not part:
            break
        seen += part
    os.close(master)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0 and b"\r" not in out and out.count(b"\n") == 2
    text = seen.decode()
    assert "epoch 1/2: " in text and "epoch 2/2  train loss" in text


@pytest.mark.usefixtures("here")
def test_reader_that_goes_away_gives_no_traceback() -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        ended = subprocess.run([*TRAIN, "-q"], env=ENVIRONMENT, stdout=write, stderr=subprocess.PIPE, timeout=60)
    finally:
        os.close(write)
    assert ended.returncode == 1 and ended.stderr == b""


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
@pytest.mark.usefixtures("here")
def test_results_that_cannot_be_written_are_one_line() -> None:
    with open("/dev/full", "w") as full:
        ended = subprocess.run([*TRAIN, "-q"], env=ENVIRONMENT, stdout=full, stderr=subprocess.PIPE, timeout=60)
    assert ended.returncode == 1
    assert ended.stderr == b"gpudl: cannot write the results: No space left on device\n"


@pytest.mark.usefixtures("here")
def test_wrong_input_ends_the_process_with_code_2() -> None:
    ended = subprocess.run([*TRAIN, "--set", "train.epoch=3"], env=ENVIRONMENT, capture_output=True, timeout=60)
    assert ended.returncode == 2 and ended.stdout == b""
    expected = b"gpudl: --set: train.epoch: unknown key; train takes epochs, seed, device; did you mean 'epochs'?"
    assert ended.stderr.splitlines() == [expected]


def test_help_loads_nothing_of_training() -> None:
    check = "import sys; from gpudl.cli import main; main(['--help']); print([m for m in sys.modules if 'train' in m])"
    ended = subprocess.run([sys.executable, "-c", check], env=ENVIRONMENT, capture_output=True, text=True, timeout=60)
    assert ended.stdout.endswith("[]\n")
