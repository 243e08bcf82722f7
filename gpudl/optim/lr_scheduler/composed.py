"""Schedules made of schedules: one after the other, or all at once."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from gpudl.optim.lr_scheduler.base import LRScheduler, write
from gpudl.optim.lr_scheduler.plateau import ReduceLROnPlateau
from gpudl.optim.optimizer import Optimizer

__all__ = ["ChainedScheduler", "SequentialLR"]


class _Composed(LRScheduler):
    _schedulers: list[LRScheduler]

    def _compose(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None) -> None:
        name = type(self).__name__
        self._schedulers = list(schedulers)
        if not self._schedulers:
            raise ValueError(f"{name}: needs at least one schedule")
        for number, scheduler in enumerate(self._schedulers):
            if not isinstance(scheduler, LRScheduler):
                raise TypeError(f"{name}: number {number} is no schedule but {type(scheduler).__name__}")
            if isinstance(scheduler, ReduceLROnPlateau):
                raise ValueError(f"{name}: number {number} is a ReduceLROnPlateau, which needs a metric at each step")
            if scheduler.optimizer is not (optimizer or self._schedulers[0].optimizer):
                raise ValueError(f"{name}: number {number} ({type(scheduler).__name__}) is of another optimizer")
        self.optimizer = self._schedulers[0].optimizer

    def _undo(self) -> None:
        for scheduler in self._schedulers:
            scheduler._undo()

    def state_dict(self) -> dict[str, Any]:
        """All attributes but the optimizer, with the states of the schedules inside."""
        return {**super().state_dict(), "_schedulers": [scheduler.state_dict() for scheduler in self._schedulers]}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over a state of as many schedules of the same kinds."""
        super().load_state_dict({key: value for key, value in state_dict.items() if key != "_schedulers"})
        for scheduler, state in zip(self._schedulers, state_dict["_schedulers"], strict=True):
            scheduler.load_state_dict(state)


class SequentialLR(_Composed):
    """One schedule after the other, each from its own epoch 0.

    Args:
        optimizer: the optimizer of all of them.
        schedulers: the schedules, as they were made.
        milestones: the epochs at which the second, third, ... begins.
        last_epoch: -1 to begin, else where to resume.
    Raises: ValueError unless there is one milestone fewer than schedules, for schedules of another optimizer, and for
        a ReduceLROnPlateau.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: Sequence[LRScheduler],
        milestones: Sequence[int],
        last_epoch: int = -1,
    ) -> None:
        self._compose(schedulers, optimizer)
        if len(milestones) != len(schedulers) - 1:
            raise ValueError(
                f"SequentialLR: needs a milestone for each schedule but the first, {len(schedulers) - 1}, got "
                f"{len(milestones)}"
            )
        self._milestones = list(milestones)
        for scheduler in self._schedulers:  # each has made its initial step when it was constructed
            scheduler._undo()
        self.last_epoch = last_epoch
        self._initial_step()

    def _initial_step(self) -> None:
        for group in self.optimizer.param_groups:
            write(group, "lr", group["initial_lr"])
        self.last_epoch += 1
        self._turn()[0]._initial_step()
        self._remember()

    def _restart(self) -> None:
        self.last_epoch = 0
        self._turn()[0]._restart()
        self._remember()

    def _undo(self) -> None:
        self.last_epoch -= 1
        self._turn(max(self.last_epoch, 0))[0]._undo()

    def _turn(self, epoch: int | None = None) -> tuple[LRScheduler, bool]:
        """The schedule of an epoch, and whether it begins there."""
        now = self.last_epoch if epoch is None else epoch
        number = bisect_right(self._milestones, now)
        return self._schedulers[number], number > 0 and self._milestones[number - 1] == now

    def step(self, epoch: int | None = None) -> None:
        """Set the rates of the next epoch. Raises: ValueError for an epoch, to which it cannot jump."""
        if epoch is not None:
            raise ValueError("SequentialLR: step() takes no epoch")
        self.last_epoch += 1
        scheduler, begins = self._turn()
        if begins:
            scheduler._restart()
        else:
            scheduler.step()
        self._remember()


class ChainedScheduler(_Composed):
    """Several schedules at once: each changes the rates that the one before it has left.

    Args:
        schedulers: the schedules, which compute a rate from the one before.
        optimizer: the optimizer of all of them; by default the first one's.
    Raises: ValueError for schedules of different optimizers, and for a ReduceLROnPlateau.
    """

    def __init__(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None) -> None:
        self._compose(schedulers, optimizer)
        self._remember()

    def _initial_step(self) -> None:
        for scheduler in self._schedulers:
            scheduler._initial_step()
        self._remember()

    def _restart(self) -> None:
        for group in self.optimizer.param_groups:
            write(group, "lr", group["initial_lr"])
        for scheduler in self._schedulers:
            scheduler.last_epoch = -1
            scheduler._initial_step()
        self._remember()

    def step(self, epoch: int | None = None) -> None:
        """Let every schedule set the rates of its next epoch. Raises: ValueError for an epoch."""
        if epoch is not None:
            raise ValueError("ChainedScheduler: step() takes no epoch")
        for scheduler in self._schedulers:
            scheduler.step()
        self._remember()
