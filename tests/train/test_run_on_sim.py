"""A run on a GPU's path, shown on the emulated device: the same results, and no step that waits for the device."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gpudl import sim
from gpudl.train import Callback, Trainer, evaluate_run, load_config, train
from gpudl.train.register import registered

pytestmark = pytest.mark.skipif(sim.why_unavailable() is not None, reason=str(sim.why_unavailable()))


class Waits(Callback):
    """Counts what waits for the device between the starts of steps and their ends."""

    counts: list[int]

    def on_epoch_start(self, trainer: Trainer) -> None:
        type(self).counts = [sim.counters().synchronizations]

    def on_step_end(self, trainer: Trainer) -> None:
        self.counts.append(sim.counters().synchronizations)


def test_run_is_that_of_the_cpu_and_no_step_waits(
    config_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(registered("callback"), "Waits", Waits)
    settings = {"callbacks": [{"type": "Waits"}], "train.epochs": 2, "train.report": True}
    here = train(load_config(config_file, {"train.epochs": 2}), tmp_path / "cpu", quiet=True)
    there = train(load_config(config_file, settings | {"train.device": "sim"}), tmp_path / "sim", quiet=True)
    assert there.device == "sim:0" and there.scores == pytest.approx(here.scores, rel=1e-4)
    assert len(Waits.counts) == 6 and len(set(Waits.counts)) == 1
    manifest = json.loads((tmp_path / "sim" / "manifest.json").read_text(encoding="utf-8"))
    assert "emulated" in manifest["device_name"] and (tmp_path / "sim" / "report.html").exists()
    evaluations = [
        json.loads((tmp_path / place / "evaluation.json").read_text(encoding="utf-8")) for place in ("cpu", "sim")
    ]
    assert evaluations[0]["confusion"] == evaluations[1]["confusion"]
    assert evaluate_run(tmp_path / "sim", {"train.device": "cpu"}).scores == pytest.approx(here.scores, rel=1e-4)
