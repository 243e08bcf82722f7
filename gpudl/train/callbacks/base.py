"""Callback: what happens beside the steps of a Trainer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gpudl.train.trainer import Trainer


class Callback:
    """Base: override what you need. The methods are called in the order of the trainer's callbacks.

    What a callback may read of the trainer: `model`, `optimizer`, `scheduler`, `device`, `epoch` (the number of the one
    under way, from 1), `step` (optimizer steps done), `loss_value` (the loss of the last step, a Tensor on the device:
    reading it waits for the device), `logs` (name -> number, of the epoch that ends: "loss", the metrics, the same with
    "val_" of the validation, "lr"), `history` (the logs of each epoch so far) and `resumed`. Setting
    `trainer.should_stop = True` ends the training after this epoch.
    """

    def on_fit_start(self, trainer: Trainer) -> None:
        """Before the first step. A resumed trainer has its epoch, step and history already, the callback not yet its
        state: load_state_dict comes right after."""

    def on_epoch_start(self, trainer: Trainer) -> None:
        """Before the first step of an epoch; also where the training resumes in the middle of it."""

    def on_step_end(self, trainer: Trainer) -> None:
        """After a step of the optimizer. What is done here must not wait for the device."""

    def on_validation_end(self, trainer: Trainer) -> None:
        """After the validation of an epoch; its results are in the logs."""

    def on_epoch_end(self, trainer: Trainer) -> None:
        """After an epoch, its validation and the step of the schedule; the logs are complete and in the history."""

    def on_fit_end(self, trainer: Trainer) -> None:
        """After the last epoch."""

    def on_exception(self, trainer: Trainer, error: BaseException) -> None:
        """When an error, or an interruption, is about to leave fit."""

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps: dicts, lists, tuples, numbers, strings, None, Tensors and NumPy arrays."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what state_dict gave."""
