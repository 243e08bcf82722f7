"""Tokens are drawn with the probabilities of the logits, from as many as top_k and top_p leave."""

import numpy as np
import pytest

import gpudl
from gpudl.models import sample_tokens

P = np.array([0.05, 0.4, 0.15, 0.3, 0.1])  # by size: 1, 3, 2, 4, 0


def frequencies(device, count=20000, **settings):
    """How often each token is drawn."""
    logits = gpudl.tensor(np.log(P), device=device).expand(count, 5)
    drawn = sample_tokens(logits, generator=gpudl.Generator().manual_seed(0), **settings)
    assert drawn.shape == (count,) and drawn.dtype == gpudl.int64
    return np.bincount(drawn.cpu().numpy(), minlength=5) / count


@pytest.mark.parametrize(
    ("settings", "kept", "power"),
    [
        ({}, [0, 1, 2, 3, 4], 1),
        ({"temperature": 0.5}, [0, 1, 2, 3, 4], 2),
        ({"temperature": 2.0}, [0, 1, 2, 3, 4], 0.5),
        ({"top_k": 3}, [1, 2, 3], 1),
        ({"top_k": 50}, [0, 1, 2, 3, 4], 1),
        ({"top_k": 2, "temperature": 0.5}, [1, 3], 2),
        ({"top_p": 0.3}, [1], 1),
        ({"top_p": 0.6}, [1, 3], 1),
        ({"top_p": 0.8}, [1, 2, 3], 1),
        ({"top_p": 0.9}, [1, 2, 3, 4], 1),
        ({"top_p": 1.0}, [0, 1, 2, 3, 4], 1),
        ({"top_k": 3, "top_p": 0.8}, [1, 3], 1),  # of 0.4, 0.3, 0.15 the first two are 0.82
        ({"temperature": 0}, [1], 1),
        ({"temperature": 0, "top_k": 3, "top_p": 0.9}, [1], 1),
        ({"top_k": 1}, [1], 1),
    ],
    ids=str,
)
def test_tokens_are_drawn_with_their_probabilities(settings, kept, power, device):
    want = np.zeros(5)
    want[kept] = P[kept] ** power
    want /= want.sum()
    got = frequencies(device, **settings)
    assert np.array_equal(got > 0, want > 0)
    assert (abs(got - want) <= 5 * np.sqrt(want * (1 - want) / 20000)).all()


def test_each_row_is_drawn_by_its_own_logits(device):
    logits = gpudl.full((4, 6), -50.0, device=device)
    for row, token in enumerate((5, 0, 3, 3)):
        logits[row, token] = 0
    for settings in ({}, {"top_k": 2}, {"top_p": 0.9}, {"temperature": 0}):
        assert sample_tokens(logits, **settings).tolist() == [5, 0, 3, 3]


def test_logits_of_half_precision(device):
    logits = gpudl.tensor(np.log(P), device=device, dtype="float16").expand(9, 5)
    assert set(sample_tokens(logits, top_k=3, top_p=0.8).tolist()) <= {1, 3}


@pytest.mark.parametrize(
    "settings", [{"temperature": -0.1}, {"temperature": float("nan")}, {"top_k": 0}, {"top_p": 0}, {"top_p": 1.1}]
)
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(ValueError, match=f"sample_tokens: {next(iter(settings))} must be"):
        sample_tokens(gpudl.zeros(1, 3), **settings)


def test_logits_must_be_numbers_in_rows():
    for shape in ((3,), (2, 0), (1, 2, 3)):
        with pytest.raises(gpudl.ShapeError, match=r"expected logits \(N, vocabulary\)"):
            sample_tokens(gpudl.zeros(*shape))
    with pytest.raises(RuntimeError, match="finite"):
        sample_tokens(gpudl.full((1, 3), float("nan")))
