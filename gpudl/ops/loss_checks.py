"""What losses ask of the elements of their arguments: on a device in debug mode alone, for it has to wait for that."""

from __future__ import annotations

from gpudl.backend.arrays import Array
from gpudl.backend.bounds import look
from gpudl.backend.debug import debugging
from gpudl.backend.kernel import kernel


class LabelError(IndexError, RuntimeError):
    """A class index that is out of range. PyTorch raises IndexError in some losses and RuntimeError in others."""


@kernel
def check_labels(target: Array, low: int, classes: int, ignore_index: int | None, name: str) -> None:
    """Nothing here: to look at the labels would make a device wait for them."""


@check_labels.cpu("int64", "int32", "int16", "int8", "uint8")
def check_labels_cpu(target: Array, low: int, classes: int, ignore_index: int | None, name: str) -> None:
    """IndexError unless low <= target < classes, or target is ignore_index."""
    if not target.size or (target.min() >= low and target.max() < classes):
        return
    bad = target[(target < low) | (target >= classes)]
    bad = bad if ignore_index is None else bad[bad != ignore_index]
    if bad.size:
        raise _out_of_range(name, classes, int(bad[0]))


@check_labels.cuda("int64", "int32", "int16", "int8", "uint8")
def check_labels_cuda(target: Array, low: int, classes: int, ignore_index: int | None, name: str) -> None:
    if debugging():
        look(target, low, classes, lambda bad: _out_of_range(name, classes, bad), ignore_index)


def _out_of_range(name: str, classes: int, bad: int) -> LabelError:
    return LabelError(f"{name}: target {bad} is out of range for {classes} classes, counted from 0")


@kernel
def check_probabilities(x: Array, name: str) -> None:
    """Nothing here: to look at the elements would make a device wait for them."""


@check_probabilities.cpu("float64", "float32", "float16")
def check_probabilities_cpu(x: Array, name: str) -> None:
    """RuntimeError unless all elements are in [0, 1]."""
    if x.size and not (x.min() >= 0 and x.max() <= 1):
        raise RuntimeError(
            f"{name}: the input has elements from {x.min()} to {x.max()}, and must be in [0, 1]; apply sigmoid first"
        )


@check_probabilities.cuda("float64", "float32", "float16")
def check_probabilities_cuda(x: Array, name: str) -> None:
    if debugging():
        check_probabilities_cpu(x, name)


@kernel
def check_variances(var: Array) -> None:
    """Nothing here: to look at the elements would make a device wait for them."""


@check_variances.cpu("float64", "float32", "float16", "int64", "int32", "int16", "int8")
def check_variances_cpu(var: Array) -> None:
    """ValueError if an element is negative."""
    if (var < 0).any():
        raise ValueError("gaussian_nll_loss: var has negative elements; give variances, for example as exp(x)")


@check_variances.cuda("float64", "float32", "float16", "int64", "int32", "int16", "int8")
def check_variances_cuda(var: Array) -> None:
    if debugging():
        check_variances_cpu(var)
