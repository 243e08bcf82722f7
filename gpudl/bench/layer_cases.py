"""Operations of layers: convolutions and pooling, attention, embedding, recurrent cells."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gpudl.bench.case import Case, Make, Parts, Shape, count, size_of, trained


def _conv(path: str, counts_products: bool = True, **named: Any) -> Callable[..., Parts]:
    """A convolution of an input with a weight, both of given shapes.

    Each number of the output (of a transposed one: of the input) is the sum of as many products as the weight has for
    one channel there. Depthwise convolutions have so few that memory is their limit.
    """

    def build(make: Make, x: Shape, w: Shape) -> Parts:
        called, image = getattr(make.lib.nn.functional, path), make(*x)
        weight = make(*w, scale=count(w[1:]) ** -0.5)
        with make.lib.no_grad():
            out = called(image, weight, **named).numel()
        sums = image.numel() if path.startswith("conv_transpose") else out
        return trained(
            make,
            lambda: called(image, weight, **named),
            flops=2 * sums * count(w[1:]) if counts_products else 0,
        )

    return build


def _max_pool(make: Make, shape: Shape) -> Parts:
    x = make(*shape)
    return trained(make, lambda: make.lib.nn.functional.max_pool2d(x, 2))


def _attention(is_causal: bool) -> Callable[..., Parts]:
    """Two products of as many operations; where each position sees those before it alone, about half of them."""

    def build(make: Make, shape: Shape) -> Parts:
        q, k, v = (make(*shape) for _ in range(3))
        called, length = make.lib.nn.functional.scaled_dot_product_attention, shape[-2]
        flops = 4 * count(shape) * length // (2 if is_causal else 1)
        return trained(make, lambda: called(q, k, v, is_causal=is_causal), flops=flops)

    return build


def _embedding(make: Make, table: Shape, tokens: Shape) -> Parts:
    """Forward reads and writes the rows asked for; backward writes a gradient for the whole table."""
    weight, index = make(*table), make.ints(*tokens, high=table[0])
    rows = size_of(weight) // table[0] * index.numel()
    return trained(
        make,
        lambda: make.lib.nn.functional.embedding(index, weight),
        moved=(size_of(index) + 2 * rows, size_of(index) + rows + size_of(weight)),
    )


def _cell(kind: str, gates: int) -> Callable[..., Parts]:
    def build(make: Make, x: Shape, hidden: Shape) -> Parts:
        cell = make.module(getattr(make.lib.nn, kind)(x[1], hidden[1]))
        state = make(*x), make(*hidden)
        memory = make(*hidden) if kind == "LSTMCell" else None
        given = (state[0], state[1] if memory is None else (state[1], memory))
        flops = 2 * x[0] * (x[1] + hidden[1]) * gates * hidden[1]
        return trained(make, lambda: cell(*given), flops=flops)

    return build


def _sequence(kind: str, gates: int) -> Callable[..., Parts]:
    def build(make: Make, x: Shape, hidden: Shape) -> Parts:
        layer = make.module(getattr(make.lib.nn, kind)(x[2], hidden[0], batch_first=True))
        data = make(*x)
        flops = 2 * x[0] * x[1] * (x[2] + hidden[0]) * gates * hidden[0]
        return trained(make, lambda: layer(data), flops=flops)

    return build


def _op(group: str, name: str, build: Callable[..., Parts], sizes: tuple[Shape, ...], *small: Shape) -> Case:
    return Case("ops", group, name, build, sizes, small)


_HEADS, _FEW_HEADS = (4, 8, 256, 64), (1, 2, 8, 16)
_STEP, _SHORT_STEP = ((64, 256), (64, 256)), ((2, 8), (2, 8))

CASES = [
    _op(
        "conv", "conv2d 3x3", _conv("conv2d", padding=1), ((32, 64, 32, 32), (64, 64, 3, 3)),
        (2, 4, 8, 8), (4, 4, 3, 3),
    ),
    _op("conv", "conv2d 1x1", _conv("conv2d"), ((16, 128, 28, 28), (128, 128, 1, 1)), (2, 4, 8, 8), (4, 4, 1, 1)),
    _op(
        "conv", "conv2d 7x7, stride 2", _conv("conv2d", padding=3, stride=2), ((8, 3, 112, 112), (64, 3, 7, 7)),
        (2, 3, 16, 16), (4, 3, 7, 7),
    ),
    _op(
        "conv", "conv2d 3x3, depthwise", _conv("conv2d", False, padding=1, groups=64),
        ((16, 64, 32, 32), (64, 1, 3, 3)), (2, 64, 4, 4), (64, 1, 3, 3),
    ),
    _op(
        "conv", "conv_transpose2d 4x4, stride 2", _conv("conv_transpose2d", padding=1, stride=2),
        ((16, 64, 16, 16), (64, 32, 4, 4)), (2, 4, 4, 4), (4, 2, 4, 4),
    ),
    _op("conv", "conv1d 5", _conv("conv1d", padding=2), ((32, 64, 256), (64, 64, 5)), (2, 4, 16), (4, 4, 5)),
    _op("conv", "max_pool2d 2x2", _max_pool, ((32, 64, 32, 32),), (2, 4, 8, 8)),
    _op("attention", "attention", _attention(False), (_HEADS,), _FEW_HEADS),
    _op("attention", "attention, causal", _attention(True), (_HEADS,), _FEW_HEADS),
    _op("embedding", "embedding", _embedding, ((10000, 256), (8192,)), (50, 16), (20,)),
    _op("rnn", "RNNCell", _cell("RNNCell", 1), _STEP, *_SHORT_STEP),
    _op("rnn", "GRUCell", _cell("GRUCell", 3), _STEP, *_SHORT_STEP),
    _op("rnn", "LSTMCell", _cell("LSTMCell", 4), _STEP, *_SHORT_STEP),
    _op("rnn", "LSTM", _sequence("LSTM", 4), ((32, 64, 256), (256,)), (2, 3, 8), (8,)),
]  # fmt: skip
