"""compare_spec: compare_devices for whatever a user names."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import gpudl
from gpudl import nn
from gpudl.backend.device import Device
from gpudl.compare.devices import compare_devices
from gpudl.compare.report import Comparison
from gpudl.compare.training import MakeTrainer, copied
from gpudl.data import DataLoader
from gpudl.random.seed import seed_state, set_seed_state
from gpudl.train import Trainer, build_data, load_config, subject
from gpudl.train.build_parts import build_optimizer, build_scheduler
from gpudl.train.config import Config
from gpudl.train.loop import Overrides
from gpudl.train.overrides import Override, as_overrides
from gpudl.train.run_folder import RunFolder
from gpudl.train.settings import weighted

_NOT_OF_STEPS = ("epochs", "seed", "device", "report")  # what [train] says of a run as a whole


def compare_spec(
    spec: str | os.PathLike[str],
    overrides: Overrides = (),
    *,
    devices: Sequence[str] = ("cpu", "sim"),
    steps: int = 0,
    batch_size: int | None = None,
    input_size: tuple[int, ...] | None = None,
    seed: int | None = None,
    tolerance: float = 1.0,
    loss_tolerance: float | None = None,
    speed: bool = False,
) -> Comparison:
    """Compare devices on a configuration, a run, or a model alone.

    A configuration is trained as `gpudl train` does: by its optimizer, schedule, clipping and other settings, on its
    own batches in their order, from epoch to epoch. What takes no part, as its callbacks, is said in the notes. A
    model alone is trained by SGD with lr=0.01 on one random batch.

    Args:
        spec, overrides, batch_size, input_size: as for gpudl.train.subject.
        devices, tolerance, loss_tolerance, speed: as for compare_devices.
        steps: likewise; of a configuration, as many as its training has at most.
        seed: of all random numbers; None for that of the configuration, and 0 where there is none.
    Raises: as gpudl.train.subject and compare_devices.
    """
    text = os.fspath(spec)
    config: Config | None = None
    own: _Training | None = None
    weights = None
    before = seed_state()
    try:
        if Path(text).is_dir() or text.endswith(".toml"):
            more = [("train.seed", seed, "--seed"), ("data.batch_size", batch_size, "--batch-size")]
            overrides = [*as_overrides(overrides)] + [
                Override(key, value, str(value), origin) for key, value, origin in more if value is not None
            ]
            is_run = Path(text).is_dir()
            config = RunFolder(Path(text)).load_config(overrides) if is_run else load_config(text, overrides)
            seed = config.train.get("seed", 0)
            weights = config.train.get("class_weight")
        seed = seed or 0
        gpudl.manual_seed(seed)
        found = subject(text, overrides, batch_size=batch_size, input_size=input_size, device="cpu")
        if config is not None and steps:
            own = _training(config, found.loss, steps)
        compared = compare_devices(
            found.model,
            *found.inputs,
            loss=found.loss if weights is None else weighted(found.loss, weights),
            target=found.target,
            devices=devices,
            steps=steps if own is None else own.steps,
            trainer=None if own is None else own.trainer,
            batches=None if own is None else own.batches,
            seed=seed,
            tolerance=tolerance,
            loss_tolerance=loss_tolerance,
            speed=speed,
            name=found.name,
        )
        return compared if own is None else replace(compared, notes=(*compared.notes, *own.notes))
    finally:
        set_seed_state(before)


class _Training(NamedTuple):
    """The training of a configuration.

    Attributes:
        trainer: makes a Trainer with its settings.
        batches: of an epoch.
        steps: those asked for, or all.
        notes: what takes no part.
    """

    trainer: MakeTrainer
    batches: DataLoader
    steps: int
    notes: tuple[str, ...]


def _training(config: Config, loss: Any, steps: int) -> _Training:
    gpudl.manual_seed(config.train.get("seed", 0))
    samples, _, _ = build_data.parts(config)
    batches = build_data.loader(config, samples, train=True)
    settings = {name: value for name, value in config.train.items() if name not in _NOT_OF_STEPS}
    notes = []
    whole = config.train["epochs"] * -(-len(batches) // config.train["accumulate"])
    if whole < steps:
        notes.append(f"The training ends after {whole} steps")
    if config.callbacks:
        names = dict.fromkeys(table["type"] for table in config.callbacks)
        notes.append(f"Callbacks took no part: {', '.join(names)}")
    if config.scheduler.get("type") == "ReduceLROnPlateau":
        settings["monitor"] = "loss"
        notes.append("Nothing was validated: ReduceLROnPlateau looked at the loss of the training")

    def made(model: nn.Module, place: Device) -> Trainer:
        optimizer = build_optimizer(config, model)
        return Trainer(
            model,
            copied(loss, place),
            optimizer,
            scheduler=build_scheduler(config, optimizer, len(batches)),
            scheduler_interval=config.scheduler.get("interval", "epoch"),
            device=place,
            **settings,
        )

    return _Training(made, batches, min(steps, whole), tuple(notes))
