"""read_inputs: files become samples like those of the run's data, or are refused in one line that names the file."""

from __future__ import annotations

import gzip
import os

import numpy as np
import pytest

import gpudl
from gpudl import data
from gpudl.data import transforms
from gpudl.train.predicting import read_inputs

Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed: images are not tested")


def first(dataset):
    sample = dataset[0]
    return sample[0] if isinstance(sample, tuple) else sample


def read(dataset, *paths, **options):
    """Names, and all samples in one array."""
    found = read_inputs(paths, first(dataset), dataset, **options)
    batches = list(found.batches)
    assert len(found) == len(found.names) == sum(map(len, batches))
    assert all(batch.dtype == first(dataset).dtype for batch in batches)
    return found.names, np.concatenate([batch.numpy() for batch in batches])


def refused(dataset, *paths):
    """The one line of the error."""
    with pytest.raises((ValueError, OSError)) as caught:
        read(dataset, *paths)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def picture(path, shape, mode="RGB", seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)
    Image.fromarray(pixels, mode).save(path)
    return pixels


@pytest.fixture
def photos(tmp_path):
    """A folder of 6 by 8 images in two classes."""
    for number, label in enumerate("ab"):
        (tmp_path / "photos" / label).mkdir(parents=True)
        picture(tmp_path / "photos" / label / "1.png", (6, 8, 3), seed=number)
    return tmp_path / "photos"


@pytest.fixture
def rows():
    return data.TensorDataset(gpudl.rand(3, 4), gpudl.tensor([0, 1, 0]))


class Gray(data.images.ImageDataset):
    classes = ("0", "1")

    def __init__(self, flatten=False, transform=None, dtype="float32"):
        pixels = np.arange(2 * 4 * 5, dtype=np.uint8).reshape(2, 4, 5) % 17
        super().__init__(
            pixels, np.array([0, 1]), largest=16, flatten=flatten, dtype=dtype, transform=transform,
            target_transform=None,
        )  # fmt: skip


def test_arrays_of_one_and_of_many_samples(tmp_path, rows):
    many = np.arange(20, dtype=np.float64).reshape(5, 4)
    np.save(tmp_path / "many.npy", many)
    np.save(tmp_path / "one.npy", many[2].astype(">f4"))
    np.savez_compressed(tmp_path / "pack.npz", x=many[:2], y=many, z=np.arange(3))
    np.savez(tmp_path / "only.npz", labels=np.arange(5), rows=many[:1])
    paths = [tmp_path / name for name in ("many.npy", "one.npy", "pack.npz", "only.npz")]
    names, values = read(rows, *paths, batch_size=2)
    assert names == [
        *(f"{paths[0]}[{n}]" for n in range(5)), str(paths[1]), f"{paths[2]}[0]", f"{paths[2]}[1]", f"{paths[3]}[0]",
    ]  # fmt: skip
    assert (values == np.concatenate([many, many[2:3], many[:2], many[:1]])).all()
    found = read_inputs(paths[:1], first(rows), rows, batch_size=2)
    assert [len(batch) for batch in found.batches] == [2, 2, 1] == [len(batch) for batch in found.batches]


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 5)), r"it holds float64 (2, 5); the model takes (4,), or (count, 4) for several samples"),
        (np.zeros((2, 3, 4)), "it holds float64 (2, 3, 4); the model takes (4,)"),
        (np.zeros((0, 4)), "it holds no samples"),
        (np.zeros(4, complex), "it holds complex128, the model takes float32"),
        (np.array(["a"] * 4), "it holds <U1, the model takes float32"),
        (np.array([None] * 4), "Python objects, which are not read"),
    ],
)
def test_arrays_that_do_not_fit(tmp_path, rows, array, message):
    np.save(tmp_path / "bad.npy", array, allow_pickle=True)
    text = refused(rows, tmp_path / "bad.npy")
    assert text.startswith(f"{tmp_path / 'bad.npy'}: ") and message in text
    np.savez(tmp_path / "bad.npz", x=array)
    assert refused(rows, tmp_path / "bad.npz").startswith(f"{tmp_path / 'bad.npz'}: ")


def test_damaged_arrays_are_named(tmp_path, rows):
    np.save(tmp_path / "a.npy", np.zeros((9, 4)))
    np.savez(tmp_path / "b.npz", p=np.zeros((9, 4)), q=np.zeros((9, 4)))
    assert "several arrays fit: p, q; name the one to predict x" in refused(rows, tmp_path / "b.npz")
    for name in ("a.npy", "b.npz"):
        path = tmp_path / name
        whole = path.read_bytes()
        for content in (b"", b"nonsense", whole[:-40], whole[:60]):
            path.write_bytes(content)
            assert refused(rows, path).startswith(f"{path}: "), content
    np.save(tmp_path / "c.npy", np.zeros((9, 4)))
    os.rename(tmp_path / "c.npy", tmp_path / "c.npz")
    assert "rename it" in refused(rows, tmp_path / "c.npz")


def test_whole_numbers_are_no_scaled_images_but_tokens_and_features(tmp_path, rows):
    np.save(tmp_path / "pixels.npy", np.zeros((2, 1, 4, 5), np.uint8))
    assert "uint8, the model takes images in float32; give the values as" in refused(Gray(), tmp_path / "pixels.npy")
    np.save(tmp_path / "whole.npy", np.arange(4))
    assert (read(rows, tmp_path / "whole.npy")[1] == [[0, 1, 2, 3]]).all()
    tokens = data.TextDataset(list(range(9)), 4)
    assert (read(tokens, tmp_path / "whole.npy")[1] == [[0, 1, 2, 3]]).all()
    np.save(tmp_path / "float.npy", np.zeros(4))
    assert "it holds float64, the model takes int64" in refused(tokens, tmp_path / "float.npy")


def table(folder, text, name="train.csv"):
    path = folder / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


TRAIN = "size,color,kind\n1,red,x\n2,green,y\n3,red,x\n"


def test_csv_goes_by_the_names_of_the_columns(tmp_path):
    dataset = data.CSVDataset(table(tmp_path, TRAIN), "kind")
    one = table(tmp_path, "color,extra,size\nred,?,2.5\ngreen,?,7\n", "one.csv")
    names, values = read(dataset, one)
    assert names == [f"{one}[0]", f"{one}[1]"] and values.tolist() == [[2.5, 1.0], [7.0, 0.0]]
    assert read(dataset, table(tmp_path, TRAIN, "packed.csv.gz"))[1].tolist() == [[1, 1], [2, 0], [3, 1]]
    assert refused(dataset, table(tmp_path, "size,kind\n1,x\n", "b.csv")).startswith(f"{tmp_path}/b.csv:1:color: no ")
    blue = refused(dataset, table(tmp_path, "size,color\n1,red\n2,blue\n", "c.csv"))
    assert blue.startswith(f"{tmp_path}/c.csv:3:color: 'blue' is none of the categories")
    assert refused(dataset, table(tmp_path, "size,color\nbig,red\n", "d.csv")).startswith(f"{tmp_path}/d.csv:2:size: ")
    assert refused(dataset, table(tmp_path, "size,color\n", "e.csv")) == f"{tmp_path}/e.csv: it has no rows"
    assert refused(dataset, table(tmp_path, "size,color\n,red\n", "f.csv")).startswith(f"{tmp_path}/f.csv:2:size: ")
    assert "no CSV file but Gray; give its samples as .npy" in refused(Gray(), one)


def test_csv_is_read_as_the_training_data_was(tmp_path):
    text = "size;a;b\n1;-;4\n2;3;\n"
    rule = {"missing": {"a": "nan", "b": "drop"}, "na_values": ["-", ""]}
    dataset = data.CSVDataset(table(tmp_path, text), "size", sep=";", columns={"b": "int64"}, **rule)
    (row,) = read(dataset, table(tmp_path, "b;a\n5;-\n", "n.csv"))[1].tolist()
    assert np.isnan(row[0]) and row[1] == 5
    assert "2:b: the cell is missing" in refused(dataset, table(tmp_path, "b;a\n;1\n", "m.csv"))
    assert "2:b: '1.5' is no integer" in refused(dataset, table(tmp_path, "b;a\n1.5;1\n", "i.csv"))


@pytest.mark.parametrize("names", [None, ["t", "p", "q"]])
def test_csv_without_header_with_the_target_or_without(tmp_path, names):
    path = table(tmp_path, "0,1,2\n1,3,4\n")
    dataset = data.CSVDataset(path, names[0] if names else "0", header=False, names=names)
    assert read(dataset, path)[1].tolist() == [[1, 2], [3, 4]]
    assert read(dataset, table(tmp_path, "5,6\n", "bare.csv"))[1].tolist() == [[5, 6]]
    for text in ("5,6,7,8\n", "5\n", '5,"6', "7" * 200_000):
        assert refused(dataset, table(tmp_path, text, "bad.csv")).startswith(f"{tmp_path}/bad.csv:"), text[:9]


def test_images_have_the_size_channels_and_scale_of_the_data(tmp_path):
    pixels = picture(tmp_path / "same.png", (4, 5), "L")
    _, values = read(Gray(), tmp_path / "same.png")
    assert values.shape == (1, 1, 4, 5) and (values[0, 0] == pixels.astype(np.float32) / 255).all()
    assert (read(Gray(flatten=True), tmp_path / "same.png")[1] == values.reshape(1, 20)).all()
    picture(tmp_path / "large.jpg", (40, 60, 3))
    _, values = read(Gray(), tmp_path / "large.jpg", tmp_path / "same.png")
    with Image.open(tmp_path / "large.jpg") as image:
        wanted = np.asarray(image.convert("L").resize((5, 4), Image.Resampling.BILINEAR))
    assert (values[0, 0] * 255 == pytest.approx(wanted)) and values.shape == (2, 1, 4, 5)
    deep = np.array([[0, 257, 65535], [514, 1028, 2570]], np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    small = data.TensorDataset(gpudl.zeros(1, 2, 3, dtype=gpudl.uint8), gpudl.zeros(1))
    assert (read(small, tmp_path / "deep.png")[1] == deep // 257).all()
    color = data.TensorDataset(gpudl.zeros(2, 3, 4, 5), gpudl.zeros(2))
    (value,) = read(color, tmp_path / "same.png")[1]
    assert (value == value[:1]).all() and (value[0] * 255 == pytest.approx(pixels))


def test_images_go_through_the_transforms_in_evaluation(tmp_path):
    pixels = picture(tmp_path / "a.png", (4, 5), "L").astype(np.float32) / 255
    norm = transforms.Normalize([0.5], [0.25])
    square = transforms.Lambda(lambda image: image * image)
    crop = transforms.Compose([transforms.RandomHorizontalFlip(1.0), transforms.CenterCrop((2, 3))])
    chain = transforms.Compose([crop, square, norm])
    wanted = (pixels[1:3, 1:4] ** 2 - 0.5) / 0.25
    for dataset in (
        Gray(transform=chain),
        transforms.MapDataset(data.Subset(Gray(), [1]), chain),
        transforms.MapDataset(Gray(transform=transforms.Compose([crop, square])), norm),
        transforms.MapDataset(transforms.MapDataset(Gray(transform=crop), square), norm),
    ):
        (value,) = read(dataset, tmp_path / "a.png")[1]
        np.testing.assert_allclose(value[0], wanted, rtol=1e-5, atol=1e-6)
    assert chain.training and crop.transforms[0].training  # the data set's own are left alone
    assert Gray(transform=chain).transform is chain


def test_folders_of_images_read_as_image_folder_does(photos, tmp_path):
    dataset = data.ImageFolder(photos)
    names, values = read(dataset, photos)
    assert names == [str(photos / "a" / "1.png"), str(photos / "b" / "1.png")]
    assert (values == np.stack([dataset[0][0].numpy(), dataset[1][0].numpy()])).all()
    picture(tmp_path / "other.png", (30, 30, 3))
    assert read(dataset, tmp_path / "other.png")[1].shape == (1, 3, 6, 8)
    crop = data.ImageFolder(photos, transforms.Compose([transforms.Resize(10), transforms.CenterCrop(7)]))
    (value,) = read(crop, tmp_path / "other.png")[1]
    other = data.ImageFolder(photos)._loaded(str(tmp_path / "other.png"))
    assert (value == crop.transform(other).numpy()).all()  # the transforms bring any size to theirs
    pixels = data.ImageFolder(photos, dtype=gpudl.uint8)
    assert (read(pixels, photos / "a" / "1.png")[1][0] == pixels[0][0].numpy()).all()


def test_images_that_cannot_be_read(tmp_path, rows):
    picture(tmp_path / "a.png", (9, 9, 3))
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes()[:50])
    (tmp_path / "c.jpg").write_text("no image")
    for name in ("b.png", "c.jpg"):
        assert refused(Gray(), tmp_path / name).startswith(f"{tmp_path / name}: not an image that Pillow can read")
    assert "the run's data has no images, its samples are float32 (4,)" in refused(rows, tmp_path / "a.png")
    (tmp_path / "empty").mkdir()
    assert refused(Gray(), tmp_path / "empty").startswith(f"{tmp_path / 'empty'}: no images in this folder")
    broken = Gray(transform=lambda image: image.reshape(image.shape) if image.max() <= 0.5 else None)
    broken.data = broken.data * 0
    assert "it becomes NoneType, the run's samples are Tensors" in refused(broken, tmp_path / "a.png")


def test_text_needs_data_with_a_tokenizer_or_encode(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("abcde\n\nfghij\n", encoding="utf-8")
    dataset = data.TextDataset(list(range(99)), 4)
    assert f"{path}: no kind of file that is read here" in refused(dataset, path)
    dataset.tokenizer = data.ByteTokenizer()
    names, values = read(dataset, path)
    assert names[-1] == f"{path}[3]" and [bytes(row.tolist()) for row in values] == [
        b"abcd", b"e\n\nf", b"ghij", b"hij\n",
    ]  # fmt: skip
    path.write_text("abc")
    assert refused(dataset, path) == f"{path}: 3 tokens, the run's samples have 4"
    path.write_text("")
    assert refused(dataset, path) == f"{path}: it holds no text"
    path.write_bytes(b"\xff\xfe\xff")
    assert refused(dataset, path).startswith(f"{path}: 'utf-8' codec")
    dataset.encode = lambda text: gpudl.tensor([ord(each) for each in text])
    path.write_text("abcd\n\nefgh\n")
    assert read(dataset, path)[1].tolist() == [[97, 98, 99, 100], [101, 102, 103, 104]]
    path.write_text("abcd\nabc\n")
    assert refused(dataset, path) == f"{path}: it becomes int64 (3,), the run's samples are int64 (4,)"


def test_what_is_missing_is_named_before_anything_is_read(tmp_path, rows, monkeypatch):
    (tmp_path / "bad.npy").write_bytes(b"nonsense")
    paths = [tmp_path / name for name in ("bad.npy", "gone.npy", "lost")]
    with pytest.raises(FileNotFoundError) as caught:
        read_inputs(paths, first(rows), rows)
    assert str(caught.value) == f"{paths[1]}, {paths[2]}: no such file"
    with pytest.raises(ValueError, match="nothing to predict"):
        read_inputs([], first(rows), rows)
    with pytest.raises(ValueError, match="the run's samples are tuple"):
        read_inputs(paths, (1, 2), rows)
    np.save(tmp_path / "closed.npy", np.zeros(4))

    def refuse(path, *args, **kwargs):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(PermissionError) as denied:
        read_inputs([tmp_path / "closed.npy"], first(rows), rows)
    assert str(denied.value) == f"{tmp_path / 'closed.npy'}: cannot read: Permission denied"
