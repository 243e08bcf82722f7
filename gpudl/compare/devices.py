"""compare_devices: one model on several devices, operation by operation, layer by layer and step by step."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from gpudl.autograd.grad_mode import no_grad
from gpudl.autograd.tensor import Tensor
from gpudl.backend.device import CPU, Device, device, require
from gpudl.compare.implicit import Implicit, implicit_work
from gpudl.compare.measure import Host, eps_of, is_floating
from gpudl.compare.record import Call, Recorder
from gpudl.compare.report import Comparison, Curves, OpRow
from gpudl.compare.rows import Clock, layer_rows, operation_rows
from gpudl.compare.stepping import step_row
from gpudl.compare.training import (
    MakeOptimizer,
    MakeTrainer,
    Step,
    copied,
    first_batches,
    losses_of,
    losses_of_trainer,
    moved,
    usual_optimizer,
)
from gpudl.nn.module import Module
from gpudl.nn.mult_adds import tensors_in
from gpudl.nn.uninitialized import is_lazy
from gpudl.optim import Optimizer
from gpudl.random.seed import manual_seed, seed_state, set_seed_state
from gpudl.sim import Counters, SimError, counters


def compare_devices(
    model: Module,
    *inputs: Any,
    loss: Callable[..., Tensor] | None = None,
    target: Any = None,
    devices: Sequence[str | Device] = ("cpu", "sim"),
    steps: int = 0,
    optimizer: MakeOptimizer | None = None,
    batches: Iterable[Any] | None = None,
    step: Step | None = None,
    trainer: MakeTrainer | None = None,
    speed: bool = False,
    seed: int = 0,
    tolerance: float = 1.0,
    loss_tolerance: float | None = None,
    name: str | None = None,
) -> Comparison:
    """Run a model on several devices from one seed, and say where they differ.

    Operations: a forward and backward is recorded, and each of its operations runs again by itself on every device, on
    the inputs and gradients that were recorded. First each layer by itself, on the first device; then as it is on each
    device, where some neighbors are computed together: what is new there is added. So an operation that is wrong is
    named, and not those after it. Each is held against itself in float64 on the CPU (gpudl.compare.measure says how,
    and gpudl.compare.tolerances what is allowed). Where there are steps, the optimizer's own is compared in the same
    way, from the recorded gradients. What is neither, as the clipping of gradients, shows in the losses alone.

    Layers: the model runs as a whole on every device and in float64; the differences are those that have added up. They
    are shown and not judged. Random numbers that depend on the dtype, as of RReLU or rand, are others in float64.

    Losses: so many steps of training on every device, from the same weights, on the same batches.

    The model itself is not run or changed: copies are.

    Args:
        model: in training mode or not, as it is to be compared; on any device.
        inputs: a batch: Tensors, or tuples, lists and dicts of them.
        loss: a function or module of output and target; None to begin backward at the outputs, with gradients of 1,
            and to train for a small mean of their squares.
        target: its second argument; None for a loss of the output alone.
        devices: two or more; "cuda" and "sim" exclude each other in one process. The losses of the others are held
            against those of the first.
        steps: of training.
        optimizer: makes an optimizer for a copy of the model; None for SGD with lr=0.01.
        batches: (inputs..., target), or (inputs...) without a loss; from the beginning again where they are fewer than
            steps. None for the one batch, again and again.
        step: `step(model, optimizer, batch) -> loss`, a step of a training of one's own; None for the usual one.
        trainer: `trainer(model, device) -> Trainer`, to train as that does, in place of `optimizer` and `step`: with
            its loss, schedule, clipping and callbacks. `batches` are then what Trainer.fit takes, an epoch of them.
        speed: also measure how long each operation takes, on devices that are not emulated.
        seed: of all random numbers; those that come after the comparison are as if it had not been.
        tolerance: a factor on what operations are allowed.
        loss_tolerance: how far losses may be apart, as a share of the larger; None for what gpudl/PARITY.md publishes,
            which grows with each step.
        name: of the model in the report; None for its class.
    Raises: ValueError and TypeError for arguments out of range; DeviceError for a device that is not there; what the
        model raises on one of them.
    """
    _check(model, devices, steps, tolerance, loss_tolerance)
    if trainer is not None and (optimizer is not None or step is not None):
        raise ValueError("compare: a Trainer has its own optimizer and steps; give either it or these")
    places = [device(each) for each in devices]
    for place in places:
        require(place)
    if len({str(place) for place in places}) != len(places):
        raise ValueError(f"compare: the devices are {', '.join(map(str, places))}; each may stand there once")
    given, wanted = moved(inputs, CPU), moved(target, CPU)
    curves, implicit, counts = None, {}, {}
    notes: list[str] = []
    with _seeds_kept():
        manual_seed(seed)
        model = _initialized(model, given)
        recorders = {}
        for place in places:
            manual_seed(seed)
            recorders[str(place)] = recorder = Recorder(copied(model, place), copied(loss, place))
            recorder.run(moved(given, place), moved(wanted, place), operations=place is places[0])
        recorded = recorders[str(places[0])]
        others: list[Call] = []
        for place in places:
            manual_seed(seed)
            known = {call.key for call in (*recorded.calls, *others)}
            recorder = Recorder(copied(model, place), copied(loss, place), known)
            recorder.run(moved(given, place), moved(wanted, place), layers=False)
            others += recorder.calls
        ops = operation_rows(recorded.calls, others, places, tolerance, _clock(places, notes) if speed else None)
        layers, no_layers = layer_rows(model, loss, given, wanted, recorders, seed)
        for place in places:
            implicit[str(place)], asked = _asked(recorders[str(place)], moved(given, place), moved(wanted, place))
            if asked is not None:
                counts[str(place)] = asked
        if steps:
            stepped = _stepped(recorded.model, optimizer, trainer, recorded.gradients, places, tolerance)
            ops += [] if stepped is None else [stepped]
            if not recorded.gradients:
                notes.append("Nothing is trained, since no parameter has a gradient: each loss is that of a forward")
            batches = [(*given, wanted) if loss is not None else given] if batches is None else batches
            host = first_batches(batches, steps) if trainer is None else ()
            losses = {}
            for place in places:
                manual_seed(seed)
                losses[str(place)], implicit[str(place)] = (
                    losses_of(model, loss, host, place, optimizer, step)
                    if trainer is None
                    else losses_of_trainer(model, batches, place, trainer, steps)
                )
            curves = Curves(losses, loss_tolerance, _coarsest(model))
    first = next(tensors_in(given), None)
    return Comparison(
        name=name or type(model).__name__,
        devices=tuple(map(str, places)),
        batch=first.shape[0] if first is not None and first.ndim else None,
        seed=seed,
        tolerance=tolerance,
        ops=tuple(ops),
        layers=tuple(layers),
        no_layers=no_layers,
        curves=curves,
        implicit=implicit,
        counts=counts,
        notes=tuple(notes),
    )


def _check(model: Any, devices: Sequence[Any], steps: int, tolerance: float, loss_tolerance: float | None) -> None:
    if not isinstance(model, Module):
        raise TypeError(f"compare: expected a Module, got {type(model).__name__}")
    if isinstance(devices, str) or len(devices) < 2:
        raise ValueError(f"compare: give two devices or more, as in ('cpu', 'sim'), got {devices!r}")
    if steps < 0:
        raise ValueError(f"compare: steps must be 0 or more, got {steps}")
    for name, value in (("tolerance", tolerance), ("loss_tolerance", loss_tolerance)):
        if value is not None and not value > 0:
            raise ValueError(f"compare: {name} must be above 0, got {value}")


def _coarsest(model: Module) -> str:
    """The coarsest floating dtype of the weights."""
    found = {str(each.dtype) for each in model.parameters() if is_floating(each.dtype)}
    return max(found, key=eps_of, default="float32")


def _initialized(model: Module, inputs: Any) -> Module:
    """A model whose lazy layers have weights: the same on all devices, and in float64."""
    if not any(map(is_lazy, (*model.parameters(), *model.buffers()))):
        return model
    here = copied(model, CPU)
    with no_grad():
        here(*moved(inputs, CPU))
    return here  # type: ignore[no-any-return]


def _clock(places: Sequence[Device], notes: list[str]) -> Clock:
    from gpudl.backend.clocks import is_emulated
    from gpudl.compare.speed import seconds_of  # which needs more of gpudl than most comparisons

    silent = [str(place) for place in places if is_emulated(place)]
    notes += [f"No times of {' and '.join(silent)}, which is emulated"] if silent else []
    return seconds_of


def _stepped(
    model: Module,
    optimizer: MakeOptimizer | None,
    trainer: MakeTrainer | None,
    gradients: dict[str, Host],
    places: Sequence[Device],
    tolerance: float,
) -> OpRow | None:
    def made(here: Module, place: Device) -> Optimizer:
        return (optimizer or usual_optimizer)(here) if trainer is None else trainer(here, place).optimizer

    return step_row(model, made, gradients, places, tolerance)


@contextlib.contextmanager
def _seeds_kept() -> Iterator[None]:
    before = seed_state()
    try:
        yield
    finally:
        set_seed_state(before)


def _asked(recorder: Recorder, inputs: Any, target: Any) -> tuple[tuple[Implicit, ...], dict[str, int] | None]:
    """What one forward and backward asks of a device: implicitly; and all in all, if it is an emulated one."""
    before = _counted()
    with implicit_work() as found:
        recorder.repeat(inputs, target)
    after = _counted()
    asked = None if before is None or after is None else asdict(after - before)
    return tuple(found), asked if asked and any(asked.values()) else None


def _counted() -> Counters | None:
    try:
        return counters()
    except SimError:
        return None
