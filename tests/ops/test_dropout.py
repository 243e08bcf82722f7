"""Dropout: probabilities, masks that are the same everywhere, gradients; and embedding's errors and side effects."""

import numpy as np
import pytest
from oracle import torch
from tolerances import assert_close

import gpudl
import gpudl.nn.functional as F
from gpudl.autograd import gradcheck, gradgradcheck
from gpudl.ops.random_bits import kept, kept_rows
from gpudl.random import stream


def made(name, shape, seed=0, p=0.3, **settings):
    gpudl.manual_seed(seed)
    return getattr(F, name)(gpudl.ones(*shape), p, True, **settings).cpu().numpy()


@pytest.mark.parametrize("p", [0.001, 0.1, 0.5, 0.9, 1 / 3])
def test_share_of_dropped_elements_is_p(p):
    y = made("dropout", (1000, 1000), p=p)
    dropped = (y == 0).mean()
    assert abs(dropped - p) < 5 * np.sqrt(p * (1 - p) / y.size)
    np.testing.assert_allclose(y[y != 0], 1 / (1 - p), 1e-6)


def test_mask_is_the_bits_of_the_sampling_stream(device):
    gpudl.manual_seed(7)
    y = F.dropout(gpudl.ones(11, device=device), 0.25).cpu().numpy()
    halves = stream("sample", 0, seed=7).words(6).astype("<u8").view("<u4")[:11]
    assert ((y > 0) == (halves >= 2**30)).all()
    assert (y > 0).astype(int).tolist() == [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]  # never to change


@pytest.mark.parametrize("name", ["dropout", "dropout1d", "alpha_dropout", "feature_alpha_dropout"])
def test_one_seed_gives_one_mask_and_calls_differ(name):
    assert (made(name, (20, 30, 4), 1) == made(name, (20, 30, 4), 1)).all()
    assert (made(name, (20, 30, 4), 1) != made(name, (20, 30, 4), 2)).any()
    gpudl.manual_seed(1)
    x = gpudl.ones(20, 30, 4)
    assert (getattr(F, name)(x, 0.3, True).cpu().numpy() != getattr(F, name)(x, 0.3, True).cpu().numpy()).any()


def test_mask_does_not_depend_on_parts():
    whole = kept(stream("a", seed=1), 200_001, 0.3)
    assert (whole[:1001] == kept(stream("a", seed=1), 1001, 0.3)).all()
    rows = kept_rows(stream("a", seed=1), 0, 50, 13, 0.3)
    assert (rows[20:] == kept_rows(stream("a", seed=1), 20, 30, 13, 0.3)).all()


@pytest.mark.parametrize(
    ("name", "shape", "lead"),
    [
        ("dropout1d", (8, 9, 5), 2),
        ("dropout1d", (30, 5), 1),
        ("dropout2d", (8, 9, 5, 2), 2),
        ("dropout2d", (8, 9, 5), 2),
        ("dropout3d", (8, 9, 5, 2, 3), 2),
        ("dropout3d", (30, 5, 2, 3), 1),
        ("feature_alpha_dropout", (8, 9, 5), 2),
    ],
)
def test_channels_are_dropped_as_a_whole(name, shape, lead):
    y = made(name, shape, p=0.5).reshape(*shape[:lead], -1)
    assert (y == y[..., :1]).all() and 0.2 < (y[..., 0] > 1).mean() < 0.8
    assert len(np.unique(y)) == 2


@pytest.mark.parametrize("name", ["alpha_dropout", "feature_alpha_dropout"])
def test_alpha_dropout_keeps_mean_and_variance(name):
    gpudl.manual_seed(0)
    x = gpudl.tensor(np.random.default_rng(0).standard_normal((1000, 300, 2)))
    y = getattr(F, name)(x, 0.2, True).cpu().numpy()
    assert abs(y.mean()) < 0.02 and abs(y.var() - 1) < 0.02
    with torch.random.fork_rng():
        torch.manual_seed(0)
        want = getattr(torch.nn.functional, name)(torch.zeros(40, 40), 0.2, True)
    gpudl.manual_seed(0)
    got = np.unique(getattr(F, name)(gpudl.zeros(40, 40), 0.2, True).cpu().numpy())
    assert_close(got, np.unique(want.cpu().numpy()), "the two values of zeros")


@pytest.mark.parametrize("name", ["dropout", "dropout2d", "alpha_dropout"])
def test_gradients_of_any_order_use_the_mask_of_forward(name, device):
    x = gpudl.tensor(np.random.default_rng(0).standard_normal((3, 4, 5, 2)), device=device, requires_grad=True)

    def function(x):
        gpudl.manual_seed(3)
        return getattr(F, name)(x * x, 0.4, True)

    gradcheck(function, [x])
    gradgradcheck(function, [x])
    y = F.dropout(x, 0.4)
    (dx,) = gpudl.autograd.grad([y.sum()], [x])
    assert ((dx == 0).cpu().numpy() == (y == 0).cpu().numpy()).all()


def test_in_place_changes_the_input():
    x = gpudl.ones(100)
    y = F.dropout(x, 0.5, inplace=True)
    assert y is x and set(x.tolist()) == {0.0, 2.0}
    x = gpudl.ones(4, 5, 6)
    assert F.dropout1d(x, 0.5, inplace=True) is x and set(x.cpu().numpy().ravel().tolist()) == {0.0, 2.0}
    with pytest.raises(RuntimeError, match="requires grad"):
        F.dropout(gpudl.ones(3, requires_grad=True), 0.5, inplace=True)


@pytest.mark.parametrize("half", ["float16", "bfloat16"])
def test_half_floats_are_dropped_in_their_dtype(half):
    if half == "bfloat16":
        pytest.importorskip("ml_dtypes")
    y = F.dropout(gpudl.ones(50, dtype=getattr(gpudl, half)), 0.5)
    assert y.dtype == getattr(gpudl, half) and set(y.float().tolist()) == {0.0, 2.0}


def test_embedding_bounds_norms_in_place_once_for_a_row_that_stands_twice(device):
    weight = gpudl.tensor(np.full((4, 4), 2.0, "float32"), device=device, requires_grad=True)
    before = weight._version[0]
    y = F.embedding(gpudl.tensor([1, 1, 2], device=device), weight, max_norm=1.0)
    y.sum().backward()
    np.testing.assert_allclose(weight.detach().cpu().numpy()[1:3], 0.5, 1e-6)
    assert weight.detach().cpu().numpy()[0].tolist() == [2, 2, 2, 2] and weight._version[0] == before + 1
    assert weight.grad[:, 0].tolist() == [0, 2, 1, 0]


@pytest.mark.parametrize("bad", [-1, 4])
def test_index_out_of_range_is_named(bad):
    for function in (F.embedding, lambda index, table: F.embedding_bag(index.reshape(1, -1), table)):
        with pytest.raises(IndexError, match=f"{bad} is out of range"):
            function(gpudl.tensor([0, bad]), gpudl.ones(4, 3))


def test_sparse_gradients_are_refused():
    for function in (F.embedding, F.embedding_bag):
        with pytest.raises(NotImplementedError, match="sparse=True"):
            function(gpudl.tensor([[0]]), gpudl.ones(4, 3), sparse=True)


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_second_gradients_of_bags(mode, device):
    table = gpudl.tensor(np.random.default_rng(0).standard_normal((5, 3)), device=device, requires_grad=True)
    index = gpudl.tensor([0, 4, 4, 2, 1, 0], device=device)
    offsets = gpudl.tensor([0, 3, 3], device=device)

    def function(table):
        return F.embedding_bag(index, table * table, offsets, mode=mode)

    gradcheck(function, [table])
    gradgradcheck(function, [table])


def test_changed_index_stops_backward():
    index, table = gpudl.tensor([0, 1]), gpudl.ones(3, 2, requires_grad=True)
    y = F.embedding(index, table)
    index.fill_(2)
    with pytest.raises(gpudl.GraphError, match="changed in place"):
        y.sum().backward()
