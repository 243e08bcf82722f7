"""What can be measured of work on a device: its times by the host's clock, by its own, or none where it is emulated."""

from __future__ import annotations

from typing import Any

from gpudl.backend.device import Device


def is_emulated(place: Device) -> bool:
    """True where the device runs on the CPU: what it is asked for can be counted, its times say nothing of a GPU."""
    return place.type == "sim"


def timed_event(place: Device) -> Any | None:
    """A new event that a device marks with its own time; None for one that computes as the host's clock goes."""
    if place.type == "cpu":
        return None
    from gpudl.backend.cuda_streams import Event

    return Event(enable_timing=True)
