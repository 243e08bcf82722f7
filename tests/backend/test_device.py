"""Devices by name, transfers, and a new device that needs no change above gpudl/backend."""

import pickle
import subprocess
import sys

import numpy as np
import pytest

import gpudl
from gpudl import nn, optim
from gpudl.backend import device
from tests.backend.emulated import has_gpu
from tests.backend.loopback import LoopbackArray, LoopbackBackend, registered

no_gpu = pytest.mark.skipif(has_gpu(), reason="there is a GPU here")


@pytest.fixture
def loopback():
    with registered() as backend:
        yield backend


def test_names():
    cpu = gpudl.device("cpu")
    assert cpu is gpudl.device("cpu:0") and cpu is gpudl.device(cpu) and cpu is pickle.loads(pickle.dumps(cpu))
    assert str(cpu) == "cpu" and cpu.type == "cpu" and cpu.index is None
    second = gpudl.device("cuda:1")
    assert (second.type, second.index) == ("cuda", 1) and second is gpudl.device("cuda", 1)
    assert str(gpudl.device("cuda")) == "cuda:0" and repr(second) == "device(type='cuda', index=1)"


@pytest.mark.parametrize("spec", ["gpu", "cpu:1", "cuda:x", "", "CPU", 3, None, "cuda:-1", "auto:0"])
def test_what_is_no_device_is_refused(spec):
    with pytest.raises(gpudl.DeviceError, match="device|cpu"):
        gpudl.device(spec)


@pytest.mark.parametrize("spec", ["cuda", "cuda:3"])
@no_gpu
def test_a_device_that_is_missing_never_falls_back(spec):
    for make in (
        lambda: gpudl.zeros(2, device=spec),
        lambda: gpudl.ones(2).to(spec),
        lambda: gpudl.tensor([1.0], device=spec),
        lambda: nn.Linear(2, 2).to(spec),
        lambda: gpudl.synchronize(spec),
    ):
        with pytest.raises(gpudl.DeviceError, match=f"{spec}.*not available.*cpu"):
            make()
    assert not device.available(spec)


@no_gpu
def test_auto_says_once_what_it_took_and_why():
    code = "import gpudl; a = gpudl.device('auto'); b = gpudl.device('auto'); assert a is b; print(a)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "cpu"
    assert done.stderr.count("\n") == 1 and "auto is cpu" in done.stderr and "cuda" in done.stderr


def test_auto_takes_the_gpu_where_there_is_one(monkeypatch, capsys):
    class Gpu(LoopbackBackend):
        type = "cuda"

    monkeypatch.setitem(device._backends, "cuda", Gpu())
    monkeypatch.setattr(device, "_auto", None)
    assert gpudl.device("auto") is gpudl.device("cuda:0")
    assert "auto is cuda:0" in capsys.readouterr().err


def test_transfers_and_numbering(loopback):
    x = gpudl.tensor([[1.0, 2.0]], device="loopback")
    assert type(x.array) is LoopbackArray and str(x.device) == "loopback:0"
    assert x.to("loopback:0") is x
    back = x.cpu()
    assert type(back.array) is np.ndarray and not np.shares_memory(back.array, x.array.view(np.ndarray))
    with pytest.raises(gpudl.DeviceError, match="2 of this type"):
        x.to("loopback:2")
    with pytest.raises(TypeError, match="loopback"):
        x.numpy()
    assert "device='loopback:0'" in repr(x) and x.tolist() == [[1, 2]]
    loopback.reason = "it is switched off"
    with pytest.raises(gpudl.DeviceError, match="switched off"):
        gpudl.zeros(1, device="loopback")


def test_gradients_cross_devices(loopback):
    x = gpudl.tensor([1.0, 2.0], requires_grad=True)
    (x.to("loopback") * 3).sum().backward()
    assert x.grad.device is x.device and x.grad.tolist() == [3, 3]


def test_mixing_devices_names_both(loopback):
    host, there = gpudl.ones(2, 2), gpudl.ones(2, 2, device="loopback")
    for mix in (
        lambda: host + there,
        lambda: there @ host,
        lambda: gpudl.where(there > 0, host, host),
        lambda: gpudl.cat([host, there]),
        lambda: there.add_(host),
        lambda: there.__setitem__(0, host[0]),
        lambda: host[gpudl.tensor([0], device="loopback")],
        lambda: nn.functional.linear(host, there),
        lambda: gpudl.autograd.backward((host.requires_grad_() * 2).sum(), there[0, 0]),
    ):
        with pytest.raises(gpudl.DeviceError) as caught:
            mix()
        assert "cpu" in str(caught.value) and "loopback:0" in str(caught.value)


def test_a_model_trains_on_a_new_device_as_on_the_cpu(loopback):
    """Everything above the backend runs unchanged: initialization, layers, loss, gradients of gradients, optimizers."""

    def train(place):
        gpudl.manual_seed(0)
        model = nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 3)).to(place)
        criterion = nn.CrossEntropyLoss(label_smoothing=0.1).to(place)
        losses = []
        for make in (optim.Adam, lambda p: optim.SGD(p, lr=0.1, momentum=0.9)):
            optimizer = make(model.parameters())
            for step in range(5):
                stream = gpudl.random.stream("data", step, seed=1)
                x = gpudl.tensor(stream.normal((8, 5))).to(place)
                y = gpudl.tensor(stream.integers(0, 3, (8,))).to(place)
                optimizer.zero_grad()
                loss = criterion(model(x), y)
                (dx,) = gpudl.autograd.grad(loss, model[0].weight, create_graph=True)
                (loss + (dx * dx).sum()).backward()
                optimizer.step()
                losses.append(loss.item())
        return losses, [p.cpu().tolist() for p in model.parameters()]

    on_cpu, there = train("cpu"), train("loopback")
    np.testing.assert_allclose(there[0], on_cpu[0], rtol=1e-6)
    for mine, other in zip(there[1], on_cpu[1]):
        np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-6)


def test_initial_weights_are_the_same_bits_on_every_device(loopback):
    gpudl.manual_seed(3)
    host = nn.Linear(4, 3)
    gpudl.manual_seed(3)
    there = nn.Linear(4, 3, device="loopback")
    assert type(there.weight.array) is LoopbackArray and there.weight.cpu().equal(host.weight.detach())
    gpudl.manual_seed(3)
    first = gpudl.randn(5)
    gpudl.manual_seed(3)
    assert gpudl.randn(5, device="loopback").cpu().equal(first)
