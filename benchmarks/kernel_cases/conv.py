"""Convolution: layers of ResNet-50, a depthwise one of MobileNet, and one of a sequence; forward and all gradients."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from benchmarks.kernel_cases.case import Case, Program, array, numbers, torch_tensor
from gpudl.ops.conv_windows import conv_windows
from gpudl.ops.convolution import convolution_backward, convolution_forward

SIZE = {"float32": 4, "float16": 2, "bfloat16": 2}


class Layer(NamedTuple):
    """A convolution: shapes of its input and weights, and its settings."""

    name: str
    x: tuple[int, ...]
    w: tuple[int, ...]
    stride: int = 1
    padding: int = 0
    groups: int = 1


LAYERS = (
    Layer("first of ResNet-50", (64, 3, 224, 224), (64, 3, 7, 7), 2, 3),
    Layer("3x3 of 64", (64, 64, 56, 56), (64, 64, 3, 3), 1, 1),
    Layer("3x3 of 256", (64, 256, 14, 14), (256, 256, 3, 3), 1, 1),
    Layer("3x3 of 128, stride 2", (64, 128, 56, 56), (128, 128, 3, 3), 2, 1),
    Layer("1x1 of 256", (64, 256, 56, 56), (64, 256, 1, 1)),
    Layer("depthwise 3x3", (64, 144, 56, 56), (144, 1, 3, 3), 1, 1, 144),
    Layer("depthwise 7x7", (64, 96, 56, 56), (96, 1, 7, 7), 1, 3, 96),
    Layer("length 4096", (32, 128, 4096), (128, 128, 5), 1, 2),
)


def _case(layer: Layer, dtype: str, backward: bool) -> Case:
    windows = conv_windows("conv", layer.x, layer.w, layer.stride, layer.padding, 1, layer.groups)
    y = (layer.x[0], layer.w[0], *windows.out)

    def ours(place: Any) -> Program:
        x, w, b = (array(place, numbers(shape), dtype) for shape in (layer.x, layer.w, layer.w[:1]))
        if not backward:
            return lambda: convolution_forward(x, w, b, windows, layer.groups)
        dy = array(place, numbers(y), dtype)
        return lambda: convolution_backward(dy, x, w, None, True, windows, layer.groups)

    def theirs(device: str) -> Program:
        import torch

        ndim = len(layer.x) - 2
        given = [torch_tensor(device, numbers(shape), dtype) for shape in (layer.x, layer.w, layer.w[:1])]
        lengths = [layer.stride] * ndim, [layer.padding] * ndim, [1] * ndim, False, [0] * ndim, layer.groups
        if not backward:
            return lambda: torch.ops.aten.convolution(*given, *lengths)
        dy = torch_tensor(device, numbers(y), dtype)
        mask = [True] * 3
        return lambda: torch.ops.aten.convolution_backward(dy, *given[:2], list(layer.w[:1]), *lengths, mask)

    touched = sum(math.prod(shape) for shape in (layer.x, layer.w, y)) * SIZE[dtype]
    products = 2 * math.prod(y) * math.prod(layer.w[1:])
    way = "backward" if backward else "forward"
    name = f"convolution {way} {dtype}, {layer.name} {layer.x}"
    # Backward reads dy, x and w, and writes as much as it reads of the latter two.
    moved = 2 * touched - math.prod(y) * SIZE[dtype] if backward else touched
    thin = layer.groups > 1
    return Case(name, ours, theirs, moved, 0 if thin else products * (2 if backward else 1))


CASES = [_case(layer, dtype, backward) for layer in LAYERS for dtype in SIZE for backward in (False, True)]
