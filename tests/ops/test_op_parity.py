"""Every public operation keeps gpudl/PARITY.md on every device, forward and backward, by both measures.

One row of the op table stands for each name. What is made of several operations is held to the sum of their limits.
Each kernel's own examples, which are many more, are in test_kernels.py.
"""

import numpy as np
import pytest
from cases import ROWS, Input, Row, ints
from oracle import Raised, differentiable, flat, host, outcome
from test_coverage import ELSEWHERE, exported
from tolerances import assert_close

import gpudl
import gpudl.linalg
from gpudl import nn
from gpudl.autograd.observe import observing
from gpudl.backend.device import require
from gpudl.compare.record import Recorder
from gpudl.compare.replay import Reference, ran, why_left_out
from gpudl.compare.tolerances import tolerance


def example(op, *parts, call=None, **named):
    """A row of an operation that has none in the op table, since PyTorch has no such operation."""
    parts = tuple(Input(part) if isinstance(part, tuple) else part for part in parts)
    return Row(op, parts, named, call, None, {}, op, None, 1.0)


F = "nn.functional."
BY_NAME = {
    "Tensor.__index__": [example("Tensor.__index__", ints(()))],
    F + "bias_act": [example(F + "bias_act", (4, 6), (6,), "gelu")],
    F + "bias_gelu": [example(F + "bias_gelu", (4, 6), (6,))],
    F + "bias_dropout_add": [example(F + "bias_dropout_add", (4, 6), (6,), (4, 6), 0.3)],
    F + "gumbel_softmax": [example(F + "gumbel_softmax", (4, 6))],
    F + "ctc_loss": [
        example(
            F + "ctc_loss",
            (7, 2, 5),
            ints((2, 3), 1, 4),
            call=lambda lib, x, y: lib.nn.functional.ctc_loss(
                x.log_softmax(2), y, lib.tensor([7, 6]), lib.tensor([3, 2])
            ),
        )
    ],
}
for _row in ROWS.values():
    if "values" not in _row.unlike and _row.op != "Tensor.__index__":
        BY_NAME.setdefault(_row.op, []).append(_row)

# What these files test computes nothing, or draws random numbers: tests/parity/test_parity_bits.py holds those.
NO_ROUNDING = [
    *("test_methods.py", "test_create.py", "test_dtype_info.py", "test_views.py", "test_interchange.py"),
    *("test_promotion.py", "test_sample.py", "test_distributions.py", "../autograd/test_engine.py"),
]
OF_THE_DTYPE = ("nextafter", "Tensor.nextafter", "Tensor.nextafter_", "Tensor.element_size")  # float64 says another
NAMES = [
    name
    for name in exported()
    if name not in OF_THE_DTYPE and (name in BY_NAME or ELSEWHERE.get(name) not in NO_ROUNDING)
]


def is_float(array):
    return array.dtype.kind in "fV"


def found(row, arrays, place):
    """The row's results and the gradients of a weighted sum of them, as arrays; or None where it raises."""
    gpudl.manual_seed(0)
    given = [gpudl.tensor(x, device=place, requires_grad=is_float(x)) for x in arrays]
    result = outcome(row.run, gpudl, *given)
    if isinstance(result, Raised):
        return None
    outputs, leaves, rng = differentiable(result), differentiable(given), np.random.default_rng(0)
    weights = [np.round(rng.uniform(-8, 8, y.shape)) / 8 for y in outputs]  # which every dtype holds
    weights = [gpudl.tensor(w, device=y.device).to(y.dtype) for w, y in zip(weights, outputs)]
    options = {"allow_unused": True, "materialize_grads": True}
    try:
        gradients = gpudl.autograd.grad(outputs, leaves, weights, **options) if outputs else ()
    except NotImplementedError:  # as of heaviside
        gradients = ()
    return [[np.asarray(host(each)) for each in flat(list(part))] for part in (flat(result), gradients)]


def wide(arrays):
    return [x.astype("float64") if is_float(x) else x for x in arrays]


def first_that_runs(name, dtype):
    """The first row of a name that does not raise, its inputs, what is exact, and the operations that it is made of."""
    used = []

    def noted(operation, args, run):
        used.append(operation)
        return run()

    for row in BY_NAME.get(name, ()):
        arrays = row.make(dtype)
        used.clear()
        with observing(noted):
            exact = found(row, wide(arrays), "cpu")
        if exact is not None:
            return row, arrays, exact, used
    raise AssertionError(f"{name}: add a row that runs to a rows_*.py file, or an example to {__name__}.BY_NAME")


seen = set()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_an_operation_is_within_the_limits_of_what_it_is_made_of(name, dtype, device):
    if dtype == "bfloat16":
        pytest.importorskip("ml_dtypes")
    row, arrays, exact, used = first_that_runs(name, dtype)
    key = str(device), dtype, *used
    if device.type != "cpu" and used and key in seen:
        return  # to a device, names that are made of the same operations are the same
    seen.add(key)
    both = found(row, arrays, device)
    if both is None and dtype != "float32":  # as decompositions, which PyTorch refuses as well
        assert found(row, arrays, "cpu") is None
        return
    for gradient, (got, want) in enumerate(zip(both, exact, strict=True)):
        for mine, right in zip(got, want, strict=True):
            if not is_float(right):
                np.testing.assert_array_equal(mine, right, row.id)
                continue
            kinds = {dtype, mine.dtype.name}
            limit = sum(
                max(tolerance(operation, kind, gradient=bool(g)) for kind in kinds)
                for operation in used
                for g in range(gradient + 1)
            )
            mine = mine.astype(dtype) if mine.dtype == "float64" else mine  # a number of Python's
            assert_close(mine, right.astype(mine.dtype), f"{row.id}: {[each.__name__ for each in used]}", limit=limit)


class Whole(nn.Module):
    """A row as a model."""

    def __init__(self, row):
        super().__init__()
        self.row = row

    def forward(self, *inputs):
        return tuple(each for each in flat(self.row.run(gpudl, *inputs)) if isinstance(each, gpudl.Tensor))


judged = set()


@pytest.mark.parametrize("name", NAMES)
def test_compare_finds_nothing_in_it(name, device):
    row, arrays, _, _ = first_that_runs(name, "float32")
    require(device)
    gpudl.manual_seed(0)
    recorder = Recorder(Whole(row), None)
    try:
        recorder.run(tuple(gpudl.tensor(x, requires_grad=is_float(x)) for x in arrays), None, operations=True)
    except NotImplementedError:
        return
    for call in recorder.calls:
        key = str(device), call.operation, call.turn is None
        if why_left_out(call) or (device.type != "cpu" and key in judged):
            continue
        judged.add(key)
        result = Reference(call).judge(ran(call, device), 1.0)
        for each in (result.forward, result.backward):
            assert each is None or not each.departs, f"{row.id}: {call.operation.__name__} on {device}: {each}"


def test_every_public_operation_is_tried():
    missing = [name for name in exported() if name not in BY_NAME and ELSEWHERE.get(name) not in NO_ROUNDING]
    assert not missing and len(NAMES) > 1000, f"add a row, or an example to {__name__}.BY_NAME: {missing}"


def test_an_error_of_1e_5_is_seen(monkeypatch):
    monkeypatch.setattr(
        gpudl, "exp", lambda x, exact=gpudl.exp: exact(x) * (1.00001 if x.dtype.name == "float32" else 1)
    )
    with pytest.raises(AssertionError, match="exp"):
        test_an_operation_is_within_the_limits_of_what_it_is_made_of("exp", "float32", gpudl.device("cpu"))
