"""DataLoader: a dataset in batches, in an order that depends on the seed and the epoch alone."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from gpudl.backend.device import device as device_named
from gpudl.backend.place import Device
from gpudl.data.fetch import END, Recipe, integer
from gpudl.data.samplers import tell_epoch
from gpudl.random import initial_seed, stream

if TYPE_CHECKING:
    from gpudl.data.delivery import Delivery
    from gpudl.data.pool import Pool

_AHEAD = 2


class DataLoader:
    """Iterates over a dataset in batches; each `iter()` starts the next epoch.

    The order of an epoch, and what transforms draw for each sample, depend on the seed, the epoch's number and the
    sample's index only: no other random call changes them, and they are the same for every device, with any number of
    workers, threads or processes. The order is fixed when `iter()` is called; iterators over one loader do not disturb
    each other, and one may be left early.

    A batch is what `default_collate` makes of the samples, so for samples `(image, label)` a list
    `[images, labels]`. Where the dataset has a method `batch` (see Dataset), whole batches come from it at once.

    With workers, batches are made while the program does other things. Threads share the dataset; they are for
    datasets whose time goes into NumPy, decoding and files. Processes are for transforms in pure Python. They are
    spawned: the dataset is pickled, its arrays are in shared memory, a script must start its work under
    `if __name__ == "__main__":`, and they have NumPy only. Batches come back through shared memory. Workers of an
    IterableDataset have a part of it each, and make their own batches, which come in turn.

    Args:
        dataset: anything with `__getitem__` and `__len__`, or an IterableDataset.
        batch_size: samples per batch, 1 or more; None gives single samples, passed through `default_convert`.
        shuffle: draw a new order for each epoch; else the dataset's own.
        sampler: an iterable of indices, iterated anew for each epoch, in place of 0, 1, 2, ...; `len(loader)` needs
            its length. If it has `set_epoch`, that is called first.
        batch_sampler: an iterable of lists of indices, likewise, in place of batch_size, shuffle, sampler, drop_last.
        num_workers: how many workers make batches; 0: the program itself, when it asks for one.
        workers: "thread" or "process".
        collate_fn: makes a batch of a list of samples (of one sample if batch_size is None); None for the default.
        device: where Tensors of the batches are to be; None where they are made. Copies to a GPU go through pinned
            memory and, with workers, run beside what the GPU computes.
        pin_memory: put Tensors of the batches into pinned memory; needless with a device.
        drop_last: leave out a last batch that is not full.
        timeout: seconds to wait for a batch before WorkerError says which worker is stuck at which sample; 0: any time.
        worker_init_fn: called in each worker with its number, before it makes anything.
        prefetch_factor: batches that each worker may be ahead, 2 by default.
        persistent_workers: keep the workers from one epoch to the next.
        seed: of the order and of draws; None takes the seed of the last `gpudl.manual_seed` when an epoch starts.
    Attributes:
        epoch: number of the epoch that the next `iter()` starts, 0 at first.
    Raises: ValueError for arguments that are out of range or contradict each other; TypeError for a dataset without
        `__getitem__`; DeviceError for a device that is not available. While iterating, an error in the dataset passes
        as it is, with a note that names the sample, and the traceback in the worker; WorkerError (a RuntimeError) if
        a worker is killed or stuck.
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool = False,
        *,
        sampler: Iterable[Any] | None = None,
        batch_sampler: Iterable[Any] | None = None,
        num_workers: int = 0,
        workers: Literal["thread", "process"] = "thread",
        collate_fn: Callable[[Any], Any] | None = None,
        device: str | Device | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], Any] | None = None,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        seed: int | None = None,
    ):
        size = None if batch_size is None else integer(batch_size)
        self.dataset = dataset
        self.batch_size = size
        self.shuffle = shuffle
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.num_workers = num_workers
        self.workers = workers
        self.collate_fn = collate_fn
        self.device = None if device is None else device_named(device)
        self.pin_memory = pin_memory
        self.drop_last = drop_last
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.prefetch_factor = prefetch_factor
        self.persistent_workers = persistent_workers
        self.seed = seed
        self.epoch = 0
        self._batch = 0  # at which the next iter() starts
        self._seen = (0, 0)
        self._pool: Pool | None = None  # persistent workers, while no iterator has them
        self._delivery: Delivery | None = None
        check(self, batch_size)

    def set_epoch(self, epoch: int, batch: int = 0) -> None:
        """Make the next `iter()` start epoch `epoch` at batch `batch`: the way to resume, or to see an epoch again.

        The batches before are not made. (An IterableDataset has to make their samples, but not the batches.)

        Args:
            epoch: 0 or more.
            batch: 0 or more; from len(loader) on, nothing is left of the epoch.
        Raises: ValueError if one is no integer or negative.
        """
        for name, value in (("epoch", epoch), ("batch", batch)):
            number = integer(value)
            if number is None or number < 0:
                raise ValueError(f"DataLoader: {name} must be an integer of 0 or more, got {value!r}")
        self.epoch, self._batch = int(epoch), int(batch)
        self._seen = self.epoch, self._batch

    def state_dict(self) -> dict[str, int]:
        """How far the loader is: the epoch, and how many of its batches were handed out, by the latest iterator."""
        epoch, batch = self._seen
        return {"epoch": epoch, "batch": batch}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Make the next `iter()` go on where state_dict was called, whatever the number of workers.

        (An IterableDataset needs as many as there were, as its workers make batches of their own parts.)

        Raises: KeyError if an entry is missing; ValueError as set_epoch.
        """
        self.set_epoch(state_dict["epoch"], state_dict["batch"])

    def __len__(self) -> int:
        """Batches per epoch (samples, if batch_size is None).

        Raises: TypeError if the dataset, or the sampler, has no length.
        """
        if self.batch_sampler is not None:
            return self._count(self.batch_sampler)
        count = self._count(self.dataset if self.sampler is None else self.sampler)
        if self.batch_size is None:
            return count
        return count // self.batch_size if self.drop_last else -(-count // self.batch_size)

    def __iter__(self) -> Iterator[Any]:
        epoch, start = self.epoch, self._batch
        seed = initial_seed() if self.seed is None else self.seed
        chunks = self._chunks(epoch, start, seed)
        delivery = self._prepared()
        made = self._serially if self.num_workers == 0 else self._in_parallel
        batches = made(epoch, start, seed, chunks, delivery)
        self.epoch, self._batch = epoch + 1, 0
        self._seen = epoch, start
        return batches

    def _serially(
        self, epoch: int, start: int, seed: int, chunks: Iterator[Any], delivery: Delivery | None
    ) -> Iterator[Any]:
        fetcher = self._recipe.fetcher(epoch, seed, _unwatched)
        given, skip = start, start if self._recipe.iterable else 0
        for chunk in chunks:
            batch = fetcher.make(chunk, skip > 0)
            if batch is END:
                break
            if skip:
                skip -= 1
                continue
            if delivery is not None:
                batch = delivery.now(batch)
            given += 1
            self._seen = epoch, given
            yield batch
            del batch
        self._seen = epoch + 1, 0

    def _in_parallel(
        self, epoch: int, start: int, seed: int, chunks: Iterator[Any], delivery: Delivery | None
    ) -> Iterator[Any]:
        from gpudl.data.pipeline import Pass, Pipeline

        given = start

        def seen(end: bool) -> None:
            nonlocal given
            given += 1
            self._seen = (epoch + 1, 0) if end else (epoch, given)

        pool, self._pool = self._pool, None
        iterable = self._recipe.iterable
        skip, ahead = start if iterable else 0, self.prefetch_factor or _AHEAD
        going = Pass(epoch, seed, chunks, iterable, skip, ahead, self.timeout or None)
        return Pipeline(pool or self._hired(seed), going, delivery, seen, self._released)

    def _hired(self, seed: int) -> Pool:
        if self.workers == "process":
            from gpudl.data.process_pool import ProcessPool

            return ProcessPool(self._recipe, self.num_workers, seed, self.worker_init_fn)
        from gpudl.data.thread_pool import ThreadPool

        return ThreadPool(self._recipe, self.num_workers, seed, self.worker_init_fn)

    def _released(self, pool: Pool) -> None:
        """What an iterator does with its pool at the end."""
        if self.persistent_workers and not pool.broken and self._pool is None:
            self._pool = pool
        else:
            pool.close()

    @property
    def _recipe(self) -> Recipe:
        size = self.batch_size if self.batch_sampler is None else 1
        return Recipe(self.dataset, size, self.drop_last, self.collate_fn)

    def _prepared(self) -> Delivery | None:
        if self._delivery is None and (self.device is not None or self.pin_memory):
            from gpudl.data.delivery import Delivery

            self._delivery = Delivery(self.device)
        return self._delivery

    def _count(self, sized: Any) -> int:
        try:
            return len(sized)
        except TypeError as error:
            name = type(sized).__name__
            raise TypeError(f"DataLoader: {name} has no length; it needs __len__ ({error})") from error

    def _chunks(self, epoch: int, start: int, seed: int) -> Iterator[Any]:
        """The indices of each batch of an epoch, from batch `start` on; fixed now, where there is no sampler."""
        if self._recipe.iterable:
            return itertools.repeat(None)
        given = self.sampler if self.batch_sampler is None else self.batch_sampler
        if given is not None:
            tell_epoch(given, epoch)
            batches = iter(given)
            if self.batch_sampler is None and self.batch_size is not None:
                batches = _lists(batches, self.batch_size, self.drop_last)
            return itertools.islice(batches, start, None)
        count = self._count(self.dataset)
        order: Any = range(count)
        if self.shuffle and count:
            order = stream("shuffle", epoch, seed=seed).permutation(count)
        if self.batch_size is None:
            return iter(order[start:].tolist() if isinstance(order, np.ndarray) else order[start:])
        size = self.batch_size
        stop = count // size * size if self.drop_last else count
        return (order[first : first + size] for first in range(start * size, stop, size))


def _unwatched(place: int) -> None:
    """What a fetcher reports to where there is no worker."""


def _lists(indices: Iterator[Any], size: int, drop_last: bool) -> Iterator[list[Any]]:
    while chunk := list(itertools.islice(indices, size)):
        if len(chunk) < size and drop_last:
            return
        yield chunk


def check(loader: DataLoader, batch_size: Any) -> None:
    """Raises: ValueError or TypeError for arguments of a DataLoader that do not fit; `batch_size` as it was given."""
    size, seed, workers = loader.batch_size, loader.seed, integer(loader.num_workers)
    whole = Recipe(loader.dataset, None, False, None)
    if not whole.iterable and not hasattr(loader.dataset, "__getitem__"):
        name = type(loader.dataset).__name__
        raise TypeError(f"DataLoader: a dataset needs __getitem__, or must be an IterableDataset; {name} lacks it")
    ahead, batches = loader.prefetch_factor, loader.batch_sampler is not None
    for wrong, problem in (
        (batch_size is not None and (size is None or size < 1),
         f"batch_size must be a positive integer or None, got {batch_size!r}"),
        (loader.shuffle and loader.sampler is not None, "shuffle and sampler both set the order; give one of them"),
        (batches and (size != 1 or loader.shuffle or loader.sampler is not None or loader.drop_last),
         "batch_sampler takes the place of batch_size, shuffle, sampler and drop_last; give one or the other"),
        (whole.iterable and (loader.shuffle or loader.sampler is not None or batches),
         "an IterableDataset has its own order; shuffle, sampler and batch_sampler are for others"),
        (loader.drop_last and batch_size is None,
         "drop_last needs a batch_size; with None there are no batches to drop"),
        (seed is not None and not (integer(seed) is not None and -(2**63) <= seed < 2**64),
         f"seed must be an integer in [-2**63, 2**64) or None, got {seed!r}"),
        (workers is None or workers < 0, f"num_workers must be an integer of 0 or more, got {loader.num_workers!r}"),
        (loader.workers not in ("thread", "process"), f"workers must be 'thread' or 'process', got {loader.workers!r}"),
        (not loader.timeout >= 0, f"timeout must be 0 or more seconds, got {loader.timeout!r}"),
        (ahead is not None and (integer(ahead) or 0) < 1, f"prefetch_factor must be a positive integer, got {ahead!r}"),
        (not workers and (loader.timeout or ahead is not None or loader.persistent_workers),
         "timeout, prefetch_factor and persistent_workers are for workers; give num_workers too"),
    ):  # fmt: skip
        if wrong:
            raise ValueError(f"DataLoader: {problem}")
