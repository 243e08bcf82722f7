"""Stratified orders and splits: every run of samples has the classes in proportion."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gpudl.autograd.tensor import wrap
from gpudl.data import DataLoader, StratifiedSampler, TensorDataset, stratified_split
from gpudl.random import stream

LABELS = {
    "even": np.repeat(np.arange(4), 25),
    "uneven": np.repeat(np.arange(3), [90, 9, 1]),
    "one class": np.zeros(17, int),
    "all different": np.arange(12),
    "words": np.array(["cat", "dog", "cat", "cat"]),
}


@pytest.mark.parametrize("name", LABELS)
def test_every_run_has_the_classes_in_proportion(name: str) -> None:
    labels = LABELS[name]
    count, kinds = len(labels), np.unique(labels)
    for epoch in range(3):
        sampler = StratifiedSampler(labels, seed=1)
        sampler.set_epoch(epoch)
        order = list(sampler)
        assert sorted(order) == list(range(count)) and len(sampler) == count
        for kind in kinds:
            share = np.mean(labels == kind)
            before = np.concatenate([[0], np.cumsum(labels[order] == kind)])
            for length in (1, 2, 5, count // 2):
                found = before[length:] - before[: count + 1 - length]
                assert np.all(abs(found - share * length) <= 1 + share * len(kinds))


def test_batches_of_even_classes_have_exactly_their_share() -> None:
    loader = DataLoader(list(LABELS["even"]), 20, sampler=StratifiedSampler(LABELS["even"], seed=0))
    for batch in [*loader, *loader, *loader]:
        np.testing.assert_array_equal(np.bincount(batch.array), [5, 5, 5, 5])


def test_order_is_random_and_depends_on_seed_and_epoch_alone() -> None:
    sampler = StratifiedSampler(LABELS["uneven"], seed=1)
    first, second = list(sampler), list(sampler)
    stream("stratified", 0).words(3)
    sampler.set_epoch(0)
    assert list(sampler) == first != second
    assert list(StratifiedSampler(LABELS["uneven"], seed=2)) != first
    places = {order.index(99) // 10 for order in (list(sampler) for _ in range(40))}
    assert len(places) > 5, "the only sample of a class may be anywhere"


def test_labels_may_be_in_a_tensor_or_a_dataset() -> None:
    labels = LABELS["even"]
    expected = list(StratifiedSampler(labels, seed=3))
    dataset: Any = TensorDataset(wrap(labels, None))
    dataset.targets = wrap(labels, None)
    for given in (labels.tolist(), wrap(labels, None), dataset):
        assert list(StratifiedSampler(given, seed=3)) == expected
    assert list(StratifiedSampler([])) == []


@pytest.mark.parametrize("lengths", [[0.8, 0.2], [80, 20], [0.5, 0.3, 0.2]])
def test_split_has_every_class_in_proportion(lengths: list[float]) -> None:
    dataset: Any = TensorDataset(wrap(np.arange(100), None))
    for name, labels in LABELS.items():
        if len(labels) != 100:
            continue
        dataset.targets = labels
        parts = stratified_split(dataset, lengths, seed=4)
        assert sorted(index for part in parts for index in part.indices) == list(range(100))
        for part, length in zip(parts, lengths, strict=True):
            assert len(part) == (length if length > 1 else round(100 * length))
            found = np.bincount(labels[part.indices], minlength=4)[: len(np.unique(labels))]
            share = np.bincount(labels) / 100
            assert np.all(abs(found - share * len(part)) <= (0.5 if name == "even" else 1 + share * len(share)))
        again = stratified_split(dataset, lengths, labels.tolist(), seed=4)
        assert [part.indices for part in again] == [part.indices for part in parts]
        other = stratified_split(dataset, lengths, seed=5)
        assert [part.indices for part in other] != [part.indices for part in parts]


def test_bad_labels_are_refused() -> None:
    dataset = TensorDataset(wrap(np.arange(4), None))
    for call, message in [
        (lambda: StratifiedSampler(np.zeros((2, 2))), r"got shape \(2, 2\)"),
        (lambda: StratifiedSampler(3), r"got shape \(\)"),
        (lambda: stratified_split(dataset, [0.5, 0.5]), "TensorDataset has neither targets nor labels"),
        (lambda: stratified_split(dataset, [0.5, 0.5], [0, 1, 0]), "3 labels for 4 samples"),
        (lambda: stratified_split(dataset, [3, 2], [0, 1, 0, 1]), "lengths must add up to 4"),
    ]:
        with pytest.raises(ValueError, match=message):
            call()
