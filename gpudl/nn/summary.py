"""What a model consists of: its layers with their shapes, parameters and multiply-adds, as torchinfo shows them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from gpudl.autograd.grad_mode import no_grad
from gpudl.autograd.tensor import Tensor
from gpudl.backend.device import CPU, Device
from gpudl.nn.module import Module
from gpudl.nn.mult_adds import mult_adds, tensors_in
from gpudl.nn.summary_table import COLUMNS, OF_FORWARD, LayerInfo, Layout, ModelStatistics
from gpudl.nn.uninitialized import is_lazy
from gpudl.ops.create import as_tensor
from gpudl.random.seed import numbering, renumber

__all__ = ["summary"]

_MODES = ("eval", "train", "same")


def summary(
    model: Module,
    input_shape: Any = None,
    *,
    input_size: Any = None,
    input_data: Any = None,
    batch_dim: int | None = None,
    dtypes: Sequence[Any] | None = None,
    depth: int = 3,
    col_names: Sequence[str] | None = None,
    col_width: int = 25,
    row_settings: Sequence[str] = ("depth",),
    mode: str = "eval",
    verbose: int = 1,
    **kwargs: Any,
) -> ModelStatistics:
    """The layers of a model, by one forward without a graph.

    The model stays as it is: its training mode, buffers (such as running statistics) and hooks, and the random numbers
    that come next; but that a lazy layer learns its shape.

    Args:
        input_shape: of one sample, (channels, rows, columns); the batch is 1. A list of shapes for several inputs.
        input_size: of a batch, (count, channels, rows, columns); or a list of such.
        input_data: in place of shapes, a Tensor or array, a list or tuple of the arguments, or a dict of them by name.
            Without any of the three there are parameters only.
        batch_dim: the place where input_size gets one more dimension, of length 1.
        dtypes: of the inputs, one for each shape; default float32. Integers are 0.
        depth: how deep the rows go.
        col_names: of "input_size", "output_size", "num_params", "params_percent", "kernel_size", "mult_adds",
            "trainable"; by default the first three and "mult_adds".
        col_width: characters of a column.
        row_settings: of "depth" (depth and number in the layers' names), "var_names" and "ascii_only".
        mode: "eval", "train" or "same", as the model is; as it was before afterwards.
        verbose: 0: silent; 1: print the table on stdout; 2: with a row for each parameter.
        kwargs: more arguments of the model's forward.
    Returns: the numbers (total_params, trainable_params, total_mult_adds, summary_list, ...), whose str is the table.
    Raises: ValueError for arguments that cannot be, TypeError for shapes that are none; what the model raises.
    """
    given = [each for each in (input_shape, input_size, input_data) if each is not None]
    if len(given) > 1:
        raise ValueError("summary: give one of input_shape, input_size and input_data")
    if col_names is None:
        col_names = ("input_size", "output_size", "num_params", "mult_adds") if given else ("num_params",)
    _check(col_names, row_settings, mode, verbose, depth, col_width)
    if not given and (needing := [name for name in col_names if name in OF_FORWARD]):
        raise ValueError(f"summary: columns {', '.join(needing)} need input_shape, input_size or input_data")
    args: tuple[Any, ...] = ()
    if input_data is not None:
        args, more = _arguments(input_data)
        kwargs = {**more, **kwargs}
    elif given:
        args = _samples(given[0], 0 if input_shape is not None else batch_dim, dtypes)
    device = next((each.device for each in (*model.parameters(), *model.buffers()) if not is_lazy(each)), CPU)
    args, kwargs = _moved(args, device), _moved(kwargs, device)
    rows = _called(model, args, kwargs, mode) if given else _listed(model, None, "", set())
    size = sum(each.numel() * each.itemsize for each in tensors_in((args, kwargs)))
    layout = Layout(tuple(col_names), col_width, depth, frozenset(row_settings), verbose)
    result = ModelStatistics(model, rows, size, bool(given), layout)
    if verbose:
        print(result)
    return result


class _Recorder:
    """Makes a row of each call of a module, below that of the module that calls it."""

    def __init__(self, model: Module) -> None:
        self.model = model
        self.rows: list[LayerInfo] = []
        self._open: list[LayerInfo] = []
        self._seen: set[int] = set()

    def before(self, module: Module, args: Any, kwargs: Any) -> None:
        parent = self._open[-1] if self._open else None
        path = _path(parent.module, module) if parent else [(type(module).__name__, module)]
        for name, each in path[:-1]:  # containers, which nobody calls
            assert parent is not None
            last = parent.children[-1] if parent.children else None
            parent = last if last is not None and last.module is each else self._row(name, each, parent)
        self._open.append(self._row(*path[-1], parent))

    def after(self, module: Module, args: Any, kwargs: Any, output: Any) -> None:
        info = self._open.pop()
        info.called(args, kwargs, output, mult_adds(module, args, kwargs, output))

    def _row(self, name: str, module: Module, parent: LayerInfo | None) -> LayerInfo:
        info = LayerInfo(name, module, parent, _seen_before(module, self._seen))
        self.rows.append(info)
        return info


def _seen_before(module: Module, seen: set[int]) -> bool:
    """Whether it is among those seen before; from now on it is."""
    known = id(module) in seen
    seen.add(id(module))
    return known


def _path(outer: Module, inner: Module) -> list[tuple[str, Module]]:
    """Names and modules from one module, itself left out, to another inside of it; only the other if it is not."""
    paths: list[list[tuple[str, Module]]] = [[]]
    known = {id(outer)}
    for path in paths:  # grows: breadth first
        for name, child in (path[-1][1] if path else outer)._modules.items():
            if child is inner:
                return [*path, (name, child)]
            if child is not None and id(child) not in known:
                known.add(id(child))
                paths.append([*path, (name, child)])
    return [(type(inner).__name__, inner)]


def _called(model: Module, args: tuple[Any, ...], kwargs: dict[str, Any], mode: str) -> list[LayerInfo]:
    """The rows of a forward."""
    if mode != "eval" and any(is_lazy(buffer) for buffer in model.buffers()):
        _called(model, args, kwargs, "eval")  # makes the buffers, which are then kept as they are
    recorder = _Recorder(model)
    handles = []
    with _unchanged(model), no_grad():
        if mode != "same":
            model.train(mode == "train")
        try:
            for module in model.modules():
                handles.append(module.register_forward_pre_hook(recorder.before, with_kwargs=True))
                handles.append(module.register_forward_hook(recorder.after, with_kwargs=True))
            model(*args, **kwargs)
        finally:
            for handle in handles:
                handle.remove()
    return recorder.rows


def _listed(module: Module, parent: LayerInfo | None, name: str, seen: set[int]) -> list[LayerInfo]:
    """The rows of all modules, without a forward."""
    rows = [LayerInfo(name or type(module).__name__, module, parent, _seen_before(module, seen))]
    for key, child in module._modules.items():
        if child is not None and not rows[0].is_recursive:
            rows += _listed(child, rows[0], key, seen)
    return rows


@contextlib.contextmanager
def _unchanged(model: Module) -> Iterator[None]:
    """Afterwards training modes, buffers and the numbering of random streams are what they were."""
    modes = [(module, module.training) for module in model.modules()]
    buffers = [
        (module._buffers, name, buffer, buffer.detach().clone())
        for module in model.modules()
        for name, buffer in module._buffers.items()
        if buffer is not None and not is_lazy(buffer)
    ]
    made = numbering()
    try:
        yield
    finally:
        renumber(made)
        for module, training in modes:
            module.training = training
        with no_grad():
            for table, name, buffer, values in buffers:
                buffer.copy_(values)
                table[name] = buffer


def _check(
    col_names: Sequence[str], row_settings: Sequence[str], mode: str, verbose: int, depth: int, col_width: int
) -> None:
    for what, values, known in (
        ("col_names", col_names, COLUMNS), ("row_settings", row_settings, ("depth", "var_names", "ascii_only")),
        ("mode", [mode], _MODES), ("verbose", [verbose], (0, 1, 2)),
    ):  # fmt: skip
        for value in values:
            if value not in known:
                raise ValueError(f"summary: {what}: expected {', '.join(map(str, known))}, got {value!r}")
    if depth < 0 or col_width < 1:
        raise ValueError(f"summary: depth must be at least 0 and col_width 1, got {depth} and {col_width}")


def _arguments(data: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of forward."""
    if isinstance(data, Mapping):
        return (), dict(data)
    return (tuple(data), {}) if type(data) in (list, tuple) else ((data,), {})


def _samples(shapes: Any, batch_dim: int | None, dtypes: Sequence[Any] | None) -> tuple[Tensor, ...]:
    """Inputs of these shapes; drawn in [0, 1), but not from the random numbers of the program."""
    several = isinstance(shapes, (list, tuple)) and any(isinstance(shape, (list, tuple)) for shape in shapes)
    draw, made = np.random.default_rng(0), []
    wanted = list(shapes) if several else [shapes]
    if dtypes is not None and len(dtypes) != len(wanted):
        raise ValueError(f"summary: {len(wanted)} inputs, but {len(dtypes)} dtypes")
    for place, shape in enumerate(wanted):
        shape = (shape,) if isinstance(shape, int) else shape
        if not isinstance(shape, (list, tuple)) or not all(isinstance(n, int) and n >= 0 for n in shape):
            raise TypeError(f"summary: expected shapes such as (3, 32, 32), or a list of them, got {shapes!r}")
        lengths = list(shape)
        if batch_dim is not None:
            lengths.insert(batch_dim if batch_dim >= 0 else len(lengths) + 1 + batch_dim, 1)
        made.append(as_tensor(draw.random(lengths)).to("float32" if dtypes is None else dtypes[place]))
    return tuple(made)


def _moved(value: Any, device: Device) -> Any:
    """Tensors and arrays in nested tuples, lists and dicts on a device."""
    if isinstance(value, (Tensor, np.ndarray)):
        return as_tensor(value).to(device)
    if isinstance(value, Mapping):
        return {name: _moved(each, device) for name, each in value.items()}
    return type(value)(_moved(each, device) for each in value) if type(value) in (list, tuple) else value
