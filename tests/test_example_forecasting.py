"""The forecast of examples/ beats what it has to beat, and repeats itself."""

import re
import runpy

from test_examples import EXAMPLES, result_of, run

import gpudl


def errors_of(process):
    pattern = r"test error: LSTM (\d+\.\d{3}), last week (\d+\.\d{3}), yesterday (\d+\.\d{3})\n"
    return [float(error) for error in re.fullmatch(pattern, result_of(process)).groups()]


def test_lstm_beats_last_week_and_yesterday():
    process = run("forecasting.py", "--epochs", 6)
    lstm, last_week, yesterday = errors_of(process)
    assert lstm < 0.7 * min(last_week, yesterday)
    # The weather of the next day is known to nobody: from the hour before, its mean absolute error is 2.3.
    assert lstm > 2.3
    assert process.stderr.count("\n") == 6 and process.stderr.isascii()


def test_an_untrained_lstm_is_no_better_than_last_week():
    example = runpy.run_path(str(EXAMPLES / "forecasting.py"))
    gpudl.manual_seed(3)
    weeks, days = example["weeks_and_days"](example["hourly_load"](20 * 7 * 24)).tensors
    with gpudl.no_grad():
        lstm = (example["Forecaster"]()(weeks) - days).abs().mean()
    assert lstm > 0.95 * (weeks[:, 0] - days).abs().mean()


def test_the_seed_is_all():
    first, again, other = (run("forecasting.py", "--epochs", 1, "--seed", seed) for seed in (3, 3, 4))
    assert first.stdout == again.stdout != other.stdout
