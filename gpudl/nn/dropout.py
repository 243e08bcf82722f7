"""Dropout of elements and of whole channels, in training only."""

from __future__ import annotations

from gpudl.autograd.tensor import Tensor
from gpudl.nn.module import Module
from gpudl.ops.dropout import dropout
from gpudl.ops.dropout_features import alpha_dropout, dropout1d, dropout2d, dropout3d, feature_alpha_dropout

__all__ = ["AlphaDropout", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "FeatureAlphaDropout"]


class _Dropout(Module):
    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"{type(self).__name__}: p must be in [0, 1], got {p}")
        self.p, self.inplace = p, inplace

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_Dropout):
    """In training each element 0 with probability p, and else divided by 1 - p; in evaluation the input as it is.

    The masks depend on the seed and on how many random numbers were drawn before, never on the device.

    Args:
        p: the probability of 0, in [0, 1].
        inplace: write the result over the input.
    Shape: (*), to the same.
    Raises: ValueError for p out of range.
    Source: Srivastava, Hinton, Krizhevsky, Sutskever & Salakhutdinov 2014, "Dropout: a simple way to prevent neural
        networks from overfitting".
    """

    def forward(self, input: Tensor) -> Tensor:
        return dropout(input, self.p, self.training, self.inplace)


class Dropout1d(_Dropout):
    """Dropout of whole channels: in training all of a channel 0 with probability p, and else divided by 1 - p.

    Args, raises: as for Dropout.
    Shape: (n, channels, length) or (channels, length), to the same.
    Source: Tompson, Goroshin, Jain, LeCun & Bregler 2015, arXiv:1411.4280.
    """

    def forward(self, input: Tensor) -> Tensor:
        return dropout1d(input, self.p, self.training, self.inplace)


class Dropout2d(_Dropout):
    """Dropout of whole channels of images.

    Args, raises, source: as for Dropout1d.
    Shape: (n, channels, height, width), to the same; three dimensions are taken for (n, channels, length).
    """

    def forward(self, input: Tensor) -> Tensor:
        return dropout2d(input, self.p, self.training, self.inplace)


class Dropout3d(_Dropout):
    """Dropout of whole channels of volumes.

    Args, raises, source: as for Dropout1d.
    Shape: (n, channels, depth, height, width) or (channels, depth, height, width), to the same.
    """

    def forward(self, input: Tensor) -> Tensor:
        return dropout3d(input, self.p, self.training, self.inplace)


class AlphaDropout(_Dropout):
    """a (x keep - limit (1 - keep)) + b in training, which keeps mean 0 and variance 1; in evaluation the input.

    -limit = -1.7581 is what SELU gives for minus infinity, a = 1 / sqrt((1 - p) (1 + p limit**2)), b = a p limit, and
    keep is 0 with probability p, else 1.

    Args:
        p: the probability of being dropped, in [0, 1].
        inplace: as in PyTorch without effect: the input is never written over.
    Shape: (*), to the same.
    Raises: ValueError for p out of range.
    Source: Klambauer, Unterthiner, Mayr & Hochreiter 2017, arXiv:1706.02515.
    """

    def forward(self, input: Tensor) -> Tensor:
        return alpha_dropout(input, self.p, self.training)


class FeatureAlphaDropout(_Dropout):
    """AlphaDropout of whole channels.

    Args, raises, source: as for AlphaDropout.
    Shape: (n, channels, *), to the same.
    """

    def forward(self, input: Tensor) -> Tensor:
        return feature_alpha_dropout(input, self.p, self.training)
