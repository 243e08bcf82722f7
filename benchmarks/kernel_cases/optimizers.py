"""Steps of optimizers over flat memory, clipping by a norm, and unscaling."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.kernel_cases.case import Case, Program, array, numbers, torch_tensor
from gpudl.amp.unscale import unscale_
from gpudl.nn.utils.clip_grad import clip_by_norm_
from gpudl.optim.adam import adam_step_
from gpudl.optim.lamb import lamb_step_
from gpudl.optim.sgd import sgd_step_

COUNT = 1 << 25
BYTES = {"float32": 4, "bfloat16": 2}


def _made(step: Callable[..., Any], arrays: int, settings: tuple[Any, ...], dtype: str) -> Callable[[Any], Program]:
    def ours(place: Any) -> Program:
        given = [array(place, numbers((COUNT,), seed) ** 2, dtype) for seed in range(arrays)]
        return lambda: step(*given, *settings)

    return ours


def _torch_step(name: str, settings: dict[str, Any], dtype: str) -> Callable[[str], Program]:
    def theirs(device: str) -> Program:
        import torch

        p = torch_tensor(device, numbers((COUNT,)), dtype).requires_grad_()
        p.grad = torch_tensor(device, numbers((COUNT,), 1), dtype)
        optimizer: Any = getattr(torch.optim, name)([p], lr=1e-3, **settings)
        return lambda: optimizer.step()

    return theirs


def _cases(dtype: str) -> list[Case]:
    size = COUNT * BYTES[dtype]
    adam = (None, 100, 1e-3, 0.9, 0.999, 1e-8, 0.01, True)
    momentum = (1e-3, 0.9, 0.0, 0.0, False)
    return [
        Case(
            f"AdamW step {dtype} ({COUNT},)",
            _made(adam_step_, 4, adam, dtype),
            _torch_step("AdamW", {"fused": True}, dtype),
            7 * size,
        ),
        Case(
            f"SGD with momentum, step {dtype} ({COUNT},)",
            _made(sgd_step_, 3, momentum, dtype),
            _torch_step("SGD", {"momentum": 0.9, "fused": True}, dtype),
            5 * size,
        ),
    ]


def _clip() -> Case:
    def ours(place: Any) -> Program:
        x, total = array(place, numbers((COUNT,))), array(place, numbers((1,)).reshape(()))
        return lambda: clip_by_norm_(x, total, 1.0)

    def theirs(device: str) -> Program:
        x, share = torch_tensor(device, numbers((COUNT,))), torch_tensor(device, numbers((1,)))
        return lambda: x.mul_(share)

    return Case(f"clip by norm float32 ({COUNT},)", ours, theirs, 2 * COUNT * 4)


def _unscale() -> Case:
    def ours(place: Any) -> Program:
        x, scale = array(place, numbers((COUNT,))), array(place, np.ones((), np.float32))
        found = array(place, np.zeros(1, np.int32))
        return lambda: unscale_(x, scale, found)

    def theirs(device: str) -> Program:
        import torch

        x, inverse = torch_tensor(device, numbers((COUNT,))), torch_tensor(device, np.ones((), np.float32))
        found = torch_tensor(device, np.zeros((), np.float32))
        return lambda: torch._amp_foreach_non_finite_check_and_unscale_([x], found, inverse)

    return Case(f"unscale and look for inf float32 ({COUNT},)", ours, theirs, 2 * COUNT * 4)


def _lamb() -> Case:
    settings = ((COUNT // 2, COUNT // 2), 100, 1e-3, 0.9, 0.999, 1e-8, 0.01)
    # p, m and v are read twice, since the lengths of all of a parameter come before its first change.
    return Case(
        f"LAMB step float32 2 x ({COUNT // 2},)", _made(lamb_step_, 4, settings, "float32"), None, 10 * COUNT * 4
    )


CASES = [*(case for dtype in BYTES for case in _cases(dtype)), _clip(), _unscale(), _lamb()]
