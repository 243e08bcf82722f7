"""What a configuration can name: layers, losses and optimizers that a list in a file can describe."""

import gpudl
from gpudl.train import registry


def test_layers_are_those_with_an_input_and_an_output():
    names = registry.known("layer").keys()
    assert {"Linear", "Conv2d", "BatchNorm2d", "MaxPool2d", "Dropout", "GELU", "LSTM", "LazyLinear"} <= names
    assert not {"Sequential", "ModuleList", "LazyModuleMixin", "RNNBase", "CrossEntropyLoss", "NLLLoss2d"} & names


def test_optimizers_are_those_that_a_training_loop_can_step():
    names = registry.known("optimizer").keys()
    assert {"SGD", "Adam", "AdamW", "Lion", "Muon", "RMSprop"} <= names
    assert "LBFGS" not in names and gpudl.optim.LBFGS.needs_closure


def test_losses():
    names = registry.known("loss").keys()
    assert {"CrossEntropyLoss", "MSELoss", "CTCLoss"} <= names
    assert all(name.endswith("Loss") for name in names)
