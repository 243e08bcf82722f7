"""The networks of MLPerf Tiny have the shapes and parameter counts of its reference code, in both libraries."""

from __future__ import annotations

from typing import Any

import pytest

import gpudl
from gpudl.bench.case import Make
from gpudl.bench.net_cases import NETS
from gpudl.bench.twin import models

torch = pytest.importorskip("torch")

# As Keras counts the reference's, with running means and variances.
PUBLISHED = {
    "resnet8": (78_666, (3, 32, 32), (10,)),
    "ds_cnn": (24_908, (1, 49, 10), (12,)),
    "mobilenet": (221_794, (3, 96, 96), (2,)),
    "autoencoder": (269_992, (640,), (640,)),
}


def state(model: Any) -> dict[str, Any]:
    """Without the counters of batches, which Keras does not have."""
    return {name: value for name, value in model.state_dict().items() if not name.endswith("num_batches_tracked")}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_tiny_network_has_the_published_parameters_and_shapes(name: str) -> None:
    count, given, expected = PUBLISHED[name]
    ours, theirs = (getattr(models(lib, "tiny_nets", "gpudl.bench"), name)() for lib in (gpudl, torch))
    assert isinstance(theirs, torch.nn.Module)
    assert sum(value.numel() for value in state(ours).values()) == count
    assert {key: tuple(value.shape) for key, value in state(ours).items()} == {
        key: tuple(value.shape) for key, value in state(theirs).items()
    }
    with gpudl.no_grad():
        assert ours.eval()(gpudl.zeros(1, *given)).shape == (1, *expected)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_tiny_network_computes_the_same_in_pytorch(name: str) -> None:
    ours, theirs = (getattr(models(lib, "tiny_nets", "gpudl.bench"), name)().eval() for lib in (gpudl, torch))
    theirs.load_state_dict({key: torch.from_numpy(value.numpy().copy()) for key, value in ours.state_dict().items()})
    given = Make(gpudl, gpudl.device("cpu"))(2, *PUBLISHED[name][1], grad=False)
    with torch.no_grad(), gpudl.no_grad():
        expected = theirs(torch.from_numpy(given.numpy()))
        assert torch.allclose(torch.from_numpy(ours(given).numpy()), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "features"), [("resnet8", (64, 8, 8)), ("ds_cnn", (64, 25, 5)), ("mobilenet", (256, 3, 3))]
)
def test_strides_are_where_the_reference_has_them(name: str, features: tuple[int, ...]) -> None:
    layers = list(getattr(models(gpudl, "tiny_nets", "gpudl.bench"), name)().eval())
    x = gpudl.zeros(1, *PUBLISHED[name][1])
    with gpudl.no_grad():
        for layer in layers[:-3]:  # without the mean of each channel
            x = layer(x)
    assert x.shape == (1, *features)


def test_a_residual_halves_the_picture_only_where_channels_grow() -> None:
    file = models(gpudl, "tiny_nets", "gpudl.bench")
    x = gpudl.ones(1, 4, 8, 8)
    assert file.Residual(4, 4)(x).shape == (1, 4, 8, 8) and file.Residual(4, 8)(x).shape == (1, 8, 4, 4)


@pytest.mark.parametrize("name", ["MLP", "autoencoder", "DS-CNN", "DCGAN"])
def test_a_step_changes_every_parameter_and_does_not_pile_up_gradients(name: str) -> None:
    net = NETS[name]
    gpudl.manual_seed(0)
    training = net.build(Make(gpudl, gpudl.device("cpu")), *net.small)
    models = [training.generator, training.discriminator] if name == "DCGAN" else [training.model]
    known = [value for model in models for value in model.parameters()]
    before = [value.detach().clone() for value in known]
    training.whole()
    changed = [bool((value.detach() != old).any().item()) for value, old in zip(known, before)]
    assert all(changed)
    if name == "autoencoder":
        first = training.model[-1].bias.grad.clone()
        training.step(training.inputs, training.inputs)
        assert (training.model[-1].bias.grad / first).abs().median().item() < 1.5
