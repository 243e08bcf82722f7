"""PyTorch's own database of operations and sample inputs (OpInfo): inputs that these tests did not choose.

`cases(...)` lists the operations of the database that gpudl has; `check` runs one of them on every sample PyTorch
makes for a dtype, as function, method and in-place method, and compares values, dtypes and gradients.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from cases import declared
from oracle import (
    Raised,
    assert_same,
    check_gradients,
    differentiable,
    flat,
    gradients,
    host,
    ours,
    outcome,
    projection,
    torch,
)
from oracle import theirs as twin_of_array
from tolerances import assert_close

import gpudl
import gpudl.linalg
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
# Arguments that say what gpudl does not have: memory layouts and strides, complex numbers, pinned memory,
# and how linear_cross_entropy goes by parts.
_FOREIGN = {"memory_format", "layout", "pin_memory", "out", "non_blocking", "options"}
CALLS = declared("CALLS")  # entries that are not a call of the operation as it is, and what they call
_MOST_DIMS = 64  # that NumPy arrays can have; PyTorch's samples have 65 where its operations allow 64


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
    """What gpudl has for an entry: a function of its public names, or else a method, in place or not; or None."""
    name = op.name
    if full_name(op) in CALLS:
        return CALLS[full_name(op)]
    if op.variant_test_name == "in_place":
        return find(gpudl.Tensor, f"{name}_")
    found = find(gpudl, name)
    if callable(found) and not isinstance(found, np.dtype):
        return found
    for method in (find(gpudl.Tensor, name), find(gpudl.Tensor, f"{name}_")):
        if isinstance(method, property):
            return method.fget
        if callable(method):
            return method
    return None


def entries() -> dict[str, Any]:
    """Name -> entry, for those that gpudl has."""
    return {full_name(op): op for op in op_db if twin_of(op) is not None}


def converted(value: Any, device: Any, leaves: list[Any], grad: bool) -> Any:
    """A sample's argument as gpudl has it; its tensors that want gradients are added to `leaves`, in pairs."""
    if isinstance(value, torch.Tensor):
        if value.is_complex() or value.layout != torch.strided or str(value.dtype) == "torch.bfloat16":
            raise Foreign(f"a tensor of {value.dtype}, {value.layout}")
        if value.ndim > _MOST_DIMS:
            raise Foreign(f"a tensor of {value.ndim} dimensions")
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


def assert_alike(got: Any, want: Any, label: str) -> None:
    """Two random results agree in what is not random: how many tensors, shapes, dtypes."""
    if isinstance(got, Raised):
        raise AssertionError(f"{label}: gpudl raises {got.error!r}; torch gives {want!r}")
    kinds = [[(type(each).__name__, host(each).shape, host(each).dtype) for each in flat(all)] for all in (got, want)]
    assert kinds[0] == kinds[1], f"{label}: {kinds[0]}, expected {kinds[1]}"


def check(
    op: Any, dtype: str, device: Any, slack: float = 1.0, gradients: bool = True, random: bool = False
) -> tuple[int, list[str]]:
    """Run an entry on all of PyTorch's samples for a dtype.

    Args:
        op: the entry.
        dtype: of the samples.
        device: where gpudl runs.
        slack: factor on the tolerance.
        gradients: compare them too.
        random: compare shapes and dtypes alone: the values are random, or whatever the memory held.
    Returns: how many samples were compared, and what went wrong with each that did.
    """
    kind, failures, compared = DTYPES[dtype], [], 0
    grad = gradients and kind in op.supported_backward_dtypes("cpu") and kind.is_floating_point and op.supports_autograd
    grad = grad and not random
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
        if _is_random(op, sample):
            continue
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
            if form == "in place" or mine is find(gpudl.Tensor, f"{op.name.rstrip('_')}_"):
                given[0], theirs[0] = given[0].clone(), theirs[0].clone()
            want = outcome(_quietly, other, *theirs, **sample.kwargs)
            if isinstance(want, Raised) or _is_foreign(want):
                continue
            got = outcome(mine, *given, **named)
            label = f"{full_name(op)} {dtype} sample {number} ({form}): {_told(sample)}"
            compared += 1
            try:
                if random:
                    assert_alike(got, want, label)
                    continue
                got = sample.output_process_fn_grad(got) if not isinstance(got, Raised) else got
                want = sample.output_process_fn_grad(want)
                assert_same(got, want, label, slack)
                if form == "in place" and not op.supports_inplace_autograd:
                    continue  # torch lacks the derivative of the in-place form
                if grad and leaves and differentiable(want):
                    check_gradients(got, want, [a for a, _ in leaves], [b for _, b in leaves], label, slack)
            except AssertionError as error:
                rounds = dtype in ("float16", "float32") and not isinstance(got, Raised)
                if not rounds or not _is_exact(sample, other, form, got, leaves, kind):
                    failures.append(str(error))
            except NotImplementedError:
                if not isinstance(outcome(differentiate, want), Raised):
                    failures.append(f"{label}: gpudl has no derivative")
            except Exception as error:
                failures.append(f"{label}: {type(error).__name__}: {error}")
    return compared, failures


def _is_exact(sample: Any, other: Any, form: str, got: Any, leaves: list[Any], kind: Any) -> bool:
    """Whether results and gradients of a dtype are what float64 gives, rounded once: torch rounds on the way too."""
    made: dict[int, Any] = {}

    def double(value: Any) -> Any:
        if isinstance(value, torch.Tensor) and value.dtype == kind:
            if id(value) not in made:
                made[id(value)] = value.detach().double().requires_grad_(value.requires_grad)
            return made[id(value)]
        if isinstance(value, torch.dtype) and value == kind:
            return torch.float64
        return type(value)(map(double, value)) if type(value) in (list, tuple) else value

    try:
        named = {key: double(value) for key, value in sample.kwargs.items()}
        given = [double(each) for each in (sample.input, *sample.args)]
        if form == "in place":
            given[0] = given[0].clone()
        want = sample.output_process_fn_grad(_quietly(other, *given, **named))
        for mine, exact in zip(flat(got), flat(want)):
            if isinstance(exact, torch.Tensor):
                assert_close(host(mine), _rounded(exact, host(mine).dtype), "exact")
        outputs, wanted = differentiable(got), differentiable(want)
        pairs = [(mine, made[id(twin)]) for mine, twin in leaves if id(twin) in made]
        if not wanted or not pairs:
            return True
        weights = projection(outputs)
        grads = gradients(gpudl, outputs, [a for a, _ in pairs], [ours(w, outputs[0].device) for w in weights])
        exacts = gradients(torch, wanted, [b for _, b in pairs], [twin_of_array(w.astype("float64")) for w in weights])
        for dx, exact in zip(grads, exacts):
            assert_close(host(dx), _rounded(exact, host(dx).dtype), "exact")
    except AssertionError:
        return False
    return True


def differentiate(results: Any) -> None:
    """Take torch's derivative of some results, to see whether there is one."""
    outputs = differentiable(results)
    torch.autograd.backward(outputs, [torch.ones_like(y) for y in outputs], retain_graph=True)


def _rounded(exact: Any, dtype: Any) -> Any:
    with np.errstate(over="ignore"):
        return host(exact).astype(dtype)


def _is_random(op: Any, sample: Any) -> bool:
    """Whether a sample's results depend on random bits, which are not torch's."""
    if op.name == "nn.functional.rrelu":
        return bool(sample.kwargs.get("training"))
    p = sample.kwargs.get("dropout_p", 0) or (sample.kwargs.get("p", 0.5) if "dropout" in op.name else 0)
    return 0 < p < 1 and sample.kwargs.get("training", True)


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
