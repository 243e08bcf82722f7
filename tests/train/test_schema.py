"""Fields from signatures: what they take, what they refuse, and classes that no table can describe."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pytest

from gpudl import nn
from gpudl.autograd.tensor import Tensor
from gpudl.train import ConfigError, Override, registry
from gpudl.train.overrides import Source, apply_override
from gpudl.train.schema import Field, fields_of, read_table, read_value


class Layer(nn.Module):
    def __init__(
        self,
        size: int | tuple[int, int],
        rate: float = 0.5,
        mode: Literal["same", "valid"] = "same",
        name: str = "x",
        flag: bool = False,
        limit: float | None = None,
        sizes: Sequence[int] = (),
        names: list[str] | None = None,
        file: str | os.PathLike[str] = "",
        anything: Any = None,
        weight: Tensor | None = None,
        function: Callable[[int], int] = abs,
        device: Any = None,
        dtype: Any = None,
        *more: int,
        keyword: int = 0,
        **rest: int,
    ):
        super().__init__()


def _read(tmp_path: Path, **table: Any) -> dict[str, Any]:
    fields = fields_of(Layer)
    assert fields is not None
    return read_table({"size": 1, **table}, "layer", fields, "Layer", Source("x.toml", tmp_path))


def test_fields_are_the_arguments_that_toml_can_say() -> None:
    fields = fields_of(Layer)
    assert fields is not None
    expected = ["size", "rate", "mode", "name", "flag", "limit", "sizes", "names", "file", "anything", "keyword"]
    assert list(fields) == expected
    assert [name for name, field in fields.items() if field.required] == ["size"]


def test_defaults_are_filled_in_but_none(tmp_path: Path) -> None:
    values = _read(tmp_path)
    assert values == {
        "size": 1, "rate": 0.5, "mode": "same", "name": "x", "flag": False, "sizes": (), "file": "", "keyword": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("key", "given", "wanted"),
    [
        ("size", 3, 3), ("size", [3, 4], (3, 4)), ("rate", 1, 1.0), ("rate", 0.25, 0.25), ("mode", "valid", "valid"),
        ("flag", True, True), ("limit", 2, 2.0), ("sizes", [1, 2, 3], (1, 2, 3)), ("names", ["a"], ["a"]),
        ("anything", {"a": [1]}, {"a": [1]}),
    ],
)  # fmt: skip
def test_value_is_converted_to_the_annotation(tmp_path: Path, key: str, given: Any, wanted: Any) -> None:
    value = _read(tmp_path, **{key: given})[key]
    assert value == wanted and type(value) is type(wanted)


@pytest.mark.parametrize(
    ("key", "given", "problem"),
    [
        ("size", 3.0, r"layer.size: expected an integer or a list of 2: an integer, an integer, got 3.0"),
        ("size", [1, 2, 3], r"got \[1, 2, 3\]"),
        ("size", True, "got true"),
        ("rate", "fast", 'layer.rate: expected a number, got "fast"'),
        ("rate", True, "expected a number, got true"),
        ("mode", "full", 'expected one of "same", "valid", got "full"'),
        ("name", 3, "expected a string, got 3"),
        ("flag", 1, "expected true or false, got 1"),
        ("limit", "none", "expected a number"),
        ("sizes", 3, "expected a list, each an integer, got 3"),
        ("sizes", [1, 2.5], "expected a list, each an integer"),
        ("file", 3, "expected a path, got 3"),
        ("file", "\udcff", "expected a path"),
        ("wight", 3, "layer.wight: unknown key; Layer takes size, rate"),
        ("nane", "x", "did you mean 'name'"),
        ("weight", 3, "unknown key"),
        ("device", "cpu", "unknown key"),
    ],
)
def test_wrong_value_is_refused_with_its_key(tmp_path: Path, key: str, given: Any, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem) as caught:
        _read(tmp_path, **{key: given})
    assert str(caught.value).startswith(f"x.toml: layer.{key}: ") and "\n" not in str(caught.value)


def test_missing_key_is_named(tmp_path: Path) -> None:
    fields = fields_of(Layer)
    assert fields is not None
    with pytest.raises(ConfigError, match="layer.size: missing; Layer needs it: an integer or"):
        read_table({}, "layer", fields, "Layer", Source("x.toml", tmp_path))


def test_paths_start_from_where_they_were_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fields = fields_of(Layer)
    assert fields is not None
    source = Source("x.toml", tmp_path / "configs")
    table = {"layer": {"size": 1, "file": "../data"}}
    assert read_table(table["layer"], "layer", fields, "Layer", source)["file"] == str(tmp_path / "data")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    apply_override(table, Override.parse("layer.file", "data", "--set"), source)
    assert read_table(table["layer"], "layer", fields, "Layer", source)["file"] == str(tmp_path / "here" / "data")
    monkeypatch.setenv("HOME", str(tmp_path))
    apply_override(table, Override.parse("layer.file", "~/data", "--set"), source)
    assert read_table(table["layer"], "layer", fields, "Layer", source)["file"] == str(tmp_path / "data")


def test_text_from_the_command_line_stays_text_where_a_string_is_wanted(tmp_path: Path) -> None:
    fields = fields_of(Layer)
    assert fields is not None
    table: dict[str, Any] = {"layer": {"size": 1}}
    source = Source("x.toml", tmp_path)
    apply_override(table, Override.parse("layer.name", "007", "--set"), source)
    apply_override(table, Override.parse("layer.rate", "7", "--set"), source)
    values = read_table(table["layer"], "layer", fields, "Layer", source)
    assert values["name"] == "007" and values["rate"] == 7.0


def test_class_that_needs_what_toml_cannot_say_has_no_fields() -> None:
    class Wrapper:
        def __init__(self, inside: nn.Module):
            pass

    assert fields_of(Wrapper) is None
    assert fields_of(KeyError) is None or fields_of(KeyError) == {}


def test_unresolvable_annotations_leave_the_values_to_the_class() -> None:
    class Strange:
        def __init__(self, size: "Unknown" = 1):  # noqa: F821, UP037
            pass

    fields = fields_of(Strange)
    assert fields is not None and fields["size"].kind is Any


@pytest.mark.parametrize(
    ("kind", "there", "not_there"),
    [
        ("layer", {"Linear", "Flatten", "ReLU", "Tanh"}, {"Module", "Sequential", "CrossEntropyLoss", "Parameter"}),
        ("model", {"LeNet5", "resnet18", "MLP", "gpt2"}, {"ResNet", "BasicBlock", "sample_tokens", "vae_loss"}),
        ("loss", {"CrossEntropyLoss", "MSELoss"}, {"Linear"}),
        ("optimizer", {"SGD", "Adam", "AdamW"}, {"Optimizer", "LBFGS"}),
        ("scheduler", {"StepLR", "MultiStepLR", "OneCycleLR", "ReduceLROnPlateau"}, {"LRScheduler", "LambdaLR"}),
        ("dataset", {"digits", "mnist", "cifar10", "csv", "image_folder", "make_moons"}, {"tensor", "subset", "text"}),
        ("metric", {"Accuracy", "F1Score", "MeanSquaredError"}, {"Metric", "FunctionMetric"}),
        ("callback", {"EarlyStopping", "TensorBoard"}, {"Callback", "Checkpoint"}),
        ("transform", {"Resize", "RandomCrop", "Normalize"}, {"Transform", "Compose", "Lambda"}),
    ],
)
def test_everything_exported_is_known(kind: str, there: set[str], not_there: set[str]) -> None:
    names = registry.known(kind).keys()
    assert there <= names and not not_there & names


def test_arguments_passed_on_are_those_of_the_class_that_takes_them() -> None:
    models, metrics = registry.known("model"), registry.known("metric")
    assert {"num_classes", "zero_init_residual"} <= models["resnet18"][1].keys()
    assert models["gpt2_large"][1]["vocab_size"] == Field(int)  # neither needed nor with GPT's default
    assert {"average", "num_classes", "zero_division"} <= metrics["F1Score"][1].keys()


def test_tables_convert_their_values(tmp_path: Path) -> None:
    field = Field(Mapping[str, float])
    source = Source("x.toml", tmp_path)
    assert read_value({"a": 1}, "key", field, source) == {"a": 1.0}
    for wrong in (3, [1], {"a": "b"}):
        with pytest.raises(ConfigError, match="key: expected a table, got"):
            read_value(wrong, "key", field, source)
