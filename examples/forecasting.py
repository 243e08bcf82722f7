"""Forecasting a time series: an LSTM reads a week, day by day, and tells the hours of the next day.

    python examples/forecasting.py [--device cuda] [--epochs 20] [--seed 0]

The series is made here: ten years of hourly values, such as the load of a power grid, with peaks of the day, weekends,
a slow rise, and weather that nobody tells the network of. It learns from eight years and is tested on the last two.
Progress goes to stderr, the result to stdout: mean absolute errors, in the unit of the series, of the LSTM and of what
any forecast has to beat, the same hours of last week and of yesterday.
"""

import argparse
import math
import sys

import gpudl
from gpudl import nn, optim
from gpudl.data import DataLoader, TensorDataset
from gpudl.train import Trainer

YEAR = 365 * 24


def hourly_load(hours):
    """(hours,): two peaks a day, less at weekends, a slow rise, and weather that drifts from hour to hour."""
    values, weather = [], 0.0
    for hour, change in enumerate(gpudl.randn(hours).tolist()):
        turn = 2 * math.pi * hour / 24
        day = 10 * math.sin(turn - 2) + 5 * math.sin(2 * turn)
        weather = 0.97 * weather + change
        weekend = hour // 24 % 7 >= 5
        values.append(100 + (0.5 * day - 10 if weekend else day) + 5 * hour / YEAR + weather)
    return gpudl.tensor(values)


def weeks_and_days(series):
    """Seven days of 24 hours, (count, 7, 24), and the day after them, (count, 24); one pair for each day."""
    windows = series.unfold(0, 8 * 24, 24).reshape(-1, 8, 24)
    return TensorDataset(windows[:, :7], windows[:, 7])


class Forecaster(nn.Module):
    """The same hours of last week, and what an LSTM adds to them for having seen all that came since."""

    def __init__(self, hidden_size=64):
        super().__init__()
        self.lstm = nn.LSTM(24, hidden_size, batch_first=True)
        self.linear = nn.Linear(hidden_size, 24)

    def forward(self, week):
        mean = week.mean((1, 2), keepdim=True)  # the level rises: only what differs from it comes again
        y, _ = self.lstm((week - mean) / 10)
        return week[:, 0] + 10 * self.linear(y[:, -1])


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, sim or auto (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=20, help="passes over the data (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of all random numbers (default: %(default)s)")
    args = parser.parse_args(argv)
    if args.epochs < 1:
        parser.error("--epochs must be at least 1")

    try:
        device = gpudl.device(args.device)
        gpudl.manual_seed(args.seed)
        model = Forecaster().to(device)
    except gpudl.DeviceError as error:
        print(f"forecasting: {error}", file=sys.stderr)
        return 2

    # The series is cut before windows are made of it: drawn from all of it, those for testing would overlap the others.
    series = hourly_load(10 * YEAR)
    trainset, testset = weeks_and_days(series[: 8 * YEAR]), weeks_and_days(series[8 * YEAR :])
    optimizer = optim.AdamW(model.parameters(), lr=0.005, weight_decay=0.01)
    scheduler = optim.lr_scheduler.CosineAnnealingLR(optimizer, max(1, args.epochs))
    trainer = Trainer(model, nn.L1Loss(), optimizer, scheduler=scheduler, clip_grad_norm=1.0, device=device)
    trainer.fit(DataLoader(trainset, batch_size=64, shuffle=True), validation=testset, epochs=args.epochs)

    weeks, days = testset.tensors
    lstm = trainer.evaluate(testset)["loss"]
    last_week, yesterday = ((weeks[:, day] - days).abs().mean().item() for day in (0, -1))
    print(f"test error: LSTM {lstm:.3f}, last week {last_week:.3f}, yesterday {yesterday:.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
