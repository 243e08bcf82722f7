"""Files in one folder for each class, as torchvision lays them out: images, or anything that a loader reads."""

from __future__ import annotations

import operator
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gpudl.autograd.tensor import Tensor, wrap
from gpudl.backend.dtypes import dtype_of, float32, is_floating, uint8
from gpudl.data.dataset import Dataset
from gpudl.data.images import Transform

if TYPE_CHECKING:
    from PIL import Image

IMG_EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


class ImageError(ValueError):
    """A file is no image that can be read, or not a whole one; the message begins with its path."""


def pil_loader(path: str | os.PathLike[str]) -> Image.Image:
    """The image in a file, as a PIL image in RGB.

    Raises: ImageError, which names the file, if it is damaged or no image; OSError if it cannot be opened; ImportError
        if Pillow is not installed.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError(f'reading images needs Pillow ({error}); install it: pip install "gpudl[image]"') from error
    with open(path, "rb") as file:
        try:
            image = Image.open(file)
            image.load()
            return image if image.mode == "RGB" else image.convert("RGB")  # which copies also what is RGB
        except Exception as error:  # whatever a damaged file makes Pillow's many readers raise
            raise ImageError(f"{path}: not an image that Pillow can read: {error}") from error


class DatasetFolder(Dataset[tuple[Any, Any]]):
    """Files in a folder for each class: `root/dog/a.png`, `root/dog/more/b.png`, `root/cat/c.png`.

    Sample i is `(loader(path), class number)`, both transformed. Override `find_classes` for classes of your own.

    Args:
        root: the folder with one folder for each class.
        loader: makes a sample of a path.
        extensions: of the files that count, in lower case; or pass `is_valid_file`.
        transform: applied to each sample; None for none.
        target_transform: applied to each class number; None for none.
        is_valid_file: says of a path whether the file counts; in place of `extensions`.
        allow_empty: classes may be without files.
    Attributes:
        classes: names of the folders, sorted.
        class_to_idx: name -> number of the class.
        samples: list of (path, class number), by class and then by path.
        targets: list of the class numbers.
    Raises: FileNotFoundError if there is no folder in `root`, or no file in one of them; ValueError for extensions and
        is_valid_file both or neither.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        loader: Callable[[str], Any],
        extensions: str | tuple[str, ...] | None = None,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ):
        name = type(self).__name__
        if (extensions is None) == (is_valid_file is None):
            raise ValueError(f"{name}: give either extensions or is_valid_file")
        self.root = Path(root).expanduser()
        self.loader, self.extensions = loader, extensions
        self.transform, self.target_transform = transform, target_transform
        self.classes, self.class_to_idx = self.find_classes(self.root)
        self.samples: list[tuple[str, int]] = []
        for label, number in sorted(self.class_to_idx.items()):
            found = _files_below(self.root / label)
            if extensions is not None:
                found = [path for path in found if path.lower().endswith(extensions)]
            elif is_valid_file is not None:
                found = [path for path in found if is_valid_file(path)]
            if not found and not allow_empty:
                kinds = (extensions,) if isinstance(extensions, str) else extensions
                fix = f"files must end in {', '.join(kinds)}" if kinds else "is_valid_file refused all"
                raise FileNotFoundError(f"{name}: {self.root / label} has no file for its class: {fix}")
            self.samples += [(path, number) for path in found]
        self.targets = [number for _, number in self.samples]

    def find_classes(self, directory: str | os.PathLike[str]) -> tuple[list[str], dict[str, int]]:
        """The sorted names of the folders in `directory`, and name -> number.

        Raises: FileNotFoundError if there is none.
        """
        classes = sorted(entry.name for entry in os.scandir(directory) if entry.is_dir())
        if not classes:
            raise FileNotFoundError(f"{type(self).__name__}: {directory} has no folder; it needs one for each class")
        return classes, {name: number for number, name in enumerate(classes)}

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int, /) -> tuple[Any, Any]:
        """Sample `index`: what the loader makes of the file, and the number of its class, an int; both transformed.

        Raises: IndexError for an index out of range; whatever the loader raises.
        """
        path, number = self.samples[operator.index(index)]
        sample, target = self._loaded(path), number
        if self.transform is not None:
            sample = self.transform(sample)
        return sample, target if self.target_transform is None else self.target_transform(target)

    def _loaded(self, path: str) -> Any:
        return self.loader(path)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} files, {len(self.classes)} classes, {self.root})"


class ImageFolder(DatasetFolder):
    """Images in a folder for each class: `root/dog/a.png`, `root/cat/b.jpeg`. Needs Pillow, the extra `image`.

    Sample i is `(image, class number)`. The image is a Tensor (3, rows, columns) with values in [0, 1], what
    torchvision's gives with ToTensor as its transform; images may differ in size.

    Args:
        root, target_transform, is_valid_file, allow_empty: as for DatasetFolder.
        transform: applied to each image, a Tensor; None for none.
        loader: makes a PIL image of a path, which becomes the Tensor; anything else that it makes stays as it is.
        dtype: floating point, of the images; or uint8 for the pixels, 0..255.
    Attributes:
        classes, class_to_idx, samples, targets: as for DatasetFolder.
        imgs: the same as samples.
    Raises: as DatasetFolder; TypeError for another dtype. When a sample is read: ImageError, which names the file, if
        it is damaged or no image.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        loader: Callable[[str], Any] = pil_loader,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
        *,
        dtype: Any = float32,
    ):
        self.dtype = dtype_of(dtype)
        if not is_floating(self.dtype) and self.dtype != uint8:
            raise TypeError(f"ImageFolder: dtype must be floating point or uint8, got {self.dtype}")
        extensions = IMG_EXTENSIONS if is_valid_file is None else None
        super().__init__(root, loader, extensions, transform, target_transform, is_valid_file, allow_empty)
        self.imgs = self.samples

    def _loaded(self, path: str) -> Any:
        image = self.loader(path)
        # Pillow is not imported to ask: a loader may do without it.
        return _tensor(image, self.dtype) if type(image).__module__.startswith("PIL.") else image


def _tensor(image: Image.Image, dtype: np.dtype[Any]) -> Tensor:
    """(channels, rows, columns). For floating point, bytes are divided by 255, wider numbers not."""
    pixels = _planes(image) if image.mode == "RGB" else np.asarray(image)
    if pixels.dtype == bool:
        pixels = pixels * uint8.type(255)
    if image.mode != "RGB":
        pixels = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    values = pixels.astype(dtype, order="C", copy=image.mode != "RGB")
    if dtype != uint8 and pixels.dtype == uint8:
        values /= 255  # rounded once, as in torchvision, and 255 becomes 1
    return wrap(values, None)


def _planes(image: Image.Image) -> np.ndarray[Any, Any]:
    """(3, rows, columns) uint8 of an RGB image.

    Pillow keeps four bytes for a pixel. To shift those apart takes half the time of copying every third of its packed
    ones.
    """
    words = np.frombuffer(image.tobytes("raw", "RGBX"), "<u4").reshape(image.height, image.width)
    planes = np.empty((3, *words.shape), np.uint8)
    for number, plane in enumerate(planes):
        np.right_shift(words, 8 * number, out=plane, casting="unsafe")
    return planes


def _files_below(folder: Path) -> list[str]:
    """Paths, those of one folder before those of the next, all sorted."""
    return [
        os.path.join(place, name)
        for place, _, names in sorted(os.walk(folder, followlinks=True))
        for name in sorted(names)
    ]
