"""Activations as methods, those that PyTorch has as such."""

from __future__ import annotations

from gpudl.ops.methods.in_place import in_place
from gpudl.ops.relu import relu
from gpudl.ops.softmax import log_softmax, softmax


class ActivationMethods:
    """A part of TensorMethods."""

    __slots__ = ()

    relu = relu
    softmax = softmax
    log_softmax = log_softmax
    relu_ = in_place("relu_", relu)
