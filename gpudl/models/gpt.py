"""GPT: a language model that reads tokens and says at each of them which may come next.

Radford et al. 2018 and 2019, "Language models are unsupervised multitask learners" (GPT-2).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import gpudl
from gpudl import Tensor, nn
from gpudl.models.sampling import sample_tokens
from gpudl.nn.arguments import count
from gpudl.nn.fill import skipping
from gpudl.nn.fused import act_after, is_plain, linear_act, linear_dropout, within

__all__ = ["GPT", "gpt2", "gpt2_large", "gpt2_medium", "gpt2_xl"]


class GPTBlock(nn.Module):
    """Attention to the tokens so far and a feed-forward network, each reading what is normalized and adding to it.

        x = x + dropout(attention(norm1(x))),    x = x + dropout(linear2(gelu(linear1(norm2(x)))))

    Args:
        embed_dim: E, features of the tokens; the feed-forward network is 4 E wide.
        num_heads, num_kv_heads, rotary: of the attention, see gpudl.nn.CausalSelfAttention.
        dropout: the probability of 0 in attention weights and in what is added, in training.
        bias: of all linear layers and normalizations.
    Shape: (N, L, E) to the same.
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        num_kv_heads: int | None = None,
        dropout: float = 0.0,
        bias: bool = True,
        rotary: nn.RotaryEmbedding | None = None,
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(embed_dim, bias=bias)
        self.attention = nn.CausalSelfAttention(embed_dim, num_heads, num_kv_heads, dropout, bias, rotary)
        self.norm2 = nn.LayerNorm(embed_dim, bias=bias)
        self.linear1 = nn.Linear(embed_dim, 4 * embed_dim, bias)
        self.activation = nn.GELU("tanh")
        self.linear2 = nn.Linear(4 * embed_dim, embed_dim, bias)
        self.dropout = nn.Dropout(dropout)

    def forward(self, input: Tensor, cache: nn.KVCache | None = None) -> Tensor:
        attention, x = self.attention, self.norm1(input)
        if is_plain(attention, nn.CausalSelfAttention):
            y = within(attention, attention._attend, x, cache)
            x = linear_dropout(attention.out_proj, self.dropout, y, input)
        else:
            x = input + self.dropout(attention(x, cache))
        inner, act = self.norm2(x), act_after(self.linear1, self.activation)
        inner = self.activation(self.linear1(inner)) if act is None else linear_act(self.linear1, inner, act)
        return linear_dropout(self.linear2, self.dropout, inner, x)


class GPT(nn.Module):
    """The Transformer's decoder alone, with normalization first: logits of the token that comes after each one.

    Trained by the cross-entropy of `model(tokens[:, :-1])` and `tokens[:, 1:]`. The defaults are those of the smallest
    GPT-2, without its dropout of 0.1.

    Args:
        vocab_size: tokens are 0 to vocab_size - 1.
        max_seq_len: the context, how many tokens the model sees at once.
        num_layers: how many blocks, >= 1.
        num_heads: of queries in each attention; divides embed_dim.
        embed_dim: E, features of a token.
        num_kv_heads: heads of keys and values, each shared by num_heads / num_kv_heads heads of queries; divides
            num_heads, which it is by default. Fewer make the cache of a generation smaller.
        dropout: the probability of 0 in embeddings, attention weights and what the blocks add, in training.
        bias: of the linear layers, but for the head, and of the normalizations.
        rotary: tell positions by turning queries and keys, in the place of a table of learned vectors.
        tie_weights: the table of the tokens' vectors is the head's weight too.
    Shape: (N, L) int64 or int32, L <= max_seq_len, to (N, L, vocab_size).
    Attributes:
        token_embedding: an Embedding (vocab_size, E).
        position_embedding: an Embedding (max_seq_len, E), or None if rotary.
        blocks: a ModuleList, each of norm1, attention (qkv_proj, out_proj), norm2, linear1 and linear2.
        norm: the LayerNorm before the head.
        head: a Linear of E to vocab_size features without bias; it has the tokens' table as weight if tie_weights.
        max_seq_len, num_layers: as given.
    Raises: TypeError unless the numbers are ints; ShapeError for numbers that are not positive or do not divide.
    Source: Radford et al. 2019, "Language models are unsupervised multitask learners"; rotary positions: Su et al.
        2021, arXiv:2104.09864; shared heads: Ainslie et al. 2023, arXiv:2305.13245; one table for both ends: Press &
        Wolf 2017, arXiv:1608.05859.
    """

    def __init__(
        self,
        vocab_size: int,
        max_seq_len: int = 1024,
        num_layers: int = 12,
        num_heads: int = 12,
        embed_dim: int = 768,
        num_kv_heads: int | None = None,
        dropout: float = 0.0,
        bias: bool = True,
        rotary: bool = False,
        tie_weights: bool = True,
    ) -> None:
        super().__init__()
        count("GPT", "vocab_size", vocab_size, 1)
        self.max_seq_len = count("GPT", "max_seq_len", max_seq_len, 1)
        self.num_layers = count("GPT", "num_layers", num_layers, 1)
        count("GPT", "num_heads", num_heads, 1)
        count("GPT", "embed_dim", embed_dim, 1)
        turned = nn.RotaryEmbedding(embed_dim // num_heads, max_seq_len=max_seq_len) if rotary else None
        with skipping():  # reset_parameters draws them all
            self.token_embedding = nn.Embedding(vocab_size, embed_dim)
            self.position_embedding = None if rotary else nn.Embedding(max_seq_len, embed_dim)
            self.dropout = nn.Dropout(dropout)
            self.blocks = nn.ModuleList(
                GPTBlock(embed_dim, num_heads, num_kv_heads, dropout, bias, turned) for _ in range(num_layers)
            )
            self.norm = nn.LayerNorm(embed_dim, bias=bias)
            self.head = nn.Linear(embed_dim, vocab_size, bias=False)
        if tie_weights:
            self.head.weight = self.token_embedding.weight
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters anew, as GPT-2: weights from the normal distribution of std 0.02, those of positions
        0.01, and those of layers whose results are added up 0.02 / sqrt(2 num_layers); biases are 0.
        """
        summed = 0.02 / math.sqrt(2 * self.num_layers)
        for name, parameter in self.named_parameters():
            owner, _, kind = name.rpartition(".")
            if kind == "bias":
                nn.init.zeros_(parameter)
            elif parameter.ndim == 1:
                nn.init.ones_(parameter)
            elif owner.endswith((".out_proj", ".linear2")):
                nn.init.normal_(parameter, std=summed)
            else:
                nn.init.normal_(parameter, std=0.01 if owner == "position_embedding" else 0.02)

    def make_caches(self, batch: int, max_len: int | None = None) -> list[nn.KVCache]:
        """Empty caches for the keys and values of a generation, one for each block.

        Args:
            batch: sequences.
            max_len: how many tokens there is room for; default max_seq_len.
        """
        return [block.attention.make_cache(batch, max_len or self.max_seq_len) for block in self.blocks]

    def features(self, tokens: Tensor, caches: Sequence[nn.KVCache] | None = None) -> Tensor:
        """What the head reads, (N, L, E). Arguments as of forward.

        A large vocabulary is trained in less memory by
        `functional.linear_cross_entropy(model.features(tokens), model.head.weight, targets)`.
        """
        if tokens.ndim != 2:
            raise gpudl.ShapeError(f"GPT: expected tokens (N, L), got {tokens.shape}")
        before = caches[0].length if caches else 0
        stop = before + tokens.shape[1]
        if stop > self.max_seq_len:
            cached = f" after {before} in the caches" if before else ""
            raise gpudl.ShapeError(f"GPT: expected at most {self.max_seq_len} tokens, got {tokens.shape[1]}{cached}")
        x: Tensor = self.token_embedding(tokens)
        if self.position_embedding is not None:
            x = x + self.position_embedding.weight[before:stop]
        x = self.dropout(x)
        for number, block in enumerate(self.blocks):
            x = block(x, caches[number] if caches else None)
        x = self.norm(x)
        return x

    def forward(self, tokens: Tensor, caches: Sequence[nn.KVCache] | None = None) -> Tensor:
        """The logits of the token after each.

        Args:
            tokens: (N, L); with caches those that come after the ones in them.
            caches: from make_caches; they take the tokens' keys and values, and their tokens are seen too.
        """
        logits: Tensor = self.head(self.features(tokens, caches))
        return logits

    @gpudl.no_grad()
    def generate(
        self,
        tokens: Tensor,
        max_new_tokens: int,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        generator: gpudl.Generator | None = None,
    ) -> Tensor:
        """Draw tokens one by one, each by the model's logits after those before it, in evaluation mode.

        While the sequence fits in the context, each step computes the newest token only. From then on the model sees
        the last max_seq_len tokens, whose positions move at every step, and computes them all anew.

        Args:
            tokens: (N, L), the prompts; L >= 1.
            max_new_tokens: >= 0.
            temperature, top_k, top_p, generator: which tokens are drawn, see gpudl.models.sample_tokens.
        Returns: (N, L + max_new_tokens): the prompts and what follows, of the prompts' dtype.
        Raises: ShapeError for tokens of another shape, and empty prompts; what sample_tokens raises.
        """
        steps = count("GPT.generate", "max_new_tokens", max_new_tokens)
        if tokens.ndim != 2 or not tokens.shape[1]:
            raise gpudl.ShapeError(f"GPT.generate: expected prompts (N, L) with L >= 1, got {tokens.shape}")
        batch, length = tokens.shape
        caches = self.make_caches(batch, min(self.max_seq_len, length + steps))
        unseen = tokens
        with _evaluated(self):
            for _ in range(steps):
                if caches[0].length + unseen.shape[1] > self.max_seq_len:
                    for cache in caches:
                        cache.reset()
                    unseen = tokens[:, -self.max_seq_len :]
                logits = self.head(self.features(unseen, caches)[:, -1])
                unseen = sample_tokens(logits, temperature, top_k, top_p, generator).to(tokens.dtype).unsqueeze(1)
                tokens = gpudl.cat([tokens, unseen], 1)
        return tokens


@contextmanager
def _evaluated(model: nn.Module) -> Iterator[None]:
    """Evaluation mode inside, and after it for each module the mode it had."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def _gpt2(num_layers: int, num_heads: int, embed_dim: int, kwargs: dict[str, Any]) -> GPT:
    given = {"vocab_size": 50257, "dropout": 0.1, **kwargs}
    return GPT(num_layers=num_layers, num_heads=num_heads, embed_dim=embed_dim, **given)


def gpt2(**kwargs: Any) -> GPT:
    """GPT-2 with 124,439,808 parameters: 12 layers, 12 heads, 768 features. Args: the others of GPT."""
    return _gpt2(12, 12, 768, kwargs)


def gpt2_medium(**kwargs: Any) -> GPT:
    """GPT-2 with 354,823,168 parameters: 24 layers, 16 heads, 1024 features. Args: the others of GPT."""
    return _gpt2(24, 16, 1024, kwargs)


def gpt2_large(**kwargs: Any) -> GPT:
    """GPT-2 with 774,030,080 parameters: 36 layers, 20 heads, 1280 features. Args: the others of GPT."""
    return _gpt2(36, 20, 1280, kwargs)


def gpt2_xl(**kwargs: Any) -> GPT:
    """GPT-2 with 1,557,611,200 parameters: 48 layers, 25 heads, 1600 features. Args: the others of GPT."""
    return _gpt2(48, 25, 1600, kwargs)
