"""Device: the name of a place where arrays live."""

from __future__ import annotations

from typing import Any, ClassVar


class Device:
    """A place where arrays live: `Device("cpu")`, `Device("cuda", 1)`. There is one object for each place.

    Attributes:
        type: "cpu", "cuda", "sim", or a registered backend's name.
        index: which of several, counted from 0; None on a type that has only one.
    """

    __slots__ = ("index", "type")
    _known: ClassVar[dict[tuple[str, int | None], Device]] = {}
    type: str
    index: int | None

    def __new__(cls, type: str, index: int | None = None) -> Device:
        known = cls._known.get((type, index))
        if known is None:
            known = cls._known[type, index] = super().__new__(cls)
            known.type, known.index = type, index
        return known

    def __reduce__(self) -> Any:
        return Device, (self.type, self.index)

    def __repr__(self) -> str:
        return (
            f"device(type={self.type!r})" if self.index is None else f"device(type={self.type!r}, index={self.index})"
        )

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"


CPU = Device("cpu")
