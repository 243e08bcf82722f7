"""The state of a Trainer, and where a fit resumes from."""

from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gpudl
from gpudl import nn
from gpudl.random.seed import seed_state, set_seed_state
from gpudl.train.checkpoint import load_checkpoint, newest_checkpoint
from gpudl.train.errors import CheckpointError

if TYPE_CHECKING:
    from gpudl.train.trainer import Trainer

_FORMAT = 1
_COUNTS = ("step", "should_stop", "logs", "history", "_done", "_batch", "_data_epoch")


def state_of(trainer: Trainer) -> dict[str, Any]:
    """All that a training goes on from, as save_checkpoint takes it. Tensors are the trainer's own, not copies."""
    return {
        "format": _FORMAT,
        "gpudl": gpudl.__version__,
        "model": dict(trainer.model.state_dict()),
        "loss": dict(trainer.loss.state_dict()) if isinstance(trainer.loss, nn.Module) else {},
        "optimizer": trainer.optimizer.state_dict(),
        "scheduler": None if trainer.scheduler is None else trainer.scheduler.state_dict(),
        "scaler": None if trainer.scaler is None else trainer.scaler.state_dict(),
        "ema": None if trainer.ema is None else dict(trainer.ema.state_dict()),
        "metrics": {name: metric.state_dict() for name, metric in trainer.metrics.items()},
        "mean": trainer._mean.state_dict(),
        "callbacks": callback_states(trainer),
        "random": seed_state(),
        "micro_batch_size": trainer.micro_batch_size,
        "counts": {name: copy.copy(getattr(trainer, name)) for name in _COUNTS},
    }


def restore(trainer: Trainer, state: Any) -> None:
    """Take over what state_of gave, but for the callbacks' part.

    Raises: ValueError if it is of a trainer with other parts; what model and optimizer raise for the state of others.
    """
    if not isinstance(state, dict) or state.get("format") != _FORMAT:
        raise ValueError("this is no state of a Trainer that this version of gpudl reads")
    for name, own in (("scheduler", trainer.scheduler), ("scaler", trainer.scaler), ("ema", trainer.ema_decay)):
        if state[name] is not None and own is None:
            raise ValueError(f"the checkpoint is of a training with {name}, which this Trainer has not")
    if state["metrics"].keys() != trainer.metrics.keys():
        raise ValueError(f"the checkpoint has the metrics {list(state['metrics'])}, not {list(trainer.metrics)}")
    trainer.model.load_state_dict(state["model"])
    if isinstance(trainer.loss, nn.Module):
        trainer.loss.load_state_dict(state["loss"])
    trainer.optimizer.load_state_dict(state["optimizer"])
    trainer.optimizer._opt_called = True  # by the process before; schedules ask
    if trainer.scheduler is not None and state["scheduler"] is not None:
        trainer.scheduler.load_state_dict(state["scheduler"])
    if trainer.scaler is not None and state["scaler"] is not None:
        trainer.scaler.load_state_dict(state["scaler"])
    if state["ema"] is not None:
        trainer._averaged().load_state_dict(state["ema"])
    for name, metric in trainer.metrics.items():
        metric.load_state_dict(state["metrics"][name])
    trainer._mean.load_state_dict(state["mean"], trainer.device)
    if trainer.micro_batch == "auto":
        trainer.micro_batch_size = state["micro_batch_size"]
    for name, value in state["counts"].items():
        setattr(trainer, name, value)
    trainer.epoch = trainer._done + (1 if trainer._batch else 0)
    set_seed_state(state["random"])


def callback_states(trainer: Trainer) -> dict[str, Any]:
    """The states of the callbacks that have one, by their class and, if there are several of one, a number."""
    return {key: state for key, callback in _keyed(trainer) if (state := callback.state_dict())}


def restore_callbacks(trainer: Trainer, states: dict[str, Any]) -> None:
    """Give the callbacks their states; those that are new have none."""
    for key, callback in _keyed(trainer):
        if key in states:
            callback.load_state_dict(states[key])


def _keyed(trainer: Trainer) -> list[tuple[str, Any]]:
    seen: dict[str, int] = {}
    found = []
    for callback in trainer.callbacks:
        name = type(callback).__name__
        seen[name] = seen.get(name, 0) + 1
        found.append((name if seen[name] == 1 else f"{name}-{seen[name]}", callback))
    return found


def state_to_resume(resume: Any, folders: list[Path]) -> Any:
    """The state that a fit resumes from.

    Args:
        resume: None or False: none; "auto": that of the newest checkpoint of the first folder, if there is one; True:
            the same, which must be there; a path of a checkpoint, or of a folder of them.
        folders: of the Checkpoint callbacks.
    Returns: what save_checkpoint was given, or None to begin anew.
    Raises: CheckpointError if there must be one, or all are damaged; ValueError for "auto" or True without a folder.
    """
    if resume is None or resume is False:
        return None
    if resume is True or resume == "auto":
        if not folders:
            raise ValueError(f"fit: resume={resume!r} needs a Checkpoint callback, whose folder is looked into")
        path = folders[0]
    else:
        path = Path(os.fspath(resume))
        if not path.is_dir():
            return load_checkpoint(path)
    found = newest_checkpoint(path)
    if found is None and resume != "auto":
        raise CheckpointError(path, "no checkpoint in this folder; fit(resume='auto') begins anew where there is none")
    return None if found is None else found[1]
