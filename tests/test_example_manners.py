"""All programs of examples/ behave alike: without data, without an extra, asked for help, in a notebook."""

from __future__ import annotations

import importlib.util
import inspect
import os
import re
import runpy
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from gpudl.backend.kernel import KERNELS
from tests.test_examples import DIGITS as IMAGES
from tests.test_examples import EXAMPLES, PROGRAMS, ROOT, assert_one_line_of_error, result_of

MNIST = ("mnist_mlp.py", "mnist_lenet.py", "transfer_learning.py", "vae.py", "dcgan.py")
DIGITS = ("digits_mlp.py", "digits_trainer.py", "tune.py", "compare_devices.py")


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[[str], ModuleType]]:
    """An example as a module, in an empty current folder."""
    monkeypatch.chdir(tmp_path)
    kernels = dict(KERNELS)

    def load(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(name.removesuffix(".py"), EXAMPLES / name)
        assert spec and spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    yield load
    KERNELS.clear()
    KERNELS.update(kernels)


def without(module: str, name: str, *arguments: object, folder: Path) -> subprocess.CompletedProcess[str]:
    """A program run in `folder` where a module is not installed."""
    code = "import runpy, sys; sys.modules[sys.argv.pop(1)] = None; del sys.argv[0]; "
    code += "runpy.run_path(sys.argv[0], run_name='__main__')"
    command = [sys.executable, "-W", "error", "-c", code, module, str(EXAMPLES / name), *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, timeout=300)


ABSENT = [
    *((name, arguments, "train-images-idx3-ubyte") for name in MNIST for arguments in ((), ("--data", "."))),
    ("char_gpt.py", (), "input.txt: no such file; give a text with --data"),
    ("char_gpt.py", ("--data", "."), "directory"),
    ("csv_mlp.py", ("none.csv", "--target", "kind"), "none.csv"),
    ("csv_mlp.py", (".", "--target", "kind"), "directory"),
    ("image_folder_resnet.py", (), "--make-data"),
    ("image_folder_resnet.py", ("--data", "."), "no folder"),
    ("image_folder_resnet.py", ("--data", "none"), "none"),
    ("text_classifier.py", ("--data", "none.csv"), "none.csv"),
]


@pytest.mark.parametrize(("name", "arguments", "words"), ABSENT)
def test_without_data_a_program_says_so_in_one_line(
    name: str,
    arguments: tuple[str, ...],
    words: str,
    program: Callable[[str], ModuleType],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert program(name).main(list(arguments)) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.count("\n") == 1
    assert printed.err.startswith(name.removesuffix(".py") + ": ") and words in printed.err
    assert not list(tmp_path.iterdir())


def test_every_program_that_takes_data_is_tried_without_it() -> None:
    takes = {name for name in PROGRAMS if "--data" in (EXAMPLES / name).read_text(encoding="utf-8")}
    assert takes <= {name for name, _, _ in ABSENT}


LACKING = [
    *(("sklearn", name, (), "scikit-learn", "pip install") for name in DIGITS),
    ("PIL", "image_folder_resnet.py", ("--make-data", "new"), "Pillow", 'pip install "gpudl[image]"'),
    ("PIL", "image_folder_resnet.py", ("--data", "{images}"), "Pillow", 'pip install "gpudl[image]"'),
    ("matplotlib", "compare_devices.py", ("--plot", "a.png"), "Matplotlib", 'pip install "gpudl[plot]"'),
    ("cupy", "compare_devices.py", ("--device", "sim"), "CuPy", 'pip install "gpudl[sim]"'),
    ("cupy", "custom_op.py", ("--device", "sim"), "CuPy", 'pip install "gpudl[sim]"'),
]


@pytest.mark.parametrize(("module", "name", "arguments", "what", "fix"), LACKING)
def test_without_an_extra_a_program_says_what_to_install(
    module: str, name: str, arguments: tuple[str, ...], what: str, fix: str, tmp_path: Path
) -> None:
    images, folder = tmp_path / "images", tmp_path / "empty"
    for place in (images / "cat", folder):
        place.mkdir(parents=True)
    for number in range(5):
        (images / "cat" / f"{number}.png").write_bytes(b"")
    process = without(module, name, *(argument.format(images=images) for argument in arguments), folder=folder)
    assert_one_line_of_error(process, name.removesuffix(".py"), what, fix)
    assert not [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("name", PROGRAMS)
def test_help_teaches(name: str, program: Callable[[str], ModuleType], capsys: pytest.CaptureFixture[str]) -> None:
    module = program(name)
    with pytest.raises(SystemExit) as ended:
        module.main(["--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert module.__doc__ and module.__doc__.strip() in text
    for option in re.split(r"\n  (?=-)", text.partition("\noptions:\n  ")[2]):
        assert "default: " in option or re.match(r"-h|--(download|target|plot|make-data|data FOLDER)", option), option
    for option in ("--device", "--epochs", "--seed"):
        assert option in text


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_device_that_is_none_ends_in_one_line(
    name: str, program: Callable[[str], ModuleType], capsys: pytest.CaptureFixture[str]
) -> None:
    if name.startswith("mnist") and not IMAGES.is_dir():
        pytest.skip("the MNIST subset ../shared/data/mnist10k is absent")
    if name.startswith("digits"):
        pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    data = ["--data", str(IMAGES)] if name.startswith("mnist") else []
    assert program(name).main([*data, "--device", "abacus"]) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.count("\n") == 1
    assert "'abacus' is not a device" in printed.err and "cpu" in printed.err


@pytest.mark.parametrize(
    ("name", "option", "least"),
    [
        *((name, "--epochs", 1) for name in PROGRAMS),
        ("char_gpt.py", "--length", 0),
        ("char_gpt.py", "--steps", 1),
        ("digits_trainer.py", "--workers", 0),
        ("image_folder_resnet.py", "--size", 1),
        ("image_folder_resnet.py", "--workers", 0),
        ("tune.py", "--trials", 1),
    ],
)
def test_a_number_that_is_too_small_is_refused(
    name: str, option: str, least: int, program: Callable[[str], ModuleType], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        program(name).main([option, str(least - 1)])
    printed = capsys.readouterr()
    assert ended.value.code == 2 and printed.out == ""
    assert printed.err.endswith(f"error: {option} must be at least {least}\n")


NOTEBOOK = """
import os, random, runpy, signal, sys, warnings
import numpy as np
import gpudl, gpudl.keras, gpudl.models, gpudl.train
from gpudl.backend.kernel import KERNELS

def state():
    return (
        dict(os.environ), os.getcwd(), list(sys.path), list(sys.argv), list(warnings.filters), random.getstate(),
        np.random.get_state()[1].tolist(), gpudl.get_default_dtype(), gpudl.initial_seed(), gpudl.is_grad_enabled(),
        {number: signal.getsignal(number) for number in signal.valid_signals()}, sys.excepthook,
    )

before = state()
for _ in range(2):  # as a cell that is run again
    for path in sys.argv[1:]:
        names = runpy.run_path(path)
        assert callable(names["main"]), path
        for part, (was, now) in enumerate(zip(before, state())):
            assert was == now, (path, part)
print("the same")
"""


def test_importing_an_example_changes_nothing_and_may_be_done_again() -> None:
    command = [sys.executable, "-W", "error", "-c", NOTEBOOK, *(str(EXAMPLES / name) for name in PROGRAMS)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert (result_of(process), process.stderr) == ("the same\n", "")


@pytest.mark.parametrize("name", PROGRAMS)
def test_main_takes_a_list_of_arguments(name: str, program: Callable[[str], ModuleType]) -> None:
    (argument,) = inspect.signature(program(name).main).parameters.values()
    assert (argument.name, argument.default) == ("argv", None)


def test_a_notebook_runs_an_example_and_calls_its_functions(
    program: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["keras_line.py", "--epochs", "200"])
    for _ in range(2):  # %run keras_line.py --epochs 200
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(EXAMPLES / "keras_line.py"), run_name="__main__")
        assert ended.value.code == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == second and first.startswith("slope ")
    custom = program("custom_op.py")
    assert custom.main(["--epochs", "1"]) == 0
    assert custom.fit(custom.SwishFunction.apply, 1, "cpu") > 0
    assert capsys.readouterr().out.count("mean squared error") == 2


@pytest.mark.parametrize("argument", [["--seed", "-1"], ["--seed", str(2**40)]])
@pytest.mark.parametrize("name", ["keras_line.py", "custom_op.py", "csv_mlp.py"])
def test_any_number_is_a_seed(
    name: str, argument: list[str], program: Callable[[str], ModuleType], capsys: pytest.CaptureFixture[str]
) -> None:
    assert program(name).main([*argument, "--epochs", "1"]) == 0
