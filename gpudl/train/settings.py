"""The settings of a Trainer, checked and made."""

from __future__ import annotations

import copy
import importlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gpudl.backend.device import Device
from gpudl.nn import CrossEntropyLoss, NLLLoss
from gpudl.ops.create import as_tensor
from gpudl.optim.lr_scheduler import ReduceLROnPlateau

if TYPE_CHECKING:
    from gpudl.train.trainer import Trainer


def checked(trainer: Trainer) -> None:
    """Raise ValueError or TypeError for settings that make no sense, alone or together."""
    if not _is_count(trainer.accumulate):
        raise ValueError(f"Trainer: accumulate must be a whole number of 1 or more, got {trainer.accumulate!r}")
    if trainer.micro_batch not in (None, "auto") and not _is_count(trainer.micro_batch):
        raise ValueError(f"Trainer: micro_batch must be None, 'auto' or 1 or more, got {trainer.micro_batch!r}")
    if trainer.deterministic not in (True, False, "warn"):
        raise ValueError(f"Trainer: deterministic must be True, False or 'warn', got {trainer.deterministic!r}")
    if trainer.scheduler_interval not in ("epoch", "step"):
        raise ValueError(f"Trainer: scheduler_interval must be 'epoch' or 'step', got {trainer.scheduler_interval!r}")
    if isinstance(trainer.scheduler, ReduceLROnPlateau) and trainer.scheduler_interval == "step":
        raise ValueError("Trainer: ReduceLROnPlateau looks at the logs of an epoch; set scheduler_interval='epoch'")
    if trainer.scheduler is not None and trainer.scheduler.optimizer is not trainer.optimizer:
        raise ValueError("Trainer: the scheduler is of another optimizer")
    for name in ("clip_grad_norm", "clip_grad_value"):
        bound = getattr(trainer, name)
        if bound is not None and not bound > 0:
            raise ValueError(f"Trainer: {name} must be above 0, got {bound!r}")
    if trainer.ema_decay is not None and not 0 <= trainer.ema_decay < 1:
        raise ValueError(f"Trainer: ema is a decay in [0, 1), got {trainer.ema_decay!r}")
    if trainer.optimizer.needs_closure and any(
        value is not None for value in (trainer.scaler, trainer.clip_grad_norm, trainer.clip_grad_value)
    ):
        name = type(trainer.optimizer).__name__
        raise ValueError(f"Trainer: {name} computes the loss itself, so there is no scaler and no clipping with it")
    if getattr(trainer.loss, "reduction", "mean") not in ("mean", "sum"):
        raise ValueError("Trainer: training needs a loss that is one number; set reduction='mean'")


def metrics_by_name(metrics: Sequence[Any] | Mapping[str, Any], device: Device) -> dict[str, Any]:
    """The metrics by their names, on the device; what is none is what gpudl.train.metrics.get makes of it.

    Raises: ValueError for a name that stands twice, or is "loss" or "lr"; what `get` raises.
    """
    given = metrics.items() if isinstance(metrics, Mapping) else [(None, metric) for metric in metrics]
    found: dict[str, Any] = {}
    for name, metric in given:
        if not all(callable(getattr(metric, method, None)) for method in ("update", "compute", "reset")):
            metric = importlib.import_module("gpudl.train.metrics").get(metric)  # with all metrics, where it is needed
        name = str(name or metric.name)
        if name in found or name in ("loss", "lr"):
            raise ValueError(f"Trainer: a second value named {name!r}; name the metrics by a dict")
        found[name] = metric.to(device) if hasattr(metric, "to") else metric
    return found


def weighted(loss: Any, weights: Any) -> Any:
    """A copy of a loss, with weights of the classes.

    Args:
        loss: CrossEntropyLoss or NLLLoss, which has none yet.
        weights: a sequence with one for each class, or a dict from each class to its own.
    Raises: TypeError for other losses; ValueError if it has weights, or a dict lacks a class.
    """
    if not isinstance(loss, (CrossEntropyLoss, NLLLoss)):
        raise TypeError(f"Trainer: class_weight is for CrossEntropyLoss and NLLLoss, not {type(loss).__name__}")
    if loss.weight is not None:
        raise ValueError("Trainer: the loss has a weight already; give one or the other")
    if isinstance(weights, Mapping):
        missing = sorted(set(range(len(weights))) - set(weights))
        if missing:
            raise ValueError(f"Trainer: class_weight must have every class from 0 on; {missing[0]} is not there")
        weights = [weights[number] for number in range(len(weights))]
    made = copy.deepcopy(loss)
    made.register_buffer("weight", as_tensor(weights, dtype="float32").detach())
    return made


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
