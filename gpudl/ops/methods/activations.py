"""Activations as methods, those that PyTorch has as such."""

from __future__ import annotations

from gpudl.ops.erf import erf, erfc, erfinv
from gpudl.ops.methods.in_place import ALL, in_place
from gpudl.ops.prelu import prelu
from gpudl.ops.relu import relu
from gpudl.ops.softmax import log_softmax, softmax
from gpudl.ops.threshold import hardshrink


class ActivationMethods:
    """A part of TensorMethods."""

    __slots__ = ()

    relu = relu
    softmax = softmax
    log_softmax = log_softmax
    relu_ = in_place("relu_", relu)
    prelu = prelu
    hardshrink = hardshrink
    erf = erf
    erfc = erfc
    erfinv = erfinv
    erf_ = in_place("erf_", erf, ALL)
    erfc_ = in_place("erfc_", erfc, ALL)
    erfinv_ = in_place("erfinv_", erfinv)
