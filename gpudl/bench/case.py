"""A case: one operation or network on inputs of given sizes, made of a library's tensors, in parts that are timed."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

Shape = tuple[int, ...]
Program = Callable[[], object]


class CannotMeasure(Exception):
    """Raised by the building of a case, with the reason for a report."""


class Part(NamedTuple):
    """What is timed.

    Attributes:
        program: one run of it.
        bytes: of memory that it has to read and write at the least; None where that says nothing.
        flops: floating point operations of matrix products in it, which then are its limit; 0 for none.
        items: samples in it, where it is a step of training; 0 for none.
        says: "seconds" if the program itself gives the seconds that count; "memory" if it gives bytes, by what they are
            for, which then stand for times and counts; "" if it is timed, or counted.
        crosses: whether the bytes go between host and device, of which the memory's bandwidth says nothing.
        facts: what else the row says, of the library and the median seconds of a run, None where it is not timed.
    """

    program: Program
    bytes: int | None = None
    flops: int = 0
    items: int = 0
    says: str = ""
    crosses: bool = False
    facts: Callable[[Any, float | None], dict[str, Any]] | None = None


Parts = dict[str, Part]
"""By name, "forward", "backward", "step", "copy", in the order in which they are shown."""


class Case(NamedTuple):
    """What to measure.

    Attributes:
        suite, group, name: where it belongs, and what it is.
        build: makes its parts of a maker of tensors and the sizes; {} where there is nothing to measure. Raises
            CannotMeasure where there would be, but it cannot be.
        sizes: of what is measured.
        small: of what shows that it runs, with the same launches.
        enough: seconds of a part, after which no later part is measured.
    """

    suite: str
    group: str
    name: str
    build: Callable[..., Parts]
    sizes: tuple[Shape, ...]
    small: tuple[Shape, ...]
    enough: float = math.inf

    @property
    def label(self) -> str:
        """What patterns look at."""
        return f"{self.group}: {self.name}"


class Make:
    """Makes tensors, with the same numbers for every library and device.

    Args:
        lib: gpudl or torch.
        place: its device.
        seed: of the numbers.
        dtype: the name of the floating point type.
    Attributes:
        leaves: those that want gradients.
        inputs: all of them.
        lib, place, seed: what was given; dtype: the library's of that name.
    """

    def __init__(self, lib: Any, place: Any, seed: int = 0, dtype: str = "float32"):
        import numpy as np

        self.lib, self.place, self.seed, self.dtype = lib, place, seed, getattr(lib, dtype)
        self._name = dtype
        self.leaves: list[Any] = []
        self.inputs: list[Any] = []
        self._draw = np.random.default_rng(seed)

    def __call__(self, *shape: int, scale: float = 1.0, grad: bool = True) -> Any:
        """Numbers from a normal distribution around 0; of one seed the same in every dtype, but for rounding."""
        tensor = self._put(scale * self._draw.standard_normal(shape), self.dtype)
        if grad:
            self.leaves.append(tensor.requires_grad_())
        return tensor

    def ints(self, *shape: int, high: int) -> Any:
        """int64, 0 to high - 1."""
        return self._put(self._draw.integers(0, high, shape), self.lib.int64)

    def module(self, module: Any) -> Any:
        """A module on the device, whose parameters want gradients."""
        module = module.to(self.place, self.dtype)
        self.leaves += module.parameters()
        self.inputs += module.parameters()
        return module

    def again(self) -> Make:
        """A new one of the same, which begins anew."""
        return Make(self.lib, self.place, self.seed, self._name)

    def _put(self, array: Any, dtype: Any) -> Any:
        self.inputs.append(self.lib.from_numpy(array).to(dtype).to(self.place))
        return self.inputs[-1]


def size_of(*tensors: Any) -> int:
    """Bytes of tensors."""
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def trained(
    make: Make,
    forward: Callable[[], Any],
    *,
    saved: int | None = None,
    flops: int = 0,
    moved: tuple[int, int] | None = None,
) -> Parts:
    """Forward, recorded for gradients as in training, and backward alone, for all that wants gradients.

    Args:
        make: what made the inputs.
        forward: gives the output, or several of which the first counts.
        saved: bytes that backward reads besides the output's gradient; those of the inputs if not given.
        flops: of forward; backward has twice as many, a product for each of the two factors.
        moved: bytes of forward and of backward, where they are not simply all inputs and outputs.
    """

    def output() -> Any:
        result = forward()
        return result[0] if isinstance(result, tuple) else result

    y = output()
    read, written = size_of(*make.inputs), size_of(y)
    if moved is None:
        moved = read + written, written + (read if saved is None else saved) + size_of(*make.leaves)
    parts = {"forward": Part(forward, moved[0], flops)}
    if y.requires_grad:
        dy, leaves, grad = make.lib.ones_like(y).detach(), list(make.leaves), make.lib.autograd.grad
        parts["backward"] = Part(lambda: grad([y], leaves, [dy], retain_graph=True), moved[1], 2 * flops)
    return parts


def sizes_text(sizes: tuple[Shape, ...]) -> str:
    """Sizes as reports show them: "4096x1024, 1024"; "(1024x1024, 1024) 4 times" for what comes again and again."""
    texts = ["x".join(map(str, shape)) for shape in sizes]
    for period in range(1, len(texts) // 3 + 1):
        times, rest = divmod(len(texts), period)
        if not rest and texts == texts[:period] * times:
            return f"({', '.join(texts[:period])}) {times} times"
    return ", ".join(texts)


def count(shape: Shape) -> int:
    """How many numbers a shape has."""
    return math.prod(shape)
