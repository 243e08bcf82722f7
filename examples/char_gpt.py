"""A small GPT that learns to write like a text, character by character.

    python examples/char_gpt.py --data FILE [--device cuda] [--minutes 10] [--epochs 20] [--out runs/char_gpt]

FILE is any text in UTF-8; Tiny Shakespeare, which the settings are made for, is at
https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt
The last tenth of it is for validation: a loss of 2.0 is exp(2.0) = 7.4 characters that it is undecided among.

Stop it with Ctrl-C, or let the minutes run out, and start it again with the same arguments: it goes on where it was, to
the same end; once there, it writes the same text again. Progress goes to stderr, the loss and the text to stdout.

Needs: a text of 650 characters or more.
"""

import argparse
import sys
import time
from pathlib import Path

import gpudl
from gpudl import optim
from gpudl.data import CharTokenizer, DataLoader, RandomSampler, TextDataset
from gpudl.models import GPT
from gpudl.nn import functional as F
from gpudl.train import Trainer, TrainingInterrupted
from gpudl.train.callbacks import Callback, Checkpoint, CSVLogger

CONTEXT, BATCH = 64, 16


class TimeLimit(Callback):
    """Ends the training where one more epoch would take it beyond so many minutes."""

    def __init__(self, minutes):
        self.end = time.monotonic() + 60 * minutes

    def on_fit_start(self, trainer):
        trainer.should_stop = False  # as a checkpoint of a training that had no time left says

    def on_epoch_start(self, trainer):
        self.start = time.monotonic()

    def on_epoch_end(self, trainer):
        now = time.monotonic()
        if now + (now - self.start) > self.end:
            trainer.should_stop = True


def read(path):
    """The tokenizer of a text, and the datasets for training and validation."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ValueError(f"{path}: no such file; give a text with --data (see --help for Tiny Shakespeare)") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not a text in UTF-8: {error}") from error
    tokenizer = CharTokenizer.fit(text)
    tokens = tokenizer.encode(text)
    cut = len(tokens) * 9 // 10
    # A block of the text may begin at every character; those of the validation stand side by side.
    trainset, valset = TextDataset(tokens[:cut], CONTEXT, stride=1), TextDataset(tokens[cut:], CONTEXT)
    if not len(valset):
        raise ValueError(f"{path}: {len(text)} characters are too few, it takes {10 * (CONTEXT + 1)}")
    return tokenizer, trainset, valset


def keep(tokenizer, folder):
    """Write the tokenizer beside the checkpoints, which are worth nothing without it."""
    path = folder / "characters.json"
    if path.exists() and CharTokenizer.load(path).characters != tokenizer.characters:
        raise ValueError(f"{folder}: holds what was learned from a text of other characters; choose another --out")
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(path)


def loss_of(logits, tokens):
    return F.cross_entropy(logits.flatten(0, 1), tokens.flatten())


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="input.txt", metavar="FILE", help="text in UTF-8 (default: %(default)s)")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, sim or auto (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=20, help="of --steps batches each (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=100, help="batches of an epoch (default: %(default)s)")
    parser.add_argument("--minutes", type=float, default=10, help="ends before they are over (default: %(default)s)")
    parser.add_argument("--length", type=int, default=400, help="characters to write (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of all random numbers (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("runs/char_gpt"), help="for the run (default: %(default)s)")
    args = parser.parse_args(argv)
    for name, least in (("epochs", 1), ("steps", 1), ("length", 0)):
        if getattr(args, name) < least:
            parser.error(f"--{name} must be at least {least}")

    try:
        device = gpudl.device(args.device)
        tokenizer, trainset, valset = read(args.data)
        gpudl.manual_seed(args.seed)
        model = GPT(len(tokenizer), CONTEXT, num_layers=4, num_heads=4, embed_dim=128).to(device)
        optimizer = optim.AdamW(model.parameters(), lr=0.003, betas=(0.9, 0.99), weight_decay=0.1)
        scheduler = optim.lr_scheduler.OneCycleLR(
            optimizer, 0.003, epochs=args.epochs, steps_per_epoch=args.steps, pct_start=0.1, cycle_momentum=False
        )
        keep(tokenizer, args.out)
    except (OSError, ValueError, gpudl.DeviceError) as error:
        print(f"char_gpt: {error}", file=sys.stderr)
        return 2

    trainer = Trainer(
        model,
        loss_of,
        optimizer,
        scheduler=scheduler,
        scheduler_interval="step",
        clip_grad_norm=1.0,
        device=device,
        callbacks=[TimeLimit(args.minutes), Checkpoint(args.out / "checkpoints"), CSVLogger(args.out / "metrics.csv")],
    )
    blocks = RandomSampler(trainset, replacement=True, num_samples=args.steps * BATCH)
    loader = DataLoader(trainset, BATCH, sampler=blocks)
    some = DataLoader(valset, 64, sampler=range(0, len(valset), 10))  # a tenth: enough to see where it goes
    try:
        trainer.fit(loader, validation=some, epochs=args.epochs, resume="auto")
    except TrainingInterrupted as stop:
        print(f"char_gpt: {stop}", file=sys.stderr)
        return 130
    except ValueError as error:  # a checkpoint that is damaged, or of a training with fewer epochs
        print(f"char_gpt: {error}; use the arguments that {args.out} was begun with, or another --out", file=sys.stderr)
        return 2

    loss = trainer.evaluate(valset, batch_size=64)["loss"]
    start = trainset[0][0][:1].unsqueeze(0)  # the character that the text begins with
    written = model.generate(start.to(device), args.length, temperature=0.8)
    print(f"validation loss: {loss:.4f}\n{tokenizer.decode(written[0])}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
