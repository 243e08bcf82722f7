"""The cache of keys and values: generating step by step gives what the whole sequence gives at once."""

import pickle
from itertools import pairwise

import numpy as np
import pytest
from tolerances import assert_close
from twins import array

import gpudl
from gpudl import nn


def cpu(tensor):
    return tensor.detach().cpu().numpy()


def layer_of(device, kv_heads=None, rotary=None, dtype="float32"):
    gpudl.manual_seed(0)
    where = {"device": device, "dtype": dtype}
    turn = None if rotary is None else nn.RotaryEmbedding(4, max_seq_len=16, interleaved=rotary, **where)
    return nn.CausalSelfAttention(16, 4, kv_heads, rotary=turn, **where)


STEPS = {"one_by_one": [1] * 12, "prompt": [7, 1, 1, 1, 1, 1], "chunks": [3, 4, 2, 3], "all": [12], "empty": [5, 0, 7]}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rotary", [None, False, True], ids=["no_positions", "halves", "interleaved"])
@pytest.mark.parametrize("kv_heads", [None, 2, 1])
@pytest.mark.parametrize("steps", STEPS)
def test_steps_with_a_cache_equal_the_whole(device, steps, kv_heads, rotary, dtype):
    layer = layer_of(device, kv_heads, rotary, dtype)
    x = gpudl.tensor(array(3, 12, 16, dtype=dtype), device=device)
    whole = cpu(layer(x))
    cache = layer.make_cache(3, 12)
    ends = np.cumsum([0, *STEPS[steps]])
    with gpudl.no_grad():
        parts = [cpu(layer(x[:, start:stop], cache)) for start, stop in pairwise(ends)]
    assert_close(np.concatenate(parts, 1), whole, "output", slack=5)
    assert cache.length == 12


@pytest.mark.parametrize("rotary", [False, True])
def test_a_model_generates_the_same_tokens_with_and_without_caches(device, rotary):
    """Two layers that share one rotary embedding, greedy decoding from a prompt."""
    gpudl.manual_seed(1)
    turn = nn.RotaryEmbedding(4, max_seq_len=20, interleaved=rotary, device=device)
    layers = [nn.CausalSelfAttention(16, 4, 2, rotary=turn, device=device) for _ in range(2)]
    table, head = gpudl.randn(11, 16, device=device), nn.Linear(16, 11, device=device)

    def logits(tokens, caches=(None, None)):
        x = table[tokens]
        for layer, cache in zip(layers, caches):
            x = x + layer(x, cache)
        return head(x)[:, -1]

    tokens = gpudl.tensor([[1, 5, 3], [2, 2, 9]], device=device)
    given, caches = tokens, [layer.make_cache(2, 20) for layer in layers]
    slow = tokens
    with gpudl.inference_mode():
        for _ in range(12):
            given = logits(given, caches).argmax(-1, keepdim=True)
            tokens = gpudl.cat([tokens, given], 1)
            slow = gpudl.cat([slow, logits(slow).argmax(-1, keepdim=True)], 1)
    assert tokens.tolist() == slow.tolist()
    assert len(set(tokens[0].tolist())) > 1


def test_update_fills_and_gives_views(device):
    cache = nn.KVCache(2, 3, 5, 4, device=device)
    assert cache.keys.device is device
    first, second = (gpudl.tensor(array(2, 3, n, 4, seed=n), device=device) for n in (2, 3))
    keys, values = cache.update(first, -first)
    assert (cache.length, keys.shape, values.shape) == (2, (2, 3, 2, 4), (2, 3, 2, 4))
    assert gpudl.equal(keys, first) and gpudl.equal(values, -first)
    later, _ = cache.update(second, -second)
    assert gpudl.equal(later, gpudl.cat([first, second], 2))
    assert gpudl.equal(keys, first)
    cache.keys.fill_(1)
    assert cpu(keys).min() == cpu(later).min() == 1
    assert cache.length == cache.max_len == 5


def test_a_full_cache_says_so_and_stays_as_it_is():
    cache = nn.KVCache(1, 1, 4, 2)
    cache.update(gpudl.ones(1, 1, 3, 2), gpudl.ones(1, 1, 3, 2))
    with pytest.raises(gpudl.ShapeError, match="full: 3 of 4 positions are filled, and 2 more were given; .* reset"):
        cache.update(gpudl.zeros(1, 1, 2, 2), gpudl.zeros(1, 1, 2, 2))
    assert cache.length == 3
    keys, _ = cache.update(gpudl.zeros(1, 1, 1, 2), gpudl.zeros(1, 1, 1, 2))
    assert keys[0, 0, :, 0].tolist() == [1, 1, 1, 0]


def test_reset_forgets(device):
    layer = layer_of(device, rotary=False)
    cache, x = layer.make_cache(2, 6), gpudl.tensor(array(2, 6, 16), device=device)
    with gpudl.no_grad():
        first = cpu(layer(x, cache))
        cache.reset()
        assert cache.length == 0
        assert np.array_equal(cpu(layer(x, cache)), first)


def test_reorder_goes_on_with_other_beams(device):
    """As if the chosen sequences had been given from the start."""
    layer = layer_of(device, 2, rotary=True)
    x, beams = gpudl.tensor(array(3, 8, 16), device=device), gpudl.tensor([2, 0, 2], device=device)
    cache, chosen = layer.make_cache(3, 8), layer.make_cache(3, 8)
    with gpudl.no_grad():
        layer(x[:, :5], cache)
        cache.reorder(beams)
        got = layer(x[:, 5:], cache)
        layer(x[beams][:, :5], chosen)
        want = layer(x[:, 5:], chosen)
    assert cache.length == 8
    assert_close(cpu(got), cpu(want), "after reordering")
    assert_close(cpu(cache.values), cpu(chosen.values), "values")


def test_reorder_checks_the_beams():
    cache = nn.KVCache(2, 1, 3, 4)
    cache.update(gpudl.ones(2, 1, 2, 4), gpudl.ones(2, 1, 2, 4))
    with pytest.raises(gpudl.ShapeError, match=r"expected beams \(2,\), got \(3,\)"):
        cache.reorder(gpudl.tensor([0, 1, 1]))
    with pytest.raises(IndexError):
        cache.reorder(gpudl.tensor([0, 2]))


def test_make_cache_follows_the_weights(device):
    layer = layer_of(device, 2).double()
    cache = layer.make_cache(3, 7)
    assert cache.keys.shape == cache.values.shape == (3, 2, 7, 4)
    assert cache.keys.dtype == cache.values.dtype == gpudl.float64
    assert cache.keys.device is device
    assert repr(cache) == "KVCache(3, 2, 7, 4, length=0)"


def test_gradients_are_not_lost_silently():
    layer = layer_of("cpu")
    x = gpudl.tensor(array(1, 2, 16))
    with pytest.raises(RuntimeError, match="no gradients; generate under gpudl.no_grad"):
        layer(x, layer.make_cache(1, 2))
    layer.requires_grad_(False)
    assert not layer(x, layer.make_cache(1, 2)).requires_grad


@pytest.mark.parametrize("shapes", [((2, 1, 1, 4), (2, 1, 2, 4)), ((1, 1, 1, 4),) * 2, ((2, 2, 1, 4),) * 2,
                                    ((2, 1, 1, 3),) * 2, ((2, 1, 4),) * 2], ids=str)  # fmt: skip
def test_shapes_must_fit(shapes):
    cache = nn.KVCache(2, 1, 3, 4)
    with pytest.raises(gpudl.ShapeError, match=r"expected key and value \(2, 1, new tokens, 4\), got"):
        cache.update(*(gpudl.ones(*shape) for shape in shapes))
    assert cache.length == 0


def test_dtypes_must_fit():
    cache = nn.KVCache(1, 1, 3, 4, dtype="float64")
    with pytest.raises(RuntimeError, match="holds float64 on cpu, got float32 on cpu"):
        cache.update(gpudl.ones(1, 1, 1, 4), gpudl.ones(1, 1, 1, 4))


@pytest.mark.parametrize(("sizes", "error"), [((1, 1, -1, 4), ValueError), ((1, 1.5, 2, 4), TypeError)])
def test_sizes_must_be_counts(sizes, error):
    with pytest.raises(error, match="KVCache: (max_len must be >= 0|heads must be an int)"):
        nn.KVCache(*sizes)


def test_positions_end_with_the_rotary_embedding():
    layer = layer_of("cpu", rotary=False)
    with gpudl.no_grad(), pytest.raises(gpudl.ShapeError, match="positions 16 to 16 are not in 0 to 15"):
        cache = layer.make_cache(1, 20)
        layer(gpudl.ones(1, 16, 16), cache)
        layer(gpudl.ones(1, 1, 16), cache)


def test_a_cache_can_be_pickled():
    cache = nn.KVCache(1, 1, 3, 2)
    cache.update(gpudl.ones(1, 1, 2, 2), gpudl.ones(1, 1, 2, 2))
    other = pickle.loads(pickle.dumps(cache))
    assert other.length == 2
    assert other.update(gpudl.zeros(1, 1, 1, 2), gpudl.zeros(1, 1, 1, 2))[0].tolist() == [[[[1, 1], [1, 1], [0, 0]]]]
