"""Convolutional networks, a GPT and an LSTM language model learn on every device as on the CPU.

One seed gives the same initial weights and dropout masks, bit for bit, and twenty steps the same losses and nearly the
same weights, without leaving the device.
"""

import copy

import numpy as np
import pytest
from sequence_twins import tokens
from tolerances import tolerance

import gpudl
from gpudl import models, nn, optim

STEPS = 20
SLACK = 10  # Rounding of one step moves the next: twenty may differ by this many times what one operation may.


def numbers(*shape):
    return np.random.default_rng(0).standard_normal(shape, dtype="float32")


def image_loss(model, x, y):
    return nn.functional.cross_entropy(model(x), y)


def text_loss(model, x, y):
    found = model(x)
    logits = found[0] if isinstance(found, tuple) else found
    return nn.functional.cross_entropy(logits.flatten(0, 1), y.flatten())


def text():
    whole = tokens(STEPS, 4, 9)
    return whole[..., :-1], whole[..., 1:]


def images(*shape):
    return numbers(STEPS, 8, *shape), tokens(STEPS, 8, vocabulary=10)


GPT = {"vocab_size": 11, "max_seq_len": 8, "num_layers": 2, "num_heads": 2, "embed_dim": 16, "dropout": 0.1}
# name -> (maker, batches, loss, optimizer)
RUNS = {
    "LeNet5": (models.LeNet5, images(1, 28, 28), image_loss, lambda p: optim.SGD(p, lr=0.05, momentum=0.9)),
    "resnet8": (lambda: models.resnet8(width=4), images(3, 16, 16), image_loss, lambda p: optim.SGD(p, lr=0.01)),
    "GPT": (lambda: models.GPT(**GPT), text(), text_loss, lambda p: optim.AdamW(p, lr=3e-3)),
    "LSTM": (
        lambda: models.LSTMLanguageModel(11, 8, 12, num_layers=2, dropout=0.2),
        text(),
        text_loss,
        lambda p: optim.RMSprop(p, lr=3e-3),
    ),
}


class Run:
    """Some steps of training on one device, and what they left."""

    def __init__(self, name, device):
        maker, batches, loss_of, optimizer_of = RUNS[name]
        gpudl.manual_seed(0)
        model = maker().to(device)
        batches = [[gpudl.tensor(values, device=device) for values in batch] for batch in zip(*batches)]
        self.initial = host(model.state_dict())
        loss_of(copy.deepcopy(model), *batches[0]).backward()  # what is made once is made
        optimizer, losses = optimizer_of(model.parameters()), []
        gpudl.manual_seed(1)
        with gpudl.strict():
            for batch in batches:
                optimizer.zero_grad()
                loss = loss_of(model, *batch)
                loss.backward()
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                losses.append(loss.detach())
        self.losses = [loss.item() for loss in losses]
        self.final = host(model.state_dict())
        model.eval()
        with gpudl.no_grad():
            self.evaluated = loss_of(model, *batches[0]).item()


def host(state):
    return {name: value.detach().cpu().numpy().copy() for name, value in state.items()}


@pytest.mark.parametrize("name", RUNS)
def test_training_is_that_of_the_cpu(device, name):
    there, here = Run(name, device), Run(name, "cpu")
    assert list(there.initial) == list(here.initial)
    for key, value in here.initial.items():
        assert there.initial[key].tobytes() == value.tobytes(), key
    relative, absolute = (SLACK * bound for bound in tolerance("float32"))
    np.testing.assert_allclose(there.losses, here.losses, relative, absolute)
    np.testing.assert_allclose(there.evaluated, here.evaluated, relative, absolute)
    for key, value in here.final.items():
        np.testing.assert_allclose(there.final[key], value, relative, absolute, err_msg=key)
    assert here.losses != [here.losses[0]] * STEPS
