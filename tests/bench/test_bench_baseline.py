"""What counts as slower than before, and which files are no baseline."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from bench_records import counted, record, timed

from gpudl.bench import RecordError, against, as_text, read_record, tables
from gpudl.bench.baseline import COUNTED


@pytest.mark.parametrize(
    ("now", "regression", "faster"),
    [
        ((1.05, 1.04, 1.06), False, False),  # within the tolerance
        ((1.11, 1.05, 1.2), True, False),
        ((1.11, 1.01, 1.2), False, False),  # quartiles overlap: noise
        ((5.0, 1.0, 9.0), False, False),
        ((0.5, 0.4, 0.6), False, True),
        ((0.5, 0.4, 0.97), False, False),
    ],
)
def test_slower_is_beyond_the_tolerance_and_the_quartiles(
    now: tuple[float, float, float], regression: bool, faster: bool
) -> None:
    found = against(record(timed(*now)), record(timed(1.0, 0.95, 1.02)), 0.1)
    (row,) = found["rows"]
    assert row["baseline"]["ratio"] == pytest.approx(now[0]) and row["baseline"]["median"] == 1.0
    assert (row["baseline"]["regression"], row["baseline"]["faster"]) == (regression, faster)
    assert (found["baseline"]["regressions"], found["baseline"]["faster"]) == (int(regression), int(faster))
    assert ("SLOWER than the baseline: cpu elementwise: exp, forward" in as_text(tables(found))) is regression


def test_the_tolerance_is_the_one_given() -> None:
    now, then = record(timed(1.3, 1.29, 1.31)), record(timed(1.0, 0.99, 1.01))
    assert against(now, then, 0.2)["baseline"]["regressions"] == 1
    assert against(now, then, 0.4)["baseline"]["regressions"] == 0
    with pytest.raises(ValueError, match="0 or more"):
        against(now, then, -0.1)
    with pytest.raises(ValueError, match="0 or more"):
        against(now, then, float("nan"))


def test_a_device_with_a_clock_is_compared_by_it() -> None:
    now = timed(9.0, 8.0, 10.0, device_clock={"median": 1.0, "low": 1.0, "high": 1.0})
    then = timed(1.0, 1.0, 1.0, device_clock={"median": 1.0, "low": 1.0, "high": 1.0})
    assert against(record(now), record(then))["rows"][0]["baseline"]["ratio"] == 1.0


@pytest.mark.parametrize("name", COUNTED)
def test_one_more_of_a_count_is_a_regression(name: str) -> None:
    found = against(record(counted(**{name: 3})), record(counted()), 10.0)
    assert found["rows"][0]["baseline"] == {"more": {name: [2, 3]}, "regression": True, "faster": False}
    assert "MORE: " in as_text(tables(found)) and "2 -> 3" in as_text(tables(found))
    assert against(record(counted()), record(counted(**{name: 3})))["rows"][0]["baseline"]["faster"]
    assert against(record(counted()), record(counted()))["baseline"]["regressions"] == 0


def test_new_rows_and_another_machine_are_told() -> None:
    now = record(timed(1, 1, 1), timed(1, 1, 1, case="tanh"), cpu="B")
    found = against(now, record(timed(1, 1, 1), timed(1, 1, 1, case="gone")))
    assert (found["baseline"]["compared"], found["baseline"]["not_in_baseline"]) == (1, 1)
    assert found["baseline"]["differs"] == ["cpu: 'A' in the baseline, 'B' now"]
    text = as_text(tables(found))
    assert "another machine or setting: cpu: 'A' in the baseline, 'B' now" in text and " new" in text


def test_nothing_in_common_is_an_error() -> None:
    with pytest.raises(RecordError, match="none of the rows"):
        against(record(timed(1, 1, 1)), record(timed(1, 1, 1, case="gone")))


def test_comparing_changes_neither_record() -> None:
    now, then = record(timed(2, 2, 2)), record(timed(1, 1, 1))
    kept = copy.deepcopy((now, then))
    against(now, then)
    assert (now, then) == kept


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(record(timed(1, 1, 1), counted())))
    assert read_record(path) == record(timed(1, 1, 1), counted())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no JSON"),
        ("{", "no JSON"),
        ("[]", "not a record of gpudl bench"),
        ('{"schema": "other"}', "not a record of gpudl bench"),
        ('{"schema": "gpudl.bench", "version": 2}', "of version 2; this gpudl reads version 1"),
        ('{"schema": "gpudl.bench"}', "of version None"),
        ('{"schema": "gpudl.bench", "version": 1}', "damaged: KeyError 'rows'"),
        ('{"schema": "gpudl.bench", "version": 1, "rows": [{}]}', "damaged: KeyError 'suite'"),
        ('{"schema": "gpudl.bench", "version": 1, "rows": []}', "damaged: KeyError 'environment'"),
        ('{"schema": "gpudl.bench", "version": 1, "rows": 3}', "damaged: TypeError"),
    ],
)
def test_another_file_is_named_with_what_is_wrong(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(RecordError) as caught:
        read_record(path)
    assert str(caught.value).startswith(f"{path}: ") and said in str(caught.value)
