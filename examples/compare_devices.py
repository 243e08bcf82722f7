"""One training on the CPU and on another device, loss by loss: they are to agree, with dropout and all.

    python examples/compare_devices.py [--device sim] [--epochs 1] [--tolerance 1e-4] [--plot losses.png]

The device is a GPU if there is one, else the emulated one, unless --device names it. One seed gives the same weights,
the same order of the images and the same dropout everywhere; what is left is rounding. Exit code 1 if the losses part
by more than the tolerance. The table goes to stderr, the result to stdout; --plot needs Matplotlib. `gpudl compare`
does this for any model, and finds the operation that is to blame.

Needs: gpudl[digits]; gpudl[sim] and g++ where there is no GPU; gpudl[plot] for --plot.
"""

import argparse
import importlib.util
import sys

import numpy as np

import gpudl
from gpudl import nn, optim
from gpudl.data import DataLoader, Digits


def losses(device, epochs, seed):
    """The loss of every step of the training on this device."""
    gpudl.manual_seed(seed)
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Dropout(0.2), nn.Linear(128, 10),
    ).to(device)  # fmt: skip
    optimizer = optim.AdamW(model.parameters(), lr=0.003)
    criterion = nn.CrossEntropyLoss()
    found = []
    for _ in range(epochs):
        for images, labels in DataLoader(Digits(flatten=False), batch_size=64, shuffle=True):
            loss = criterion(model(images.to(device)), labels.to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            found.append(loss.item())
    return np.array(found)


def plot(path, curves):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot(xlabel="step", ylabel="loss", title="One training, two devices")
    for (name, values), style in zip(curves, ("-", "--"), strict=True):
        axes.plot(range(1, len(values) + 1), values, style, label=name)
    axes.legend()
    figure.savefig(path, dpi=150)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", help="cuda, cuda:1, sim, ... (default: cuda if there is a GPU, else sim)")
    parser.add_argument("--epochs", type=int, default=1, help="passes over the digits (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of all random numbers (default: %(default)s)")
    parser.add_argument("--tolerance", type=float, default=1e-4, help="largest difference (default: %(default)s)")
    parser.add_argument("--plot", metavar="FILE.png", help="draw both curves into this file")
    args = parser.parse_args(argv)
    if args.epochs < 1:
        parser.error("--epochs must be at least 1")
    if args.plot and importlib.util.find_spec("matplotlib") is None:
        print('compare_devices: --plot needs Matplotlib; install it: pip install "gpudl[plot]"', file=sys.stderr)
        return 2

    name = args.device or ("cuda" if gpudl.cuda.is_available() else "sim")
    try:
        gpudl.zeros(1, device=name)  # a device that is missing is told before the CPU has trained
        cpu, other = (losses(gpudl.device(device), args.epochs, args.seed) for device in ("cpu", name))
        if args.plot:
            plot(args.plot, [("cpu", cpu), (name, other)])
    except (ImportError, OSError, gpudl.DeviceError) as error:
        print(f"compare_devices: {error}", file=sys.stderr)
        return 2

    differences = abs(cpu - other)
    print(f"{'step':>6} {'cpu':>10} {name:>10} {'difference':>10}", file=sys.stderr)
    for step, row in enumerate(zip(cpu, other, differences, strict=True), 1):
        print(f"{step:>6} {row[0]:>10.6f} {row[1]:>10.6f} {row[2]:>10.1e}", file=sys.stderr)
    agree = bool(differences.max() <= args.tolerance)
    verdict = "within" if agree else "beyond"
    print(f"largest difference of {len(cpu)} losses: {differences.max():.1e}, {verdict} {args.tolerance:.0e}")
    return 0 if agree else 1


if __name__ == "__main__":
    sys.exit(main())
