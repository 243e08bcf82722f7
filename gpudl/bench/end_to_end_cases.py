"""Time to accuracy: training from the start, data on its way to the device included, until enough is right.

The loop is a plain one, the same for both libraries, from the same weights, with the samples in the same order. After
each epoch all of the test set is looked at. One run is a whole training.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

import gpudl
from gpudl.bench.case import CannotMeasure, Case, Make, Part, Parts, Shape
from gpudl.bench.library import Library, seeded
from gpudl.bench.twin import models
from gpudl.data import Digits, make_spirals

Arrays = tuple[Any, Any, Any, Any]


class Task(NamedTuple):
    """What is to be learned.

    Attributes:
        data: gives samples and classes for training, and for the test, in NumPy.
        target: share of the test set that must be right, 0 to 1.
        most: epochs, after which it has failed.
        rate: of learning, by Adam.
    """

    data: Callable[[], Arrays]
    target: float
    most: int
    rate: float


class Run:
    """A training that can be repeated.

    Args:
        make: of what library, where, and the seed.
        task: what is to be learned.
        batch: samples of a step.
        widths: of the layers of an MLP, its input and output included.
    Attributes:
        epochs, reached: of the last training: how many, and the share of the test set that is right.
    """

    def __init__(self, make: Make, task: Task, batch: int, widths: Shape):
        self._lib, self._place, self._seed = make.lib, make.place, make.seed
        self._task, self._batch = task, batch
        self._data = [self._lib.from_numpy(array) for array in task.data()]
        with seeded(gpudl, make.seed):
            start = models(gpudl, "mlp").MLP(widths[0], widths[1:]).state_dict()
        self._start = {name: self._lib.from_numpy(value.numpy()) for name, value in start.items()}
        self._model = partial(models(self._lib, "mlp").MLP, widths[0], widths[1:])
        self.epochs, self.reached = 0, 0.0

    def __call__(self) -> float:
        """Train; the seconds that it took."""
        begin = time.perf_counter()
        model = self._model()
        model.load_state_dict(self._start)
        model = model.to(self._place)
        x, y, test_x, test_y = (tensor.to(self._place) for tensor in self._data)
        optimizer = self._lib.optim.Adam(model.parameters(), lr=self._task.rate)
        draw = np.random.default_rng(self._seed)
        for epoch in range(1, self._task.most + 1):
            order = self._lib.from_numpy(draw.permutation(len(x))).to(self._place)
            for index in order.split(self._batch):
                optimizer.zero_grad()
                self._lib.nn.functional.cross_entropy(model(x[index]), y[index]).backward()
                optimizer.step()
            with self._lib.no_grad():
                right = (model(test_x).argmax(1) == test_y).sum().item()
            self.epochs, self.reached = epoch, right / len(test_y)
            if self.reached >= self._task.target:
                break
        return time.perf_counter() - begin

    def facts(self, library: Library, seconds: float | None) -> dict[str, Any]:
        """How good it became in the last run, for the row."""
        return {"accuracy": {"target": self._task.target, "reached": self.reached, "epochs": self.epochs}}


def _digits() -> Arrays:
    try:
        sets = Digits(train=True), Digits(train=False)
    except ImportError as error:
        raise CannotMeasure(str(error)) from error
    both = [(each.data.numpy().reshape(-1, 64).astype("float32") / 16, each.targets.numpy()) for each in sets]
    return (*both[0], *both[1])


def _spirals() -> Arrays:
    both = [make_spirals(count, noise=0.02, seed=seed).tensors for count, seed in ((2000, 1), (1000, 2))]
    (x, y), (test_x, test_y) = ([tensor.numpy() for tensor in each] for each in both)
    return x, y, test_x, test_y


def _to_accuracy(task: Task) -> Callable[..., Parts]:
    def build(make: Make, batch: Shape, widths: Shape) -> Parts:
        run = Run(make, task, batch[0], widths)
        return {"to accuracy": Part(run, says="seconds", facts=run.facts)}

    return build


def _case(name: str, task: Task, *sizes: Shape) -> Case:
    return Case("end-to-end", "end-to-end", name, _to_accuracy(task), sizes, sizes)


CASES = [
    _case("Digits, MLP to 95 %", Task(_digits, 0.95, 50, 2e-3), (64,), (64, 128, 10)),
    _case("spirals, MLP to 99 %", Task(_spirals, 0.99, 100, 5e-3), (64,), (2, 64, 64, 2)),
]
