"""The errors that gpudl raises by name."""


class DeviceError(RuntimeError):
    """A device is not available, or tensors on different devices meet in one operation."""


class CompileError(RuntimeError):
    """CUDA text that the compiler refuses."""


class OutOfMemoryError(RuntimeError, MemoryError):
    """A device's memory is spent. PyTorch's is a RuntimeError, Python's and CuPy's a MemoryError: it is both."""


class ShapeError(ValueError, RuntimeError):
    """Shapes that an operation cannot combine. PyTorch raises RuntimeError and NumPy ValueError here: it is both."""


class AttentionError(ShapeError, AssertionError):
    """What an attention cannot take. PyTorch raises AssertionError for most of it and else RuntimeError: it is both."""


class OutOfRangeError(IndexError, RuntimeError):
    """An index beyond the end of a dimension. PyTorch raises one or the other by the operation: it is both."""


class GraphError(RuntimeError):
    """The autograd graph cannot give a right gradient: freed, changed in place, or not connected."""


class LinAlgError(RuntimeError):
    """A matrix that an operation of linear algebra cannot take: singular, not positive definite, not converging."""
