"""Trainer: the loop around a training step, which stays one short function."""

from __future__ import annotations

import contextlib
import copy
import itertools
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import gpudl
from gpudl import nn, optim
from gpudl.autograd.grad_mode import no_grad
from gpudl.autograd.tensor import Tensor
from gpudl.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau
from gpudl.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from gpudl.train.callbacks.base import Callback
from gpudl.train.callbacks.checkpoint import Checkpoint
from gpudl.train.errors import TrainingInterrupted
from gpudl.train.feeding import batches_from, first_of, length_of, loader_of, split
from gpudl.train.interrupt import Stopped, stopping
from gpudl.train.lr_finder import FoundRates, find_lr
from gpudl.train.means import Mean, Number, as_float, monitored, scalars
from gpudl.train.progress import Progress
from gpudl.train.settings import checked, metrics_by_name, weighted
from gpudl.train.state import restore, restore_callbacks, state_of, state_to_resume
from gpudl.train.steps import Steps
from gpudl.train.update import update

Logs = dict[str, float]


class _Stop(Exception):
    """A signal asked to stop; on its way out of the epoch."""


class Trainer(Steps):
    """Trains a model.

        trainer = Trainer(model, nn.CrossEntropyLoss(), optim.Adam(model.parameters()), ["accuracy"])
        history = trainer.fit((x, y), validation=0.1, epochs=10, batch_size=64)
        trainer.evaluate((x_test, y_test))  # {"loss": ..., "accuracy": ...}
        trainer.predict(x_test)

    What a step does with a batch is `training_step`, which a subclass may override; a loop of one's own around
    `loss.backward()` and `optimizer.step()` is always as good.

    Losses and metrics are exact means over the samples, whatever the sizes of batches; they are summed on the device
    and read once an epoch, so that no step waits for it.

    Args:
        model: is moved to the device.
        loss: of (output, target), one number: a loss of gpudl.nn, or a function that gives the mean over the samples.
        optimizer: over the model's parameters.
        metrics: of gpudl.train.metrics, or their names, such as "accuracy"; objects with update(output, target),
            compute(), reset() and `name`; functions of both. Or a dict that names them.
        scheduler: stepped after each epoch or step; ReduceLROnPlateau is given the monitored value.
        scheduler_interval: "epoch" | "step" (of the optimizer).
        monitor: name in the logs that ReduceLROnPlateau looks at; None: "val_loss", without validation "loss".
        device: where it is trained; "auto" is a GPU if there is one.
        callbacks: see gpudl.train.callbacks.
        accumulate: batches whose gradients are joined to one step. The last ones of an epoch may be fewer; a step is
            always that of one large batch of all their samples.
        clip_grad_norm: the largest norm of all gradients together.
        clip_grad_value: the largest absolute value of each; before the norm.
        ema: decay, in [0, 1), of an exponential moving average of the weights, which evaluate and predict then use.
        class_weight: a weight for each class, as a sequence or as a dict from class to weight; of losses that have it.
        scaler: a GradScaler of gpudl.amp.
        seed: given to gpudl.manual_seed when fit starts; None leaves the random numbers as they are.
        micro_batch: samples that are computed at a time, so that a batch takes less memory; the update is that of the
            whole batch, within rounding. "auto": all, until memory is spent; then the pieces are halved, and the same
            step made again, from the random numbers and buffers that it started with. Exceptions: batch norm has the
            statistics of the pieces, and dropout draws anew for each piece.
        deterministic: True: while it works, an operation that may give other bits in the next run is an error, as under
            gpudl.deterministic; "warn": a warning. False leaves that as the program has it.
    Attributes:
        epoch: number of the epoch under way, from 1. step: optimizer steps done.
        logs: the last epoch's. history: the logs of every epoch.
        loss_value: of the last step, on the device. should_stop: ends the training after this epoch.
        resumed: whether this fit goes on from a checkpoint. micro_batch_size: samples computed at a time; None: all.
        ema: the averaged model, once there is one.
    Raises: ValueError and TypeError for settings that make no sense.
    """

    def __init__(
        self,
        model: nn.Module,
        loss: Callable[[Any, Any], Tensor],
        optimizer: optim.Optimizer,
        metrics: Sequence[Any] | Mapping[str, Any] = (),
        *,
        scheduler: LRScheduler | None = None,
        scheduler_interval: str = "epoch",
        monitor: str | None = None,
        device: str | gpudl.Device = "auto",
        callbacks: Iterable[Callback] = (),
        accumulate: int = 1,
        clip_grad_norm: float | None = None,
        clip_grad_value: float | None = None,
        ema: float | None = None,
        class_weight: Any = None,
        scaler: Any = None,
        seed: int | None = None,
        micro_batch: int | str | None = None,
        deterministic: bool | str = False,
    ):
        self.device = gpudl.device(device)
        self.model, self.optimizer = model.to(self.device), optimizer
        self.loss = loss if class_weight is None else weighted(loss, class_weight)
        if isinstance(self.loss, nn.Module):
            self.loss.to(self.device)
        self.metrics = metrics_by_name(metrics, self.device)
        self.scheduler, self.scheduler_interval, self.monitor = scheduler, scheduler_interval, monitor
        self.callbacks = self._active = list(callbacks)
        self.accumulate, self.ema_decay, self.scaler, self.seed = accumulate, ema, scaler, seed
        self.clip_grad_norm, self.clip_grad_value = clip_grad_norm, clip_grad_value
        self.micro_batch, self.deterministic = micro_batch, deterministic
        self.micro_batch_size = micro_batch if isinstance(micro_batch, int) else None
        checked(self)
        self.epoch = self.step = 0
        self.logs: Logs = {}
        self.history: list[Logs] = []
        self.loss_value: Tensor | None = None
        self.should_stop = self.resumed = False
        self.ema: AveragedModel | None = None
        self._mean = Mean()
        self._validating = copy.deepcopy(self.metrics)  # so that those of the epoch keep what they have summed
        self._done = self._batch = 0  # whole epochs, and batches of the one under way
        self._data_epoch = 0  # that of the first epoch of this fit: a later fit sees the data in another order

    def fit(
        self,
        train: Any,
        *,
        validation: Any = None,
        epochs: int = 1,
        batch_size: int = 32,
        shuffle: bool = True,
        resume: bool | str | os.PathLike[str] | None = None,
        overfit_batches: int = 0,
        fast_dev_run: bool | int = False,
        quiet: bool = False,
    ) -> list[Logs]:
        """Train.

        Args:
            train: a DataLoader; a dataset; arrays or Tensors (x, y); or any iterable of batches that can be gone
                through once an epoch. Arrays of float64 are taken as float32.
            validation: the same, to evaluate after each epoch; or the share of the samples, in (0, 1), that is taken
                for it, drawn by the seed.
            epochs: how many.
            batch_size, shuffle: of datasets and arrays.
            resume: "auto": go on from the newest good checkpoint of the Checkpoint callback, if there is one; True:
                there must be one; or the path of a checkpoint or of a folder of them. The Trainer and the data are made
                as they were the first time; the number of a loader's workers may differ.
            overfit_batches: train only on so many batches, in one order, and validate on them: a model and a step that
                are right bring the loss to 0.
            fast_dev_run: one batch, or so many, of all that is done, in one epoch: whether it runs at all.
            quiet: no progress on stderr.
        Returns: the history, the logs of each epoch.
        Raises: ValueError for data without a batch; CheckpointError for a checkpoint that must be there, or is in the
            way; TrainingInterrupted (a KeyboardInterrupt) after SIGINT or SIGTERM: the step under way was finished, and
            a checkpoint saved. A second signal acts at once.
        """
        savers = [callback for callback in self.callbacks if isinstance(callback, Checkpoint)]
        others = [callback for callback in self.callbacks if callback not in savers]
        # Savers come last, to save what the others have become.
        self._active = others if fast_dev_run else [*others, *savers]
        self._begin()
        state = None if fast_dev_run else state_to_resume(resume, [saver.folder for saver in savers])
        if state is not None:
            restore(self, state)
            self.resumed = True
        if isinstance(validation, float):
            train, validation = split(train, validation, self.seed)
        limit = int(fast_dev_run) or overfit_batches
        loader = first_of(loader_of(train, batch_size, shuffle), limit)
        if overfit_batches and not fast_dev_run:
            validation = loader
        elif validation is not None:
            validation = first_of(loader_of(validation, batch_size), limit)
        epochs = 1 if fast_dev_run else epochs
        progress = Progress(epochs, quiet)
        try:
            with self._deterministic_mode(), stopping() as stopped:
                self._call("on_fit_start")
                if state is not None:
                    restore_callbacks(self, state["callbacks"])
                while self._done < epochs and not self.should_stop:
                    self._epoch(loader, validation, progress, stopped)
                self._call("on_fit_end")
        except BaseException as raised:
            error = self._interrupted(raised) if isinstance(raised, _Stop) else raised
            with contextlib.ExitStack() as calls:  # which calls all of them, even if one fails
                for callback in reversed(self._active):
                    calls.callback(callback.on_exception, self, error)
                raise error from None if error is not raised else error.__cause__
        finally:
            progress.close()
            self._data_epoch += self._done
        return self.history

    def find_lr(self, train: Any, **settings: Any) -> FoundRates:
        """Try rising learning rates, one a step, on the model as it is, and say where the loss falls fastest.

        Weights, optimizer, random numbers and all else are as before afterwards; the rate is not set. Smith 2017,
        "Cyclical Learning Rates for Training Neural Networks", arXiv:1506.01186.

        Args:
            train: data as for fit.
            start, end: the first rate (1e-6), and the last (1.0), of every parameter group.
            steps: how many rates, evenly on a logarithmic scale (100).
            batch_size: of datasets and arrays (32).
            stop_at: ends where the smoothed loss is so many times its least (4.0).
        Returns: the rates, the losses and a suggestion.
        Raises: ValueError for settings out of range, and data without a batch.
        """
        with self._deterministic_mode():
            return find_lr(self, train, **settings)

    def state_dict(self) -> dict[str, Any]:
        """All that training goes on from, as save_checkpoint takes it. The tensors are those in use, not copies."""
        return state_of(self)

    def _begin(self) -> None:
        """Start counting anew; the data goes on."""
        if self.seed is not None:
            gpudl.manual_seed(self.seed)
        self.epoch = self.step = self._done = self._batch = 0
        self.should_stop = self.resumed = False
        self.logs, self.history = {}, []
        self._reset()
        if not self.model.training:
            self.model.train()

    def _reset(self) -> None:
        self._mean.reset()
        for metric in self.metrics.values():
            metric.reset()

    def _epoch(self, loader: Any, validation: Any, progress: Progress, stopped: Stopped) -> None:
        self.epoch = self._done + 1
        self._call("on_epoch_start")
        batches = batches_from(loader, self._data_epoch + self._done, self._batch)
        shown = iter(progress.batches(batches, self.epoch, self._so_far, length_of(loader), self._batch))
        while group := list(itertools.islice(shown, self.accumulate)):
            update(self, group)
            self.step += 1
            self._batch += len(group)
            if self.scheduler is not None and self.scheduler_interval == "step":
                self.scheduler.step()
            for callback in self._active:
                callback.on_step_end(self)
            self._leave(stopped())
        if not self._batch:
            raise ValueError(f"fit: the data gives no batch in epoch {self.epoch}; an iterator can be used only once")
        self.logs = {"loss": self._mean.value(), **scalars(self.metrics)}
        if validation is not None:
            values = self._evaluated(validation, lambda: self._leave(stopped()))
            self.logs.update((f"val_{name}", value) for name, value in values.items() if isinstance(value, float))
            self._call("on_validation_end")
        self.logs["lr"] = as_float(self.optimizer.param_groups[0]["lr"])
        if self.scheduler is not None and self.scheduler_interval == "epoch":
            self._step_scheduler(self.scheduler)
        self.history.append(self.logs)
        self._done, self._batch = self.epoch, 0
        self._reset()
        progress.line(self.epoch, self.logs)
        self._call("on_epoch_end")
        self._leave(stopped())

    def _step_scheduler(self, scheduler: LRScheduler) -> None:
        if isinstance(scheduler, ReduceLROnPlateau):
            scheduler.step(monitored(self.logs, self.monitor, "ReduceLROnPlateau"))
        else:
            scheduler.step()

    def _leave(self, signal: str | None) -> None:
        """End the training where a signal asked for it."""
        if signal is not None:
            raise _Stop(signal)

    def _interrupted(self, stop: _Stop) -> TrainingInterrupted:
        """Save, once evaluation and all else has been left."""
        where = f"{stop} in epoch {self.epoch}, after step {self.step}"
        savers = [callback for callback in self._active if isinstance(callback, Checkpoint)]
        if not savers:
            return TrainingInterrupted(f"{where}; nothing was saved, for there is no Checkpoint callback")
        paths = [path for path in (saver.save(self) for saver in savers) if path is not None]
        if not paths:
            return TrainingInterrupted(f"{where}; the checkpoint could not be written")
        return TrainingInterrupted(f"{where}; saved {paths[0]}; fit(resume='auto') goes on from there", paths[0])

    def _call(self, method: str) -> None:
        for callback in self._active:
            getattr(callback, method)(self)

    def _count(self, batch: Any, output: Any, loss: Tensor, factor: Number, count: Number) -> None:
        """Add a batch to the loss and the metrics of the epoch."""
        self._mean.add(loss, factor, count)
        if self.metrics and output is not None:
            with no_grad():
                for metric in self.metrics.values():
                    metric.update(output.detach(), batch[-1])

    def _so_far(self) -> dict[str, Tensor]:
        """The loss and the metrics of the epoch under way, as Tensors that nothing waits for."""
        with no_grad():
            found = {name: each.so_far() for name, each in self.metrics.items() if hasattr(each, "so_far")}
            known = {"loss": self._mean.so_far(), **found}
        return {name: value for name, value in known.items() if isinstance(value, Tensor) and not value.ndim}

    def _averaged(self) -> AveragedModel:
        """The averaged model; made when it is first needed, since a lazy module has no weights before."""
        if self.ema is None:
            assert self.ema_decay is not None
            self.ema = AveragedModel(self.model, multi_avg_fn=get_ema_multi_avg_fn(self.ema_decay))
        return self.ema
