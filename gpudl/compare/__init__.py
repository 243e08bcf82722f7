"""One model on several devices: where they differ, by operation, layer and step, and what waits for a device."""

from gpudl.compare.devices import compare_devices as compare_devices
from gpudl.compare.implicit import Implicit as Implicit
from gpudl.compare.implicit import implicit_work as implicit_work
from gpudl.compare.measure import Difference as Difference
from gpudl.compare.report import Comparison as Comparison
from gpudl.compare.report import Curves as Curves
from gpudl.compare.report import LayerRow as LayerRow
from gpudl.compare.report import OpRow as OpRow
from gpudl.compare.spec import compare_spec as compare_spec

__all__ = [
    "Comparison",
    "Curves",
    "Difference",
    "Implicit",
    "LayerRow",
    "OpRow",
    "compare_devices",
    "compare_spec",
    "implicit_work",
]
