"""What outputs and targets of a classifier mean: one label of two, one of several classes, or several labels at once.

Where `task` is not given, the shapes of the first batch say it:

    output                       target                      task
    (count, classes, ...) float  (count, ...) integers       "multiclass"; "binary" if classes is 1
    (count,), (count, 1)         either of these             "binary", unless both are integers
    (count, labels, ...)         the same shape              "multilabel"
    integers                     the same shape, integers    "multiclass" of class numbers; num_classes is needed
    bools                        the same shape              "binary" or "multilabel", as floats
"""

from __future__ import annotations

from typing import NamedTuple

from gpudl.autograd.primitive import check_devices
from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.debug import debugging
from gpudl.backend.device import is_on_host
from gpudl.backend.dtypes import int64
from gpudl.backend.errors import ShapeError
from gpudl.ops.loss_checks import LabelError
from gpudl.ops.operands import widened

TASKS = ("binary", "multiclass", "multilabel")


class Form(NamedTuple):
    """A task, and how many classes or labels it has; 1 for "binary"."""

    task: str
    classes: int


class Arranged(NamedTuple):
    """A batch in rows.

    Attributes:
        scores: Tensor (rows, classes) of "multiclass", else (rows, labels), floating; or None.
        chosen: array of class numbers (rows,), or (rows, labels) of 0 and 1, where the outputs were no scores; or None.
        labels: array (rows,) or (rows, labels) int64, 0 where they do not count.
        counted: array of the labels' shape, bool: neither ignored nor out of range; None if all count.
        wrong: 0-d int64 array: how many numbers are out of range; None where they were looked at.
    """

    scores: Tensor | None
    chosen: Array | None
    labels: Array
    counted: Array | None
    wrong: Array | None


def check_task(name: str, task: str | None, num_classes: int | None, num_labels: int | None) -> None:
    """Raise ValueError for a task, or numbers, that cannot be."""
    if task is not None and task not in TASKS:
        raise ValueError(f"{name}: task must be one of {', '.join(TASKS)}, or None to see it from shapes, got {task!r}")
    for what, number, least in (("num_classes", num_classes, 2), ("num_labels", num_labels, 1)):
        if number is not None and (isinstance(number, bool) or not isinstance(number, int) or number < least):
            raise ValueError(f"{name}: {what} must be an integer >= {least}, got {number!r}")


def form_of(
    name: str,
    output: Tensor,
    target: Tensor,
    task: str | None,
    num_classes: int | None,
    num_labels: int | None,
    class_dim: int,
) -> Form:
    """The form of a batch; see the head of this file. Raises: ShapeError and TypeError, with the fix."""
    for what, given in (("output", output), ("target", target)):
        if not isinstance(given, Tensor):
            raise TypeError(f"{name}: {what} must be a Tensor, got {type(given).__name__}; make it with gpudl.tensor")
    check_devices(name, (output, target))
    floating = _is_floating(output)
    same = output.shape == target.shape
    if task is None:
        task = _task_of(name, output, target, num_classes, num_labels, class_dim)
    if task == "binary":
        if not same and not _same_but_one(output, target, class_dim):
            fix = 'task "binary" takes outputs of the target\'s shape; of two columns output[:, 1] or task="multiclass"'
            raise _misfit(name, output, target, fix)
        return Form(task, 1)
    if task == "multilabel":
        if not same or output.ndim < 2:
            raise _misfit(name, output, target, 'task "multilabel" takes both as (count, labels, ...)')
        return Form(task, _agreed(name, "num_labels", num_labels, output, class_dim))
    if not floating:
        if not same:
            raise _misfit(name, output, target, "class numbers as outputs need the target's shape")
        if num_classes is None:
            raise ValueError(f"{name}: the outputs are {output.dtype}, class numbers: say num_classes=")
        return Form(task, num_classes)
    if output.ndim < 2 or not (same or _without(output, class_dim) == target.shape):
        raise _misfit(name, output, target, f"scores need their classes at dim {class_dim}, as in (count, classes, "
                      "...), and targets the shape without it; class_dim=-1 if the classes are last")  # fmt: skip
    return Form(task, _agreed(name, "num_classes", num_classes, output, class_dim))


def arrange(
    name: str, form: Form, output: Tensor, target: Tensor, class_dim: int, ignore_index: int | None
) -> Arranged:
    """A batch that has this form, in rows.

    Raises: LabelError on the CPU, and in debug mode, for labels out of range; TypeError for floating class numbers.
    """
    several, floating = form.task != "multiclass", _is_floating(output)
    if form.task == "multilabel":
        output, target = _last(output, class_dim), _last(target, class_dim)
    elif several:
        output, target = output.reshape(-1, 1), target.reshape(-1, 1)
    else:
        if floating and output.shape == target.shape:  # one-hot, or probabilities
            target = _last(target.byte() if target.dtype.kind == "b" else target, class_dim).argmax(-1)
        elif _is_floating(target):
            raise TypeError(f"{name}: targets must be integer class numbers, got {target.dtype}; cast with .long()")
        output = _last(output, class_dim) if floating else output.reshape(-1)
        target = target.reshape(-1)
    high = 2 if several else form.classes
    labels = widened(target.array)
    kept = None if ignore_index is None else labels != ignore_index
    counted, wrong = _in_range(name, "target", labels, kept, high)
    chosen = None
    if not floating:
        chosen = output.array
        counted, also = _in_range(name, "output", chosen, counted, high)
        wrong = wrong if also is None else also if wrong is None else wrong + also
    xp = xp_of(labels)
    if counted is not None:
        labels, chosen = (each if each is None else xp.where(counted, each, 0) for each in (labels, chosen))
    labels, chosen = (each if each is None else each.astype(int64, copy=False) for each in (labels, chosen))
    return Arranged(output if floating else None, chosen, labels, counted, wrong)


def _task_of(
    name: str, output: Tensor, target: Tensor, num_classes: int | None, num_labels: int | None, class_dim: int
) -> str:
    if num_labels is not None:
        return "multilabel"
    same = output.shape == target.shape
    if num_classes is not None:
        return "multiclass"
    if not same:
        return "binary" if _same_but_one(output, target, class_dim) else "multiclass"
    if output.dtype.kind in "iu":
        return "multiclass"
    return "multilabel" if output.ndim > 1 and output.shape[class_dim] != 1 else "binary"


def _agreed(name: str, what: str, wanted: int | None, output: Tensor, class_dim: int) -> int:
    found = output.shape[class_dim]
    if wanted is not None and found != wanted:
        raise ShapeError(f"{name}: {what} is {wanted}, but dim {class_dim} of the output {output.shape} has {found}")
    if not found:
        raise ShapeError(f"{name}: dim {class_dim} of the output {output.shape} has no classes")
    return found


def _in_range(name: str, what: str, values: Array, kept: Array | None, high: int) -> tuple[Array | None, Array | None]:
    """Which numbers count: those of `kept` (None for all) that are 0, 1, ... high - 1; and how many others there are.

    Where looking at them would make no device wait, the others are refused.
    """
    look, whole = is_on_host(values) or debugging(), values.dtype.kind in "biu"
    numbers = values.astype("uint64") if whole else values  # where negative ones are very large
    if look and whole and (not values.size or numbers.max() < high):
        return kept, None
    fits = numbers < high if whole else (values == 0) | (values == 1)
    outside = ~fits if kept is None else ~fits & kept
    if not look:
        return (fits if kept is None else fits & kept), outside.sum()
    if outside.any():
        first = values[outside][0].item()
        fix = "leave values out with ignore_index="
        if not whole:
            fix = 'targets that are probabilities of classes need task="multiclass"'
        raise LabelError(f"{name}: {what} {first} is out of range for {high} classes, counted from 0; {fix}")
    return kept, None


def _is_floating(x: Tensor) -> bool:
    return x.dtype.kind in "fV"


def _last(x: Tensor, class_dim: int) -> Tensor:
    """(rows, classes)."""
    if x.ndim == 2 and class_dim in (1, -1):
        return x
    return x.movedim(class_dim, -1).reshape(-1, x.shape[class_dim])


def _without(x: Tensor, class_dim: int) -> tuple[int, ...] | None:
    """The shape without its classes; None if it has no such dimension."""
    place = class_dim + x.ndim if class_dim < 0 else class_dim
    return (*x.shape[:place], *x.shape[place + 1 :]) if 0 <= place < x.ndim else None


def _same_but_one(output: Tensor, target: Tensor, class_dim: int) -> bool:
    """Whether the shapes differ by one class only: (count, 1) beside (count,)."""
    long, short = (output, target) if output.ndim > target.ndim else (target, output)
    return _without(long, class_dim) == short.shape and long.shape[class_dim] == 1


def _misfit(name: str, output: Tensor, target: Tensor, fix: str) -> ShapeError:
    return ShapeError(f"{name}: output {output.dtype} {output.shape} and target {target.dtype} {target.shape}: {fix}")
