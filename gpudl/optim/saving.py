"""State dictionaries of optimizers, in PyTorch's layout."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

from gpudl.autograd.tensor import Tensor
from gpudl.nn.state_dict import tensor_of
from gpudl.optim.settings import Group
from gpudl.optim.stretch import COUNT, Block, Buffer, Scalar, State


def packed(groups: list[Group], state: Mapping[Tensor, State]) -> dict[str, Any]:
    """State and groups with the parameters replaced by their number, counted through all groups."""
    numbers = {p: i for i, p in enumerate(p for group in groups for p in group["params"])}
    saved = [{**_settings(group), "params": [numbers[p] for p in group["params"]]} for group in groups]
    return {"state": {numbers[p]: dict(values) for p, values in state.items() if values}, "param_groups": saved}


def unpacked(
    groups: list[Group], saved: Mapping[str, Any], buffers_of: Callable[[Group, tuple[int, ...]], Mapping[str, Buffer]]
) -> tuple[dict[Tensor, State], list[Group]]:
    """The state for the parameters of these groups, and the settings for each group.

    Raises: ValueError if the groups differ, or a tensor has not the shape that it must have.
    """
    given = saved["param_groups"]
    have, sizes = ([len(group["params"]) for group in each] for each in (groups, given))
    if have != sizes:
        raise ValueError(f"the optimizer has groups of {have} parameters, the state has groups of {sizes}")
    settings = [copy.deepcopy(_settings(group)) for group in given]
    by_number = {
        number: (parameter, {**group, **new})
        for group, new, its in zip(groups, settings, given)
        for number, parameter in zip(its["params"], group["params"])
    }
    state: dict[Tensor, State] = {}
    for number, values in saved["state"].items():
        if number not in by_number:
            raise ValueError(f"the state has values for parameter {number}, which is in none of its groups")
        parameter, group = by_number[number]
        buffers = {**buffers_of(group, parameter.shape), "step": COUNT}
        state[parameter] = {
            key: _fitted(f"{key} of parameter {number}", value, parameter, buffers.get(key))
            for key, value in values.items()
        }
    return state, settings


def _settings(group: Group) -> Group:
    return {key: value for key, value in group.items() if key != "params"}


def _fitted(name: str, value: Any, parameter: Tensor, buffer: Buffer | None) -> Any:
    """A loaded value, copied, and cast and moved to its parameter if it is no Scalar."""
    if isinstance(value, (list, tuple)):
        return type(value)(_fitted(name, each, parameter, buffer) for each in value)
    if not hasattr(value, "__array__"):
        return copy.deepcopy(value)
    tensor = tensor_of(value).detach()
    if isinstance(buffer, Scalar):
        return tensor.clone()
    if buffer is not None:
        shape = buffer.shape if isinstance(buffer, Block) else parameter.shape
        if tensor.shape != shape:
            raise ValueError(f"{name} has shape {tensor.shape}, but must have {shape}")
    return tensor.to(device=parameter.device, dtype=parameter.dtype, copy=True)
