"""How far numbers are from others; sums in float64."""

from __future__ import annotations

import math

from gpudl.autograd.grad_mode import no_grad
from gpudl.autograd.primitive import check_devices
from gpudl.autograd.tensor import Tensor
from gpudl.backend.dtypes import int64
from gpudl.backend.errors import ShapeError
from gpudl.ops.elementwise import where
from gpudl.train.metrics.base import Sums, undefined

__all__ = ["MeanAbsoluteError", "MeanSquaredError", "R2Score"]


def _pair(name: str, output: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Both in float64, of one shape. Raises: ShapeError, TypeError."""
    for what, given in (("output", output), ("target", target)):
        if not isinstance(given, Tensor):
            raise TypeError(f"{name}: {what} must be a Tensor, got {type(given).__name__}; make it with gpudl.tensor")
    check_devices(name, (output, target))
    if output.shape != target.shape:
        # (count, 1) beside (count,) would broadcast to (count, count) in silence.
        raise ShapeError(f"{name}: output {output.shape} and target {target.shape} differ; reshape one of them, as "
                         f"output.reshape({target.shape})")  # fmt: skip
    return output.detach().double(), target.detach().double()


class _MeanError(Sums):
    def _errors(self, difference: Tensor) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} has no errors")

    @no_grad()
    def update(self, output: Tensor, target: Tensor) -> None:
        """Add the errors of a batch, any shape, the same for both. Raises: ShapeError, TypeError."""
        output, target = _pair(self.name, output, target)
        self.add("total", self._errors(output - target).sum())
        self.add("count", output.new_full((), output.numel(), dtype=int64))

    def compute(self) -> Tensor:
        """The mean over all elements, 0-d float64; nan without any."""
        if not self.state:
            return undefined()
        count = self.state["count"]
        return self.state["total"] / where(count == 0, math.nan, count.double())


class MeanAbsoluteError(_MeanError):
    """The mean of |output - target|.

    Args:
        name: in logs, default "mae".
    """

    def __init__(self, *, name: str | None = None) -> None:
        super().__init__(name or "mae")

    def _errors(self, difference: Tensor) -> Tensor:
        return difference.abs()


class MeanSquaredError(_MeanError):
    """The mean of (output - target)^2, or its root.

    Args:
        squared: False for the root, RMSE.
        name: in logs, default "mse" or "rmse".
    """

    def __init__(self, squared: bool = True, *, name: str | None = None) -> None:
        super().__init__(name or ("mse" if squared else "rmse"))
        self.squared = squared

    def _errors(self, difference: Tensor) -> Tensor:
        return difference * difference

    def compute(self) -> Tensor:
        """The mean over all elements, or its root, 0-d float64; nan without any."""
        value = super().compute()
        return value if self.squared else value.sqrt()


class R2Score(Sums):
    """The share of the targets' variance that the outputs explain: 1 - sum((t - o)^2) / sum((t - mean(t))^2).

    1 for targets that are all equal and met, 0 for such that are not. Variances of batches are joined without the
    cancellation of sums of squares.

    Args:
        multioutput: of (count, outputs): "uniform_average": the mean over outputs; "variance_weighted"; "raw_values":
            (outputs,).
        name: in logs, default "r2".
    Source: Chan, Golub and LeVeque 1983.
    """

    def __init__(self, multioutput: str = "uniform_average", *, name: str | None = None) -> None:
        super().__init__(name or "r2")
        kinds = ("uniform_average", "variance_weighted", "raw_values")
        if multioutput not in kinds:
            raise ValueError(f"{self.name}: multioutput must be one of {', '.join(kinds)}, got {multioutput!r}")
        self.multioutput = multioutput

    @no_grad()
    def update(self, output: Tensor, target: Tensor) -> None:
        """Take in a batch, (count,) or (count, outputs), the same shape for both. Raises: ShapeError, TypeError."""
        output, target = _pair(self.name, output, target)
        if output.ndim not in (1, 2):
            raise ShapeError(f"{self.name}: expected (count,) or (count, outputs), got {output.shape}; reshape it")
        output, target = (each.reshape(len(each), -1) if each.ndim == 1 else each for each in (output, target))
        if not len(target):
            return
        self.add("errors", ((target - output) ** 2).sum(0))
        # Counted from the first target, so that the mean of targets that are all equal has no rounding.
        if "first" not in self.state:
            self.state["first"] = target[0].clone()
        target = target - self.state["first"]
        average = target.mean(0)
        spread = ((target - average) ** 2).sum(0)
        count = target.new_full((), len(target))
        if "count" in self.state:
            before, apart = self.state["count"], average - self.state["mean"]
            total = before + count
            spread = self.state["spread"] + spread + apart * apart * (before * count / total)
            average, count = self.state["mean"] + apart * (count / total), total
        self.state.update(count=count, mean=average, spread=spread)

    def compute(self) -> Tensor:
        """R2, 0-d float64, or (outputs,); nan for fewer than two samples."""
        if not self.state:
            return undefined()
        errors, spread = self.state["errors"], self.state["spread"]
        constant = spread == 0
        missed = where(errors == 0, 1.0, where(errors.isnan(), math.nan, 0.0))
        each = where(constant, missed, 1 - errors / where(constant, 1.0, spread))
        each = where(self.state["count"] < 2, math.nan, each)
        if self.multioutput == "raw_values":
            return each
        if self.multioutput == "uniform_average":
            return each.mean()
        total = spread.sum()
        return where(total == 0, each.mean(), (each * spread).sum() / where(total == 0, 1.0, total))
