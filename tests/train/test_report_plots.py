"""draw_plots: a PNG for each thing, of one run or of several over each other; none is empty."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_runs import confusion, epochs, make_run, manifest, samples

from gpudl.train import RunError, WriteError
from gpudl.train.report import draw_plots

ROOT = Path(__file__).resolve().parents[2]
matplotlib: Any = pytest.importorskip("matplotlib", reason="plots are not tested: pip install 'gpudl[plot]'")
image: Any = pytest.importorskip("PIL.Image", reason="plots are not looked at: pip install pillow")


def check(path: Path) -> None:
    """Something is drawn, with some room at each edge, so that nothing is cut off."""
    with image.open(path) as opened:
        pixels = np.asarray(opened.convert("L"))
    assert pixels.shape[0] > 300 and pixels.shape[1] > 300
    assert (pixels < 250).mean() > 0.01
    edges = (pixels[:4], pixels[-4:], pixels[:, :4], pixels[:, -4:])
    assert all((edge == 255).all() for edge in edges), f"{path.name} touches its edge"


def names(paths: list[Path]) -> list[str]:
    for path in paths:
        check(path)
    return [path.name for path in paths]


def test_a_run_has_all_its_plots_in_its_folder(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    paths = draw_plots(folder)
    assert names(paths) == [
        "loss.png", "accuracy.png", "learning_rate.png", "steps.png", "confusion_matrix.png", "predictions.png",
    ]  # fmt: skip
    assert sorted(path.name for path in (folder / "plots").iterdir()) == sorted(path.name for path in paths)


def test_several_runs_are_drawn_over_each_other(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / f"run-{place}", epochs(3 + place), step_count=30) for place in range(3)]
    runs.append(make_run(tmp_path / "other", epochs(50, 0.3), manifest(name="a name " * 20), step_count=0))
    paths = draw_plots(runs, tmp_path / "deep" / "compared")
    assert names(paths) == ["loss.png", "accuracy.png", "learning_rate.png", "steps.png"]
    assert not (runs[0] / "plots").exists()


def test_names_of_any_kind_become_files_and_titles(tmp_path: Path) -> None:
    records = epochs(2)
    odd = ["$x$ 50% \\frac", "../../up", "_hidden", "steps", "a/b", "a b", "漢字", "", "Loss", "\ud800"]
    for record in records:
        record.update({name: float(record["epoch"]) for name in odd})
    evil = ["$\\bad{$", "_x", "long " * 40, "<b>", "\n", "%", "{}", "漢字", "", "\ud800"]
    folder = make_run(tmp_path / "run", records, manifest(name="$_^{", classes=evil), step_count=5)
    paths = draw_plots([folder])
    assert len({path.name.lower() for path in paths}) == len(paths) == 16
    assert {path.parent for path in paths} == {folder / "plots"}
    assert {"Loss-2.png", "steps-2.png", "a_b.png", "a_b-2.png", "hidden.png"} <= set(names(paths))
    draw_plots([folder, folder], tmp_path / "out")


def test_nothing_is_drawn_of_nothing(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", [], manifest(status="running"))
    assert draw_plots(folder) == [] and not (folder / "plots").exists()
    lost = make_run(tmp_path / "lost", [{"epoch": 1, "loss": None, "val_loss": None}], evaluation={}, step_count=0)
    assert draw_plots(lost) == []


def test_gaps_and_single_points_are_drawn(tmp_path: Path) -> None:
    records = epochs(60)
    for record in records[::2]:
        record["loss"] = None
    assert "loss.png" in names(draw_plots(make_run(tmp_path / "run", records, evaluation={})))
    assert "loss.png" in names(draw_plots(make_run(tmp_path / "one", epochs(1), evaluation={}, step_count=1)))


@pytest.mark.parametrize("classes", [1, 2, 20, 100])
def test_confusion_matrices_of_any_size(tmp_path: Path, classes: int) -> None:
    about = manifest(classes=[f"class number {place}" for place in range(classes)])
    evaluation = {"epoch": 1, "confusion": confusion(classes), "samples": []}
    folder = make_run(tmp_path / "run", [{"epoch": 1}], about, evaluation, step_count=0)
    assert names(draw_plots(folder)) == ["confusion_matrix.png"]


@pytest.mark.parametrize("kind", ["color", "features", "text", "numbers", "single"])
def test_predictions_of_any_kind(tmp_path: Path, kind: str) -> None:
    given = samples(1 if kind == "single" else 7)
    for place, sample in enumerate(given):
        if kind == "color":
            sample["input"] = [sample["input"]] * 3
        elif kind == "features":
            sample["input"] = [float(place), 2.0, 3.0]
        elif kind == "text":
            sample["input"] = "some words $x$ " * 20
        elif kind == "numbers":
            sample.update(target=place * 0.5, predicted=place * 0.4, probability=None, input=[1.0, 2.0])
    evaluation = {"epoch": 1, "confusion": None, "samples": given}
    folder = make_run(tmp_path / "run", [{"epoch": 1}], evaluation=evaluation, step_count=0)
    assert names(draw_plots(folder)) == ["predictions.png"]


def test_settings_of_the_user_neither_matter_nor_change(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", epochs(3), evaluation={}, step_count=0)
    (plain, *_) = draw_plots(folder, tmp_path / "plain")
    with matplotlib.rc_context({"font.size": 30, "text.usetex": True, "axes.facecolor": "black"}):
        (same, *_) = draw_plots(folder, tmp_path / "same")
        assert matplotlib.rcParams["font.size"] == 30
    assert plain.read_bytes() == same.read_bytes()


def test_wrong_arguments_are_named(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", epochs(1), evaluation={}, step_count=0)
    with pytest.raises(ValueError, match="no run folder is given"):
        draw_plots([])
    with pytest.raises(ValueError, match="out="):
        draw_plots([folder, folder])
    with pytest.raises(RunError, match="no such run folder"):
        draw_plots([folder, tmp_path / "absent"], tmp_path / "out")
    assert not (tmp_path / "out").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match="cannot write"):
        draw_plots(folder, tmp_path / "file")


def test_without_matplotlib_the_report_works_and_plots_say_what_to_install(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", epochs(2))
    code = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from gpudl.train.report import draw_plots, write_report\n"
        "write_report(sys.argv[1])\n"
        "try: draw_plots(sys.argv[1])\n"
        "except ImportError as error: print(error)\n"
        "assert not any(name.startswith('matplotlib.') for name in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, str(folder)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stderr == "" and done.stdout == 'plots need matplotlib; install it with: pip install "gpudl[plot]"\n'
    assert (folder / "report.html").exists() and not (folder / "plots").exists()
