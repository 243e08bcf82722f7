"""Spectral normalization by a hook, as in PyTorch's older function; parametrizations.spectral_norm is newer.

Source: Miyato, Kataoka, Koyama, Yoshida 2018, arXiv:1802.05957.
"""

from __future__ import annotations

from typing import TypeVar

from gpudl.autograd.grad_mode import no_grad
from gpudl.autograd.tensor import Tensor
from gpudl.nn.module import Module
from gpudl.nn.utils.reparametrization import Reparametrization, hook_on, weight_for
from gpudl.nn.utils.weights import output_dim, random_direction, rows_of, scaled
from gpudl.ops.matmul import mv
from gpudl.ops.normalize import normalize

__all__ = ["remove_spectral_norm", "spectral_norm"]

M = TypeVar("M", bound=Module)


class SpectralNorm(Reparametrization):
    """The hook: weight = weight_orig / (weight_u^T weight_orig weight_v)."""

    caller = "spectral_norm"
    ends = "_orig", "_u", "_v"

    def __init__(self, name: str, n_power_iterations: int, dim: int, eps: float) -> None:
        if n_power_iterations <= 0:
            raise ValueError(f"spectral_norm: n_power_iterations must be positive, got {n_power_iterations}")
        self.name = name
        self.n_power_iterations = n_power_iterations
        self.dim = dim
        self.eps = eps

    def compute(self, module: Module) -> Tensor:
        return self._divided(module, module.training)

    def settle(self, module: Module) -> Tensor:
        return self._divided(module, False)

    def _divided(self, module: Module, iterate: bool) -> Tensor:
        weight, u, v = (getattr(module, self.name + end) for end in self.ends)
        rows = rows_of(weight, self.dim)
        if iterate:
            with no_grad():
                for _ in range(self.n_power_iterations):
                    v.copy_(normalize(mv(rows.mT, u), dim=0, eps=self.eps))
                    u.copy_(normalize(mv(rows, v), dim=0, eps=self.eps))
        # The graph holds copies: the buffers may change before its backward.
        return scaled(weight, rows, u.clone(), v.clone())


def spectral_norm(
    module: M, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> M:
    """Divide a weight by its largest singular value before every forward.

    Parameter weight_orig takes the place of the weight, which becomes a plain attribute. The singular value is
    u^T W v, of buffers weight_u and weight_v that the power method brings nearer to the singular vectors at every
    forward in training mode: v = W^T u / |W^T u|, u = W v / |W v|.

    Args:
        module: has the parameter.
        name: of the parameter.
        n_power_iterations: each time, > 0.
        eps: the least length to divide by.
        dim: W has this dimension for its rows, and all others for its columns; by default that of the outputs: 1 for
            transposed convolutions, else 0.
    Returns: the module.
    Raises: RuntimeError if a hook computes it already; AttributeError or ValueError if there is no such parameter;
        ValueError for iterations that are not positive; IndexError if dim is out of range.
    """
    weight = weight_for(SpectralNorm, module, name)
    hook = SpectralNorm(name, n_power_iterations, output_dim(module) if dim is None else dim, eps)
    rows = rows_of(weight.detach(), hook.dim)
    u, v = (random_direction(rows, length, eps).to(weight.device) for length in rows.shape)
    delattr(module, name)
    module.register_parameter(f"{name}_orig", weight)
    module.register_buffer(f"{name}_u", u)
    module.register_buffer(f"{name}_v", v)
    setattr(module, name, weight.detach())
    hook.attach(module)
    return module


def remove_spectral_norm(module: M, name: str = "weight") -> M:
    """Make a weight that spectral_norm computes a parameter again, with the value it has.

    Args:
        module: of spectral_norm.
        name: of the weight.
    Returns: the module.
    Raises: ValueError if spectral_norm does not compute it.
    """
    hook_on(SpectralNorm, module, name).remove(module)
    return module
