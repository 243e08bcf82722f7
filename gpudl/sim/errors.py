"""The errors that the emulated device raises by name."""


class SimError(RuntimeError):
    """The emulated device cannot be used, or was asked for what it does not emulate."""


class SimCompileError(SimError):
    """The host's C++ compiler refused a CUDA text; the message holds its first lines."""
