"""Numbers as people read them: in a text, and at round places of an axis."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass

_LOG_FROM = 50.0  # largest over smallest value from which an axis of positive values is logarithmic


def number(value: float | None) -> str:
    """A measured value in four digits or so: 0.9750, 1.300, 12.35, 1,234, 3.1e-05."""
    if value is None or not math.isfinite(value):
        return "not finite"
    size = abs(float(f"{value:.4g}"))  # 999.96 is written as 1,000
    if size == 0 or (size >= 1000 and float(value).is_integer() and size < 1e12):
        return f"{value:,.0f}"
    if size >= 1e6 or size < 1e-3:
        return f"{value:.3g}"
    return f"{value:,.{max(0, 3 - math.floor(math.log10(size))) if size >= 1 else 4}f}"


def setting(value: float | None) -> str:
    """A number that somebody chose, without zeros at its end: 0.01, 3, 2.5e-05."""
    return number(value) if value is None or not math.isfinite(value) else f"{value:.4g}"


def duration(seconds: float) -> str:
    """Seconds as 0.42 s, 12.3 s, 3 min 20 s, 2 h 5 min."""
    if seconds < 60:
        return f"{seconds:.2g} s" if seconds < 1 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def size(count: int) -> str:
    """Bytes as 12 B, 3.4 kB, 5.6 MB."""
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 999.5 or unit == "GB":
            break
        amount /= 1000
    return f"{amount:.0f} {unit}" if amount >= 99.95 or unit == "B" else f"{amount:.1f} {unit}"


@dataclass(frozen=True)
class Axis:
    """Where values stand along an axis.

    Attributes:
        low, high: its ends.
        log: whether it is logarithmic.
        ticks: round values within, with their labels.
    """

    low: float
    high: float
    log: bool
    ticks: list[tuple[float, str]]

    def place(self, value: float) -> float:
        """0 at the low end, 1 at the high one."""
        if self.log:
            return (math.log(value) - math.log(self.low)) / (math.log(self.high) - math.log(self.low))
        return (value - self.low) / (self.high - self.low)


def value_axis(values: list[float], count: int = 5) -> Axis:
    """An axis with some room around the values; logarithmic where positive ones differ by more than 50 times."""
    low, high = min(values), max(values)
    if low > 0 and high / low > _LOG_FROM:
        return log_axis(values)
    alike = math.isclose(low, high, rel_tol=1e-9, abs_tol=1e-290)
    room = (0.1 * abs(low) if abs(low) > 1e-290 else 1.0) if alike else (high - low) * 0.06
    bottom, top = low - room, high + room
    if low >= 0:
        bottom = max(bottom, 0.0)
    if low >= 0 and 0.5 < high <= 1:  # most likely a share
        top = min(top, 1.0)
    return Axis(bottom, top, False, _ticks(bottom, top, count))


def log_axis(values: list[float]) -> Axis:
    """A logarithmic axis with some room around positive values."""
    low, high = min(values), max(values)
    room = math.exp(0.04 * (math.log(high) - math.log(low))) if low < high else 1.5
    low, high = min(low, max(low / room, sys.float_info.min)), min(high * room, sys.float_info.max)
    return Axis(low, high, True, _log_ticks(low, high))


def count_axis(values: list[float], count: int = 6) -> Axis:
    """An axis of epochs or steps: from the first to the last, ticks at whole numbers."""
    low, high = min(values), max(values)
    if low == high:
        return Axis(low - 1, high + 1, False, [(low, _grouped(low))])
    ticks = _ticks(low, high, count, whole=True)
    return Axis(low, high, False, ticks)


def _step(span: float, count: int) -> float:
    rough = span / max(count, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))


def _ticks(low: float, high: float, count: int, whole: bool = False) -> list[tuple[float, str]]:
    step = _step(high - low, count)
    if whole:
        step = max(step, 1.0)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [(index * step, _label(index * step, step)) for index in range(first, last + 1)]


def _log_ticks(low: float, high: float) -> list[tuple[float, str]]:
    """Powers of ten; every second or third of many; with 2 and 5 between few."""
    first, last = math.floor(math.log10(low)), min(math.ceil(math.log10(high)), 308)
    stride = max(1, round((last - first) / 6))
    factors = (1, 2, 5) if last - first <= 2 else (1, 3) if last - first <= 3 else (1,)
    values = [10.0**power * factor for power in range(first, last + 1, stride) for factor in factors]
    return [(value, _label(value, value)) for value in values if low <= value <= high]


def _label(value: float, step: float) -> str:
    if abs(value) < step * 1e-6:
        return "0"
    if abs(value) >= 1e7 or step < 9e-4:
        digits = max(0, math.floor(math.log10(abs(value))) - math.floor(math.log10(step) + 1e-9))
        mantissa, exponent = f"{value:.{digits}e}".split("e")
        return f"{mantissa}e{int(exponent)}"
    return f"{value:,.{max(0, -math.floor(math.log10(step) + 1e-9))}f}"


def _grouped(value: float) -> str:
    return f"{value:,.0f}"
