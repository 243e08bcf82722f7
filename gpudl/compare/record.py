"""One forward and backward of a model, recorded: its operations with what they were given, and what its layers gave."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from gpudl.autograd.functional import backward
from gpudl.autograd.node import Node
from gpudl.autograd.observe import observing
from gpudl.autograd.tensor import Tensor, node_of
from gpudl.backend.arrays import is_array
from gpudl.backend.device import CPU, Device, transfer
from gpudl.compare.measure import Host
from gpudl.compare.place import Place, place
from gpudl.nn import fused
from gpudl.nn.module import Module
from gpudl.nn.mult_adds import tensors_in
from gpudl.ops.create import ones_like


class Given(NamedTuple):
    """An array among the arguments of an operation.

    Attributes:
        array: a copy of it on the host.
        is_tensor: whether it was a Tensor's.
        wants: whether that had a gradient.
    """

    array: Host
    is_tensor: bool
    wants: bool


Key = tuple[Any, ...]
"""Operation, layer, and arguments, with the shapes and dtypes of arrays."""


@dataclass
class Call:
    """An operation that was called.

    Attributes:
        number: of operations before it.
        operation: its class.
        args: its arguments, with a Given for each array.
        path: the layer that it was called in; "" for the model itself.
        where: the user's line.
        gradients: number of a result -> the gradient that arrived there in backward.
        turn: when its first gradient arrived, counted from 0; None while none has.
    """

    number: int
    operation: type[Node]
    args: tuple[Any, ...]
    path: str
    where: Place | None
    gradients: dict[int, Host] = field(default_factory=dict)
    turn: int | None = None

    @property
    def key(self) -> Key:
        """What calls that are alike have in common."""
        return _key(self.operation, self.path, self.args)


@dataclass
class Layer:
    """What the calls of a layer gave, in their order, and the gradients of that and of its own parameters.

    Attributes:
        type: its class.
        outputs: of all calls.
        gradients: (call and result) or name of a parameter -> gradient.
    """

    type: str
    outputs: list[Host] = field(default_factory=list)
    gradients: dict[Any, Host] = field(default_factory=dict)


def mapped(value: Any, change: Callable[[Any], Any]) -> Any:
    """The same arguments with `change` of each array, Tensor and Given in them, also in tuples and lists.

    Named tuples and other classes stay as they are: they are plans, which operations keep on the host.
    """
    if isinstance(value, (Given, Tensor)) or (is_array(value) and not isinstance(value, np.generic)):
        return change(value)
    return type(value)(mapped(each, change) for each in value) if type(value) in (tuple, list) else value


class Recorder:
    """Runs a model once and records it.

    Args:
        model: on any device.
        loss: a function or module of output and target; None to begin backward at the outputs, with gradients of 1.
        known: keys of calls that need not be recorded again.
    Attributes:
        calls: the operations of forward. layers: by path. gradients: of the parameters that have one, by name.
    """

    def __init__(self, model: Module, loss: Any, known: Collection[Key] = ()) -> None:
        self.model, self.loss, self.known = model, loss, known
        self.calls: list[Call] = []
        self.layers: dict[str, Layer] = {}
        self.gradients: dict[str, Host] = {}
        self._paths = {module: path for path, module in model.named_modules()}
        self._in_loss = False
        self._is_forward = True
        self._turns = 0
        self._copies: dict[tuple[int, int], tuple[Any, Host]] = {}

    def run(self, inputs: tuple[Any, ...], target: Any, operations: bool = True, layers: bool = True) -> None:
        """Forward and backward.

        Args:
            operations, layers: what to record. Layers are looked at by hooks, with which each is computed by itself;
                without them, some neighbors are computed together.
        """
        watch = observing(self._observe) if operations else contextlib.nullcontext()
        for parameter in self.model.parameters():
            parameter.grad = None
        with watch, self._hooks() if layers else contextlib.nullcontext():
            result = self.model(*inputs)
            if self.loss is not None:
                self._in_loss = True
                result = self._with_loss(result, target)
                self._keep("loss", getattr(self.loss, "__name__", type(self.loss).__name__), result)
            self._is_forward = False
            _run_backward(result)
        for path, module in self.model.named_modules():
            for name, parameter in module.named_parameters(recurse=False):
                if parameter.grad is not None and path in self.layers:
                    self.layers[path].gradients[name] = _host(parameter.grad.array)
        self.gradients = {
            name: _host(parameter.grad.array)
            for name, parameter in self.model.named_parameters()
            if parameter.grad is not None
        }
        self._copies.clear()

    def repeat(self, inputs: tuple[Any, ...], target: Any) -> None:
        """The same, with nothing recorded."""
        output = self.model(*inputs)
        _run_backward(output if self.loss is None else self._with_loss(output, target))

    def _with_loss(self, output: Any, target: Any) -> Any:
        return self.loss(output) if target is None else self.loss(output, target)

    @contextlib.contextmanager
    def _hooks(self) -> Iterator[None]:
        handles: list[Any] = []

        def leave(module: Module, args: Any, output: Any) -> None:
            self._keep(self._paths[module], module._get_name(), output)

        try:
            for module in self._paths:
                handles.append(module.register_forward_hook(leave))
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _keep(self, path: str, kind: str, output: Any) -> None:
        """Keep what a layer gave, and the gradients that arrive there."""
        layer = self.layers.setdefault(path, Layer(kind))
        for tensor in tensors_in(output):
            key = len(layer.outputs)
            layer.outputs.append(_host(tensor.array))

            def arrived(gradient: Tensor, key: int = key) -> None:
                layer.gradients[key] = _host(gradient.array)

            _when_gradient_arrives(tensor, arrived)

    def _observe(self, operation: type[Node], args: tuple[Any, ...], run: Callable[[], Any]) -> Any:
        if not self._is_forward or any(isinstance(arg, Device) for arg in args):
            return run()  # a part of an operation's backward, which is looked at as a whole; a copy to a device
        path = "loss" if self._in_loss else self._path()
        if self.known and _key(operation, path, args) in self.known:
            return run()
        given = mapped(args, self._given)  # before it runs: it may write into them
        call = Call(len(self.calls), operation, given, path, place())
        result = run()
        self.calls.append(call)
        for number, each in enumerate(result if isinstance(result, tuple) else (result,)):
            if isinstance(each, Tensor):

                def arrived(gradient: Tensor, number: int = number) -> None:
                    if call.turn is None:
                        call.turn = self._turns
                        self._turns += 1
                    call.gradients[number] = _host(gradient.array)

                _when_gradient_arrives(each, arrived)
        return result

    def _path(self) -> str:
        """The layer whose forward is under way."""
        frame = sys._getframe(1)
        while frame is not None:
            # A layer that is computed together with its neighbor is not called itself.
            name = "layer" if frame.f_code.co_filename == fused.__file__ else "self"
            module = frame.f_locals.get(name)
            if isinstance(module, Module) and module in self._paths:
                return self._paths[module]
            frame = frame.f_back  # type: ignore[assignment]
        return ""

    def _given(self, value: Any) -> Given:
        if not isinstance(value, Tensor):
            return Given(_host(value), False, False)
        # The same tensor is given to several operations: one copy for all, until it is changed.
        version = value._version
        key = id(value.array), -1 if version is None else version[0]
        if version is None or key not in self._copies:
            self._copies[key] = value.array, _host(value.array)
        return Given(self._copies[key][1], True, node_of(value) is not None)


def _key(operation: type[Node], path: str, args: tuple[Any, ...]) -> Key:
    def form(value: Any) -> Any:
        array = value.array if isinstance(value, (Given, Tensor)) else value
        return array.shape, str(array.dtype)

    return operation, path, repr(mapped(args, form))


def _run_backward(result: Any) -> None:
    roots = [each for each in tensors_in(result) if each.requires_grad]
    if roots:
        backward(roots, [ones_like(each) for each in roots])


def _host(array: Any) -> Host:
    """A copy on the host."""
    return np.array(transfer(array, CPU))


def _when_gradient_arrives(tensor: Tensor, told: Callable[[Tensor], None]) -> None:
    node = node_of(tensor)
    if node is not None:
        node.hooks = [*(node.hooks or ()), told]
