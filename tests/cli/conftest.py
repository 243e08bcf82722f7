"""A small data set in MNIST's files with a configuration for it, and a run, so that nothing has to be downloaded."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from gpudl.cli import main
from gpudl.data import write_idx
from gpudl.random import initial_seed, manual_seed


@pytest.fixture(autouse=True)
def keep_seed():
    before = initial_seed()
    yield
    manual_seed(before)


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with MNIST's files, of 150 and 43 random images."""
    folder = tmp_path_factory.mktemp("images")
    random = np.random.default_rng(0)
    for part, count in (("train", 150), ("t10k", 43)):
        write_idx(folder / f"{part}-images-idx3-ubyte", random.integers(0, 256, (count, 28, 28)).astype(np.uint8))
        write_idx(folder / f"{part}-labels-idx1-ubyte", (np.arange(count) % 10).astype(np.uint8))
    return folder


def write_config(path: Path, images: Path) -> None:
    """A configuration that trains in a moment."""
    path.write_text(
        f"""
        [data]
        name = "mnist"
        root = '{images}'
        flatten = true
        [model]
        layers = [{{ type = "Linear", in_features = 784, out_features = 10 }}]
        [optimizer]
        type = "SGD"
        lr = 0.1
        [train]
        epochs = 2
        seed = 0
        device = "cpu"
        report = false
        """,
        encoding="utf-8",
    )


@pytest.fixture
def here(tmp_path: Path, images: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder with a configuration small.toml."""
    monkeypatch.chdir(tmp_path)
    write_config(tmp_path / "small.toml", images)
    return tmp_path


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, images: Path) -> Path:
    """A run of small.toml; not to be changed."""
    folder = tmp_path_factory.mktemp("trained")
    write_config(folder / "small.toml", images)
    assert main(["train", str(folder / "small.toml"), "--out", str(folder / "run"), "-q"]) == 0
    return folder / "run"


@pytest.fixture
def run(here: Path, trained: Path) -> Path:
    """A copy of that run, named run, in the current folder."""
    shutil.copytree(trained, here / "run")
    return Path("run")
