"""Checkpoint files: all comes back as it was, damage is noticed wherever it is, and writing is all or nothing."""

from __future__ import annotations

import errno
import json
import math
import os
import resource
import signal
from collections import Counter, OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import gpudl
from gpudl.train import CheckpointError, files
from gpudl.train.checkpoint import checkpoints_in, load_checkpoint, newest_checkpoint, save_checkpoint

STATE: dict[str, Any] = {
    "model": OrderedDict({"0.weight": gpudl.arange(6).reshape(2, 3).T, "0.bias": gpudl.tensor(2.5)}),
    "numbers": [1, -2.5, True, None, 'text\n"quoted" é', 10**30, 0.1],
    "special": {"inf": math.inf, "low": -math.inf, "nan": math.nan},
    "nested": {"betas": (0.9, 0.999), 3: {"$odd": ()}, "empty": [{}, [], ()]},
    "counter": Counter({3: 2, 9: 1}),
    "array": np.array([[1, 2]], np.uint8),
    "scalars": [np.float64(0.1), np.int64(4), np.bool_(True)],
    "none": gpudl.zeros((0, 3)),
    "same.name": gpudl.ones(1),
    "same": {"name": gpudl.zeros(1)},
}


def equal(a: Any, b: Any) -> bool:
    if isinstance(b, (gpudl.Tensor, np.ndarray)):
        x, y = (each.numpy() if isinstance(each, gpudl.Tensor) else each for each in (a, b))
        return type(a) is type(b) and x.dtype == y.dtype and x.shape == y.shape and np.array_equal(x, y)
    if isinstance(b, dict):
        return isinstance(a, dict) and list(a) == list(b) and all(equal(a[key], b[key]) for key in b)
    if isinstance(b, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(map(equal, a, b))
    return bool(a == b or (a != a and b != b))


def test_everything_comes_back(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "a.safetensors", STATE)
    loaded = load_checkpoint(tmp_path / "a.safetensors")
    assert equal(loaded, STATE)
    assert isinstance(loaded["counter"], Counter) and loaded["counter"][4] == 0
    assert loaded["numbers"][2] is True
    loaded["model"]["0.weight"].zero_()  # memory of its own
    save_checkpoint(tmp_path / "b.safetensors", STATE)
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


@pytest.mark.parametrize(
    "dtype", ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float64", "bfloat16"]
)
def test_every_dtype_comes_back(tmp_path: Path, dtype: str) -> None:
    if dtype == "bfloat16":
        pytest.importorskip("ml_dtypes")
    value = gpudl.tensor([0.0, 1.0, 3.0]).to(dtype=dtype)
    save_checkpoint(tmp_path / "a", {"x": value})
    assert equal(load_checkpoint(tmp_path / "a")["x"], value)


def test_other_readers_get_the_weights(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "a.safetensors", {"model": {"0.weight": gpudl.ones(2)}})
    assert list(load_file(tmp_path / "a.safetensors")) == ["model.0.weight"]


def test_a_changed_byte_is_noticed_wherever_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a"
    save_checkpoint(path, {"model": {"w": gpudl.arange(4)}, "step": 3})
    content = path.read_bytes()
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(CheckpointError, match="damaged"):
            load_checkpoint(path)
    for length in range(0, len(content), 7):
        path.write_bytes(content[:length])
        with pytest.raises(CheckpointError, match="damaged"):
            load_checkpoint(path)
    path.write_bytes(content + b"\0")
    with pytest.raises(CheckpointError, match="damaged"):
        load_checkpoint(path)


def test_other_files_are_no_checkpoints(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with pytest.raises(CheckpointError, match="no such file"):
        load_checkpoint(path)
    save_file({"w": np.ones(2)}, path)
    with pytest.raises(CheckpointError, match="no checksum"):
        load_checkpoint(path)
    path.write_bytes(b"\x80\x04\x95 a pickle")
    with pytest.raises(CheckpointError, match="no checksum"):
        load_checkpoint(path)
    with pytest.raises(CheckpointError, match="cannot read"):
        load_checkpoint(tmp_path)


def test_state_of_an_unknown_kind_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_checkpoint(tmp_path / "a", {"x": 1})
    from gpudl.train import checkpoint

    monkeypatch.setattr(checkpoint, "_plain", lambda *arguments: {"$code": "import os"})
    save_checkpoint(tmp_path / "a", {"x": 1})
    with pytest.raises(CheckpointError, match="not as gpudl writes"):
        load_checkpoint(tmp_path / "a")


@pytest.mark.parametrize("value", [object(), {1, 2}, lambda: 0, b"bytes", 1j])
def test_what_is_no_data_cannot_be_saved(tmp_path: Path, value: Any) -> None:
    with pytest.raises(TypeError, match=rf"cannot hold callbacks\.mine\.1, a {type(value).__name__}"):
        save_checkpoint(tmp_path / "a", {"callbacks": {"mine": [1, value]}})
    assert not list(tmp_path.iterdir())


def test_full_disk_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a"
    save_checkpoint(path, {"x": gpudl.ones(10)})
    before = path.read_bytes()
    # A limit on the size of files, as a quota sets it: writing fails in the middle.
    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(OSError) as caught:
            save_checkpoint(path, {"x": gpudl.ones(100_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert caught.value.errno == errno.EFBIG
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["a"]


def test_file_and_name_are_on_the_disk_before_anything_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    sync, replace = os.fsync, os.replace

    def note_sync(descriptor: int) -> None:
        done.append("folder" if os.path.isdir(f"/proc/self/fd/{descriptor}") else "file")
        sync(descriptor)

    def note_replace(source: Any, target: Any) -> None:
        done.append("rename")
        replace(source, target)

    monkeypatch.setattr(files.os, "fsync", note_sync)
    monkeypatch.setattr(files.os, "replace", note_replace)
    save_checkpoint(tmp_path / "a", {"x": 1})
    assert done == ["file", "rename", "folder"]


def test_newest_is_by_the_number_of_the_step(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert newest_checkpoint(tmp_path) is None
    for step in (9, 100_000_000, 20):
        save_checkpoint(tmp_path / f"step-{step:08d}.safetensors", {"step": step})
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / ".step-00000030.safetensors.5.part").write_bytes(b"")
    assert [path.name for path in checkpoints_in(tmp_path)] == [
        "step-100000000.safetensors", "step-00000020.safetensors", "step-00000009.safetensors"
    ]  # fmt: skip
    found = newest_checkpoint(tmp_path)
    assert found is not None and found[1] == {"step": 100_000_000} and capsys.readouterr().err == ""


def test_text_of_the_state_is_json(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "a", {"loss": math.nan, "x": gpudl.ones(1)})
    content = (tmp_path / "a").read_bytes()
    metadata = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"]

    def refuse(text: str) -> None:
        raise AssertionError(text)

    assert json.loads(metadata["state"], parse_constant=refuse) == {"loss": {"$float": "nan"}, "x": {"$tensor": "x"}}
