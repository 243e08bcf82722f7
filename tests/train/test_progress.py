"""What a Trainer tells while it goes on: a bar for who watches, plain lines for a log, and no wait for the device."""

import io
import re
import sys
import time

import pytest
from on_gpu import gpu  # noqa: F401

import gpudl
from gpudl import nn, optim, sim
from gpudl.data import DataLoader, TensorDataset
from gpudl.train import metrics, progress
from gpudl.train.trainer import Trainer


class Slow(gpudl.train.Callback):
    """Steps that take longer than the bar waits before it is drawn again."""

    def on_step_end(self, trainer):
        time.sleep(0.11)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def watched(monkeypatch):
    """A terminal in place of stderr, on which the bar tells at each step."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(progress, "_SECONDS", 0.0)
    return terminal


def fit(epochs=2, metrics=(), callbacks=(), accumulate=1, **settings):
    gpudl.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    x, y = gpudl.randn(40, 4), gpudl.arange(40) % 3
    loader = DataLoader(TensorDataset(x, y), 8)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    trainer = Trainer(
        model, nn.CrossEntropyLoss(), optimizer, metrics, device="cpu", callbacks=callbacks, accumulate=accumulate
    )
    trainer.fit(loader, epochs=epochs, **settings)
    return trainer


def test_a_log_gets_one_plain_line_an_epoch(capsys):
    trainer = fit(metrics=["accuracy"], validation=(gpudl.randn(8, 4), gpudl.arange(8) % 3))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    for number, (line, logs) in enumerate(zip(lines, trainer.history, strict=True), 1):
        assert line.isprintable()
        assert line.startswith(f"epoch {number}/2  loss {logs['loss']:.4g}  accuracy {logs['accuracy']:.4g}  val_loss ")
        assert re.search(r"  lr 0\.1  \d+\.\d s$", line)


def test_quiet_says_nothing(monkeypatch):
    terminal = watched(monkeypatch)
    fit(quiet=True)
    assert terminal.getvalue() == ""


def test_a_terminal_gets_a_bar_with_the_time_left_the_rate_the_loss_and_the_metrics(monkeypatch):
    terminal = watched(monkeypatch)
    trainer = fit(metrics=["accuracy"], callbacks=[Slow()])
    shown = terminal.getvalue()
    assert re.search(
        r"epoch 1/2: +40%.*2/5 \[\d\d:\d\d<\d\d:\d\d, +[\d.]+(it/s|s/it), loss [\d.]+  accuracy [\d.]+\]", shown
    )
    lines = [line for line in re.split(r"[\r\n]+", shown) if line.startswith("epoch") and "%" not in line]
    assert len(lines) == 2 and f"loss {trainer.history[1]['loss']:.4g}" in lines[1]


def test_the_loss_of_the_bar_is_the_mean_over_the_epoch_so_far(monkeypatch):
    watched(monkeypatch)
    seen = []
    monkeypatch.setattr(progress, "_telling", lambda bar, so_far: (seen.append(so_far) or batch for batch in bar))
    trainer = fit(epochs=1)
    assert len(seen) == 5
    assert "loss" not in trainer._so_far()  # of the next epoch nothing is known
    trainer._mean.add(gpudl.tensor(2.0), 3, 3)
    trainer._mean.add(gpudl.tensor(4.0), 1, 1)
    assert trainer._so_far()["loss"].item() == 2.5


def test_a_metric_without_a_batch_does_not_end_the_training(monkeypatch):
    watched(monkeypatch)
    trainer = fit(metrics=[metrics.ConfusionMatrix()], accumulate=5)
    assert trainer.step == 2


def test_a_resumed_epoch_begins_where_it_was(monkeypatch):
    terminal = watched(monkeypatch)
    shown = progress.Progress(3)
    first = shown.batches(iter("ab"), 1, total=5)
    next(iter(first))  # and the epoch is left
    assert list(shown.batches(iter("cde"), 2, total=5, done=2)) == ["c", "d", "e"]
    shown.close()
    assert re.search(r"epoch 2/3: +40%.*2/5", terminal.getvalue())


def test_the_bar_never_waits_for_the_device(gpu, monkeypatch):  # noqa: F811
    terminal = watched(monkeypatch)
    if gpu.type != "sim":
        pytest.skip(f"{gpu} does not count what waits for it")
    waits = []

    class Count(gpudl.train.Callback):
        def on_epoch_start(self, trainer):
            self.before = sim.counters().synchronizations

        def on_step_end(self, trainer):
            waits.append(sim.counters().synchronizations - self.before)

    gpudl.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    x, y = gpudl.randn(40, 4), gpudl.arange(40) % 3
    loader = DataLoader(TensorDataset(x.to(gpu), y.to(gpu)), 8)
    trainer = Trainer(
        model,
        nn.CrossEntropyLoss(),
        optim.SGD(model.parameters(), lr=0.1),
        [metrics.Accuracy(), metrics.F1Score(), metrics.AUROC(), metrics.ConfusionMatrix()],
        device=gpu,
        callbacks=[Count(), Slow()],
    )
    trainer.fit(loader, epochs=2)
    assert waits == [0] * 10
    assert re.search(r"loss [\d.]+  accuracy [\d.]+  f1_score [\d.]+\]", terminal.getvalue())


def test_a_copy_to_the_host_that_nobody_waits_for(gpu):  # noqa: F811
    from gpudl.backend.device import to_host_later

    x = gpudl.arange(12, device=gpu).reshape(3, 4).t()
    later = to_host_later(x.array)
    gpudl.cuda.synchronize(gpu)
    assert later().tolist() == x.cpu().tolist()
    assert to_host_later(gpudl.tensor(3.5).array)() == 3.5
