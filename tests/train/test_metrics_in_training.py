"""Metrics in a Trainer: by name, in the logs, and exact when a killed training resumes in the middle of an epoch."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

import gpudl
from gpudl import nn, optim
from gpudl.train import Trainer, metrics
from gpudl.train.callbacks import Callback, Checkpoint

X = np.random.default_rng(0).normal(size=(100, 6)).astype(np.float32)
LABELS = X[:, :3].argmax(1)


class KilledError(Exception):
    pass


class Killer(Callback):
    def on_step_end(self, trainer):
        if trainer.step == 13:
            raise KilledError


def trainer(device, *callbacks):
    gpudl.manual_seed(3)
    net = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))
    given = ["accuracy", "f1", metrics.AUROC(), metrics.Perplexity(), metrics.ConfusionMatrix()]
    optimizer = optim.SGD(net.parameters(), lr=0.1)
    return Trainer(net, nn.CrossEntropyLoss(), optimizer, device=device, metrics=given, callbacks=callbacks)


def test_resumed_metrics_equal_those_of_one_run(device, tmp_path):
    settings = {"epochs": 2, "batch_size": 10, "quiet": True}
    whole = trainer(device).fit((X, LABELS), **settings)
    saving = Checkpoint(tmp_path, every_steps=3)
    with pytest.raises(KilledError):
        trainer(device, saving, Killer()).fit((X, LABELS), **settings)
    assert trainer(device, saving).fit((X, LABELS), resume=True, **settings) == whole
    assert set(whole[0]) == {"loss", "accuracy", "f1", "auroc", "perplexity", "lr"}  # one number each
    assert whole[1]["perplexity"] == pytest.approx(np.exp(whole[1]["loss"]), rel=1e-6)


def test_evaluation_gives_the_metrics_of_all_samples(device):
    fitted = trainer(device)
    found = fitted.evaluate((X, LABELS), batch_size=7)
    scores = nn.functional.softmax(fitted.model(gpudl.tensor(X, device=device)), 1).detach().cpu().numpy()
    wanted = roc_auc_score(LABELS, scores.astype(np.float64) / scores.sum(1, keepdims=True, dtype=np.float64),
                           multi_class="ovr")  # fmt: skip
    assert found["auroc"] == pytest.approx(wanted, rel=1e-3)  # float32 scores differ in their last digits
    assert found["accuracy"] == pytest.approx((scores.argmax(1) == LABELS).mean())
    assert found["confusion_matrix"].sum().item() == 100
