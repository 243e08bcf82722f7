"""CSVLogger, JSONLinesLogger, LearningRateMonitor and TensorBoard: what they write, and after a resumption."""

import csv
import errno
import json
import math
import sys

import pytest
from on_gpu import gpu  # noqa: F401

import gpudl
from gpudl import nn, optim, sim
from gpudl.train import Callback, Trainer, WriteError
from gpudl.train.callbacks import Checkpoint, CSVLogger, JSONLinesLogger, LearningRateMonitor, TensorBoard, loggers


class Stop(Callback):
    """Ends a training in the middle of an epoch, as a crash does."""

    def __init__(self, step):
        self.step = step

    def on_step_end(self, trainer):
        if trainer.step == self.step:
            raise RuntimeError("crashed")


class Say(Callback):
    """Puts values into the logs; None for none."""

    def __init__(self, *values):
        self.values = values

    def on_epoch_end(self, trainer):
        if self.values[trainer.epoch - 1] is not None:
            trainer.logs["score"] = self.values[trainer.epoch - 1]


def fit(*callbacks, epochs=3, device="cpu", groups=False, **options):
    gpudl.manual_seed(0)
    model = nn.Linear(2, 1)
    given = [{"params": [model.weight], "lr": 0.1}, {"params": [model.bias], "lr": 0.01}]
    optimizer = optim.SGD(given if groups else model.parameters(), lr=0.1)
    schedule = optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)
    trainer = Trainer(model, nn.MSELoss(), optimizer, device=device, callbacks=callbacks, scheduler=schedule)
    x = gpudl.arange(12.0, device=device).reshape(6, 2) / 12
    trainer.fit((x, x[:, :1]), validation=(x, x[:, 1:]), epochs=epochs, batch_size=2, quiet=True, **options)
    return trainer


def rows_of(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_csv_has_a_row_for_each_epoch(tmp_path):
    path = tmp_path / "new" / "metrics.csv"
    trainer = fit(CSVLogger(path))
    rows = rows_of(path)
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    for row, logs in zip(rows, trainer.history, strict=True):
        assert {name: float(value) for name, value in row.items() if name != "epoch"} == logs
    assert list(rows[0]) == ["epoch", "loss", "val_loss", "lr"]


def test_csv_leaves_empty_what_an_epoch_does_not_have(tmp_path):
    fit(Say(None, 2.5, math.nan), CSVLogger(tmp_path / "m.csv"))
    assert [row["score"] for row in rows_of(tmp_path / "m.csv")] == ["", "2.5", "nan"]


def test_json_lines_have_null_for_what_is_not_finite(tmp_path):
    trainer = fit(Say(1.0, math.inf, math.nan), JSONLinesLogger(tmp_path / "m.jsonl"))
    rows = [json.loads(line) for line in (tmp_path / "m.jsonl").read_text().splitlines()]
    assert [row["score"] for row in rows] == [1.0, None, None]
    assert [row["loss"] for row in rows] == [logs["loss"] for logs in trainer.history]


@pytest.mark.parametrize("kind", [CSVLogger, JSONLinesLogger])
def test_files_of_a_resumed_training_are_those_of_one_that_never_stopped(tmp_path, kind):
    fit(kind(tmp_path / "whole"))
    with pytest.raises(RuntimeError, match="crashed"):
        fit(kind(tmp_path / "parts"), Checkpoint(tmp_path / "saved"), Stop(8))
    fit(kind(tmp_path / "parts"), Checkpoint(tmp_path / "saved"), resume="auto")
    assert (tmp_path / "parts").read_bytes() == (tmp_path / "whole").read_bytes()


def test_a_full_disk_is_said_and_the_file_stays(tmp_path, monkeypatch):
    path = tmp_path / "m.csv"
    fit(CSVLogger(path), epochs=1)
    before = path.read_bytes()

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(loggers, "write_whole", full)
    with pytest.raises(WriteError, match=r"m\.csv: cannot write: No space left"):
        fit(CSVLogger(path))
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("interval", "steps", "first", "last"),
    [
        ("epoch", [1, 2, 3], [0.05, 0.005], [0.0125, 0.00125]),
        ("step", list(range(1, 10)), [0.1, 0.01], [0.025, 0.0025]),
    ],
)
def test_learning_rates_are_kept(interval, steps, first, last):
    monitor = LearningRateMonitor(interval)
    fit(monitor, groups=True)
    assert monitor.steps == steps
    assert monitor.rates[0] == pytest.approx(first) and monitor.rates[-1] == pytest.approx(last)
    fit(monitor, epochs=1)
    assert monitor.steps == ([1] if interval == "epoch" else [1, 2, 3])


def test_learning_rates_go_on_after_a_resumption(tmp_path):
    whole, parts = LearningRateMonitor("step"), LearningRateMonitor("step")
    fit(whole)
    with pytest.raises(RuntimeError, match="crashed"):
        fit(LearningRateMonitor("step"), Checkpoint(tmp_path), Stop(5))
    fit(parts, Checkpoint(tmp_path), resume="auto")
    assert (parts.steps, parts.rates) == (whole.steps, whole.rates)
    with pytest.raises(ValueError, match="interval must be 'epoch' or 'step', got 'batch'"):
        LearningRateMonitor("batch")


def scalars(folder):
    """Name -> [(step, value)] as TensorBoard reads them."""
    reading = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    found = reading.EventAccumulator(str(folder))
    found.Reload()
    return {name: [(each.step, each.value) for each in found.Scalars(name)] for name in found.Tags()["scalars"]}


def test_tensorboard_reads_the_loss_of_steps_and_the_logs(tmp_path):
    trainer = fit(TensorBoard(tmp_path, every=4), groups=True)
    found = scalars(tmp_path)
    assert set(found) == {"batch/loss", "epoch/loss", "epoch/val_loss", "epoch/lr", "epoch/lr_0", "epoch/lr_1"}
    assert [step for step, _ in found["batch/loss"]] == [4, 8]
    want = [(3 * number, pytest.approx(logs["val_loss"])) for number, logs in enumerate(trainer.history, 1)]
    assert found["epoch/val_loss"] == want


def test_tensorboard_of_a_resumed_training_has_each_step_once(tmp_path):
    fit(TensorBoard(tmp_path / "whole", every=1))
    with pytest.raises(RuntimeError, match="crashed"):
        fit(TensorBoard(tmp_path / "parts", every=1), Checkpoint(tmp_path / "saved"), Stop(8))
    fit(TensorBoard(tmp_path / "parts", every=1), Checkpoint(tmp_path / "saved"), resume="auto")
    assert scalars(tmp_path / "parts") == scalars(tmp_path / "whole")


def test_tensorboard_of_a_second_training_has_that_alone(tmp_path):
    board = TensorBoard(tmp_path, every=1)
    fit(board)
    fit(board, epochs=1)
    assert [step for step, _ in scalars(tmp_path)["batch/loss"]] == [1, 2, 3]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # of its own thread
def test_a_full_disk_is_said_by_tensorboard(tmp_path, monkeypatch):
    writers = pytest.importorskip("tensorboard.summary.writer.record_writer")
    written = []

    def full(self, data):
        written.append(data)
        if len(written) > 3:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(writers.RecordWriter, "write", full)
    board, told = TensorBoard(tmp_path, every=1), []

    class Told(Callback):
        def on_exception(self, trainer, error):
            told.append(error)

    with pytest.raises(WriteError, match="cannot write: No space left"):
        fit(board, Told())
    assert len(told) == 1 and board._writer is None


def test_no_step_waits_for_tensorboard(tmp_path, gpu):  # noqa: F811
    if gpu.type != "sim":
        pytest.skip(f"{gpu} does not count what waits for it")
    waits = []

    class Count(Callback):
        def on_epoch_start(self, trainer):
            self.before = sim.counters().synchronizations

        def on_step_end(self, trainer):
            waits.append(sim.counters().synchronizations - self.before)

    fit(TensorBoard(tmp_path, every=1), Count(), device=gpu)
    assert waits == [0] * 9
    assert [step for step, _ in scalars(tmp_path)["batch/loss"]] == list(range(1, 10))


def test_what_tensorboard_cannot_do_is_said(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="every must be an integer >= 0, got -1"):
        TensorBoard(tmp_path, every=-1)
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match="cannot write"):
        fit(TensorBoard(tmp_path / "file" / "run"))
    monkeypatch.setitem(sys.modules, "tensorboard.summary.writer.event_file_writer", None)
    with pytest.raises(ImportError, match=r'pip install "gpudl\[tensorboard\]"'):
        TensorBoard(tmp_path)
