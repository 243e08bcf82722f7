"""What tests of sequence models share: tokens, weights that hide nothing, training, and a PyTorch twin of GPT."""

import math

import numpy as np
from twin_models import torch


def tokens(*shape, vocabulary=11, seed=0):
    return np.random.default_rng(seed).integers(0, vocabulary, shape)


def spread(lib, model, std=0.5):
    """The model with normal weights everywhere, so that no 0 or 1 hides a term."""
    for parameter in model.parameters():
        lib.nn.init.normal_(parameter, std=std)
    return model


def training_losses(lib, model, optimizer, loss_of, batches, max_norm=None):
    """The loss of each batch before the step that it makes.

    Args:
        optimizer: of (library, parameters).
        loss_of: of (library, model, *batch).
        batches: tuples of arrays.
        max_norm: gradients are clipped to it.
    """
    steps = optimizer(lib, model.parameters())
    device = next(model.parameters()).device
    found = []
    for batch in batches:
        steps.zero_grad()
        loss = loss_of(lib, model, *(lib.tensor(values, device=device) for values in batch))
        loss.backward()
        if max_norm is not None:
            norm = lib.nn.utils.clip_grad_norm_(model.parameters(), max_norm)
            assert norm > max_norm, "nothing is clipped"
        steps.step()
        found.append(loss.item())
    return np.array(found)


class _TwinAttention(torch.nn.Module):
    """Causal attention by PyTorch's parts; rotary positions by complex numbers."""

    def __init__(self, embed_dim, num_heads, num_kv_heads, bias, rotary):
        super().__init__()
        self.heads = (num_heads, num_kv_heads, num_kv_heads)
        self.width, self.rotary = embed_dim // num_heads, rotary
        self.qkv_proj = torch.nn.Linear(embed_dim, sum(self.heads) * self.width, bias)
        self.out_proj = torch.nn.Linear(embed_dim, embed_dim, bias)

    def forward(self, x):
        batch, length, features = x.shape
        q, k, v = (
            part.unflatten(2, (heads, self.width)).transpose(1, 2)
            for part, heads in zip(self.qkv_proj(x).split([h * self.width for h in self.heads], 2), self.heads)
        )
        if self.rotary:
            q, k = self._turned(q), self._turned(k)
        k, v = (each.repeat_interleave(self.heads[0] // self.heads[1], 1) for each in (k, v))
        y = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out_proj(y.transpose(1, 2).reshape(batch, length, features))

    def _turned(self, x):
        half = self.width // 2
        speeds = 10000.0 ** (-torch.arange(half, dtype=torch.float64) / half)
        angles = torch.arange(x.shape[2], dtype=torch.float64)[:, None] * speeds
        turns = torch.polar(torch.ones_like(angles), angles).to(torch.complex64)
        y = torch.complex(x[..., :half], x[..., half:]) * turns
        return torch.cat([y.real, y.imag], -1)


class _TwinBlock(torch.nn.Module):
    def __init__(self, embed_dim, num_heads, num_kv_heads, bias, rotary):
        super().__init__()
        self.norm1 = torch.nn.LayerNorm(embed_dim, bias=bias)
        self.attention = _TwinAttention(embed_dim, num_heads, num_kv_heads, bias, rotary)
        self.norm2 = torch.nn.LayerNorm(embed_dim, bias=bias)
        self.linear1 = torch.nn.Linear(embed_dim, 4 * embed_dim, bias)
        self.linear2 = torch.nn.Linear(4 * embed_dim, embed_dim, bias)

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        hidden = self.linear1(self.norm2(x))
        hidden = 0.5 * hidden * (1 + torch.tanh(math.sqrt(2 / math.pi) * (hidden + 0.044715 * hidden**3)))
        return x + self.linear2(hidden)


class TwinGPT(torch.nn.Module):
    """GPT of PyTorch's parts, written apart from gpudl.models.gpt; without dropout."""

    def __init__(
        self,
        vocab_size,
        max_seq_len,
        num_layers,
        num_heads,
        embed_dim,
        num_kv_heads=None,
        bias=True,
        rotary=False,
        tie_weights=True,
    ):
        super().__init__()
        self.token_embedding = torch.nn.Embedding(vocab_size, embed_dim)
        if not rotary:
            self.position_embedding = torch.nn.Embedding(max_seq_len, embed_dim)
        self.blocks = torch.nn.ModuleList(
            _TwinBlock(embed_dim, num_heads, num_kv_heads or num_heads, bias, rotary) for _ in range(num_layers)
        )
        self.norm = torch.nn.LayerNorm(embed_dim, bias=bias)
        self.head = torch.nn.Linear(embed_dim, vocab_size, bias=False)
        if tie_weights:
            self.head.weight = self.token_embedding.weight
        self.rotary = rotary

    def forward(self, tokens):
        x = self.token_embedding(tokens)
        if not self.rotary:
            x = x + self.position_embedding(torch.arange(tokens.shape[1]))
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))
