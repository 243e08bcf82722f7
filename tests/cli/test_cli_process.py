"""Commands as processes of their own: logs, pipes, full disks and interrupts."""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import sys
from pathlib import Path

import pytest

import gpudl

ROOT = Path(gpudl.__file__).resolve().parents[1]
GPUDL = [sys.executable, "-m", "gpudl"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}

pytestmark = pytest.mark.usefixtures("here")


def control_characters(text: bytes) -> set[int]:
    return {byte for byte in text if (byte < 32 and byte != 10) or byte == 127}


@pytest.mark.parametrize(("term", "report"), [(None, "true"), ("xterm-256color", "false")])
def test_a_log_of_progress_has_no_control_characters(term: str | None, report: str) -> None:
    environment = {name: value for name, value in ENVIRONMENT.items() if name != "TERM"}
    environment |= {} if term is None else {"TERM": term}
    with open("log", "wb") as log:
        command = [*GPUDL, "train", "small.toml", "--out", "run", "-v", "--set", f"train.report={report}"]
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=log, timeout=120)
    text = Path("log").read_bytes()
    assert done.returncode == 0 and b"epoch 2/2  " in text and b"Total params" in text
    assert not control_characters(text) and not control_characters(done.stdout)


def test_a_terminal_gets_a_bar() -> None:
    fcntl, termios = pytest.importorskip("fcntl"), pytest.importorskip("termios")
    master, terminal = os.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 120, 0, 0))
    command = [*GPUDL, "train", "small.toml", "--out", "run"]
    process = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=terminal)
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
    assert process.returncode == 0 and not control_characters(out) and out.count(b"\n") == 2
    assert b"epoch 1/2: " in seen and b"epoch 2/2  loss" in seen


def test_what_a_wrong_word_holds_is_not_obeyed() -> None:
    word = "a\x1b[31m\r\x07.toml"
    done = subprocess.run([*GPUDL, "train", word], env=ENVIRONMENT, capture_output=True, timeout=60)
    assert done.returncode == 2 and done.stdout == b"" and not control_characters(done.stderr)
    assert done.stderr == rb"gpudl: a\x1b[31m \x07.toml: no such file" + b"\n"


def ends(command: list[str], stdout: int) -> tuple[int, bytes]:
    done = subprocess.run([*GPUDL, *command], env=ENVIRONMENT, stdout=stdout, stderr=subprocess.PIPE, timeout=120)
    return done.returncode, done.stderr


PRINTING = [
    ["--help"],
    ["--version"],
    ["summary", "small.toml"],
    ["examples", "--json"],
    ["doctor", "--device", "cpu"],
]


@pytest.mark.skipif(os.name == "nt", reason="pipes of POSIX")
@pytest.mark.parametrize("command", PRINTING, ids=" ".join)
def test_a_reader_that_goes_away_is_no_error_to_tell(command: list[str]) -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        assert ends(command, write) == (1, b"")
    finally:
        os.close(write)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
@pytest.mark.parametrize("command", PRINTING, ids=" ".join)
def test_results_that_cannot_be_written_are_one_line(command: list[str]) -> None:
    with open("/dev/full", "wb") as full:
        assert ends(command, full.fileno()) == (1, b"gpudl: cannot write the results: No space left on device\n")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
def test_a_training_goes_on_when_its_progress_cannot_be_told() -> None:
    read, write = os.pipe()
    os.close(read)
    with open("/dev/full", "wb") as full:
        for number, log in enumerate((full.fileno(), write)):
            command = [*GPUDL, "train", "small.toml", "--out", str(number), "-v"]
            done = subprocess.run(command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=log, timeout=60)
            assert done.returncode == 0 and b" after 2 epochs, " in done.stdout
    os.close(write)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
def test_an_error_that_cannot_be_told_keeps_its_code() -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run([*GPUDL, "train", "nowhere.toml"], env=ENVIRONMENT, stderr=full, timeout=60)
    assert done.returncode == 2


def test_json_is_alone_on_stdout_whatever_other_processes_print() -> None:
    Path("loud.py").write_text(
        "import subprocess, sys\nfrom gpudl import nn\nprint('loud')\n"
        "subprocess.run([sys.executable, '-c', 'print(\"louder\")'], check=True)\nNet = nn.Linear(2, 3)\n"
    )
    command = [*GPUDL, "summary", "loud.py:Net", "--json", "--device", "cpu"]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and json.loads(done.stdout)["parameters"] == 9
    assert sorted(done.stderr.splitlines()) == ["loud", "louder"]
    quiet = subprocess.run([*command, "-q"], env=ENVIRONMENT, capture_output=True, text=True, timeout=60)
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, done.stdout, "")


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_an_interrupted_run_goes_on_to_the_same_weights() -> None:
    train = [*GPUDL, "train", "small.toml", "--out", "run", "--epochs", "100000"]
    with subprocess.Popen(train, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("epoch      2/"):
                break
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and out == ""
    last = err.splitlines()[-1]
    assert last.startswith("gpudl: interrupted in epoch ") and last.endswith("; to go on: gpudl train --resume run")
    done = len(Path("run", "log.jsonl").read_text().splitlines())
    epochs = str(done + 2)
    for command in (["--resume", "run"], ["small.toml", "--out", "whole"]):
        ended = subprocess.run([*GPUDL, "train", *command, "--epochs", epochs, "-q", "--json"], env=ENVIRONMENT,
                               capture_output=True, timeout=120)  # fmt: skip
        assert (ended.returncode, ended.stderr) == (0, b"") and json.loads(ended.stdout)["epochs"] == done + 2
    assert Path("run", "model.safetensors").read_bytes() == Path("whole", "model.safetensors").read_bytes()


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_an_interrupt_while_something_is_computed_is_130() -> None:
    Path("slow.py").write_text("import sys, time\nprint('ready', file=sys.stderr, flush=True)\ntime.sleep(60)\n")
    command = [*GPUDL, "summary", "slow.py:Net"]
    with subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None and process.stderr.readline() == b"ready\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, b"", b"gpudl: interrupted\n")
