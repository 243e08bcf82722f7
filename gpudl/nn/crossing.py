"""Backward hooks of modules: gates in the graph, where gradients enter a module's outputs and leave its inputs.

x ──► gate ──► forward ──► gate ──► y
      │ grad_input         │ grad_output
      ◄──── hooks ◄────────┘
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gpudl.autograd.grad_mode import mode
from gpudl.autograd.node import Gradients, Node, Pick
from gpudl.autograd.primitive import as_array
from gpudl.autograd.tensor import Tensor, node_of, wrap
from gpudl.backend.errors import ShapeError
from gpudl.ops.create import zeros

if TYPE_CHECKING:
    from gpudl.nn.module import Module

Hooks = list[Callable[..., Any]]


class _Gate(Node):
    """Hands the gradients of several tensors to a function, all at once, and passes on what it returns.

    Attributes:
        function: of a list of Tensors, None for what got no gradient; returns such a list.
        shapes: of the tensors.
    """

    __slots__ = ("function", "shapes")

    def __init__(self, tensors: list[Tensor], function: Callable[[list[Any]], list[Any]]):
        self.edges = tuple(node_of(tensor) for tensor in tensors)
        self.hooks = None
        self.function = function
        self.shapes = [tensor.shape for tensor in tensors]

    def run(self, gradient: Any, retain: bool) -> tuple[Any, ...]:
        tensors = Gradients({index: wrap(as_array(value), None) for index, value in gradient.items()})
        return tuple(None if value is None else value.array for value in self.run_recorded(tensors, retain))

    def run_recorded(self, gradient: Any, retain: bool) -> tuple[Any, ...]:
        passed = self.function([gradient.get(index) for index in range(len(self.edges))])
        for value, shape in zip(passed, self.shapes):
            if value is not None and value.shape != shape:
                raise ShapeError(f"a backward hook gave a gradient of shape {value.shape}, expected {shape}")
        return tuple(passed)


def _through_gate(values: Any, function: Callable[[list[Any]], list[Any]]) -> tuple[Any, list[int]]:
    """The tuple with its Tensors that require grad behind a gate, and where in it they stand."""
    places = [place for place, value in enumerate(values) if isinstance(value, Tensor) and value.requires_grad]
    if not places or not mode.enabled:
        return values, []
    gate, passed = _Gate([values[place] for place in places], function), list(values)
    for index, place in enumerate(places):
        tensor = values[place]
        passed[place] = wrap(tensor.array.view(), Pick(gate, index), tensor._version)
    return tuple(passed) if type(values) is tuple else type(values)(*passed), places  # else a named tuple


class Crossing:
    """One call of a module that has backward hooks.

    Args:
        module: the module.
        pre_hooks: functions of the module and grad_output.
        hooks: functions of the module, grad_input and grad_output.
    """

    def __init__(self, module: Module, pre_hooks: Hooks, hooks: Hooks) -> None:
        self.module, self.pre_hooks, self.hooks = module, pre_hooks, hooks
        self.grad_output: tuple[Any, ...] | None = None  # between the gates

    def enter(self, args: Any) -> Any:
        """The positional arguments for forward."""
        self.inputs = [(each.shape, each.dtype, each.device) if isinstance(each, Tensor) else None for each in args]
        args, self.input_places = _through_gate(args, self._leave_inputs)
        self.entered = [(args[place], args[place]._version, args[place]._version[0]) for place in self.input_places]
        return args

    def leave(self, result: Any) -> Any:
        """The result for the caller: a Tensor or a tuple with Tensors; backward does not see what is in others.

        Raises: RuntimeError if forward changed an input in place, which the caller's graph would not know of.
        """
        if any(version[0] != before for _, version, before in self.entered):
            raise RuntimeError(
                "forward changed an input in place, which backward hooks do not allow; set inplace=False or clone() it"
            )
        results = result if isinstance(result, tuple) else (result,)
        self.outputs = len(results)
        results, self.output_places = _through_gate(results, self._enter_outputs)
        return results if isinstance(result, tuple) else results[0]

    def _enter_outputs(self, gradients: list[Any]) -> list[Any]:
        grad_output = _spread(gradients, self.output_places, self.outputs)
        for hook in self.pre_hooks:
            changed = hook(self.module, grad_output)
            if changed is not None:
                grad_output = _as_many(changed, grad_output, "grad_output")
        if self.input_places:
            self.grad_output = grad_output
        else:
            nothing = (None,) * len(self.inputs)
            for hook in self.hooks:
                changed = hook(self.module, nothing, grad_output)
                if changed is not None and any(value is not None for value in changed):
                    raise RuntimeError("a backward hook can give no gradients where no input requires grad")
        return [grad_output[place] for place in self.output_places]

    def _leave_inputs(self, gradients: list[Any]) -> list[Any]:
        if self.grad_output is None:  # not come through the outputs, as in a second derivative
            return gradients
        # Hooks get zeros where a Tensor has no gradient, as in PyTorch; unless they change them nothing is passed on.
        made = _spread(gradients, self.input_places, len(self.inputs))
        made = tuple(
            zeros(*like[0], dtype=like[1], device=like[2]) if each is None and like else each
            for each, like in zip(made, self.inputs)
        )
        grad_input = made
        for hook in self.hooks:
            changed = hook(self.module, grad_input, self.grad_output)
            if changed is not None:
                grad_input = _as_many(changed, grad_input, "grad_input")
        self.grad_output = None
        return [
            None if before is None and grad_input[place] is made[place] else grad_input[place]
            for before, place in zip(gradients, self.input_places)
        ]


def _spread(gradients: list[Any], places: list[int], count: int) -> tuple[Any, ...]:
    found = dict(zip(places, gradients))
    return tuple(found.get(place) for place in range(count))


def _as_many(changed: Any, before: tuple[Any, ...], name: str) -> tuple[Any, ...]:
    """What a hook returned, a lone Tensor as a tuple of it. Raises: RuntimeError if it is not as long as before."""
    after = (changed,) if isinstance(changed, Tensor) else tuple(changed)
    if len(after) != len(before):
        raise RuntimeError(f"a backward hook returned {len(after)} gradients for {name}, expected {len(before)}")
    return after
