"""From which language does a surname come? An LSTM that reads words of any length and says their class.

    python examples/text_classifier.py [TEXT ...] [--data FILE] [--device cuda] [--epochs 15] [--seed 0]

    python examples/text_classifier.py Hokkanen Zanetti Nakashima

FILE is a CSV file with the columns text and label; by default surnames.csv beside this program, some 600 surnames of
eight languages in plain letters. A fifth of its rows, of every class alike, is for testing. Afterwards the network says
what it thinks of each TEXT.
Progress goes to stderr, the result to stdout.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

import gpudl
from gpudl import nn, optim
from gpudl.data import CharTokenizer, DataLoader, pad_collate, read_csv, stratified_split
from gpudl.models import LSTMClassifier

UNKNOWN = "\N{REPLACEMENT CHARACTER}"  # takes the place of characters that no text of the file has


class TextClassifier(nn.Module):
    def __init__(self, characters, classes):
        super().__init__()
        self.embedding = nn.Embedding(characters, 32)
        self.dropout = nn.Dropout(0.3)
        self.classifier = LSTMClassifier(32, 64, classes, bidirectional=True, dropout=0.3)

    def forward(self, texts):
        # With the lengths, the LSTM reads each text as far as it goes, and spends no time on what fills it up.
        return self.classifier(self.dropout(self.embedding(texts.values)), texts.lengths)


def read(path):
    """The samples of a CSV file, (tokens, class), with the tokenizer and the names of the classes."""
    columns, categories = read_csv(path, dtype={"text": str, "label": "category"}, usecols=["text", "label"])
    texts = [text.lower() for text in columns["text"].tolist()]
    tokenizer = CharTokenizer.fit(texts, unknown=UNKNOWN)
    samples = [(tokens_of(tokenizer, text), label) for text, label in zip(texts, columns["label"], strict=True)]
    if len(samples) < 10:
        raise ValueError(f"{path}: {len(samples)} rows are too few to learn from and to test, it takes 10")
    return samples, tokenizer, categories["label"]


def tokens_of(tokenizer, text):
    return np.array(tokenizer.encode(text.lower()))


def on_device(texts, device):
    return texts._replace(values=texts.values.to(device))  # the lengths are needed on the CPU


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", nargs="*", metavar="TEXT", help="to classify when the training is over")
    parser.add_argument(
        "--data",
        default=Path(__file__).with_name("surnames.csv"),
        metavar="FILE",
        help="with the columns text and label (default: surnames.csv beside this program)",
    )
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, sim or auto (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=15, help="passes over the texts (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of all random numbers (default: %(default)s)")
    args = parser.parse_args(argv)
    if args.epochs < 1:
        parser.error("--epochs must be at least 1")
    if "" in args.texts:
        parser.error("there is nothing to read in a TEXT without characters")

    try:
        device = gpudl.device(args.device)
        samples, tokenizer, classes = read(args.data)
        gpudl.manual_seed(args.seed)
        trainset, testset = stratified_split(samples, [0.8, 0.2], labels=[label for _, label in samples])
        model = TextClassifier(len(tokenizer), len(classes)).to(device)
    except (OSError, ValueError, gpudl.DeviceError) as error:
        print(f"text_classifier: {error}", file=sys.stderr)
        return 2

    loader = DataLoader(trainset, batch_size=16, shuffle=True, collate_fn=pad_collate)
    optimizer = optim.AdamW(model.parameters(), lr=0.004, weight_decay=0.1)
    scheduler = optim.lr_scheduler.CosineAnnealingLR(optimizer, args.epochs)
    criterion = nn.CrossEntropyLoss(label_smoothing=0.1)

    for epoch in range(args.epochs):
        total = 0.0
        for texts, labels in loader:
            loss = criterion(model(on_device(texts, device)), labels.to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
        scheduler.step()
        if epoch % 5 == 4:
            print(f"epoch {epoch + 1}: loss {total / len(loader):.4f}", file=sys.stderr)

    model.eval()
    with gpudl.no_grad():
        ((texts, labels),) = DataLoader(testset, batch_size=len(testset), collate_fn=pad_collate)
        right = model(on_device(texts, device)).argmax(1) == labels.to(device)
        print(f"test accuracy: {right.float().mean().item():.4f}")
        for text in args.texts:
            one = on_device(pad_collate([tokens_of(tokenizer, text)]), device)
            probability, label = model(one).softmax(1)[0].max(0)
            print(f"{text}: {classes[label.item()]} ({probability.item():.2f})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
