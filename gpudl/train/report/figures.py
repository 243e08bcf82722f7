"""Figures of matplotlib, all with one look, as PNG files."""

from __future__ import annotations

import contextlib
import io
import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any

INK, MUTED, FAINT, BLUE, GOOD, BAD = "#18202c", "#596273", "#a1aab9", "#2463c9", "#15803d", "#b42318"
COLORS = (BLUE, "#c2410c", GOOD, "#7c3aed", "#a16207", "#0e7490", "#be185d", "#4d7c0f", "#475569", "#7f1d1d")
MARKS = "osD^vPX<>p"  # as many as colors: curves are told apart without them too
_STYLE = {
    "figure.dpi": 150, "savefig.facecolor": "white", "font.size": 10, "axes.titlesize": 12, "axes.titleweight": "bold",
    "axes.titlelocation": "left", "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": MUTED,
    "axes.labelcolor": MUTED, "xtick.color": MUTED, "ytick.color": MUTED, "text.color": INK, "axes.grid": True,
    "axes.axisbelow": True, "grid.color": "#e9ecf0", "legend.frameon": False, "lines.linewidth": 1.8,
    "figure.constrained_layout.w_pad": 0.14, "figure.constrained_layout.h_pad": 0.12,
    "text.parse_math": False,  # names may hold any character
}  # fmt: skip

Draw = Callable[[Any], None]


def short(text: str, letters: int, middle: bool = False) -> str:
    """A name on one line, its end or its middle left out where it is longer."""
    text = " ".join(text.encode(errors="replace").decode().split())  # matplotlib refuses half a character
    if len(text) <= letters:
        return text
    half = (letters - 1) // 2
    return f"{text[:half]}…{text[-half:]}" if middle else f"{text[: letters - 1]}…"


def file_name(name: str, taken: set[str], otherwise: str = "chart") -> str:
    """A name of a file, without an ending, that any system takes.

    Args:
        name: what it is of.
        taken: names, in small letters, that it must not have; it is added.
        otherwise: its name if none of its letters will do.
    """
    stem = re.sub(r"[^\w.-]+", "_", name, flags=re.ASCII).strip("._")[:80] or otherwise
    place = 1
    while (file := stem if place == 1 else f"{stem}-{place}").lower() in taken:
        place += 1
    taken.add(file.lower())
    return file


def png_of(draw: Draw) -> bytes:
    """A PNG file of what is drawn into a figure, within `styled`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(layout="constrained")
    FigureCanvasAgg(figure)
    draw(figure)
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


@contextlib.contextmanager
def styled() -> Iterator[None]:
    """matplotlib with the look of these figures alone, whatever the user's own settings are.

    Raises: ImportError where it is not installed, with the extra to install.
    """
    try:
        from matplotlib import style
    except ImportError as error:
        raise ImportError('plots need matplotlib; install it with: pip install "gpudl[plot]"') from error
    with style.context(["default", _STYLE]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # names may be in any script; matplotlib draws a box
        yield
