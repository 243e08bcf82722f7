"""Activations, gated products, and other functions of single elements."""

from __future__ import annotations

from typing import Any

from benchmarks.kernel_cases.case import Case, Program, array, numbers, torch_tensor
from gpudl.backend.kernel import KERNELS
from gpudl.nn import functional  # noqa: F401  its operations are in KERNELS once it is imported
from gpudl.ops.glu import glu_backward, glu_forward
from gpudl.ops.prelu import prelu_backward, prelu_forward
from gpudl.ops.swiglu import geglu_backward, geglu_forward, swiglu_backward, swiglu_forward

ROWS, COLUMNS = 8192, 4096
IMAGES = (64, 64, 112, 112)
SIZE = {"float32": 4, "float16": 2, "bfloat16": 2}

# An op's numbers, and what PyTorch runs for its forward and its backward, where it has a kernel for that. The other
# functions of these rooms cost the same.
OPS: dict[str, tuple[tuple[float, ...], Any, Any]] = {
    "relu": ((), lambda aten, x: aten.relu(x), lambda aten, dy, y: aten.threshold_backward(dy, y, 0)),
    "leaky_relu": (
        (0.01,),
        lambda aten, x: aten.leaky_relu(x, 0.01),
        lambda aten, dy, x: aten.leaky_relu_backward(dy, x, 0.01, False),
    ),
    "elu": ((1.0, 1.0, 1.0), lambda aten, x: aten.elu(x), lambda aten, dy, x: aten.elu_backward(dy, 1, 1, 1, False, x)),
    "hardtanh": (
        (0.0, 6.0),
        lambda aten, x: aten.hardtanh(x, 0, 6),
        lambda aten, dy, x: aten.hardtanh_backward(dy, x, 0, 6),
    ),
    "hardswish": ((), lambda aten, x: aten.hardswish(x), lambda aten, dy, x: aten.hardswish_backward(dy, x)),
    "softplus": (
        (1.0, 20.0),
        lambda aten, x: aten.softplus(x),
        lambda aten, dy, x: aten.softplus_backward(dy, x, 1, 20),
    ),
    "silu": ((), lambda aten, x: aten.silu(x), lambda aten, dy, x: aten.silu_backward(dy, x)),
    "mish": ((), lambda aten, x: aten.mish(x), lambda aten, dy, x: aten.mish_backward(dy, x)),
    "sigmoid": ((), lambda aten, x: aten.sigmoid(x), lambda aten, dy, y: aten.sigmoid_backward(dy, y)),
    "tanh": ((), lambda aten, x: aten.tanh(x), lambda aten, dy, y: aten.tanh_backward(dy, y)),
    "exp": ((), lambda aten, x: aten.exp(x), lambda aten, dy, y: aten.mul(dy, y)),
    "rsqrt": ((), lambda aten, x: aten.rsqrt(x), None),
    "erf": ((), lambda aten, x: aten.erf(x), None),
}


def _forward(op: str, dtype: str) -> Case:
    settings, run, _ = OPS[op]

    def ours(place: Any) -> Program:
        x = array(place, _inside(op), dtype)
        return lambda: KERNELS[f"{op}_forward"](x, *settings)

    def theirs(device: str) -> Program:
        import torch

        x = torch_tensor(device, _inside(op), dtype)
        return lambda: run(torch.ops.aten, x)

    return Case(f"{op} forward {dtype} ({ROWS}, {COLUMNS})", ours, theirs, 2 * ROWS * COLUMNS * SIZE[dtype])


def _backward(op: str, dtype: str) -> Case:
    settings, _, run = OPS[op]

    def ours(place: Any) -> Program:
        x, dy = (array(place, each, dtype) for each in (_inside(op), numbers((ROWS, COLUMNS), 1)))
        return lambda: KERNELS[f"{op}_backward"](dy, x, *settings)

    def theirs(device: str) -> Program:
        import torch

        x, dy = (torch_tensor(device, each, dtype) for each in (_inside(op), numbers((ROWS, COLUMNS), 1)))
        return lambda: run(torch.ops.aten, dy, x)

    name, moved = f"{op} backward {dtype} ({ROWS}, {COLUMNS})", 3 * ROWS * COLUMNS * SIZE[dtype]
    return Case(name, ours, theirs if run else None, moved)


def _inside(op: str) -> Any:
    x = numbers((ROWS, COLUMNS))
    return abs(x) + 0.1 if op == "rsqrt" else x


def _gated(dtype: str) -> list[Case]:
    def halves(place: Any) -> Any:
        return array(place, numbers((ROWS, 2 * COLUMNS)), dtype)

    def arriving(place: Any) -> Any:
        return array(place, numbers((ROWS, COLUMNS), 1), dtype)

    def glu(place: Any) -> Program:
        x = halves(place)
        return lambda: glu_forward(x, 1)

    def swiglu(place: Any) -> Program:
        x = halves(place)
        return lambda: swiglu_forward(x, None, 1)

    def geglu(place: Any) -> Program:
        x = halves(place)
        return lambda: geglu_forward(x, None, 1, False)

    def glu_gradient(place: Any) -> Program:
        x, dy = halves(place), arriving(place)
        return lambda: glu_backward(dy, x, 1)

    def swiglu_gradient(place: Any) -> Program:
        x, dy = halves(place), arriving(place)
        return lambda: swiglu_backward(dy, x, None, 1)[0]

    def geglu_gradient(place: Any) -> Program:
        x, dy = halves(place), arriving(place)
        return lambda: geglu_backward(dy, x, None, 1, False)[0]

    def torch_glu(device: str) -> Program:
        import torch

        x = torch_tensor(device, numbers((ROWS, 2 * COLUMNS)), dtype)
        return lambda: torch.ops.aten.glu(x, 1)

    def torch_glu_gradient(device: str) -> Program:
        import torch

        x = torch_tensor(device, numbers((ROWS, 2 * COLUMNS)), dtype)
        dy = torch_tensor(device, numbers((ROWS, COLUMNS), 1), dtype)
        return lambda: torch.ops.aten.glu_backward(dy, x, 1)

    def torch_gate(activation: str) -> Any:
        def program(device: str) -> Program:
            import torch

            first, second = torch_tensor(device, numbers((ROWS, 2 * COLUMNS)), dtype).chunk(2, 1)
            return lambda: getattr(torch.ops.aten, activation)(first) * second

        return program

    def torch_gate_gradient(activation: str) -> Any:
        def program(device: str) -> Program:
            import torch

            first, second = torch_tensor(device, numbers((ROWS, 2 * COLUMNS)), dtype).chunk(2, 1)
            dy = torch_tensor(device, numbers((ROWS, COLUMNS), 1), dtype)
            backward, forward = (getattr(torch.ops.aten, name) for name in (f"{activation}_backward", activation))
            return lambda: torch.cat([backward(dy * second, first), dy * forward(first)], 1)

        return program

    moved, shape = ROWS * COLUMNS * SIZE[dtype], f"{dtype} ({ROWS}, {2 * COLUMNS})"
    return [
        Case(f"glu forward {shape}", glu, torch_glu, 3 * moved),
        Case(f"glu backward {shape}", glu_gradient, torch_glu_gradient, 5 * moved),
        Case(f"swiglu forward {shape}", swiglu, torch_gate("silu"), 3 * moved),
        Case(f"swiglu backward {shape}", swiglu_gradient, torch_gate_gradient("silu"), 5 * moved),
        Case(f"geglu forward {shape}", geglu, torch_gate("gelu"), 3 * moved),
        Case(f"geglu backward {shape}", geglu_gradient, torch_gate_gradient("gelu"), 5 * moved),
    ]


def _prelu(shape: tuple[int, ...]) -> list[Case]:
    channels = shape[1]
    slopes = (1, channels, *(1,) * (len(shape) - 2))

    def ours(place: Any) -> tuple[Any, Any, Any]:
        given = numbers(shape, 1), numbers(shape), abs(numbers(slopes))
        return array(place, given[0]), array(place, given[1]), array(place, given[2])

    def forward(place: Any) -> Program:
        _, x, slope = ours(place)
        return lambda: prelu_forward(x, slope)

    def backward(place: Any) -> Program:
        dy, x, slope = ours(place)
        return lambda: prelu_backward(dy, x, slope, (channels,))

    def torch_forward(device: str) -> Program:
        import torch

        x, slope = torch_tensor(device, numbers(shape)), torch_tensor(device, abs(numbers((channels,))))
        return lambda: torch.prelu(x, slope)

    def torch_backward(device: str) -> Program:
        import torch

        dy, x = torch_tensor(device, numbers(shape, 1)), torch_tensor(device, numbers(shape)).requires_grad_()
        slope = torch_tensor(device, abs(numbers((channels,)))).requires_grad_()
        y = torch.prelu(x, slope)
        return lambda: torch.autograd.grad(y, [x, slope], dy, retain_graph=True)

    size = 4
    for length in shape:
        size *= length
    return [
        Case(f"prelu forward float32 {shape}", forward, torch_forward, 2 * size),
        Case(f"prelu backward float32 {shape}", backward, torch_backward, 3 * size),
    ]


CASES = [
    *(way(op, "float32") for op in OPS for way in (_forward, _backward)),
    *(way(op, "bfloat16") for op in ("relu", "silu", "mish", "sigmoid", "tanh") for way in (_forward, _backward)),
    *_gated("float32"),
    *_gated("bfloat16"),
    *_prelu(IMAGES),
    *_prelu((ROWS, COLUMNS)),
]
