"""Attention and the Transformer take PyTorch's arguments, in its order and with its defaults."""

import inspect

import pytest
from twins import torch

import gpudl


def arguments(function):
    """Names and defaults; functions by name."""
    given = inspect.signature(function).parameters.values()
    return [(each.name, getattr(each.default, "__name__", each.default)) for each in given]


KINDS = ["Transformer", *(f"Transformer{kind}" for kind in ("Encoder", "Decoder", "EncoderLayer", "DecoderLayer"))]


@pytest.mark.parametrize("name", ["MultiheadAttention", *KINDS])
def test_arguments_and_defaults_are_those_of_torch(name):
    mine, theirs = (getattr(lib.nn, name) for lib in (gpudl, torch))
    assert arguments(mine) == arguments(theirs)
    assert arguments(mine.forward) == arguments(theirs.forward)


def test_arguments_of_the_function_are_those_of_torch():
    mine, theirs = (arguments(lib.nn.functional.multi_head_attention_forward) for lib in (gpudl, torch))
    assert mine == [*theirs, ("batch_first", False)]
