"""All derivatives of a function at once: Jacobians and Hessians."""

from __future__ import annotations

from typing import Any

from gpudl.autograd.grad_mode import no_grad
from gpudl.autograd.tensor import Tensor
from gpudl.func.derivatives import Function, Places, chosen_of, derive, inside, jvp, shown_outside
from gpudl.func.tree import filled, leaves, tensors, tree_map
from gpudl.ops.create import zeros_like
from gpudl.ops.shape import stack


def jacrev(func: Function, argnums: Places = 0, has_aux: bool = False) -> Function:
    """A function that gives the Jacobian of `func`, one backward walk for each element of the result.

    Args:
        func: a function of Tensors or nests of them that returns such.
        argnums: which of its arguments to differentiate, one or a tuple.
        has_aux: func gives (result, anything).
    Returns: a function of the same arguments that returns the Jacobian, or (Jacobian, anything): for each Tensor of the
        result, in its form, for each input, in its form, a Tensor of shape result.shape + input.shape.
    Raises: that function: TypeError for what is no Tensor; RuntimeError if argnums is out of range.
    """

    def jacobian(*args: Any, **kwargs: Any) -> Any:
        with inside() as nested:
            args, places, wanted = chosen_of("jacrev", args, argnums)
            keep = nested or wanted
            result = func(*args, **kwargs)
            value, aux = result if has_aux else (result, None)
            tensors("jacrev", value)
            chosen = tuple(args[place] for place in places)
            inputs = leaves(chosen)

            def rows(y: Tensor) -> Any:
                with no_grad():
                    basis = zeros_like(y).reshape((-1,))
                flat: list[list[Tensor]] = []
                for i in range(y.numel()):
                    with no_grad():
                        direction = basis.clone()
                        direction[i] = 1
                    flat.append(derive([y], inputs, [direction.reshape(y.shape)], keep))
                columns = zip(*flat) if flat else [()] * len(inputs)
                made = filled(chosen, (_stacked(part, y, x) for part, x in zip(columns, inputs)))
                return made[0] if isinstance(argnums, int) else made

            found = tree_map(rows, value)
            return (shown_outside(found, keep), shown_outside(aux, keep)) if has_aux else shown_outside(found, keep)

    return jacobian


def _stacked(rows: Any, y: Tensor, x: Tensor) -> Tensor:
    if not rows:
        return zeros_like(x).reshape((-1,))[:0].reshape((*y.shape, *x.shape))
    return stack(list(rows)).reshape((*y.shape, *x.shape))


def jacfwd(func: Function, argnums: Places = 0, has_aux: bool = False) -> Function:
    """A function that gives the Jacobian of `func`, by jvp: for few inputs and large results.

    Args: as in jacrev.
    Returns: as jacrev.
    Raises: as jacrev.
    """

    def jacobian(*args: Any, **kwargs: Any) -> Any:
        places = [argnums] if isinstance(argnums, int) else list(argnums)

        def of_chosen(*chosen: Any) -> Any:
            whole = list(args)
            for place, each in zip(places, chosen):
                whole[place] = each
            return func(*whole, **kwargs)

        for place in places:
            if not -len(args) <= place < len(args):
                raise RuntimeError(f"jacfwd: argnums {argnums} is out of range for {len(args)} arguments")
        chosen = tuple(args[place] for place in places)
        inputs = tensors("jacfwd", chosen)
        columns: list[list[Tensor]] = []
        value = aux = None
        for number, x in enumerate(inputs):
            for i in range(x.numel()):
                with no_grad():
                    along = [zeros_like(each) for each in inputs]
                    along[number].view(-1)[i] = 1
                value, product, *rest = jvp(of_chosen, chosen, filled(chosen, along), has_aux=has_aux)
                aux = rest[0] if rest else None
                columns.append(leaves(product))
        if value is None:
            result = func(*args, **kwargs)
            value, aux = result if has_aux else (result, None)
        numbers = iter(range(len(leaves(value))))

        def of_result(y: Tensor) -> Any:
            place, start = next(numbers), 0
            made = []
            for x in inputs:
                part = [column[place] for column in columns[start : start + x.numel()]]
                start += x.numel()
                shape = (*y.shape, *x.shape)
                made.append(stack(part, -1).reshape(shape) if part else y.new_zeros(shape))
            tree = filled(chosen, made)
            return tree[0] if isinstance(argnums, int) else tree

        found = tree_map(of_result, value)
        return (found, aux) if has_aux else found

    return jacobian


def hessian(func: Function, argnums: Places = 0) -> Function:
    """A function that gives the second derivatives of `func`: jacrev of jacrev.

    Args:
        func: a function of Tensors or nests of them that returns such, often one number.
        argnums: which of its arguments to differentiate, one or a tuple.
    Returns: a function of the same arguments; its result has, for each pair of inputs, a Tensor of shape
        result.shape + input.shape + input.shape.
    Raises: as jacrev.
    """
    return jacrev(jacrev(func, argnums), argnums)
