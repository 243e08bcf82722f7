"""An epoch that workers make: batches in order, some of them ahead."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, NoReturn

from gpudl.data.delivery import Delivery, Pending
from gpudl.data.pool import Answer, Pool
from gpudl.data.workers import WorkerError


class Pass(NamedTuple):
    """One way through the data.

    Attributes:
        epoch, seed: of the draws.
        chunks: the indices of each batch; for an IterableDataset endless Nones.
        by_turn: each batch must come from the next worker, since each has a part of the data: an IterableDataset.
        skip: how many batches to go past at the beginning, where chunks do not leave them out.
        ahead: how many jobs a worker has at most.
        timeout: seconds to wait for a batch; None for any time.
    """

    epoch: int
    seed: int
    chunks: Iterator[Any]
    by_turn: bool
    skip: int
    ahead: int
    timeout: float | None


class Pipeline(Iterator[Any]):
    """The batches of a pass, from the workers of a pool.

    Args:
        pool: not in use by another pipeline.
        going: the pass.
        delivery: brings batches to where they are wanted; None where they stay.
        seen: called when a batch is handed out, and with True at the end.
        release: called with the pool when it is not needed any more.
    """

    def __init__(
        self,
        pool: Pool,
        going: Pass,
        delivery: Delivery | None,
        seen: Callable[[bool], None],
        release: Callable[[Pool], None],
    ):
        self._pool: Pool | None = pool
        self._going, self._delivery, self._seen, self._release = going, delivery, seen, release
        self._given = self._wanted = 0  # numbers of the next job to give out, and to hand on
        self._more = True
        self._turn = 0
        self._alive = list(range(pool.count))  # workers that have samples left
        self._skip = going.skip
        self._ready: dict[int, Answer] = {}
        self._pending: deque[Pending] = deque()  # batches that are on their way to the device
        pool.begin()
        self._feed(pool)

    def __next__(self) -> Any:
        pool = self._pool
        if pool is None:
            raise StopIteration
        try:
            batch = self._brought(pool, self._delivery) if self._delivery else self._take(pool)
        except StopIteration:
            self._seen(True)
            self.close()
            raise
        except BaseException:
            self.close()
            raise
        self._seen(False)
        return batch

    def close(self) -> None:
        """Give the pool back; the iterator is at its end."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.abandon()
            self._ready.clear()
            try:
                while self._pending and self._delivery is not None:
                    # Memory that a copy still goes to must not be used for something else before it is done.
                    self._delivery.end(self._pending.popleft())
            finally:
                self._release(pool)

    def __del__(self) -> None:
        if getattr(self, "_pool", None) is not None:
            self.close()

    def _brought(self, pool: Pool, delivery: Delivery) -> Any:
        """The next batch where it is wanted; the copy of the one after it is begun, if that is there."""
        if not self._pending:
            self._pending.append(delivery.begin(self._take(pool)))
        self._feed(pool)
        self._accept(pool.collect(0))
        following = self._ready.get(self._wanted)
        if len(self._pending) == 1 and following is not None and following.kind == "batch" and not self._skip:
            self._pending.append(delivery.begin(self._take(pool)))
        return delivery.end(self._pending.popleft())

    def _take(self, pool: Pool) -> Any:
        """The next batch. Raises: StopIteration if there is none; what happened in the worker that was to make it."""
        limit = self._going.timeout
        end = None if limit is None else time.monotonic() + limit
        while True:
            self._feed(pool)
            answer = self._ready.pop(self._wanted, None)
            if answer is None:
                if self._wanted == self._given and not (self._more and self._alive):
                    raise StopIteration
                left = None if end is None else max(0.0, end - time.monotonic())
                answers = pool.collect(left)
                self._accept(answers)
                if left == 0 and not answers:
                    self._give_up(pool)
                continue
            self._wanted += 1
            if isinstance(answer.value, StopIteration):
                raise RuntimeError("DataLoader: the dataset raised StopIteration") from answer.value
            if answer.kind == "error":
                raise answer.value
            if answer.kind != "end":
                if not self._skip:
                    self._feed(pool)
                    return answer.value
                self._skip -= 1

    def _give_up(self, pool: Pool) -> NoReturn:
        pool.broken = True
        raise WorkerError(
            f"DataLoader: no batch came for {self._going.timeout:g} s (timeout); it waits for "
            f"{pool.where(pool.holder(self._wanted))}; see what the dataset does there, or give a larger timeout"
        )

    def _feed(self, pool: Pool) -> None:
        """Give out jobs: no more than all workers may have, ready batches counted, so that memory is bounded."""
        ahead = self._going.ahead
        while self._more and self._alive and self._given - self._wanted < ahead * pool.count:
            if self._going.by_turn:
                worker = next((each for each in self._alive if each >= self._turn), self._alive[0])
            else:
                worker = min(self._alive, key=pool.loads.__getitem__)
            if pool.loads[worker] >= ahead:
                return
            try:
                chunk = next(self._going.chunks)
            except StopIteration:
                self._more = False
                return
            except Exception as error:  # of a sampler; it is due when the batches before it are out
                self._more = False
                self._ready[self._given] = Answer(worker, 0, self._given, "error", error)
                self._given += 1
                return
            self._turn = worker + 1
            skip = self._going.by_turn and self._given < self._going.skip
            pool.give(worker, self._given, self._going.epoch, self._going.seed, chunk, skip)
            self._given += 1

    def _accept(self, answers: list[Answer]) -> None:
        for answer in answers:
            self._ready[answer.number] = answer
            if answer.kind == "end" and answer.worker in self._alive:
                self._alive.remove(answer.worker)
