"""L-BFGS: Newton's method, with the curvature taken from the last steps and the changes of the gradient over them.

Liu & Nocedal 1989, "On the limited memory BFGS method for large scale optimization"; the two loops: Nocedal & Wright
2006, "Numerical Optimization", algorithm 7.4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from gpudl.autograd.grad_mode import enable_grad, no_grad
from gpudl.autograd.tensor import Tensor, wrap
from gpudl.backend.arrays import Array, quiet, xp_of
from gpudl.nn.state_dict import tensor_of
from gpudl.ops.gemm import product
from gpudl.optim.line_search import Point, strong_wolfe
from gpudl.optim.optimizer import Optimizer
from gpudl.optim.settings import Group, require_nonnegative

__all__ = ["LBFGS"]


class LBFGS(Optimizer):
    """Limited-memory BFGS, for whole batches. A step runs up to max_iter iterations and needs a closure.

    All parameters must be in one group, of one dtype and device. Parameters without a gradient stay as they are.

    Args:
        params: Tensors, or one parameter group.
        lr: length of an iteration's step, or where its line search begins, >= 0.
        max_iter: iterations in a step.
        max_eval: evaluations of the closure in a step; None: 5/4 max_iter.
        tolerance_grad: the step ends when no gradient is larger.
        tolerance_change: it ends when neither the loss nor a parameter changes by more.
        history_size: how many iterations the curvature is taken from.
        line_search_fn: None, or "strong_wolfe".
    Raises: ValueError for a setting out of range, or more than one parameter group.
    Source: Liu & Nocedal 1989.
    """

    needs_closure = True

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        settings = {"lr": lr, "max_iter": max_iter, "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval}
        tolerances = {"tolerance_grad": tolerance_grad, "tolerance_change": tolerance_change}
        history = {"history_size": history_size, "line_search_fn": line_search_fn}
        super().__init__(params, {**settings, **tolerances, **history})

    def add_param_group(self, param_group: Group) -> None:
        if self.param_groups:
            raise ValueError("LBFGS: takes one parameter group, since a step is one of all parameters together")
        super().add_param_group(param_group)

    def check(self, group: Group) -> None:
        require_nonnegative("LBFGS", group, "lr")
        if group["line_search_fn"] not in (None, "strong_wolfe"):
            raise ValueError(f"LBFGS: line_search_fn must be None or 'strong_wolfe', got {group['line_search_fn']!r}")

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Minimize for some iterations.

        Args:
            closure: clears the gradients, computes the loss, calls backward and returns the loss.
        Returns: the loss at the beginning.
        Raises: TypeError without a closure.
        """
        if closure is None:
            raise TypeError("LBFGS: step needs a closure that computes the loss again and calls backward")
        with no_grad(), quiet():
            return self._minimize(closure)

    def _minimize(self, closure: Callable[[], Any]) -> Any:
        (group,) = self.param_groups
        state = self.state[group["params"][0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)

        def evaluate() -> tuple[Any, float, Array]:
            with enable_grad():
                result = closure()
            state["func_evals"] += 1
            return result, float(result), self._gradient()

        first, loss, g = evaluate()
        if _largest(g) <= group["tolerance_grad"]:
            return first
        evaluations, d, t = 1, _array(state.get("d")), state.get("t")
        before, last_loss = _array(state.get("prev_flat_grad")), state.get("prev_loss")
        for iteration in range(1, group["max_iter"] + 1):
            state["n_iter"] += 1
            d = self._direction(state, g, before, d, t)
            before, last_loss = g, loss
            lr = float(group["lr"])
            t = min(1.0, 1.0 / float(abs(g).sum())) * lr if state["n_iter"] == 1 else lr
            slope = float(product(g, d))
            if slope > -group["tolerance_change"]:
                break
            if group["line_search_fn"]:
                home = [parameter.array.copy() for parameter in group["params"]]

                def along(distance: float, d: Array = d, home: list[Array] = home) -> Point:
                    self._move(distance, d)
                    _, there, gradient = evaluate()
                    for parameter, values in zip(self.param_groups[0]["params"], home):
                        parameter.array[...] = values
                    return Point(distance, there, gradient, float(product(gradient, d)))

                start = Point(0.0, loss, g, slope)
                best, tried = strong_wolfe(along, start, t, _largest(d), group["tolerance_change"])
                t, loss, g = best.t, best.loss, best.gradient
                self._move(t, d)
            else:
                self._move(t, d)
                tried = 0
                if iteration < group["max_iter"]:
                    _, loss, g = evaluate()
                    tried = 1
            evaluations += tried
            if (
                evaluations >= group["max_eval"]
                or _largest(g) <= group["tolerance_grad"]
                or _largest(d) * t <= group["tolerance_change"]
                or abs(loss - last_loss) < group["tolerance_change"]
            ):
                break
        state["d"], state["t"] = wrap(d, None), t
        state["prev_flat_grad"], state["prev_loss"] = wrap(before, None), last_loss
        return first

    def _direction(self, state: dict[str, Any], g: Array, before: Array, d: Array, t: Any) -> Array:
        """Minus the gradient, times the inverse curvature that the history tells."""
        if state["n_iter"] == 1:
            state.update(old_dirs=[], old_stps=[], ro=[], H_diag=1.0)
            return -g
        changes, steps, ro = state["old_dirs"], state["old_stps"], state["ro"]
        y, s = g - before, d * t
        ys = float(product(y, s))
        if ys > 1e-10:
            if len(changes) == self.param_groups[0]["history_size"]:
                for each in (changes, steps, ro):
                    each.pop(0)
            changes.append(wrap(y, None))
            steps.append(wrap(s, None))
            ro.append(1.0 / ys)
            state["H_diag"] = ys / float(product(y, y))
        q, shares = -g, []
        for change, step, factor in zip(reversed(changes), reversed(steps), reversed(ro)):
            shares.append(float(product(step.array, q)) * factor)
            q -= shares[-1] * change.array
        q *= state["H_diag"]
        for change, step, factor, share in zip(changes, steps, ro, reversed(shares)):
            q += (share - float(product(change.array, q)) * factor) * step.array
        return q

    def _gradient(self) -> Array:
        """All gradients end to end, (elements,); 0 where a parameter has none."""
        params = self.param_groups[0]["params"]
        xp = xp_of(params[0].array)
        parts = [xp.zeros(p.numel(), p.dtype) if p._grad is None else p._grad.array.reshape(-1) for p in params]
        return xp.concatenate(parts) if len(parts) > 1 else parts[0].copy()

    def _move(self, distance: float, d: Array) -> None:
        """Add distance * d to the parameters."""
        start = 0
        for parameter in self.param_groups[0]["params"]:
            part = d[start : start + parameter.numel()]
            start += parameter.numel()
            parameter.array[...] += distance * part.reshape(parameter.shape)
            if parameter._version is not None:
                parameter._version[0] += 1

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        super().load_state_dict(state_dict)
        like = self.param_groups[0]["params"][0]
        for state in self.state.values():
            for key in ("old_dirs", "old_stps"):
                state[key] = [tensor_of(x).to(like.device, like.dtype, copy=True) for x in state.get(key) or ()]
            state["ro"] = [float(x) for x in state.get("ro") or ()]
            for key in ("t", "prev_loss", "H_diag"):
                if state.get(key) is not None:
                    state[key] = float(state[key])


def _largest(x: Array) -> float:
    return float(abs(x).max()) if x.size else 0.0


def _array(tensor: Tensor | None) -> Any:
    return None if tensor is None else tensor.array
