"""LRScheduler: counts steps and writes what get_lr answers into the optimizer's parameter groups."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

from gpudl.autograd.grad_mode import no_grad
from gpudl.autograd.tensor import Tensor
from gpudl.optim.optimizer import Optimizer
from gpudl.optim.settings import Group

__all__ = ["LRScheduler"]


class LRScheduler:
    """Base of schedules. Constructing one sets the rates of step 0; each step() after an optimizer's sets the next.

    A subclass gives `next_lr`, which computes a group's rate from the one it has now, so that schedules on one
    optimizer compose and a rate changed by hand is gone on from; or `get_lr`, for all groups at once. `_closed_lr`,
    where it is given, computes the rate from the epoch alone.

    Args:
        optimizer: whose groups are written.
        last_epoch: -1 to begin; else where a run resumes, with "initial_lr" in every group.
    Attributes:
        base_lrs: the rate of each group at the beginning, its "initial_lr".
        last_epoch: how often step() was called.
    Raises: TypeError if it is no Optimizer; KeyError when resuming with a group that has no "initial_lr".
    """

    _scheduled = "lr"

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        self.optimizer = checked(optimizer)
        for number, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", copied(group["lr"]))
            elif "initial_lr" not in group:
                raise KeyError(
                    f"'initial_lr' is not in parameter group {number}: to resume a schedule at epoch {last_epoch}, "
                    "load the optimizer's state first"
                )
        self.base_lrs: list[Any] = [copied(group["initial_lr"]) for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._initial_step()

    def next_lr(self, lr: Any, base_lr: Any) -> Any:
        """A group's rate at self.last_epoch, from the one before and the initial one; given by the subclass."""
        raise NotImplementedError(f"{type(self).__name__} has neither next_lr nor get_lr")

    _closed_lr: Callable[[Any], Any] | None = None

    def get_lr(self) -> list[Any]:
        """The rate of every group at self.last_epoch. step() calls it; get_last_lr() is what to look at."""
        groups = self.optimizer.param_groups
        return [self.next_lr(group["lr"], base) for group, base in zip(groups, self.base_lrs, strict=True)]

    def get_last_lr(self) -> list[Any]:
        """The rates that the last step set, one a group."""
        return self._last_lr

    def step(self, epoch: int | None = None) -> None:
        """Set the rates of the next epoch (or batch: whatever the schedule counts). Call it after optimizer.step().

        Args:
            epoch: go to this one instead, by the closed form where there is one.
        Warns: UserWarning if the optimizer has not stepped yet, since its first rate would be skipped.
        """
        if self._step_count == 1 and not self.optimizer._opt_called:
            warnings.warn(
                "lr_scheduler.step() was called before optimizer.step(): call it after, or the first rate of the "
                "schedule is skipped",
                stacklevel=2,
            )
        self._step_count += 1
        self._update_lr(epoch)

    def _initial_step(self) -> None:
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    def _update_lr(self, epoch: int | None = None) -> None:
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        closed = self._closed_lr
        rates = self.get_lr() if epoch is None or closed is None else [closed(base) for base in self.base_lrs]
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            write(group, "lr", rate)
        self._remember()

    def _remember(self) -> None:
        self._last_lr = rates_of(self.optimizer)

    def _restart(self) -> None:
        """Begin anew, from the initial rates: as a SequentialLR does with the one whose turn it is."""
        self._update_lr(0)

    def _undo(self) -> None:
        """Take the initial step back from the count, for the one in whose name it will be made again."""
        self.last_epoch -= 1

    def state_dict(self) -> dict[str, Any]:
        """All attributes but the optimizer; functions that were given only if they are objects with a state."""
        return {key: value for key, value in self.__dict__.items() if key != "optimizer"}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over the state of a schedule of the same kind. The optimizer's own state is saved and loaded apart."""
        self.__dict__.update({key: value for key, value in state_dict.items() if key != "optimizer"})


def checked(optimizer: Any) -> Optimizer:
    """An optimizer. Raises: TypeError for anything else."""
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"a schedule takes an Optimizer, got {type(optimizer).__name__}")
    return optimizer


def copied(value: Any) -> Any:
    """A setting that later steps do not change: a Tensor is cloned."""
    return value.detach().clone() if isinstance(value, Tensor) else value


def write(group: Group, key: str, value: Any) -> None:
    """Set a group's setting; one that is a Tensor is written in place, so that who holds it sees the change."""
    if isinstance(group[key], Tensor):
        with no_grad():
            group[key].fill_(value)
    else:
        group[key] = value


def rates_of(optimizer: Optimizer) -> list[Any]:
    """The rate of every group."""
    return [copied(group["lr"]) for group in optimizer.param_groups]


def one_each(name: str, optimizer: Optimizer, value: Any) -> list[Any]:
    """A setting for every group: a list of as many, or one for all.

    Raises: ValueError if a list has another length.
    """
    count = len(optimizer.param_groups)
    if not isinstance(value, (list, tuple)):
        return [value] * count
    if len(value) != count:
        raise ValueError(f"{name} must have one value for each of the {count} parameter groups, got {len(value)}")
    return list(value)


def function_state(function: Any) -> dict[str, Any] | None:
    """What is saved of a function that the user gave: an object's attributes; nothing of a plain function."""
    return dict(function.__dict__) if not hasattr(function, "__code__") and hasattr(function, "__dict__") else None
