"""All parameters as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable

from gpudl.autograd.tensor import Tensor
from gpudl.backend.errors import DeviceError, ShapeError
from gpudl.ops.shape import cat

__all__ = ["parameters_to_vector", "vector_to_parameters"]


class MixedDevices(DeviceError, TypeError):
    """Parameters on different devices; a TypeError too, as PyTorch's."""


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All elements of all parameters, one after the other, in a vector. Gradients pass through it.

    Args:
        parameters: on one device.
    Raises: DeviceError, which is a TypeError here, if they are on different devices.
    """
    return cat([parameter.reshape(-1) for parameter in _on_one_device(parameters)])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Give parameters the values of a vector, in order; they share its memory from then on.

    Args:
        vec: (count,), at least as many elements as the parameters have.
        parameters: on one device.
    Raises: TypeError if vec is no Tensor; ShapeError if it is too short, and nothing is changed then; DeviceError,
        which is a TypeError here, if the parameters are on different devices.
    """
    if not isinstance(vec, Tensor):
        raise TypeError(f"vector_to_parameters: expected a Tensor, got {type(vec).__name__}")
    filled = _on_one_device(parameters)
    wanted = sum(parameter.numel() for parameter in filled)
    if vec.ndim != 1 or vec.numel() < wanted:
        raise ShapeError(f"vector_to_parameters: expected a vector of {wanted} elements, got shape {vec.shape}")
    start = 0
    for parameter in filled:
        end = start + parameter.numel()
        parameter.data = vec.detach()[start:end].view(parameter.shape)
        start = end


def _on_one_device(parameters: Iterable[Tensor]) -> list[Tensor]:
    found = list(parameters)
    devices = {str(parameter.device) for parameter in found}
    if len(devices) > 1:
        raise MixedDevices(f"expected parameters on one device, got {', '.join(sorted(devices))}")
    return found
