"""The emulated CUDA device: the real CuPy, and CUDA text that runs on the CPU, checked at every access.

`device="sim"` is the cuda path to the letter. Three layers make it so: `native/language` lets the host's C++ compiler
take CUDA text, `native/runtime` runs its threads as fibers and checks what they do, and `native/driver` stands in for
the CUDA runtime, the driver and cuBLAS below CuPy, whose own code is not changed.

    import gpudl.sim
    gpudl.sim.install()
    import cupy  # runs on the emulated device from now on

Importing this package neither imports CuPy nor starts a compiler.
"""

from gpudl.sim.counters import Counters, counters, counting
from gpudl.sim.errors import SimCompileError, SimError
from gpudl.sim.install import install, installed
from gpudl.sim.settings import Settings, settings
from gpudl.sim.toolchain import why_unavailable

__all__ = [
    "Counters",
    "Settings",
    "SimCompileError",
    "SimError",
    "counters",
    "counting",
    "install",
    "installed",
    "settings",
    "why_unavailable",
]
