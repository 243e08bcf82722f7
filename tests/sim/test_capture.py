"""Work of gpudl is captured as a CUDA graph on the sim device, and replayed on new numbers."""

import copy

import numpy as np
import pytest

import gpudl
from gpudl import nn, sim

pytestmark = pytest.mark.skipif(sim.why_unavailable() is not None, reason=str(sim.why_unavailable()))


@pytest.fixture(scope="module")
def cupy():
    sim.install()
    return pytest.importorskip("cupy")


def captured(cupy, compute):
    """The result of a function, and the graph of what it did; it is run once before, so that all is compiled."""
    stream = cupy.cuda.Stream(non_blocking=True)
    with stream:
        compute()
        stream.begin_capture()
        result = compute()
        graph = stream.end_capture()
    return result, graph, stream


def test_a_layer_forward_is_captured_and_replayed(cupy):
    gpudl.manual_seed(0)
    on_cpu = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 4))
    layer = copy.deepcopy(on_cpu).to("sim")
    x = gpudl.ones(3, 8, device="sim")
    with gpudl.no_grad():
        y, graph, stream = captured(cupy, lambda: layer(x))
        for seed in range(3):
            values = np.random.default_rng(seed).standard_normal((3, 8), dtype="float32")
            x.array.set(values)
            with sim.counting() as counted:
                graph.launch(stream)
                stream.synchronize()
            assert (counted.graph_launches, counted.launches, counted.library_calls) == (1, 0, 0)
            want = on_cpu(gpudl.tensor(values)).numpy()
            np.testing.assert_allclose(y.cpu().numpy(), want, 1e-5, 1e-5)


def test_capture_runs_nothing(cupy):
    x = gpudl.zeros(4, device="sim")
    y, graph, stream = captured(cupy, lambda: x.add_(1))
    assert y.tolist() == [1] * 4  # of the run before
    graph.launch(stream)
    graph.launch(stream)
    stream.synchronize()
    assert y.tolist() == [3] * 4


@pytest.mark.parametrize("name", ["mse_loss", "cross_entropy", "nll_loss"])
def test_a_mean_over_many_blocks_is_captured_and_replayed(cupy, name):
    """The counter by which its blocks know the last of them starts at 0 in each replay."""
    loss, (rows, columns) = getattr(nn.functional, name), (20_000, 3)
    labels = np.random.default_rng(7).integers(0, columns, rows)
    target = gpudl.zeros(rows, columns) if name == "mse_loss" else gpudl.tensor(labels)
    x, there = gpudl.zeros(rows, columns, device="sim", requires_grad=True), target.to("sim")

    def step():
        mean = loss(x, there)
        return mean.detach(), *gpudl.autograd.grad(mean, [x])

    (mean, slope), graph, stream = captured(cupy, step)
    for seed in range(3):
        values = np.random.default_rng(seed).standard_normal((rows, columns), dtype="float32")
        x.array.set(values)
        on_cpu = gpudl.tensor(values, requires_grad=True)
        want = loss(on_cpu, target)
        want.backward()
        graph.launch(stream)
        if seed == 1:  # the next one finds what this one leaves
            graph.launch(stream)
        stream.synchronize()
        np.testing.assert_allclose(mean.item(), want.item(), 1e-5)
        np.testing.assert_allclose(slope.cpu().numpy(), on_cpu.grad.numpy(), 1e-5, 1e-9)
        np.testing.assert_allclose(loss(x, there).item(), want.item(), 1e-5)  # by the counter of another stream


def test_what_reads_a_result_is_refused_in_a_capture(cupy):
    x = gpudl.ones(4, device="sim")
    stream = cupy.cuda.Stream(non_blocking=True)
    with stream:
        stream.begin_capture()
        with pytest.raises(RuntimeError, match="captur"):
            x.sum().item()
        with pytest.raises(cupy.cuda.runtime.CUDARuntimeError):
            stream.synchronize()
        with pytest.raises(cupy.cuda.runtime.CUDARuntimeError):
            stream.end_capture()


def test_a_replay_after_its_memory_is_freed_is_found(cupy):
    layer, x = nn.Linear(8, 4).to("sim"), gpudl.ones(3, 8, device="sim")
    with gpudl.no_grad():
        y, graph, stream = captured(cupy, lambda: layer(x))
    assert y.shape == (3, 4)
    layer.to("cpu")
    with pytest.raises(cupy.cuda.runtime.CUDARuntimeError, match="no live memory"):
        graph.launch(stream)
