"""Memory-mapped arrays and text: never read as a whole, pickled as a path."""

from __future__ import annotations

import multiprocessing
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gpudl
from gpudl.data import CharTokenizer, DataLoader, MemmapDataset, TextDataset

RNG = np.random.default_rng(0)
X = RNG.random((10, 3, 2)).astype(np.float32)
Y = np.arange(10) * 7
TINY = Path(__file__).resolve().parents[3] / "shared" / "data" / "tinyshakespeare" / "input.txt"
needs_text = pytest.mark.skipif(
    not TINY.is_file(), reason="the text ../shared/data/tinyshakespeare/input.txt is absent"
)


@pytest.fixture(params=["folder", "npz"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == "npz":
        np.savez(tmp_path / "a.npz", images=X, labels=Y)
        return tmp_path / "a.npz"
    np.save(tmp_path / "images.npy", np.asfortranarray(X))
    np.save(tmp_path / "labels.npy", Y.astype(">i8"))
    return tmp_path


def test_samples_are_rows(path: Path) -> None:
    dataset = MemmapDataset(str(path))
    assert dataset.names == ("images", "labels") and len(dataset) == 10
    image, label = dataset[-3]
    np.testing.assert_array_equal(image.array, X[7])
    assert label.item() == 49 and label.dtype == gpudl.int64 and label.shape == ()
    assert MemmapDataset(path, ["labels"])[2][0].item() == 14
    assert MemmapDataset(path, ["labels", "images"])[0][1].shape == (3, 2)
    with pytest.raises(IndexError):
        dataset[10]


def test_batches_equal_single_samples(path: Path) -> None:
    dataset = MemmapDataset(path)
    assert dataset.batch is not None
    (images, labels), *_ = DataLoader(dataset, 6, shuffle=True, seed=3)
    samples = next(iter(DataLoader(dataset, 6, shuffle=True, seed=3, collate_fn=list)))
    np.testing.assert_array_equal(images.array, np.stack([image.array for image, _ in samples]))
    assert labels.tolist() == [label.item() for _, label in samples]
    assert type(images.array) is np.ndarray and labels.array.dtype.isnative


def test_arrays_are_mapped_and_samples_are_copies(path: Path) -> None:
    dataset = MemmapDataset(path)
    assert all(isinstance(array, np.memmap) and array.mode == "r" for array in dataset.arrays)
    dataset[0][0].array[:] = 9
    dataset.batch([0])[0].array[:] = 9  # type: ignore[misc]
    np.testing.assert_array_equal(MemmapDataset(path)[0][0].array, X[0])


def test_pickle_holds_the_path_and_no_data(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((1000, 100)))
    content = pickle.dumps(MemmapDataset(tmp_path))
    assert len(content) < 1000
    assert len(pickle.loads(content)) == 1000 and isinstance(pickle.loads(content).arrays[0], np.memmap)
    np.save(tmp_path / "x.npy", np.zeros((999, 100)))
    with pytest.raises(ValueError, match="was changed since the dataset was pickled"):
        pickle.loads(content)


def test_spawned_process_reads_the_same(path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        image, label = pool.apply(_sample, (MemmapDataset(path), 4))
    assert image == X[4].tolist() and label == 28


def _sample(dataset: MemmapDataset, index: int) -> tuple[Any, Any]:
    image, label = dataset[index]
    return image.tolist(), label.item()


def test_transforms_see_the_first_and_the_last(path: Path) -> None:
    dataset = MemmapDataset(path, transform=lambda x: x * 0, target_transform=lambda y: y + 1)
    assert dataset.batch is None
    (batch,) = DataLoader(dataset, 10)
    assert not batch[0].array.any() and batch[1].tolist() == (Y + 1).tolist()
    one = MemmapDataset(path, ["labels"], transform=lambda x: x + 1, target_transform=lambda y: y * 100)
    assert one[1][0].item() == 8


def test_single_file_and_empty_arrays(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", Y)
    assert MemmapDataset(tmp_path / "a.npy")[1][0].item() == 7
    np.save(tmp_path / "b.npy", np.zeros((0, 4), np.float32))
    empty = MemmapDataset(tmp_path / "b.npy")
    assert len(empty) == 0 and list(DataLoader(empty, 2)) == []
    np.savez(tmp_path / "c.npz", x=np.zeros((0, 4)))
    assert len(MemmapDataset(tmp_path / "c.npz")) == 0


def test_files_that_cannot_be_mapped_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="has no .npy file"):
        MemmapDataset(tmp_path)
    with pytest.raises(FileNotFoundError, match="none is no folder and no file"):
        MemmapDataset(tmp_path / "none")
    whole = tmp_path / "x.npy"
    np.save(whole, X)
    content = whole.read_bytes()
    with pytest.raises(FileNotFoundError, match="has no array 'y'; it has x"):
        MemmapDataset(tmp_path, ["x", "y"])
    for wrong, message in (
        (content[:-1], "truncated"),
        (content[:40], "not a .npy"),
        (b"", "not a .npy"),
        (b"x" * 200, "not"),
    ):
        whole.write_bytes(wrong)
        with pytest.raises(ValueError, match=rf"x\.npy: .*{message}"):
            MemmapDataset(tmp_path)
    whole.write_bytes(content.replace(b"(10, 3, 2)", b"(-1, 3, 2)"))
    with pytest.raises(ValueError, match=r"x\.npy: .*its shape is \(-1, 3, 2\)"):
        MemmapDataset(tmp_path)
    np.save(whole, np.array([{}, []], object))
    with pytest.raises(ValueError, match=r"x\.npy: the array holds Python objects"):
        MemmapDataset(tmp_path)
    np.savez_compressed(tmp_path / "a.npz", x=X)
    with pytest.raises(ValueError, match=r"a\.npz: x\.npy is compressed .* numpy\.savez"):
        MemmapDataset(tmp_path / "a.npz")
    (tmp_path / "a.npz").write_bytes(b"PK no zip")
    with pytest.raises(ValueError, match=r"a\.npz: not a .npz file"):
        MemmapDataset(tmp_path / "a.npz")


def test_arrays_must_fit_together(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", X)
    np.save(tmp_path / "b.npy", Y[:9])
    with pytest.raises(gpudl.ShapeError, match="equal first lengths, got {'a': 10, 'b': 9}"):
        MemmapDataset(tmp_path)
    np.save(tmp_path / "b.npy", np.array(1.0))
    with pytest.raises(gpudl.ShapeError, match="b has no dimensions"):
        MemmapDataset(tmp_path)
    np.save(tmp_path / "b.npy", Y.astype(complex))
    with pytest.raises(TypeError, match="complex"):
        MemmapDataset(tmp_path)


@pytest.mark.parametrize("stride", [None, 1, 2, 5, 100])
@pytest.mark.parametrize("source", ["list", "array", "tensor", "file"])
def test_blocks_are_shifted_by_one(tmp_path: Path, stride: int | None, source: str) -> None:
    ids = RNG.integers(0, 999, 23)
    np.save(tmp_path / "t.npy", ids.astype(np.uint16))
    tokens = {"list": ids.tolist(), "array": ids, "tensor": gpudl.tensor(ids), "file": str(tmp_path / "t.npy")}[source]
    dataset = TextDataset(tokens, 4, stride)
    step = stride or 4
    begins = [begin for begin in range(0, 23, step) if begin + 5 <= 23]
    assert len(dataset) == len(begins)
    for index, begin in enumerate(begins):
        x, y = dataset[index]
        assert x.dtype == y.dtype == gpudl.int64
        assert x.tolist() == ids[begin : begin + 4].tolist() and y.tolist() == ids[begin + 1 : begin + 5].tolist()
    (x, y), *_ = DataLoader(dataset, 100)
    assert x.tolist() == [ids[begin : begin + 4].tolist() for begin in begins]
    assert y.tolist() == [ids[begin + 1 : begin + 5].tolist() for begin in begins]
    assert x.dtype == y.dtype == gpudl.int64
    for wrong in (len(begins), -len(begins) - 1):
        with pytest.raises(IndexError):
            dataset[wrong]
    assert dataset[-1][0].tolist() == dataset[len(begins) - 1][0].tolist()


@pytest.mark.parametrize("count", [0, 1, 4, 5, 6, 9])
def test_short_texts(count: int) -> None:
    assert len(TextDataset(list(range(count)), 4)) == (count - 1) // 4 * (count > 0)
    assert len(TextDataset(np.arange(count), 4, 1)) == max(0, count - 4)


def test_samples_do_not_share_memory() -> None:
    tokens = np.arange(20)
    x, y = TextDataset(tokens, 4)[0]
    x.array[:] = 50
    assert y.tolist() == [1, 2, 3, 4] and tokens[0] == 0


def test_mapped_tokens_are_pickled_as_a_path(tmp_path: Path) -> None:
    np.save(tmp_path / "t.npy", np.arange(10_000, dtype=np.uint16))
    dataset = TextDataset(tmp_path / "t.npy", 8, transform=abs)
    assert isinstance(dataset.tokens, np.memmap) and dataset.batch is None
    content = pickle.dumps(dataset)
    assert len(content) < 1000
    assert pickle.loads(content)[3][1].tolist() == list(range(25, 33))
    assert pickle.loads(pickle.dumps(TextDataset([1, 2, 3], 2)))[0][0].tolist() == [1, 2]
    np.save(tmp_path / "t.npy", np.arange(10, dtype=np.uint16))
    with pytest.raises(ValueError, match=r"t\.npy was changed"):
        pickle.loads(content)


def test_wrong_tokens_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="must be integers, got float64; encode text with a tokenizer"):
        TextDataset([0.5, 1], 1)
    with pytest.raises(ValueError, match=r"one row, got shape \(2, 2\)"):
        TextDataset([[1, 2], [3, 4]], 1)
    for options in ({"block_size": 0}, {"block_size": 2, "stride": 0}):
        with pytest.raises(ValueError, match="must be 1 or more"):
            TextDataset([1, 2, 3], **options)
    np.savez(tmp_path / "a.npz", a=Y, b=Y)
    with pytest.raises(ValueError, match="has 2 arrays; tokens are one"):
        TextDataset(tmp_path / "a.npz", 2)


@needs_text
def test_real_text_in_blocks(tmp_path: Path) -> None:
    text = TINY.read_text(encoding="utf-8")
    tokenizer = CharTokenizer.fit(text)
    np.save(tmp_path / "t.npy", np.array(tokenizer.encode(text), np.uint8))
    dataset = TextDataset(tmp_path / "t.npy", 256)
    assert (len(text), tokenizer.vocab_size, len(dataset)) == (1115394, 65, 4357)
    x, y = next(iter(DataLoader(dataset, 2, sampler=[0, 4356])))
    assert tokenizer.decode(x[0]) == text[:256] and tokenizer.decode(y[1]) == text[4356 * 256 + 1 :][:256]
