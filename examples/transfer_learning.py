"""Transfer learning: what a network has learned from the digits 0 to 4 helps it to learn 5 to 9 from a few images.

    python examples/transfer_learning.py --data DIR [--download] [--device cuda] [--epochs 30] [--images 5] [--seed 0]

A small convolutional network learns to tell 0 to 4 of MNIST apart, from all their images. Then its layers are frozen,
and a new head learns 5 to 9 from --images of each. Beside it a new network, of the same form, learns 5 to 9 from the
same few images alone. DIR is that of mnist_mlp.py. Progress goes to stderr, both accuracies to stdout.

Needs: MNIST.
"""

import argparse
import sys

import gpudl
from gpudl import nn, optim
from gpudl.data import MNIST, DataLoader, DownloadError, IdxError, Subset
from gpudl.train import Trainer


def body():
    """(n, 1, 28, 28) images to (n, 576) features."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(),
    )  # fmt: skip


def head():
    return nn.Linear(576, 5)


def digits(folder, first, train, count=None):
    """The images of the five digits from `first` on, or `count` of each, with labels from 0 on."""
    dataset = MNIST(folder, train, target_transform=lambda label: label - first)
    labels = dataset.targets.tolist()
    places = [[i for i, label in enumerate(labels) if label == digit][:count] for digit in range(first, first + 5)]
    return Subset(dataset, [i for of_digit in places for i in of_digit])


def fit(what, model, parameters, trainset, testset, epochs, batch_size, device):
    """Train only `parameters` of the model; the accuracy on `testset`."""
    print(what, file=sys.stderr)
    optimizer = optim.AdamW(parameters, lr=0.002)
    scheduler = optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    trainer = Trainer(model, nn.CrossEntropyLoss(), optimizer, metrics=["accuracy"], scheduler=scheduler, device=device)
    trainer.fit(DataLoader(trainset, batch_size=batch_size, shuffle=True), epochs=epochs)
    return trainer.evaluate(testset)["accuracy"]


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="data", metavar="DIR", help="folder of the IDX files (default: %(default)s)")
    parser.add_argument("--download", action="store_true", help="fetch the files that are missing")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, sim or auto (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=30, help="over the few images (default: %(default)s)")
    parser.add_argument("--images", type=int, default=5, help="of each new digit, to learn from (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of all random numbers (default: %(default)s)")
    args = parser.parse_args(argv)
    if args.epochs < 1:
        parser.error("--epochs must be at least 1")
    if args.images < 1:
        print(f"transfer_learning: --images must be 1 or more, got {args.images}", file=sys.stderr)
        return 2

    try:
        device = gpudl.device(args.device)
        gpudl.manual_seed(args.seed)
        if args.download:
            MNIST(args.data, download=True)
        many, few = digits(args.data, 0, train=True), digits(args.data, 5, train=True, count=args.images)
        old, new = digits(args.data, 0, train=False), digits(args.data, 5, train=False)
    except (OSError, DownloadError, IdxError, gpudl.DeviceError) as error:
        print(f"transfer_learning: {error}", file=sys.stderr)
        return 2

    layers = body()
    model = nn.Sequential(layers, head())
    known = fit("0 to 4:", model, model.parameters(), many, old, 3, 32, device)
    print(f"accuracy on 0 to 4, {len(many)} images: {known:.4f}", file=sys.stderr)

    # Frozen layers get no gradients, so that the backward pass ends at the head, and only the head has an optimizer.
    # Batch norm in them would also have to stay in eval mode, lest its statistics move.
    model = nn.Sequential(layers.requires_grad_(False), head())
    transferred = fit("5 to 9, frozen layers:", model, model[1].parameters(), few, new, args.epochs, 10, device)

    model = nn.Sequential(body(), head())
    scratch = fit("5 to 9, from scratch:", model, model.parameters(), few, new, args.epochs, 10, device)
    print(f"accuracy on 5 to 9, {len(few)} images, frozen layers: {transferred:.4f}")
    print(f"accuracy on 5 to 9, {len(few)} images, from scratch: {scratch:.4f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
