"""load_config: defaults, overrides, the round trip, and one clear line for each mistake."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gpudl.train import Config, ConfigError, Override, load_config

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def _set(config_file: Path, *settings: str) -> Config:
    pairs = [setting.partition("=") for setting in settings]
    return load_config(config_file, [Override.parse(key, value, "--set") for key, _, value in pairs])


def test_defaults_are_filled_in(config_file: Path, images: Path) -> None:
    config = load_config(config_file)
    assert config.data == {
        "name": "mnist", "root": str(images), "download": False, "flatten": True,
        "batch_size": 32, "shuffle": True, "drop_last": False, "num_workers": 0,
    }  # fmt: skip
    assert config.model["layers"][0] == {"type": "Linear", "in_features": 784, "out_features": 16, "bias": True}
    assert config.optimizer["betas"] == (0.9, 0.999)
    assert config.loss["type"] == "CrossEntropyLoss" and config.loss["label_smoothing"] == 0.0
    assert config.train == {"epochs": 2, "seed": 3, "device": "cpu", "report": False, "accumulate": 1}


def test_only_data_model_and_optimizer_are_needed(config_file: Path) -> None:
    text = config_file.read_text(encoding="utf-8")
    config_file.write_text(text[: text.index("[train]")], encoding="utf-8")
    assert load_config(config_file).train == {"epochs": 10, "device": "auto", "report": True, "accumulate": 1}


def test_resolved_configuration_reads_as_itself_from_anywhere(config_file: Path, tmp_path: Path) -> None:
    config = load_config(config_file, {"loss.label_smoothing": 0.1}).with_train(seed=2**64 - 1, device="cpu")
    elsewhere = tmp_path / "elsewhere" / "config.toml"
    elsewhere.parent.mkdir()
    elsewhere.write_text(config.to_toml(), encoding="utf-8")
    assert load_config(elsewhere) == config
    assert load_config(elsewhere).to_toml() == config.to_toml()


@pytest.mark.parametrize("name", [path.name for path in sorted(EXAMPLES.glob("*.toml"))])
def test_examples_are_configurations(name: str) -> None:
    config = load_config(EXAMPLES / name)
    assert config.data["name"] == {"lenet": "mnist", "spirals": "two_spirals"}.get(Path(name).stem, Path(name).stem)


def test_root_starts_from_the_folder_of_the_file(config_file: Path, tmp_path: Path) -> None:
    text = config_file.read_text(encoding="utf-8").splitlines()
    lines = ["root = 'here/data'" if "root" in line else line for line in text]
    config_file.write_text("\n".join(lines), encoding="utf-8")
    assert load_config(config_file).data["root"] == str(tmp_path / "here" / "data")


@pytest.mark.parametrize(
    ("setting", "path", "value"),
    [
        ("optimizer.lr=0.5", ("optimizer", "lr"), 0.5),
        ("optimizer.lr=1", ("optimizer", "lr"), 1.0),
        (" optimizer.lr = 0.5 ", ("optimizer", "lr"), 0.5),
        ("optimizer.betas=[0.5, 0.9]", ("optimizer", "betas"), (0.5, 0.9)),
        ("optimizer.amsgrad=true", ("optimizer", "amsgrad"), True),
        ("model.layers[0].out_features=64", ("model", "layers", 0, "out_features"), 64),
        ("model.layers.2.in_features=64", ("model", "layers", 2, "in_features"), 64),
        ('model.layers[1]={type="Tanh"}', ("model", "layers", 1, "type"), "Tanh"),
        ("model.layers[1].type=Tanh", ("model", "layers", 1, "type"), "!"),
        ("loss.label_smoothing=0.1", ("loss", "label_smoothing"), 0.1),
        ("train.device=cuda:1", ("train", "device"), "cuda:1"),
        ('train.device="cpu"', ("train", "device"), "cpu"),
        ("train.seed=-1", ("train", "seed"), -1),
        ("data.name=fashion_mnist", ("data", "name"), "fashion_mnist"),
        ('optimizer={type="SGD", lr=0.1}', ("optimizer", "momentum"), 0.0),
    ],
)
def test_override_sets_the_key(config_file: Path, setting: str, path: tuple[Any, ...], value: Any) -> None:
    value = "Tanh" if value == "!" else value
    found: Any = _set(config_file, setting).tables()
    for part in path:
        found = found[part]
    assert found == value and type(found) is type(value)


def test_last_override_counts(config_file: Path) -> None:
    assert _set(config_file, "train.epochs=5", "train.epochs=7").train["epochs"] == 7
    assert _set(config_file, "optimizer.lr=5", "optimizer={type='SGD', lr=1}").optimizer["lr"] == 1.0
    assert _set(config_file, "optimizer={type='SGD', lr=1}", "optimizer.lr=5").optimizer["lr"] == 5.0


def test_overrides_may_be_a_mapping(config_file: Path) -> None:
    config = load_config(config_file, {"train.epochs": 4, "model.layers[0].bias": False})
    assert config.train["epochs"] == 4 and config.model["layers"][0]["bias"] is False
    with pytest.raises(ConfigError, match=r"^overrides: train.epoch: unknown key"):
        load_config(config_file, {"train.epoch": 4})


@pytest.mark.parametrize(
    ("setting", "problem"),
    [
        ("optimizer.lrr=1", r"optimizer.lrr: unknown key; Adam takes lr, betas, .*; did you mean 'lr'\?"),
        ("model.layers[0].out_feature=1", "unknown key; Linear takes in_features, out_features, bias; did you mean"),
        ("model.layers[1].size=1", r"model.layers\[1\].size: unknown key; ReLU takes"),
        ("model.depth=3", "model.depth: unknown key; model takes name, .* or layers"),
        ("epochs=3", "epochs: unknown key; the tables are .*; did you mean 'train.epochs'"),
        ("optimiser.lr=3", "optimiser: unknown key; .*did you mean 'optimizer'"),
        ("optimizer.type=adam", r"\"adam\" is no optimizer; expected one of .*Adam, .*; did you mean 'Adam'"),
        ("optimizer.type=3", "optimizer.type: \"3\" is no optimizer"),
        ("data.name=imagenet", "data.name: \"imagenet\" is no dataset; expected one of .*digits, .*mnist"),
        ("model.layers[1].type=Sequential", "is no layer"),
        ("model.layers[1].type=MSELoss", "is no layer"),
        ("loss.type=ReLU", "loss.type: \"ReLU\" is no loss"),
        ("model.layers[3].bias=true", r"model.layers\[3\].bias: model.layers has 3 entries, numbered from 0"),
        ("model.layers.x=true", "model.layers has 3 entries"),
        ("model.layers=[]", "model.layers: got "),
        ("model.layers=3", "model.layers: got 3; expected one table"),
        ("model.layers=[3]", r"model.layers\[0\]: expected a table, got 3"),
        ("model={}", "model.layers: missing; expected one table"),
        ("model=3", "model: expected a table, got 3"),
        ("data=3", "data: expected a table, got 3"),
        ("loss=3", "loss: expected a table, got 3"),
        ("train=3", "train: expected a table, got 3"),
        ("model.layers[0]={in_features=3}", r"model.layers\[0\].type: missing; expected one of"),
        ('model.layers[0]={type="Linear"}', r"model.layers\[0\].in_features: missing; Linear needs it: an integer"),
        ('data={name="mnist"}', "data.root: missing; mnist needs it: a path"),
        ("data.batch_size=0", "data.batch_size: expected an integer >= 1, got 0"),
        ("data.batch_size=1.5", "data.batch_size: expected an integer >= 1, got 1.5"),
        ("train.epochs=many", "train.epochs: expected an integer >= 1, got \"many\""),
        ("train.seed=1e3", "train.seed: expected an integer"),
        ("train.seed=18446744073709551616", "train.seed: expected an integer"),
        ("train.seed=1979-05-27", "train.seed: expected an integer .*got 1979-05-27"),
        ("optimizer.lr=fast", "optimizer.lr: expected a number, got \"fast\""),
        ("optimizer.betas=[0.9]", "optimizer.betas: expected a list of 2"),
        ("train.epochs.x=3", "train.epochs is neither a table nor a list"),
        ("=3", "'' is no key"),
        ("train..epochs=3", "is no key"),
        ("train.epochs.=3", "is no key"),
        ("train[epochs]=3", "is no key"),
        (".train=3", "is no key"),
    ],
)  # fmt: skip
def test_wrong_override_is_one_line_that_names_it(config_file: Path, setting: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem) as caught:
        _set(config_file, setting)
    assert str(caught.value).startswith("--set: ") and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        ("lr = 0.01", "lrr = 0.01", "optimizer.lrr: unknown key"),
        ("lr = 0.01", "lr = '0.01'", 'optimizer.lr: expected a number, got "0.01"'),
        (
            "epochs = 2",
            "epoch = 2",
            "train.epoch: unknown key; train takes epochs, seed, device, .*; did you mean 'epochs",
        ),
        ("[optimizer]", "[optimize]", "optimize: unknown key"),
        ("[train]", "[data.train]", "data.train: unknown key; mnist takes root"),
        ('"ReLU"', '"Relu"', r"model.layers\[1\].type: \"Relu\" is no layer; .*did you mean 'ReLU'"),
        ("[train]", "[train", "not valid TOML: .*line 16"),
    ],
)
def test_mistake_in_the_file_names_file_and_key(config_file: Path, before: str, after: str, problem: str) -> None:
    text = config_file.read_text(encoding="utf-8")
    assert before in text
    config_file.write_text(text.replace(before, after), encoding="utf-8")
    with pytest.raises(ConfigError, match=problem) as caught:
        load_config(config_file)
    assert str(caught.value).startswith(f"{config_file}: ") and "\n" not in str(caught.value)


def test_missing_table_is_named(config_file: Path) -> None:
    config_file.write_text("[train]\nepochs = 2\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="data: missing; a configuration needs the tables data, model and optimizer"):
        load_config(config_file)


def test_another_type_says_how_to_replace_the_table(config_file: Path) -> None:
    with pytest.raises(ConfigError, match=r"optimizer.momentum: unknown key; Adam takes") as caught:
        _set(config_file, 'optimizer={type="SGD", momentum=0.9}', "optimizer.type=Adam")
    assert "replaces the whole table" in str(caught.value)
