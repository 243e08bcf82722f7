"""The models of gpudl.models in a library: gpudl's own, and the same source with gpudl replaced by PyTorch's name."""

from __future__ import annotations

import functools
import importlib
import inspect
import re
import types
from typing import Any


@functools.cache
def models(lib: Any, file: str, package: str = "gpudl.models") -> Any:
    """A file of gpudl/models as a module of a library. gpudl.models says which of them have such a twin."""
    own = importlib.import_module(f"{package}.{file}")
    if lib.__name__ == "gpudl":
        return own
    twin = types.ModuleType(f"{file} in {lib.__name__}")
    exec(compile(re.sub(r"\bgpudl\b", lib.__name__, inspect.getsource(own)), twin.__name__, "exec"), twin.__dict__)
    return twin


def gpt(lib: Any, vocabulary: int, layers: int, heads: int, width: int, length: int) -> Any:
    """gpudl.models.GPT; in PyTorch the same in plain layers, with its own causal attention and the head tied."""
    if lib.__name__ == "gpudl":
        return lib.models.GPT(vocabulary, length, num_layers=layers, num_heads=heads, embed_dim=width)
    nn = lib.nn

    class Block(nn.Module):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.in_proj, self.out_proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.inner = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU("tanh"), nn.Linear(4 * width, width))

        def forward(self, x: Any) -> Any:
            batch = x.shape[0]
            q, k, v = (
                part.view(batch, -1, heads, width // heads).transpose(1, 2)
                for part in self.in_proj(self.norm1(x)).chunk(3, -1)
            )
            seen = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.out_proj(seen.transpose(1, 2).reshape(x.shape))
            return x + self.inner(self.norm2(x))

    class Model(nn.Module):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            super().__init__()
            self.tokens, self.places = nn.Embedding(vocabulary, width), nn.Embedding(length, width)
            self.blocks = nn.Sequential(*(Block() for _ in range(layers)))
            self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, vocabulary, bias=False)
            self.head.weight = self.tokens.weight

        def forward(self, tokens: Any) -> Any:
            places = lib.arange(tokens.shape[1], device=tokens.device)
            return self.head(self.norm(self.blocks(self.tokens(tokens) + self.places(places))))

    return Model()
