"""CIFAR-10 and CIFAR-100, read from their binary version, which needs no pickle.

Every record is the label (of CIFAR-100: the coarse and the fine one), a byte each, and then 3 x 32 x 32 pixels, red
before green before blue, row by row. Source: Krizhevsky 2009, https://www.cs.toronto.edu/~kriz/cifar.html.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from gpudl.backend.dtypes import float32
from gpudl.data.download import fetch
from gpudl.data.images import ImageDataset, Transform

_PIXELS = 3 * 32 * 32
_MOST_BYTES = 256 << 20  # of a file in the archive; the largest has 154 MB
_STEP = 1 << 20


class CIFAR10(ImageDataset):
    """Photographs in color, 32 x 32, of 10 classes: 50,000 for training and 10,000 for testing.

    Reads the binary version, `data_batch_1.bin` to `data_batch_5.bin` or `test_batch.bin`, from
    `root/cifar-10-batches-bin` (where `download` puts them) or `root`. Files with other numbers of images are read as
    well. torchvision's own copy is of another version, in pickle files, which are not read: pickle runs code.

    Sample i is `(image, label)`: an image (3, 32, 32) with values in [0, 1], and an int in 0..9. Batches from a
    DataLoader are (count, 3, 32, 32) and (count,) int64.

    Args:
        root: the folder.
        train: the training images; else the test images.
        transform: applied to each image, a Tensor (not a PIL image, as in torchvision); None for none.
        target_transform: applied to each label; None for none.
        download: fetch `archive` into `root`, and unpack it, if the files are not there.
        flatten: images of (3072,) instead of (3, 32, 32).
        dtype: floating point, of the images.
    Attributes:
        data: (count, 3, 32, 32) uint8 Tensor (torchvision's is (count, 32, 32, 3)).
        targets: (count,) int64 Tensor.
        classes: the name of each class.
        class_to_idx: name -> number of the class.
        mirrors: base URLs to download from, tried in this order.
        archive: name and MD5 of the file at the mirrors.
    Raises: FileNotFoundError if the files are not there; ValueError if one is damaged; DownloadError if no mirror
        gives the archive; TypeError for a dtype that is not floating point.
    Source: Krizhevsky 2009, Learning multiple layers of features from tiny images.
    """

    folder: ClassVar[str] = "cifar-10-batches-bin"
    mirrors: ClassVar[tuple[str, ...]] = ("https://www.cs.toronto.edu/~kriz/", "https://cave.cs.toronto.edu/kriz/")
    archive: ClassVar[tuple[str, str]] = ("cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530")
    files: ClassVar[tuple[tuple[str, ...], tuple[str, ...]]] = (
        tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
        ("test_batch.bin",),
    )
    classes: ClassVar[tuple[str, ...]] = (
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    )
    _labels: ClassVar[int] = 1

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
        if download and _find(base, self.folder, (*self.files[0], *self.files[1])) is None:
            self._download(base)
        paths = _find(base, self.folder, self.files[0] if train else self.files[1])
        name = type(self).__name__
        if paths is None:
            wanted = ", ".join(self.files[0] if train else self.files[1])
            raise FileNotFoundError(
                f"{name}: neither {base / self.folder} nor {base} has {wanted}. Pass download=True to fetch them, or "
                f"unpack {self.archive[0]} there"
            )
        records = [_records(path, self._labels + _PIXELS) for path in paths]
        for path, one in zip(paths, records, strict=True):
            wrong = np.flatnonzero(one[:, self._labels - 1] >= len(self.classes))
            if len(wrong):
                found = f"label {wrong[0]} is {one[wrong[0], self._labels - 1]}"
                raise ValueError(f"{path}: labels must be 0 to {len(self.classes) - 1}, {found}: the file is damaged")
        super().__init__(
            np.concatenate([one[:, self._labels :] for one in records]).reshape(-1, 3, 32, 32),
            np.concatenate([one[:, self._labels - 1] for one in records]).astype(np.int64),
            largest=255,
            flatten=flatten,
            dtype=dtype,
            transform=transform,
            target_transform=target_transform,
        )
        self.root, self.train = base, train
        self.class_to_idx = {label: number for number, label in enumerate(self.classes)}

    def _download(self, base: Path) -> None:
        name, md5 = self.archive
        _unpack(
            fetch(name, self.mirrors, md5, base, dataset=type(self).__name__),
            base / self.folder,
            {f"{self.folder}/{file}" for split in self.files for file in split},
        )


class CIFAR100(CIFAR10):
    """Photographs in color, 32 x 32, of 100 classes: 50,000 for training and 10,000 for testing.

    Files, arguments, attributes and errors are those of CIFAR10, with `root/cifar-100-binary/train.bin` and `test.bin`.
    Labels are the fine ones, 0..99, as in torchvision.

    Source: Krizhevsky 2009, Learning multiple layers of features from tiny images.
    """

    folder = "cifar-100-binary"
    archive = ("cifar-100-binary.tar.gz", "03b5dce01913d631647c71ecec9e9cb8")
    files = (("train.bin",), ("test.bin",))
    classes = (
        "apple", "aquarium_fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle", "bottle",
        "bowl", "boy", "bridge", "bus", "butterfly", "camel", "can", "castle", "caterpillar", "cattle",
        "chair", "chimpanzee", "clock", "cloud", "cockroach", "couch", "crab", "crocodile", "cup", "dinosaur",
        "dolphin", "elephant", "flatfish", "forest", "fox", "girl", "hamster", "house", "kangaroo", "keyboard",
        "lamp", "lawn_mower", "leopard", "lion", "lizard", "lobster", "man", "maple_tree", "motorcycle", "mountain",
        "mouse", "mushroom", "oak_tree", "orange", "orchid", "otter", "palm_tree", "pear", "pickup_truck", "pine_tree",
        "plain", "plate", "poppy", "porcupine", "possum", "rabbit", "raccoon", "ray", "road", "rocket",
        "rose", "sea", "seal", "shark", "shrew", "skunk", "skyscraper", "snail", "snake", "spider",
        "squirrel", "streetcar", "sunflower", "sweet_pepper", "table", "tank", "telephone", "television", "tiger",
        "tractor", "train", "trout", "tulip", "turtle", "wardrobe", "whale", "willow_tree", "wolf", "woman", "worm",
    )  # fmt: skip
    _labels = 2


def _find(base: Path, folder: str, names: tuple[str, ...]) -> list[Path] | None:
    """The files, from the first folder that has them all."""
    for place in (base / folder, base):
        paths = [place / name for name in names]
        if all(path.is_file() for path in paths):
            return paths
    return None


def _records(path: Path, length: int) -> np.ndarray[Any, Any]:
    """(count, length) uint8."""
    content = np.fromfile(path, np.uint8)
    if not content.size or content.size % length:
        raise ValueError(f"{path}: {content.size} bytes are no whole records of {length}: the file is damaged")
    return content.reshape(-1, length)


def _unpack(archive: Path, folder: Path, wanted: set[str]) -> None:
    """Write the wanted members, each whole or not at all.

    Nothing but plain files of exactly these names is taken, and the archive has no say in where they go.

    Raises: ValueError for an archive that is damaged or lacks one; OSError if a file cannot be written.
    """
    import tarfile
    import zlib

    missing = set(wanted)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tarfile.open(archive, "r:gz") as members:
            for member in members:
                if member.name not in missing or not member.isreg():
                    continue
                content = members.extractfile(member)
                if content is None or member.size > _MOST_BYTES:
                    raise ValueError(f"{archive}: {member.name} has {member.size} bytes, too many")
                target = folder / member.name.rpartition("/")[2]
                partial = target.with_name(f".{target.name}.{os.getpid()}.part")
                try:
                    with open(partial, "wb") as file:
                        while step := content.read(_STEP):
                            file.write(step)
                    os.replace(partial, target)
                finally:
                    partial.unlink(missing_ok=True)
                missing.discard(member.name)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise ValueError(f"{archive}: damaged ({error}); remove it and download again") from error
    if missing:
        raise ValueError(f"{archive}: lacks {', '.join(sorted(missing))}")
