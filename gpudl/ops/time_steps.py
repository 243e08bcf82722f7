"""What the recurrent operations share: the order of the time steps, a stack of layers, one step, and their checks.

Sequences of a batch lie as in PyTorch's PackedSequence: step by step, at each step the sequences that are that long,
the longest first; `counts` says how many there are at each step. A padded batch is the case of equal counts. So a
state is kept for the whole batch, and a step changes its first rows.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor
from gpudl.autograd.widen import apply_widened
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.errors import ShapeError
from gpudl.ops.dropout import dropout as dropped
from gpudl.ops.gemm import product
from gpudl.ops.operands import floating_only, total
from gpudl.ops.shape import cat, stack
from gpudl.ops.split import unbind

__all__: list[str] = []

Counts = tuple[int, ...]
Params = Sequence["Tensor | None"]


def steps(counts: Counts, reverse: bool) -> list[slice]:
    """The rows of each time step, in the order in which a direction computes them."""
    ends = list(itertools.accumulate(counts))
    parts = [slice(end - count, end) for end, count in zip(ends, counts)]
    return parts[::-1] if reverse else parts


def in_time(computed: Iterable[tuple[Array, ...]], reverse: bool) -> Iterator[Array]:
    """Of tuples computed step by step, each place joined to one array in the order of time."""
    for column in zip(*computed):
        yield xp_of(column[0]).concatenate(column[::-1] if reverse else column)


def carried(now: Array, state: Array) -> Array:
    """A state after a step: `now` for the sequences that had the step, as it was for the others."""
    count = now.shape[0]
    return now if count == state.shape[0] else xp_of(now).concatenate((now, state[count:]))


def cut(x: Array, count: int) -> list[Array]:
    """Views of `count` equal parts of the columns."""
    width = x.shape[1] // count
    return [x[:, k * width : (k + 1) * width] for k in range(count)]


def entered(x: Array, w_ih: Array, *biases: Array | None) -> Array:
    """x w_ih^T and the biases, for all time steps in one product."""
    u = product(x, w_ih.T)
    given = [b for b in biases if b is not None]
    if given:
        u += sum(given[1:], start=given[0])
    return u


def gradients_of_products(
    edges: Sequence[Any], du: Array, dm: Array, x: Array, w_ih: Array, before_h: Array
) -> tuple[Any, ...]:
    """dx, dw_ih, dw_hh, db_ih and db_hh, for all time steps in one product each; None where none is wanted.

    Args:
        edges: what is wanted, of x, w_ih, w_hh, b_ih, b_hh.
        du, dm: the gradients of x w_ih^T + b_ih and of before_h w_hh^T + b_hh, perhaps one array.
        before_h: of each row the state before its step.
    """
    for_x, for_w_ih, for_w_hh, for_b_ih, for_b_hh = edges
    db_ih = total(du, 0) if for_b_ih else None
    return (
        product(du, w_ih) if for_x else None,
        product(du.T, x) if for_w_ih else None,
        product(dm.T, before_h) if for_w_hh else None,
        db_ih,
        None if not for_b_hh else db_ih if dm is du and for_b_ih else total(dm, 0),
    )


class Layout(NamedTuple):
    """How layers are stacked: the last arguments of PyTorch's torch.lstm and its kin."""

    has_biases: bool
    num_layers: int
    dropout: float
    train: bool
    bidirectional: bool
    batch_first: bool
    batch_sizes: Sequence[int] | None


class Cell(NamedTuple):
    """A recurrence: its name, its Primitive, how many gates and states it has, and what follows the parameters."""

    name: str
    primitive: type[Primitive]
    gates: int
    states: int = 1
    settings: tuple[Any, ...] = ()


def run_layers(
    cell: Cell, input: Tensor, states: Sequence[Tensor], params: Params, layout: Layout
) -> tuple[Tensor, ...]:
    """The output of a stack of layers and the last states of all layers and directions.

    Raises: ShapeError for shapes that do not fit, RuntimeError for dtypes that differ.
    """
    x, counts, batch = _rows(cell.name, input, layout)
    directions = 2 if layout.bidirectional else 1
    runs = layout.num_layers * directions
    each = 4 if layout.has_biases else 2
    projected = cell.states == 2 and len(params) == runs * (each + 1)
    if len(params) != runs * (each + projected):
        raise ShapeError(f"{cell.name}: expected {runs * each} parameters, got {len(params)}")
    each += projected
    for state in states:
        if state.ndim != 3 or state.shape[:2] != (runs, batch):
            raise ShapeError(f"{cell.name}: expected a state of shape ({runs}, {batch}, *), got {state.shape}")
    firsts = list(zip(*(unbind(state) for state in states)))
    lasts = []
    for layer in range(layout.num_layers):
        outputs = []
        for run in range(layer * directions, (layer + 1) * directions):
            weights: list[Tensor | None] = list(params[run * each : (run + 1) * each])
            if not layout.has_biases:
                weights[2:2] = (None, None)
            y, *last = _run(cell, x, firsts[run], weights, counts, run % directions == 1)
            outputs.append(y)
            lasts.append(last)
        x = cat(outputs, 1) if layout.bidirectional else outputs[0]
        if layout.train and layer < layout.num_layers - 1:
            x = dropped(x, layout.dropout)
    if layout.batch_sizes is None:
        x = x.reshape((len(counts), batch, x.shape[1]))
        x = x.transpose(0, 1) if layout.batch_first else x
    return (x, *(stack(last) for last in zip(*lasts)))


def run_step(cell: Cell, input: Tensor, states: Sequence[Tensor], weights: Params) -> tuple[Tensor, ...]:
    """The states after one step, for input (batch, features) and states (batch, hidden)."""
    for name, x in (("input", input), *(("state", state) for state in states)):
        if x.ndim != 2:
            raise ShapeError(f"{cell.name}: expected {name} of 2 dimensions, (batch, features), got {x.shape}")
        if x.shape[0] != input.shape[0]:
            raise ShapeError(f"{cell.name}: expected a state of {input.shape[0]} rows, as the input, got {x.shape}")
    return _run(cell, input, states, [*weights], (input.shape[0],), False)[1:]


def _rows(name: str, input: Tensor, layout: Layout) -> tuple[Tensor, Counts, int]:
    """The input as rows in the order of time, how many belong to each step, and to the first."""
    if layout.batch_sizes is not None:
        counts = tuple(map(int, layout.batch_sizes))
        falling = all(left >= right > 0 for left, right in itertools.pairwise((*counts[:1], *counts)))
        if input.ndim != 2 or not counts or not falling or sum(counts) != input.shape[0]:
            raise ShapeError(
                f"{name}: expected packed data of (rows, features) with batch sizes that never grow and sum to "
                f"the rows, got {input.shape} and {counts}"
            )
        return input, counts, counts[0]
    if input.ndim != 3:
        raise ShapeError(f"{name}: expected input of 3 dimensions, got {input.shape}")
    x = input.transpose(0, 1) if layout.batch_first else input
    time, batch, features = x.shape
    if not time:
        raise ShapeError(f"{name}: expected at least 1 time step, got input {input.shape}")
    return x.reshape((time * batch, features)), (batch,) * time, batch


def _run(
    cell: Cell, x: Tensor, states: Sequence[Tensor], weights: list[Tensor | None], counts: Counts, reverse: bool
) -> tuple[Tensor, ...]:
    """One direction of one layer: the output and the last states."""
    _check(cell, x, states, weights)
    if cell.states == 2:
        weights += [None] * (5 - len(weights))  # without a projection
    args = (x, *states, *weights, *cell.settings, counts, reverse)
    # In float32 on every device: rounding a state to half floats at each step would add up.
    half = x.dtype.char in "eE"
    return apply_widened(cell.primitive, args, x.dtype) if half else cell.primitive.apply(*args)  # type: ignore[no-any-return]


def _check(cell: Cell, x: Tensor, states: Sequence[Tensor], weights: Params) -> None:
    """All shapes follow from the features of the input, the width of the last state, and that of the projection."""
    floating_only(cell.name, x)
    if len(states) != cell.states:
        raise ShapeError(f"{cell.name}: expected {cell.states} states, got {len(states)}")
    h, width, features = states[0].shape[1], states[-1].shape[1], x.shape[1]
    rows = cell.gates * width
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")
    for name, weight, shape in zip(names, weights, ((rows, features), (rows, h), (rows,), (rows,), (h, width))):
        if weight is None:
            continue
        if weight.array.shape != shape:
            raise ShapeError(
                f"{cell.name}: expected {name} of shape {shape} for input of {features} features and a state of "
                f"{width}, got {weight.shape}"
            )
        if weight.array.dtype != x.array.dtype:
            raise RuntimeError(f"{cell.name}: the input is {x.dtype} and {name} {weight.dtype}; cast one with to()")
    if len(weights) < 5 and h != width:
        raise ShapeError(f"{cell.name}: expected states of one width, got {h} and {width}")
    for state in states:
        if state.array.dtype != x.array.dtype:
            raise RuntimeError(f"{cell.name}: the input is {x.dtype} and a state {state.dtype}; cast one with to()")
