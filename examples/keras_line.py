"""A line through noisy points, as written for Keras: only the import differs.

    python examples/keras_line.py [--device cuda] [--epochs 1000] [--seed 0]

The true line has slope 2 and intercept 1. What was learned goes to stdout.
"""

import argparse
import sys

import numpy as np

import gpudl
from gpudl import keras


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, sim or auto (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=1000, help="passes over the data (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of all random numbers (default: %(default)s)")
    args = parser.parse_args(argv)
    if args.epochs < 1:
        parser.error("--epochs must be at least 1")

    keras.utils.set_random_seed(args.seed)
    rng = np.random.default_rng(abs(args.seed))
    X = np.linspace(-1, 1, 100)
    Y = 2 * X + 1 + rng.normal(0, 0.1, 100)
    try:
        model = keras.Sequential([keras.layers.Dense(units=1, input_shape=(1,))], device=args.device)
    except gpudl.DeviceError as error:
        print(f"keras_line: {error}", file=sys.stderr)
        return 2
    model.compile(optimizer="sgd", loss="mean_squared_error")
    model.fit(X, Y, epochs=args.epochs)
    Y_pred = model.predict(X)

    slope, intercept = np.polyfit(X, Y_pred[:, 0], 1)
    print(f"slope {slope:.3f}, intercept {intercept:.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
