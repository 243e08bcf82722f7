"""Matrix products on CUDA devices: gpudl's own thin binding to cuBLAS, by ctypes.

CuPy's cannot be captured into a CUDA graph, casts half floats of more than two dimensions to float32, and copies
transposed operands of a batch. Here each thread has a handle for each device, and the handle a workspace for each
stream, of which cuBLAS would otherwise allocate one inside a capture. Both last as long as the process: graphs that
were captured know their addresses. Products run on CuPy's current stream, and add up in float32 or wider.
"""

from __future__ import annotations

import ctypes
import functools
import threading
from typing import Any

from gpudl.backend import precision
from gpudl.backend.arrays import Array
from gpudl.backend.errors import DeviceError
from gpudl.backend.gemm_plan import Plan, plan

# Names and numbers of cublas_api.h and library_types.h.
_R_32F, _R_64F, _R_16F, _R_16BF = 0, 1, 2, 14
_COMPUTE_32F, _COMPUTE_64F, _COMPUTE_32F_FAST_TF32 = 68, 70, 77
_DEFAULT_ALGORITHM = -1
_DISALLOW_REDUCED_PRECISION_REDUCTION = 16
_STATUS = {
    1: "NOT_INITIALIZED", 3: "ALLOC_FAILED", 7: "INVALID_VALUE", 8: "ARCH_MISMATCH", 11: "MAPPING_ERROR",
    13: "EXECUTION_FAILED", 14: "INTERNAL_ERROR", 15: "NOT_SUPPORTED", 16: "LICENSE_ERROR",
}  # fmt: skip

_MIB = 1 << 20


class _Type:
    """How cuBLAS is told of an element type: its number, what it adds up in, and the type of alpha and beta."""

    def __init__(self, number: int, compute: int, scalar: Any):
        self.number, self.compute = number, compute
        self.scale = _R_64F if scalar is ctypes.c_double else _R_32F
        self.scalar = functools.lru_cache(64)(lambda value: ctypes.byref(scalar(value)))


_BY_NAME = {
    "float16": _Type(_R_16F, _COMPUTE_32F, ctypes.c_float),
    "bfloat16": _Type(_R_16BF, _COMPUTE_32F, ctypes.c_float),
    "float32": _Type(_R_32F, _COMPUTE_32F, ctypes.c_float),
    "float64": _Type(_R_64F, _COMPUTE_64F, ctypes.c_double),
}


class _Types(dict[Any, _Type]):
    """dtype -> _Type."""

    def __missing__(self, dtype: Any) -> _Type:
        if dtype.name not in _BY_NAME:
            raise TypeError(f"cuBLAS multiplies {', '.join(_BY_NAME)}, not {dtype.name}")
        self[dtype] = found = _BY_NAME[dtype.name]
        return found


_types = _Types()


def gemm(x: Array, y: Array, out: Array | None = None, alpha: float = 1.0, beta: float = 0.0) -> Array:
    """alpha * (x @ y), to which beta * out is added if `out` is given; the result is then written there.

    Args:
        x, y: CuPy arrays of one floating dtype and one device, shapes as for matmul, any strides. What is no matrix
            with one unit stride, nor a batch of them, is copied.
        out: of the result's shape and their dtype, or float32 for half floats, sharing no memory with them; None for
            a new array. It is not read where beta is 0.
        alpha, beta: factors.
    Returns: the result.
    Raises: ValueError if the shapes do not fit; TypeError for dtypes that differ or are not floating point;
        DeviceError if cuBLAS is not found; RuntimeError with the shapes if it fails.
    """
    dtype = x.dtype
    if y.dtype != dtype or (
        out is not None and out.dtype != dtype and (out.dtype.name, dtype.itemsize) != ("float32", 2)
    ):
        raise TypeError(f"a product needs one dtype, got {dtype}, {y.dtype}{'' if out is None else f', {out.dtype}'}")
    place = x.data.device_id
    cupy = _cupy()
    if place != cupy.cuda.runtime.getDevice():
        with cupy.cuda.Device(place):
            return gemm(x, y, out, alpha, beta)
    # A result that is wider is planned as if it were not, for plans are in elements but for where matrices start.
    wider = 1 if out is None else out.itemsize // dtype.itemsize
    where = (None, ()) if out is None else (out.shape, tuple(stride // wider for stride in out.strides))
    made = plan(x.shape, x.strides, y.shape, y.strides, *where, dtype.itemsize)
    if made.x_copy is not None or made.y_copy is not None:
        return gemm(_copied(x, made.x_copy), _copied(y, made.y_copy), out, alpha, beta)
    if made.elsewhere:
        assert out is not None
        product = gemm(x, y, None if wider == 1 else cupy.empty(made.shape, out.dtype), alpha)
        out[...] = product if beta == 0 else out * beta + product
        return out
    if out is None:
        out, beta = cupy.empty(made.shape, dtype), 0.0
    if made.starts:
        _call(made, x, y, out, alpha, beta, place)
    elif beta == 0:
        out.fill(0)
    elif beta != 1:
        out *= beta
    return out


def handle_on(place: int) -> _Handle:
    """The calling thread's handle on a device, which is the current one, set to CuPy's current stream."""
    handle = _threads.handles.get(place) or _start(place)
    handle.use_stream(_cupy().cuda.get_current_stream(place).ptr)
    return handle


def type_of(dtype: Any) -> tuple[_Type, int]:
    """How cuBLAS is told of an element type, and of what it computes in with the precision that is set."""
    kind = _types[dtype]
    if kind.number == _R_32F and precision.get_float32_matmul_precision() != "highest":
        return kind, _COMPUTE_32F_FAST_TF32
    return kind, kind.compute


def empty(shape: tuple[int, ...], dtype: Any) -> Array:
    """A new array on the current device that holds anything."""
    return _cupy().empty(shape, dtype)


def _copied(x: Array, shape: Any) -> Array:
    return x if shape is None else _cupy().array(_cupy().broadcast_to(x, shape), order="C")


def _call(made: Plan, x: Array, y: Array, out: Array, alpha: float, beta: float, place: int) -> None:
    """What the plan says, on the current stream."""
    handle = handle_on(place)
    kind, compute = type_of(x.dtype)
    number, batched = kind.number, made.batch > 1
    of_out, wider = _types[out.dtype].number, out.itemsize // x.itemsize
    a_stride, b_stride, c_stride = ((stride,) for stride in made.strides) if batched else ((), (), ())
    (a_turned, b_turned), (a_leading, b_leading, c_leading) = made.turned, made.leading
    function = handle.library.functions[batched, made.wide]
    for x_start, y_start, z_start in made.starts:
        a, b = x.data.ptr + x_start, y.data.ptr + y_start
        if not made.x_first:
            a, b = b, a
        code = function(
            *(handle.address, a_turned, b_turned, *made.sizes, kind.scalar(float(alpha))),
            *(a, number, a_leading, *a_stride, b, number, b_leading, *b_stride, kind.scalar(float(beta))),
            *(out.data.ptr + z_start * wider, of_out, c_leading, *c_stride, *((made.batch,) if batched else ())),
            *(compute, _DEFAULT_ALGORITHM),
        )
        if code:
            raise RuntimeError(
                f"cuBLAS failed at the {x.dtype} product of {x.shape} and {y.shape} (strides in bytes {x.strides} and "
                f"{y.strides}) into {out.shape}: {status(code)}"
            )


class _Library:
    """The functions of the cuBLAS that CuPy uses."""

    def __init__(self) -> None:
        from cuda import pathfinder

        try:
            path = pathfinder.load_nvidia_dynamic_lib("cublas").abs_path
            self.library = ctypes.CDLL(path)
        except (OSError, RuntimeError) as error:
            raise DeviceError(
                "matrix products on CUDA devices need cuBLAS, which was not found; install it with: "
                f"pip install 'gpudl[cuda12]' or 'gpudl[cuda13]' ({error})"
            ) from error
        self.functions = {(batched, wide): self._gemm(batched, wide) for batched in (0, 1) for wide in (0, 1)}
        address, size = ctypes.c_void_p, ctypes.c_size_t
        self.create = self._function("cublasCreate_v2", ctypes.POINTER(address))
        self.set_math_mode = self._function("cublasSetMathMode", address, ctypes.c_int)
        self.set_stream = self._function("cublasSetStream_v2", address, address)
        self.set_workspace = self._function("cublasSetWorkspace_v2", address, address, size)

    def _function(self, name: str, *arguments: Any) -> Any:
        function = getattr(self.library, name)
        function.argtypes, function.restype = arguments, ctypes.c_int
        return function

    def _gemm(self, batched: int, wide: int) -> Any:
        """cublasGemmEx or cublasGemmStridedBatchedEx, where it is wide the one whose sizes are int64."""
        number, address = ctypes.c_int, ctypes.c_void_p
        size = ctypes.c_int64 if wide else ctypes.c_int
        matrix = (address, number, size, *((ctypes.c_longlong,) if batched else ()))
        return self._function(
            f"cublasGemm{'StridedBatched' if batched else ''}Ex{'_64' if wide else ''}",
            *(address, number, number, size, size, size),
            *(address, *matrix, *matrix, address, *matrix),
            *((size,) if batched else ()),
            *(number, number),
        )


class _Handle:
    """A handle on the device that was current when it was made, and its workspaces."""

    def __init__(self, library: _Library, place: int):
        self.library = library
        self.stream: int | None = None
        self.workspace: Any = None
        self.workspaces: dict[int, Any] = {}
        self.products: dict[Any, Any] = {}  # those that cuBLASLt was told of
        capability = _cupy().cuda.Device(place).compute_capability
        self.bytes = (32 if int(capability) >= 90 else 4) * _MIB
        address = ctypes.c_void_p()
        check("create a handle", library.create(ctypes.byref(address)))
        self.address = address.value
        check("set the math mode", library.set_math_mode(self.address, _DISALLOW_REDUCED_PRECISION_REDUCTION))

    def use_stream(self, stream: int) -> None:
        """Let the next calls run on a stream, with a workspace of its own: products on two streams may overlap."""
        if stream == self.stream:
            return
        workspace = self.workspaces.get(stream)
        if workspace is None:
            _refuse_capture(stream)
            workspace = self.workspaces[stream] = _cupy().cuda.Memory(self.bytes)
        self.stream = None
        check("set the stream", self.library.set_stream(self.address, stream))
        # Setting the stream has put cuBLAS's own workspace back.
        check("set the workspace", self.library.set_workspace(self.address, workspace.ptr, self.bytes))
        self.stream, self.workspace = stream, workspace


class _OfThread:
    """The handles of a thread by device. When it ends they go to those that come, for making one takes long."""

    def __init__(self) -> None:
        self.handles: dict[int, _Handle] = {}
        self.spare = _spare  # the module may be gone before the last thread

    def __del__(self) -> None:
        for place, handle in self.handles.items():
            self.spare.setdefault(place, []).append(handle)


class _Threads(threading.local):
    def __init__(self) -> None:
        self._own = _OfThread()
        self.handles = self._own.handles


_spare: dict[int, list[_Handle]] = {}
_threads = _Threads()


def _start(place: int) -> _Handle:
    """The calling thread's handle on the current device, made anew or left by a thread that ended."""
    try:
        handle = _spare[place].pop()
    except (KeyError, IndexError):
        _refuse_capture(_cupy().cuda.get_current_stream(place).ptr)
        handle = _Handle(_library(), place)
    _threads.handles[place] = handle
    return handle


def _refuse_capture(stream: int) -> None:
    if _cupy().cuda.runtime.streamIsCapturing(stream):
        raise RuntimeError(
            "a stream's first matrix product cannot be captured, since cuBLAS and its workspace are set up with it; "
            "run what is to be captured once on this stream before"
        )


@functools.cache
def _library() -> _Library:
    return _Library()


@functools.cache
def _cupy() -> Any:
    import cupy

    return cupy


def check(what: str, code: int) -> None:
    """Raise RuntimeError if a call of cuBLAS gave a status that is no success."""
    if code:
        raise RuntimeError(f"cuBLAS could not {what}: {status(code)}")


def status(code: int) -> str:
    """The name of a status."""
    return f"CUBLAS_STATUS_{_STATUS.get(code, 'UNKNOWN')} ({code})"
