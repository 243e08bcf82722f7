"""Parametrizations of weights: by length and direction, with a largest singular value of 1, orthogonal."""

from __future__ import annotations

from typing import Any, TypeVar

from gpudl.autograd.grad_mode import no_grad
from gpudl.autograd.tensor import Tensor
from gpudl.nn.module import Module
from gpudl.nn.utils.orthogonal import orthogonal
from gpudl.nn.utils.parametrize import register_parametrization
from gpudl.nn.utils.weights import norm_except, output_dim, random_direction, rows_of, scaled, weight_of
from gpudl.ops.matmul import mv
from gpudl.ops.normalize import normalize

__all__ = ["orthogonal", "spectral_norm", "weight_norm"]

M = TypeVar("M", bound=Module)


class _WeightNorm(Module):
    def __init__(self, dim: int | None) -> None:
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g: Tensor, weight_v: Tensor) -> Tensor:
        return weight_of(weight_g, weight_v, self.dim)

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        return norm_except(weight, self.dim), weight


def weight_norm(module: M, name: str = "weight", dim: int | None = 0) -> M:
    """Compute a weight from its lengths and directions: weight = g v / |v|.

    The originals are g, original0, and v, original1. The norms are over all dimensions but `dim`: with the default,
    one for each output.

    Args:
        module: has the weight.
        name: of the weight.
        dim: the dimension that keeps its norms apart; None, or -1, for one norm of everything.
    Returns: the module.
    Raises: ValueError if there is no such tensor; IndexError if dim is out of range.
    Source: Salimans & Kingma 2016, arXiv:1602.07868.
    """
    register_parametrization(module, name, _WeightNorm(dim), unsafe=True)

    def rename(module: Module, state_dict: dict[str, Any], prefix: str, *others: Any) -> None:
        """Give the entries of a state with the older weight_norm the names of this one's."""
        old = f"{prefix}{name}_g", f"{prefix}{name}_v"
        if all(key in state_dict for key in old):
            for place, key in enumerate(old):
                state_dict[f"{prefix}parametrizations.{name}.original{place}"] = state_dict.pop(key)

    module.register_load_state_dict_pre_hook(rename)
    return module


class _SpectralNorm(Module):
    def __init__(self, weight: Tensor, n_power_iterations: int, dim: int, eps: float) -> None:
        super().__init__()
        if not -weight.ndim <= dim < weight.ndim:
            raise IndexError(f"spectral_norm: dim {dim} is out of range for a weight of shape {weight.shape}")
        if n_power_iterations <= 0:
            raise ValueError(f"spectral_norm: n_power_iterations must be positive, got {n_power_iterations}")
        self.dim = dim % weight.ndim
        self.eps = eps
        if weight.ndim > 1:
            self.n_power_iterations = n_power_iterations
            # On the host, for the same buffers on every device.
            rows = rows_of(weight.detach().cpu(), self.dim)
            u, v = (random_direction(rows, length, eps) for length in rows.shape)
            u, v = self._iterated(rows, v, 15)
            self.register_buffer("_u", u.to(weight.device))
            self.register_buffer("_v", v.to(weight.device))

    def _iterated(self, rows: Tensor, v: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """The singular vectors after some iterations of the power method."""
        with no_grad():
            for _ in range(count):
                u = normalize(mv(rows, v), dim=0, eps=self.eps)
                v = normalize(mv(rows.mT, u), dim=0, eps=self.eps)
        return u, v

    def forward(self, weight: Tensor) -> Tensor:
        if weight.ndim == 1:
            return normalize(weight, dim=0, eps=self.eps)
        rows = rows_of(weight, self.dim)
        if self.training:
            # The graph holds these, not the buffers, which may change before its backward.
            u, v = self._iterated(rows, self._v, self.n_power_iterations)
            with no_grad():
                self._u.copy_(u)
                self._v.copy_(v)
        else:
            u, v = self._u.clone(), self._v.clone()
        return scaled(weight, rows, u, v)

    def right_inverse(self, value: Tensor) -> Tensor:
        return value


def spectral_norm(
    module: M, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> M:
    """Divide a weight by its largest singular value, or a vector by its length.

    The singular value is u^T W v, of vectors that the power method brings nearer to the singular ones whenever the
    weight is read in training mode: u = W v / |W v|, v = W^T u / |W^T u|. They are buffers of the parametrization, _u
    and _v, and start at 15 iterations.

    Args:
        module: has the weight.
        name: of the weight.
        n_power_iterations: each time, > 0.
        eps: the least length to divide by.
        dim: W has this dimension for its rows, and all others for its columns; by default that of the outputs: 1 for
            transposed convolutions, else 0.
    Returns: the module.
    Raises: ValueError if there is no such tensor, and for iterations that are not positive; IndexError if dim is out of
        range.
    Source: Miyato, Kataoka, Koyama, Yoshida 2018, arXiv:1802.05957.
    """
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"spectral_norm: {type(module).__name__} has no parameter or buffer named {name!r}")
    where = output_dim(module) if dim is None else dim
    made = _SpectralNorm(weight, n_power_iterations, where, eps)
    start = [buffer.clone() for buffer in made.buffers()]
    register_parametrization(module, name, made)
    with no_grad():  # registering has read the weight, and thus iterated once more, where devices round differently
        for buffer, value in zip(made.buffers(), start):
            buffer.copy_(value)
    return module
