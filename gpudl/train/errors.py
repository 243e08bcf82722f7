"""What goes wrong around a training run, each as one line that names the place."""

from __future__ import annotations

from pathlib import Path


class ConfigError(ValueError):
    """A configuration that cannot be used.

    Args:
        key: dotted key, such as "model.layers[2].out_features"; "" for the file as a whole.
        problem: what is wrong and what is expected.
        origin: where the key was written: a file, or the option of the command line.
    Attributes:
        key, problem, origin: as given.
    """

    def __init__(self, key: str, problem: str, origin: str):
        super().__init__(": ".join(part for part in (origin, key, _one_line(problem)) if part))
        self.key, self.problem, self.origin = key, problem, origin


class RunError(ValueError):
    """A run folder that is there already, or lacks a file, or has a file that cannot be read."""

    def __init__(self, path: Path, problem: str):
        super().__init__(f"{path}: {_one_line(problem)}")


class WriteError(OSError):
    """A run folder that cannot be written to."""

    def __init__(self, path: Path, error: OSError):
        super().__init__(f"{path}: cannot write: {_one_line(error.strerror or str(error))}")


class CheckpointError(ValueError):
    """A checkpoint that is missing, damaged or unreadable, or a folder of them that is in the way."""

    def __init__(self, path: Path, problem: str):
        super().__init__(f"{path}: {_one_line(problem)}")
        self.path = path


class TrainingInterrupted(KeyboardInterrupt):
    """The user stopped a run; the message says what it has left.

    Attributes:
        path: the checkpoint that was saved, if one was.
    """

    def __init__(self, message: str, path: Path | None = None):
        super().__init__(message)
        self.path = path


def _one_line(text: str) -> str:
    return " ".join(text.split())
