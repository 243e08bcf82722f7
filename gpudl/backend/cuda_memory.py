"""Device memory: what is in use and what was at most, limits, and an error that says what lives where.

CuPy allocates inside its operations, so the one place that sees every allocation is its allocator. Ours asks the one
that was there before (CuPy's pool; on the emulated device one cudaMalloc for each array, so that bounds are exact) and
keeps books. That costs 0.6 us an allocation.
"""

from __future__ import annotations

import gc
import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gpudl.backend.errors import OutOfMemoryError
from gpudl.backend.residents import amount, report

if TYPE_CHECKING:
    from gpudl.backend.cuda import CudaBackend

_NO_MEMORY = 2  # cudaErrorMemoryAllocation


class _Ticket:
    """Owns a piece of memory and tells the books when it goes."""

    __slots__ = ("freed", "memory", "size")

    def __init__(self, memory: Any, size: int, freed: deque[int]):
        self.memory = memory
        self.size = size
        self.freed = freed

    def __del__(self) -> None:
        self.freed.append(self.size)  # from any thread, also in the middle of allocate: appending is atomic


class Books:
    """The books of one device. All figures are bytes, or counts of allocations.

    Attributes:
        used, peak: in use now, and at most.
        live, peak_live: how many allocations that is.
        given, pieces: all that was ever given out.
        reserved_peak: at most taken from the device, as far as noticed.
        retries, failures: how often memory was found only after cached memory was let go, and not at all.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.freed: deque[int] = deque()
        self.used = self.peak = self.live = self.peak_live = self.given = self.pieces = 0
        self.reserved_peak = self.retries = self.failures = 0

    def add(self, size: int) -> None:
        with self.lock:
            self.settle()
            self.given += size
            self.pieces += 1
            self.live += 1
            self.used = used = self.used + size
            if used > self.peak:
                self.peak = used
            if self.live > self.peak_live:
                self.peak_live = self.live

    def settle(self) -> None:
        """Take off what was freed since; the lock is held."""
        freed = self.freed
        while freed:
            self.used -= freed.popleft()
            self.live -= 1

    def reset_peak(self) -> None:
        with self.lock:
            self.settle()
            self.peak, self.peak_live, self.reserved_peak = self.used, self.live, 0


class DeviceMemory:
    """The memory of all devices of one backend.

    Attributes:
        unit: sizes count as multiples of this.
        pooled: whether freed memory is kept for later, in CuPy's default pool.
    """

    def __init__(self, backend: CudaBackend, unit: int, pooled: bool):
        cupy = backend.namespace
        self.backend = backend
        self.unit = unit
        self.pooled = pooled
        self.limits: dict[int, int] = {}
        self._books = [Books() for _ in range(backend.count())]
        self._pool = cupy.get_default_memory_pool()
        self._malloc = cupy.cuda.get_allocator()
        self._pointer = cupy.cuda.MemoryPointer
        self._owned = cupy.cuda.UnownedMemory
        self._errors = (MemoryError, cupy.cuda.runtime.CUDARuntimeError)
        cupy.cuda.set_allocator(self.allocate)

    def allocate(self, size: int) -> Any:
        """Device memory as a MemoryPointer: CuPy's allocator.

        Raises: OutOfMemoryError.
        """
        return self.keep(self._take(size), size)

    def guarded(self, malloc: Callable[[int], Any]) -> Callable[[int], Any]:
        """Another allocator, such as the malloc of a pool of one's own, with these books and this error."""

        def allocate(size: int) -> Any:
            return self.keep(self._take(size, malloc), size)

        return allocate

    def keep(self, pointer: Any, size: int) -> Any:
        """Enter new memory into the books, until nobody holds what this returns."""
        if not size:
            return pointer
        index = pointer.device_id
        books = self._books[index]
        size = -(-size // self.unit) * self.unit
        books.add(size)
        return self._pointer(self._owned(pointer.ptr, size, _Ticket(pointer.mem, size, books.freed), index), 0)

    def _take(self, size: int, malloc: Callable[[int], Any] | None = None) -> Any:
        malloc = malloc or self._malloc
        limits = self.limits
        if not limits or self._fits(size):
            try:
                return malloc(size)
            except self._errors as error:
                if not _is_out_of_memory(error):
                    raise
        # Garbage in cycles, and what other streams have cached: both are let go before giving up.
        index = self.backend.current()
        books = self._books[index]
        books.reserved_peak = max(books.reserved_peak, self.reserved(index))
        gc.collect()
        self._pool.free_all_blocks()
        if not limits or self._fits(size):
            try:
                pointer = malloc(size)
                books.retries += 1
                return pointer
            except self._errors as error:
                if not _is_out_of_memory(error):
                    raise
        books.failures += 1
        raise OutOfMemoryError(self._say(size, index)) from None

    def _fits(self, size: int) -> bool:
        """Whether the limit leaves room; the pool's own limit is CuPy's to hold."""
        index = self.backend.current()
        limit = self.limits.get(index)
        return limit is None or self.pooled or self.used(index) + size <= limit

    def used(self, index: int) -> int:
        """Bytes in use by arrays."""
        books = self._books[index]
        with books.lock:
            books.settle()
            return books.used

    def reserved(self, index: int) -> int:
        """Bytes taken from the device: in use, and cached for later."""
        used = self.used(index)
        if not self.pooled:
            return used
        with self.backend.on(index):
            return max(used, int(self._pool.total_bytes()))

    def books(self, index: int) -> Books:
        """The books of a device, brought up to date."""
        books = self._books[index]
        reserved = self.reserved(index)
        books.reserved_peak = max(books.reserved_peak, reserved, books.peak)
        return books

    def release(self, index: int) -> None:
        """Give cached memory back to the device."""
        books = self.books(index)  # notes the peak before it is lost
        del books
        with self.backend.on(index):
            self._pool.free_all_blocks()

    def set_limit(self, index: int, fraction: float) -> None:
        """Let arrays take no more than this part of the device's memory."""
        total = self.backend.memory_info(index)[1]
        self.limits[index] = int(total * fraction)
        if self.pooled:
            with self.backend.on(index):
                self._pool.set_limit(size=self.limits[index])

    def _say(self, size: int, index: int) -> str:
        free, total = self.backend.memory_info(index)
        used, reserved = self.used(index), self.reserved(index)
        limit = self.limits.get(index)
        facts = [
            f"in use {amount(used)}",
            f"cached {amount(reserved - used)}",
            f"free {amount(free)} of {amount(total)}",
            *([f"limited to {amount(limit)}"] if limit is not None else []),
        ]
        name = f"{self.backend.type}:{index}"
        lines = [f"{name} is out of memory: {amount(size)} were asked for ({', '.join(facts)})"]
        return "\n".join([*lines, *report(self.backend, index), _ADVICE])


_ADVICE = (
    "What helps: a smaller batch; no_grad() where no gradients are needed; keeping loss.item() and not loss; "
    "optimizer.zero_grad() before the forward pass; a dtype of 16 bits."
)


def _is_out_of_memory(error: BaseException) -> bool:
    return isinstance(error, MemoryError) or getattr(error, "status", None) == _NO_MEMORY
