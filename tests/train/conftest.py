"""A small data set in MNIST's files, and a configuration for it, so that nothing has to be installed or downloaded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gpudl.data import write_idx
from gpudl.random import initial_seed, manual_seed

TRAIN_SAMPLES, TEST_SAMPLES = 150, 43


@pytest.fixture(autouse=True)
def keep_seed():
    before = initial_seed()
    yield
    manual_seed(before)


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with 150 and 43 images, each with a bright bar whose column tells its class."""
    folder = tmp_path_factory.mktemp("images")
    random = np.random.default_rng(0)
    for part, count in (("train", TRAIN_SAMPLES), ("t10k", TEST_SAMPLES)):
        labels = np.arange(count) % 10
        pixels = random.integers(0, 100, (count, 28, 28))
        for image, label in zip(pixels, labels, strict=True):
            image[:, 2 * label + 3] += 120
        write_idx(folder / f"{part}-images-idx3-ubyte", pixels.astype(np.uint8))
        write_idx(folder / f"{part}-labels-idx1-ubyte", labels.astype(np.uint8))
    return folder


@pytest.fixture
def config_file(tmp_path: Path, images: Path) -> Path:
    """A configuration that trains in a moment; 150 samples in batches of 32 leave a last batch of 22."""
    path = tmp_path / "small.toml"
    path.write_text(
        f"""
        [data]
        name = "mnist"
        root = '{images}'
        flatten = true
        batch_size = 32
        [model]
        layers = [
            {{ type = "Linear", in_features = 784, out_features = 16 }},
            {{ type = "ReLU" }},
            {{ type = "Linear", in_features = 16, out_features = 10 }},
        ]
        [optimizer]
        type = "Adam"
        lr = 0.01
        [train]
        epochs = 2
        seed = 3
        device = "cpu"
        report = false
        """,
        encoding="utf-8",
    )
    return path
