"""Train what a configuration describes, and evaluate what a run saved."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import gpudl
from gpudl.data import DataLoader
from gpudl.train import build_data
from gpudl.train.build import Fit, Parts, build, check
from gpudl.train.build_data import Samples
from gpudl.train.build_parts import blamed, build_loss, build_metrics, build_model, build_optimizer, check_device
from gpudl.train.callbacks import Checkpoint
from gpudl.train.checkpoint import checkpoints_in
from gpudl.train.config import LENGTHS, Config
from gpudl.train.errors import CheckpointError, RunError, TrainingInterrupted
from gpudl.train.facts import facts
from gpudl.train.feeding import samples_in
from gpudl.train.means import UnknownLogError, scores_of
from gpudl.train.overrides import Override
from gpudl.train.progress import Progress
from gpudl.train.recorder import Recorder
from gpudl.train.run_folder import CHECKPOINTS, RunFolder
from gpudl.train.trainer import Trainer

Overrides = Mapping[str, Any] | Iterable[Override]


@dataclass(frozen=True)
class Result:
    """What came of a run, or of the evaluation of one.

    Attributes:
        run: the run folder.
        scores: "loss" and the metrics on the test data, with the weights in the folder.
        samples: how many test samples there are.
        device: where it was computed.
        epochs: how many were trained.
        seconds: what they took, evaluation included; for evaluate_run, what the evaluation took.
    """

    run: Path
    scores: dict[str, float]
    samples: int
    device: str
    epochs: int
    seconds: float


@dataclass(frozen=True)
class OpenRun:
    """A run that was saved, made again.

    Attributes:
        config: with the overrides.
        trainer: with the model and its weights, on the device.
        test: the samples to test on.
        loader: batches of them.
        fit: what the model made of a few of them.
    """

    config: Config
    trainer: Trainer
    test: Samples
    loader: DataLoader
    fit: Fit


def train(
    config: Config,
    out: str | os.PathLike[str] | None = None,
    *,
    resume: str | os.PathLike[str] | None = None,
    quiet: bool = False,
    verbose: bool = False,
    command: list[str] | None = None,
) -> Result:
    """Train, and write the run folder, while the training goes on: see gpudl.train.run_folder.

    The seed decides everything random: two runs with one seed on one kind of device write the same weights, bit for
    bit, whether they were stopped and resumed or not. Everything is checked before the folder is made.

    Args:
        config: from load_config, or from `config_to_resume`. Without a seed, one is drawn and recorded. Calls
            gpudl.manual_seed.
        out: the run folder; None for runs/<name of the configuration>-<date>-<time>.
        resume: the folder of a run to go on in, in place of `out`.
        quiet: no progress on stderr.
        verbose: the model's summary on stderr before the training.
        command: to be noted in the manifest.
    Returns: the scores on the test data, and the folder.
    Raises: ConfigError, RunError if `out` holds a run already, CheckpointError if there is none to resume from or it is
        damaged, WriteError if the folder cannot be written to, TrainingInterrupted (a KeyboardInterrupt); what the
        training goes on from, and the weights and the log of the epochs before, stay valid.
    """
    folder = RunFolder.planned(out, config) if resume is None else RunFolder(Path(resume))
    check_device(config)
    seed = config.train.get("seed", int.from_bytes(os.urandom(4), "little"))
    gpudl.manual_seed(seed)
    config = config.with_train(seed=seed)
    parts = build(config)
    device = gpudl.device(config.train["device"])
    config = config.with_train(device=str(device))
    manifest = _manifest(config, parts, device, command)
    progress = Progress(config.train["epochs"], quiet)
    flat = bool(config.data.get("flatten", False))
    recorder = Recorder(folder, manifest, parts, reports=config.train["report"], flat=flat, quiet=quiet)
    checkpoint = _checkpoint(config, folder)
    trainer = _trainer(config, parts, device, recorder, checkpoint)
    if resume is not None and not checkpoints_in(checkpoint.folder):
        raise CheckpointError(checkpoint.folder, "there is no checkpoint to go on from; train anew with another --out")
    if resume is None:
        folder.create(config, manifest)
        checkpoint.folder = folder.path / CHECKPOINTS
    else:
        folder.write_config(config)
        before = folder.load_manifest()  # of a training that was resumed, time and scores go on
        kinds = {"started": str, "seconds": float, "scores": dict}
        manifest |= {name: before[name] for name, kind in kinds.items() if isinstance(before.get(name), kind)}
    if verbose:
        progress.say(str(parts.model.summary(input_data=parts.fit.inputs, verbose=0)))
    progress.say(f"training on {device}, seed {seed}, run folder {folder.path}")
    return _fit(config, parts, trainer, recorder, quiet, resume is not None)


def config_to_resume(run: str | os.PathLike[str], overrides: Overrides = ()) -> Config:
    """The configuration of a run that is to go on.

    Args:
        run: the folder that train wrote.
        overrides: of what may be another now: the device, the number of epochs and of workers, and where the data is.
    Raises: RunError if it is no run folder; ConfigError for an override of what the checkpoint says.
    """
    folder = RunFolder(Path(run))
    config, before = folder.load_config(overrides), folder.load_config()
    free = {
        "data.num_workers",
        "data.workers",
        "data.root",
        "data.path",
        "data.download",
        "train.device",
        "train.epochs",
    }
    for key in config.source.overrides:
        if key not in free:
            raise config.error(key, f"cannot be changed in a run that goes on, but {', '.join(sorted(free))} can")
    kind = config.scheduler.get("type")
    of_length = kind == "OneCycleLR" or (kind in LENGTHS and LENGTHS[kind] not in config.scheduler)
    if of_length and config.train["epochs"] != before.train["epochs"]:
        problem = f"the schedule, {kind}, is made for {before.train['epochs']} epochs; start a new run for more"
        raise config.error("train.epochs", problem)
    return config


def open_run(run: str | os.PathLike[str], overrides: Overrides = ()) -> OpenRun:
    """Make again what a run saved.

    Args:
        run: the folder that train wrote.
        overrides: keys of its configuration to replace, such as {"train.device": "cpu"}.
    Raises: RunError for a folder or file that is missing or damaged, ConfigError.
    """
    folder = RunFolder(Path(run))
    config = folder.load_config(overrides)
    check_device(config)
    gpudl.manual_seed(config.train.get("seed", 0))  # which cuts the data in the same parts
    model, loss = build_model(config), build_loss(config)
    folder.load_weights(model)
    test = build_data.testing(config)
    loader = build_data.loader(config, test, train=False)
    fit = check(config, model, loss, test)
    device = gpudl.device(config.train["device"])
    optimizer, metrics = build_optimizer(config, model), build_metrics(config, fit.metric)
    deterministic = config.train.get("deterministic", False)
    trainer = Trainer(model, loss, optimizer, metrics, device=device, deterministic=deterministic)
    return OpenRun(config, trainer, test, loader, fit)


def evaluate_run(run: str | os.PathLike[str], overrides: Overrides = ()) -> Result:
    """Evaluate the weights in a run folder on the test data of its configuration.

    Args:
        run: the folder that train wrote.
        overrides: keys of its configuration to replace, such as {"train.device": "cpu"}. With the device and the batch
            size of the run, the scores are those that it ended with, bit for bit.
    Raises: RunError for a folder or file that is missing or damaged, ConfigError.
    """
    opened = open_run(run, overrides)
    start = time.perf_counter()
    scores = scores_of(opened.trainer.evaluate(opened.loader))
    seconds = time.perf_counter() - start
    epochs = opened.config.train["epochs"]
    return Result(Path(run), scores, len(opened.test.dataset), str(opened.trainer.device), epochs, seconds)


class _RunTrainer(Trainer):
    """Tells the recorder what is seen."""

    recorder: Recorder

    def training_step(self, batch: Any) -> tuple[gpudl.Tensor, Any]:
        self.recorder.samples += samples_in(batch)
        return super().training_step(batch)

    def validation_step(self, batch: Any) -> tuple[gpudl.Tensor, Any]:
        loss, output = super().training_step(batch)
        self.recorder.evaluated(output, batch[-1])
        return loss, output


def _trainer(config: Config, parts: Parts, device: gpudl.Device, recorder: Recorder, saver: Checkpoint) -> _RunTrainer:
    settings = {
        name: value for name, value in config.train.items() if name not in ("epochs", "seed", "device", "report")
    }
    try:
        trainer = _RunTrainer(
            parts.model,
            parts.loss,
            parts.optimizer,
            parts.metrics,
            scheduler=parts.scheduler,
            scheduler_interval=config.scheduler.get("interval", "epoch"),
            device=device,
            callbacks=[*parts.callbacks, recorder, saver],
            **settings,
        )
    except (ValueError, TypeError) as error:
        raise config.error(blamed("train", error, settings), str(error).removeprefix("Trainer: ")) from error
    trainer.recorder = recorder
    return trainer


def _checkpoint(config: Config, folder: RunFolder) -> Checkpoint:
    try:
        return Checkpoint(folder.path / CHECKPOINTS, **config.checkpoint)
    except ValueError as error:
        raise config.error(blamed("checkpoint", error, config.checkpoint), str(error)) from error


def _fit(config: Config, parts: Parts, trainer: Trainer, recorder: Recorder, quiet: bool, resume: bool) -> Result:
    run, epochs = recorder.folder.path, config.train["epochs"]
    start = time.perf_counter()
    try:
        trainer.fit(
            parts.training, validation=parts.validating, epochs=epochs, quiet=quiet, resume="auto" if resume else None
        )
        # The epoch's own scores are those of the end, unless a callback has put back other weights since.
        changed = parts.validation is not None or bool(parts.callbacks) or recorder.done != trainer.epoch
        if changed:
            recorder.evaluating()
        scores = scores_of(trainer.evaluate(parts.testing)) if changed else recorder.manifest["scores"]
        seconds = time.perf_counter() - start
        recorder.finish(trainer, scores, changed)
    except KeyboardInterrupt as stop:
        path = stop.path if isinstance(stop, TrainingInterrupted) else None
        left = f"{run} has the weights of epoch {recorder.done}" if recorder.done else f"{run} has no weights yet"
        how = f"; to go on: gpudl train --resume {run}" if path is not None else ""
        raise TrainingInterrupted(f"interrupted in epoch {trainer.epoch} of {epochs}; {left}{how}", path) from None
    except UnknownLogError as error:
        raise RunError(run, str(error)) from error
    except (LookupError, ValueError, RuntimeError) as error:
        if resume and not trainer.resumed and checkpoints_in(run / CHECKPOINTS):
            raise CheckpointError(run / CHECKPOINTS, f"these are of another training: {error}") from error
        raise
    return Result(run, scores, len(parts.test.dataset), str(trainer.device), trainer.epoch, seconds)


def _manifest(config: Config, parts: Parts, device: gpudl.Device, command: list[str] | None) -> dict[str, Any]:
    return {
        "format": 1,
        "name": Path(config.source.name).stem,
        "status": "running",
        "error": None,
        "started": datetime.now().astimezone().isoformat(timespec="seconds"),
        "finished": None,
        "seconds": None,
        "seed": config.train["seed"],
        "epochs": config.train["epochs"],
        **facts(device, config.source.folder),
        "parameters": sum(parameter.numel() for parameter in parts.model.parameters()),
        "train_samples": len(parts.train.dataset),
        "validation_samples": None if parts.validation is None else len(parts.validation.dataset),
        "test_samples": len(parts.test.dataset),
        "classes": list(parts.train.classes) or None,
        "model": repr(parts.model),
        "command": command,
        "scores": None,
    }
