"""Brightness, contrast, saturation, hue, blur and erasing, by their formulas, colorsys and PyTorch's convolution."""

from __future__ import annotations

import colorsys

import numpy as np
import pytest
import torch
from tolerances import assert_close

import gpudl
import gpudl.data.transforms.functional as F
from gpudl.data import transforms as T

X = np.random.default_rng(2).random((3, 3, 8, 7), dtype=np.float32)
GRAY = (X * np.float32([0.2989, 0.587, 0.114])[:, None, None]).sum(1, keepdims=True)


def test_factors_blend_by_their_formulas():
    factor = np.float32([0.3, 1.0, 1.8])
    own = factor.reshape(-1, 1, 1, 1)
    assert_close(F.adjust_brightness(X, factor), np.clip(X * own, 0, 1), "brightness")
    mean = GRAY.mean((1, 2, 3), keepdims=True)
    assert_close(F.adjust_contrast(X, factor), np.clip(X * own + mean * (1 - own), 0, 1), "contrast")
    assert_close(F.adjust_saturation(X, factor), np.clip(X * own + GRAY * (1 - own), 0, 1), "saturation")
    assert_close(F.rgb_to_grayscale(X, 3), np.repeat(GRAY, 3, 1), "gray")


@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation", "hue"])
def test_integers_are_rounded_and_kept_in_range(name):
    pixels = (X * 255).astype(np.uint8)
    pixels[0, :, 0, 0] = 255, 255, 0
    factor = 0.4 if name == "hue" else 1.7
    adjust = getattr(F, f"adjust_{name}")
    got, want = adjust(pixels, factor), adjust(pixels.astype(np.float64) / 255, factor)
    assert got.dtype == np.uint8 and abs(got - want * 255).max() <= 0.501


def test_hue_turns_as_colorsys_does():
    turns = np.array([-0.5, 0.13, 0.4])
    x = np.concatenate((X, np.zeros_like(X[..., :1]), np.full_like(X[..., :1], 0.5)), axis=3)  # black and gray too
    x[:, :, 0, 0] = [1, 0, 0]
    got = F.adjust_hue(x, turns)
    for image, result, turn in zip(x, got, turns):
        for pixel, found in zip(image.reshape(3, -1).T.tolist(), result.reshape(3, -1).T):
            hue, saturation, value = colorsys.rgb_to_hsv(*pixel)
            assert found == pytest.approx(colorsys.hsv_to_rgb((hue + turn) % 1, saturation, value), abs=3e-6)


def test_gray_images_have_no_saturation_and_hue():
    gray = X[:, :1]
    assert np.array_equal(F.adjust_hue(gray, 0.3), gray) and np.array_equal(F.adjust_saturation(gray, 0.3), gray)
    assert F.rgb_to_grayscale(gray, 3).shape == X.shape
    with pytest.raises(gpudl.ShapeError, match="1 channel .gray. or 3 .RGB., got "):
        F.adjust_contrast(X[:, :2], 1.0)


@pytest.mark.parametrize(("name", "factor"), [("brightness", -0.1), ("contrast", np.nan), ("hue", 0.6)])
def test_factors_out_of_range_are_refused(name, factor):
    with pytest.raises(ValueError, match=r"must (not be negative|be in \[-0.5, 0.5\])"):
        getattr(F, f"adjust_{name}")(X, factor)


def test_jitter_has_its_factors_and_every_order():
    gpudl.manual_seed(0)
    flat = np.full((500, 3, 2, 2), 0.25, np.float32)
    bright = T.ColorJitter(brightness=(0.5, 1.5))(flat)[:, 0, 0, 0] / 0.25
    assert bright.min() > 0.499 and bright.max() < 1.501 and bright.std() > 0.25
    assert np.array_equal(T.ColorJitter()(X), X)
    two = np.tile(X[:1], (200, 1, 1, 1))
    results = T.ColorJitter((1.9, 1.9), (0.3, 0.3))(two)
    first = F.adjust_contrast(F.adjust_brightness(X[0], 1.9), 0.3)
    second = F.adjust_brightness(F.adjust_contrast(X[0], 0.3), 1.9)
    is_first = np.isclose(results, first, atol=1e-5).all((1, 2, 3))
    is_second = np.isclose(results, second, atol=1e-5).all((1, 2, 3))
    assert (is_first ^ is_second).all() and 60 < is_first.sum() < 140


@pytest.mark.parametrize("bad", [{"hue": 0.6}, {"brightness": -1}, {"contrast": (2, 1)}, {"saturation": (-1, 1)}])
def test_jitter_out_of_range_is_refused(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        T.ColorJitter(**bad)


def test_blur_is_the_convolution_with_a_gaussian():
    sigma = np.array([0.5, 1.0, 3.0])
    got = F.gaussian_blur(X, (5, 3), sigma)
    for image, result, width in zip(X, got, sigma):
        across, down = (torch.softmax(-0.5 * (torch.arange(n).double() - n // 2) ** 2 / width**2, 0) for n in (5, 3))
        padded = torch.nn.functional.pad(torch.from_numpy(image)[None].double(), (2, 2, 1, 1), "reflect")
        kernel = (down[:, None] * across).expand(3, 1, 3, 5)
        want = torch.nn.functional.conv2d(padded, kernel, groups=3)[0].float().numpy()
        assert_close(result, want, f"sigma {width}")


def test_random_blur_has_a_width_in_its_interval():
    assert np.array_equal(T.GaussianBlur((3, 5), 0.8)(X), F.gaussian_blur(X, (3, 5), 0.8))
    impulse = np.zeros((200, 1, 15, 15), np.float32)
    impulse[..., 7, 7] = 1
    gpudl.manual_seed(0)
    peaks = T.GaussianBlur(13, (0.5, 1.5))(impulse)[:, 0, 7, 7]
    least, most = F.gaussian_blur(impulse[:2], 13, [1.5, 0.5])[:, 0, 7, 7]
    assert peaks.min() >= least and peaks.max() <= most and np.ptp(peaks) > 0.7 * (most - least)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: F.gaussian_blur(X, 4), "must be odd"),
        (lambda: F.gaussian_blur(X, 3, 0.0), "above 0"),
        (lambda: F.gaussian_blur(X, 21), "needs images larger than 8 x 7"),
        (lambda: T.GaussianBlur(3, (0, 1)), "sigma must be"),
        (lambda: T.RandomErasing(value="noise"), "numbers or 'random'"),
        (lambda: T.Cutout(0), "length and holes must be 1 or more"),
        (lambda: F.rgb_to_grayscale(X, 2), "must be 1 or 3"),
    ],
)
def test_bad_settings_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_erase_overwrites_what_is_inside_nan_included():
    x = X.copy()
    x[0, :, 2, 3] = np.nan
    got = F.erase(x, [1, 6, 0], [2, 5, 0], [3, 5, 0], [4, 5, 7], (0.1, 0.2, 0.3))
    want = x.copy()
    want[0, :, 1:4, 2:6] = want[1, :, 6:, 5:] = np.float32([0.1, 0.2, 0.3])[:, None, None]
    want[1, :, 6:, 5:] = np.float32([0.1, 0.2, 0.3])[:, None, None]
    assert np.array_equal(got, want)


def test_random_erasing_keeps_to_its_area_and_probability():
    gpudl.manual_seed(0)
    ones = np.ones((400, 1, 32, 24), np.float32)
    share = 1 - T.RandomErasing(0.25, (0.1, 0.3))(ones).mean((1, 2, 3))
    hit = share[share > 0]
    assert len(hit) / 400 == pytest.approx(0.25, abs=0.07)
    assert hit.min() > 0.085 and hit.max() < 0.32


def test_random_erasing_has_the_ratio_of_height_to_width():
    gpudl.manual_seed(0)
    got = T.RandomErasing(1.0, (0.2, 0.2), (0.25, 0.25))(np.ones((50, 1, 20, 80), np.float32))[:, 0]
    height, width = (got == 0).any(2).sum(1), (got == 0).any(1).sum(1)
    assert (height == 9).all() and (width == 36).all()


def test_random_values_are_normal_and_the_samples_own():
    gpudl.manual_seed(0)
    zeros = np.zeros((60, 3, 21, 15), np.float32)
    got = T.RandomErasing(0.5, (0.2, 0.4), value="random")(zeros)
    noise = got[got != 0]
    assert 0.3 < (got != 0).any((1, 2, 3)).mean() < 0.7
    assert abs(noise.mean()) < 0.05 and noise.std() == pytest.approx(1, abs=0.05)
    assert len(np.unique(noise)) > 0.99 * len(noise)
    with pytest.raises(TypeError, match="'random' needs floating images"):
        T.RandomErasing(value="random")(zeros.astype(np.uint8))


def test_cutout_has_squares_around_every_center():
    gpudl.manual_seed(0)
    got = T.Cutout(5)(np.ones((300, 1, 9, 9), np.float32))
    missing = (got == 0).sum((1, 2, 3))
    assert missing.max() == 25 and missing.min() == 9
    assert (got == 0).mean(0).min() > 0.05


def test_half_floats_are_rounded_once():
    x = X.astype(np.float16)
    for function in (lambda x: F.adjust_hue(x, 0.2), lambda x: F.gaussian_blur(x, 5, 2.0)):
        assert np.array_equal(function(x), function(x.astype(np.float32)).astype(np.float16))


def test_bools_are_refused_with_the_fix():
    with pytest.raises(TypeError, match="put ToDtype"):
        F.adjust_brightness(X > 0.5, 1.0)
