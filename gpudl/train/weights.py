"""Weights alone, in a safetensors file under PyTorch's names."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load

import gpudl
from gpudl import nn
from gpudl.train.checkpoint import load_checkpoint
from gpudl.train.files import safetensors_parts, write_whole


def write_weights(path: Path, model: nn.Module) -> None:
    """Write a model's state_dict, in place of what stood there. Raises: OSError, and what stood there stays."""
    tensors = {name: _host(tensor) for name, tensor in model.state_dict().items()}
    # Names and layouts are PyTorch's, and "pt" is how readers of such files ask for that.
    write_whole(path, *safetensors_parts(tensors, {"format": "pt", "gpudl": gpudl.__version__}))


def read_weights(path: str | os.PathLike[str]) -> dict[str, gpudl.Tensor]:
    """A state_dict, on the CPU; of a Trainer's checkpoint, that of its model.

    Raises: OSError if the file cannot be read; ValueError if it is no safetensors file, or not a whole one.
    """
    content = Path(path).read_bytes()
    try:
        if "state" in _metadata(content):
            weights: dict[str, gpudl.Tensor] = load_checkpoint(Path(path))["model"]
            return weights
        return {name: gpudl.from_numpy(array) for name, array in load(content).items()}
    except (SafetensorError, LookupError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is no whole safetensors file: {error}") from error


def _metadata(content: bytes) -> dict[str, str]:
    """The strings in the header of a safetensors file. Raises: ValueError if there is no header."""
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    found: dict[str, str] = header.get("__metadata__", {}) if isinstance(header, dict) else {}
    return found


def _host(tensor: gpudl.Tensor) -> Any:
    # ascontiguousarray would make 0-d tensors 1-d.
    return np.asarray(tensor.cpu().numpy(), order="C")
