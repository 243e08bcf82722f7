"""Figures with three digits and a unit."""

from __future__ import annotations


def _three(value: float) -> str:
    """Three digits that count: 1.23, 12.3, 123, 1234; two below 1: 0.85, 0.0012."""
    if abs(value) < 0.995:
        return f"{value:.2g}"
    for digits in (2, 1):
        if round(abs(value), digits) < 10 ** (3 - digits):
            return f"{value:.{digits}f}"
    return f"{value:.0f}"


def seconds_text(seconds: float) -> str:
    """A time: 1.23 us, 45.6 ms, 7.89 s."""
    if seconds < 999.5e-6:
        return f"{_three(1e6 * seconds)} us"
    return f"{_three(1e3 * seconds)} ms" if seconds < 0.9995 else f"{_three(seconds)} s"


def bytes_rate(rate: float | None) -> str:
    """Bytes a second, in GB/s; "" for none."""
    return "" if rate is None else f"{_three(rate / 1e9)} GB/s"


def flops_rate(rate: float | None) -> str:
    """Floating point operations a second, in GFLOP/s; "" for none."""
    return "" if rate is None else f"{_three(rate / 1e9)} GFLOP/s"


def percent(share: float) -> str:
    """A share of 1: 85 %; below 10 with a digit more."""
    return f"{100 * share:.0f} %" if share >= 0.0995 else f"{100 * share:.1f} %"


def ratio_text(ratio: float) -> str:
    """How many times: 0.85, 12.3."""
    return _three(ratio)
