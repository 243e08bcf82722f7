"""How many multiplications with an addition a layer's forward takes, from the shapes of what went in and came out.

As torchinfo counts them: a weight or bias as often as it is used. Elementwise functions and poolings are 0; an affine
normalization counts its parameters once a sample. Unlike torchinfo's, the counts are right for a Linear over several
dimensions, transposed convolutions, embeddings (0) and attention, whose products of queries, keys and values count.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from gpudl.autograd.tensor import Tensor
from gpudl.nn.attention import MultiheadAttention
from gpudl.nn.causal_attention import CausalSelfAttention
from gpudl.nn.conv import _ConvNd
from gpudl.nn.embedding import Embedding, EmbeddingBag
from gpudl.nn.linear import Bilinear, Linear
from gpudl.nn.linear_cross_entropy import LinearCrossEntropyLoss
from gpudl.nn.module import Module
from gpudl.nn.recurrent_base import RNNBase
from gpudl.nn.recurrent_cells import RNNCellBase


def mult_adds(module: Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], output: Any) -> int:
    """Those of the module itself, without modules that it calls.

    Args:
        args, kwargs, output: of the call.
    """
    given, result = next(tensors_in((args, kwargs)), None), next(tensors_in(output), None)
    if result is None or given is None or isinstance(module, (Embedding, EmbeddingBag)):
        return 0
    if isinstance(module, _ConvNd):
        return _of_convolution(module, given, result)
    if isinstance(module, MultiheadAttention):
        return _of_attention(module, *_queries_keys_values(args, kwargs))
    if isinstance(module, CausalSelfAttention):
        cache = kwargs.get("cache", args[1] if len(args) > 1 else None)
        keys = given.shape[1] if cache is None else cache.length
        return 2 * given.shape[0] * given.shape[1] * keys * module.embed_dim
    if isinstance(module, LinearCrossEntropyLoss):
        linear = module.linear
        return given.numel() // linear.in_features * _numbers(linear)
    if isinstance(module, (Linear, Bilinear, RNNBase, RNNCellBase)):
        return math.prod(result.shape[:-1]) * _numbers(module)
    return (result.shape[0] if result.ndim else 1) * _numbers(module)


def tensors_in(value: Any) -> Iterator[Tensor]:
    """The Tensors in nested tuples, lists, dicts and objects with fields, in order."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from tensors_in(each)
    elif isinstance(value, (tuple, list)):
        for each in value:
            yield from tensors_in(each)
    elif hasattr(value, "__dataclass_fields__"):
        for name in value.__dataclass_fields__:
            yield from tensors_in(getattr(value, name))


def _numbers(module: Module) -> int:
    """How many weights and biases a module has itself; what a parametrization computes counts as a parameter."""
    names = {*module._parameters, *getattr(module, "parametrizations", ())}
    found = (getattr(module, name, None) for name in names if "weight" in name or "bias" in name)
    return sum(each.numel() for each in found if isinstance(each, Tensor))


def _of_convolution(module: _ConvNd, given: Tensor, result: Tensor) -> int:
    """Each weight at each place of the output; of a transposed convolution at each place of the input."""
    places, outputs = (
        each.numel() // channels for each, channels in ((given, module.in_channels), (result, module.out_channels))
    )
    bias = 0 if module.bias is None else module.bias.numel()
    weight: int = module.weight.numel()
    return weight * (places if module.transposed else outputs) + bias * outputs


def _queries_keys_values(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> list[Tensor]:
    names = ("query", "key", "value")
    return [*args[:3], *(kwargs[name] for name in names[len(args[:3]) :])]


def _of_attention(module: MultiheadAttention, query: Tensor, key: Tensor, value: Tensor) -> int:
    wide = module.embed_dim
    if query.ndim == 3:
        batch = query.shape[0 if module.batch_first else 1]
        length, keys = (each.shape[1 if module.batch_first else 0] for each in (query, key))
    else:
        batch, length, keys = 1, query.shape[0], key.shape[0]
    biases = 0 if module.in_proj_bias is None else wide
    projected = length * (wide * wide + biases)
    projected += keys * (wide * (module.kdim + module.vdim) + 2 * biases)
    seen = keys + (module.bias_k is not None) + bool(module.add_zero_attn)
    return int(batch * (projected + 2 * length * seen * wide + length * _numbers(module.out_proj)))
