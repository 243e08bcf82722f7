"""Clipping gradients: by the norm of all of them together (Pascanu et al. 2013), or each value by itself.

Gradients that lie end to end in memory, as those of an optimizer's parameters do, are gone through in one run.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable
from types import GeneratorType

import numpy as np

from gpudl.autograd.grad_mode import no_grad
from gpudl.autograd.inplace import writable_gradients
from gpudl.autograd.slots import joined
from gpudl.autograd.tensor import Tensor, wrap
from gpudl.backend.arrays import Array, quiet, xp_of
from gpudl.backend.cuda_text import CudaText, spread
from gpudl.backend.device import guarded, is_on_host
from gpudl.backend.kernel import kernel
from gpudl.ops.create import zeros
from gpudl.ops.matrix_norms import vector_norm
from gpudl.ops.operands import widened
from gpudl.ops.shape import stack

__all__ = ["clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "get_total_norm"]

_TEXT = CudaText("math/numbers.cuh", "math/packs.cuh", "cuda/clip_grad.cu", kernels=("clip_by_norm",))

PIECE = 1 << 15
"""Elements whose squares are summed in their own dtype; the sums of pieces are added up in float64."""


@kernel
def clip_by_norm_(x: Array, total: Array, max_norm: float) -> None:
    """x *= min(1, max_norm / (total + 1e-6)). total: (), of x's dtype."""
    xp = xp_of(x)
    share = xp.minimum(max_norm / (widened(total) + 1e-6), 1.0)
    if not (is_on_host(x) and share == 1):
        x *= share.astype(x.dtype)


@clip_by_norm_.cuda("float32", "float64", "float16", "bfloat16")
def clip_by_norm_cuda_(x: Array, total: Array, max_norm: float) -> None:
    if x.flags.c_contiguous:
        _TEXT.launch("clip_by_norm", *spread(x), x, total, x.size, max_norm)
    else:
        clip_by_norm_.reference(x, total, max_norm)


def get_total_norm(
    tensors: Tensor | Iterable[Tensor],
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """The norm of all tensors together, as if they were one vector.

    (sum |x|^norm_type)^(1 / norm_type), or max |x| for inf

    Args:
        tensors: one, or several.
        norm_type: the order, any number. For 0 the result counts the tensors that are not all 0, as PyTorch's.
        error_if_nonfinite: raise if the result is nan or infinite; that waits for the device.
        foreach: PyTorch's choice between its implementations; accepted, and changes nothing.
    Returns: (), on the device and of the widest dtype among them; 0 if there are none.
    Raises: RuntimeError for a norm that is not finite, if asked to.
    """
    arrays = [tensor.array for tensor in ([tensors] if isinstance(tensors, Tensor) else tensors)]
    if not arrays:
        return zeros(())
    order, device = float(norm_type), wrap(arrays[0], None).device
    with no_grad():
        norms = [_norm(array, order) for array in (joined(arrays) if order > 0 else arrays)]
        total = norms[0] if len(norms) == 1 else vector_norm(stack([norm.to(device) for norm in norms]), order)
        if error_if_nonfinite and not math.isfinite(total.item()):
            raise RuntimeError(
                f"the total norm of order {order} of the gradients is {total.item()}, so they cannot be clipped; "
                "error_if_nonfinite=False scales them all the same"
            )
    return total


def clip_grads_with_norm_(
    parameters: Tensor | Iterable[Tensor], max_norm: float, total_norm: Tensor, foreach: bool | None = None
) -> None:
    """Multiply all gradients by min(1, max_norm / (total_norm + 1e-6)), in place.

    Args:
        parameters: one, or several; those without a gradient are passed over.
        max_norm: what the norm shall not be above.
        total_norm: (), the norm now, as from get_total_norm.
        foreach: PyTorch's choice between its implementations; accepted, and changes nothing.
    """
    with no_grad(), quiet():
        for array in writable_gradients(parameters, "clip_grads_with_norm_"):
            with guarded(array):
                total = total_norm.to(wrap(array, None).device, array.dtype).array
                clip_by_norm_(array, total, float(max_norm))


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale all gradients down together, in place, so that their norm is at most max_norm.

    Args:
        parameters: one, or several; those without a gradient are passed over.
        max_norm: what the norm shall not be above.
        norm_type: the order of the norm; inf for the largest absolute value.
        error_if_nonfinite: raise if the norm is nan or infinite; that waits for the device.
        foreach: PyTorch's choice between its implementations; accepted, and changes nothing.
    Returns: (), the norm as it was.
    Raises: RuntimeError for a norm that is not finite, if asked to; nothing is changed then.
    Source: Pascanu et al. 2013, "On the difficulty of training recurrent neural networks".
    """
    given = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    if not given and isinstance(parameters, GeneratorType):
        warnings.warn("parameters is an empty generator; was it used up before? No gradient is clipped.", stacklevel=2)
    gradients = [parameter._grad for parameter in given if parameter._grad is not None]
    total = get_total_norm(gradients, norm_type, error_if_nonfinite)
    clip_grads_with_norm_(given, max_norm, total)
    return total


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None) -> None:
    """Bring every gradient value below -clip_value or above clip_value to that bound, in place.

    Args:
        parameters: one, or several; those without a gradient are passed over.
        clip_value: the largest absolute value.
        foreach: PyTorch's choice between its implementations; accepted, and changes nothing.
    """
    bound = float(clip_value)
    for array in writable_gradients(parameters, "clip_grad_value_"):
        xp_of(array).clip(array, -bound, bound, out=array)


def _norm(array: Array, order: float) -> Tensor:
    if not array.size and order > 0:  # also for inf: whether the array is joined to others shall not matter
        return zeros((), dtype=array.dtype, device=wrap(array, None).device)
    if order == 2 and type(array) is np.ndarray and array.dtype.char in "fd" and array.flags.c_contiguous:
        flat = array.reshape(-1)
        pieces = (flat[start : start + PIECE] for start in range(0, flat.size, PIECE))
        with quiet():
            return wrap(np.asarray(math.sqrt(sum(float(np.dot(x, x)) for x in pieces)), array.dtype), None)
    return vector_norm(wrap(array, None), order)
