"""What tests of sequence models share: a model compared and trained beside its PyTorch twin, and the twin of GPT."""

import math

import numpy as np
from tolerances import assert_close
from twin_models import shapes, torch

import gpudl


def normal(*shape, seed=0, dtype="float32"):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def tokens(*shape, vocabulary=11, seed=0):
    return np.random.default_rng(seed).integers(0, vocabulary, shape)


def same_weights(mine, theirs, device="cpu"):
    """Both with the twin's weights, none of them 0 or 1, so that no term is hidden; ours on a device."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
    assert shapes(mine) == shapes(theirs)
    mine.load_state_dict(theirs.state_dict())
    return mine.to(device), theirs


def _given(lib, value, **where):
    if isinstance(value, np.ndarray):
        made = lib.tensor(value, **where)
        return made.requires_grad_() if value.dtype.kind == "f" else made
    return tuple(_given(lib, each, **where) for each in value) if isinstance(value, tuple) else value


def _flat(value):
    return [leaf for each in value for leaf in _flat(each)] if isinstance(value, tuple) else [value]


def _outcome(lib, model, args, **where):
    """Outputs, and the gradients of all inputs and parameters for a random weighting of the outputs."""
    args = _given(lib, args, **where)
    outputs = _flat(model(*args))
    model.zero_grad()
    loss = sum((y * lib.tensor(normal(*y.shape, seed=9, dtype=str(y.dtype)[-7:]), **where)).sum() for y in outputs)
    loss.backward()
    found = {f"output {number}": y for number, y in enumerate(outputs)}
    found |= {
        f"gradient of input {number}": x.grad
        for number, x in enumerate(_flat(args))
        if getattr(x, "requires_grad", False)
    }
    found |= {f"gradient of {name}": parameter.grad for name, parameter in model.named_parameters()}
    return {label: value.detach().cpu().numpy() for label, value in found.items()}


def compare(mine, theirs, *args, device="cpu", slack=8.0):
    """Outputs and all gradients agree, in training and in evaluation mode, relative to the largest value of each."""
    same_weights(mine, theirs, device)
    for mode in (True, False):
        got = _outcome(gpudl, mine.train(mode), args, device=device)
        want = _outcome(torch, theirs.train(mode), args)
        assert list(got) == list(want)
        for label, value in want.items():
            assert np.any(value), f"{label} is all 0: nothing is compared"
            # A sum of many terms is rounded by their size and not by its own.
            scale = value.dtype.type(max(1, abs(value).max()))
            assert_close(got[label] / scale, value / scale, f"train({mode}): {label}", slack)


def training_losses(lib, model, optimizer, loss_of, batches, max_norm=None):
    """The loss of each batch before the step that it makes.

    Args:
        optimizer: of (library's optim, parameters).
        loss_of: of (model, *batch).
        batches: tuples of arrays.
        max_norm: gradients are scaled to at most this norm.
    """
    parameters = list(model.parameters())
    steps = optimizer(lib.optim, parameters)
    found = []
    for batch in batches:
        steps.zero_grad()
        loss = loss_of(model, *(lib.tensor(array) for array in batch))
        loss.backward()
        if max_norm is not None:
            norm = sum(float((parameter.grad**2).sum()) for parameter in parameters) ** 0.5
            assert norm > max_norm, "nothing is clipped"
            for parameter in parameters:
                parameter.grad.mul_(max_norm / norm)
        steps.step()
        found.append(float(loss.detach()))
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
