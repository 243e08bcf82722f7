"""Classes of the rows of a CSV file, learned by a multilayer perceptron. Without a file: three spirals.

    python examples/csv_mlp.py [FILE --target COLUMN] [--device cuda] [--epochs 60] [--seed 0]

The target's column holds names or numbers of classes; rows with a missing cell are left out. Four fifths of the rows
are for training, one for testing. Progress goes to stderr, the result to stdout.
"""

import argparse
import csv
import sys
import tempfile
from pathlib import Path

import gpudl
from gpudl import nn, optim
from gpudl.data import CSVDataset, DataLoader, TensorDataset, make_spirals


def write_spirals(path):
    points, arms = make_spirals(1500, n_classes=3, noise=0.02, seed=0).tensors
    with open(path, "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["x", "y", "arm"])
        rows.writerows([*point, "abc"[arm]] for point, arm in zip(points.tolist(), arms.tolist(), strict=True))


def read(args):
    """The datasets for training and testing, and how many features and classes there are."""
    with tempfile.TemporaryDirectory() as folder:
        file, target = args.file, args.target
        if file is None:
            file, target = Path(folder) / "spirals.csv", "arm"
            write_spirals(file)
        table = CSVDataset(file, target, columns={target: "category"}, missing="drop")
    order = gpudl.random.stream("split", seed=args.seed).permutation(len(table))
    (x, y), (test_x, test_y) = table.batch(order[len(table) // 5 :]), table.batch(order[: len(table) // 5])
    mean, std = x.mean(0), x.std(0) + 1e-6
    train, test = TensorDataset((x - mean) / std, y), TensorDataset((test_x - mean) / std, test_y)
    return train, test, len(table.feature_names), len(table.categories[target])


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", help="CSV file whose first line names its columns (default: spirals)")
    parser.add_argument("--target", help="name of the column with the classes")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, sim or auto (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=60, help="passes over the data (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of all random numbers (default: %(default)s)")
    args = parser.parse_args(argv)
    if args.epochs < 1:
        parser.error("--epochs must be at least 1")
    if (args.file is None) != (args.target is None):
        parser.error("a file needs --target, and --target a file")

    try:
        trainset, testset, features, classes = read(args)
        device = gpudl.device(args.device)
        gpudl.manual_seed(args.seed)
        model = nn.Sequential(
            nn.Linear(features, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, classes)
        ).to(device)
    except (OSError, ValueError, gpudl.DeviceError) as error:
        print(f"csv_mlp: {error}", file=sys.stderr)
        return 2

    loader = DataLoader(trainset, batch_size=32, shuffle=True)
    optimizer = optim.AdamW(model.parameters(), lr=0.003)
    criterion = nn.CrossEntropyLoss()

    for epoch in range(args.epochs):
        total = 0.0
        for rows, labels in loader:
            loss = criterion(model(rows.to(device)), labels.to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
        if epoch % 20 == 19:
            print(f"epoch {epoch + 1}: loss {total / len(loader):.4f}", file=sys.stderr)

    with gpudl.no_grad():
        ((rows, labels),) = DataLoader(testset, batch_size=len(testset))
        right = model(rows.to(device)).argmax(1) == labels.to(device)
    print(f"test accuracy: {right.float().mean().item():.4f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
