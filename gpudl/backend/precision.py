"""How precisely float32 matrices are multiplied on a GPU: in float32, unless TF32 was chosen."""

from __future__ import annotations

_LEVELS = ("highest", "high", "medium")
_level = "highest"


def set_float32_matmul_precision(precision: str) -> None:
    """Choose how precisely float32 matrices are multiplied on CUDA devices; the CPU always computes in float32.

    Args:
        precision: "highest", the default: float32; "high" or "medium": TF32 where the GPU has it, which rounds the
            factors to 10 bits behind the point and adds up in float32.
    Raises: ValueError for another name.
    """
    global _level
    if precision not in _LEVELS:
        raise ValueError(f"set_float32_matmul_precision: expected 'highest', 'high' or 'medium', got {precision!r}")
    _level = precision


def get_float32_matmul_precision() -> str:
    """What set_float32_matmul_precision chose, "highest" unless it was called."""
    return _level
