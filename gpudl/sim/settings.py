"""What a user can set: GPUDL_SIM_* environment variables at the start, `gpudl.sim.settings(...)` afterwards."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path

CHECKS = ("fast", "check")
ORDERS = ("forward", "reverse", "random")
_PREFIX = "GPUDL_SIM_"
_SEEDS = 1 << 32


@dataclass(frozen=True)
class Settings:
    """The settings in force.

    Attributes:
        check: "check" sees races, accesses out of bounds and uninitialized reads; "fast" leaves most of that out.
        order: in which order threads and blocks run: "forward", "reverse" or "random".
        seed: of the random order.
        cache: the folder of what has been compiled.
        memory: the device's memory in megabytes.
        timeout: seconds of processor time after which a kernel is taken to hang; 0 for no limit.
        devices: how many devices there are; read by the driver stand-in at its start.
        record: the file that gets every source compiled, or None.
    """

    check: str = "fast"
    order: str = "forward"
    seed: int = 0
    cache: Path = Path()
    memory: int = 2048
    timeout: float = 60.0
    devices: int = 1
    record: Path | None = None


_current: Settings | None = None
_listeners: list[Callable[[Settings, Settings], None]] = []
_announced: set[int] = set()


def current() -> Settings:
    """The settings in force; read from the environment the first time.

    Raises: ValueError naming the variable that is wrong.
    """
    global _current
    if _current is None:
        _current = from_environment(os.environ)
        _announce(_current)
    return _current


class settings:
    """Change settings from now on, or, as a context manager, inside a block: `with settings(order="reverse"):`.

    Arguments that are not given stay as they are. A random order without a seed draws one and prints it on stderr.
    A change of `check` holds for kernels compiled already, too: they are compiled again when they are next used.

    Args:
        check: "fast" | "check".
        order: "forward" | "reverse" | "random".
        seed: of the random order; 0 <= seed < 2**32.
        memory: of the device, in megabytes.
        timeout: seconds of processor time that one kernel may take; 0 for no limit.
    Raises: ValueError for a value that is none of these.
    """

    def __init__(
        self,
        *,
        check: str | None = None,
        order: str | None = None,
        seed: int | None = None,
        memory: int | None = None,
        timeout: float | None = None,
    ) -> None:
        self._before = current()
        given = {"check": check, "order": order, "seed": seed, "memory": memory, "timeout": timeout}
        changed = {name: _parse(name, str(value), f"{name}=") for name, value in given.items() if value is not None}
        if order == "random" and seed is None:
            changed["seed"] = secrets.randbelow(_SEEDS)
        _apply(replace(self._before, **changed))  # type: ignore[arg-type]

    def __enter__(self) -> Settings:
        return current()

    def __exit__(self, *exception: object) -> None:
        _apply(self._before)


def on_change(listener: Callable[[Settings, Settings], None]) -> None:
    """Call `listener(before, after)` at every change."""
    _listeners.append(listener)


def from_environment(environment: Mapping[str, str]) -> Settings:
    """The settings that an environment asks for.

    Raises: ValueError naming the variable that is wrong.
    """
    found: dict[str, object] = {"cache": default_cache(environment)}
    for field in fields(Settings):
        variable = _PREFIX + field.name.upper()
        text = environment.get(variable, "")
        if text:
            found[field.name] = _parse(field.name, text, f"{variable}=")
    known = known_variables()
    for variable in environment:
        if variable.startswith(_PREFIX) and variable not in known:
            raise ValueError(f"{variable} is no setting of gpudl.sim; it has {', '.join(known)}")
    if found.get("order") == "random" and "seed" not in found:
        found["seed"] = secrets.randbelow(_SEEDS)
    return Settings(**found)  # type: ignore[arg-type]


def _parse(name: str, text: str, where: str) -> object:
    """The value of a setting from its text; `where` is how messages call it."""
    if name in ("check", "order"):
        choices = CHECKS if name == "check" else ORDERS
        if text not in choices:
            raise ValueError(f"{where}{text}: it must be {', '.join(choices[:-1])} or {choices[-1]}")
        return text
    if name in ("cache", "record"):
        return Path(text).expanduser().absolute()
    least, most, unit = {
        "seed": (0, _SEEDS - 1, "a whole number"),
        "memory": (1, 1 << 30, "a whole number of megabytes"),
        "devices": (1, 16, "a whole number"),
        "timeout": (0, 2_000_000, "seconds"),  # in milliseconds it must fit an int
    }[name]
    try:
        number = float(text) if name == "timeout" else int(text)
    except ValueError:
        number = -1
    if not least <= number <= most:
        raise ValueError(f"{where}{text}: it must be {unit}, {least} to {most}")
    return number


def known_variables() -> list[str]:
    """The variables of the environment that are settings."""
    return sorted(_PREFIX + field.name.upper() for field in fields(Settings))


def default_cache(environment: Mapping[str, str]) -> Path:
    """Where compiled texts are kept if GPUDL_SIM_CACHE does not say."""
    base = environment.get("XDG_CACHE_HOME", "")
    return (Path(base) if base else Path.home() / ".cache") / "gpudl" / "sim"


def _apply(after: Settings) -> None:
    global _current
    before = current()
    _current = after
    _announce(after)
    if before != after:
        for listener in _listeners:
            listener(before, after)


def _announce(chosen: Settings) -> None:
    """Say once which seed a random order has, so that what it finds can be found again."""
    if chosen.order == "random" and chosen.seed not in _announced:
        _announced.add(chosen.seed)
        print(f"gpudl.sim: random order, to be repeated with GPUDL_SIM_SEED={chosen.seed}", file=sys.stderr)
