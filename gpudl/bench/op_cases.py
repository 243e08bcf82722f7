"""Operations on whole arrays: elementwise, matrix products, normalizations, softmax, reductions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gpudl.bench.case import Case, Make, Parts, Shape, size_of, trained

F = "nn.functional."
PLANE, LITTLE = (4096, 1024), (32, 64)
"""Far more than the caches of most processors hold, and next to nothing."""


def function(lib: Any, path: str) -> Any:
    """What a dotted path names."""
    for part in path.split("."):
        lib = getattr(lib, part)
    return lib


def _calling(path: str, saved: str = "inputs", **named: Any) -> Callable[..., Parts]:
    """A function of new tensors; `saved` is what its backward reads again: "inputs" or the "output"."""

    def build(make: Make, *shapes: Shape) -> Parts:
        called, tensors = function(make.lib, path), [make(*shape) for shape in shapes]
        reads = size_of(tensors[0]) if saved == "output" else None
        return trained(make, lambda: called(*tensors, **named), saved=reads)

    return build


def _product(path: str) -> Callable[..., Parts]:
    def build(make: Make, x: Shape, w: Shape) -> Parts:
        called, a, b = function(make.lib, path), make(*x), make(*w)
        return trained(make, lambda: called(a, b), flops=2 * a.numel() * w[-1])

    return build


def _linear(make: Make, x: Shape, w: Shape) -> Parts:
    a, weight, bias = make(*x), make(*w, scale=w[1] ** -0.5), make(w[0])
    return trained(make, lambda: make.lib.nn.functional.linear(a, weight, bias), flops=2 * a.numel() * w[0])


def _rows_normed(path: str, weights: int) -> Callable[..., Parts]:
    def build(make: Make, shape: Shape) -> Parts:
        called, x, given = function(make.lib, path), make(*shape), [make(shape[-1]) for _ in range(weights)]
        return trained(make, lambda: called(x, shape[-1:], *given))

    return build


def _batch_norm(make: Make, shape: Shape) -> Parts:
    x, weight, bias = make(*shape), make(shape[1]), make(shape[1])
    mean, var = (start(shape[1], device=make.place, dtype=make.dtype) for start in (make.lib.zeros, make.lib.ones))
    called = make.lib.nn.functional.batch_norm
    return trained(make, lambda: called(x, mean, var, weight, bias, training=True))


def _group_norm(make: Make, shape: Shape) -> Parts:
    x, weight, bias = make(*shape), make(shape[1]), make(shape[1])
    return trained(make, lambda: make.lib.nn.functional.group_norm(x, 8, weight, bias))


def _cross_entropy(make: Make, shape: Shape) -> Parts:
    x, target = make(*shape), make.ints(shape[0], high=shape[1])
    return trained(make, lambda: make.lib.nn.functional.cross_entropy(x, target))


def _reduction(path: str, dim: int | None, saved: str = "inputs") -> Callable[..., Parts]:
    named = {} if dim is None else {"dim": dim}
    return _calling(path, saved=saved, **named)


def _summed(dim: int | None) -> Callable[..., Parts]:
    """A sum, whose gradient is one number for many: backward may be a view, so it has no share of any limit."""
    named = {} if dim is None else {"dim": dim}

    def build(make: Make, shape: Shape) -> Parts:
        x = make(*shape)
        parts = trained(make, lambda: make.lib.sum(x, **named))
        return {**parts, "backward": parts["backward"]._replace(bytes=None)}

    return build


def _op(group: str, name: str, build: Callable[..., Parts], sizes: tuple[Shape, ...], *small: Shape) -> Case:
    return Case("ops", group, name, build, sizes, small)


CASES = [
    *(_op("elementwise", op, _calling(op, "output"), (PLANE,), LITTLE) for op in ("exp", "tanh", "sigmoid")),
    *(_op("elementwise", op, _calling(F + op), (PLANE,), LITTLE) for op in ("relu", "gelu", "silu")),
    *(_op("elementwise", op, _calling(op), (PLANE, PLANE), LITTLE, LITTLE) for op in ("mul", "div")),
    _op("elementwise", "dropout", _calling(F + "dropout", "output"), (PLANE,), LITTLE),
    _op("gemm", "matmul", _product("matmul"), ((1024, 1024), (1024, 1024)), (32, 32), (32, 32)),
    _op("gemm", "matmul, few rows", _product("matmul"), ((64, 4096), (4096, 1024)), (8, 64), (64, 32)),
    _op("gemm", "bmm", _product("bmm"), ((64, 128, 128), (64, 128, 128)), (2, 16, 16), (2, 16, 16)),
    _op("gemm", "linear", _linear, ((512, 1024), (1024, 1024)), (8, 32), (32, 32)),
    _op("norms", "layer_norm", _rows_normed(F + "layer_norm", 2), (PLANE,), LITTLE),
    _op("norms", "rms_norm", _rows_normed(F + "rms_norm", 1), (PLANE,), LITTLE),
    _op("norms", "batch_norm", _batch_norm, ((32, 64, 32, 32),), (2, 8, 4, 4)),
    _op("norms", "group_norm", _group_norm, ((32, 64, 32, 32),), (2, 8, 4, 4)),
    _op("softmax", "softmax", _calling(F + "softmax", "output", dim=-1), ((4096, 1000),), (16, 40)),
    _op("softmax", "log_softmax", _calling(F + "log_softmax", "output", dim=-1), ((4096, 1000),), (16, 40)),
    _op("softmax", "cross_entropy", _cross_entropy, ((4096, 1000),), (16, 40)),
    _op("reductions", "sum, all", _summed(None), (PLANE,), LITTLE),
    _op("reductions", "sum, rows", _summed(1), (PLANE,), LITTLE),
    _op("reductions", "sum, columns", _summed(0), (PLANE,), LITTLE),
    *(_op("reductions", f"{op}, rows", _reduction(op, 1), (PLANE,), LITTLE) for op in ("var", "amax", "logsumexp")),
    _op("reductions", "argmax, rows", _reduction("argmax", 1), (PLANE,), LITTLE),
    _op("reductions", "cumsum, rows", _reduction("cumsum", 1), (PLANE,), LITTLE),
]
