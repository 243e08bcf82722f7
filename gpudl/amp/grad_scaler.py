"""GradScaler: the loss times a large number, so that the gradients of half floats do not vanish.

    g = gradient of (s loss), divided by s;   a step whose g has an inf or nan is left out, and s halved;
    after 2000 steps without one, s is doubled

The scale, and whether a gradient was infinite, live on the device.

Micikevicius et al. 2018, "Mixed Precision Training", arXiv:1710.03740.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import numpy as np

from gpudl.amp.unscale import Flags, unscale_, update_scale_
from gpudl.autograd.grad_mode import no_grad
from gpudl.autograd.inplace import writable_gradients
from gpudl.autograd.tensor import Tensor, wrap
from gpudl.backend.arrays import quiet
from gpudl.backend.device import Device, backend_of, guarded
from gpudl.backend.dtypes import float16, float32, float64
from gpudl.optim.optimizer import Optimizer

__all__ = ["GradScaler"]

Outputs = TypeVar("Outputs")

_int32 = np.dtype(np.int32)
_READY, _UNSCALED, _STEPPED = range(3)


class _Progress:
    """What was done to an optimizer's gradients since the last update.

    Attributes:
        optimizer: kept, so that no other one gets its id.
        number: its place among the flags.
        stage: ready, unscaled or stepped.
        devices: of its gradients.
    """

    __slots__ = ("devices", "number", "optimizer", "stage")

    def __init__(self, optimizer: Optimizer, number: int):
        self.optimizer, self.number, self.stage = optimizer, number, _READY
        self.devices: list[Device] = []


class GradScaler:
    """Scales losses up and gradients down again, and leaves out the steps whose gradients are not finite.

        scaler = gpudl.amp.GradScaler()
        for x, y in loader:
            optimizer.zero_grad()
            scaler.scale(loss_of(model(x), y)).backward()
            scaler.unscale_(optimizer)  # only where the gradients are looked at or clipped before the step
            scaler.step(optimizer)
            scaler.update()

    On a device, unscaling is one launch for gradients that lie end to end, as those of an optimizer are, and update()
    is another. step() waits for the device once, to read whether a gradient was infinite, as PyTorch's does: a step
    that is left out must not count, so the parameters and the optimizer's state stay as they are to the bit.

    Args:
        device: PyTorch's; accepted, and changes nothing: the scale lives where the first tensor lies that is scaled.
        init_scale: the first scale.
        growth_factor: what the scale is multiplied by after growth_interval steps without an inf or nan, > 1.
        backoff_factor: what it is multiplied by after a step with one, < 1.
        growth_interval: see growth_factor.
        enabled: False makes scale() and unscale_() do nothing, and step() a plain step.
    Raises: AssertionError for factors out of range, as PyTorch.
    Source: Micikevicius et al. 2018, arXiv:1710.03740.
    """

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        del device
        if enabled and not growth_factor > 1:
            raise AssertionError(f"GradScaler: growth_factor must be > 1, got {growth_factor}")
        if enabled and not backoff_factor < 1:
            raise AssertionError(f"GradScaler: backoff_factor must be < 1, got {backoff_factor}")
        self._enabled = enabled
        self._init_scale = float(init_scale)
        self._init_growth_tracker = 0
        self._growth_factor, self._backoff_factor = growth_factor, backoff_factor
        self._growth_interval = growth_interval
        self._scale: Tensor | None = None
        self._growth_tracker: Tensor | None = None
        self._flags = Flags()  # all 0 after update()
        self._progress: dict[int, _Progress] = {}

    def scale(self, outputs: Outputs) -> Outputs:
        """The outputs times the scale.

        Args:
            outputs: a Tensor, or an iterable of them (also nested); lists and tuples stay what they are.
        Raises: ValueError for what is neither.
        """
        if not self._enabled:
            return outputs
        if isinstance(outputs, Tensor):
            if self._scale is None:
                self._begin(outputs)
            assert self._scale is not None
            return outputs * self._scale.to(outputs.device)  # type: ignore[return-value]
        if isinstance(outputs, Iterable):
            scaled = map(self.scale, outputs)
            return type(outputs)(scaled) if isinstance(outputs, (list, tuple)) else scaled  # type: ignore
        raise ValueError(f"scale: outputs must be a Tensor or an iterable of Tensors, got {type(outputs).__name__}")

    def unscale_(self, optimizer: Optimizer) -> None:
        """Divide the gradients of an optimizer by the scale, in place, and note whether one is infinite or nan.

        Raises: RuntimeError the second time since the last update(), and after step(); AssertionError before scale();
            ValueError for float16 gradients, as PyTorch: they are of float16 parameters, which should be float32.
        """
        if not self._enabled:
            return
        scale = self._begun("unscale_")[0]
        progress = self._progress_of(optimizer)
        if progress.stage == _UNSCALED:
            raise RuntimeError("unscale_() has already been called on this optimizer since the last update()")
        if progress.stage == _STEPPED:
            raise RuntimeError("unscale_() is being called after step()")
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        if any(parameter._grad is not None and parameter._grad.dtype == float16 for parameter in parameters):
            raise ValueError(
                "GradScaler: float16 gradients cannot be unscaled, for they may vanish; keep the parameters in float32"
            )
        with no_grad(), quiet():
            for gradients in writable_gradients(parameters, "unscale_"):
                with guarded(gradients):
                    device = wrap(gradients, None).device
                    if device not in progress.devices:
                        progress.devices.append(device)
                    number = scale.to(device, float64 if gradients.dtype == float64 else float32).array
                    unscale_(gradients, number, self._flags.of(progress.number, gradients))
        progress.stage = _UNSCALED

    def step(self, optimizer: Optimizer, *args: Any, **kwargs: Any) -> Any:
        """Unscale the gradients, unless that was done, and call optimizer.step if all of them are finite.

        Waits for the device once.

        Args:
            args, kwargs: for optimizer.step; no closure.
        Returns: what optimizer.step returns; None if it is left out.
        Raises: RuntimeError the second time since the last update(), and for a closure; AssertionError before scale(),
            and if no parameter has a gradient.
        """
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs or (args and args[0] is not None):
            raise RuntimeError("a closure cannot be used while GradScaler is enabled")
        self._begun("step")
        progress = self._progress_of(optimizer)
        if progress.stage == _STEPPED:
            raise RuntimeError("step() has already been called since the last update()")
        if progress.stage == _READY:
            self.unscale_(optimizer)
        if not progress.devices:
            raise AssertionError("step: no parameter of the optimizer has a gradient")
        flags = [self._flags.on(device, progress.number) for device in progress.devices]
        is_finite = not any(wrap(flag, None).item() for flag in flags)
        progress.stage = _STEPPED
        return optimizer.step(*args, **kwargs) if is_finite else None

    def update(self, new_scale: float | Tensor | None = None) -> None:
        """Change the scale by what was found in all gradients since the last call. Waits for nothing.

        Args:
            new_scale: take this scale instead, a number or a Tensor of one element.
        Raises: AssertionError before scale(), and if nothing was unscaled since the last call.
        """
        if not self._enabled:
            return
        scale, tracker = self._begun("update")
        used = [device for each in self._progress.values() for device in each.devices]
        if new_scale is None and not used:
            raise AssertionError("update: no gradients were unscaled since the last update()")
        with no_grad(), quiet(), guarded(scale.array):
            if new_scale is None:
                found = self._flags.joined(scale.array)
                factors = float(self._growth_factor), float(self._backoff_factor)
                update_scale_(scale.array, tracker.array, found, *factors, int(self._growth_interval))
            elif isinstance(new_scale, Tensor):
                if new_scale.array.size != 1 or new_scale.requires_grad:
                    raise AssertionError("update: new_scale must be a number, or a Tensor of one element without grad")
                scale.copy_(new_scale.reshape(()))
            else:
                scale.fill_(float(new_scale))
        if new_scale is not None:
            self._flags = Flags()
        self._progress.clear()

    def get_scale(self) -> float:
        """The scale as a Python number, which waits for the device; 1.0 if not enabled."""
        if not self._enabled:
            return 1.0
        return self._init_scale if self._scale is None else float(self._scale.item())

    def get_growth_factor(self) -> float:
        """What the scale is multiplied by when it grows."""
        return self._growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        """Change what the scale is multiplied by when it grows."""
        self._growth_factor = new_factor

    def get_backoff_factor(self) -> float:
        """What the scale is multiplied by when a gradient is not finite."""
        return self._backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        """Change what the scale is multiplied by when a gradient is not finite."""
        self._backoff_factor = new_factor

    def get_growth_interval(self) -> int:
        """After how many steps without an inf or nan the scale grows."""
        return self._growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        """Change after how many steps without an inf or nan the scale grows."""
        self._growth_interval = new_interval

    def is_enabled(self) -> bool:
        """Whether anything is scaled."""
        return self._enabled

    def state_dict(self) -> dict[str, Any]:
        """PyTorch's: scale, the three settings, and _growth_tracker, as numbers; empty if not enabled. Waits."""
        if not self._enabled:
            return {}
        tracker = self._growth_tracker
        return {
            "scale": self.get_scale(),
            "growth_factor": self._growth_factor,
            "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval,
            "_growth_tracker": self._init_growth_tracker if tracker is None else int(tracker.item()),
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over what state_dict of a scaler gave, PyTorch's too; nothing if not enabled.

        Raises: RuntimeError for the empty state of one that was not enabled.
        """
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError("load_state_dict: the state is empty; was it saved by a GradScaler with enabled=False?")
        self._init_scale, self._init_growth_tracker = float(state_dict["scale"]), int(state_dict["_growth_tracker"])
        self._growth_factor = state_dict["growth_factor"]
        self._backoff_factor = state_dict["backoff_factor"]
        self._growth_interval = state_dict["growth_interval"]
        if self._scale is not None and self._growth_tracker is not None:
            self._scale.fill_(self._init_scale)
            self._growth_tracker.fill_(self._init_growth_tracker)

    def __getstate__(self) -> dict[str, Any]:
        if self._progress:
            raise AssertionError("a GradScaler can be pickled or copied before scale() or after update(), not between")
        state = {**self.__dict__, "_scale": None, "_growth_tracker": None, "_flags": Flags()}
        if self._enabled:
            saved = self.state_dict()
            state |= {"_init_scale": saved["scale"], "_init_growth_tracker": saved["_growth_tracker"]}
        return state

    def _begin(self, like: Tensor) -> None:
        backend = backend_of(like.array)
        self._scale = wrap(backend.full((), self._init_scale, float32, like.device), None)
        self._growth_tracker = wrap(backend.full((), self._init_growth_tracker, _int32, like.device), None)

    def _begun(self, name: str) -> tuple[Tensor, Tensor]:
        if self._scale is None or self._growth_tracker is None:
            raise AssertionError(f"{name}: nothing was scaled yet; call scaler.scale(loss).backward() before")
        return self._scale, self._growth_tracker

    def _progress_of(self, optimizer: Optimizer) -> _Progress:
        found = self._progress.get(id(optimizer))
        if found is None:
            found = self._progress[id(optimizer)] = _Progress(optimizer, len(self._progress))
        return found
