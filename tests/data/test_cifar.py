"""CIFAR-10 and CIFAR-100 from small files made here, and from archives that mean harm."""

from __future__ import annotations

import hashlib
import io
import pickle
import tarfile
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from gpudl.data import CIFAR10, CIFAR100, DataLoader, DownloadError
from gpudl.data.cifar import _unpack

RNG = np.random.default_rng(0)
COUNT = 3  # images of each file


def records(kind: type[CIFAR10], seed: int) -> tuple[bytes, np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """The content of a file, with its images and labels."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (COUNT, 3, 32, 32), np.uint8)
    labels = rng.integers(0, len(kind.classes), COUNT).astype(np.uint8)
    coarse = [[7] * COUNT] if kind is CIFAR100 else []
    rows = np.concatenate([np.array([*coarse, labels], np.uint8).T, images.reshape(COUNT, -1)], 1)
    return rows.tobytes(), images, labels


def contents(kind: type[CIFAR10]) -> dict[str, bytes]:
    names = [name for split in kind.files for name in split]
    return {name: records(kind, seed)[0] for seed, name in enumerate(names)}


def archive_of(kind: type[CIFAR10], path: Path) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in (*contents(kind).items(), ("readme.html", b"hello")):
            member = tarfile.TarInfo(f"{kind.folder}/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def local(kind: type[CIFAR10], folder: Path) -> type[CIFAR10]:
    """The dataset, to be downloaded from an archive in the folder."""
    path = archive_of(kind, folder / kind.archive[0])

    class Local(kind):  # type: ignore[valid-type, misc]
        mirrors = (folder.as_uri(),)
        archive: ClassVar[tuple[str, str]] = (path.name, hashlib.md5(path.read_bytes()).hexdigest())

    return Local


@pytest.fixture(params=[CIFAR10, CIFAR100])
def kind(request: pytest.FixtureRequest) -> type[CIFAR10]:
    return request.param  # type: ignore[no-any-return]


@pytest.mark.parametrize("below", [True, False])
def test_records_are_images_and_labels(kind: type[CIFAR10], tmp_path: Path, below: bool) -> None:
    place = tmp_path / kind.folder if below else tmp_path
    place.mkdir(exist_ok=True)
    for name, content in contents(kind).items():
        (place / name).write_bytes(content)
    train, test = kind(tmp_path), kind(str(tmp_path), train=False)
    files = len(kind.files[0])
    assert (len(train), len(test)) == (COUNT * files, COUNT)
    expected = [records(kind, seed) for seed in range(files)]
    np.testing.assert_array_equal(train.data.array, np.concatenate([images for _, images, _ in expected]))
    np.testing.assert_array_equal(train.targets.array, np.concatenate([labels for _, _, labels in expected]))
    np.testing.assert_array_equal(test.data.array, records(kind, files)[1])
    assert train.data.array.dtype == np.uint8 and train.targets.array.dtype == np.int64


def filled(tmp_path: Path) -> Path:
    for name, content in contents(CIFAR10).items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def test_samples_and_batches(tmp_path: Path) -> None:
    dataset = CIFAR10(filled(tmp_path))
    image, label = dataset[4]
    _, images, labels = records(CIFAR10, 1)
    assert image.shape == (3, 32, 32) and label == labels[1] and type(label) is int
    np.testing.assert_array_equal(image.array, images[1].astype(np.float32) / np.float32(255))
    (batch,) = DataLoader(dataset, 15, shuffle=True, seed=0)
    samples = next(iter(DataLoader(dataset, 15, shuffle=True, seed=0, collate_fn=list)))
    np.testing.assert_array_equal(batch[0].array, np.stack([image.array for image, _ in samples]))
    assert batch[1].tolist() == [label for _, label in samples]
    assert CIFAR10(tmp_path, flatten=True)[0][0].shape == (3072,)
    assert next(iter(DataLoader(CIFAR10(tmp_path, flatten=True, dtype="float16"), 2)))[0].shape == (2, 3072)
    changed = CIFAR10(tmp_path, transform=lambda x: x[0], target_transform=lambda y: -y)
    assert changed[4][0].shape == (32, 32) and changed[4][1] == -int(labels[1])
    again = pickle.loads(pickle.dumps(dataset))
    np.testing.assert_array_equal(again[4][0].array, image.array)


def test_classes_are_those_of_torchvision() -> None:
    assert CIFAR10.classes == (
        "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
    )  # fmt: skip
    assert len(CIFAR100.classes) == len(set(CIFAR100.classes)) == 100
    assert list(CIFAR100.classes) == sorted(CIFAR100.classes)
    assert (CIFAR100.classes[0], CIFAR100.classes[52], CIFAR100.classes[99]) == ("apple", "oak_tree", "worm")


def test_class_to_idx(tmp_path: Path) -> None:
    assert CIFAR10(filled(tmp_path)).class_to_idx["truck"] == 9


def test_missing_and_damaged_files(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"CIFAR10: neither .*cifar-10-batches-bin.*download=True.*\.tar\.gz"):
        CIFAR10(tmp_path)
    filled(tmp_path)
    path = tmp_path / "data_batch_3.bin"
    content = path.read_bytes()
    for wrong in (content[:-1], b""):
        path.write_bytes(wrong)
        with pytest.raises(ValueError, match=r"data_batch_3\.bin: \d+ bytes are no whole records of 3073"):
            CIFAR10(tmp_path)
    path.write_bytes(content[:3073] + b"\x0a" + content[3074:])
    with pytest.raises(ValueError, match=r"data_batch_3\.bin: labels must be 0 to 9, label 1 is 10"):
        CIFAR10(tmp_path)
    path.unlink()
    with pytest.raises(FileNotFoundError):
        CIFAR10(tmp_path)
    assert len(CIFAR10(tmp_path, train=False)) == COUNT


def test_archive_is_downloaded_and_unpacked_once(
    kind: type[CIFAR10], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mirror").mkdir()
    source = local(kind, tmp_path / "mirror")
    root = tmp_path / "root"
    assert len(source(root, download=True)) == COUNT * len(kind.files[0])
    assert "downloading" in capsys.readouterr().err
    names = {path.name for path in root.rglob("*") if path.is_file()}
    assert names == {*contents(kind), kind.archive[0]}, "and no readme.html"
    (root / kind.archive[0]).unlink()
    assert len(source(root, train=False, download=True)) == COUNT
    assert capsys.readouterr().err == ""
    # One file is lost, the archive is there: nothing is downloaded.
    (root / kind.folder / kind.files[1][0]).unlink()
    archive_of(kind, root / kind.archive[0]).write_bytes((tmp_path / "mirror" / kind.archive[0]).read_bytes())
    assert len(source(root, train=False, download=True)) == COUNT
    assert capsys.readouterr().err == ""


def test_archive_with_the_wrong_checksum_is_not_unpacked(tmp_path: Path) -> None:
    (tmp_path / "mirror").mkdir()
    source = local(CIFAR10, tmp_path / "mirror")
    source.archive = (source.archive[0], "0" * 32)
    with pytest.raises(DownloadError, match="CIFAR10|Local"):
        source(tmp_path / "root", download=True)
    assert not (tmp_path / "root").exists()


def test_archive_has_no_say_in_where_files_go(tmp_path: Path) -> None:
    path = tmp_path / "evil.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name in ("../outside.bin", f"{tmp_path}/absolute.bin", "a/../../outside.bin", "a/other.bin", "a/good.bin"):
            member = tarfile.TarInfo(name)
            member.size = 4
            archive.addfile(member, io.BytesIO(b"evil"))
        for number, type_ in enumerate((tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE)):
            link = tarfile.TarInfo("a/link.bin" if number < 3 else "a/link.bin/")
            link.type, link.linkname = type_, "/etc/passwd"
            archive.addfile(link)
    with pytest.raises(ValueError, match=r"evil\.tar\.gz: lacks a/link\.bin"):
        _unpack(path, tmp_path / "root" / "a", {"a/good.bin", "a/link.bin"})
    found = sorted(str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*") if not file.is_dir())
    assert found == ["evil.tar.gz", "root/a/good.bin"]


@pytest.mark.parametrize("cut", [0, 5, 40, -8])
def test_damaged_archive_is_named(tmp_path: Path, cut: int) -> None:
    path = archive_of(CIFAR100, tmp_path / "c.tar.gz")
    path.write_bytes(path.read_bytes()[:cut] if cut else b"not an archive")
    with pytest.raises(ValueError, match=r"c\.tar\.gz: (damaged|lacks)"):
        _unpack(path, tmp_path / "out", {"cifar-100-binary/train.bin", "cifar-100-binary/none.bin"})
    assert not [file for file in (tmp_path / "out").iterdir() if file.name.startswith(".")]


def test_published_checksums_are_those_of_the_binary_version() -> None:
    assert CIFAR10.archive == ("cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530")
    assert CIFAR100.archive == ("cifar-100-binary.tar.gz", "03b5dce01913d631647c71ecec9e9cb8")
    assert all(mirror.startswith("https") for mirror in CIFAR10.mirrors)
