"""The cuda backend: when it is there and when not, its arrays, its current device, and what runs where."""

import re
import threading

import numpy as np
import pytest

import gpudl
from gpudl import nn, optim
from gpudl.backend import cuda, cuda_probe, device
from tests.backend.emulated import run

DRIVER = cuda_probe.Driver


@pytest.fixture
def second(place):
    """Another device of the same type."""
    if device.require(place).count() == 1:
        pytest.skip("there is one device only; the emulated one has more with GPUDL_SIM_DEVICES=2")
    return gpudl.device(place.type, 1)


def test_importing_gpudl_and_using_the_cpu_imports_no_cupy():
    code = """
import sys, gpudl
from gpudl import nn, optim
import gpudl.cuda
x = gpudl.ones(3, requires_grad=True); (x * 2).sum().backward(); gpudl.as_tensor([1.0]); gpudl.device("cpu")
gpudl.cuda.is_available(), gpudl.cuda.device_count(), gpudl.cuda.is_initialized(), gpudl.cuda.empty_cache()
gpudl.from_dlpack(x.detach()), x.is_pinned()
print([name for name in sys.modules if name.startswith("cupy")])
"""
    if cuda_probe.driver().problem is None:
        pytest.skip("there is a GPU here")
    assert run(code) == "[]"


@pytest.mark.parametrize(
    ("driver", "installed", "expected"),
    [
        (DRIVER(0, 0, "no NVIDIA driver"), ["cupy-cuda12x"], "no NVIDIA driver"),
        (DRIVER(12040, 1, None), [], r'CuPy is not installed; run: pip install "gpudl\[cuda12\]"$'),
        (DRIVER(13000, 1, None), [], r'CuPy is not installed; run: pip install "gpudl\[cuda13\]"$'),
        (DRIVER(12040, 1, None), ["cupy-cuda12x"], None),
        (DRIVER(13000, 1, None), ["cupy-cuda12x"], None),
        (DRIVER(13000, 1, None), ["cupy"], None),
        (DRIVER(12040, 1, None), ["cupy-cuda13x"], "needs a driver for CUDA 13, and this one runs CUDA 12.4.*cuda12"),
        (DRIVER(13000, 1, None), ["cupy-cuda11x"], "not for CUDA 12 or 13.*uninstall -y cupy-cuda11x.*cuda13"),
        (DRIVER(13000, 1, None), ["cupy-cuda12x", "cupy-cuda13x"], "both installed.*uninstall -y cupy-cuda12x cupy-cu"),
    ],
)
def test_why_cuda_is_unavailable_says_the_fix_in_one_line(monkeypatch, driver, installed, expected):
    monkeypatch.setattr(cuda_probe, "driver", lambda: driver)
    monkeypatch.setattr(cuda_probe, "cupy_wheels", lambda: installed)
    monkeypatch.setattr(cuda_probe, "find_spec", lambda name: name if installed else None)
    monkeypatch.setattr(cuda, "active", lambda: None)
    why = cuda.CudaBackend().why_unavailable()
    if expected is None:
        assert why is None
    else:
        assert "\n" not in why
        assert re.search(expected, why), why


@pytest.mark.parametrize(
    ("code", "version", "devices", "expected"),
    [
        (0, 12000, 1, None),
        (0, 11080, 1, "too old: it runs CUDA 11.8, and 12.0 is needed"),
        (0, 12040, 0, "sees no GPU"),
        (100, 12040, 0, "sees no GPU; check nvidia-smi and the variable CUDA_VISIBLE_DEVICES"),
        (803, 12040, 0, "reboot"),
        (802, 12040, 0, "fabricmanager"),
        (999, 12040, 0, "CUDA error 999"),
    ],
)
def test_what_the_driver_answers_is_put_into_words(code, version, devices, expected):
    problem = cuda_probe._problem(code, version, devices)
    assert problem is None if expected is None else expected in problem


def test_a_process_has_gpus_or_emulated_ones(place):
    gpudl.ones(1, device=place)
    other = "sim" if place.type == "cuda" else "cuda"
    with pytest.raises(gpudl.DeviceError, match=f"{other}.*not available: this process .* process of its own"):
        gpudl.ones(1, device=other)
    assert not device.available(other) and device.available(place.type)


def test_auto_takes_no_emulated_device(place):
    if place.type == "cuda":
        pytest.skip("auto takes the GPU")
    code = "import gpudl; gpudl.ones(1, device='sim'); print(gpudl.device('auto'), gpudl.cuda.is_available())"
    assert run(code).endswith("cpu False")


def test_the_emulated_device_is_no_gpu(place):
    gpudl.ones(1, device=place)
    assert gpudl.cuda.is_initialized()
    assert gpudl.cuda.is_available() == (place.type == "cuda")
    assert (gpudl.cuda.device_count() > 0) == (place.type == "cuda")
    assert gpudl.cuda.device_count(place.type) == device.require(place).count() >= 1
    assert ("emulated" in gpudl.cuda.get_device_name()) == (place.type == "sim")


def test_what_a_device_is(place):
    properties = gpudl.cuda.get_device_properties(place)
    assert properties.warp_size == 32 and properties.total_memory > 1 << 20
    assert gpudl.cuda.get_device_capability(0) == (properties.major, properties.minor)
    assert gpudl.cuda.current_device() == 0 and gpudl.cuda.get_device_name(place) == properties.name
    with pytest.raises(gpudl.DeviceError, match="expected a CUDA device.*'cpu'"):
        gpudl.cuda.get_device_properties("cpu")
    with pytest.raises(gpudl.DeviceError, match="numbered from 0"):
        gpudl.cuda.get_device_properties(99)


def test_a_device_that_does_not_start_says_why(monkeypatch):
    class Broken(cuda.CudaBackend):
        type = "sim"

        def _look(self):
            return None

        def _begin(self):
            raise RuntimeError("the library is broken\nand more")

    monkeypatch.setattr(cuda, "active", lambda: None)
    with pytest.raises(gpudl.DeviceError, match="'sim' does not start: the library is broken; see: gpudl doctor$"):
        Broken().start()


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "int64", "bool"])
@pytest.mark.parametrize("value", [0, 1])
def test_full_makes_the_value_on_the_device(place, dtype, value, monkeypatch):
    backend = device.require(place)
    monkeypatch.setattr(backend, "from_host", lambda *args: pytest.fail("went through the host"))
    x = gpudl.full((2, 3), value, dtype=dtype, device=place)
    assert x.device is place and x.dtype == gpudl.full((), value, dtype=dtype).dtype
    assert x.cpu().tolist() == [[value] * 3] * 2


def test_running_extremes_and_broadcast_stay_on_the_device(place, monkeypatch):
    backend = device.require(place)
    host = np.random.default_rng(0).standard_normal((5, 7)).astype(np.float32)
    x = backend.from_host(host, place)
    monkeypatch.setattr(backend, "to_host", lambda *args: pytest.fail("went through the host"))
    results = [backend.running("maximum", x, 1), backend.sum(x, 0, True), backend.broadcast(x[:1], (4, 7))]
    monkeypatch.undo()
    expected = [np.maximum.accumulate(host, 1), host.sum(0, keepdims=True), np.broadcast_to(host[:1], (4, 7))]
    for result, wanted in zip(results, expected):
        np.testing.assert_allclose(backend.to_host(result), wanted, rtol=1e-5)


def test_array_conversion_is_refused(place):
    x = gpudl.ones(2, device=place)
    for convert in (np.asarray, np.array, lambda t: np.add(t, np.ones(2, np.float32)), lambda t: t.numpy()):
        with pytest.raises(TypeError, match=r"cpu\(\)"):
            convert(x)


def test_other_threads_compute_on_the_same_stream(place):
    """Otherwise a thread could read what another one's stream has not written yet."""
    x = gpudl.ones(3, device=place)
    seen = []

    def work():
        y = x + 1
        seen.extend([y.tolist(), device.require(place).namespace.cuda.get_current_stream().ptr])

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [[2, 2, 2], gpudl.cuda.default_stream(place).cuda_stream]
    assert seen[1] != 0


@pytest.mark.parametrize("way", ["item", "float", "tolist", "cpu", "bool"])
def test_reading_from_another_thread_waits_for_the_work(place, way):
    x = gpudl.ones((), device=place)
    streams = []
    read = {
        "item": lambda: x.item(),
        "float": lambda: float(x),
        "tolist": lambda: x.tolist(),
        "cpu": lambda: x.cpu().item(),
        "bool": lambda: bool(x),
    }[way]

    def work():
        streams.append(read())
        streams.append(device.require(place).namespace.cuda.get_current_stream().ptr)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert streams == [1, gpudl.cuda.default_stream(place).cuda_stream]


def test_a_user_s_stream_is_left_alone(place):
    backend = device.require(place)
    cupy = backend.namespace
    seen = []

    def work():
        with gpudl.cuda.stream(gpudl.cuda.Stream(place)) as stream:
            gpudl.ones(2, device=place)
            seen.append(cupy.cuda.get_current_stream().ptr == stream.cuda_stream)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [True]


def test_names_without_a_number_stand_for_the_current_device(second):
    first = gpudl.device(second.type, 0)
    with gpudl.cuda.device(second):
        assert gpudl.cuda.current_device() == 1 and gpudl.device(second.type) is second
        assert gpudl.ones(2, device=second.type).device is second
        with gpudl.cuda.device_of(gpudl.ones(1, device=first)):
            assert gpudl.cuda.current_device() == 0
        with gpudl.cuda.device_of(gpudl.ones(1)), gpudl.cuda.device(-1), gpudl.cuda.device(None):
            assert gpudl.cuda.current_device() == 1
    assert gpudl.cuda.current_device() == 0
    gpudl.cuda.set_device(second)
    try:
        assert gpudl.device(second.type) is second
    finally:
        gpudl.cuda.set_device(first)


def test_operations_run_on_their_tensors_device(second):
    """Forward, backward, sums of gradients, in-place changes and the optimizer, while device 0 is the current one."""
    gpudl.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3)).to(second)
    optimizer = optim.Adam(model.parameters(), lr=0.1)
    x = gpudl.arange(8.0).reshape(2, 4).to(second).requires_grad_()
    for _ in range(2):
        optimizer.zero_grad(set_to_none=False)
        (model(x).sum() + (x * x).sum()).backward()
        optimizer.step()
    x.grad.mul_(2)[0] = 1.0
    assert gpudl.cuda.current_device() == 0
    for tensor in (*model.parameters(), x.grad, x.grad.clone(), *(p.grad for p in model.parameters())):
        assert tensor.device is second
    gpudl.manual_seed(0)
    twin = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3))
    optimizer = optim.Adam(twin.parameters(), lr=0.1)
    host = gpudl.arange(8.0).reshape(2, 4)
    for _ in range(2):
        optimizer.zero_grad()
        twin(host).sum().backward()
        optimizer.step()
    for mine, other in zip(model.parameters(), twin.parameters()):
        np.testing.assert_allclose(mine.cpu().tolist(), other.tolist(), rtol=1e-4, atol=1e-5)


def test_copies_between_devices_do_not_touch_the_host(second, monkeypatch):
    x = gpudl.arange(6.0, device=gpudl.device(second.type, 0)).reshape(2, 3)
    backend = device.require(second)
    monkeypatch.setattr(backend, "to_host", lambda *args: pytest.fail("went through the host"))
    y = x.T.requires_grad_().to(second)
    (y * 2).sum().backward()
    monkeypatch.undo()
    assert y.device is second and y.tolist() == [[0, 3], [1, 4], [2, 5]]


def test_mixing_two_devices_names_both(second):
    first = gpudl.device(second.type, 0)
    with pytest.raises(gpudl.DeviceError, match=f"{first} and {second}"):
        gpudl.ones(2, device=first) + gpudl.ones(2, device=second)


@pytest.mark.gpu
def test_matrix_products_are_float32(place):
    if place.type != "cuda":
        pytest.skip("only a real GPU could round to TF32")
    x = gpudl.full((64, 64), 1 + 2.0**-12, device=place)
    assert (x @ x).cpu().allclose(x.cpu() @ x.cpu(), rtol=1e-6)
