"""Averages of weights over a training: exponential moving ones (EMA) and equal ones (SWA), and a schedule for SWA.

    EMA: a = decay a + (1 - decay) p;   SWA: a = a + (p - a) / (n + 1)

Polyak & Juditsky 1992; Izmailov et al. 2018, "Averaging Weights Leads to Wider Optima and Better Generalization",
arXiv:1803.05407.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any

from gpudl.autograd.grad_mode import no_grad
from gpudl.autograd.tensor import Tensor
from gpudl.nn.batch_norm import _BatchNorm
from gpudl.nn.module import Module
from gpudl.ops.create import zeros
from gpudl.optim.lr_scheduler.base import LRScheduler, one_each
from gpudl.optim.lr_scheduler.one_cycle import annealed
from gpudl.optim.optimizer import Optimizer

__all__ = [
    "SWALR", "AveragedModel", "get_ema_avg_fn", "get_ema_multi_avg_fn", "get_swa_avg_fn", "get_swa_multi_avg_fn",
    "update_bn",
]  # fmt: skip

Average = Callable[[Tensor, Tensor, Any], Any]
AverageAll = Callable[[list[Tensor], list[Tensor], Any], None]


def get_ema_multi_avg_fn(decay: float = 0.999) -> AverageAll:
    """The multi_avg_fn of an exponential moving average.

    Args:
        decay: share of the average that a step keeps, in [0, 1].
    Returns: function of (averages, parameters, number averaged), which changes the averages in place.
    Raises: ValueError for a decay out of range.
    """
    _require_share(decay)

    def update(averages: list[Tensor], parameters: list[Tensor], num_averaged: Any) -> None:
        for average, parameter in zip(averages, parameters):
            if average.dtype.kind in "fV":
                average.lerp_(parameter, 1 - decay)
            else:
                average.copy_(average * decay + parameter * (1 - decay))

    return update


def get_swa_multi_avg_fn() -> AverageAll:
    """The multi_avg_fn of an equal average of all the weights that were seen; of integers the last ones are taken.

    Returns: function of (averages, parameters, number averaged), which changes the averages in place.
    """

    def update(averages: list[Tensor], parameters: list[Tensor], num_averaged: Any) -> None:
        for average, parameter in zip(averages, parameters):
            if average.dtype.kind in "fV":
                average += (parameter - average) / (num_averaged + 1)
            else:
                average.copy_(parameter)

    return update


def get_ema_avg_fn(decay: float = 0.999) -> Average:
    """The avg_fn of an exponential moving average: of (average, parameter, number averaged), gives the new average.

    Raises: ValueError for a decay out of [0, 1].
    """
    _require_share(decay)
    return lambda average, parameter, num_averaged: decay * average + (1 - decay) * parameter


def get_swa_avg_fn() -> Average:
    """The avg_fn of an equal average: of (average, parameter, number averaged), gives the new average."""
    return lambda average, parameter, num_averaged: average + (parameter - average) / (num_averaged + 1)


class AveragedModel(Module):
    """A model whose weights are an average of another's; update_parameters, after optimizer.step(), goes on with it.

    Args:
        model: is copied; its weights are the average at first.
        device: where the averages are kept; default: the model's.
        avg_fn: (average, parameter, number averaged) -> new average; default: the equal average, SWA.
        multi_avg_fn: the same for lists, in place; get_ema_multi_avg_fn(0.999) makes an EMA. Not both.
        use_buffers: average the buffers too; otherwise they are copied.
    Attributes:
        module: the copy. n_averaged: (), int64 buffer, number of updates, where the averages are.
    Raises: ValueError if both functions are given.
    """

    n_averaged: Tensor

    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: Average | None = None,
        multi_avg_fn: AverageAll | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise ValueError("AveragedModel: give avg_fn or multi_avg_fn, not both")
        self.module = copy.deepcopy(model)
        if device is not None:
            self.module.to(device)
        place = device if device is not None else next((x.device for x in self.module.parameters()), None)
        self.register_buffer("n_averaged", zeros((), dtype="int64", device=place))
        self._counted: tuple[list[int], int, int] | None = None
        self.avg_fn, self.multi_avg_fn, self.use_buffers = avg_fn, multi_avg_fn, use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Module) -> None:
        """Take the model's present weights into the average; the first time, they become the average.

        Raises: ValueError if the model has other parameters or buffers than the one that was copied.
        """
        with no_grad():
            own, given = list(self._averaged(self.module)), list(self._averaged(model))
            if [x.shape for x in own] != [x.shape for x in given]:
                raise ValueError("update_parameters: the model has other parameters than the one that was averaged")
            given = [x.detach().to(average.device) for x, average in zip(given, own)]
            count = self._count()
            if not count:
                for average, parameter in zip(own, given):
                    average.copy_(parameter)
            elif self.avg_fn is not None:
                for average, parameter in zip(own, given):
                    average.copy_(self.avg_fn(average.detach(), parameter, self.n_averaged))
            elif self.multi_avg_fn is not None:
                self.multi_avg_fn(own, given, self.n_averaged)
            else:
                get_swa_multi_avg_fn()(own, given, count)
            if not self.use_buffers:
                for average, buffer in zip(self.module.buffers(), model.buffers()):
                    average.copy_(buffer)
            self.n_averaged += 1
            changes = self.n_averaged._version
            self._counted = None if changes is None else (changes, changes[0], count + 1)

    def _count(self) -> int:
        """n_averaged, read from the device only where something other than an update has changed it."""
        if self._counted is not None:
            changes, version, count = self._counted
            if changes is self.n_averaged._version and changes[0] == version:
                return count
        return int(self.n_averaged.cpu().item())  # on purpose, so strict mode allows it

    def _averaged(self, model: Module) -> Iterator[Tensor]:
        return chain(model.parameters(), model.buffers()) if self.use_buffers else model.parameters()


def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Compute the running statistics of batch norm layers anew, over one pass of data, for weights that are averages.

    Args:
        loader: batches; of a tuple or list, the first part is the input.
        model: its training mode is as before afterwards.
        device: where the batches are moved to; default: where they are.
    """
    layers = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    if not layers:
        return
    before = [(layer, layer.momentum) for layer in layers]
    modes = [(module, module.training) for module in model.modules()]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # a cumulative average: every batch counts the same
    model.train()
    try:
        with no_grad():
            for batch in loader:
                input = batch[0] if isinstance(batch, (list, tuple)) else batch
                model(input if device is None else input.to(device))
    finally:
        for layer, momentum in before:
            layer.momentum = momentum
        for module, mode in modes:
            module.training = mode


class SWALR(LRScheduler):
    """From the present rate to swa_lr in anneal_epochs steps, and constant from there.

    Args:
        optimizer: whose rates are set.
        swa_lr: the rate to end with; or a list of one for each group.
        anneal_epochs: steps on the way, >= 0.
        anneal_strategy: "cos" | "linear".
        last_epoch: -1 to begin, else where to resume.
    Raises: ValueError for a setting out of range.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float | list[float],
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"SWALR: anneal_strategy must be 'cos' or 'linear', got {anneal_strategy!r}")
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"SWALR: anneal_epochs must be an int >= 0, got {anneal_epochs!r}")
        for group, rate in zip(optimizer.param_groups, one_each("swa_lr", optimizer, swa_lr)):
            group["swa_lr"] = rate
        self.anneal_epochs, self._anneal_strategy = anneal_epochs, anneal_strategy
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        step = max(1, self._step_count - 1) if self.anneal_epochs == 0 else self._step_count - 1
        before, now = self._share(step - 1), self._share(step)
        rates = []
        for group in self.optimizer.param_groups:
            goal = group["swa_lr"]
            start = goal if before == 1 else (group["lr"] - before * goal) / (1 - before)
            rates.append(goal * now + start * (1 - now))
        return rates

    def _share(self, step: int) -> float:
        """How much of the way is done after some steps."""
        return annealed(0.0, 1.0, max(0.0, min(1.0, step / max(1, self.anneal_epochs))), self._anneal_strategy)


def _require_share(decay: float) -> None:
    if not 0 <= decay <= 1:
        raise ValueError(f"decay must be in [0, 1], got {decay}")
