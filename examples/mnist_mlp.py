"""A multilayer perceptron on MNIST: the program that everyone starts with.

    python examples/mnist_mlp.py --data DIR [--download] [--device cuda] [--epochs 10] [--seed 0]

DIR holds the four IDX files (train-images-idx3-ubyte and so on, plain or .gz); --download puts them there.
Progress goes to stderr, the result to stdout.

Needs: MNIST.
"""

import argparse
import sys

import gpudl
import gpudl.nn as nn
import gpudl.optim as optim
from gpudl.data import MNIST, DataLoader, DownloadError, IdxError


class Net(nn.Module):
    def __init__(self):
        super(Net, self).__init__()  # noqa: UP008
        self.fc1 = nn.Linear(784, 128)
        self.fc2 = nn.Linear(128, 64)
        self.fc3 = nn.Linear(64, 10)

    def forward(self, x):
        x = gpudl.relu(self.fc1(x))
        x = gpudl.relu(self.fc2(x))
        return self.fc3(x)


def train(net, trainloader, epochs, device):
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.Adam(net.parameters(), lr=0.001)
    for epoch in range(epochs):
        running_loss = 0.0
        for i, data in enumerate(trainloader, 0):  # noqa: B007
            inputs, labels = data
            inputs, labels = inputs.to(device), labels.to(device)
            optimizer.zero_grad()
            outputs = net(inputs)
            loss = criterion(outputs, labels)
            loss.backward()
            optimizer.step()
            running_loss += loss.item()
        print(f"epoch {epoch + 1}: loss {running_loss / len(trainloader):.4f}", file=sys.stderr)


def accuracy(net, testloader, device):
    correct = total = 0
    with gpudl.no_grad():
        for inputs, labels in testloader:
            predicted = net(inputs.to(device)).argmax(1)
            correct += (predicted == labels.to(device)).sum().item()
            total += len(labels)
    return correct / total


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="data", metavar="DIR", help="folder of the IDX files (default: %(default)s)")
    parser.add_argument("--download", action="store_true", help="fetch the files that are missing")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, sim or auto (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=10, help="passes over the data (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of all random numbers (default: %(default)s)")
    args = parser.parse_args(argv)
    if args.epochs < 1:
        parser.error("--epochs must be at least 1")

    try:
        trainset = MNIST(args.data, train=True, download=args.download, flatten=True)
        testset = MNIST(args.data, train=False, flatten=True)
        device = gpudl.device(args.device)
        gpudl.manual_seed(args.seed)
        net = Net().to(device)
    except (OSError, DownloadError, IdxError, gpudl.DeviceError) as error:
        print(f"mnist_mlp: {error}", file=sys.stderr)
        return 2
    train(net, DataLoader(trainset, batch_size=64, shuffle=True), args.epochs, device)
    print(f"test accuracy: {accuracy(net, DataLoader(testset, batch_size=1000), device):.4f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
