"""Optimizer: parameter groups with their settings, and a state for each parameter."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np

from gpudl.autograd.grad_mode import enable_grad, no_grad
from gpudl.autograd.tensor import Tensor, wrap
from gpudl.backend.arrays import Array, quiet
from gpudl.backend.device import backend_of, device_of
from gpudl.nn.parameter import clear_grads
from gpudl.nn.state_dict import tensor_of

__all__ = ["Optimizer"]

Group = dict[str, Any]
State = dict[str, Any]


class Scalar(NamedTuple):
    """A buffer that is one number for each parameter: a 0-d float32 array on the host, as `step` is."""

    value: float = 0.0


class Block(NamedTuple):
    """A buffer with a shape of its own, of the parameter's dtype and device; not for elementwise optimizers."""

    shape: tuple[int, ...]
    value: float = 0.0


class Optimizer:
    """Base of optimizers. A subclass gives `check`, `buffers` and `update`:

        class Momentum(Optimizer):
            def __init__(self, params, lr=0.1, momentum=0.9, maximize=False):
                super().__init__(params, {"lr": lr, "momentum": momentum, "maximize": maximize})

            def check(self, group):
                require_nonnegative("Momentum", group, "lr", "momentum")

            def buffers(self, group, shape):
                return {"velocity": 0.0}

            def update(self, p, dp, state, step, group):
                m = state["velocity"]
                m *= group["momentum"]
                m += dp
                p -= float(group["lr"]) * m

    The base does the rest: it finds which parameters have gradients, counts steps, makes the state, keeps it with the
    parameter's dtype and device, saves and loads it, negates gradients where a setting `maximize` is true, runs hooks
    and closures, and raises the versions that tell older graphs of the change.

    Attributes:
        param_groups: dicts of "params", a list of Tensors, and the settings that hold for them.
        state: parameter -> dict of what the optimizer remembers of it, Tensors by PyTorch's names.
        defaults: settings that a group which does not give them gets.
        elementwise: True where each element is updated from its own gradient and state alone, so that `update` may be
            given a flat run of several parameters at once. False: one parameter at a time, in its shape.
        counts: True where the state has PyTorch's `step`, a 0-d float32 tensor on the host.
        eager: True where the state is there from construction on, as Adagrad's; else it is made at the first update.
    """

    elementwise: ClassVar[bool] = True
    counts: ClassVar[bool] = True
    eager: ClassVar[bool] = False
    _opt_called = False  # whether step() ever was; schedules look

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        self.state: defaultdict[Tensor, State] = defaultdict(dict)
        self.param_groups: list[Group] = []
        self._steps: dict[Tensor, int] = {}  # where the state has no `step`
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
        if self.eager:
            for parameter in params:
                self._prepare(parameter, group)

    def check(self, group: Group) -> None:
        """Raise ValueError for a setting that makes no sense; given by the subclass."""

    def buffers(self, group: Group, shape: tuple[int, ...]) -> Mapping[str, float | Scalar | Block]:
        """The state of a parameter beside `step`, in the order of PyTorch's state_dict; given by the subclass.

        What is not there yet, of the parameters that are updated, is made before `update`. So settings may add buffers
        later.

        Args:
            group: the settings, which may decide what is needed.
            shape: the parameter's.
        Returns: name -> what it is at first. A number: an array of the parameter's shape, filled with it. Scalar: one
            number. Block: an array of another shape.
        """
        return {}

    def update(self, p: Array, dp: Array, state: dict[str, Array], step: int, group: Group) -> None:
        """Change p and the state in place; given by the subclass.

        All arrays are bare ones of one device. If the optimizer is elementwise they are one parameter's, in its shape
        or flat, or those of several parameters with equal `step` and Scalars, end to end in a flat run; else one
        parameter's, in their shapes.

        Args:
            p: the parameter, to be changed. float16 and bfloat16 come as they are.
            dp: its gradient, not to be changed; negated already if the group says `maximize`.
            state: name -> array, for each name that `buffers` gives now, and no other. Change them in place
                (`state[name][...] = x`); Scalars are 0-d float32 arrays on the host.
            step: 1 at the first update of the parameter. Without `counts`, 1 whenever one of the buffers is new, and
                more than 1 otherwise.
            group: the settings; lr may be a Tensor, so take float(group["lr"]).
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
                        self._update_one(parameter, gradient.array, group)
        return loss

    def _update_one(self, parameter: Tensor, gradient: Array, group: Group) -> None:
        arrays, step = self._prepare(parameter, group)
        if self.counts:
            self.state[parameter]["step"].array[...] = step
        else:
            self._steps[parameter] = step
        p, gradient = parameter.array, -gradient if group.get("maximize") else gradient
        if not p.ndim:  # NumPy makes scalars of what it computes from 0-d arrays
            p, gradient = p.reshape(1), gradient.reshape(1)
            scalars = [key for key, first in self.buffers(group, ()).items() if isinstance(first, Scalar)]
            arrays = {key: array if key in scalars else array.reshape(1) for key, array in arrays.items()}
        self.update(p, gradient, arrays, step, group)
        if parameter._version is not None:
            parameter._version[0] += 1

    def _prepare(self, parameter: Tensor, group: Group) -> tuple[dict[str, Array], int]:
        """The parameter's state, made or moved to it where needed, and the number of its next step."""
        p = parameter.array
        state = self.state[parameter]
        if self.counts and "step" not in state:
            state["step"] = wrap(np.zeros((), np.float32), None)
        arrays, new = {}, False
        for key, first in self.buffers(group, p.shape).items():
            tensor = state.get(key)
            if tensor is None:
                new = True
                state[key] = tensor = wrap(_first_array(first, p), None)
            elif not isinstance(first, Scalar) and (
                tensor.array.dtype is not p.dtype or device_of(tensor.array) is not device_of(p)
            ):
                state[key] = tensor = tensor.to(device=parameter.device, dtype=p.dtype)
            arrays[key] = tensor.array
        if self.counts:
            return arrays, int(state["step"].array) + 1
        return arrays, 1 if new else self._steps.get(parameter, 1) + 1

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
            number: (parameter, {**group, **saved})
            for group, saved in zip(self.param_groups, groups)
            for number, parameter in zip(saved["params"], group["params"])
        }
        loaded: defaultdict[Tensor, State] = defaultdict(dict)
        for number, values in state_dict["state"].items():
            if number not in by_number:
                raise ValueError(f"the state has values for parameter {number}, which is in none of its groups")
            parameter, group = by_number[number]
            buffers = self.buffers(group, parameter.shape)
            loaded[parameter] = {
                key: _fitted(
                    f"{key} of parameter {number}", value, parameter, buffers.get(key) if key != "step" else STEP
                )
                for key, value in values.items()
            }
        self.state = loaded
        self._steps = {}
        for group, saved in zip(self.param_groups, groups):
            group.update({key: copy.deepcopy(value) for key, value in saved.items() if key != "params"})

    def __repr__(self) -> str:
        lines = [type(self).__name__ + " ("]
        for number, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {number}")
            lines += [f"    {key}: {value}" for key, value in sorted(group.items()) if key != "params"]
            lines.append("")
        return "\n".join([*lines[:-1], ")"])


STEP = Scalar()


def _fitted(name: str, value: Any, parameter: Tensor, buffer: float | Scalar | Block | None) -> Any:
    """A loaded value, copied, and cast and moved to its parameter if it is no Scalar."""
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


def _first_array(first: float | Scalar | Block, p: Array) -> Array:
    """A buffer of the parameter p as it is before the first step."""
    if isinstance(first, Scalar):
        return np.array(first.value, np.float32)
    shape, value = (first.shape, first.value) if isinstance(first, Block) else (p.shape, first)
    return backend_of(p).full(shape, value, p.dtype, device_of(p))


def require_nonnegative(name: str, group: Group, *settings: str) -> None:
    """Raise ValueError if one of the settings is negative or nan."""
    for setting in settings:
        if not group[setting] >= 0:
            raise ValueError(f"{name}: {setting} must be >= 0, got {group[setting]}")


def require_betas(name: str, group: Group) -> None:
    """Raise ValueError unless the betas are two numbers in [0, 1)."""
    betas = group["betas"]
    if len(betas) != 2 or not all(0 <= beta < 1 for beta in betas):
        raise ValueError(f"{name}: betas must be two numbers in [0, 1), got {betas}")


def require_undifferentiable(name: str, differentiable: bool) -> None:
    """Raise ValueError if a step is wanted that autograd records."""
    if differentiable:
        raise ValueError(f"{name}: differentiable=True is not supported; steps are not recorded by autograd")


def decayed(dp: Array, p: Array, weight_decay: float) -> Array:
    """The gradient with weight decay added; dp itself where there is none."""
    if not weight_decay:
        return dp
    g = p * weight_decay
    g += dp
    return g
