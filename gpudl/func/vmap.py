"""vmap: a function of single examples, applied to each of a batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gpudl.autograd.tensor import Tensor
from gpudl.func.tree import leaves, tree_map
from gpudl.ops.operands import one_dim
from gpudl.ops.shape import stack
from gpudl.random.seed import numbering, renumber

Dims = Any


def vmap(
    func: Callable[..., Any],
    in_dims: Dims = 0,
    out_dims: Dims = 0,
    randomness: str = "error",
    *,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """A function that applies `func` along a dimension of its arguments and stacks the results.

    It calls func once for each example: it saves the writing of the loop, not its time. Operations that take a batch
    as they are, such as matmul, are the fast way.

    Args:
        func: a function of Tensors, or nested tuples, lists and dicts of them, that returns such.
        in_dims: which dimension of the arguments to go along: an int for all, or a tuple with an int, None (the same
            for every example) or a nest of these for each.
        out_dims: where the results' new dimension stands, an int for all, or a tuple with one for each.
        randomness: what random functions do inside: "error" | "different" numbers for each example | the "same".
        chunk_size: accepted for PyTorch's sake; examples go one by one.
    Returns: a function of the batched arguments, keyword arguments along dimension 0.
    Raises: ValueError for another randomness, an argument to go along that has no dimensions, lengths that differ, an
        empty batch, or nothing to go along; that function: RuntimeError for random functions with "error".
    Gradient: through every example.
    """
    if randomness not in ("error", "different", "same"):
        raise ValueError(f"vmap: randomness must be 'error', 'different' or 'same', got {randomness!r}")
    if chunk_size is not None and chunk_size < 1:
        raise ValueError(f"vmap: chunk_size must be positive, got {chunk_size}")

    def mapped(*args: Any, **kwargs: Any) -> Any:
        if isinstance(in_dims, (tuple, list)) and len(in_dims) != len(args):
            raise ValueError(f"vmap: in_dims {in_dims} has {len(in_dims)} entries for {len(args)} arguments")
        dims = tuple(in_dims) if isinstance(in_dims, (tuple, list)) else (in_dims,) * len(args)
        placed = (_along(args, dims), _along(kwargs, 0))
        count = _count(placed)
        results, before = [], numbering()
        for i in range(count):
            if randomness == "same":
                renumber(before)
            these, named = tree_map(lambda pair, i=i: pair.at(i), placed)
            results.append(func(*these, **named))
            if randomness == "error" and numbering() != before:
                raise RuntimeError(
                    "vmap: the function draws random numbers; say randomness='different' or randomness='same'"
                )
        return _stacked(results, out_dims)

    return mapped


class _Placed:
    """An argument's leaf, and the dimension to go along, or None."""

    def __init__(self, value: Any, dim: int | None):
        self.value, self.dim = value, None
        if dim is not None:
            if not isinstance(value, Tensor) or not value.ndim:
                shape = getattr(value, "shape", type(value).__name__)
                raise ValueError(f"vmap: cannot go along dimension {dim} of {shape}; say None for it in in_dims")
            self.dim = one_dim("vmap", dim, value.ndim)

    def at(self, i: int) -> Any:
        return self.value if self.dim is None else self.value[(slice(None),) * self.dim + (i,)]


def _along(tree: Any, dims: Dims) -> Any:
    """The tree with _Placed for its leaves; `dims` is a nest of its form, or one for all below."""
    if dims is None or isinstance(dims, int):
        return tree_map(lambda leaf: _Placed(leaf, dims if isinstance(leaf, Tensor) else None), tree)
    if isinstance(tree, dict):
        return {key: _along(part, dims[key]) for key, part in tree.items()}
    if not isinstance(tree, (tuple, list)) or len(tree) != len(dims):
        raise ValueError(f"vmap: in_dims {dims} does not have the form of the arguments")
    return type(tree)(_along(part, dim) for part, dim in zip(tree, dims))


def _count(placed: Any) -> int:
    lengths = {leaf.value.shape[leaf.dim] for leaf in leaves(placed) if leaf.dim is not None}
    if len(lengths) != 1:
        what = f"the lengths {sorted(lengths)} differ" if lengths else "no argument has a dimension to go along"
        raise ValueError(f"vmap: {what}")
    (count,) = lengths
    if not count:
        raise ValueError("vmap: the batch is empty, and the form of the result unknown")
    return int(count)


def _stacked(results: list[Any], out_dims: Dims) -> Any:
    if isinstance(out_dims, int):
        return tree_map(lambda *same: _stack(same, out_dims), *results)
    if not isinstance(results[0], (tuple, list)) or len(results[0]) != len(out_dims):
        raise ValueError(f"vmap: out_dims {out_dims} does not have the form of the result")
    made = [_stacked(list(parts), dim) for dim, *parts in zip(out_dims, *results)]
    return type(results[0])(made)


def _stack(same: tuple[Any, ...], dim: int) -> Tensor:
    for each in same:
        if not isinstance(each, Tensor):
            raise ValueError(f"vmap: the function must return Tensors, got {type(each).__name__}")
    return stack(list(same), dim)
