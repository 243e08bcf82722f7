"""check_devices: a model, or an operation of one's own in one, agrees on all devices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gpudl import nn
    from gpudl.compare import Comparison


def check_devices(
    model: nn.Module,
    *inputs: Any,
    devices: Sequence[str] = ("cpu", "sim"),
    strict: bool = True,
    **settings: Any,
) -> Comparison:
    """Check that a model agrees on several devices: each of its operations, forward and backward, and its losses.

        def test_net(check_devices):
            check_devices(Net(), gpudl.rand(8, 3, 32, 32), loss=nn.CrossEntropyLoss(), target=labels, steps=5)

    An operation of one's own, a Function or Primitive with its kernels, is checked like gpudl's; see check_kernel for a
    kernel alone.

    Args:
        model, inputs, settings: as for gpudl.compare.compare_devices.
        devices: two or more.
        strict: implicit transfers, synchronizations and computations on the host fail, too.
    Returns: what was found.
    Raises: AssertionError with the report, whose head names the first operation that departs, its layer and its line.
    """
    from gpudl.compare import compare_devices  # where it is wanted: most tests do without

    found = compare_devices(model, *inputs, devices=devices, **settings)
    asked = [str(each) for of_device in found.implicit.values() for each in of_device]
    if not found.agrees:
        raise AssertionError(str(found))
    if strict and asked:
        raise AssertionError("\n".join([f"{found.name} leaves a device without being told to:", *asked]))
    return found
