"""A device with a clock of its own is timed by it: here the emulated one, taken for a GPU."""

import pytest

import gpudl
from gpudl.bench import as_text, measure, measuring, tables
from gpudl.bench.library import gpudl_on


def test_a_device_with_a_clock_is_timed_by_it_and_stands_beside_the_cpu(device, monkeypatch):
    if device.type != "sim":
        pytest.skip("this test is of sim")
    monkeypatch.setattr(measuring, "is_emulated", lambda place: False)
    monkeypatch.setattr(measuring, "_QUICK_COPY", 1 << 10)
    monkeypatch.setattr(measuring, "_QUICK_SIDES", (16,))
    patterns = ["gelu", "gemm: matmul", "optimizers: Adam", "copies: *", "nets: MLP"]
    record = measure(["ops", "nets"], ["cpu", "sim"], only=patterns, quick=True)
    rows = {(row["device"], row["case"], row["part"]): row for row in record["rows"]}
    assert {device for device, _, _ in rows} == {"cpu", "sim:0"}
    for (name, case, part), row in rows.items():
        assert "counts" not in row and row["wall"]["low"] > 0, (name, case, part)
        assert (row["device_clock"] is None) == (name == "cpu"), (name, case, part)
        if name == "sim:0":
            clock = row["device_clock"]
            assert 0 < clock["low"] <= clock["median"] <= clock["high"], (case, part)
            if row["bytes"]:
                assert row["bytes_per_second"] == pytest.approx(row["bytes"] / clock["median"])
    assert ("sim:0", "host to device", "copy") in rows and ("cpu", "host to device", "copy") not in rows
    assert rows["sim:0", "host to device", "copy"]["share"] is None, "the memory's bandwidth says nothing of it"
    assert rows["sim:0", "gelu", "backward"]["limit"] == "copy"
    (table,) = [each for each in tables(record) if each.title.startswith("sim:0")]
    gained = dict(zip(table.head, next(row for row in table.rows if row[0] == "nets: MLP" and row[2] == "whole")))
    assert {"host", "device", "speed-up"} <= set(table.head) and float(gained["speed-up"]) > 0
    assert "speed-up: over cpu" in as_text(tables(record))


def test_the_device_of_a_lap_is_as_it_was_afterwards(device):
    before = gpudl.zeros(1, device=device).device
    library = gpudl_on(device)
    lap = library.lap(lambda: gpudl.ones(4, device=device) + 1, 3)
    assert 0 <= lap.host <= lap.wall and (lap.device is None) == (device.type == "cpu")
    assert gpudl.zeros(1, device=device).device == before
