"""A search for the settings of a small network: with Optuna if it is installed, else at random over the same space.

    python examples/tune.py [--trials 12] [--epochs 8] [--device cuda] [--seed 0]

Settings are chosen by the accuracy on a fifth of the training images; the test images are looked at once, at the end.
Progress goes to stderr, the result to stdout.

Needs: gpudl[digits]; gpudl[tune] for Optuna.
"""

import argparse
import math
import sys

import gpudl
from gpudl import nn, optim
from gpudl.data import DataLoader, Digits, TensorDataset


class RandomTrial:
    """The part of Optuna's Trial that `settings_of` asks for; its numbers are drawn at random."""

    def __init__(self, number):
        self.draws = gpudl.random.stream("trial", number)

    def suggest_float(self, name, low, high, *, log=False):
        if log:
            return math.exp(self.suggest_float(name, math.log(low), math.log(high)))
        return float(self.draws.uniform((), low, high, dtype=gpudl.float64))

    def suggest_categorical(self, name, choices):
        return choices[int(self.draws.integers(0, len(choices)))]


def settings_of(trial):
    return {
        "lr": trial.suggest_float("lr", 1e-4, 1e-1, log=True),
        "weight_decay": trial.suggest_float("weight_decay", 1e-3, 1.0, log=True),
        "dropout": trial.suggest_float("dropout", 0.0, 0.5),
        "hidden": trial.suggest_categorical("hidden", [16, 64, 256]),
    }


def accuracy(trainset, testset, settings, epochs, device, seed):
    """Of a network trained with these settings; the seed is the same for all, so that they alone differ."""
    gpudl.manual_seed(seed)
    model = nn.Sequential(
        nn.Linear(64, settings["hidden"]), nn.ReLU(), nn.Dropout(settings["dropout"]), nn.Linear(settings["hidden"], 10)
    ).to(device)
    optimizer = optim.AdamW(model.parameters(), lr=settings["lr"], weight_decay=settings["weight_decay"])
    criterion = nn.CrossEntropyLoss()
    loader = DataLoader(trainset, batch_size=32, shuffle=True)
    for _ in range(epochs):
        for images, labels in loader:
            loss = criterion(model(images.to(device)), labels.to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    model.eval()
    images, labels = testset.batch(range(len(testset)))
    with gpudl.no_grad():
        return (model(images.to(device)).argmax(1).cpu() == labels).float().mean().item()


def search(score, trials, seed):
    """The best settings: those whose score is the highest."""
    tried = []

    def objective(trial):
        settings = settings_of(trial)
        found = score(settings)
        tried.append((found, settings))
        print(f"trial {len(tried)}: {found:.4f} with {described(settings)}", file=sys.stderr)
        return found

    try:
        import optuna
    except ImportError:
        print('tune: random search, as Optuna is not installed: pip install "gpudl[tune]"', file=sys.stderr)
        for number in range(trials):
            gpudl.manual_seed(seed)
            objective(RandomTrial(number))
    else:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed % 2**32))
        study.optimize(objective, n_trials=trials)
    return max(tried, key=lambda pair: pair[0])[1]


def described(settings):
    return ", ".join(f"{name} {value:.3g}" for name, value in settings.items())


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=12, help="settings to try (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=8, help="of each trial (default: %(default)s)")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, sim or auto (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of all random numbers (default: %(default)s)")
    args = parser.parse_args(argv)
    if args.epochs < 1:
        parser.error("--epochs must be at least 1")
    if args.trials < 1:
        parser.error("--trials must be at least 1")

    try:
        device = gpudl.device(args.device)
        gpudl.zeros(1, device=device)  # a device that is missing is told before the search
        trainset, testset = Digits(train=True), Digits(train=False)
    except (ImportError, gpudl.DeviceError) as error:
        print(f"tune: {error}", file=sys.stderr)
        return 2

    order = gpudl.random.stream("split", seed=args.seed).permutation(len(trainset))
    held = TensorDataset(*trainset.batch(order[: len(order) // 5]))
    rest = TensorDataset(*trainset.batch(order[len(order) // 5 :]))
    best = search(
        lambda settings: accuracy(rest, held, settings, args.epochs, device, args.seed), args.trials, args.seed
    )
    final = accuracy(trainset, testset, best, args.epochs, device, args.seed)
    print(f"best: {described(best)}; test accuracy: {final:.4f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
