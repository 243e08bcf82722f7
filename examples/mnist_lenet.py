"""LeNet-5, the network that read checks, on MNIST, with a Trainer and images that are shifted, turned and scaled.

    python examples/mnist_lenet.py --data DIR [--download] [--device cuda] [--epochs 6] [--seed 0]

DIR holds the four IDX files (train-images-idx3-ubyte and so on, plain or .gz); --download puts them there.
Progress goes to stderr, the result to stdout.

Needs: MNIST.
"""

import argparse
import sys

import gpudl
from gpudl import nn, optim
from gpudl.data import MNIST, DataLoader, DownloadError, IdxError
from gpudl.data.transforms import Compose, MapDataset, Normalize, RandomAffine
from gpudl.models import LeNet5
from gpudl.train import Trainer


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="data", metavar="DIR", help="folder of the IDX files (default: %(default)s)")
    parser.add_argument("--download", action="store_true", help="fetch the files that are missing")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, sim or auto (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=6, help="passes over the data (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of all random numbers (default: %(default)s)")
    args = parser.parse_args(argv)
    if args.epochs < 1:
        parser.error("--epochs must be at least 1")

    try:
        trainset = MNIST(args.data, train=True, download=args.download)
        testset = MNIST(args.data, train=False)
        device = gpudl.device(args.device)
        gpudl.manual_seed(args.seed)
        model = LeNet5().to(device)
    except (OSError, DownloadError, IdxError, gpudl.DeviceError) as error:
        print(f"mnist_lenet: {error}", file=sys.stderr)
        return 2

    normalize = Normalize([0.1307], [0.3081])  # mean and standard deviation of MNIST's pixels
    augment = RandomAffine(7, translate=(0.05, 0.05), scale=(0.9, 1.1))
    loader = DataLoader(MapDataset(trainset, Compose([augment, normalize])), batch_size=32, shuffle=True)
    testset = MapDataset(testset, normalize)

    optimizer = optim.AdamW(model.parameters(), lr=0.003)
    # The rate falls after every step, to 0 at the last one.
    scheduler = optim.lr_scheduler.CosineAnnealingLR(optimizer, args.epochs * len(loader))
    trainer = Trainer(
        model,
        nn.CrossEntropyLoss(),
        optimizer,
        metrics=["accuracy"],
        scheduler=scheduler,
        scheduler_interval="step",
        device=device,
    )
    trainer.fit(loader, validation=testset, epochs=args.epochs)
    print(f"test accuracy: {trainer.evaluate(testset)['accuracy']:.4f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
