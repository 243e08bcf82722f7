"""A run on disk: what it is, what came of it, and what it goes on from, in one folder.

    config.toml        the configuration as it was used, with all defaults, the seed and the device
    manifest.json      what ran, where, on what and when; how it stands; the last scores on the test data
    log.jsonl          an object for each epoch: losses, metrics, learning rate, seconds; metrics.csv is the same
    steps.csv          loss and learning rate of single steps, thinned to a few thousand
    evaluation.json    confusion matrix and some predictions, after the last epoch
    model.safetensors  the weights after the last epoch
    checkpoints/       what the training goes on from
    plots/             pictures of all this; report.html is all of it on one page

A file stands under its name only when it is whole: it is written beside it and then renamed.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import gpudl
from gpudl import nn
from gpudl.train.config import Config, load_config
from gpudl.train.errors import RunError, WriteError
from gpudl.train.files import write_whole
from gpudl.train.overrides import Override
from gpudl.train.weights import read_weights, write_weights

CONFIG, MANIFEST, WEIGHTS, LOG = "config.toml", "manifest.json", "model.safetensors", "log.jsonl"
METRICS, STEPS, EVALUATION, CHECKPOINTS = "metrics.csv", "steps.csv", "evaluation.json", "checkpoints"


class RunFolder:
    """The folder of one run.

    Args:
        path: the folder.
        numbered: when it is made, take path-2, path-3, ... if path is there already.
    Attributes:
        path: the folder; where numbered, the one that was made, once it was.
    """

    def __init__(self, path: Path, numbered: bool = False):
        self.path, self._numbered = path, numbered

    @classmethod
    def planned(cls, out: str | os.PathLike[str] | None, config: Config) -> RunFolder:
        """The folder for a new run, not made yet: `out`, else runs/<name of the configuration>-<date>-<time>.

        Raises: RunError if there is a run in `out` already, or it is no folder.
        """
        if out is None:
            name = f"{Path(config.source.name).stem}-{time.strftime('%Y%m%d-%H%M%S')}"
            return cls(Path("runs", name), numbered=True)
        path = Path(out)
        if path.exists() and not path.is_dir():
            raise RunError(path, "not a folder; choose another --out")
        for name in (CONFIG, MANIFEST, WEIGHTS, LOG, CHECKPOINTS):
            if os.path.lexists(path / name):
                problem = f"there is a run in it already ({name}); choose another --out, or go on in it by --resume"
                raise RunError(path, problem)
        return cls(path)

    def create(self, config: Config, manifest: Mapping[str, Any]) -> None:
        """Make the folder, with the configuration and the manifest.

        Raises: WriteError; what was made for this is removed again.
        """
        existed = self.path.exists() and not self._numbered
        self._writing(self.path, self._make)
        try:
            self.write_config(config)
            self.write_json(MANIFEST, manifest, indent=1)
        except WriteError:
            with contextlib.suppress(OSError):
                for name in (CONFIG, MANIFEST):
                    (self.path / name).unlink(missing_ok=True)
                if not existed:
                    self.path.rmdir()
            raise

    def write_config(self, config: Config) -> None:
        """Write the configuration. Raises: WriteError."""
        head = f"# Resolved by gpudl {gpudl.__version__}; `gpudl train` with this file repeats the run.\n\n"
        self.write(CONFIG, (head + config.to_toml()).encode())

    def write_json(self, name: str, content: Mapping[str, Any], indent: int | None = None) -> None:
        """Write an object; numbers that are not finite become null. Raises: WriteError, and the one before stays."""
        self.write(name, (json.dumps(_finite(content), indent=indent, allow_nan=False) + "\n").encode())

    def write(self, name: str, content: bytes) -> None:
        """Write a file in place of the one before. Raises: WriteError, and that stays."""
        path = self.path / name
        self._writing(path, lambda: write_whole(path, content))

    def save_weights(self, model: nn.Module) -> None:
        """Write the weights in place of those before. Raises: WriteError, and those before stay."""
        path = self.path / WEIGHTS
        self._writing(path, lambda: write_weights(path, model))

    def load_weights(self, model: nn.Module) -> None:
        """Read the weights into a model. Raises: RunError if they are missing, damaged or of another model."""
        path = self.path / WEIGHTS
        try:
            model.load_state_dict(read_weights(path))
        except FileNotFoundError:
            raise RunError(path, "no such file; the run stopped before its first epoch ended") from None
        except OSError as error:
            raise RunError(path, f"cannot read: {error.strerror}") from error
        except (LookupError, TypeError, ValueError, RuntimeError) as error:
            raise RunError(path, f"these are no weights of the model in {CONFIG}: {error}") from error

    def load_config(self, overrides: Mapping[str, Any] | Iterable[Override] = ()) -> Config:
        """Read the configuration. Raises: RunError if this is no run folder; ConfigError if the file is damaged."""
        if not self.path.is_dir():
            raise RunError(self.path, "no such run folder")
        if not (self.path / CONFIG).exists():
            raise RunError(self.path / CONFIG, "no such file; a run folder, as gpudl train writes it, has one")
        return load_config(self.path / CONFIG, overrides)

    def load_manifest(self) -> dict[str, Any]:
        """Read the manifest; empty if it is missing or damaged, since nothing is computed from it."""
        try:
            found = json.loads((self.path / MANIFEST).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def _make(self) -> None:
        wanted, number = self.path, 1
        while True:
            try:
                self.path.mkdir(parents=True, exist_ok=not self._numbered)
                return
            except FileExistsError:
                if not self._numbered:
                    raise
                number += 1
                self.path = wanted.with_name(f"{wanted.name}-{number}")

    @staticmethod
    def _writing(path: Path, action: Callable[[], None]) -> None:
        try:
            action()
        except OSError as error:
            raise WriteError(path, error) from error


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: _finite(entry) for name, entry in value.items()}
    return [_finite(entry) for entry in value] if isinstance(value, (list, tuple)) else value
