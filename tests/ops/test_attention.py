"""Scaled dot product attention: memory, dropout, blocks, and what nobody sees."""

import tracemalloc

import numpy as np
import pytest
from oracle import torch
from tolerances import assert_close

import gpudl
from gpudl.autograd import gradcheck, gradgradcheck
from gpudl.nn.functional import scaled_dot_product_attention as attention
from gpudl.ops.attention_checks import Settings
from gpudl.ops.scaled_dot_product_attention import scaled_dot_product_attention_backward as backward
from gpudl.ops.scaled_dot_product_attention import scaled_dot_product_attention_forward as forward

RNG = np.random.default_rng(0)


def arrays(*shapes, dtype="float32"):
    return [RNG.standard_normal(shape).astype(dtype) for shape in shapes]


def peak(function):
    tracemalloc.start()
    try:
        result = function()
        return tracemalloc.get_traced_memory()[1], result
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("settings", [{}, {"is_causal": True}, {"dropout_p": 0.1}])
def test_memory_does_not_grow_with_the_square_of_the_length(settings):
    length = 2048
    q, k, v = (gpudl.tensor(x, requires_grad=True) for x in arrays(*[(1, 2, length, 8)] * 3))
    scores = 2 * length * length * 4
    memory, y = peak(lambda: attention(q, k, v, **settings))
    assert memory < scores / 8
    memory, _ = peak(lambda: y.sum().backward())
    assert memory < scores / 8


def test_mask_for_each_sample_is_not_repeated_for_its_heads():
    q, k, v = (gpudl.tensor(x) for x in arrays(*[(2, 16, 256, 4)] * 3))
    mask = gpudl.tensor(arrays((2, 1, 256, 256))[0], requires_grad=True)
    memory, y = peak(lambda: attention(q, k, v, mask))
    assert memory < 2 * 16 * 256 * 256 * 4 / 4
    y.sum().backward()
    assert mask.grad.shape == mask.shape


@pytest.mark.parametrize("seed", range(40))
def test_random_arguments_agree_with_torch(seed, device):
    rng = np.random.default_rng(seed)
    batch, heads, queries, keys, features, wide = (int(n) for n in rng.integers(1, [4, 5, 90, 90, 9, 9]))
    shared = heads if seed % 2 else 1
    shapes = [(batch, heads, queries, features), (batch, shared, keys, features), (batch, shared, keys, wide)]
    x = [rng.standard_normal(shape) for shape in shapes]
    settings = {"is_causal": seed % 3 == 0, "enable_gqa": True, "scale": [None, 0.3][seed % 5 == 0]}
    if seed % 3 == 1:
        lead = (int(rng.choice([1, batch])), int(rng.choice([1, heads])))
        x.append(rng.standard_normal((*lead, int(rng.choice([1, queries])), int(rng.choice([1, keys])))))
    mine, other = (
        [gpudl.tensor(a, device=device, requires_grad=True) for a in x],
        [torch.tensor(a, requires_grad=True) for a in x],
    )
    got = attention(*mine, **settings)
    want = torch.nn.functional.scaled_dot_product_attention(*other, **settings)
    dy = rng.standard_normal(got.shape)
    got.backward(gpudl.tensor(dy, device=device))
    want.backward(torch.tensor(dy))
    assert_close(got.detach().cpu().numpy(), want.detach().numpy(), "y", slack=10)
    for one, two in zip(mine, other):
        assert_close(one.grad.cpu().numpy(), two.grad.numpy(), "gradient", slack=10)


def test_query_that_sees_nothing_gives_zero_and_no_gradient(device):
    q, k, v = (gpudl.tensor(x, device=device, requires_grad=True) for x in arrays((3, 4), (5, 4), (5, 2)))
    mask = gpudl.tensor([[False] * 5, [True] * 5, [True] * 5], device=device)
    y = attention(q, k, v, mask)
    y.sum().backward()
    assert y[0].tolist() == [0, 0] and q.grad[0].tolist() == [0, 0, 0, 0]
    assert np.isfinite(k.grad.cpu().numpy()).all() and y[1].tolist() != [0, 0]


def test_no_keys_give_zeros(device):
    q, k, v = (gpudl.tensor(x, device=device, requires_grad=True) for x in arrays((2, 3, 4), (2, 0, 4), (2, 0, 5)))
    y = attention(q, k, v)
    y.sum().backward()
    assert y.shape == (2, 3, 5) and not y.detach().cpu().numpy().any() and not q.grad.cpu().numpy().any()


def test_dropout_is_the_same_after_one_seed_and_keeps_the_mean(device):
    q, k, v = (
        gpudl.tensor(x, device=device) for x in (*arrays((2, 300, 4), (2, 400, 4)), np.ones((2, 400, 1), "float32"))
    )
    results = []
    for seed in (1, 1, 2):
        gpudl.manual_seed(seed)
        results.append(attention(q, k, v, dropout_p=0.25).cpu().numpy())
    assert (results[0] == results[1]).all() and (results[0] != results[2]).any()
    assert abs(results[0].mean() - 1) < 0.01 and results[0].std() > 0.01


def test_dropout_in_blocks_is_the_dropout_of_the_whole(device):
    """The bits of a score depend on where it is, not on which block it was made in."""
    gpudl.manual_seed(3)
    q, k = gpudl.zeros(1, 600, 4, device=device), gpudl.zeros(1, 500, 4, device=device)
    v = gpudl.tensor(np.eye(500, dtype="float32")[None], device=device)
    kept = attention(q, k, v, dropout_p=0.25).cpu().numpy()[0] > 0
    first = gpudl.random.stream("sample", 0, seed=3).words(4 * 63 * 600).view("<u4")
    expected = first.reshape(600, 63 * 8)[:, :500] >= 2**30
    assert (kept == expected).all()


def test_dropout_gradients_use_the_mask_of_forward(device):
    tensors = [
        gpudl.tensor(x, device=device, requires_grad=True)
        for x in arrays((2, 3, 4), (2, 5, 4), (2, 5, 3), dtype="float64")
    ]

    def function(*given):
        gpudl.manual_seed(5)
        return attention(*given, dropout_p=0.4)

    gradcheck(function, tensors)
    gradgradcheck(function, tensors)


@pytest.mark.parametrize("shape", [(1, 1, 600, 700), (70, 2, 40, 33)])
def test_blocks_of_the_cpu_are_parts_of_the_whole(shape):
    outer, group, queries, keys = shape
    q, k, v = arrays((outer, group, queries, 4), (outer, keys, 4), (outer, keys, 2), dtype="float64")
    stream = gpudl.random.stream("blocks", 0, seed=1)
    seen = RNG.random((1, 1, queries, keys)) < 0.7
    added, place = RNG.standard_normal((2, group, 1, keys)), np.arange(outer) % 2
    for mask, where, settings in (
        (None, None, Settings(0.5, True)),
        (None, None, Settings(0.5, True, 0.25, stream)),
        (seen, None, Settings(0.5, False)),
        (added, place, Settings(0.5, False, 0.25, stream)),
    ):
        args = (q, k, v, mask, where, settings)
        got, want = forward(*args), forward.reference(*args)
        more = (RNG.standard_normal(want[0].shape), *args, *want, mask is added)
        for one, two in zip((*got, *backward(*more)), (*want, *backward.reference(*more))):
            assert (one is None) == (two is None)
            if one is not None:
                assert_close(one, two, f"{shape}, {settings}", slack=10)


def test_heads_that_share_keys_are_the_heads_repeated(device):
    q, k, v = (gpudl.tensor(x, device=device) for x in arrays((2, 6, 7, 4), (2, 2, 9, 4), (2, 2, 9, 3)))
    repeated = [x.unsqueeze(2).expand((2, 2, 3, *x.shape[2:])).reshape((2, 6, *x.shape[2:])) for x in (k, v)]
    got, want = attention(q, k, v, enable_gqa=True), attention(q, *repeated)
    assert_close(got.cpu().numpy(), want.cpu().numpy(), "shared heads")


@pytest.mark.parametrize(
    ("shapes", "settings", "hint"),
    [
        (((4, 3, 5), (2, 4, 5), (2, 4, 2)), {}, "enable_gqa=True"),
        (((3, 4), (5, 3), (5, 2)), {}, "same features"),
        (((4, 3, 5), (3, 4, 5), (3, 4, 2)), {"enable_gqa": True}, "must divide"),
        (((3, 4), (5, 4), (5, 2)), {"dropout_p": -0.1}, r"\[0, 1\]"),
    ],
)
def test_errors_name_the_fix(shapes, settings, hint):
    with pytest.raises(RuntimeError, match=hint):
        attention(*(gpudl.ones(*shape) for shape in shapes), **settings)
