"""Self-attention for language models beside multi-head attention with a causal mask."""

import numpy as np
import pytest
from tolerances import assert_close
from twins import array

import gpudl
from gpudl import nn


def cpu(tensor):
    return tensor.detach().cpu().numpy()


@pytest.mark.parametrize("heads", [(4, None), (4, 2), (4, 1)])
@pytest.mark.parametrize("bias", [True, False])
def test_causal_self_attention_is_attention_with_a_causal_mask(device, heads, bias):
    """Of MultiheadAttention, each head of keys and values written as often as it is shared."""
    layer = nn.CausalSelfAttention(16, *heads, bias=bias, device=device)
    twin = nn.MultiheadAttention(16, 4, bias=bias, batch_first=True, device=device)
    shared = 4 // layer.num_kv_heads
    wide = layer.num_kv_heads * 4

    def repeated(x):
        q, k, v = x.split([16, wide, wide])
        k, v = (
            each.reshape(-1, 4, *x.shape[1:]).repeat_interleave(shared, 0).reshape(16, *x.shape[1:]) for each in (k, v)
        )
        return gpudl.cat([q, k, v])

    state = {"in_proj_weight": repeated(layer.qkv_proj.weight), "out_proj.weight": layer.out_proj.weight}
    if bias:
        state.update({"in_proj_bias": repeated(layer.qkv_proj.bias), "out_proj.bias": layer.out_proj.bias})
    twin.load_state_dict({name: value.detach() for name, value in state.items()})
    x, y = (gpudl.tensor(array(2, 6, 16), device=device, requires_grad=True) for _ in range(2))
    got = layer(x)
    want, _ = twin(y, y, y, attn_mask=nn.Transformer.generate_square_subsequent_mask(6, device=device))
    assert_close(cpu(got), cpu(want), "output", slack=4)
    got.sum().backward()
    want.sum().backward()
    assert_close(cpu(x.grad), cpu(y.grad), "gradient", slack=10)


def test_causal_self_attention_does_not_see_the_future(device):
    layer = nn.CausalSelfAttention(8, 2, 1, rotary=nn.RotaryEmbedding(4, max_seq_len=9), device=device).to(device)
    x = array(1, 9, 8)
    changed = x.copy()
    changed[:, 5:] = 7
    first, second = (cpu(layer(gpudl.tensor(each, device=device))) for each in (x, changed))
    assert np.array_equal(first[:, :5], second[:, :5])
    assert not np.allclose(first[:, 5:], second[:, 5:])


def test_causal_self_attention_drops_weights_in_training_only(device):
    layer = nn.CausalSelfAttention(8, 2, dropout=0.5, device=device)
    x = gpudl.tensor(array(2, 9, 8), device=device)
    assert not gpudl.equal(layer(x), layer(x))
    layer.eval()
    assert gpudl.equal(layer(x), layer(x))


def test_causal_self_attention_says_what_it_is():
    rotary = nn.RotaryEmbedding(4, max_seq_len=16, interleaved=True)
    assert repr(nn.CausalSelfAttention(8, 4, 2, dropout=0.1, bias=False, rotary=rotary)) == (
        "CausalSelfAttention(\n"
        "  8, 4, num_kv_heads=2, dropout=0.1\n"
        "  (qkv_proj): Linear(in_features=8, out_features=16, bias=False)\n"
        "  (out_proj): Linear(in_features=8, out_features=8, bias=False)\n"
        "  (rotary): RotaryEmbedding(4, base=10000.0, max_seq_len=16, interleaved=True)\n"
        ")"
    )
    assert repr(nn.CausalSelfAttention(8, 4)).splitlines()[1] == "  8, 4, dropout=0.0"


@pytest.mark.parametrize("arguments", [(8, 3), (8, 4, 3), (8, 2, 4), (0, 1), (8, 0), (8, 4, 0)])
def test_causal_self_attention_checks_its_heads(arguments):
    with pytest.raises(gpudl.ShapeError, match="CausalSelfAttention: "):
        nn.CausalSelfAttention(*arguments)


def test_causal_self_attention_takes_batches():
    with pytest.raises(gpudl.ShapeError, match=r"expected \(N, L, 8\), got \(3, 8\)"):
        nn.CausalSelfAttention(8, 2)(gpudl.ones(3, 8))
