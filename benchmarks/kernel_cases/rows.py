"""Softmax, cross-entropy, and losses of elements with their reduction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.kernel_cases.case import Case, Program, array, numbers, torch_tensor
from gpudl.backend.arrays import Array
from gpudl.backend.device import transfer
from gpudl.ops.binary_cross_entropy import (
    binary_cross_entropy_with_logits_backward,
    binary_cross_entropy_with_logits_forward,
)
from gpudl.ops.class_rows import Kept, Rule
from gpudl.ops.cross_entropy import cross_entropy_backward, cross_entropy_forward
from gpudl.ops.mse_loss import huber_loss_backward, huber_loss_forward, mse_loss_backward, mse_loss_forward
from gpudl.ops.softmax import log_softmax_forward, softmax_backward, softmax_forward

SIZE = {"float32": 4, "float16": 2, "bfloat16": 2}
# A vocabulary's logits, rows of attention, few classes, and rows that registers do not hold.
SHAPES = ((8192, 4096), (65536, 256), (1 << 21, 16), (512, 50257))
CLASSES = ((8192, 4096), (1024, 32000), (512, 50257), (1 << 20, 10))
PLANES = (16, 64, 128, 128)
COUNT = 1 << 25


def _softmax(dtype: str, shape: tuple[int, ...], dim: int) -> list[Case]:
    moved = SIZE[dtype]
    for length in shape:
        moved *= length

    def ours(kernel: Any, arrays: int) -> Callable[[Any], Program]:
        def make(place: Any) -> Program:
            x = array(place, numbers(shape), dtype)
            return lambda: kernel(*[x] * arrays, dim)

        return make

    def theirs(name: str, backward: bool = False) -> Callable[[str], Program]:
        def make(device: str) -> Program:
            import torch

            x = torch_tensor(device, numbers(shape), dtype)
            if backward:
                return lambda: torch.ops.aten._softmax_backward_data(x, x, dim, x.dtype)
            return lambda: getattr(torch, name)(x, dim)

        return make

    what = f"{dtype} {shape} along {dim}"
    return [
        Case(f"softmax forward {what}", ours(softmax_forward, 1), theirs("softmax"), 2 * moved),
        Case(f"log_softmax forward {what}", ours(log_softmax_forward, 1), theirs("log_softmax"), 2 * moved),
        Case(f"softmax backward {what}", ours(softmax_backward, 2), theirs("", True), 3 * moved),
    ]


def _cross_entropy(dtype: str, shape: tuple[int, int], smoothing: float) -> list[Case]:
    rows, classes = shape
    moved, rule = SIZE[dtype] * rows * classes, Rule(-100, smoothing, "mean")

    def labels() -> Any:
        return (abs(numbers((rows,), 1)) * 1000).astype("int64") % classes

    def forward(place: Any) -> Program:
        import gpudl

        x, target = array(place, numbers(shape), dtype), transfer(labels(), gpudl.device(place))
        return lambda: cross_entropy_forward(x, target, None, rule, False)

    def backward(place: Any) -> Program:
        import gpudl

        x, target = array(place, numbers(shape), dtype), transfer(labels(), gpudl.device(place))
        loss, *kept = cross_entropy_forward(x, target, None, rule, True)
        return lambda: cross_entropy_backward(loss, x, target, None, rule, Kept(*kept), False)

    def torch_forward(device: str) -> Program:
        import torch

        x, target = torch_tensor(device, numbers(shape), dtype), torch_tensor(device, labels())
        return lambda: torch.nn.functional.cross_entropy(x, target, label_smoothing=smoothing)

    def torch_backward(device: str) -> Program:
        import torch

        x, target = torch_tensor(device, numbers(shape), dtype).requires_grad_(), torch_tensor(device, labels())
        loss = torch.nn.functional.cross_entropy(x, target, label_smoothing=smoothing)
        return lambda: torch.autograd.grad(loss, x, loss.detach(), retain_graph=True)[0]

    what = f"{dtype} {shape}" + (f" smoothing {smoothing}" if smoothing else "")
    return [
        Case(f"cross-entropy forward {what}", forward, torch_forward, moved),
        Case(f"cross-entropy backward {what}", backward, torch_backward, 2 * moved),
    ]


def _elementwise(name: str, forward: Any, backward: Any, dtype: str, *settings: Any) -> list[Case]:
    """A loss of elements: `settings` is what its kernels take between the target and the reduction, and after that."""
    moved = SIZE[dtype] * COUNT
    between, after = settings

    def given(place: Any) -> tuple[Array, Array]:
        return array(place, numbers((COUNT,)), dtype), array(place, abs(numbers((COUNT,), 1)), dtype)

    def ours(place: Any) -> Program:
        x, t = given(place)
        return lambda: forward(x, t, *between, "mean", *after)

    def ours_backward(place: Any) -> Program:
        x, t = given(place)
        dy = x[:1].reshape(())
        return lambda: backward(dy, x, t, *between, (True, False), "mean", *after)[0]

    def tensors(device: str) -> tuple[Any, Any]:
        return torch_tensor(device, numbers((COUNT,)), dtype), torch_tensor(device, abs(numbers((COUNT,), 1)), dtype)

    def theirs(device: str) -> Program:
        import torch

        x, t = tensors(device)
        return lambda: getattr(torch.nn.functional, name)(x, t)

    def theirs_backward(device: str) -> Program:
        import torch

        x, t = tensors(device)
        dy = x[:1].reshape(())
        loss = getattr(torch.nn.functional, name)(x.requires_grad_(), t)
        return lambda: torch.autograd.grad(loss, x, dy, retain_graph=True)[0]

    return [
        Case(f"{name} forward {dtype} ({COUNT},)", ours, theirs, 2 * moved),
        Case(f"{name} backward {dtype} ({COUNT},)", ours_backward, theirs_backward, 3 * moved),
    ]


_LOGITS = binary_cross_entropy_with_logits_forward, binary_cross_entropy_with_logits_backward

CASES = [
    *(case for dtype in ("float32", "float16") for shape in SHAPES for case in _softmax(dtype, shape, 1)),
    *_softmax("float32", PLANES, 1),
    *(case for dtype in ("float32", "bfloat16") for shape in CLASSES for case in _cross_entropy(dtype, shape, 0.0)),
    *_cross_entropy("float32", CLASSES[0], 0.1),
    *(
        case
        for dtype in SIZE
        for case in _elementwise("mse_loss", mse_loss_forward, mse_loss_backward, dtype, [None], [])
    ),
    *_elementwise("huber_loss", huber_loss_forward, huber_loss_backward, "float32", [None], [1.0]),
    *_elementwise("binary_cross_entropy_with_logits", *_LOGITS, "float32", [None, None], []),
]
