"""The batch from which a device is faster, from rows by hand; shares of a step, on a device and a clock made up."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
from bench_records import record, timed

import gpudl
from gpudl.bench import as_text, library, measure, tables
from gpudl.bench.crossover import crossover_lines, crossovers, shares
from gpudl.bench.library import Library, gpudl_on
from gpudl.bench.suites import cases


def rows(
    device: str, shares: dict[str, float] | None = None, case: str = "A", **medians: float
) -> list[dict[str, Any]]:
    """A row for each batch: b16=0.2."""
    return [
        timed(value, value, value, case, suite="crossover", device=device, batch=int(name[1:]), shares=shares)
        for name, value in medians.items()
    ]


CPU = rows("cpu", b1=1.0, b4=2.0, b16=4.0)
THERE = {"launch": 0.38, "transfer": 0.21}


@pytest.mark.parametrize(
    ("gpu", "batch", "measured"),
    [
        ({"b1": 3.0, "b4": 1.9, "b16": 2.0}, 4, [1, 4, 16]),
        ({"b1": 0.5, "b4": 1.0, "b16": 1.0}, 1, [1, 4, 16]),
        ({"b1": 0.5, "b4": 3.0, "b16": 3.0}, 16, [1, 4, 16]),  # from which on: a lucky one before does not count
        ({"b1": 3.0, "b4": 3.0, "b16": 4.0}, None, [1, 4, 16]),  # as fast is not faster
        ({"b1": 0.5, "b4": 1.0, "b16": 5.0}, None, [1, 4, 16]),
        ({"b1": 3.0, "b4": 1.0, "b16": 1.0, "b64": 9.0}, 4, [1, 4, 16]),  # the CPU was not measured there
        ({"b4": 1.0}, 4, [4]),
    ],
)
def test_the_crossover_is_the_batch_from_which_on_a_device_is_faster(
    gpu: dict[str, float], batch: int | None, measured: list[int]
) -> None:
    (found,) = crossovers([*rows("cuda:0", THERE, **gpu), *CPU])
    assert (found["batch"], found["measured"]) == (batch, measured)
    assert (found["case"], found["device"], found["over"]) == ("A", "cuda:0", "cpu")
    assert found["shares"] == (None if batch is None else THERE)


def test_only_rows_with_batches_and_times_on_both_count() -> None:
    other = timed(0.1, 0.1, 0.1, device="cuda:0")
    emulated = [{"case": "A", "device": "sim:0", "batch": 1, "counts": {}}]
    assert crossovers([*CPU, other, *emulated]) == []
    assert crossovers(rows("cuda:0", b1=1.0)) == [] and crossovers([*CPU, *rows("cuda:0", b64=1.0)]) == []
    two = [*CPU, *rows("cuda:0", b1=0.1), *rows("cuda:1", b1=2.0), *rows("cuda:0", None, "B", b1=1.0)]
    assert [(each["case"], each["device"], each["batch"]) for each in crossovers(two)] == [
        ("A", "cuda:0", 1),
        ("A", "cuda:1", None),
    ]


def test_the_lines_are_sentences() -> None:
    known = rows("cuda:0", THERE, b1=3.0, b4=1.0, b16=1.0)
    made = {**record(*CPU, *known), "crossovers": crossovers([*CPU, *known])}
    assert crossover_lines(made) == [
        "A: cuda:0 is faster than cpu from batch 4; there 38 % of a step is launch overhead, 21 % transfers"
    ]
    assert as_text(tables(made)).endswith(crossover_lines(made)[0])
    without = rows("cuda:0", b1=0.5)
    assert crossover_lines({"crossovers": crossovers([*CPU, *without])}) == [
        "A: cuda:0 is faster than cpu from batch 1"
    ]
    never = rows("cuda:0", THERE, b1=3.0, b4=9.0)
    assert crossover_lines({"crossovers": crossovers([*CPU, *never])}) == [
        "A: cuda:0 is not faster than cpu up to batch 4"
    ]
    assert crossover_lines(record(*CPU)) == []
    (line,) = crossover_lines({"crossovers": []})
    assert line.startswith("no crossover: ") and "GPU" in line


def test_shares_have_columns_where_they_were_measured() -> None:
    made = record(*CPU, *rows("cuda:0", THERE, b1=3.0))
    made["devices"].append({**made["devices"][0], "device": "cuda:0"})
    cpu, gpu = [table for table in tables(made) if table.title]
    assert "launches" not in cpu.head and not any("waits for the host" in note for note in cpu.notes)
    cells = dict(zip(gpu.head, gpu.rows[0], strict=True))
    assert (cells["launches"], cells["transfers"]) == ("38 %", "21 %")
    assert any("waits for the host" in note for note in gpu.notes)


class Device:
    """A queue and two clocks: the host's, and that at which the device will have done all it was given."""

    def __init__(self, queue: int = 1000) -> None:
        self.host = self.done = 0.0
        self.ends: list[float] = []
        self.queue = queue

    def launch(self, host: float, device: float) -> None:
        self.host += host
        self.ends = [end for end in self.ends if end > self.host]
        if len(self.ends) >= self.queue:  # full: the host waits for a place
            self.host = self.ends[len(self.ends) - self.queue]
        self.done = max(self.done, self.host) + device
        self.ends.append(self.done)

    def wait(self) -> None:
        self.host = max(self.host, self.done)

    def event(self) -> Any:
        at: list[float] = []
        return SimpleNamespace(
            at=at,
            record=lambda: at.append(max(self.done, self.host)),
            query=lambda: self.host >= at[-1],
            elapsed_time=lambda end: 1000 * (end.at[-1] - at[-1]),
        )

    def library(self, product: float = 1e-3) -> Library:
        lib = SimpleNamespace(
            no_grad=nullcontext,
            full=lambda *given, **named: None,
            matmul=lambda a, b: self.launch(1e-6, product),
        )
        return Library(lib, None, self.wait, self.event, now=lambda: self.host)


def test_the_share_of_launches_is_what_the_device_waits_for_the_host() -> None:
    device = Device()
    mine = device.library()

    def copy() -> None:
        device.launch(10e-6, 20e-6)

    def work() -> None:
        for _ in range(10):
            device.launch(10e-6, 3e-6)  # the host is the slower

    lap = mine.lap(lambda: (copy(), work()), 1000)
    assert lap.wall / 1000 == pytest.approx(110e-6, rel=0.01)
    assert mine.busy(work) == pytest.approx(30e-6) and mine.busy(copy) == pytest.approx(20e-6)
    found = shares(mine, copy, work, lap.wall / 1000)
    assert found == {"launch": pytest.approx(60 / 110, rel=0.02), "transfer": pytest.approx(20 / 110, rel=0.02)}


def test_a_device_that_is_always_busy_waits_for_nothing() -> None:
    device = Device()
    mine = device.library()
    found = shares(mine, lambda: device.launch(1e-6, 10e-6), lambda: device.launch(1e-6, 90e-6), 99e-6)
    assert found == {"launch": 0.0, "transfer": pytest.approx(10 / 99)}


def test_a_step_that_the_host_needs_long_for_is_put_behind_more_products() -> None:
    device = Device()
    mine = device.library()
    assert mine.busy(lambda: device.launch(20e-3, 5e-3)) == pytest.approx(5e-3)  # 32 products of 1 ms
    assert mine.busy(lambda: device.launch(1.0, 5e-3)) is None  # more than the most of them


def test_a_step_that_waits_for_the_device_has_no_shares_and_a_copy_that_does_is_timed_as_it_is() -> None:
    device = Device()
    mine = device.library()

    def copy() -> None:
        device.wait()
        device.launch(5e-6, 10e-6)

    def work() -> None:
        device.launch(10e-6, 30e-6)

    assert shares(mine, copy, lambda: (work(), device.wait()), 1e-4) is None
    assert shares(mine, copy, work, 1e-4) == {"launch": pytest.approx(0.55), "transfer": pytest.approx(0.15)}


def test_a_full_queue_is_not_taken_for_a_device_that_is_busy() -> None:
    device = Device(queue=4)

    def work() -> None:
        for _ in range(50):
            device.launch(10e-6, 30e-6)

    assert device.library().busy(work) is None


def test_without_a_clock_there_are_no_shares() -> None:
    mine = gpudl_on(gpudl.device("cpu"))
    assert shares(mine, print, print, 1.0) is None


def test_an_emulated_device_answers_as_a_gpu_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its queue is empty when the host goes on, so it cannot say: but all that is asked of it is there."""
    try:
        place = gpudl.ones(1, device="sim").device
    except gpudl.DeviceError as error:
        pytest.skip(str(error))
    monkeypatch.setattr(library, "_OCCUPIED", 4)
    assert gpudl_on(place).busy(lambda: gpudl.ones(4, device=place)) is None


def test_larger_batches_are_left_out_where_they_would_take_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    (case,) = cases(["crossover"], ["MLP"])
    monkeypatch.setattr("gpudl.bench.measuring.cases", lambda suites, only: [case._replace(enough=0.0)])
    assert [row["batch"] for row in measure(["crossover"], ["cpu"], quick=True)["rows"]] == [1]


def test_a_run_on_the_cpu_has_a_row_for_each_batch_and_says_what_is_missing() -> None:
    made = measure(["crossover"], ["cpu"], only=["MLP"], quick=True)
    assert [(row["part"], row["batch"], row["sizes"]) for row in made["rows"]] == [
        (f"batch {count}", count, f"{count}x16, 16, 8x8x10") for count in (1, 4, 16)
    ]
    assert all(row["items_per_second"] > 0 and row["shares"] is None for row in made["rows"])
    assert made["crossovers"] == [] and as_text(tables(made)).endswith(
        "no crossover: it takes times of the cpu and of a GPU in the same run"
    )


def test_an_emulated_device_copies_each_batch_once() -> None:
    try:
        made = measure(["crossover"], ["sim"], only=["MLP"], quick=True)
    except gpudl.DeviceError as error:
        pytest.skip(str(error))
    assert [row["counts"]["bytes_host_to_device"] for row in made["rows"]] == [n * (16 * 4 + 8) for n in (1, 4, 16)]
    assert all(row["counts"]["synchronizations"] == 0 and "shares" not in row for row in made["rows"])
