"""Optimizer: parameter groups with their settings, and a state for each parameter."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from gpudl.autograd.grad_mode import enable_grad, no_grad
from gpudl.autograd.tensor import Tensor, wrap
from gpudl.backend.arrays import Array, quiet, xp_of
from gpudl.backend.device import device_of
from gpudl.nn.parameter import clear_grads
from gpudl.nn.state_dict import tensor_of

__all__ = ["Optimizer"]

Group = dict[str, Any]
State = dict[str, Any]


class Optimizer:
    """Base of optimizers. A subclass gives `update(parameter, gradient, state, group)`.

    Attributes:
        param_groups: dicts of "params", a list of Tensors, and the settings that hold for them.
        state: parameter -> dict of what the optimizer remembers of it.
        defaults: settings that a group which does not give them gets.
        buffers: keys of the state whose tensors have the parameter's shape.
    """

    buffers: ClassVar[tuple[str, ...]] = ()
    _opt_called = False  # whether step() ever was; schedules look

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        self.state: defaultdict[Tensor, State] = defaultdict(dict)
        self.param_groups: list[Group] = []
        if isinstance(params, Tensor):
            raise TypeError("params must be an iterable of Tensors or dicts, such as model.parameters(), not a Tensor")
        given = list(params)
        if not given:
            raise ValueError("the optimizer got no parameters; was the model built before model.parameters()?")
        for group in given if isinstance(given[0], Mapping) else [{"params": given}]:
            self.add_param_group(group)

    def add_param_group(self, param_group: Group) -> None:
        """Add parameters with settings of their own; what is not given is as in the constructor.

        Raises: ValueError for a parameter that stands in a group already, is no leaf, or for a bad setting; TypeError
            for what is no Tensor, and for a set, whose order changes from run to run.
        """
        if not isinstance(param_group, Mapping) or "params" not in param_group:
            raise TypeError(f"a parameter group is a dict with 'params', got {type(param_group).__name__}")
        params = param_group["params"]
        if isinstance(params, (set, frozenset)):
            raise TypeError("parameters must come in an order, as in a list; a set has none")
        params = [params] if isinstance(params, Tensor) else list(params)
        known = {id(parameter) for group in self.param_groups for parameter in group["params"]}
        for parameter in params:
            if not isinstance(parameter, Tensor):
                raise TypeError(f"an optimizer takes Tensors, got {type(parameter).__name__}")
            if not parameter.is_leaf:
                raise ValueError("an optimizer takes leaves; this tensor is the result of an operation")
            if id(parameter) in known:
                raise ValueError("a parameter stands in more than one place of the optimizer's groups")
            known.add(id(parameter))
        group = {**self.defaults, **param_group, "params": params}
        self.check(group)
        self.param_groups.append(group)

    def check(self, group: Group) -> None:
        """Raise ValueError for a setting that makes no sense; given by the subclass."""

    def update(self, parameter: Tensor, gradient: Array, state: State, group: Group) -> None:
        """Change the parameter's array in place; given by the subclass.

        Args:
            parameter: one of the group's.
            gradient: the array of its gradient, not to be changed.
            state: what the optimizer remembers of the parameter, empty at first; to be changed.
            group: the settings.
        """
        raise NotImplementedError(f"{type(self).__name__} has no update method")

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient.

        Args:
            closure: computes the loss again and calls backward; its result is returned.
        """
        self._opt_called = True
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        with no_grad(), quiet():
            for group in self.param_groups:
                for parameter in group["params"]:
                    gradient = parameter._grad
                    if gradient is not None:
                        self.update(parameter, gradient.array, self.state[parameter], group)
                        if parameter._version is not None:
                            parameter._version[0] += 1
        return loss

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop the gradients, or fill them with 0."""
        for group in self.param_groups:
            clear_grads(group["params"], set_to_none)

    def state_dict(self) -> dict[str, Any]:
        """The state and settings, parameters replaced by their number, counted through all groups.

        The tensors are the optimizer's own: copy.deepcopy what later steps shall not change.
        """
        numbers = {p: i for i, p in enumerate(p for group in self.param_groups for p in group["params"])}
        groups = [{**group, "params": [numbers[p] for p in group["params"]]} for group in self.param_groups]
        state = {numbers[p]: dict(values) for p, values in self.state.items() if values}
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over the state and settings of an optimizer with groups of the same sizes.

        Tensors of the state (or what NumPy reads as an array, such as PyTorch's) are copied, and cast and moved to
        their parameter. Nothing is changed unless all of it fits.

        Raises: ValueError if the groups differ, or a tensor has not the shape of its parameter.
        """
        groups = state_dict["param_groups"]
        have, given = ([len(group["params"]) for group in each] for each in (self.param_groups, groups))
        if have != given:
            raise ValueError(f"the optimizer has groups of {have} parameters, the state has groups of {given}")
        by_number = {
            number: parameter
            for group, saved in zip(self.param_groups, groups)
            for number, parameter in zip(saved["params"], group["params"])
        }
        loaded: defaultdict[Tensor, State] = defaultdict(dict)
        for number, values in state_dict["state"].items():
            if number not in by_number:
                raise ValueError(f"the state has values for parameter {number}, which is in none of its groups")
            parameter = by_number[number]
            loaded[parameter] = {key: self._fitted(number, key, value, parameter) for key, value in values.items()}
        self.state = loaded
        for group, saved in zip(self.param_groups, groups):
            group.update({key: copy.deepcopy(value) for key, value in saved.items() if key != "params"})

    def _fitted(self, number: Any, key: str, value: Any, parameter: Tensor) -> Any:
        if not hasattr(value, "__array__"):
            return copy.deepcopy(value)
        tensor = tensor_of(value).detach()
        if key == "step":
            return tensor.clone()  # counted on the host, in its own dtype
        if key in self.buffers and tensor.shape != parameter.shape:
            raise ValueError(f"{key} of parameter {number} has shape {tensor.shape}, the parameter {parameter.shape}")
        return tensor.to(device=parameter.device, dtype=parameter.dtype, copy=True)

    def __repr__(self) -> str:
        lines = [type(self).__name__ + " ("]
        for number, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {number}")
            lines += [f"    {key}: {value}" for key, value in sorted(group.items()) if key != "params"]
            lines.append("")
        return "\n".join([*lines[:-1], ")"])


def kept(state: State, key: str, parameter: Tensor) -> Array:
    """The array of the parameter's shape that the state holds under a key: zeros at first.

    If the parameter was cast or moved since, as Module.to does, the array goes along.
    """
    p = parameter.array
    tensor = state.get(key)
    if tensor is None:
        tensor = state[key] = wrap(xp_of(p).zeros_like(p), None)
    elif tensor.array.dtype is not p.dtype or device_of(tensor.array) is not device_of(p):
        tensor = state[key] = tensor.to(device=parameter.device, dtype=p.dtype)
    return tensor.array


def require_nonnegative(name: str, group: Group, *settings: str) -> None:
    """Raise ValueError if one of the settings is negative or nan."""
    for setting in settings:
        if not group[setting] >= 0:
            raise ValueError(f"{name}: {setting} must be >= 0, got {group[setting]}")
