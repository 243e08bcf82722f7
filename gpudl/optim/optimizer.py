"""Optimizer: parameter groups with their settings, and a state for each parameter."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from gpudl.autograd.grad_mode import enable_grad, no_grad
from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import quiet

Group = dict[str, Any]


class Optimizer:
    """Base of optimizers. A subclass gives `update(parameter, gradient, state, group)`.

    Attributes:
        param_groups: dicts of "params", a list of Tensors, and the settings that hold for them.
        state: parameter -> dict of what the optimizer remembers of it.
        defaults: settings that a group which does not give them gets.
    """

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        self.state: dict[Tensor, dict[str, Any]] = {}
        self.param_groups: list[Group] = []
        if isinstance(params, Tensor):
            raise TypeError("params must be an iterable of Tensors or dicts, such as model.parameters(), not a Tensor")
        given = list(params)
        if not given:
            raise ValueError("the optimizer got no parameters; was the model built before model.parameters()?")
        for group in given if isinstance(given[0], dict) else [{"params": given}]:
            self.add_param_group(group)

    def add_param_group(self, param_group: Group) -> None:
        """Add parameters with settings of their own; what is not given is as in the constructor.

        Raises: ValueError for a parameter that stands in a group already, is no leaf, or for a bad setting.
        """
        params = param_group["params"]
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

    def update(self, parameter: Tensor, gradient: Any, state: dict[str, Any], group: Group) -> None:
        """Change the parameter's array in place, given the gradient's array; given by the subclass."""
        raise NotImplementedError(f"{type(self).__name__} has no update method")

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient.

        Args:
            closure: computes the loss again and calls backward; its result is returned.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        with no_grad(), quiet():
            for group in self.param_groups:
                for parameter in group["params"]:
                    gradient = parameter._grad
                    if gradient is not None:
                        self.update(parameter, gradient.array, self.state.setdefault(parameter, {}), group)
                        if parameter._version is not None:
                            parameter._version[0] += 1
        return loss

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop the gradients, or fill them with 0."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if set_to_none:
                    parameter._grad = None
                elif parameter._grad is not None:
                    parameter._grad = parameter._grad.detach().zero_()

    def state_dict(self) -> dict[str, Any]:
        """The state and settings, parameters replaced by their number, counted through all groups."""
        numbers = {p: i for i, p in enumerate(p for group in self.param_groups for p in group["params"])}
        groups = [{**group, "params": [numbers[p] for p in group["params"]]} for group in self.param_groups]
        return {"state": {numbers[p]: dict(values) for p, values in self.state.items()}, "param_groups": groups}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the state and settings of an optimizer with groups of the same sizes.

        Tensors of the state are copied, and cast and moved to their parameter.

        Raises: ValueError if the groups differ.
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
        self.state = {
            by_number[number]: {key: _fitted(key, value, by_number[number]) for key, value in values.items()}
            for number, values in state_dict["state"].items()
        }
        for group, saved in zip(self.param_groups, groups):
            group.update({key: value for key, value in saved.items() if key != "params"})

    def __repr__(self) -> str:
        lines = [type(self).__name__ + " ("]
        for number, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {number}")
            lines += [f"    {key}: {value}" for key, value in sorted(group.items()) if key != "params"]
        return "\n".join([*lines, ")"])


def _fitted(key: str, value: Any, parameter: Tensor) -> Any:
    if not isinstance(value, Tensor):
        return value
    if key == "step":
        return value.clone()
    return value.to(device=parameter.device, dtype=parameter.dtype, copy=True)


def require_nonnegative(name: str, group: Group, *settings: str) -> None:
    """Raise ValueError if one of the settings is negative or nan."""
    for setting in settings:
        if not group[setting] >= 0:
            raise ValueError(f"{name}: {setting} must be >= 0, got {group[setting]}")
