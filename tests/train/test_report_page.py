"""write_report: a page that is well-formed, needs nothing else, and says what the folder says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from fake_runs import confusion, epochs, make_run, manifest, samples
from pages import Page

from gpudl.train import RunError, WriteError
from gpudl.train.report import write_report

EVIL = "<script>alert(1)</script>\"'&<b>"


def check(path: Path) -> Page:
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    ids = [found["id"] for _, found in page.elements if "id" in found]
    assert len(set(ids)) == len(ids)
    links = [found[name] for _, found in page.elements for name in ("href", "src") if name in found]
    for link in links:
        if link.startswith("#"):
            assert link[1:] in ids
        else:
            assert link.startswith("data:image/png;base64,") or (path.parent / unquote(link)).exists(), link
            assert not set("#? ") & set(link), link
    assert "url(" not in text and "@import" not in text and "//" not in re.sub(r"base64,[^'\"]*", "", text)
    assert [tag for tag, _ in page.elements].count("script") == 1
    assert "nan" not in re.findall(r"[a-z]+", page.text) and not re.search(r'(?:d|points)="[^"]*(?:nan|inf)', text)
    return page


def report(folder: Path, *arguments: Any, **options: Any) -> Page:
    return check(write_report(make_run(folder, *arguments, **options)))


def test_a_finished_run_shows_everything(tmp_path: Path) -> None:
    page = report(tmp_path / "run")
    sections = [found["id"] for tag, found in page.elements if tag == "section"]
    assert sections == ["curves", "confusion", "samples", "configuration", "environment", "files"]
    for said in (
        "✓ done",
        "12 of 12 epochs in 14.2 s on cpu",
        "Accuracy, test 0.9591 best",
        "85,002",
        "best 0.9591 at epoch",
    ):
        assert said in page.text
    assert len(page.all("figure", "chart")) == 4 and len(page.all("table", "matrix")) == 1
    assert len(page.all("li", "right")) == 13 and len(page.all("li", "wrong")) == 3
    assert "13 right (✓), 3 wrong (✗)" in page.text and "gpudl test " in page.text and "--resume" not in page.text
    assert not any("http-equiv" in found for tag, found in page.elements if tag == "meta")


def test_curves_are_told_apart_without_color(tmp_path: Path) -> None:
    text = write_report(make_run(tmp_path / "run")).read_text(encoding="utf-8")
    assert "path.val{stroke:var(--val);stroke-dasharray" in text
    loss = text[text.index("<h3>Loss</h3>") : text.index("<h3>Accuracy</h3>")]
    assert loss.count('<circle class="mark train"') == 13 and loss.count('<rect class="mark val"') == 13  # key and 12
    assert loss.count('<circle class="best val"') == 1 and '<circle class="best train"' not in loss


def test_a_run_under_way_says_so_and_reads_itself_again(tmp_path: Path) -> None:
    page = report(tmp_path / "run", epochs(3), manifest(status="running", seconds=None, finished=None))
    assert "● under way" in page.text and "3 of 12 epochs" in page.text and "to go" in page.text
    assert [found["content"] for found in page.all("meta") if found.get("http-equiv") == "refresh"] == ["10"]
    assert page.all("div", "progress")


def test_a_run_without_an_epoch(tmp_path: Path) -> None:
    page = report(tmp_path / "run", [], manifest(status="running", seconds=None))
    assert "No epoch is finished yet." in page.text and not page.all("figure")


def test_one_epoch_is_points(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", epochs(1))
    (folder / "steps.csv").unlink()
    text = write_report(folder).read_text(encoding="utf-8")
    check(folder / "report.html")
    places = re.findall(r'<(?:circle|rect) class="mark \w+" (?:cx|x)="([\d.]+)"', text)
    assert len(places) == 2 * 5 and len(re.findall(r'<path class="(?:train|val)" d="M[\d. ]+h0"', text)) == 5


def test_values_that_are_not_finite_break_the_curve(tmp_path: Path) -> None:
    records = epochs(12)
    for record in records[4:7]:
        record["loss"] = None
    page = report(tmp_path / "run", records)
    assert "not finite" in page.text
    text = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    (curve,) = re.findall(r'<path class="train" d="(M[^"]*)"', text[text.index("Line chart of Loss:") :])[:1]
    assert curve.count("M") == 2 and curve.count("L") == 12 - 3 - 2


def test_nothing_finite_at_all(tmp_path: Path) -> None:
    page = report(tmp_path / "run", [{"epoch": epoch, "loss": None, "val_loss": None} for epoch in (1, 2)])
    assert "no finite value" in page.text


def test_a_metric_that_appears_late_and_names_of_any_kind(tmp_path: Path) -> None:
    records = epochs(30)
    for record in records[20:]:
        record[EVIL] = 1.0
    long = "long name \ud800" * 30
    about = manifest(
        name=EVIL + long, classes=[f"{EVIL}{place}" for place in range(10)], status="failed", error=EVIL,
        model=EVIL, device_name=EVIL, packages={EVIL: EVIL}, command=[EVIL], git={"commit": EVIL, "dirty": False},
        **{EVIL: EVIL},
    )  # fmt: skip
    folder = make_run(tmp_path / "run", records, about)
    (folder / "config.toml").write_text(f"# {EVIL}\n")
    (folder / "checkpoints" / "a<b>&'\"#% .bin").write_text("")
    page = check(write_report(folder))
    assert page.text.count("alert(1)") > 30 and "✗ failed" in page.text
    assert f"gpudl train --resume {folder}" in page.text


def test_a_thousand_epochs_stay_a_page_of_moderate_size(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", epochs(1000), step_count=3000)
    page = check(write_report(folder))
    assert "of 1,000 epochs as a table" in page.text and (folder / "report.html").stat().st_size < 500_000


@pytest.mark.parametrize(("classes", "numbered"), [(1, True), (24, True), (25, False), (100, False)])
def test_confusion_matrices_of_any_size(tmp_path: Path, classes: int, numbered: bool) -> None:
    about = manifest(classes=[f"class {place}" for place in range(classes)])
    page = report(tmp_path / "run", epochs(2), about, {"epoch": 2, "confusion": confusion(classes), "samples": []})
    assert bool(page.all("table", "matrix")) is numbered and bool(page.all("div", "map")) is not numbered
    assert ("Found least" in page.text) is not numbered


def test_an_empty_row_of_the_confusion_matrix(tmp_path: Path) -> None:
    page = report(tmp_path / "run", evaluation={"epoch": 2, "confusion": [[3, 0], [0, 0]], "samples": []})
    assert "3 of 3" in page.text and "Most often mixed up" not in page.text


def test_a_regression_has_neither_matrix_nor_verdict(tmp_path: Path) -> None:
    given = [{"index": 4, "target": 1.5, "predicted": 2.0, "probability": None, "input": [1, 2.5]}]
    given += [{"index": 5, "target": [1.0] * 9, "predicted": [2.0] * 9, "input": list(range(50))}]
    page = report(tmp_path / "run", epochs(2), manifest(classes=None), {"confusion": None, "samples": given})
    assert "true 1.500 error +0.5000" in page.text and not page.all("table", "matrix")
    assert page.all("svg", "spark") and "✗" not in page.text and "right (" not in page.text


def test_inputs_of_every_shape_are_shown(tmp_path: Path) -> None:
    given = samples(6)
    inputs = [[[0.5] * 4] * 4, [[[-1.0] * 4] * 4] * 3, [[[9.0] * 4] * 4] * 2, "a <text>", None, [[1.0, 2.0]]]
    for sample, shown in zip(given, inputs, strict=True):
        sample["input"] = shown
    page = report(tmp_path / "run", evaluation={"epoch": 1, "confusion": None, "samples": given})
    assert len(page.all("img")) == 3 and "a <text>" in page.text


def test_an_old_folder_with_a_damaged_last_line(tmp_path: Path) -> None:
    record = '{"epoch": 1, "train_loss": 1.0, "test_loss": 2.0, "test_accuracy": 0.5}'
    (tmp_path / "log.jsonl").write_text(f'{{"seed": 1}}\n{record}\n{{"epo')
    page = check(write_report(tmp_path))
    assert "line 3 of log.jsonl is damaged" in page.text and "Accuracy, validation 0.5000" in page.text


def test_the_page_replaces_the_one_before_and_leaves_nothing_else(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    before = {path.name for path in folder.iterdir()}
    assert write_report(folder) == write_report(str(folder)) == folder / "report.html"
    assert {path.name for path in folder.iterdir()} == before | {"report.html"}


def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    (folder / "report.html").mkdir()
    with pytest.raises(WriteError, match=r"report\.html: cannot write"):
        write_report(folder)
    with pytest.raises(RunError, match="no such run folder"):
        write_report(tmp_path / "absent")


@pytest.mark.parametrize("junk", [None, True, -1, 10**400, 1e299, "x", [], [None], {"a": 1}])
def test_values_of_wrong_kinds_do_no_harm(tmp_path: Path, junk: Any) -> None:
    records = [{key: value if key == "epoch" else junk for key, value in record.items()} for record in epochs(2)]
    records.append({"epoch": junk, "loss": 1.0})
    given = {"epoch": junk, "confusion": junk, "samples": [dict.fromkeys(samples(1)[0], junk), junk]}
    pages = [
        report(tmp_path / "run", records, dict.fromkeys(manifest(), junk), given),
        report(tmp_path / "other", epochs(2), evaluation={"epoch": 2, "confusion": [[junk]], "samples": junk}),
    ]
    assert all("Files, and how to go on" in page.text for page in pages)


def test_the_matrix_has_true_classes_down_and_predicted_ones_across(tmp_path: Path) -> None:
    given = {"epoch": 2, "confusion": [[90, 7], [3, 100]], "samples": []}
    page = report(tmp_path / "run", epochs(2), manifest(classes=["cat", "dog"]), given)
    said = page.text[page.text.index("recall") : page.text.index("Most often")]
    assert " ".join(said.split()) == "recall cat 90 7 93% dog 3 100 97% precision 97% 93%"
    assert "Count cat dog 7 dog cat 3" in page.text


def test_where_there_are_test_and_validation_data_both_are_named(tmp_path: Path) -> None:
    about = manifest(validation_samples=144, scores={"accuracy": 0.94, "loss": None})
    page = report(tmp_path / "both", about=about)
    assert "Accuracy, test 0.9400 validation 0.9591 best 0.9591 at epoch 12 training 0.9887" in page.text
    assert "Loss, test not finite validation 0.1202" in page.text and "Accuracy, validation" in page.text
    under_way = report(tmp_path / "running", about=manifest(validation_samples=144, scores=None, status="running"))
    assert (
        "Accuracy, validation 0.9591 best" in under_way.text and "16 samples of the validation data" in under_way.text
    )
    alone = report(tmp_path / "test")
    assert "validation" not in alone.text and "Accuracy, test" in alone.text
    bare = report(tmp_path / "bare", [], manifest(scores={"accuracy": 0.5}))
    assert "Accuracy, test 0.5000" in bare.text
