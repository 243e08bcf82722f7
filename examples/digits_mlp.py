"""Small handwritten digits, learned with nothing but a loop in Python.

    python examples/digits_mlp.py [--device cuda] [--epochs 40] [--seed 0]

Progress goes to stderr, the result to stdout.

Needs: gpudl[digits].
"""

import argparse
import sys

import gpudl
from gpudl import nn, optim
from gpudl.data import DataLoader, Digits


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, sim or auto (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=40, help="passes over the data (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of all random numbers (default: %(default)s)")
    args = parser.parse_args(argv)
    if args.epochs < 1:
        parser.error("--epochs must be at least 1")

    try:
        trainset, testset = Digits(train=True), Digits(train=False)
        device = gpudl.device(args.device)
        gpudl.manual_seed(args.seed)
        model = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 10)).to(device)
    except (ImportError, gpudl.DeviceError) as error:
        print(f"digits_mlp: {error}", file=sys.stderr)
        return 2

    loader = DataLoader(trainset, batch_size=32, shuffle=True)
    optimizer = optim.AdamW(model.parameters(), lr=0.002, weight_decay=0.4)
    criterion = nn.CrossEntropyLoss()

    for epoch in range(args.epochs):
        total = 0.0
        for images, labels in loader:
            loss = criterion(model(images.to(device)), labels.to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
        if epoch % 10 == 9:
            print(f"epoch {epoch + 1}: loss {total / len(loader):.4f}", file=sys.stderr)

    with gpudl.no_grad():
        ((images, labels),) = DataLoader(testset, batch_size=len(testset))
        right = model(images.to(device)).argmax(1) == labels.to(device)
    print(f"test accuracy: {right.float().mean().item():.4f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
