"""MNIST and Fashion-MNIST from small files made here, and from a real subset where it is there."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gpudl.autograd.tensor import Tensor, wrap
from gpudl.data import MNIST, DataLoader, FashionMNIST, IdxError, write_idx

REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "mnist10k"
needs_real_files = pytest.mark.skipif(not REAL.is_dir(), reason="the MNIST subset ../shared/data/mnist10k is absent")

RNG = np.random.default_rng(0)
IMAGES = {"train": RNG.integers(0, 256, (12, 28, 28), np.uint8), "t10k": RNG.integers(0, 256, (5, 28, 28), np.uint8)}
IMAGES["train"][0, 0, :4] = 0, 1, 127, 255
LABELS = {"train": np.arange(12, dtype=np.uint8) % 10, "t10k": np.array([9, 0, 3, 3, 1], np.uint8)}


def fill(folder: Path, suffix: str = ".gz") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for split in ("train", "t10k"):
        write_idx(folder / f"{split}-images-idx3-ubyte{suffix}", IMAGES[split])
        write_idx(folder / f"{split}-labels-idx1-ubyte{suffix}", LABELS[split])
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return fill(tmp_path)


@pytest.mark.parametrize("kind", [MNIST, FashionMNIST])
@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("layout", [".", "raw", "{name}/raw"])
def test_files_are_found_where_torchvision_puts_them(tmp_path: Path, kind: Any, suffix: str, layout: str) -> None:
    fill(tmp_path / layout.format(name=kind.__name__), suffix)
    dataset = kind(str(tmp_path), train=False)
    np.testing.assert_array_equal(dataset.data.array, IMAGES["t10k"])
    np.testing.assert_array_equal(dataset.targets.array, LABELS["t10k"])


def test_each_dataset_reads_its_own_folder(tmp_path: Path) -> None:
    fill(tmp_path / "MNIST" / "raw")
    with pytest.raises(FileNotFoundError):
        FashionMNIST(tmp_path)


def test_attributes_are_those_of_torchvision(root: Path) -> None:
    dataset = MNIST(root)
    assert dataset.data.array.dtype == np.uint8 and dataset.data.array.shape == (12, 28, 28)
    assert dataset.targets.array.dtype == np.int64 and dataset.targets.array.shape == (12,)
    assert dataset.classes[7] == "7 - seven" and len(dataset.classes) == 10
    assert FashionMNIST.classes[9] == "Ankle boot" and len(FashionMNIST.classes) == 10
    assert dataset.train and not MNIST(root, train=False).train
    assert "12 images" in repr(dataset)


@pytest.mark.parametrize("flatten", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_images_are_pixels_divided_by_255(root: Path, flatten: bool, dtype: str) -> None:
    dataset = MNIST(root, flatten=flatten, dtype=dtype)
    image, label = dataset[3]
    expected = IMAGES["train"][3].astype(dtype) / np.dtype(dtype).type(255)
    assert isinstance(image, Tensor) and image.array.dtype == dtype and not image.requires_grad
    np.testing.assert_array_equal(image.array, expected.reshape((784,) if flatten else (1, 28, 28)))
    assert label == 3 and type(label) is int
    corner = dataset[0][0].array.reshape(28, 28)[0, :4].astype(np.float64)
    np.testing.assert_allclose(corner, [0, 1 / 255, 127 / 255, 1], rtol=1e-3)
    assert corner[3] == 1


def test_images_are_those_of_totensor(root: Path) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle here")
    expected = torch.from_numpy(IMAGES["train"]).to(torch.float32).div(255).numpy()[:, None]
    (batch,) = DataLoader(MNIST(root), 12)
    np.testing.assert_array_equal(batch[0].array, expected)


@pytest.mark.parametrize("flatten", [False, True])
def test_batches_equal_single_samples(root: Path, flatten: bool) -> None:
    dataset = MNIST(root, flatten=flatten)
    assert dataset.batch is not None
    batches = list(DataLoader(dataset, 5, shuffle=True, seed=2))
    samples = list(DataLoader(dataset, 5, shuffle=True, seed=2, collate_fn=list))
    assert [batch[0].array.shape[0] for batch in batches] == [5, 5, 2]
    for (images, labels), group in zip(batches, samples, strict=True):
        assert labels.array.dtype == np.int64
        assert labels.array.tolist() == [label for _, label in group]
        np.testing.assert_array_equal(images.array, np.stack([image.array for image, _ in group]))


def test_reading_changes_no_data(root: Path) -> None:
    dataset = MNIST(root)
    dataset[0][0].array[:] = 5
    dataset.batch(np.array([0]))[0].array[:] = 5  # type: ignore[misc]
    np.testing.assert_array_equal(dataset.data.array, IMAGES["train"])


def test_transforms_see_every_sample(root: Path) -> None:
    seen = []

    def negative(image: Tensor) -> Tensor:
        seen.append(image.array.shape)
        return wrap(1 - image.array, None)

    dataset = MNIST(root, train=False, transform=negative, target_transform=lambda label: label * 10)
    assert dataset.batch is None
    (batch,) = DataLoader(dataset, 5)
    assert seen == [(1, 28, 28)] * 5
    np.testing.assert_array_equal(batch[0].array, 1 - IMAGES["t10k"][:, None].astype(np.float32) / np.float32(255))
    assert batch[1].array.tolist() == [90, 0, 30, 30, 10]


def test_transform_set_later_counts(root: Path) -> None:
    dataset = MNIST(root)
    dataset.transform = lambda image: 1.0
    assert next(iter(DataLoader(dataset, 2)))[0].array.tolist() == [1.0, 1.0]


def test_index_out_of_range_is_an_index_error(root: Path) -> None:
    dataset = MNIST(root, train=False)
    assert dataset[-1][1] == 1
    assert len(list(iter(dataset))) == len(dataset) == 5
    with pytest.raises(IndexError):
        dataset[5]


def test_missing_files_say_where_and_what_was_searched(tmp_path: Path) -> None:
    fill(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte.gz").unlink()
    MNIST(tmp_path)
    with pytest.raises(FileNotFoundError) as caught:
        MNIST(tmp_path, train=False)
    for part in (str(tmp_path), "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte", "MNIST/raw", "download=True"):
        assert part in str(caught.value).replace("\\", "/")


def test_images_and_labels_come_from_one_folder(tmp_path: Path) -> None:
    fill(tmp_path / "raw")
    write_idx(tmp_path / "train-images-idx3-ubyte", IMAGES["t10k"])
    assert len(MNIST(tmp_path)) == 12


def test_counts_must_match(root: Path) -> None:
    write_idx(root / "train-labels-idx1-ubyte.gz", LABELS["t10k"])
    with pytest.raises(ValueError, match=r"train-images.*has 12 images, but .*train-labels.*has 5 labels"):
        MNIST(root)


def test_labels_must_be_digits(root: Path) -> None:
    write_idx(root / "train-labels-idx1-ubyte.gz", np.array([1] * 7 + [10] + [2] * 4, np.uint8))
    with pytest.raises(ValueError, match=r"train-labels.*must be 0 to 9, label 7 is 10"):
        MNIST(root)


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("train-images-idx3-ubyte", LABELS["train"], r"must be uint8 \(count, 28, 28\), the file has uint8 \(12,\)"),
        ("train-images-idx3-ubyte", np.zeros((12, 28, 27), np.uint8), r"uint8 \(12, 28, 27\)"),
        ("train-images-idx3-ubyte", np.zeros((12, 28, 28), np.float32), "float32"),
        ("train-labels-idx1-ubyte", IMAGES["train"], r"must be uint8 \(count,\), the file has uint8 \(12, 28, 28\)"),
        ("train-labels-idx1-ubyte", np.zeros(12, np.int32), "int32"),
    ],
)
def test_files_must_hold_what_their_name_says(root: Path, name: str, array: Any, message: str) -> None:
    write_idx(root / f"{name}.gz", array)
    with pytest.raises(IdxError, match=f"{name}.*{message}"):
        MNIST(root)


def test_truncated_file_is_refused(root: Path) -> None:
    path = root / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(IdxError, match=r"train-images-idx3-ubyte\.gz.*truncated"):
        MNIST(root)


def test_files_without_images_are_read(root: Path) -> None:
    write_idx(root / "train-images-idx3-ubyte.gz", IMAGES["train"][:0])
    write_idx(root / "train-labels-idx1-ubyte.gz", LABELS["train"][:0])
    dataset = MNIST(root)
    assert len(dataset) == 0 and list(DataLoader(dataset, 4, shuffle=True)) == []


@pytest.mark.parametrize("dtype", ["int64", "bool", "uint8"])
def test_images_must_be_floating_point(root: Path, dtype: str) -> None:
    with pytest.raises(TypeError, match=f"MNIST: dtype must be floating point, got {dtype}"):
        MNIST(root, dtype=dtype)


@needs_real_files
def test_real_subset_is_read() -> None:
    train, test = MNIST(REAL), MNIST(REAL, train=False, flatten=True)
    assert (len(train), len(test)) == (9000, 1000)
    counts = np.bincount(train.targets.array, minlength=10)
    assert counts.min() > 700 and counts.max() < 1100
    total = 0.0
    for images, labels in DataLoader(train, 1000, shuffle=True, seed=0):
        assert images.array.shape == (1000, 1, 28, 28) and labels.array.shape == (1000,)
        assert images.array.min() == 0 and images.array.max() == 1
        total += float(images.array.mean(dtype=np.float64)) / 9
    assert abs(total - 0.1307) < 0.002  # the mean of all of MNIST
    (batch,) = DataLoader(test, 1000)
    assert batch[0].array.shape == (1000, 784)


@needs_real_files
def test_real_labels_belong_to_their_images() -> None:
    """The nearest class mean recognizes about 82 % of MNIST; labels that are shifted or shuffled give 10 %."""
    (train,), (test,) = (DataLoader(MNIST(REAL, train=part, flatten=True), 9000) for part in (True, False))
    means = np.stack([train[0].array[train[1].array == digit].mean(0) for digit in range(10)])
    distances = ((test[0].array[:, None] - means) ** 2).sum(2)
    assert 0.77 < (distances.argmin(1) == test[1].array).mean() < 0.87


@needs_real_files
def test_download_fetches_nothing_that_is_there(tmp_path: Path) -> None:
    class NoMirrors(MNIST):
        mirrors = ()

    shutil.copytree(REAL, tmp_path / "copy")
    assert len(NoMirrors(tmp_path / "copy", download=True)) == 9000
