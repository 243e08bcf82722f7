"""Methods of Tensor that PyTorch spells otherwise or prints its own way, and the way out to NumPy and Python."""

import math

import numpy as np
import pytest
from oracle import host, ours, torch

import gpudl


def test_numpy_shares_memory(device):
    x = gpudl.zeros(2, device=device)
    if device.type != "cpu":
        with pytest.raises(TypeError, match=device.type):
            x.numpy()
        return
    array = x.numpy()
    array[0] = 1
    x[1] = 2
    np.testing.assert_array_equal(host(x), [1, 2])
    np.testing.assert_array_equal(array, [1, 2])
    with pytest.raises(RuntimeError, match="detach"):
        gpudl.zeros(2, requires_grad=True).numpy()
    assert gpudl.zeros(2, requires_grad=True).detach().numpy().shape == (2,)


def test_numpy_functions_read_tensors():
    x = gpudl.tensor([1.0, 2.0])
    assert np.asarray(x) is x.array or np.shares_memory(np.asarray(x), x.array)
    assert not np.shares_memory(np.array(x), x.array)
    assert np.asarray(x, dtype="float64").dtype == "float64"
    np.testing.assert_array_equal(np.sqrt(np.asarray(x)), np.sqrt([1.0, 2.0], dtype="float32"))


def test_numpy_arrays_and_numbers_as_operands():
    x, array = gpudl.tensor([1.0, 2.0]), np.array([3.0, 4.0])
    for result in (x + array, array + x, x * np.float32(2), np.float64(2) * x, x == array, np.int64(3) - x):
        assert isinstance(result, gpudl.Tensor)
    assert (array + x).dtype == np.float64
    for number in (np.float64(2), np.float32(2), np.float16(2), np.int64(2), np.bool_(True)):
        half = x.half()
        for result in (number * half, half * number, half / number, half**number, half.clamp(number)):
            assert result.dtype == np.float16
        assert gpudl.where(half > 1, half, number).dtype == np.float16
    assert gpudl.add(half, half, alpha=np.float64(0.5)).dtype == np.float16
    with pytest.raises(RuntimeError, match="alpha"):
        gpudl.add(gpudl.tensor([1]), 1, alpha=np.float32(0.5))
    np.testing.assert_array_equal(host(array - x), [2, 2])
    np.testing.assert_array_equal(host(np.float32(3) / x), [3, 1.5])


def test_cuda_takes_cuda_devices_only(device):
    for spec in ("cpu", gpudl.device("cpu")):
        with pytest.raises(gpudl.DeviceError, match="no CUDA device"):
            gpudl.zeros(1, device=device).cuda(spec)


def test_numpy_by_force_detaches_and_copies(device):
    x = gpudl.ones(2, device=device, requires_grad=True)
    np.testing.assert_array_equal((x * 2).numpy(force=True), [2, 2])


def test_cuda_is_never_a_silent_fallback(device):
    if device.type == "cpu":
        try:
            assert gpudl.zeros(1).cuda().device.type == "cuda"
        except gpudl.DeviceError as error:
            assert "cuda" in str(error)


REPRS = {
    "tensor(1.5)": lambda: gpudl.tensor(1.5),
    "tensor([1, 2])": lambda: gpudl.tensor([1, 2]),
    "tensor([ True])": lambda: gpudl.tensor([True]),
    "tensor([1., 2.], dtype=float64)": lambda: gpudl.tensor([1.0, 2.0], dtype=gpudl.float64),
    "tensor([1, 2], dtype=uint8)": lambda: gpudl.tensor([1, 2], dtype=gpudl.uint8),
    "tensor([0.3333, 0.6667])": lambda: gpudl.tensor([1 / 3, 2 / 3]),
    "tensor([1.], requires_grad=True)": lambda: gpudl.tensor([1.0], requires_grad=True),
    "tensor([nan, inf])": lambda: gpudl.tensor([math.nan, math.inf]),
}


@pytest.mark.parametrize("text", REPRS)
def test_repr(text):
    assert repr(REPRS[text]()) == str(REPRS[text]()) == text


def test_repr_of_other_tensors(device):
    assert "MulBackward" in repr(gpudl.ones(1, device=device, requires_grad=True) * 2)
    assert "(0, 3)" in repr(gpudl.ones(0, 3, device=device))
    assert "..." in repr(gpudl.arange(10_000, device=device))
    assert repr(gpudl.ones(2, 2, device=device)).count("\n") == 1
    assert (device.type in repr(gpudl.ones(1, device=device))) == (device.type != "cpu")


def test_format(device):
    assert f"{gpudl.tensor(1.5, device=device):.3f}" == "1.500"
    assert f"{gpudl.tensor(7, device=device):>3d}" == "  7"
    assert f"{gpudl.tensor(7, device=device)} {gpudl.tensor(True, device=device)}" == "7 True"
    assert f"{gpudl.tensor(0.5, device=device, requires_grad=True)}" == "0.5"
    assert f"{gpudl.ones(2, device=device)}" == repr(gpudl.ones(2, device=device))


def test_hash_is_identity(device):
    x, y = gpudl.ones(2, device=device), gpudl.ones(2, device=device)
    assert len({x, y, x}) == 2
    assert {x: 1}[x] == 1


def test_python_numbers(device):
    x = gpudl.tensor(2.5, device=device)
    assert (float(x), int(x), bool(x), x.item(), x.tolist()) == (2.5, 2, True, 2.5, 2.5)
    assert [10, 20, 30][gpudl.tensor(1, device=device)] == 20
    assert list(range(gpudl.tensor(3, device=device))) == [0, 1, 2]
    assert math.sqrt(gpudl.tensor([4.0], device=device)) == 2
    assert isinstance(gpudl.tensor(True, device=device).item(), bool)
    with pytest.raises(TypeError, match="index"):
        [1, 2][x]


def test_chains_of_views_share_memory(device):
    x = ours(np.zeros((2, 3, 4), "float32"), device)
    chains = (
        lambda t: t.permute(2, 0, 1).transpose(0, 1)[1].unsqueeze(0).squeeze(0),
        lambda t: t.view(6, 4).t().reshape(2, 2, 6)[:, 1],
        lambda t: t.flatten(0, 1)[::2].mT.expand(2, 4, 3),
        lambda t: t[1:].view_as(gpudl.zeros(1, 12, device=device)),
        lambda t: t.T.swapaxes(0, 1)[0, ..., None],
        lambda t: t.detach(),
        lambda t: t.contiguous(),
        lambda t: t.to(gpudl.float32),
    )
    for number, chain in enumerate(chains, 1):
        x.fill_(number)
        assert (host(chain(x)) == number).all(), f"chain {number}"
        view = chain(x)
        x.fill_(-number)
        assert (host(view) == -number).all(), f"chain {number} is a copy"


def test_copies_do_not_share_memory(device):
    x = ours(np.zeros((2, 3), "float32"), device)
    for copy in (x.clone(), x.to(gpudl.float64), x.to(gpudl.float32, copy=True), x.t().contiguous(), x[[0]], x + 0):
        x.fill_(1)
        assert (host(copy) == 0).all()
        x.zero_()


def test_views_that_memory_cannot_give_raise_and_reshape_copies(device):
    x = ours(np.arange(6.0).reshape(2, 3), device)
    with pytest.raises(gpudl.ShapeError, match="reshape"):
        x.t().view(6)
    np.testing.assert_array_equal(host(x.t().reshape(6)), [0, 3, 1, 4, 2, 5])


def test_casts_of_numbers_that_do_not_fit_are_silent_and_as_in_torch():
    values = [math.nan, math.inf, -math.inf, 300.0, -1.0, 1e20, 2.9, -2.9]
    for dtype in ("uint8", "int8", "int16", "int32", "int64", "bool", "float16", "float32"):
        got = gpudl.tensor(values, dtype=gpudl.float64).to(getattr(gpudl, dtype))
        want = torch.tensor(values, dtype=torch.float64).to(getattr(torch, dtype))
        np.testing.assert_array_equal(host(got), want.numpy(), dtype)


def test_operations_on_themselves(device):
    x = ours(np.array([1.0, 2.0]), device)
    x += x
    x *= x
    np.testing.assert_array_equal(host(x), [4, 16])
    x[:1] = x[1:]
    np.testing.assert_array_equal(host(x), [16, 16])
    y = ours(np.arange(5.0), device)
    y[1:] = y[:-1]
    np.testing.assert_array_equal(host(y), [0, 0, 1, 2, 3])
    z = ours(np.arange(4.0).reshape(2, 2), device)
    z.copy_(z.t())
    np.testing.assert_array_equal(host(z), [[0, 2], [1, 3]])


def test_memory_of_a_tensor(device):
    x = gpudl.zeros(2, 3, dtype="float64", device=device)
    assert x.nbytes == 48
    assert x.is_cuda == (str(x.device) != "cpu")
