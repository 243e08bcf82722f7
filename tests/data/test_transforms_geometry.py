"""Cropping, padding, resizing and affine maps, by PyTorch's operations and NumPy's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tolerances import assert_close

import gpudl
import gpudl.data.transforms.functional as F
from gpudl.data import transforms as T
from gpudl.data.transforms.crops import rectangles

X = np.random.default_rng(1).random((4, 3, 10, 13), dtype=np.float32)
TORCH = torch.from_numpy(X)


def test_crop_is_a_slice_of_each_image():
    top, left = np.array([0, 3, 2, 4]), [5, 0, 1, 3]
    got = F.crop(X, top, left, 6, 8)
    assert np.array_equal(got, np.stack([x[:, i : i + 6, j : j + 8] for x, i, j in zip(X, top, left)]))
    assert np.array_equal(F.crop(X[0], 4, 5, 6, 8), X[0, :, 4:, 5:])


@pytest.mark.parametrize("corner", [(-1, 0, 5, 5), (0, 9, 5, 5), (0, 0, 11, 5), (0, 0, -1, 5), ([0, 0, 6, 0], 0, 5, 5)])
def test_crop_outside_is_refused(corner):
    with pytest.raises(gpudl.ShapeError, match="is not inside of 10 x 13 pixels; pad"):
        F.crop(X, *corner)


def test_crop_of_per_image_numbers_needs_as_many():
    with pytest.raises(gpudl.ShapeError, match=r"top must be one number or one for each of 4 images, got \(3,\)"):
        F.crop(X, [1, 2, 3], 0, 5, 5)
    with pytest.raises(TypeError, match="not a Tensor"):
        F.crop(X, gpudl.zeros(4), 0, 5, 5)


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "symmetric"])
@pytest.mark.parametrize("dtype", ["float32", "uint8", "bool"])
def test_pad_is_numpys(mode, dtype):
    x = (X * 3).astype(dtype)
    got = F.pad(x, (2, 1, 4, 3), padding_mode=mode)
    assert got.dtype == dtype
    assert np.array_equal(got, np.pad(x, ((0, 0), (0, 0), (1, 3), (2, 4)), mode))


def test_pad_fills_each_channel_with_its_own():
    got = F.pad(X, 1, (0.1, 0.2, 0.3))
    assert np.array_equal(got[0, :, 0, 0], np.float32([0.1, 0.2, 0.3])) and np.array_equal(got[:, :, 1:-1, 1:-1], X)
    with pytest.raises(gpudl.ShapeError, match="2 values to fill in, but the images have 3 channels"):
        F.pad(X, 1, (0.1, 0.2))


@pytest.mark.parametrize("padding", [-1, (1, 2, 3), 1.5, ()])
def test_padding_that_is_none_is_refused(padding):
    with pytest.raises(ValueError, match="padding must be 1, 2 or 4 whole numbers"):
        T.Pad(padding)


@pytest.mark.parametrize("size", [(4, 6), (10, 13), (12, 6), (15, 20)])
def test_center_crop_pads_what_is_missing(size):
    got = F.center_crop(X, size)
    assert got.shape[2:] == size
    rows, columns = (min(a, b) for a, b in zip(size, (10, 13)))
    middle = X[:, :, round((10 - rows) / 2) :, round((13 - columns) / 2) :][:, :, :rows, :columns]
    top, left = (max(want - have, 0) // 2 for want, have in zip(size, (10, 13)))
    assert np.array_equal(got[:, :, top : top + rows, left : left + columns], middle)
    assert got.sum() == pytest.approx(middle.sum(), rel=1e-5)


@pytest.mark.parametrize("mode", ["nearest", "bilinear", "bicubic"])
@pytest.mark.parametrize("size", [(5, 21), (20, 4), (3, 3)])
def test_resize_is_pytorchs_interpolation(mode, size):
    settings = {} if mode == "nearest" else {"antialias": True}
    want = torch.nn.functional.interpolate(TORCH, size, mode=mode, **settings).numpy()
    assert_close(F.resize(X, size, mode), want, mode)
    half = F.resize(X.astype("float16"), size, mode)
    assert_close(half, want.astype("float16"), mode)
    pixels = F.resize((X * 255).astype("uint8"), size, mode)
    assert pixels.dtype == np.uint8 and abs(pixels / 255 - np.clip(want, 0, 1)).max() < 1.6 / 255


def test_resize_to_one_number_keeps_the_proportion():
    assert F.resize(X, 5).shape[2:] == (5, 6)
    assert F.resize(X.transpose(0, 1, 3, 2), 5).shape[2:] == (6, 5)
    assert np.array_equal(F.resize(X, (10, 13)), X)


@pytest.mark.parametrize("mode", ["nearest", "bilinear", "bicubic"])
@pytest.mark.parametrize("antialias", [True, False])
def test_resized_crop_is_the_resized_crop_of_each(mode, antialias):
    if mode == "bicubic" and not antialias:
        with pytest.raises(ValueError, match="'bicubic' needs antialias=True"):
            F.resized_crop(X, 0, 0, 5, 5, 4, mode, antialias)
        return
    boxes = np.array([[0, 0, 10, 13], [2, 3, 7, 4], [9, 12, 1, 1], [1, 5, 4, 8]])
    got = F.resized_crop(X, *boxes.T, (6, 5), mode, antialias)
    for image, x, (top, left, height, width) in zip(got, TORCH, boxes.tolist()):
        part = x[None, :, top : top + height, left : left + width]
        settings = {} if mode == "nearest" else {"antialias": antialias}
        assert_close(image, torch.nn.functional.interpolate(part, (6, 5), mode=mode, **settings)[0].numpy(), mode)


def test_nothing_outside_of_a_rectangle_reaches_it():
    x = np.full((2, 1, 9, 9), np.nan, np.float32)
    x[0, :, 2:6, 3:8] = x[1, :, 0:3, 0:9] = 0.5
    got = F.resized_crop(x, [2, 0], [3, 0], [4, 3], [5, 9], (7, 3), "bicubic")
    assert_close(got, np.full((2, 1, 7, 3), 0.5, np.float32), "inside")


@pytest.mark.parametrize("value", [np.inf, np.nan, 3e38])
@pytest.mark.parametrize("how", [("bilinear", True), ("bilinear", False), ("bicubic", True)])
def test_a_pixel_that_is_not_finite_spreads_no_further_than_its_filter(value, how):
    x = np.random.default_rng(1).random((2, 3, 40, 50), dtype=np.float32)
    bad = x.copy()
    bad[1, 2, 20, 30] = value
    box = [0, 3], [5, 0], [33, 37], [45, 41], (24, 28), *how
    clean, got = F.resized_crop(x, *box), F.resized_crop(bad, *box)
    assert np.array_equal(got[0], clean[0])
    differs = ~np.isclose(got[1], clean[1], rtol=1e-5, atol=1e-6)
    assert differs.any() and differs.sum() <= 36 and not differs[:2].any()
    recorded = F.resized_crop(gpudl.tensor(bad, requires_grad=True), *box).detach().numpy()
    np.testing.assert_allclose(got, recorded, rtol=1e-5, atol=1e-6)


def test_many_taps_are_the_same_in_a_batch_of_other_rectangles():
    x = np.random.default_rng(2).random((4, 3, 150, 170), dtype=np.float32)
    box = [0, 30, 100, 2], [0, 20, 9, 150], [150, 90, 7, 44], [170, 33, 150, 9]
    together = F.resized_crop(x, *box, (5, 6))
    alone = [F.resized_crop(image, *each, (5, 6)) for image, *each in zip(x, *box, strict=True)]
    assert np.array_equal(together, np.stack(alone))


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
def test_what_is_far_outside_is_filled_whatever_is_at_the_edge(mode):
    x = np.full((1, 6, 7), np.inf, np.float32)
    moved = F.affine(x, 0, (40, -30), interpolation=mode, fill=0.5)
    assert np.array_equal(moved, np.full_like(x, 0.5))
    assert np.array_equal(F.affine(X, 0, (2, 0), interpolation=mode)[..., 2:], X[..., :-2])


def test_infinite_pixels_stay_infinite():
    x = np.full((2, 1, 9, 9), np.inf, np.float32)
    assert np.isposinf(F.resized_crop(x, [0, 4], [0, 4], [9, 2], [9, 3], (4, 5))).all()


def torch_affine(matrix, mode, x=TORCH):
    theta = torch.from_numpy(np.asarray(matrix, np.float32)).expand(len(x), 2, 3)
    grid = torch.nn.functional.affine_grid(theta, list(x.shape), align_corners=False)
    return torch.nn.functional.grid_sample(x, grid, mode, align_corners=False).numpy()


@pytest.mark.parametrize("mode", ["nearest", "bilinear", "bicubic"])
def test_affine_is_pytorchs_grid_sample_of_the_inverse_map(mode, device):
    """Pixels (x, y) from the center go to R(angle) shear scale (x, y) + translation; the grid is that inverted."""
    angle, right, down, scale, shear = 25.0, 2.0, -1.0, 1.2, 8.0
    turn, across = np.deg2rad(angle), np.deg2rad(shear)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    forward = scale * rotation @ np.array([[1, -np.tan(across)], [0, 1]])
    back = np.linalg.inv(forward)
    offset = back @ [-right, -down]
    half = np.array([13, 10]) / 2
    theta = np.column_stack([back * half / half[:, None], offset / half])
    got = F.affine(gpudl.tensor(X, device=device), angle, (right, down), scale, (shear, 0), mode)
    assert_close(got.cpu().numpy(), torch_affine(theta, mode), mode, slack=10)


def test_rotation_is_counterclockwise_and_by_each_ones_angle():
    square = np.arange(16, dtype=np.float32).reshape(1, 4, 4)
    got = F.rotate(np.stack([square] * 4), [0, 90, 180, -90], "bilinear")
    assert_close(got, np.stack([np.rot90(square, k, (1, 2)) for k in (0, 1, 2, 3)]), "quarter turns", slack=20)
    assert_close(F.rotate(square, 90, "bilinear", center=(2, 2)), got[1], "the middle", slack=20)
    corner = F.rotate(square, 180, "bilinear", center=(1, 1))
    assert_close(corner[:, :2, :2], square[:, 1::-1, 1::-1], "its own center", slack=20)
    assert abs(corner[:, 2:]).max() < 1e-4 and abs(corner[:, :, 2:]).max() < 1e-4


def test_fill_is_what_surrounds_the_image():
    fill, wide = np.float32([0.2, 0.5, 0.9]), np.empty((4, 3, 30, 33), np.float32)
    wide[:] = fill[:, None, None]
    wide[:, :, 10:20, 10:23] = X
    want = F.rotate(wide, 30, "bilinear")[:, :, 10:20, 10:23]
    assert_close(F.rotate(X, 30, "bilinear", fill=fill), want, "fill", slack=10)
    pixels = F.rotate((X * 255).astype("uint8"), 45, fill=7)
    assert (pixels[:, :, 0, 0] == 7).all()


@pytest.mark.parametrize("bad", [{"angle": np.nan}, {"angle": 0, "scale": 0}, {"angle": 0, "translate": (np.inf, 0)}])
def test_affine_of_no_map_is_refused(bad):
    with pytest.raises(ValueError, match="must be finite, and scale above 0"):
        F.affine(X, **bad)


def test_flips_turn_those_that_are_named():
    got = F.horizontal_flip(X, [True, False, True, False])
    assert np.array_equal(got[[0, 2]], X[[0, 2], :, :, ::-1]) and np.array_equal(got[[1, 3]], X[[1, 3]])
    assert np.array_equal(F.vertical_flip(X), X[:, :, ::-1])
    nan = np.where(X > 0.5, np.nan, X)
    assert np.array_equal(F.horizontal_flip(F.horizontal_flip(nan)), nan, equal_nan=True)


def test_flip_happens_with_its_probability():
    gpudl.manual_seed(0)
    x = np.zeros((4000, 1, 1, 2), np.uint8)
    x[..., 1] = 1
    assert T.RandomHorizontalFlip(0.3)(x)[..., 0].mean() == pytest.approx(0.3, abs=0.03)
    assert T.RandomHorizontalFlip(1.0)(x)[..., 0].all() and not T.RandomHorizontalFlip(0.0)(x)[..., 0].any()


def test_random_affine_keeps_to_its_limits():
    gpudl.manual_seed(0)
    point = np.zeros((300, 1, 21, 31), np.float32)
    point[..., 10, 15] = 1
    moved = T.RandomAffine(0, translate=(0.2, 0.1))(point)
    rows, columns = np.argwhere(moved[:, 0] == 1)[:, 1:].T
    assert len(rows) == 300 and set(rows) == set(range(8, 13)) and set(columns) == set(range(9, 22))
    one = T.RandomAffine((30, 30), scale=(1.5, 1.5), shear=(4, 4, -6, -6), interpolation="bilinear", fill=0.3)(X)
    assert np.array_equal(one, F.affine(X, 30, (0, 0), 1.5, (4, -6), "bilinear", 0.3))
    assert np.array_equal(T.RandomRotation((25, 25), center=(3, 4))(X), F.rotate(X, 25, center=(3, 4)))
    point[..., 10, 25] = 1
    turned = np.argwhere(T.RandomRotation(30)(point)[:, 0, :, 16:])
    slope = (10 - turned[:, 1]) / (turned[:, 2] + 1)
    assert slope.min() < -0.4 and slope.max() > 0.4 and abs(slope).max() < 0.75


def test_random_crop_reaches_every_place_and_names_what_is_too_small():
    gpudl.manual_seed(0)
    x = np.tile(np.arange(20).reshape(1, 1, 4, 5), (600, 1, 1, 1))
    corners, counts = np.unique(T.RandomCrop((2, 3))(x)[:, 0, 0, 0], return_counts=True)
    assert corners.tolist() == [0, 1, 2, 5, 6, 7, 10, 11, 12] and counts.min() > 40
    with pytest.raises(gpudl.ShapeError, match="4 x 5 are smaller than the crop of 6 x 5; set pad_if_needed=True"):
        T.RandomCrop((6, 5))(x)
    assert T.RandomCrop((6, 9), pad_if_needed=True)(x).shape == (600, 1, 6, 9)


def test_rectangles_keep_to_area_and_ratio():
    numbers = np.random.default_rng(0).random((500, 20))
    height, width, found = rectangles(100, 80, numbers, (0.2, 0.5), (0.5, 2.0))
    area, ratio = height * width / 8000, width / height
    assert found.mean() > 0.99 and (height <= 100).all() and (width[found] <= 80).all()
    assert area[found].min() > 0.18 and area[found].max() < 0.52 and ratio.min() > 0.48 and ratio.max() < 2.1
    assert not rectangles(100, 2, numbers, (0.9, 1.0), (1.0, 1.0))[2].any()
    crop = T.RandomResizedCrop(3, (0.9, 1), (1, 1))(np.arange(200.0).reshape(1, 100, 2))
    assert np.array_equal(crop, F.resized_crop(np.arange(200.0).reshape(1, 100, 2), 49, 0, 2, 2, 3))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: T.RandomCrop(0), "size must be one whole number of 1 or more"),
        (lambda: T.Resize((3, 4, 5)), "size must be one whole number"),
        (lambda: T.Resize(3, "cubic"), "interpolation must be one of nearest, bilinear, bicubic; got 'cubic'"),
        (lambda: T.RandomHorizontalFlip(1.5), r"p must be in \[0, 1\], got 1.5"),
        (lambda: T.RandomResizedCrop(3, (0.5, 0.1)), "scale must be"),
        (lambda: T.RandomRotation(-3), "degrees must be 0 or more"),
        (lambda: T.RandomAffine(0, (2, 0)), "translate must be two numbers"),
        (lambda: T.RandomAffine(0, scale=(0, 1)), "scale must be"),
        (lambda: F.pad(X, 1, padding_mode="wrap"), "padding_mode must be one of"),
    ],
)
def test_bad_settings_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_gradients_are_those_of_the_values():
    x = gpudl.tensor(X[:2, :, :5, :6], dtype="float64", requires_grad=True)
    for function in (
        lambda x: F.crop(x, [0, 1], [2, 0], 3, 4),
        lambda x: F.resized_crop(x, [0, 1], [2, 0], [5, 3], [2, 6], (4, 3)),
        lambda x: F.rotate(x, [10, -35], "bilinear", fill=0.5),
        lambda x: F.horizontal_flip(x, [True, False]),
    ):
        assert gpudl.autograd.gradcheck(function, (x,))
