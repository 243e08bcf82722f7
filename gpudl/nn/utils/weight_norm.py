"""Weight normalization by a hook, as in PyTorch's older function; parametrizations.weight_norm is newer.

Source: Salimans & Kingma 2016, arXiv:1602.07868.
"""

from __future__ import annotations

import warnings
from typing import TypeVar

from gpudl.autograd.tensor import Tensor
from gpudl.nn.module import Module
from gpudl.nn.parameter import Parameter
from gpudl.nn.utils.reparametrization import Reparametrization, hook_on, weight_for
from gpudl.nn.utils.weights import norm_except, weight_of

__all__ = ["remove_weight_norm", "weight_norm"]

M = TypeVar("M", bound=Module)


class WeightNorm(Reparametrization):
    """The hook: weight = weight_g weight_v / |weight_v|."""

    caller = "weight_norm"
    ends = "_g", "_v"

    def __init__(self, name: str, dim: int) -> None:
        self.name = name
        self.dim = dim

    def compute(self, module: Module) -> Tensor:
        return weight_of(getattr(module, self.name + "_g"), getattr(module, self.name + "_v"), self.dim)


def weight_norm(module: M, name: str = "weight", dim: int | None = 0) -> M:
    """Compute a weight from its lengths and directions before every forward: weight = g v / |v|.

    Parameters weight_g and weight_v take the place of the weight, which becomes a plain attribute.

    Args:
        module: has the parameter.
        name: of the parameter.
        dim: the dimension that keeps its norms apart; None, or -1, for one norm of everything.
    Returns: the module.
    Raises: RuntimeError if a hook computes it already; AttributeError or ValueError if there is no such parameter;
        IndexError if dim is out of range.
    Warns: FutureWarning: use gpudl.nn.utils.parametrizations.weight_norm.
    """
    warnings.warn(
        "`nn.utils.weight_norm` is deprecated in favor of `nn.utils.parametrizations.weight_norm`.",
        FutureWarning,
        stacklevel=2,
    )
    weight = weight_for(WeightNorm, module, name)
    hook = WeightNorm(name, -1 if dim is None else dim)
    magnitude = Parameter(norm_except(weight, hook.dim))
    delattr(module, name)
    module.register_parameter(f"{name}_g", magnitude)
    module.register_parameter(f"{name}_v", Parameter(weight))
    setattr(module, name, hook.compute(module))
    hook.attach(module)
    return module


def remove_weight_norm(module: M, name: str = "weight") -> M:
    """Make a weight that weight_norm computes a parameter again, with the value it has.

    Args:
        module: of weight_norm.
        name: of the weight.
    Returns: the module.
    Raises: ValueError if weight_norm does not compute it.
    """
    hook_on(WeightNorm, module, name).remove(module)
    return module
