"""From what was recorded to the rows of a comparison."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from gpudl.autograd.tensor import Tensor
from gpudl.backend.device import CPU, Device
from gpudl.backend.dtypes import get_default_dtype, set_default_dtype
from gpudl.compare.measure import Difference, difference, is_floating
from gpudl.compare.record import Call, Recorder
from gpudl.compare.replay import Judged, Reference, ran, why_left_out
from gpudl.compare.report import LayerRow, OpRow
from gpudl.compare.tolerances import family_of
from gpudl.compare.training import copied, each_tensor
from gpudl.nn.module import Module
from gpudl.random.seed import manual_seed

Clock = Callable[[Call, Device], dict[str, float]]
"""From a call and a device to the seconds of "forward" and "backward"."""

_REFUSALS = (ValueError, RuntimeError, TypeError, LookupError, NotImplementedError)


def operation_rows(
    calls: Sequence[Call], others: Iterable[Call], places: Sequence[Device], tolerance: float, clock: Clock | None
) -> list[OpRow]:
    """The rows of recorded operations, each run on every device, in the order in which they ran.

    Args:
        calls: of the first device.
        others: those that the runs without hooks add. A form of an operation that is for one device alone, and so does
            not run on the CPU in float64, is left out if there is another form that does.
        tolerance: a factor on what is allowed.
        clock: says how long a call takes on a device.
    """
    rows = [row for call in calls for row in _rows_of(call, places, tolerance, clock)]
    more = [row for call in others for row in _rows_of(call, places, tolerance, clock)]
    judged = {row.op for _, row in (*rows, *more) if row.differences}
    rows += [each for each in more if each[1].differences or each[1].op not in judged]
    return [row for _, row in sorted(rows, key=lambda row: row[0])]


def _rows_of(
    call: Call, places: Sequence[Device], tolerance: float, clock: Clock | None
) -> Iterator[tuple[tuple[int, int], OpRow]]:
    """The rows of a recorded operation, with what puts them in the order in which they ran."""
    found: dict[str, Judged] = {}
    notes: dict[str, str] = {}
    seconds: dict[str, dict[str, float]] = {"forward": {}, "backward": {}}
    coarsest = ""
    why = why_left_out(call)
    try:
        reference = None if why else Reference(call)
    except (*_REFUSALS, AttributeError) as error:  # the last of what is for the arrays of one device alone
        reference, why = None, _one_line(error)
    if reference is None:
        notes["float64"] = why or ""
    else:
        coarsest = reference.coarsest
        for place in places:
            try:
                found[str(place)] = reference.judge(ran(call, place), tolerance)
                for direction, each in ({} if clock is None else clock(call, place)).items():
                    seconds[direction][str(place)] = each
            except (*_REFUSALS, AttributeError) as error:
                notes[str(place)] = _one_line(error)
    plain = call.operation.name(), call.path, call.where, family_of(call.operation), coarsest
    op, layer, where, family, dtype = plain
    forward = {name: each.forward for name, each in found.items()}
    yield (0, call.number), OpRow(op, "forward", layer, where, family, dtype, forward, notes, seconds["forward"])
    backward = {name: each.backward for name, each in found.items() if each.backward is not None}
    if backward and call.turn is not None:
        yield (1, call.turn), OpRow(op, "backward", layer, where, family, dtype, backward, notes, seconds["backward"])


def layer_rows(
    model: Module, loss: Any, inputs: Any, target: Any, recorders: dict[str, Recorder], seed: int
) -> tuple[list[LayerRow], str | None]:
    """The rows of the layers; or none, and why.

    Args:
        inputs, target: on the CPU.
        recorders: by device, what they recorded of the layers.
    """
    manual_seed(seed)
    default = get_default_dtype()
    reference = Recorder(copied(model, CPU).double(), _doubled(copied(loss, CPU)))
    try:
        set_default_dtype("float64")
        reference.run(_doubled(inputs), _doubled(target), operations=False)
    except _REFUSALS as error:
        return [], f"the model does not run in float64: {_one_line(error)}"
    finally:
        set_default_dtype(default)
    rows = []
    for path, want in reference.layers.items():
        layers = {name: each.layers[path] for name, each in recorders.items() if path in each.layers}
        forward = {name: _farthest(dict(enumerate(each.outputs)), dict(enumerate(want.outputs)))
                   for name, each in layers.items()}  # fmt: skip
        backward = {name: _farthest(each.gradients, want.gradients)
                    for name, each in layers.items() if each.gradients}  # fmt: skip
        rows.append(LayerRow(path, want.type, forward, backward))
    return rows, None


def _farthest(got: dict[Any, Any], want: dict[Any, Any]) -> Difference:
    found = Difference()
    for key in got.keys() & want.keys():
        found = found.worse(difference(got[key], want[key]))
    return found


def _doubled(value: Any) -> Any:
    if isinstance(value, Module):
        return value.double()

    def wide(tensor: Tensor) -> Tensor:
        return tensor.detach().double().requires_grad_(tensor.requires_grad) if is_floating(tensor.dtype) else tensor

    return each_tensor(value, wide)


def _one_line(error: Exception) -> str:
    return " ".join(f"{error}".split()) or type(error).__name__
