"""Which errors are the user's to mend, with their exit codes; all others are bugs, and keep their traceback."""

from __future__ import annotations

import sys

from gpudl.backend.determinism import DeterminismError
from gpudl.backend.errors import CompileError, DeviceError, OutOfMemoryError


class UsageError(Exception):
    """Input that a command cannot use: one line, exit code 2."""


REFUSALS = (ValueError, RuntimeError, TypeError, IndexError)
"""What layers raise for inputs that do not fit."""


def refused(error: Exception) -> Exception:
    """The error to raise for one of REFUSALS: itself if it says its own exit code, else a UsageError."""
    return error if exit_code(error) is not None else UsageError(f"{error}" or type(error).__name__)


def exit_code(error: Exception) -> int | None:
    """2 for wrong input, 1 for what cannot be written, compiled, kept in memory or repeated; None for anything else."""
    wrong: tuple[type[Exception], ...] = (UsageError, DeviceError)
    failed: tuple[type[Exception], ...] = (CompileError, OutOfMemoryError, DeterminismError, OSError)
    train = sys.modules.get("gpudl.train.errors")  # imported, if one of its errors was raised
    if train is not None:
        wrong += (train.ConfigError, train.RunError, train.CheckpointError)
    data = sys.modules.get("gpudl.data")
    if data is not None:  # files that turn out to be damaged when their turn comes
        wrong += (data.ImageError, data.CSVError, data.IdxError)
    if isinstance(error, wrong) or (isinstance(error, ImportError) and "pip install" in str(error)):
        return 2  # an extra that is not there is like a device that is not there
    return 1 if isinstance(error, failed) else None


def text_of(error: Exception, code: int) -> str:
    """What to say of an error; of wrong input in one line."""
    if isinstance(error, OSError) and error.strerror is not None:
        return f"{error.filename}: {error.strerror}" if error.filename is not None else error.strerror
    return " ".join(str(error).split()) if code == 2 else str(error)
