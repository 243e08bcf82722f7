"""The index of examples/ tells what is there, and copies it; every example has a head that it can read."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gpudl.backend import source
from gpudl.examples_index import Example, copy, example, examples, examples_folder
from tests.test_examples import EXAMPLES, ROOT

EXTRAS = {"digits", "image", "plot", "sim", "tune"}
IMPORTS = {"Digits": "digits", "ImageFolder": "image", "cupy": "sim"}  # what an example imports -> the extra it takes


def test_every_file_is_an_example_or_belongs_to_one() -> None:
    known = examples()
    assert {path for each in known for path in each.files} == {path for path in EXAMPLES.iterdir() if path.is_file()}
    names = [each.name for each in known]
    assert len(set(names)) == len(names)
    assert names == [
        *sorted(path.stem for path in EXAMPLES.glob("*.py")),
        "digits",
        "fashion_mnist",
        "lenet",
        "mnist",
        "spirals",
    ]


@pytest.mark.parametrize("each", examples(), ids=lambda each: each.path.name)
def test_a_head_says_what_it_is_and_how_it_is_run(each: Example) -> None:
    assert 20 < len(each.title) <= 120 and each.title[0].isupper() and each.title[-1] in ".?"
    assert f"examples/{each.path.name}" in each.command
    assert each.command.split()[0] in ("python", "pytest", "gpudl") and "#" not in each.command
    assert set(each.extras) <= EXTRAS
    for need in each.needs:
        assert need == need.strip() and not need.endswith("."), need


@pytest.mark.parametrize("each", [each for each in examples() if each.path.suffix == ".py"], ids=lambda each: each.name)
def test_the_needs_are_those_of_the_program(each: Example) -> None:
    tree = ast.parse(each.path.read_text(encoding="utf-8"))
    names = {
        alias.name for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom)) for alias in node.names
    }
    assert {IMPORTS[name] for name in names & set(IMPORTS)} <= set(each.extras)
    assert ("MNIST" in names) == ("MNIST" in each.needs)


def test_the_fields_of_one() -> None:
    found = example("image_folder_resnet")
    assert found.title.startswith("A ResNet on a folder of images")
    assert found.command == "python examples/image_folder_resnet.py --make-data shapes"
    assert found.needs == ("gpudl[image]", "a folder of images, yours or the one that --make-data draws")
    assert found.extras == ("image",) and found.path == EXAMPLES / "image_folder_resnet.py" == found.files[0]
    assert example("mnist.toml").command == "gpudl train examples/mnist.toml"
    assert example("mnist.toml").needs == ("MNIST, which it downloads",)
    assert example("keras_line.py") == example("keras_line") and example("keras_line").needs == ()


def test_a_name_that_is_none_is_answered_with_those_that_are_meant() -> None:
    with pytest.raises(ValueError, match=r"no example named 'mnist_lent'; there is .*mnist_lenet"):
        example("mnist_lent")
    with pytest.raises(ValueError, match="char_gpt, compare_devices, .* vae, digits"):
        example("zzzzzz")


def test_a_copy_brings_what_it_reads_along_and_runs(tmp_path: Path) -> None:
    files = copy("text_classifier", tmp_path / "a" / "b")
    assert [file.name for file in files] == ["text_classifier.py", "surnames.csv"]
    assert all(file.read_bytes() == (EXAMPLES / file.name).read_bytes() for file in files)
    command = [sys.executable, files[0], "--epochs", "1"]
    process = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert process.stdout.startswith("test accuracy: "), process.stderr
    assert [file.name for file in copy("digits", str(tmp_path))] == ["digits.toml"]


def test_a_copy_is_never_written_over_a_file(tmp_path: Path) -> None:
    (tmp_path / "surnames.csv").write_text("mine")
    with pytest.raises(FileExistsError, match=r"surnames\.csv is there already"):
        copy("text_classifier", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["surnames.csv"]
    assert (tmp_path / "surnames.csv").read_text() == "mine"
    with pytest.raises(ValueError, match="no example"):
        copy("none", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_it_is_found_in_an_installed_package_and_in_a_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert examples_folder() == EXAMPLES
    examples_folder.cache_clear()
    monkeypatch.setattr(source, "__file__", str(tmp_path / "gpudl" / "backend" / "source.py"))
    try:
        (tmp_path / "gpudl").mkdir()
        with pytest.raises(FileNotFoundError, match="reinstall gpudl"):
            examples_folder()
        shutil.copytree(EXAMPLES, tmp_path / "examples")
        with pytest.raises(FileNotFoundError):  # a folder that only happens to be beside an installed package
            examples_folder()
        shutil.copytree(EXAMPLES, tmp_path / "gpudl" / "examples")
        assert examples()[0].path == tmp_path / "gpudl" / "examples" / "char_gpt.py"
    finally:
        examples_folder.cache_clear()
