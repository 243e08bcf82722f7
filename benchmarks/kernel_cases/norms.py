"""Normalizations: rows, channels of batches, groups, responses of neighbors, lengths."""

from __future__ import annotations

from typing import Any

from benchmarks.kernel_cases.case import Case, Program, array, numbers, torch_tensor
from gpudl.ops.batch_norm import batch_norm_backward, batch_norm_forward
from gpudl.ops.group_norm import group_norm_backward, group_norm_forward
from gpudl.ops.layer_norm import layer_norm_backward, layer_norm_forward
from gpudl.ops.local_response_norm import local_response_norm_backward, local_response_norm_forward
from gpudl.ops.normalize import normalize_forward
from gpudl.ops.rms_norm import rms_norm_backward, rms_norm_forward

Shape = tuple[int, ...]
EPS = 1e-5
SIZE = {"float32": 4, "float16": 2, "bfloat16": 2}
ROWS: Shape = (16384, 4096)
NARROW: Shape = (65536, 768)
IMAGES: Shape = (64, 64, 112, 112)
FEW_CHANNELS: Shape = (128, 3, 224, 224)
FEATURES: Shape = (65536, 512)


def _count(shape: Shape) -> int:
    count = 1
    for length in shape:
        count *= length
    return count


def _planes(shape: Shape) -> tuple[int, int, int]:
    return shape[0], shape[1], _count(shape[2:])


def _layer(dtype: str, shape: Shape) -> list[Case]:
    moved = _count(shape) * SIZE[dtype]

    def given(place: Any) -> tuple[Any, Any, Any]:
        return (
            array(place, numbers(shape), dtype),
            array(place, numbers(shape, 1), dtype),
            array(place, numbers(shape[1:], 2), dtype),
        )

    def forward(place: Any) -> Program:
        x, _, w = given(place)
        return lambda: layer_norm_forward(x, w, w, EPS)[0]

    def backward(place: Any) -> Program:
        x, dy, w = given(place)
        _, mean, rstd = layer_norm_forward(x, w, w, EPS)
        return lambda: layer_norm_backward(dy, x, w, EPS, mean, rstd, True)[0]

    def torch_forward(device: str) -> Program:
        import torch

        x, w = torch_tensor(device, numbers(shape), dtype), torch_tensor(device, numbers(shape[1:], 2), dtype)
        return lambda: torch.ops.aten.native_layer_norm(x, shape[1:], w, w, EPS)[0]

    def torch_backward(device: str) -> Program:
        import torch

        x, dy = torch_tensor(device, numbers(shape), dtype), torch_tensor(device, numbers(shape, 1), dtype)
        w = torch_tensor(device, numbers(shape[1:], 2), dtype)
        _, mean, rstd = torch.ops.aten.native_layer_norm(x, shape[1:], w, w, EPS)
        return lambda: torch.ops.aten.native_layer_norm_backward(
            dy, x, shape[1:], mean, rstd, w, w, [True, True, True]
        )[0]

    return [
        Case(f"layer_norm forward {dtype} {shape}", forward, torch_forward, 2 * moved),
        Case(f"layer_norm backward {dtype} {shape}", backward, torch_backward, 3 * moved),
    ]


def _rms() -> list[Case]:
    moved = _count(ROWS) * 4

    def forward(place: Any) -> Program:
        x, w = array(place, numbers(ROWS)), array(place, numbers(ROWS[1:], 2))
        return lambda: rms_norm_forward(x, w, EPS)[0]

    def backward(place: Any) -> Program:
        x, dy, w = array(place, numbers(ROWS)), array(place, numbers(ROWS, 1)), array(place, numbers(ROWS[1:], 2))
        rstd = rms_norm_forward(x, w, EPS)[1]
        return lambda: rms_norm_backward(dy, x, w, EPS, rstd)[0]

    def torch_forward(device: str) -> Program:
        import torch

        x, w = torch_tensor(device, numbers(ROWS)), torch_tensor(device, numbers(ROWS[1:], 2))
        return lambda: torch.nn.functional.rms_norm(x, ROWS[1:], w, EPS)

    return [
        Case(f"rms_norm forward float32 {ROWS}", forward, torch_forward, 2 * moved),
        Case(f"rms_norm backward float32 {ROWS}", backward, None, 3 * moved),
    ]


def _batch(shape: Shape) -> list[Case]:
    moved = _count(shape) * 4

    def forward(place: Any) -> Program:
        x, w = array(place, numbers(shape).reshape(_planes(shape))), array(place, numbers(shape[1:2], 2))
        return lambda: batch_norm_forward(x, w, w, None, None, EPS)[0].reshape(shape)

    def backward(place: Any) -> Program:
        planes = _planes(shape)
        x, dy = array(place, numbers(shape).reshape(planes)), array(place, numbers(shape, 1).reshape(planes))
        w = array(place, numbers(shape[1:2], 2))
        _, mean, var = batch_norm_forward(x, w, w, None, None, EPS)
        return lambda: batch_norm_backward(dy, x, w, mean, var, EPS, True)[0].reshape(shape)

    def torch_forward(device: str) -> Program:
        import torch

        x, w = torch_tensor(device, numbers(shape)), torch_tensor(device, numbers(shape[1:2], 2))
        return lambda: torch.ops.aten.native_batch_norm(x, w, w, None, None, True, 0.1, EPS)[0]

    def torch_backward(device: str) -> Program:
        import torch

        x, dy = torch_tensor(device, numbers(shape)), torch_tensor(device, numbers(shape, 1))
        w = torch_tensor(device, numbers(shape[1:2], 2))
        _, mean, rstd = torch.ops.aten.native_batch_norm(x, w, w, None, None, True, 0.1, EPS)
        return lambda: torch.ops.aten.native_batch_norm_backward(
            dy, x, w, None, None, mean, rstd, True, EPS, [True, True, True]
        )[0]

    return [
        Case(f"batch_norm forward float32 {shape}", forward, torch_forward, 2 * moved),
        Case(f"batch_norm backward float32 {shape}", backward, torch_backward, 3 * moved),
    ]


def _group(groups: int) -> list[Case]:
    moved, planes = _count(IMAGES) * 4, _planes(IMAGES)

    def forward(place: Any) -> Program:
        x, w = array(place, numbers(IMAGES).reshape(planes)), array(place, numbers(IMAGES[1:2], 2))
        return lambda: group_norm_forward(x, w, w, groups, EPS)[0].reshape(IMAGES)

    def backward(place: Any) -> Program:
        x, dy = array(place, numbers(IMAGES).reshape(planes)), array(place, numbers(IMAGES, 1).reshape(planes))
        w = array(place, numbers(IMAGES[1:2], 2))
        _, mean, var = group_norm_forward(x, w, w, groups, EPS)
        return lambda: group_norm_backward(dy, x, w, groups, EPS, mean, var)[0].reshape(IMAGES)

    def torch_forward(device: str) -> Program:
        import torch

        x, w = torch_tensor(device, numbers(IMAGES)), torch_tensor(device, numbers(IMAGES[1:2], 2))
        return lambda: torch.ops.aten.native_group_norm(x, w, w, *planes, groups, EPS)[0]

    def torch_backward(device: str) -> Program:
        import torch

        x, dy = torch_tensor(device, numbers(IMAGES)), torch_tensor(device, numbers(IMAGES, 1))
        w = torch_tensor(device, numbers(IMAGES[1:2], 2))
        _, mean, rstd = torch.ops.aten.native_group_norm(x, w, w, *planes, groups, EPS)
        return lambda: torch.ops.aten.native_group_norm_backward(
            dy, x, mean, rstd, w, *planes, groups, [True, True, True]
        )[0]

    return [
        Case(f"group_norm forward float32 {IMAGES} in {groups}", forward, torch_forward, 2 * moved),
        Case(f"group_norm backward float32 {IMAGES} in {groups}", backward, torch_backward, 3 * moved),
    ]


def _others() -> list[Case]:
    settings = 5, 1e-4, 0.75, 1.0

    def response(place: Any) -> Program:
        x = array(place, numbers(IMAGES).reshape(_planes(IMAGES)))
        return lambda: local_response_norm_forward(x, *settings).reshape(IMAGES)

    def response_backward(place: Any) -> Program:
        x = array(place, numbers(IMAGES).reshape(_planes(IMAGES)))
        return lambda: local_response_norm_backward(x, x, *settings).reshape(IMAGES)

    def torch_response(device: str) -> Program:
        import torch

        x = torch_tensor(device, numbers(IMAGES))
        return lambda: torch.nn.functional.local_response_norm(x, *settings)

    def length(place: Any) -> Program:
        x = array(place, numbers(FEATURES))
        return lambda: normalize_forward(x, 2.0, (1,), 1e-12)[0]

    def torch_length(device: str) -> Program:
        import torch

        x = torch_tensor(device, numbers(FEATURES))
        return lambda: torch.nn.functional.normalize(x)

    images, features = 4 * _count(IMAGES), 4 * _count(FEATURES)
    return [
        Case(f"local_response_norm forward float32 {IMAGES}", response, torch_response, 2 * images),
        Case(f"local_response_norm backward float32 {IMAGES}", response_backward, None, 3 * images),
        Case(f"normalize forward float32 {FEATURES}", length, torch_length, 2 * features),
    ]


CASES = [
    *(case for dtype in SIZE for case in _layer(dtype, ROWS)),
    *_layer("float16", NARROW),
    *_rms(),
    *_batch(IMAGES),
    *_batch(FEW_CHANNELS),
    *_batch(FEATURES),
    *_group(8),
    *_group(IMAGES[1]),
    *_others(),
]
