"""What the normalizations share: a weight that starts at 1, and a bias that starts at 0."""

from __future__ import annotations

from typing import Any

from gpudl.nn import init
from gpudl.nn.module import Module
from gpudl.nn.parameter import Parameter
from gpudl.ops.create import empty


class Affine(Module):
    """Base of the layers that end in `* weight + bias`, each of which may be absent.

    Attributes:
        weight, bias: of the shape that is given to _make_affine, or None.
    """

    weight: Parameter | None
    bias: Parameter | None

    def _make_affine(self, shape: tuple[int, ...], weight: bool, bias: bool, device: Any, dtype: Any) -> None:
        """Register the parameters, with values that reset_parameters is to fill in."""
        for name, present in (("weight", weight), ("bias", bias)):
            self.register_parameter(name, Parameter(empty(shape, device=device, dtype=dtype)) if present else None)

    def reset_parameters(self) -> None:
        """The weight is 1 and the bias 0 again."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)
