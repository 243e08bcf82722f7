"""NanLocator: names the layer where the first number that is not finite came up."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gpudl.autograd.grad_mode import is_grad_enabled, no_grad
from gpudl.autograd.tensor import Tensor
from gpudl.nn import Module
from gpudl.nn.mult_adds import tensors_in
from gpudl.nn.uninitialized import is_lazy
from gpudl.ops.shape import stack
from gpudl.train.callbacks.base import Callback

if TYPE_CHECKING:
    from gpudl.train.trainer import Trainer


class NonFiniteError(FloatingPointError):
    """A nan or an infinity in training.

    Attributes:
        where: what it is in: "output", "input", "gradient of the output", "gradient of the input", "gradient" of a
            parameter, or "loss".
        layer: the dotted name of the layer, or parameter; "" for the model as a whole.
    """

    def __init__(self, message: str, where: str, layer: str) -> None:
        super().__init__(message)
        self.where, self.layer = where, layer


class FiniteWatch:
    """Looks at what goes through the modules of a model while it trains, forward and backward.

    Each look leaves a flag on the device; nothing waits for it before `check`. Layers that are otherwise computed
    together are computed apart, so this is for finding an error and not for every day.

    Args:
        model: its modules get hooks, until `remove`.
        gradients: look at gradients too.
    """

    def __init__(self, model: Module, gradients: bool = True) -> None:
        self.model, self.gradients = model, gradients
        self._flags: list[tuple[str, str, Tensor, int]] = []  # where, name, finite, and the identity of the array
        self._handles: list[Any] = []
        for name, module in model.named_modules():
            self._handles.append(module.register_forward_pre_hook(self._entering(name), with_kwargs=True))
            self._handles.append(module.register_forward_hook(self._leaving(name)))
        if gradients:
            for name, parameter in model.named_parameters():
                if parameter.requires_grad:
                    hook = functools.partial(self._look_at_gradient, name)
                    self._handles.append(parameter.register_post_accumulate_grad_hook(hook))

    def remove(self) -> None:
        """Take the hooks off, and forget what they saw."""
        for handle in self._handles:
            handle.remove()
        self._handles, self._flags = [], []

    def check(self, loss: Tensor | None = None) -> None:
        """Raise NonFiniteError for the first that was not finite since the last check. Waits for the device once.

        Args:
            loss: looked at, too: after what led to it, before the gradients.
        """
        seen, self._flags = self._flags, []
        if loss is not None:
            forward = [each for each in seen if "gradient" not in each[0]]
            backward = [each for each in seen if "gradient" in each[0]]
            seen = [*forward, ("loss", "", _is_finite(loss), 0), *backward]
        if not seen:
            return
        finite = stack([flag for _, _, flag, _ in seen]).cpu().tolist()
        if all(finite):
            return
        first = finite.index(False)
        # One gradient is that of a layer's output and of the next one's input: the next one computed it.
        for later in range(first + 1, len(seen)):
            if not seen[first][3] or seen[later][3] != seen[first][3]:
                break
            first = later if seen[later][0] == "gradient of the input" else first
        where, name, *_ = seen[first]
        raise NonFiniteError(self._message(where, name), where, name)

    def _entering(self, name: str) -> Callable[..., None]:
        def before(module: Module, args: Any, kwargs: Any) -> None:
            if is_grad_enabled():
                self._look("input", name, (args, kwargs), name == "")

        return before

    def _leaving(self, name: str) -> Callable[..., None]:
        def after(module: Module, args: Any, output: Any) -> None:
            if is_grad_enabled():
                self._look("output", name, output, True)

        return after

    def _look(self, where: str, name: str, values: Any, forward: bool) -> None:
        for value in tensors_in(values):
            if value.dtype.kind not in "fV":
                continue
            if forward:
                self._add(where, name, value)
            if self.gradients and value.requires_grad:
                value.register_hook(functools.partial(self._add, f"gradient of the {where}", name))

    def _look_at_gradient(self, name: str, parameter: Tensor) -> None:
        if parameter.grad is not None:
            self._add("gradient", name, parameter.grad)

    def _add(self, where: str, name: str, value: Tensor) -> None:
        self._flags.append((where, name, _is_finite(value), id(value.array) if "gradient of" in where else 0))

    def _message(self, where: str, name: str) -> str:
        if where == "loss":
            return "the loss is not finite, though all outputs are: look at the loss function and the targets"
        if where == "gradient":
            return f"the gradient of {name} is not finite, though the gradient that came to its layer was"
        module = self.model.get_submodule(name)
        layer = f"{name or 'the model'} ({type(module).__name__})"
        if where == "gradient of the output":
            return f"the gradient that comes to the output of {layer} is not finite: look at what follows it"
        if where == "gradient of the input":
            return f"the gradient that {layer} gives its input is not finite, though the one that came to it was"
        if where == "input":
            return f"the input of {layer} is not finite: look at the data"
        own = [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]
        broken = [key for key, value in own if not is_lazy(value) and not bool(_is_finite(value).cpu())]
        cause = f"so is its {' and '.join(broken)}" if broken else "though what it was made from is"
        return f"the output of {layer} is not finite, {cause}"


class NanLocator(Callback):
    """Ends the training with an error that names the layer where the first nan or infinity came up.

    It may be an output, the loss, or a gradient. With a gradient scaler, which deals with gradients that are not
    finite, only outputs and the loss are looked at. What is seen in a step is read at its end, or at the end of
    several: the host waits for the device then. The optimizer has taken its step by that time; so put it before a
    callback that saves, and resume from an earlier checkpoint.

    Args:
        every: read after so many steps.
    Raises: NonFiniteError in training; ValueError if every is below 1.
    """

    def __init__(self, every: int = 1) -> None:
        if isinstance(every, bool) or not isinstance(every, int) or every < 1:
            raise ValueError(f"NanLocator: every must be an integer >= 1, got {every!r}")
        self.every = every
        self._watch: FiniteWatch | None = None

    def on_fit_start(self, trainer: Trainer) -> None:
        self._remove()
        self._watch = FiniteWatch(trainer.model, trainer.scaler is None)

    def on_step_end(self, trainer: Trainer) -> None:
        if self._watch is not None and trainer.step % self.every == 0:
            self._watch.check(trainer.loss_value)

    def on_fit_end(self, trainer: Trainer) -> None:
        if self._watch is not None:
            self._watch.check()
        self._remove()

    def on_exception(self, trainer: Trainer, error: BaseException) -> None:
        self._remove()

    def _remove(self) -> None:
        if self._watch is not None:
            self._watch.remove()
        self._watch = None


@no_grad()
def _is_finite(value: Tensor) -> Tensor:
    return value.detach().isfinite().all()
