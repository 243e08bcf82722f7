"""Normalize, Standardize, ToImage, ToDtype, OneHot, and the containers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.preprocessing import StandardScaler
from tolerances import assert_close

import gpudl
from gpudl.data import DataLoader, TensorDataset
from gpudl.data import transforms as T
from gpudl.data.draws import making

X = np.random.default_rng(3).random((50, 3, 4, 5))


def test_normalize_takes_mean_and_deviation_of_channels(device):
    mean, std = np.float32([0.1, 0.2, 0.3]), np.float32([0.5, 2, 4])
    x = X.astype("float32")
    want = (x - mean[:, None, None]) / std[:, None, None]
    model = T.Normalize(mean, std).to(device)
    assert_close(model(gpudl.tensor(x, device=device)).cpu().numpy(), want, "normalize")
    assert_close(T.Normalize(mean, std)(x[0]), want[0], "one")
    assert T.Normalize([0.5], [0.5])(x[:, :1].astype("float16")).dtype == np.float16


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: T.Normalize([0, 0], [1]), ValueError, "as many std"),
        (lambda: T.Normalize([0], [0]), ValueError, "all above 0"),
        (lambda: T.Normalize([0, 0], [1, 1])(X), gpudl.ShapeError, r"\(..., 2, rows, columns\), got \(50, 3, 4, 5\)"),
        (lambda: T.Normalize([0], [1])(np.zeros((1, 2, 2), "uint8")), TypeError, r"ToDtype\(gpudl.float32, scale=True"),
    ],
)
def test_what_cannot_be_normalized_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


class Rows:
    """A dataset with nothing but the two methods."""

    def __init__(self, rows):
        self.rows = rows

    def __getitem__(self, index):
        return self.rows[index], 1

    def __len__(self):
        return len(self.rows)


TABLE = np.random.default_rng(4).normal(1e4, [1e-3, 1, 1e3], (700, 3))


@pytest.mark.parametrize(
    "data",
    [
        TABLE,
        gpudl.tensor(TABLE),
        TensorDataset(gpudl.tensor(TABLE), gpudl.zeros(700)),
        Rows(TABLE),
        DataLoader(TensorDataset(gpudl.tensor(TABLE)), 33, shuffle=True),
        [TABLE[:1], TABLE[1:600], TABLE[600:]],
    ],
    ids=["array", "tensor", "dataset", "rows", "loader", "batches"],
)
def test_fit_is_exact_however_data_comes(data):
    """Features far from 0, whose naive sum of squares would keep no digit of the variance."""
    scaler = StandardScaler().fit(TABLE - 1e4)
    fitted = T.Standardize(3, dtype="float64").fit(data)
    assert np.allclose(fitted.mean.numpy() - 1e4, scaler.mean_, rtol=0, atol=1e-8)
    assert np.allclose(fitted.std.numpy(), scaler.scale_, rtol=1e-8, atol=0)
    z = fitted(TABLE)
    assert np.allclose(z, scaler.transform(TABLE - 1e4), atol=1e-6)
    assert np.allclose(fitted.inverse(z), TABLE, rtol=1e-12)


def test_shape_says_what_is_a_feature(device):
    fitted = T.Standardize((3, 1, 1), dtype="float64").fit(X).to(device)
    want = (X - X.mean((0, 2, 3), keepdims=True)) / X.std((0, 2, 3), keepdims=True)
    assert_close(fitted(gpudl.tensor(X, device=device)).cpu().numpy(), want, "channels")
    assert_close(T.Standardize((3, 4, 5), dtype="float64").fit(X)(X[7]), ((X - X.mean(0)) / X.std(0))[7], "elements")
    pixels = (X * 255).astype(np.uint8)
    assert T.Standardize((3, 1, 1)).fit(pixels)(pixels).dtype == np.float32


def test_values_all_alike_are_divided_by_one_and_nan_is_left_out():
    fitted = T.Standardize(2, dtype="float64").fit(np.array([[0.1, np.nan], [0.1, 3.0], [0.1, 5.0]]))
    assert fitted.mean.numpy() == pytest.approx([0.1, 4.0]) and fitted.std.numpy().tolist() == [1.0, 1.0]
    assert np.isnan(fitted(np.array([0.1, np.nan]))[1])


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (np.array([[1.0, np.inf]]), ValueError, "infinite"),
        (np.array([[1.0, np.nan]]), ValueError, "no values for 1 of the features"),
        (np.zeros((0, 2)), ValueError, "no values for 2"),
        (np.zeros((4, 3)), gpudl.ShapeError, r"\(4, 3\) does not end in the shape \(2,\)"),
        (3, TypeError, "expected data, a dataset or batches, got int"),
    ],
)
def test_what_cannot_be_fitted_is_named(data, error, message):
    with pytest.raises(error, match=message):
        T.Standardize(2).fit(data)


def test_to_image_puts_channels_first():
    picture = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    assert np.array_equal(T.ToImage()(picture).numpy(), picture.transpose(2, 0, 1))
    assert np.array_equal(T.ToImage()(picture[None]).numpy(), picture.transpose(2, 0, 1)[None])
    assert T.ToImage()(picture[..., 0]).shape == (1, 2, 4) and T.ToImage()(gpudl.zeros(2, 4)).shape == (1, 2, 4)
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed: images of PIL are NOT TESTED")
    assert np.array_equal(T.ToImage()(image.fromarray(picture)).numpy(), picture.transpose(2, 0, 1))
    with pytest.raises(TypeError, match="expected a PIL image, NumPy array or Tensor, got str"):
        T.ToImage()("picture.png")
    with pytest.raises(gpudl.ShapeError, match=r"got \(3,\)"):
        T.ToImage()(np.zeros(3))


@pytest.mark.parametrize(
    ("have", "want", "values", "expected"),
    [
        ("uint8", "float32", [0, 51, 255], [0, 0.2, 1]),
        ("uint8", "float16", [0, 51, 255], [0, 0.2, 1]),
        ("float32", "uint8", [-0.5, 0, 0.1, 0.5, 1, 7], [0, 0, 25, 127, 255, 255]),
        ("uint8", "int32", [0, 1, 255], [0, 1 << 23, 255 << 23]),
        ("int32", "uint8", [0, 1 << 23, (1 << 31) - 1], [0, 1, 255]),
        ("float32", "float64", [0.5, 2], [0.5, 2]),
        ("float64", "int32", [0, 1], [0, 2**31 - 1]),
    ],
)
def test_to_dtype_keeps_the_meaning_of_images(have, want, values, expected, device):
    got = T.ToDtype(want, scale=True)(gpudl.tensor(values, dtype=have, device=device))
    assert got.cpu().numpy().tolist() == np.array(expected, want).tolist() and got.dtype == want


def test_to_dtype_without_scale_keeps_the_numbers():
    assert T.ToDtype("float32")(np.array([3, 7], np.uint8)).tolist() == [3, 7]
    with pytest.raises(TypeError, match="bools have no scale"):
        T.ToDtype("float32", scale=True)(np.array([True]))


@pytest.mark.parametrize("shape", [(), (4,), (2, 3), (0,)])
def test_one_hot_is_pytorchs(shape):
    labels = np.random.default_rng(0).integers(0, 5, shape)
    want = torch.nn.functional.one_hot(torch.from_numpy(np.asarray(labels)), 5).float().numpy()
    for given in (labels, gpudl.tensor(labels), *([int(labels)] if shape == () else [])):
        assert_close(T.OneHot(5)(given).numpy(), want, "one hot")
    with pytest.raises(IndexError, match="OneHot: index 5 is out of range for .* of length 5"):
        T.OneHot(5)(5)
    with pytest.raises(TypeError, match="labels must be integers, got float64"):
        T.OneHot(5)(0.5)


def test_apply_and_choice_have_their_probabilities():
    x = np.zeros((2000, 1, 2, 2), np.float32)
    gpudl.manual_seed(0)
    assert T.RandomApply([lambda x: x + 1], 0.3)(x).mean() == pytest.approx(0.3, abs=0.04)
    chosen = T.RandomChoice([lambda x: x, lambda x: x + 1, lambda x: x + 2], [1, 2, 1])(x)[:, 0, 0, 0]
    assert np.bincount(chosen.astype(int)) / 2000 == pytest.approx([0.25, 0.5, 0.25], abs=0.04)
    assert T.RandomApply([lambda x: x + 1], 1.0)(x).all() and not T.RandomApply([lambda x: x + 1], 0.0)(x).any()


def test_compose_is_one_after_another_each_with_numbers_of_its_own():
    x = X.astype("float32")
    steps = [T.RandomCrop(3), T.RandomChoice([T.RandomVerticalFlip(), T.Grayscale(3)]), T.RandomErasing(1.0), abs]
    with making(0, range(50), 1):
        want = x
        for step in steps:
            want = step(want)
    for nested in (T.Compose(steps), T.Compose([T.Compose(steps[:2]), *steps[2:]])):
        with making(0, range(50), 1):
            assert np.array_equal(nested(x), want)


def test_what_is_skipped_leaves_the_numbers_of_what_follows():
    x, found = np.random.default_rng(0).random((30, 1, 6, 6)) + 1, []
    for p in (0.0, 0.5, 1.0):
        with making(0, range(30), 1):
            found.append(T.Compose([T.RandomApply([T.Cutout(2)], p), T.RandomCrop(4)])(x))
    never, half, always = found
    assert np.array_equal(always[always > 0], never[always > 0]) and (always == 0).any((1, 2, 3)).sum() > 10
    is_never, is_always = ((half == other).all((1, 2, 3)) for other in (never, always))
    assert (is_never | is_always).all() and 0 < is_never.sum() < 30


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: T.Compose(T.Grayscale()), TypeError, r"takes a list of transforms, got .*write Compose\(\[...\]\)"),
        (lambda: T.RandomChoice([]), ValueError, "one probability each of 0 transforms"),
        (lambda: T.RandomChoice([abs], [-1]), ValueError, "0 or more"),
        (lambda: T.RandomApply([T.CenterCrop(2)])(X), gpudl.ShapeError, "came out as"),
        (lambda: T.RandomApply([T.ToDtype("float16")])(X), TypeError, "came out as float16 and float64"),
        (lambda: T.Lambda(3), TypeError, "takes a function"),
        (lambda: T.RandomCrop(2)(np.full((1, 3, 3), None)), TypeError, "not an element type of gpudl"),
        (lambda: T.RandomCrop(2)("x"), TypeError, r"begin with ToImage\(\)"),
    ],
)
def test_containers_name_what_is_wrong(call, error, message):
    gpudl.manual_seed(0)
    with pytest.raises(error, match=message):
        call()
