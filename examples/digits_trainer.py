"""A convolutional network on the digits, with all that a Trainer does: augmentation, workers, checkpoints, logs.

    python examples/digits_trainer.py [--device cuda] [--epochs 10] [--workers 2] [--out runs/digits_trainer]

Stop it with Ctrl-C, or kill it, and start it again with the same arguments: it goes on at the very batch, and ends with
the same weights. Progress goes to stderr, the result to stdout.

Needs: gpudl[digits].
"""

import argparse
import sys
from pathlib import Path

import gpudl
from gpudl import nn, optim
from gpudl.data import DataLoader, Digits
from gpudl.data.transforms import Compose, MapDataset, RandomAffine, RandomErasing
from gpudl.train import Trainer, TrainingInterrupted
from gpudl.train.callbacks import Checkpoint, CSVLogger, EarlyStopping


def network():
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Dropout(0.2), nn.Linear(128, 10),
    )  # fmt: skip


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, sim or auto (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=10, help="passes over the data (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="processes that load images (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of all random numbers (default: %(default)s)")
    parser.add_argument(
        "--out", type=Path, default=Path("runs/digits_trainer"), help="for the run (default: %(default)s)"
    )
    args = parser.parse_args(argv)
    for name, least in (("epochs", 1), ("workers", 0)):
        if getattr(args, name) < least:
            parser.error(f"--{name} must be at least {least}")

    try:
        testset = Digits(train=False, flatten=False)
        augment = Compose([RandomAffine(10, translate=(0.1, 0.1)), RandomErasing(0.2)])
        trainset = MapDataset(Digits(train=True, flatten=False), augment)
        device = gpudl.device(args.device)
        gpudl.manual_seed(args.seed)
        model = network().to(device)
        args.out.mkdir(parents=True, exist_ok=True)
    except (ImportError, OSError, gpudl.DeviceError) as error:
        print(f"digits_trainer: {error}", file=sys.stderr)
        return 2

    optimizer = optim.AdamW(model.parameters(), lr=0.005)
    trainer = Trainer(
        model,
        nn.CrossEntropyLoss(label_smoothing=0.05),
        optimizer,
        metrics=["accuracy"],
        scheduler=optim.lr_scheduler.CosineAnnealingLR(optimizer, args.epochs),
        device=device,
        callbacks=[
            Checkpoint(args.out / "checkpoints"),
            EarlyStopping("val_accuracy", patience=8, mode="max", restore_best=True),
            CSVLogger(args.out / "metrics.csv"),
        ],
    )
    loader = DataLoader(trainset, batch_size=64, shuffle=True, num_workers=args.workers)
    try:
        trainer.fit(loader, validation=testset, epochs=args.epochs, resume="auto")
    except TrainingInterrupted as stop:
        print(f"digits_trainer: {stop}", file=sys.stderr)
        return 130
    print(f"test accuracy: {trainer.evaluate(testset)['accuracy']:.4f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
