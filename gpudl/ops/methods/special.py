"""The gamma function and its kin as methods."""

from __future__ import annotations

from gpudl.ops import gamma
from gpudl.ops.methods.in_place import ALL, in_place


class SpecialMethods:
    """A part of TensorMethods."""

    __slots__ = ()

    lgamma = gamma.lgamma
    digamma = gamma.digamma
    mvlgamma = gamma.mvlgamma
    lgamma_ = in_place("lgamma_", gamma.lgamma, ALL)
    digamma_ = in_place("digamma_", gamma.digamma, ALL)
    mvlgamma_ = in_place("mvlgamma_", gamma.mvlgamma, ALL)
    polygamma = gamma.polygamma
    polygamma_ = in_place("polygamma_", gamma.polygamma, ALL)
