"""How long each layer of a model takes, forward and backward, as `caffe time` prints it.

Forward is split at the calls of modules, by hooks before and after each. Backward is split in the graph: each node that
forward recorded belongs to the module in which it was made, and says when its gradient has arrived. So a layer is
charged for its own work alone, a container for what it computes between the layers in it, and no module has to be one
that full backward hooks can stand (in-place activations, outputs in dicts).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from statistics import median
from time import perf_counter
from typing import Any

from gpudl.autograd.functional import backward
from gpudl.autograd.tensor import Leaf, Tensor, node_of
from gpudl.backend.device import CPU, Device, synchronize
from gpudl.nn.module import Module
from gpudl.nn.mult_adds import tensors_in
from gpudl.nn.parameter import clear_grads
from gpudl.nn.summary import _called, _unchanged
from gpudl.nn.uninitialized import is_lazy
from gpudl.train.layer_split import Layers, roots_of
from gpudl.train.layer_table import LayerTime, LayerTimes, processor_threads

__all__ = ["LayerTime", "LayerTimes", "layer_times"]


def layer_times(
    model: Module,
    *inputs: Any,
    loss: Callable[..., Tensor] | None = None,
    target: Any = None,
    repeats: int = 20,
    warmup: int = 3,
    depth: int | None = None,
) -> LayerTimes:
    """Measure forward and backward of each layer, and of the whole model undisturbed.

    In every round the model runs three times: forward and backward, with the device waited for between them; both with
    no waiting between; and split into layers, where the device is waited for at each boundary. The figures are medians
    of the rounds. What the measuring costs is the sum of the layers less the whole; layers that are computed together
    where nobody looks (a Linear and its ReLU) are computed apart in the sum.

    The model runs as it is, in training mode or not; under no_grad only forward is measured. Afterwards its training
    mode, buffers, gradients and the random numbers that come next are as they were, but lazy layers know their shapes.

    Args:
        model: on any device.
        inputs: its arguments, on that device: Tensors, or tuples, lists and dicts of them.
        loss: a function or module of the output and the target; the last row. Without it backward begins at the
            outputs, with gradients of 1.
        target: its second argument; None for a loss of the output alone.
        repeats: rounds that count, 1 or more.
        warmup: rounds before those.
        depth: modules further inside than this are summed into the one that holds them; None for all on their own.
    Returns: the rows, in the order of the first calls, and the totals; its str is the table.
    Raises: TypeError for a model that is no Module; ValueError for numbers out of range; what the model raises.
    """
    if not isinstance(model, Module):
        raise TypeError(f"layer_times: expected a Module, got {type(model).__name__}")
    for name, value, least in (("repeats", repeats, 1), ("warmup", warmup, 0), ("depth", depth, 0)):
        if value is not None and value < least:
            raise ValueError(f"layer_times: {name} must be {least} or more, got {value}")
    inputs, target = _detached(inputs), _detached(target)
    if any(is_lazy(each) for each in (*model.parameters(), *model.buffers())):
        _called(model, inputs, {}, "eval")  # which gives lazy layers their shapes
    modules = [each for each in (model, loss) if isinstance(each, Module)]
    parameters = [each for module in modules for each in module.parameters()]
    buffers = [each for module in modules for each in module.buffers()]
    tensors = {id(each): each for each in (*parameters, *buffers, *tensors_in((inputs, target)))}
    devices = list(dict.fromkeys(each.device for each in tensors.values())) or [CPU]
    step = _Step(model, inputs, loss, target, devices, list(tensors.values()))
    layers = Layers(model, loss, depth, step.wait)
    two, once = [], []
    with contextlib.ExitStack() as kept:
        for module in modules:
            kept.enter_context(_unchanged(module))
        kept.enter_context(_gradients_kept(step.leaves))
        for _ in range(warmup + repeats):
            two.append(step.in_two())
            once.append(step.at_once())
            step.prepare()
            layers.measure(step.inputs, step.targets)
    rows = tuple(layers.found(warmup))
    has_backward = any(row.backward is not None for row in rows)
    first = next(tensors_in(inputs), None)
    return LayerTimes(
        layers=rows,
        forward=1e3 * median(forward for forward, _ in two[warmup:]),
        backward=1e3 * median(backward for _, backward in two[warmup:]) if has_backward else None,
        step=1e3 * median(once[warmup:]),
        device=", ".join(map(str, devices)),
        threads=processor_threads(),
        repeats=repeats,
        batch=first.shape[0] if first is not None and first.ndim else None,
        training=model.training,
    )


class _Step:
    """Forward and backward of a model, which the whole is measured by."""

    def __init__(
        self, model: Module, inputs: Any, loss: Any, target: Any, devices: list[Device], leaves: list[Tensor]
    ) -> None:
        self.model, self.inputs, self.devices, self.leaves = model, inputs, devices, leaves
        self.targets = () if target is None else (target,)
        self.loss = loss

    def wait(self) -> None:
        """Until the devices have done all they were given."""
        for device in self.devices:
            synchronize(device)

    def prepare(self) -> None:
        """Drop the gradients, as a training step does before it."""
        clear_grads(self.leaves, set_to_none=True)
        self.wait()

    def forward(self) -> Any:
        """What backward begins at."""
        output = self.model(*self.inputs)
        return output if self.loss is None else self.loss(output, *self.targets)

    def in_two(self) -> tuple[float, float]:
        """Seconds of forward and of backward."""
        self.prepare()
        start = perf_counter()
        result = self.forward()
        self.wait()
        between = perf_counter()
        roots = roots_of(result)
        self.wait()
        again = perf_counter()
        if roots[0]:
            backward(*roots)
        self.wait()
        return between - start, perf_counter() - again

    def at_once(self) -> float:
        """Seconds of both, with no waiting between them."""
        self.prepare()
        start = perf_counter()
        roots = roots_of(self.forward())
        if roots[0]:
            backward(*roots)
        self.wait()
        return perf_counter() - start


def _detached(value: Any) -> Any:
    """The same without history, so that backward ends here."""
    if isinstance(value, Tensor):
        return value.detach().requires_grad_(value.requires_grad)
    if type(value) is dict:
        return {name: _detached(each) for name, each in value.items()}
    return type(value)(map(_detached, value)) if type(value) in (list, tuple) else value


@contextlib.contextmanager
def _gradients_kept(tensors: Iterable[Tensor]) -> Iterator[None]:
    """Afterwards the gradients are what they were; inside nobody is told of new ones."""
    # A gradient that is held here is not overwritten, even where an optimizer gave it its memory.
    kept = [(tensor, tensor.grad, node, node.after) for tensor in tensors if isinstance(node := node_of(tensor), Leaf)]
    for _, _, node, _ in kept:
        node.after = None
    try:
        yield
    finally:
        for tensor, gradient, node, after in kept:
            tensor.grad, node.after = gradient, after
