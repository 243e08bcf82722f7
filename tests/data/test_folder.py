"""Image folders: torchvision's layout and names, and files that are no images."""

from __future__ import annotations

import builtins
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gpudl
from gpudl.data import DataLoader, DatasetFolder, ImageError, ImageFolder, pil_loader

Image: Any = pytest.importorskip("PIL.Image", reason="Pillow, the extra `image`, is not installed")

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 4, 3), np.uint8)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("dog/b.png", "dog/a.PNG", "dog/more/deep/c.png", "cat/z.bmp", "cat/notes.txt", "ant/x.png"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".txt":
            path.write_text("no image")
        else:
            Image.fromarray(PIXELS).save(path)
    (tmp_path / "stray.png").write_bytes(b"")
    return tmp_path


def test_layout_is_that_of_torchvision(root: Path) -> None:
    dataset = ImageFolder(str(root))
    assert dataset.classes == ["ant", "cat", "dog"]
    assert dataset.class_to_idx == {"ant": 0, "cat": 1, "dog": 2}
    names = ["ant/x.png", "cat/z.bmp", "dog/a.PNG", "dog/b.png", "dog/more/deep/c.png"]
    assert dataset.samples == [(str(root / name), number) for name, number in zip(names, [0, 1, 2, 2, 2], strict=True)]
    assert dataset.imgs is dataset.samples and dataset.targets == [0, 1, 2, 2, 2]
    assert len(dataset) == 5 and "5 files, 3 classes" in repr(dataset)


def test_images_are_those_of_totensor(root: Path) -> None:
    image, label = ImageFolder(root)[1]
    assert image.dtype == gpudl.float32 and image.shape == (3, 5, 4) and label == 1 and type(label) is int
    np.testing.assert_array_equal(image.array, PIXELS.transpose(2, 0, 1).astype(np.float32) / np.float32(255))
    assert image.array.flags.c_contiguous and image.array.flags.writeable


@pytest.mark.parametrize("dtype", ["uint8", "float16", "float64"])
def test_dtype_of_images(root: Path, dtype: str) -> None:
    image = ImageFolder(root, dtype=dtype)[0][0]
    scale = 1 if dtype == "uint8" else 255
    assert str(image.dtype) == dtype
    np.testing.assert_allclose(image.array.astype(np.float64), PIXELS.transpose(2, 0, 1) / scale, rtol=1e-3)
    with pytest.raises(TypeError, match="floating point or uint8, got int64"):
        ImageFolder(root, dtype="int64")


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "1", "CMYK", "I;16"])
def test_every_kind_of_image_becomes_red_green_blue(tmp_path: Path, mode: str) -> None:
    (tmp_path / "a").mkdir()
    source = Image.fromarray(PIXELS)
    image = Image.new("I;16", (4, 5), 7) if mode == "I;16" else source.convert(mode)
    image.save(tmp_path / "a" / ("x.tif" if mode in ("CMYK", "I;16") else "x.png"))
    assert ImageFolder(tmp_path)[0][0].shape == (3, 5, 4)


def test_loader_and_transforms(root: Path) -> None:
    for mode, largest in (("L", 1), ("1", 1), ("I", 255), ("F", 255), ("LA", 1)):
        image = ImageFolder(root, loader=lambda path, mode=mode: Image.open(path).convert("L").convert(mode))[0][0]
        assert image.shape == (1 + (mode == "LA"), 5, 4) and largest / 2 < image.max().item() <= largest
    dataset = ImageFolder(root, transform=lambda x: x[:, 1:], target_transform=lambda y: y + 5, loader=pil_loader)
    assert dataset[0][0].shape == (3, 4, 4) and dataset[0][1] == 5
    assert ImageFolder(root, loader=os.path.basename)[2] == ("a.PNG", 2)
    images, labels = next(iter(DataLoader(ImageFolder(root), 5)))
    assert images.shape == (5, 3, 5, 4) and labels.tolist() == [0, 1, 2, 2, 2]


def test_any_files_can_be_samples(root: Path) -> None:
    dataset = DatasetFolder(root, lambda path: Path(path).read_text(), extensions=".txt", allow_empty=True)
    assert dataset.classes == ["ant", "cat", "dog"] and dataset[0] == ("no image", 1) and len(dataset) == 1
    chosen = ImageFolder(root, is_valid_file=lambda path: not path.endswith(("b.png", ".txt")))
    assert [Path(path).name for path, _ in chosen.samples] == ["x.png", "z.bmp", "a.PNG", "c.png"]
    for options in ({}, {"extensions": ".png", "is_valid_file": bool}):
        with pytest.raises(ValueError, match="give either extensions or is_valid_file"):
            DatasetFolder(root, str, **options)


def test_classes_can_be_chosen_by_a_subclass(root: Path) -> None:
    class Two(ImageFolder):
        def find_classes(self, directory: Any) -> tuple[list[str], dict[str, int]]:
            return ["dog", "ant"], {"dog": 0, "ant": 1}

    assert Two(root).targets == [1, 0, 0, 0]


def test_folders_without_files_or_classes(root: Path, tmp_path: Path) -> None:
    (root / "zoo").mkdir()
    with pytest.raises(FileNotFoundError, match="zoo has no file for its class: files must end in .jpg"):
        ImageFolder(root)
    assert ImageFolder(root, allow_empty=True).classes == ["ant", "cat", "dog", "zoo"]
    with pytest.raises(FileNotFoundError, match="ant has no folder; it needs one for each class"):
        ImageFolder(root / "ant")
    with pytest.raises(FileNotFoundError):
        ImageFolder(root / "none")


def test_damaged_image_names_its_file(root: Path) -> None:
    path = root / "dog" / "b.png"
    whole = path.read_bytes()
    jpeg = root / "cat" / "y.jpg"
    Image.fromarray(np.tile(PIXELS, (20, 20, 1))).save(jpeg)
    jpeg.write_bytes(jpeg.read_bytes()[:700])
    with pytest.raises(ImageError, match=r"y\.jpg: not an image that Pillow can read"):
        pil_loader(jpeg)
    for content in (b"", b"not an image", whole[: len(whole) // 2], whole[:20] + b"\xff" * 9 + whole[29:]):
        path.write_bytes(content)
        with pytest.raises(ImageError, match=r"dog.b\.png: not an image that Pillow can read"):
            ImageFolder(root)[4]
    path.unlink()
    dataset = ImageFolder(root)
    (root / "ant" / "x.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"x\.png"):
        dataset[0]
    with pytest.raises(IndexError):
        dataset[len(dataset)]


def test_without_pillow_the_extra_is_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *arguments: Any, **options: Any) -> Any:
        if name == "PIL":
            raise ImportError("not here")
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ImportError, match=r'Pillow .*pip install "gpudl\[image\]"'):
        ImageFolder(root)[0]


def test_dataset_can_be_pickled(root: Path) -> None:
    dataset = ImageFolder(root)
    again = pickle.loads(pickle.dumps(dataset))
    assert again.samples == dataset.samples
    np.testing.assert_array_equal(again[3][0].array, dataset[3][0].array)
