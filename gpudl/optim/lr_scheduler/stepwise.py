"""Schedules that multiply the rate by a factor of the epoch."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from gpudl.optim.lr_scheduler.base import LRScheduler, copied, function_state
from gpudl.optim.optimizer import Optimizer

__all__ = [
    "ConstantLR", "ExponentialLR", "LambdaLR", "LinearLR", "MultiStepLR", "MultiplicativeLR", "PolynomialLR", "StepLR",
]  # fmt: skip


class _ByFunctions(LRScheduler):
    """A function of the epoch for each group, or one for all.

    state_dict() holds no plain functions: give them again when the schedule is made. Objects with __call__ are saved
    by their attributes.
    """

    def __init__(self, optimizer: Optimizer, lr_lambda: Any, last_epoch: int = -1) -> None:
        count = len(optimizer.param_groups)
        self.lr_lambdas = list(lr_lambda) if isinstance(lr_lambda, (list, tuple)) else [lr_lambda] * count
        if len(self.lr_lambdas) != count:
            raise ValueError(f"lr_lambda must be one function, or one for each of the {count} parameter groups")
        for function in self.lr_lambdas:
            if not callable(function):
                raise TypeError(f"lr_lambda must be a function of the epoch, got {type(function).__name__}")
        super().__init__(optimizer, last_epoch)

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "lr_lambdas": [function_state(function) for function in self.lr_lambdas]}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        super().load_state_dict({key: value for key, value in state_dict.items() if key != "lr_lambdas"})
        for function, state in zip(self.lr_lambdas, state_dict["lr_lambdas"], strict=True):
            if state is not None:
                function.__dict__.update(state)


class LambdaLR(_ByFunctions):
    """The initial rate times a function of the epoch.

    Args:
        optimizer: whose rates are set.
        lr_lambda: epoch -> factor; or a list of one for each group.
        last_epoch: -1 to begin, else where to resume.
    Raises: ValueError for a list of another length; TypeError for what is no function.
    """

    def __init__(
        self, optimizer: Optimizer, lr_lambda: Callable[[int], float] | list[Any], last_epoch: int = -1
    ) -> None:
        super().__init__(optimizer, lr_lambda, last_epoch)

    def get_lr(self) -> list[Any]:
        return [base * function(self.last_epoch) for base, function in zip(self.base_lrs, self.lr_lambdas)]


class MultiplicativeLR(_ByFunctions):
    """The rate of the epoch before times a function of the epoch.

    Args:
        optimizer: whose rates are set.
        lr_lambda: epoch -> factor; or a list of one for each group.
        last_epoch: -1 to begin, else where to resume.
    Raises: ValueError for a list of another length; TypeError for what is no function.
    """

    def __init__(
        self, optimizer: Optimizer, lr_lambda: Callable[[int], float] | list[Any], last_epoch: int = -1
    ) -> None:
        super().__init__(optimizer, lr_lambda, last_epoch)

    def get_lr(self) -> list[Any]:
        groups = self.optimizer.param_groups
        if self._is_initial:
            return [copied(group["lr"]) for group in groups]
        return [group["lr"] * function(self.last_epoch) for group, function in zip(groups, self.lr_lambdas)]


class StepLR(LRScheduler):
    """The rate times gamma every step_size epochs.

    Args:
        optimizer: whose rates are set.
        step_size: epochs between two changes, >= 1.
        gamma: the factor.
        last_epoch: -1 to begin, else where to resume.
    Raises: ValueError if step_size is under 1.
    """

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1) -> None:
        if step_size < 1:
            raise ValueError(f"StepLR: step_size must be >= 1, got {step_size}")
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer, last_epoch)

    def next_lr(self, lr: Any, base_lr: Any) -> Any:
        return lr * self.gamma if self.last_epoch and self.last_epoch % self.step_size == 0 else lr

    def _closed_lr(self, base_lr: Any) -> Any:
        return base_lr * self.gamma ** (self.last_epoch // self.step_size)


class MultiStepLR(LRScheduler):
    """The rate times gamma at each of some epochs, as often as it is listed.

    Args:
        optimizer: whose rates are set.
        milestones: the epochs.
        gamma: the factor.
        last_epoch: -1 to begin, else where to resume.
    """

    def __init__(
        self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.milestones, self.gamma = Counter(milestones), gamma
        super().__init__(optimizer, last_epoch)

    def next_lr(self, lr: Any, base_lr: Any) -> Any:
        times = self.milestones[self.last_epoch]
        return lr * self.gamma**times if times else lr

    def _closed_lr(self, base_lr: Any) -> Any:
        return base_lr * self.gamma ** bisect_right(sorted(self.milestones.elements()), self.last_epoch)


class ConstantLR(LRScheduler):
    """The rate times a factor, until total_iters epochs are over.

    Args:
        optimizer: whose rates are set.
        factor: in (0, 1].
        total_iters: epochs with the factor.
        last_epoch: -1 to begin, else where to resume.
    Raises: ValueError for a factor out of range.
    """

    def __init__(
        self, optimizer: Optimizer, factor: float = 1.0 / 3, total_iters: int = 5, last_epoch: int = -1
    ) -> None:
        if not 0 < factor <= 1:
            raise ValueError(f"ConstantLR: factor must be in (0, 1], got {factor}")
        self.factor, self.total_iters = factor, total_iters
        super().__init__(optimizer, last_epoch)

    def next_lr(self, lr: Any, base_lr: Any) -> Any:
        if self.last_epoch == 0:
            return lr * self.factor
        return lr * (1 / self.factor) if self.last_epoch == self.total_iters else lr

    def _closed_lr(self, base_lr: Any) -> Any:
        return base_lr * (self.factor if self.last_epoch < self.total_iters else 1)


class LinearLR(LRScheduler):
    """The rate times a factor that goes from start_factor to end_factor in equal parts, over total_iters epochs.

    Args:
        optimizer: whose rates are set.
        start_factor: in (0, 1].
        end_factor: in [0, 1].
        total_iters: epochs on the way, >= 1.
        last_epoch: -1 to begin, else where to resume.
    Raises: ValueError for a setting out of range.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if not 0 < start_factor <= 1:
            raise ValueError(f"LinearLR: start_factor must be in (0, 1], got {start_factor}")
        if not 0 <= end_factor <= 1:
            raise ValueError(f"LinearLR: end_factor must be in [0, 1], got {end_factor}")
        if total_iters < 1:
            raise ValueError(f"LinearLR: total_iters must be >= 1, got {total_iters}")
        self.start_factor, self.end_factor, self.total_iters = start_factor, end_factor, total_iters
        super().__init__(optimizer, last_epoch)

    def next_lr(self, lr: Any, base_lr: Any) -> Any:
        if self.last_epoch == 0:
            return lr * self.start_factor
        if self._is_initial or self.last_epoch > self.total_iters:
            return lr
        slope = self.end_factor - self.start_factor
        return lr * (1 + slope / (self.total_iters * self.start_factor + (self.last_epoch - 1) * slope))

    def _closed_lr(self, base_lr: Any) -> Any:
        way = min(self.last_epoch, self.total_iters) / self.total_iters
        return base_lr * (self.start_factor + (self.end_factor - self.start_factor) * way)


class ExponentialLR(LRScheduler):
    """The rate times gamma every epoch.

    Args:
        optimizer: whose rates are set.
        gamma: the factor.
        last_epoch: -1 to begin, else where to resume.
    """

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def next_lr(self, lr: Any, base_lr: Any) -> Any:
        return lr if self._is_initial else lr * self.gamma

    def _closed_lr(self, base_lr: Any) -> Any:
        return base_lr * self.gamma**self.last_epoch


class PolynomialLR(LRScheduler):
    """The initial rate times (1 - epoch / total_iters)^power, 0 from total_iters on.

    Args:
        optimizer: whose rates are set.
        total_iters: epochs until the rate is 0, >= 1.
        power: of the polynomial.
        last_epoch: -1 to begin, else where to resume.
    Raises: ValueError if total_iters is under 1.
    """

    def __init__(self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1) -> None:
        if total_iters < 1:
            raise ValueError(f"PolynomialLR: total_iters must be >= 1, got {total_iters}")
        self.total_iters, self.power = total_iters, power
        super().__init__(optimizer, last_epoch)

    def next_lr(self, lr: Any, base_lr: Any) -> Any:
        if self._is_initial or self.last_epoch > self.total_iters:
            return lr
        left = self.total_iters - self.last_epoch
        return lr * (left / (left + 1)) ** self.power

    def _closed_lr(self, base_lr: Any) -> Any:
        return base_lr * (1 - min(self.last_epoch, self.total_iters) / self.total_iters) ** self.power
