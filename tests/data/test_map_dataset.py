"""MapDataset: samples through transforms, one by one and in batches alike."""

from __future__ import annotations

import numpy as np
import pytest

import gpudl
from gpudl.data import DataLoader, Digits, TensorDataset
from gpudl.data import transforms as T
from gpudl.data.draws import making

IMAGES = np.random.default_rng(0).integers(0, 256, (23, 3, 8, 8)).astype(np.uint8)
AUGMENT = T.Compose([T.RandomCrop(8, 2), T.RandomHorizontalFlip(), T.ToDtype("float32", scale=True)])


class Folder:
    """Samples one at a time, as files would be."""

    def __getitem__(self, index):
        return IMAGES[index], index % 4

    def __len__(self):
        return len(IMAGES)


def in_memory():
    return TensorDataset(gpudl.tensor(IMAGES), gpudl.arange(23) % 4)


@pytest.mark.parametrize(("make", "batched"), [(in_memory, True), (in_memory, False), (Folder, True)])
def test_batches_are_the_samples(make, batched):
    dataset = T.MapDataset(make(), AUGMENT, T.OneHot(4), batched=batched)
    at_once = batched and make is in_memory
    assert len(dataset) == 23 and callable(dataset.batch) == at_once
    indices = [3, 20, 7]
    alone = []
    for index in indices:
        with making(2, [index], 5):
            alone.append(dataset[index])
    want = [
        np.stack([np.asarray(sample[place].numpy() if place else sample[0]) for sample in alone]) for place in (0, 1)
    ]
    if at_once:
        with making(2, indices, 5):
            images, labels = dataset.batch(np.array(indices))
        assert np.array_equal(images.numpy(), want[0]) and np.array_equal(labels.numpy(), want[1])
    assert want[0].shape == (3, 3, 8, 8) and want[0].dtype == np.float32 and want[1].shape == (3, 4)


def test_loader_gives_the_same_with_and_without_batches():
    plain = T.Compose([T.CenterCrop(6), T.ToDtype("float32", scale=True)])
    for first, second in zip(
        DataLoader(T.MapDataset(in_memory(), plain), 5), DataLoader(T.MapDataset(Folder(), plain), 5)
    ):
        assert np.array_equal(first[0].numpy(), second[0].numpy()) and np.array_equal(
            first[1].numpy(), second[1].numpy()
        )


def test_real_images_are_standardized():
    pytest.importorskip("sklearn", reason="scikit-learn is not installed: its digits are NOT TESTED")
    digits = Digits()
    fitted = T.Standardize(1).fit(digits)
    values = np.concatenate([batch[0].numpy().ravel() for batch in DataLoader(T.MapDataset(digits, fitted), 500)])
    assert values.mean() == pytest.approx(0, abs=1e-5) and values.std() == pytest.approx(1, abs=1e-5)


def test_samples_that_are_no_tuples():
    dataset = T.MapDataset([1.0, 2.0, 3.0], lambda x: x * 2)
    assert dataset[1] == 4.0
    assert [batch.numpy().tolist() for batch in DataLoader(dataset, 2)] == [[2.0, 4.0], [6.0]]
    with pytest.raises(IndexError, match="no tuples and have no target"):
        T.MapDataset([1.0], None, abs)[0]
    with pytest.raises(IndexError, match="1 entries and no target"):
        T.MapDataset(TensorDataset(gpudl.zeros(3)), None, abs)[0]


@pytest.mark.parametrize("arguments", [(3,), ([1], 3), ([1], None, 3)])
def test_what_is_no_dataset_or_transform_is_refused(arguments):
    with pytest.raises(TypeError, match="MapDataset: "):
        T.MapDataset(*arguments)
