"""A model and a data set of one's own, in configurations.

    python examples/own_parts.py [--device cuda] [--epochs 60] [--out runs/own_parts]

This trains by examples/spirals.toml, which names what is registered here; `gpudl train examples/spirals.toml` does the
same. The run folder gets weights, checkpoints, logs, plots and report.html. Progress goes to stderr.
"""

import argparse
import math
import sys
from pathlib import Path

import numpy as np

import gpudl
from gpudl import nn
from gpudl.train import ConfigError, RunError, load_config, register, train


@register("dataset", "two_spirals")
def two_spirals(train: bool, samples: int = 600, noise: float = 0.1):
    """Points (samples, 2) of two spirals, and which one each is of; others to test on than to train on."""
    random = np.random.default_rng(1 if train else 2)
    turn = np.sqrt(random.random(samples)) * 3 * math.pi
    kind = random.integers(0, 2, samples)
    radius = turn / (3 * math.pi) * np.where(kind, -1, 1)
    points = np.stack([radius * np.cos(turn), radius * np.sin(turn)], 1)
    points += random.normal(0, noise / 5, points.shape)
    return points.astype(np.float32), kind


@register("model")
class Ripples(nn.Module):
    """Two hidden layers whose activation is a sine, which bends as spirals do."""

    def __init__(self, width: int = 32, frequency: float = 3.0):
        super().__init__()
        self.frequency = frequency
        self.inner, self.hidden, self.outer = nn.Linear(2, width), nn.Linear(width, width), nn.Linear(width, 2)

    def forward(self, x):
        x = gpudl.sin(self.frequency * self.inner(x))
        return self.outer(gpudl.sin(self.frequency * self.hidden(x)))


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, ... or auto (default: cpu)")
    parser.add_argument("--epochs", type=int, default=60, help="passes over the training data (default: 60)")
    parser.add_argument("--seed", type=int, default=0, help="of all random numbers (default: 0)")
    parser.add_argument("--out", type=Path, default=None, help="the run folder (default: runs/spirals-<date>-<time>)")
    args = parser.parse_args(argv)
    if args.epochs < 1:
        parser.error("--epochs must be at least 1")
    settings = {"train.device": args.device, "train.epochs": args.epochs, "train.seed": args.seed}
    try:
        result = train(load_config(Path(__file__).with_name("spirals.toml"), settings), args.out)
    except (ConfigError, RunError) as error:
        print(f"own_parts: {error}", file=sys.stderr)
        return 2
    print(f"run folder: {result.run}")
    print(f"test accuracy: {result.scores['accuracy']:.4f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
