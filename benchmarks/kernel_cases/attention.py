"""Attention, forward and backward, and rotary embedding, of the sizes of language models."""

from __future__ import annotations

from typing import Any

from benchmarks.kernel_cases.case import Case, Program, array, numbers, torch_tensor
from gpudl.ops.attention_checks import Settings
from gpudl.ops.rotary_embedding import rotary_embedding_forward
from gpudl.ops.scaled_dot_product_attention import (
    scaled_dot_product_attention_backward,
    scaled_dot_product_attention_forward,
)

# samples, heads of queries, heads of keys, length, features
SHAPES = ((4, 16, 16, 4096, 64), (4, 16, 16, 4096, 128), (4, 32, 8, 2048, 128))
SMALL = (8, 12, 12, 1024, 64)
SIZE = {"float32": 4, "float16": 2, "bfloat16": 2}


def _case(dtype: str, shape: tuple[int, ...], causal: bool, backward: bool) -> Case:
    batch, heads, key_heads, length, features = shape
    settings = Settings(features**-0.5, causal)
    of_q = batch, key_heads, heads // key_heads, length, features
    of_k = batch, key_heads, length, features

    def ours(place: Any) -> Program:
        q, dy = array(place, numbers(of_q), dtype), array(place, numbers(of_q, 3), dtype)
        k, v = array(place, numbers(of_k, 1), dtype), array(place, numbers(of_k, 2), dtype)
        if not backward:
            return lambda: scaled_dot_product_attention_forward(q, k, v, None, None, settings)[0]
        y, lse = scaled_dot_product_attention_forward(q, k, v, None, None, settings)
        return lambda: scaled_dot_product_attention_backward(dy, q, k, v, None, None, settings, y, lse, False)[:3]

    def theirs(device: str) -> Program:
        import torch

        given = (batch, heads, length, features)
        q, dy = (torch_tensor(device, numbers(of_q, seed), dtype).reshape(given) for seed in (0, 3))
        k, v = (torch_tensor(device, numbers(of_k, seed), dtype) for seed in (1, 2))
        attend = torch.nn.functional.scaled_dot_product_attention
        if not backward:
            return lambda: attend(q, k, v, is_causal=causal, enable_gqa=heads != key_heads)
        leaves = [x.requires_grad_() for x in (q, k, v)]
        y = attend(*leaves, is_causal=causal, enable_gqa=heads != key_heads)
        return lambda: torch.autograd.grad(y, leaves, dy, retain_graph=True)

    products = 5 if backward else 2
    flops = products * 2 * batch * heads * length * length * features // (2 if causal else 1)
    queries, keys = batch * heads * length * features, batch * key_heads * length * features
    moved = (4 * queries + 4 * keys if backward else 2 * queries + 2 * keys) * SIZE[dtype]
    name = f"attention {'backward' if backward else 'forward'}{' causal' if causal else ''} {dtype} {shape}"
    return Case(name, ours, theirs, moved, flops)


ROTARY = (4, 4096, 32, 128)


def _rotary(dtype: str) -> Case:
    batch, length, heads, features = ROTARY
    table = (length, features // 2)

    def ours(place: Any) -> Program:
        x = array(place, numbers(ROTARY), dtype).transpose((0, 2, 1, 3))
        cos, sin = (array(place, numbers(table, seed), dtype) for seed in (1, 2))
        return lambda: rotary_embedding_forward(x, cos, sin, False)

    def theirs(device: str) -> Program:
        import torch

        x = torch_tensor(device, numbers(ROTARY), dtype).transpose(1, 2)
        cos, sin = (torch_tensor(device, numbers(table, seed), dtype) for seed in (1, 2))

        def turned() -> Any:
            a, b = x.chunk(2, -1)
            return torch.cat([a * cos - b * sin, a * sin + b * cos], -1)

        return turned

    moved = 2 * batch * length * heads * features * SIZE[dtype]
    return Case(f"rotary embedding {dtype} {ROTARY}", ours, theirs, moved)


CASES = [
    *(
        _case(dtype, shape, True, back)
        for dtype in ("float16", "bfloat16")
        for shape in SHAPES
        for back in (False, True)
    ),
    *(_case("float16", SHAPES[0], False, back) for back in (False, True)),
    *(_case("float32", SMALL, True, back) for back in (False, True)),
    *(_rotary(dtype) for dtype in ("float16", "float32")),
]
