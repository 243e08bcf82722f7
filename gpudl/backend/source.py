"""The text of kernels/: CUDA and C++ files, found in a checkout and in an installed package alike."""

from __future__ import annotations

from functools import cache
from pathlib import Path


@cache
def kernels_folder() -> Path:
    """The folder of kernel text: gpudl/kernels in an installed package, kernels/ beside gpudl/ in a checkout.

    Raises: FileNotFoundError naming both places.
    """
    return shipped("kernels")


def shipped(name: str) -> Path:
    """A folder of the checkout that is gpudl/<name> in an installed package.

    Raises: FileNotFoundError naming both places.
    """
    package = Path(__file__).resolve().parents[1]
    installed, checkout = package / name, package.parent / name
    if installed.is_dir():
        return installed
    if checkout.is_dir() and (package.parent / "pyproject.toml").is_file():
        return checkout
    raise FileNotFoundError(f"there is neither {installed} nor {checkout} of a checkout; reinstall gpudl")


def source(*names: str) -> str:
    """The named kernel files joined into one text, each under a #line directive so that errors name the real line.

    The files hold no #include of each other: a compiler cache that does not see included text would run stale code.

    Args:
        names: paths inside kernels/, such as "math/philox.cuh", in the order the compiler needs.
    Raises: FileNotFoundError for a name that is not there.
    """
    parts = []
    for name in names:
        text = (kernels_folder() / name).read_text(encoding="utf-8")
        parts.append(f'#line 1 "kernels/{name}"\n{text.rstrip()}\n')
    return "".join(parts)
