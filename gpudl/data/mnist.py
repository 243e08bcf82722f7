"""MNIST and Fashion-MNIST, read from their IDX files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from gpudl.backend.dtypes import float32
from gpudl.data.download import fetch
from gpudl.data.idx import IdxError, read_idx
from gpudl.data.images import ImageDataset, Transform

_TRAIN = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte")
_TEST = ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


class MNIST(ImageDataset):
    """Handwritten digits, 28 x 28: 60,000 for training and 10,000 for testing.

    Reads `train-images-idx3-ubyte`, `train-labels-idx1-ubyte` and their `t10k-` counterparts, plain or `.gz`, from
    `root`, `root/MNIST/raw` (where torchvision and `download` put them) or `root/raw`. Files with other numbers of
    images are read as well.

    Sample i is `(image, label)`: an image (1, 28, 28) with values in [0, 1], and an int in 0..9. Batches from a
    DataLoader are (count, 1, 28, 28) and (count,) int64.

    Args:
        root: the folder.
        train: the training images; else the test images.
        transform: applied to each image, a Tensor (not a PIL image, as in torchvision); None for none.
        target_transform: applied to each label; None for none.
        download: fetch those of the four files that are missing into `root/MNIST/raw`.
        flatten: images of (784,) instead of (1, 28, 28).
        dtype: floating point, of the images.
    Attributes:
        data: (count, 28, 28) uint8 Tensor.
        targets: (count,) int64 Tensor.
        classes: the name of each class.
        mirrors: base URLs to download from, tried in this order.
        checksums: MD5 of each file at the mirrors. It is compared with downloads only; your own files may differ.
    Raises: FileNotFoundError if the files are not there; ValueError (IdxError) if one is damaged or holds something
        else, if the numbers of images and labels differ, or if a label is outside 0..9; DownloadError if no mirror
        gives a file; TypeError for a dtype that is not floating point.
    Source: LeCun, Bottou, Bengio and Haffner 1998, Gradient-based learning applied to document recognition.
    """

    folder: ClassVar[str] = "MNIST"
    mirrors: ClassVar[tuple[str, ...]] = (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "http://yann.lecun.com/exdb/mnist/",
    )
    checksums: ClassVar[dict[str, str]] = {
        "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
        "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
        "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
    }
    classes = (
        "0 - zero", "1 - one", "2 - two", "3 - three", "4 - four",
        "5 - five", "6 - six", "7 - seven", "8 - eight", "9 - nine",
    )  # fmt: skip

    def __init__(
        self,
        root: str | os.PathLike[str],
        train: bool = True,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        download: bool = False,
        *,
        flatten: bool = False,
        dtype: Any = float32,
    ):
        base = Path(root).expanduser()
        folders = (base, base / self.folder / "raw", base / "raw")
        if download:
            self._download(folders)
        names = _TRAIN if train else _TEST
        paths = _find(folders, names)
        if paths is None:
            raise FileNotFoundError(
                f"{self.folder}: {base} has no folder with both {names[0]} and {names[1]} (plain or .gz); looked in "
                f"{', '.join(map(str, folders))}. Pass download=True to fetch them, or put them into one of these"
            )
        images, labels = _load(*paths)
        super().__init__(
            images,
            labels,
            largest=255,
            flatten=flatten,
            dtype=dtype,
            transform=transform,
            target_transform=target_transform,
        )
        self.root, self.train = base, train

    def _download(self, folders: tuple[Path, ...]) -> None:
        target = folders[1]
        for names in (_TRAIN, _TEST):
            if _find(folders, names) is None:
                for name in names:
                    if _existing(target, name) is None:
                        packed = f"{name}.gz"
                        fetch(packed, self.mirrors, self.checksums[packed], target, dataset=self.folder)


class FashionMNIST(MNIST):
    """Articles of clothing, 28 x 28, in 10 classes: 60,000 for training and 10,000 for testing.

    Files, arguments, attributes and errors are those of MNIST, with `root/FashionMNIST/raw` for `root/MNIST/raw`.

    Source: Xiao, Rasul and Vollgraf 2017, arXiv:1708.07747.
    """

    folder = "FashionMNIST"
    mirrors = ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",)
    checksums: ClassVar[dict[str, str]] = {
        "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
        "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
        "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
    }
    classes = (
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    )  # fmt: skip


def _existing(folder: Path, name: str) -> Path | None:
    return next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)


def _find(folders: tuple[Path, ...], names: tuple[str, str]) -> tuple[Path, Path] | None:
    """Images and labels from the first folder that has both: from two folders they might not belong together."""
    for folder in folders:
        images, labels = _existing(folder, names[0]), _existing(folder, names[1])
        if images is not None and labels is not None:
            return images, labels
    return None


def _load(images_path: Path, labels_path: Path) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """(count, 28, 28) uint8 and (count,) int64."""
    images, labels = read_idx(images_path), read_idx(labels_path)
    if images.dtype != np.uint8 or images.shape[1:] != (28, 28):
        raise IdxError(f"{images_path}: images must be uint8 (count, 28, 28), the file has {_what(images)}")
    if labels.dtype != np.uint8 or labels.ndim != 1:
        raise IdxError(f"{labels_path}: labels must be uint8 (count,), the file has {_what(labels)}")
    if len(images) != len(labels):
        raise IdxError(f"{images_path} has {len(images)} images, but {labels_path} has {len(labels)} labels")
    wrong = np.flatnonzero(labels > 9)
    if len(wrong):
        raise IdxError(f"{labels_path}: labels must be 0 to 9, label {wrong[0]} is {labels[wrong[0]]}")
    return images, labels.astype(np.int64)


def _what(array: np.ndarray[Any, Any]) -> str:
    return f"{array.dtype} {array.shape}"
