"""A training that kills itself: python killable.py FOLDER STEP,PLACE,WORKERS ...

For each of the triples, a process resumes from FOLDER, is killed (SIGKILL) after STEP optimizer steps, where PLACE is
"step", or in the middle of the first checkpoint that it writes from STEP on, where PLACE is "write". STEP 0 lets it
live, and it writes its final weights, averages and history into FOLDER. Prints how each of them ended.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

import numpy as np

import gpudl
from gpudl import nn, optim
from gpudl.data import DataLoader, TensorDataset
from gpudl.data.draws import sample_draws
from gpudl.data.transforms import MapDataset
from gpudl.train import Callback, Trainer, files
from gpudl.train.callbacks import Checkpoint, EarlyStopping

EPOCHS, STEPS = 4, 24


class Kill(Callback):
    def __init__(self, step: int, place: str) -> None:
        self.step, self.place = step, place

    def on_step_end(self, trainer: Trainer) -> None:
        if self.step and trainer.step >= self.step:
            if self.place == "step":
                os.kill(os.getpid(), signal.SIGKILL)
            files.os.fsync = lambda descriptor: os.kill(os.getpid(), signal.SIGKILL)


def noisy(x: Any) -> Any:
    """An augmentation, whose numbers depend on the epoch and the sample."""
    rows = x.reshape(-1, 6)
    return (rows + 0.1 * gpudl.from_numpy(sample_draws(len(rows), 6).astype(np.float32))).reshape(x.shape)


def make(folder: Path, *callbacks: Callback, workers: int = 0, **settings: Any) -> tuple[Trainer, DataLoader, Any]:
    """A training with all that a checkpoint must hold, its data and its validation data."""
    gpudl.manual_seed(7)
    x = np.random.default_rng(0).standard_normal((70, 6)).astype(np.float32)
    data = [gpudl.from_numpy(each) for each in (x, x[:, :3].argmax(1))]
    model = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 3))
    optimizer = optim.Adam(model.parameters(), lr=0.02)
    trainer = Trainer(
        model,
        nn.CrossEntropyLoss(),
        optimizer,
        scheduler=optim.lr_scheduler.MultiStepLR(optimizer, [3, 9, 15]),
        scheduler_interval="step",
        device="cpu",
        ema=0.8,
        accumulate=2,
        callbacks=[*callbacks, EarlyStopping(patience=50, restore_best=True), Checkpoint(folder, every_steps=2)],
        **settings,
    )
    loader = DataLoader(MapDataset(TensorDataset(*data), noisy), 6, shuffle=True, num_workers=workers)
    return trainer, loader, tuple(part[:20] for part in data)


def outcome(trainer: Trainer) -> dict[str, np.ndarray]:
    assert trainer.ema is not None
    state = {**trainer.model.state_dict(), **trainer.ema.state_dict()}
    return {name: tensor.numpy().copy() for name, tensor in state.items()}


def train(folder: Path, step: int, place: str, workers: int) -> None:
    trainer, loader, validation = make(folder, Kill(step, place), workers=workers)
    trainer.fit(loader, validation=validation, epochs=EPOCHS, resume="auto", quiet=True)
    assert trainer.step == STEPS
    np.savez(folder / "outcome.npz", **outcome(trainer))
    (folder / "history.json").write_text(json.dumps(trainer.history))


def main(folder: str, *triples: str) -> None:
    for triple in triples:
        step, place, workers = triple.split(",")
        child = os.fork()  # a process of its own, without importing everything anew
        if not child:
            try:
                train(Path(folder), int(step), place, int(workers))
                os._exit(0)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
