"""Forward and backward of a model, split at its layers."""

from __future__ import annotations

import contextlib
import functools
from collections import Counter
from collections.abc import Callable, Iterator
from statistics import median
from time import perf_counter
from typing import Any

from gpudl.autograd.functional import backward
from gpudl.autograd.node import Node, Pick
from gpudl.autograd.tensor import Tensor, node_of
from gpudl.nn.module import Module
from gpudl.nn.mult_adds import tensors_in
from gpudl.ops.create import ones_like
from gpudl.train.layer_table import LayerTime


def roots_of(result: Any) -> tuple[list[Tensor], list[Tensor]]:
    """The Tensors of a result that have a gradient, and gradients of 1 for them."""
    found = [each for each in tensors_in(result) if each.requires_grad]
    return found, [ones_like(each) for each in found]


class Row:
    """What is known of a layer, and of a round that is under way."""

    def __init__(self, path: str, module: Any) -> None:
        self.path, self.module = path, module
        self.shape: list[int] | None = None
        self.is_container = self.reached = False
        self.calls: Counter[int] = Counter()
        self.seconds = [0.0, 0.0]  # forward, backward
        self.rounds: list[tuple[float, float]] = []


class Layers:
    """Splits forward and backward into layers."""

    def __init__(self, model: Module, loss: Any, depth: int | None, wait: Callable[[], None]) -> None:
        self.model, self.loss, self.wait, self.depth = model, loss, wait, depth
        self.paths = {module: name for name, module in model.named_modules()}
        self.modules = {name: module for module, name in self.paths.items()}
        self.rows: dict[str, Row] = {}
        self.loss_row = Row("loss", loss)
        self._open: list[Row] = []
        self._owners: dict[Node, Row | None] = {}
        self._since = 0.0
        self._under_way: Row | None = None

    def measure(self, inputs: tuple[Any, ...], targets: tuple[Any, ...]) -> None:
        """A round."""
        for row in (*self.rows.values(), self.loss_row):
            row.calls.clear()
        with self._hooks():
            output = self.model(*inputs)
        result = output
        if self.loss is not None:
            self._enter(self.loss_row, output, None)
            result = self.loss(output, *targets)
            self._leave(self.loss_row, result, None)
        roots = roots_of(result)
        if roots[0]:
            self._backward(roots)
        self._owners.clear()
        for row in (*self.rows.values(), self.loss_row):
            row.rounds.append((row.seconds[0], row.seconds[1]))
            row.seconds = [0.0, 0.0]

    def found(self, skip: int) -> Iterator[LayerTime]:
        """The rows, of all rounds but the first."""
        counted: set[int] = set()
        for row in (*self.rows.values(), *([self.loss_row] if self.loss is not None else [])):
            rounds = [(0.0, 0.0)] * (len(self.loss_row.rounds) - len(row.rounds)) + row.rounds
            own = {id(each): each.numel() for each in self._own_parameters(row)}
            parameters = sum(count for key, count in own.items() if key not in counted)
            counted.update(own)
            module = row.module
            yield LayerTime(
                path=row.path,
                type=module._get_name() if isinstance(module, Module) else getattr(module, "__name__", str(module)),
                calls=max(row.calls.values(), default=0),
                is_container=row.is_container,
                output_shape=None if row.shape is None else tuple(row.shape),
                parameters=parameters,
                forward=1e3 * median(forward for forward, _ in rounds[skip:]),
                backward=1e3 * median(backward for _, backward in rounds[skip:]) if row.reached else None,
            )

    def _own_parameters(self, row: Row) -> list[Tensor]:
        """Those that no row inside of this one has."""
        if not isinstance(row.module, Module):
            return []
        within = set(row.module.modules())
        inside = [other.module for other in self.rows.values() if other is not row and other.module in within]
        theirs = {id(each) for module in inside for each in module.parameters()}
        return [each for each in row.module.parameters() if id(each) not in theirs]

    def _row(self, module: Module) -> Row:
        parts = self.paths[module].split(".")
        path = self.paths[module] if self.depth is None else ".".join(parts[: self.depth])
        if path not in self.rows:
            self.rows[path] = Row(path, self.modules[path])
        return self.rows[path]

    @contextlib.contextmanager
    def _hooks(self) -> Iterator[None]:
        handles = []
        try:
            for module in self.paths:
                handles += [
                    module.register_forward_pre_hook(self._before, with_kwargs=True),
                    module.register_forward_hook(self._after, with_kwargs=True),
                ]
            yield
        finally:
            self._open.clear()
            for handle in handles:
                handle.remove()

    def _before(self, module: Module, args: Any, kwargs: Any) -> None:
        self._enter(self._row(module), (args, kwargs), module)

    def _after(self, module: Module, args: Any, kwargs: Any, output: Any) -> None:
        self._leave(self._row(module), output, module)

    def _enter(self, row: Row, given: Any, module: Module | None) -> None:
        outer = self._split()
        self._claim(given, outer)
        if outer is not row:
            row.calls[id(module)] += 1
            if outer is not None:
                outer.is_container = True
        self._open.append(row)
        self._since = perf_counter()

    def _leave(self, row: Row, output: Any, module: Module | None) -> None:
        self._split()
        self._claim(output, row)
        self._open.pop()
        if not self._open or self._open[-1] is not row:
            first = next(tensors_in(output), None)
            row.shape = None if first is None else list(first.shape)
        self._since = perf_counter()

    def _split(self) -> Row | None:
        """Charge the time since the last boundary to the innermost module that is under way, which is returned."""
        self.wait()
        now = perf_counter()
        if not self._open:
            return None
        self._open[-1].seconds[0] += now - self._since
        return self._open[-1]

    def _claim(self, value: Any, row: Row | None) -> None:
        """All nodes that lead to a value, and are nobody's yet, were made in this row."""
        stack: list[Node | None] = [node_of(tensor) for tensor in tensors_in(value)]
        while stack:
            node = stack.pop()
            if node is not None and node not in self._owners:
                self._owners[node] = row
                stack += node.edges

    def _backward(self, roots: tuple[list[Tensor], list[Tensor]]) -> None:
        several = {node.edges[0] for node in self._owners if type(node) is Pick}  # whose gradients come in a dict
        before = [(node, node.hooks) for node in self._owners if node not in several]
        for node, hooks in before:
            node.hooks = [functools.partial(self._arrived, self._owners[node]), *(hooks or ())]
        self._under_way = None
        try:
            self.wait()
            backward(*roots)
            self._arrived(None)
        finally:
            for node, hooks in before:  # those of leaves stay
                node.hooks = hooks

    def _arrived(self, row: Row | None, gradient: Any = None) -> None:
        if row is self._under_way:
            return  # waiting inside of a layer would only slow it down
        self.wait()
        now = perf_counter()
        if self._under_way is not None:
            self._under_way.seconds[1] += now - self._since
            self._under_way.reached = True
        self._under_way, self._since = row, perf_counter()
