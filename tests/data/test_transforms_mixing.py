"""MixUp and CutMix: images, labels, and the shares that they have of each other."""

from __future__ import annotations

import numpy as np
import pytest
from tolerances import assert_close

import gpudl
from gpudl.data import DataLoader, TensorDataset, default_collate
from gpudl.data import transforms as T
from gpudl.data.draws import making
from gpudl.data.transforms.mixing import symmetric_beta

LABELS = np.array([2, 0, 1, 2, 1])
HOT = np.eye(3, dtype=np.float32)[LABELS]


def flat(values, dtype="float32", device="cpu"):
    """Images of one value each."""
    return gpudl.tensor(np.tile(np.reshape(values, (-1, 1, 1, 1)), (1, 2, 6, 8)).astype(dtype), device=device)


def mixed(make, images, labels, indices=range(5)):
    with making(1, indices, 9), gpudl.strict():
        x, y = make(images, labels)
    return x.cpu().numpy(), y.cpu().numpy()


@pytest.mark.parametrize("given", [LABELS, HOT])
def test_mixup_mixes_images_and_labels_by_the_same_share(given, device):
    images, labels = flat(np.arange(5.0), device=device), gpudl.tensor(given, device=device)
    x, y = mixed(T.MixUp(alpha=0.7, num_classes=3), images, labels)
    before = np.roll(np.arange(5.0), 1)
    share = ((x - before.reshape(-1, 1, 1, 1)) / (np.arange(5.0) - before).reshape(-1, 1, 1, 1))[:, 0, 0, 0]
    assert (share >= 0).all() and (share <= 1).all() and len(np.unique(share.round(5))) == 5
    want = HOT * share[:, None] + np.roll(HOT, 1, 0) * (1 - share[:, None])
    assert_close(y, want.astype(np.float32), "labels", slack=10)


def test_cutmix_shares_are_those_of_the_pixels(device):
    images, labels = flat(np.arange(5.0), device=device), gpudl.tensor(LABELS, device=device)
    sizes = set()
    for start in range(0, 200, 5):
        x, y = mixed(T.CutMix(num_classes=3), images, labels, range(start, start + 5))
        own = x == np.arange(5.0).reshape(-1, 1, 1, 1)
        assert (own | (x == np.roll(np.arange(5.0), 1).reshape(-1, 1, 1, 1))).all()
        assert np.array_equal(own[:, 0], own[:, 1])
        share = own[:, 0].mean((1, 2))
        assert_close(y, (HOT * share[:, None] + np.roll(HOT, 1, 0) * (1 - share[:, None])).astype(np.float32), "labels")
        for image in ~own[:, 0]:  # what is not its own is one rectangle
            down, across = image.any(1), image.any(0)
            assert np.array_equal(image, np.outer(down, across)) and abs(np.diff(down.astype(int))).sum() <= 2
            sizes.add(int(image.sum()))
    assert len(sizes) > 8


@pytest.mark.parametrize("kind", [T.MixUp, T.CutMix])
def test_batches_of_one_none_and_in_evaluation(kind):
    one, label = flat([0.5]), gpudl.tensor([1])
    for transform, images, labels in (
        (kind(num_classes=3), one, label),
        (kind(num_classes=3).eval(), flat(np.arange(5.0)), gpudl.tensor(LABELS)),
        (kind(num_classes=3), flat([]), gpudl.tensor(np.zeros(0, np.int64))),
    ):
        x, y = transform(images, labels)
        assert np.array_equal(x.numpy(), images.numpy()) and y.shape == (len(images), 3)
        assert np.array_equal(y.numpy(), np.eye(3, dtype=np.float32)[labels.numpy()])


def test_integers_stay_integers_and_halves_halves():
    x, _ = mixed(T.MixUp(num_classes=3), flat([0, 255, 10, 20, 30], "uint8"), gpudl.tensor(LABELS))
    assert x.dtype == np.uint8 and 10 < x[1, 0, 0, 0] < 255
    half, y = mixed(T.MixUp(num_classes=3), flat([0, 255, 10, 20, 30], "float16"), gpudl.tensor(LABELS))
    assert half.dtype == y.dtype == np.float16 and abs(half[:, 0, 0, 0] - x[:, 0, 0, 0]).max() < 0.6


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: T.MixUp(alpha=0), ValueError, "alpha must be above 0"),
        (lambda: T.MixUp()(flat(range(5)), gpudl.tensor(LABELS)), ValueError, "with num_classes"),
        (lambda: T.MixUp(num_classes=3)(flat(range(4)), gpudl.tensor(LABELS)), gpudl.ShapeError, r"\(4,\) of classes"),
        (lambda: T.CutMix(num_classes=3)(flat([1])[0], gpudl.tensor([1])), gpudl.ShapeError, "batch first"),
        (lambda: T.CutMix(num_classes=3)(flat([1]), gpudl.tensor([0.5])), TypeError, "integers"),
        (lambda: T.MixUp(num_classes=3)(flat([1]), [1]), gpudl.ShapeError, "must be a Tensor"),
    ],
)
def test_what_cannot_be_mixed_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("alpha", [0.1, 0.4, 1.0, 2.0, 8.0])
def test_shares_are_of_the_beta_distribution(alpha):
    """Its mean, its variance 1 / (4 (2 alpha + 1)), its fourth moment, and its symmetry."""
    drawn = symmetric_beta(alpha, *np.random.default_rng(0).random((2, 200_000)))
    assert (drawn >= 0).all() and (drawn <= 1).all()
    off = drawn - 0.5
    variance = 1 / (4 * (2 * alpha + 1))
    kurtosis = 3 * (2 * alpha + 1) / (2 * alpha + 3)
    assert off.mean() == pytest.approx(0, abs=0.005) and (off**2).mean() == pytest.approx(variance, rel=0.01)
    assert (off**4).mean() == pytest.approx(kurtosis * variance**2, rel=0.02)
    assert (off**3).mean() == pytest.approx(0, abs=0.003)


def test_shares_at_the_ends_of_the_numbers_are_finite():
    ends = np.array([0.0, 0.25, 0.5, 0.75, 1 - 2.0**-53])
    for alpha in (1e-3, 1.0, 1e3):
        drawn = symmetric_beta(alpha, *(grid.ravel() for grid in np.meshgrid(ends, ends)))
        assert np.isfinite(drawn).all() and (drawn >= 0).all() and (drawn <= 1).all()


def test_they_mix_in_a_collate_fn():
    dataset = TensorDataset(flat(np.arange(5.0)), gpudl.tensor(LABELS))
    mix = T.MixUp(num_classes=3)
    (batch,) = DataLoader(dataset, 5, collate_fn=lambda samples: mix(*default_collate(samples)))
    assert batch[0].shape == (5, 2, 6, 8) and batch[1].shape == (5, 3)
    assert batch[1].sum(1).numpy() == pytest.approx(np.ones(5))
