"""Embedding and EmbeddingBag give PyTorch's outputs and gradients, and change their tables as it does."""

import copy
import math
import pickle

import numpy as np
import pytest
from tolerances import assert_close
from twins import array, compare, torch, twins

import gpudl
from gpudl import nn


def numbers(*shape, count=7, dtype="int64", seed=0):
    return np.random.default_rng(seed).integers(0, count, shape).astype(dtype)


SETTINGS = [
    {},
    {"padding_idx": 0},
    {"padding_idx": 3},
    {"padding_idx": -2},
    {"max_norm": 1.0},
    {"max_norm": 0.5, "norm_type": 1.0},
    {"norm_type": 3.0},
    {"scale_grad_by_freq": True},
    {"padding_idx": 1, "max_norm": 2, "norm_type": 1, "scale_grad_by_freq": True},
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(), (9,), (3, 4), (2, 0), (2, 3, 2)])
@pytest.mark.parametrize("settings", SETTINGS)
def test_embedding(device, settings, shape, dtype):
    index = numbers(*shape, dtype="int64" if dtype == "float32" else "int32")
    compare(lambda lib: lib.nn.Embedding(7, 3, **settings), index, device=device, dtype=dtype, slack=4)


BAGS = [settings for settings in SETTINGS if "scale_grad_by_freq" not in settings]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("settings", BAGS)
def test_embedding_bag(device, settings, mode, dtype):
    def make(lib):
        return lib.nn.EmbeddingBag(7, 3, mode=mode, **settings)

    compare(make, numbers(4, 5), device=device, dtype=dtype, slack=4, calls=1)
    offsets = np.array([0, 3, 3, 8])
    compare(make, numbers(12), offsets, device=device, dtype=dtype, slack=4, calls=1)


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_include_last_offset(device, mode):
    def make(lib):
        return lib.nn.EmbeddingBag(7, 3, mode=mode, include_last_offset=True)

    compare(make, numbers(12), np.array([0, 3, 3, 12]), device=device, slack=4, calls=1)


@pytest.mark.parametrize("mode", ["sum", "mean"])
def test_gradients_of_bags_are_scaled_by_frequency(device, mode):
    """As those of PyTorch's Embedding; its EmbeddingBag takes the frequencies of other rows."""
    table, index = array(7, 3), numbers(4, 5)
    mine = nn.EmbeddingBag(7, 3, scale_grad_by_freq=True, mode=mode, _weight=gpudl.tensor(table, device=device))
    theirs = torch.nn.Embedding(7, 3, scale_grad_by_freq=True, _weight=torch.tensor(table))
    got, want = mine(gpudl.tensor(index, device=device)), getattr(theirs(torch.tensor(index)), mode)(1)
    assert_close(got.detach().cpu().numpy(), want.detach().numpy(), "output")
    (got * got).sum().backward()
    (want * want).sum().backward()
    assert_close(mine.weight.grad.cpu().numpy(), theirs.weight.grad.numpy(), "gradient", 4)


@pytest.mark.parametrize("padding_idx", [None, 2])
def test_per_sample_weights(device, padding_idx):
    def make(lib):
        return lib.nn.EmbeddingBag(7, 3, mode="sum", padding_idx=padding_idx)

    factors = array(4, 5)
    compare(make, numbers(4, 5), None, factors, device=device, slack=4, calls=1)
    offsets = np.array([0, 3, 3, 8])
    compare(make, numbers(12), offsets, array(12), device=device, slack=4, calls=1)
    compare(make, numbers(4, 5), per_sample_weights=factors, device=device, slack=4, calls=1)


@pytest.mark.parametrize("layer", ["Embedding", "EmbeddingBag"])
def test_max_norm_changes_the_table_as_in_torch(device, layer):
    mine, theirs = twins(lambda lib: getattr(lib.nn, layer)(7, 3, max_norm=0.7), device)
    index = numbers(2, 3, count=4)
    mine(gpudl.tensor(index, device=device))
    theirs(torch.tensor(index))
    assert_close(mine.weight.detach().cpu().numpy(), theirs.weight.detach().numpy(), "table")
    norms = mine.weight.detach().norm(dim=1).cpu().numpy()
    assert (norms[np.unique(index)] < 0.7001).all()
    assert norms.max() > 0.7001


@pytest.mark.parametrize("layer", ["Embedding", "EmbeddingBag"])
def test_initial_table(device, layer):
    """Normal numbers as in PyTorch, within 4 standard errors; 0 at padding_idx; from the seed alone."""
    tables = []
    for where in (device, "cpu"):
        gpudl.manual_seed(1)
        tables.append(getattr(nn, layer)(100, 200, padding_idx=-1, device=where).weight.detach().cpu().numpy())
    assert np.array_equal(*tables)
    torch.manual_seed(1)
    for values in (tables[0], getattr(torch.nn, layer)(100, 200, padding_idx=-1).weight.detach().numpy()):
        assert not values[99].any()
        drawn = values[:99]
        assert abs(drawn.mean()) < 4 / math.sqrt(drawn.size)
        assert abs(drawn.var() - 1) < 4 * math.sqrt(2 / drawn.size)
        assert abs((drawn**4).mean() - 3) < 4 * math.sqrt(96 / drawn.size)


@pytest.mark.parametrize("layer", ["Embedding", "EmbeddingBag"])
def test_reset_draws_anew_and_keeps_the_padding_at_0(layer):
    made = getattr(nn, layer)(5, 3, padding_idx=2)
    weight, before = made.weight, made.weight.detach().clone()
    made.reset_parameters()
    assert made.weight is weight
    changed = (weight.detach() != before).numpy()
    assert changed.any(1).tolist() == [True, True, False, True, True]
    assert weight[2].tolist() == [0, 0, 0]


@pytest.mark.parametrize("freeze", [True, False])
@pytest.mark.parametrize("layer", ["Embedding", "EmbeddingBag"])
def test_from_pretrained(device, layer, freeze):
    table, index = array(5, 3), numbers(2, 4, count=5)
    settings = {"freeze": freeze, "padding_idx": -1, "max_norm": 1.5, "norm_type": 1.0, "scale_grad_by_freq": True}
    results = []
    for lib, where in ((gpudl, {"device": device}), (torch, {})):
        given = lib.tensor(table, **where)
        made = getattr(lib.nn, layer).from_pretrained(given, **settings)
        assert made.weight.requires_grad is not freeze
        assert isinstance(made.weight, lib.nn.Parameter)
        assert made.weight.detach().cpu().numpy().tolist() == table.tolist()  # the row of padding_idx stays
        y = made(lib.tensor(index, **where)).detach().cpu().numpy()
        results.append((y, given.cpu().numpy(), repr(made), made.padding_idx))
    assert_close(results[0][0], results[1][0], "output")
    assert_close(results[0][1], results[1][1], "the table given, whose memory is shared")
    assert results[0][2:] == results[1][2:]


def test_from_pretrained_in_the_order_of_torch():
    for lib in (gpudl, torch):
        table = lib.ones(5, 3)
        made = lib.nn.Embedding.from_pretrained(table, False, 1, 2.0, 3.0, True, False)
        assert (made.padding_idx, made.max_norm, made.norm_type, made.scale_grad_by_freq) == (1, 2.0, 3.0, True)
        bag = lib.nn.EmbeddingBag.from_pretrained(table, False, 2.0, 3.0, True, "sum", False, True, 1)
        assert (bag.max_norm, bag.norm_type, bag.scale_grad_by_freq, bag.mode) == (2.0, 3.0, True, "sum")
        assert (bag.include_last_offset, bag.padding_idx, bag.sparse) == (True, 1, False)


def test_a_subclass_makes_itself_of_pretrained_vectors():
    class Named(nn.Embedding):
        pass

    assert type(Named.from_pretrained(gpudl.ones(2, 3))) is Named


def test_a_frozen_table_of_integers():
    for lib in (gpudl, torch):
        made = lib.nn.Embedding.from_pretrained(lib.tensor([[1, 2], [3, 4]]))
        assert made(lib.tensor([1, 0])).tolist() == [[3, 4], [1, 2]]


ARGUMENTS = [
    (lambda lib: lib.nn.Embedding(5, 2, padding_idx=5), AssertionError, "Embedding: padding_idx must be one of 5"),
    (lambda lib: lib.nn.Embedding(5, 2, padding_idx=-6), AssertionError, "embeddings, got -6"),
    (lambda lib: lib.nn.EmbeddingBag(5, 2, padding_idx=5), AssertionError, "EmbeddingBag: padding_idx must be one"),
    (lambda lib: lib.nn.Embedding(-5, 2), RuntimeError, "Embedding: num_embeddings must be >= 0, got -5"),
    (lambda lib: lib.nn.EmbeddingBag(5, 2.0), TypeError, "EmbeddingBag: embedding_dim must be an int, got 2.0"),
    (lambda lib: lib.nn.Embedding(5, 2, _weight=lib.ones(2, 5)), AssertionError, r"shape \(5, 2\), got \(2, 5\)"),
    (lambda lib: lib.nn.Embedding.from_pretrained(lib.ones(3)), AssertionError, r"two dimensions, got \(3,\)"),
    (lambda lib: lib.nn.EmbeddingBag.from_pretrained(lib.ones(3)), AssertionError, r"two dimensions, got \(3,\)"),
]


@pytest.mark.parametrize(("make", "error", "message"), ARGUMENTS)
def test_arguments_are_checked(make, error, message):
    with pytest.raises(error):
        make(torch)
    with pytest.raises(error, match=message):
        make(gpudl)


@pytest.mark.parametrize("layer", ["Embedding", "EmbeddingBag"])
def test_sparse_gradients_are_refused(layer):
    with pytest.raises(NotImplementedError, match=f"{layer}: gradients are dense here; leave out sparse=True"):
        getattr(nn, layer)(5, 2, sparse=True)
    with pytest.raises(NotImplementedError, match="leave out sparse=True"):
        getattr(nn, layer).from_pretrained(gpudl.ones(5, 2), sparse=True)


def test_mode_is_checked_at_once():
    with pytest.raises(ValueError, match="EmbeddingBag: mode must be 'sum', 'mean' or 'max', got 'min'"):
        nn.EmbeddingBag(5, 2, mode="min")


def test_errors_of_the_call_name_the_layer():
    layer = nn.Embedding(5, 2)
    with pytest.raises(IndexError, match="5"):
        layer(gpudl.tensor([0, 5]))
    with pytest.raises(RuntimeError, match=r"^Embedding: .*float32; cast with long\(\)"):
        layer(gpudl.ones(2))
    with pytest.raises(gpudl.ShapeError, match=r"^EmbeddingBag: .*needs offsets"):
        nn.EmbeddingBag(5, 2)(gpudl.tensor([0, 1]))


@pytest.mark.parametrize("make", [lambda: nn.Embedding(5, 2, 1, 0.5), lambda: nn.EmbeddingBag(5, 2, mode="max")])
def test_copies_give_the_same(make):
    layer, index = make(), gpudl.tensor([[0, 4], [1, 1]])
    loaded = make()
    loaded.load_state_dict(layer.state_dict())
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer)), loaded):
        assert gpudl.equal(other(index), layer(index))
        assert repr(other) == repr(layer)
    assert list(layer.state_dict()) == ["weight"]


def test_attributes_and_dtype():
    layer = nn.Embedding(np.int64(5), 2, -1, dtype="float64")
    assert (layer.num_embeddings, layer.embedding_dim, layer.padding_idx) == (5, 2, 4)
    assert (layer.max_norm, layer.norm_type, layer.scale_grad_by_freq, layer.sparse) == (None, 2.0, False, False)
    assert layer.weight.dtype == gpudl.float64
    assert not nn.Embedding(5, 2, _freeze=True).weight.requires_grad
