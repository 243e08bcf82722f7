"""Muon: momentum whose singular values are all made about 1, for the matrices of a network's hidden layers.

    m = momentum m + (1 - momentum) g;   u = orthogonalized(m), or of Nesterov's (1 - momentum) g + momentum m

    p = (1 - lr weight_decay) p - lr' u,   lr' = lr sqrt(max(1, rows / columns)), or lr 0.2 sqrt(max(rows, columns))

Orthogonalized by Newton-Schulz steps, X = a X + (b A + c A^2) X with A = X X^T: matrix products only.

Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks"; the second lr': Liu et al. 2025,
"Muon is Scalable for LLM Training", arXiv:2502.16982.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.cuda_text import CudaText, dense, spread
from gpudl.backend.dtypes import float32, float64
from gpudl.backend.flat_memory import put
from gpudl.backend.kernel import kernel
from gpudl.ops.gemm import product, product_
from gpudl.optim.optimizer import Optimizer
from gpudl.optim.settings import Group, require_nonnegative

__all__ = ["Muon"]

ADJUSTMENTS = (None, "original", "match_rms_adamw")


_TEXT = CudaText(
    "math/numbers.cuh",
    "math/packs.cuh",
    "cuda/muon.cu",
    kernels=("muon_momentum", "muon_normalize", "muon_step"),
)


@kernel
def muon_momentum_(m: Array, dp: Array, momentum: float, nesterov: bool) -> Array:
    """m takes in the gradient; gives what is to be orthogonalized: m itself, or what Nesterov's method sees ahead."""
    m *= momentum
    m += (1 - momentum) * dp
    return momentum * m + (1 - momentum) * dp if nesterov else m


@muon_momentum_.cuda("float32", "float64", "float16", "bfloat16")
def muon_momentum_cuda_(m: Array, dp: Array, momentum: float, nesterov: bool) -> Array:
    if not m.flags.c_contiguous:
        return muon_momentum_.reference(m, dp, momentum, nesterov)
    ahead = xp_of(m).empty(m.shape, m.dtype) if nesterov else None
    _TEXT.launch("muon_momentum", *spread(m), m, dense(dp), ahead, m.size, float(momentum), float(1 - momentum))
    return m if ahead is None else ahead


@kernel
def orthogonalize_forward(x: Array, coefficients: tuple[float, float, float], steps: int, eps: float) -> Array:
    """A (rows, columns) matrix with x's singular vectors and singular values between about 0.7 and 1.2."""
    a, b, c = coefficients
    tall = x.shape[0] > x.shape[1]
    y = x.T if tall else x
    xp = xp_of(y)
    y = y / xp.maximum(xp.sqrt((y * y).sum()), eps)
    for _ in range(steps):
        gram = product(y, y.T)
        y = a * y + product(b * gram + c * product(gram, gram), y)
    return y.T if tall else y


@orthogonalize_forward.cuda("float32", "float64", "float16", "bfloat16")
def orthogonalize_forward_cuda(x: Array, coefficients: tuple[float, float, float], steps: int, eps: float) -> Array:
    # The sums are the products' own, which add to what is in their result: a copy of what is to be added. All factors
    # of x are symmetric, so that those of a tall matrix may stand on its right.
    a, b, c = coefficients
    tall = x.shape[0] > x.shape[1]
    y = xp_of(x).empty(x.shape, x.dtype)
    wide = x.astype(float64 if x.dtype == float64 else float32, copy=False)
    _TEXT.launch("muon_normalize", *spread(y), dense(x), (wide * wide).sum(), y, y.size, float(eps))
    for _ in range(steps):
        gram = product(y.T, y) if tall else product(y, y.T)
        mixed, moved = _copied(gram), _copied(y)
        product_(gram, gram, mixed, float(c), float(b))
        y = product_(y, mixed, moved, 1.0, float(a)) if tall else product_(mixed, y, moved, 1.0, float(a))
    return y


def _copied(x: Array) -> Array:
    copy = xp_of(x).empty(x.shape, x.dtype)
    put(x, copy)
    return copy


@kernel
def muon_step_(p: Array, change: Array, rate: float, shrink: float) -> None:
    """p = shrink p - rate change, all of one shape."""
    p *= shrink
    p -= rate * change


@muon_step_.cuda("float32", "float64", "float16", "bfloat16")
def muon_step_cuda_(p: Array, change: Array, rate: float, shrink: float) -> None:
    if p.flags.c_contiguous:
        _TEXT.launch("muon_step", *spread(p), p, dense(change), p.size, float(rate), float(shrink))
    else:
        muon_step_.reference(p, change, rate, shrink)


class Muon(Optimizer):
    """Muon, for 2-d parameters; give embeddings, the last layer, biases and norms to AdamW.

    Computed in the parameter's dtype; PyTorch orthogonalizes in bfloat16.

    Args:
        params: 2-d Tensors, or dicts of parameter groups.
        lr: learning rate, >= 0.
        weight_decay: the parameters shrink by lr * weight_decay a step, >= 0.
        momentum: in [0, 1).
        nesterov: look ahead.
        ns_coefficients: a, b, c of the Newton-Schulz steps.
        eps: least norm that a matrix is divided by.
        ns_steps: how many, in [0, 100).
        adjust_lr_fn: "original" or None: lr grows with sqrt(rows / columns); "match_rms_adamw": steps as large as
            AdamW's, so that its lr and weight_decay serve.
    Raises: ValueError for a setting out of range, or a parameter that is no matrix.
    Source: Jordan et al. 2024; Liu et al. 2025, arXiv:2502.16982.
    """

    elementwise = False
    counts = False

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.7750, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        settings = {"lr": lr, "weight_decay": weight_decay, "momentum": momentum, "nesterov": nesterov}
        newton_schulz = {"ns_coefficients": ns_coefficients, "eps": eps, "ns_steps": ns_steps}
        super().__init__(params, {**settings, **newton_schulz, "adjust_lr_fn": adjust_lr_fn})

    def check(self, group: Group) -> None:
        require_nonnegative("Muon", group, "lr", "weight_decay", "momentum", "eps")
        if group["adjust_lr_fn"] not in ADJUSTMENTS:
            raise ValueError(f"Muon: adjust_lr_fn must be one of {ADJUSTMENTS}, got {group['adjust_lr_fn']!r}")
        if len(group["ns_coefficients"]) != 3:
            raise ValueError(f"Muon: ns_coefficients must be three numbers, got {group['ns_coefficients']}")
        if not 0 <= group["ns_steps"] < 100:
            raise ValueError(f"Muon: ns_steps must be in [0, 100), got {group['ns_steps']}")
        for parameter in group["params"]:
            if parameter.ndim != 2:
                raise ValueError(
                    f"Muon: takes 2-d parameters, got one of shape {tuple(parameter.shape)}; give it to AdamW"
                )

    def buffers(self, group: Group, shape: tuple[int, ...]) -> dict[str, float]:
        return {"momentum_buffer": 0.0}

    def update(self, p: Array, dp: Array, state: dict[str, Array], step: int, group: Group) -> None:
        lr, momentum = float(group["lr"]), group["momentum"]
        ahead = muon_momentum_(state["momentum_buffer"], dp, momentum, bool(group["nesterov"]))
        change = orthogonalize_forward(ahead, tuple(group["ns_coefficients"]), group["ns_steps"], group["eps"])
        rows, columns = p.shape
        if group["adjust_lr_fn"] == "match_rms_adamw":
            rate = lr * 0.2 * math.sqrt(max(rows, columns))
        else:
            rate = lr * math.sqrt(max(1, rows / max(columns, 1)))
        muon_step_(p, change, rate, 1 - lr * group["weight_decay"])
