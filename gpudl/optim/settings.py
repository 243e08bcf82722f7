"""Settings of parameter groups, and the checks that optimizers share."""

from __future__ import annotations

from typing import Any

from gpudl.autograd.tensor import Tensor

Group = dict[str, Any]


def require_nonnegative(name: str, group: Group, *settings: str) -> None:
    """Raise ValueError if one of the settings is negative or nan, or a Tensor of several elements."""
    for setting in settings:
        value = group[setting]
        if isinstance(value, Tensor) and value.array.size != 1:
            raise ValueError(f"{name}: {setting} must be one number, got a Tensor of shape {value.shape}")
        if not value >= 0:
            raise ValueError(f"{name}: {setting} must be >= 0, got {value}")


def require_betas(name: str, group: Group) -> None:
    """Raise ValueError unless the betas are two numbers in [0, 1)."""
    betas = group["betas"]
    if len(betas) != 2 or not all(0 <= beta < 1 for beta in betas):
        raise ValueError(f"{name}: betas must be two numbers in [0, 1), got {betas}")


def refuse_unsupported(name: str, group: Group) -> None:
    """Raise for PyTorch's switches `foreach`, `fused` and `differentiable` where they cannot be taken.

    Raises: RuntimeError for `foreach` and `fused` at once, as PyTorch does, and for `differentiable`.
    """
    if group.get("fused") and group.get("foreach"):
        raise RuntimeError(f"{name}: fused and foreach cannot be True together")
    if group.get("differentiable"):
        raise RuntimeError(f"{name}: differentiable=True is not supported; steps are taken in place, without a graph")
