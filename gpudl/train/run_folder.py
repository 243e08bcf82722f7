"""A run on disk: config.toml, model.safetensors and log.jsonl in one folder.

The weights stand under their name only when they are whole: they are written beside it and then renamed. The log grows
by whole lines.
"""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

import gpudl
from gpudl import nn
from gpudl.train.config import Config, load_config
from gpudl.train.errors import RunError, WriteError
from gpudl.train.overrides import Override

CONFIG, WEIGHTS, LOG = "config.toml", "model.safetensors", "log.jsonl"


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
        for name in (CONFIG, WEIGHTS, LOG):
            if os.path.lexists(path / name):
                raise RunError(path, f"there is a run in it already ({name}); choose another --out, or remove it")
        return cls(path)

    def create(self, config: Config, facts: Mapping[str, Any]) -> None:
        """Make the folder, with the configuration and the first line of the log.

        Raises: WriteError; what was made for this is removed again.
        """
        existed = self.path.exists() and not self._numbered
        self._writing(self.path, self._make)
        try:
            head = f"# Resolved by gpudl {gpudl.__version__}; `gpudl train` with this file repeats the run.\n\n"
            self._replace(CONFIG, (head + config.to_toml()).encode())
            self.log(facts)
        except WriteError:
            with contextlib.suppress(OSError):
                for name in (CONFIG, LOG):
                    (self.path / name).unlink(missing_ok=True)
                if not existed:
                    self.path.rmdir()
            raise

    def save_weights(self, model: nn.Module) -> None:
        """Write the weights in place of those before. Raises: WriteError, and those before stay."""
        tensors = {name: _host(tensor) for name, tensor in model.state_dict().items()}
        # Names and layouts are PyTorch's, and "pt" is how readers of such files ask for that.
        self._replace(WEIGHTS, _in_order(save(tensors, {"format": "pt", "gpudl": gpudl.__version__})))

    def load_weights(self, model: nn.Module) -> None:
        """Read the weights into a model. Raises: RunError if they are missing, damaged or of another model."""
        path = self.path / WEIGHTS
        try:
            tensors = load(path.read_bytes())
            model.load_state_dict({name: gpudl.from_numpy(array) for name, array in tensors.items()})
        except FileNotFoundError:
            raise RunError(path, "no such file; the run stopped before its first epoch ended") from None
        except OSError as error:
            raise RunError(path, f"cannot read: {error.strerror}") from error
        except (SafetensorError, LookupError, TypeError, ValueError, RuntimeError) as error:
            raise RunError(path, f"these are no weights of the model in {CONFIG}: {error}") from error

    def load_config(self, overrides: Mapping[str, Any] | Iterable[Override]) -> Config:
        """Read the configuration. Raises: RunError if this is no run folder; ConfigError if the file is damaged."""
        if not self.path.is_dir():
            raise RunError(self.path, "no such run folder")
        if not (self.path / CONFIG).exists():
            raise RunError(self.path / CONFIG, "no such file; a run folder, as gpudl train writes it, has one")
        return load_config(self.path / CONFIG, overrides)

    def log(self, record: Mapping[str, Any]) -> None:
        """Add a line to the log, and see it written. Raises: WriteError; the log then ends with its last whole line."""
        finite = {key: None if _is_nonfinite(value) else value for key, value in record.items()}
        line = (json.dumps(finite, allow_nan=False) + "\n").encode()
        self._writing(self.path / LOG, lambda: _append(self.path / LOG, line))

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

    def _replace(self, name: str, content: bytes) -> None:
        path = self.path / name
        self._writing(path, lambda: _write_whole(path, content))

    @staticmethod
    def _writing(path: Path, action: Callable[[], None]) -> None:
        try:
            action()
        except OSError as error:
            raise WriteError(path, error) from error


def _host(tensor: gpudl.Tensor) -> Any:
    # ascontiguousarray would make 0-d tensors 1-d.
    return np.asarray(tensor.cpu().numpy(), order="C")


def _is_nonfinite(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def _in_order(content: bytes) -> bytes:
    """A safetensors file with its header sorted: safetensors writes metadata in random order, so files would differ."""
    length = int.from_bytes(content[:8], "little")
    header = json.dumps(json.loads(content[8 : 8 + length]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)  # the format wants the data aligned
    return len(header).to_bytes(8, "little") + header + content[8 + length :]


def _write_whole(path: Path, content: bytes) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(partial, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _append(path: Path, line: bytes) -> None:
    with open(path, "ab", buffering=0) as file:
        before = file.seek(0, os.SEEK_END)
        try:
            if file.write(line) != len(line):  # a disk that fills up takes a part and says nothing
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            with contextlib.suppress(OSError):
                file.truncate(before)
            raise
