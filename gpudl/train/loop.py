"""Train what a configuration describes, and evaluate what a run saved."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import gpudl
from gpudl.data import DataLoader
from gpudl.nn import Module
from gpudl.train.build import Parts, build, build_loader, build_loss, build_model, check, check_device
from gpudl.train.config import Config
from gpudl.train.errors import TrainingInterrupted
from gpudl.train.interrupt import uninterrupted
from gpudl.train.overrides import Override
from gpudl.train.progress import Progress
from gpudl.train.run_folder import RunFolder


class Scores(NamedTuple):
    """How good a model is on some data.

    Attributes:
        loss: mean over the samples.
        accuracy: share of the samples whose largest output is that of their class.
    """

    loss: float
    accuracy: float


@dataclass(frozen=True)
class Result:
    """What came of a run, or of the evaluation of one.

    Attributes:
        run: the run folder.
        scores: on the test data, with the weights in the folder.
        samples: how many test samples there are.
        device: where it was computed.
        epochs: how many the configuration asks for.
        seconds: what they took, evaluation included; for evaluate_run, what the evaluation took.
    """

    run: Path
    scores: Scores
    samples: int
    device: str
    epochs: int
    seconds: float


def train(config: Config, out: str | os.PathLike[str] | None = None, *, quiet: bool = False) -> Result:
    """Train, and write the run folder: the resolved configuration, the weights after each epoch, and the log.

    The seed decides everything random: two runs with one seed on one kind of device write the same weights, bit for
    bit. Everything is checked before the folder is made.

    Args:
        config: from load_config. Without a seed, one is drawn and recorded. Calls gpudl.manual_seed.
        out: the run folder; None for runs/<name of the configuration>-<date>-<time>.
        quiet: no progress on stderr.
    Returns: the scores of the last epoch, and the folder.
    Raises: ConfigError, RunError if `out` holds a run already, WriteError if the folder cannot be written to,
        TrainingInterrupted (a KeyboardInterrupt); the weights and the log of the epochs before stay valid.
    """
    folder = RunFolder.planned(out, config)
    check_device(config)
    seed = config.train.get("seed", int.from_bytes(os.urandom(4), "little"))
    gpudl.manual_seed(seed)
    parts = build(config)
    device = gpudl.device(config.train["device"])
    parts.model.to(device)
    parts.loss.to(device)
    config = config.with_train(seed=seed, device=str(device))
    progress = Progress(config.train["epochs"], quiet)
    folder.create(config, _facts(config, parts))
    progress.say(f"training on {device}, seed {seed}, run folder {folder.path}")
    try:
        return _train(config, parts, folder, progress, device)
    finally:
        progress.close()


def _train(config: Config, parts: Parts, folder: RunFolder, progress: Progress, device: gpudl.Device) -> Result:
    epochs, done = config.train["epochs"], 0
    start = time.perf_counter()
    try:
        for epoch in range(1, epochs + 1):
            record, scores = _epoch(parts, progress, epoch, device)
            with uninterrupted():  # weights, log and count are of one epoch
                folder.save_weights(parts.model)
                folder.log(record)
                done = epoch
            progress.epoch(record)
    except KeyboardInterrupt:
        left = f"{folder.path} has the weights of epoch {done}" if done else f"{folder.path} has no weights yet"
        raise TrainingInterrupted(f"interrupted after epoch {done} of {epochs}; {left}") from None
    seconds = time.perf_counter() - start
    return Result(folder.path, scores, len(parts.testing.dataset), str(device), epochs, seconds)


def _epoch(parts: Parts, progress: Progress, epoch: int, device: gpudl.Device) -> tuple[dict[str, Any], Scores]:
    """Train for one epoch, and evaluate: the record for the log, and the scores."""
    start = time.perf_counter()
    parts.model.train()
    total: Any = 0.0
    samples = 0
    for x, y in progress.batches(parts.training, epoch):
        x, y = x.to(device), y.to(device)
        parts.optimizer.zero_grad()
        loss = parts.loss(parts.model(x), y)
        loss.backward()
        parts.optimizer.step()
        # Summed where it was computed and read once an epoch: to read it at each step would wait for the GPU.
        total = total + _summed(loss.detach(), parts.loss, len(x))
        samples += len(x)
    train_loss = float(total) / samples
    trained = time.perf_counter()
    scores = evaluate(parts.model, parts.loss, parts.testing, device)
    end = time.perf_counter()
    record = {
        "epoch": epoch,
        "train_loss": train_loss,
        "test_loss": scores.loss,
        "test_accuracy": scores.accuracy,
        "seconds": end - start,
        "samples_per_second": samples / (trained - start),
    }
    return record, scores


def evaluate(model: Module, loss: Module, loader: DataLoader, device: str | gpudl.Device = "cpu") -> Scores:
    """Loss and accuracy of a classifier over all batches, in evaluation mode and without a graph.

    Args:
        model: (count, ...) to (count, classes); its training mode is restored.
        loss: of the model's output and the targets, one number.
        loader: batches of inputs and targets (count,).
        device: where the model is.
    Returns: both as means over the samples, so that a last batch that is not full counts for what it has.
    Raises: ValueError if there are no samples.
    """
    device = gpudl.device(device)
    before = model.training
    model.eval()
    total: Any = 0.0
    right: Any = 0
    samples = 0
    try:
        with gpudl.no_grad():
            for x, y in loader:
                x, y = x.to(device), y.to(device)
                output = model(x)
                total = total + _summed(loss(output, y), loss, len(x))
                right = right + (output.argmax(1) == y).sum()
                samples += len(x)
    finally:
        model.train(before)
    if not samples:
        raise ValueError("evaluate: the loader gives no samples")
    return Scores(float(total) / samples, int(right) / samples)


def evaluate_run(run: str | os.PathLike[str], overrides: Mapping[str, Any] | Iterable[Override] = ()) -> Result:
    """Evaluate the weights in a run folder on the test data of its configuration.

    Args:
        run: the folder that train wrote.
        overrides: keys of its configuration to replace, such as {"train.device": "cpu"}. With the device and the batch
            size of the run, the scores are those of its last epoch, bit for bit.
    Raises: RunError for a folder or file that is missing or damaged, ConfigError.
    """
    folder = RunFolder(Path(run))
    config = folder.load_config(overrides)
    check_device(config)
    model, loss = build_model(config), build_loss(config)
    folder.load_weights(model)
    loader = build_loader(config, train=False)
    check(config, model, loss, loader)
    chosen = gpudl.device(config.train["device"])
    start = time.perf_counter()
    scores = evaluate(model.to(chosen), loss.to(chosen), loader, chosen)
    seconds = time.perf_counter() - start
    return Result(folder.path, scores, len(loader.dataset), str(chosen), config.train["epochs"], seconds)


def _summed(value: Any, loss: Module, count: int) -> Any:
    """The sum over a batch of what the loss says of it; in float64, which loses nothing over many batches."""
    return value.double() * (1 if getattr(loss, "reduction", "mean") == "sum" else count)


def _facts(config: Config, parts: Parts) -> dict[str, Any]:
    """The first line of the log."""
    return {
        "gpudl": gpudl.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "platform": platform.platform(),
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "seed": config.train["seed"],
        "device": config.train["device"],
        "parameters": sum(parameter.numel() for parameter in parts.model.parameters()),
        "train_samples": len(parts.training.dataset),
        "test_samples": len(parts.testing.dataset),
    }
