"""PyTorch's own database of operations and sample inputs (OpInfo): inputs that these tests did not choose.

`cases(...)` lists the operations of the database that gpudl has; `check` runs one of them on every sample PyTorch
makes for a dtype, as function, method and in-place method, and compares values, dtypes and gradients.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from oracle import Raised, assert_same, check_gradients, differentiable, ours, outcome, torch

import gpudl
import gpudl.nn.functional

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from torch.testing._internal.common_methods_invocations import op_db

DTYPES = {
    "float64": torch.float64,
    "float32": torch.float32,
    "float16": torch.float16,
    "int64": torch.int64,
    "uint8": torch.uint8,
    "bool": torch.bool,
}
# Arguments that say what gpudl does not have: memory layouts and strides, complex numbers, pinned memory.
_FOREIGN = {"memory_format", "layout", "pin_memory", "out", "non_blocking"}


class Foreign(Exception):
    """A sample with something in it that gpudl does not have."""


def full_name(op: Any) -> str:
    """The name of an entry of the database, with its variant."""
    return op.name + (f".{op.variant_test_name}" if op.variant_test_name else "")


def find(root: Any, name: str) -> Any:
    """The function that a dotted name stands for in gpudl, or None."""
    for part in name.split("."):
        root = getattr(root, part, None)
    return root


def twin_of(op: Any) -> Any:
    """What gpudl has for an entry: a function of its public names, or else a method of Tensor; None for neither."""
    name = op.name
    found = find(gpudl, name)
    if callable(found) and not isinstance(found, np.dtype):
        return found
    method = find(gpudl.Tensor, name)
    return method if callable(method) else None


def entries() -> dict[str, Any]:
    """Name -> entry, for those that gpudl has."""
    return {full_name(op): op for op in op_db if twin_of(op) is not None}


def converted(value: Any, device: Any, leaves: list[Any], grad: bool) -> Any:
    """A sample's argument as gpudl has it; its tensors that want gradients are added to `leaves`, in pairs."""
    if isinstance(value, torch.Tensor):
        if value.is_complex() or value.layout != torch.strided or str(value.dtype) == "torch.bfloat16":
            raise Foreign(f"a tensor of {value.dtype}, {value.layout}")
        array = value.detach().numpy()
        if array.dtype.name not in (*DTYPES, "int8", "int16", "int32"):
            raise Foreign(f"a tensor of {value.dtype}")
        wants = grad and value.requires_grad
        tensor = ours(np.array(array), device, wants)
        if array.ndim and not array.flags.c_contiguous and array.size:  # the same order in memory
            order = sorted(range(array.ndim), key=lambda i: -abs(array.strides[i]))
            moved = gpudl.tensor(np.ascontiguousarray(array.transpose(order)), device=device)
            tensor = moved.permute(tuple(int(i) for i in np.argsort(order)))
            tensor = tensor.detach().requires_grad_() if wants else tensor
        if wants:
            leaves.append((tensor, value))
        return tensor
    if isinstance(value, torch.dtype):
        name = str(value).removeprefix("torch.")
        if not hasattr(gpudl, name):
            raise Foreign(name)
        return getattr(gpudl, name)
    if isinstance(value, torch.device):
        return str(device)
    if isinstance(value, (torch.memory_format, torch.layout, complex)):
        raise Foreign(str(value))
    if isinstance(value, (list, tuple)):
        made = [converted(each, device, leaves, grad) for each in value]
        return type(value)(made) if type(value) in (list, tuple) else tuple(made)
    if callable(value) and getattr(value, "__module__", "").startswith("torch"):
        name = getattr(value, "__name__", type(value).__name__)  # a module has none
        found = find(gpudl.nn.functional, name) or find(gpudl, name)
        if found is None:
            raise Foreign(name)
        return found
    return value


def check(op: Any, dtype: str, device: Any, slack: float = 1.0, gradients: bool = True) -> tuple[int, list[str]]:
    """Run an entry on all of PyTorch's samples for a dtype.

    Returns: how many samples were compared, and what went wrong with each that did.
    """
    kind, failures, compared = DTYPES[dtype], [], 0
    grad = gradients and kind in op.supported_backward_dtypes("cpu") and kind.is_floating_point and op.supports_autograd
    if kind not in op.supported_dtypes("cpu"):
        return 0, []
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        samples = list(op.sample_inputs("cpu", kind, requires_grad=grad))
    forms = [("function", twin_of(op), op.op), ("method", find(gpudl.Tensor, op.name), op.method_variant)]
    if op.inplace_variant is not None:
        forms.append(("in place", find(gpudl.Tensor, f"{op.name}_"), op.inplace_variant))
    for number, sample in enumerate(samples):
        for form, mine, other in forms:
            if not callable(mine) or other is None or (form != "function" and mine is forms[0][1]):
                continue
            if form == "in place" and sample.broadcasts_input:
                continue
            leaves: list[Any] = []
            try:
                if _FOREIGN & {key for key, value in sample.kwargs.items() if value is not None}:
                    raise Foreign("arguments")
                given = [converted(each, device, leaves, grad) for each in (sample.input, *sample.args)]
                named = {
                    key: converted(value, device, leaves, grad)
                    for key, value in sample.kwargs.items()
                    if key not in _FOREIGN
                }
            except Foreign:
                continue
            theirs = [sample.input, *sample.args]
            if form == "in place":
                given[0], theirs[0] = given[0].clone(), theirs[0].clone()
            want = outcome(_quietly, other, *theirs, **sample.kwargs)
            if isinstance(want, Raised) or _is_foreign(want):
                continue
            got = outcome(mine, *given, **named)
            label = f"{full_name(op)} {dtype} sample {number} ({form}): {_told(sample)}"
            compared += 1
            try:
                got = sample.output_process_fn_grad(got) if not isinstance(got, Raised) else got
                want = sample.output_process_fn_grad(want)
                assert_same(got, want, label, slack)
                if grad and leaves and differentiable(want):
                    check_gradients(got, want, [a for a, _ in leaves], [b for _, b in leaves], label, slack)
            except AssertionError as error:
                failures.append(str(error))
            except Exception as error:
                failures.append(f"{label}: {type(error).__name__}: {error}")
    return compared, failures


def check_errors(op: Any, device: Any) -> tuple[int, list[str]]:
    """Run an entry on the inputs that PyTorch says are errors: gpudl must raise too, an error of the same class."""
    failures, compared = [], 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        samples = list(op.error_inputs("cpu")) if op.error_inputs_func else []
    for number, each in enumerate(samples):
        sample = each.sample_input
        try:
            if _FOREIGN & set(sample.kwargs):
                raise Foreign("arguments")
            given = [converted(value, device, [], False) for value in (sample.input, *sample.args)]
            named = {key: converted(value, device, [], False) for key, value in sample.kwargs.items()}
        except Foreign:
            continue
        want = outcome(_quietly, op.op, sample.input, *sample.args, **sample.kwargs)
        if not isinstance(want, Raised):
            continue
        got = outcome(twin_of(op), *given, **named)
        compared += 1
        try:
            assert_same(got, want, f"{full_name(op)} error {number}: {_told(sample)}")
        except AssertionError as error:
            failures.append(str(error))
    return compared, failures


def _quietly(function: Any, *args: Any, **kwargs: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*args, **kwargs)


def _is_foreign(want: Any) -> bool:
    parts = want if isinstance(want, (tuple, list)) else [want]
    return any(
        _is_foreign(each) if isinstance(each, (tuple, list)) else isinstance(each, torch.Tensor) and each.is_complex()
        for each in parts
    )


def _told(sample: Any) -> str:
    def told(value: Any) -> str:
        if isinstance(value, torch.Tensor):
            return f"{str(value.dtype).removeprefix('torch.')}{tuple(value.shape)}"
        if isinstance(value, (list, tuple)):
            return f"[{', '.join(map(told, value))}]"
        return repr(value)

    named = [f"{key}={told(value)}" for key, value in sample.kwargs.items()]
    return ", ".join([told(sample.input), *map(told, sample.args), *named])
