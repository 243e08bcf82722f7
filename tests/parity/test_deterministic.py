"""Deterministic mode: what may differ from run to run is an error that names it; nothing of gpudl's own does."""

import threading
import warnings

import numpy as np
import pytest

import gpudl
from gpudl import nn
from gpudl.autograd import Function, Primitive, nondeterministic
from gpudl.backend.arrays import xp_of
from gpudl.backend.device import require, transfer
from gpudl.backend.kernel import KERNELS, kernel
from gpudl.backend.unordered import UNORDERED


@pytest.fixture(autouse=True)
def off():
    yield
    gpudl.deterministic(False)


class Spread(Primitive):
    """An operation of a program's own whose backward adds with atomics."""

    def forward(ctx, x):
        return x * 2

    @nondeterministic("adds floats with atomics", instead="gpudl.scatter_add")
    def backward(ctx, dy):
        return dy * 2


class Shuffled(Function):
    @staticmethod
    @nondeterministic("asks the clock", instead="gpudl.randperm", op="shuffled")
    def forward(ctx, x):
        return x + 1


def test_the_mode_is_off_at_first_and_ends_with_its_block():
    assert not gpudl.is_deterministic()
    with gpudl.deterministic():
        assert gpudl.is_deterministic()
        with gpudl.deterministic(False):
            assert not gpudl.is_deterministic()
        assert gpudl.is_deterministic()
    assert not gpudl.is_deterministic()
    gpudl.deterministic(True)
    assert gpudl.is_deterministic()
    with gpudl.deterministic(False):
        assert not gpudl.is_deterministic()
    assert gpudl.is_deterministic()


def test_an_exception_ends_the_block_as_well():
    with pytest.raises(KeyError), gpudl.deterministic():
        raise KeyError
    assert not gpudl.is_deterministic()


def test_a_block_may_be_kept_and_entered_again():
    mode = gpudl.deterministic(True)
    gpudl.deterministic(False)
    for _ in range(2):
        with mode:
            assert gpudl.is_deterministic()
        assert not gpudl.is_deterministic()
    gpudl.deterministic(True, warn_only=True)
    with mode, mode:
        assert gpudl.get_deterministic_debug_mode() == 2
    assert gpudl.get_deterministic_debug_mode() == 1


def test_all_threads_are_under_the_mode():
    seen = []
    with gpudl.deterministic():
        thread = threading.Thread(target=lambda: seen.append(gpudl.is_deterministic()))
        thread.start()
        thread.join()
    assert seen == [True]


def test_pytorchs_names_do_the_same():
    torch = pytest.importorskip("torch")
    for lib in (gpudl, torch):
        found = []
        for calls in ((True,), (True, True), (False,), ("warn",), ("error",), ("default",), (2,), (1,), (0,)):
            if isinstance(calls[0], bool):
                lib.use_deterministic_algorithms(calls[0], warn_only=len(calls) > 1)
            else:
                lib.set_deterministic_debug_mode(calls[0])
            found.append(
                (
                    lib.are_deterministic_algorithms_enabled(),
                    lib.is_deterministic_algorithms_warn_only_enabled(),
                    lib.get_deterministic_debug_mode(),
                )
            )
        if lib is gpudl:
            ours = found
    assert ours == found


@pytest.mark.parametrize(("mode", "error"), [("loud", ValueError), (3, ValueError), (-1, ValueError), (1.0, TypeError)])
def test_other_debug_modes_are_refused(mode, error):
    with pytest.raises(error, match="set_deterministic_debug_mode"):
        gpudl.set_deterministic_debug_mode(mode)
    assert gpudl.get_deterministic_debug_mode() == 0


def test_what_is_marked_raises_and_says_where_and_what_else(device):
    x = gpudl.ones(3, device=device, requires_grad=True)
    y = Spread.apply(x).sum()
    with gpudl.deterministic(), pytest.raises(gpudl.DeterminismError) as caught:
        y.backward()
    message = str(caught.value)
    assert isinstance(caught.value, RuntimeError)
    assert (
        message.startswith(__file__) and "Spread.backward is not deterministic: it adds floats with atomics" in message
    )
    assert "use gpudl.scatter_add instead" in message and "gpudl.deterministic(False)" in message


def test_a_mark_changes_nothing_outside_of_the_mode(device):
    x = gpudl.ones(3, device=device, requires_grad=True)
    Spread.apply(x).sum().backward()
    assert x.grad.tolist() == [2, 2, 2]
    assert Spread.backward.__name__ == "backward" and Shuffled.apply(x).tolist() == [2, 2, 2]


def test_a_function_may_be_marked_with_a_name_of_its_own():
    with gpudl.deterministic(), pytest.raises(gpudl.DeterminismError, match=": shuffled is not deterministic: it asks"):
        Shuffled.apply(gpudl.ones(3))


def test_warn_only_warns_and_goes_on():
    with gpudl.deterministic(warn_only=True), pytest.warns(UserWarning, match="shuffled is not deterministic"):
        assert Shuffled.apply(gpudl.ones(3)).tolist() == [2, 2, 2]


def test_a_marked_body_of_a_kernel_leaves_the_other_devices_alone(device):
    @kernel
    def doubled_in_test(x):
        return x * 2

    @doubled_in_test.cuda("float32")
    @nondeterministic("doubles in any order", instead="x + x")
    def doubled_in_test_cuda(x):
        return x + x

    try:
        require(device)
        x = transfer(np.ones(2, "float32"), device)
        with gpudl.deterministic():
            if device.type == "cpu":
                assert doubled_in_test(x).tolist() == [2, 2]
            else:
                with pytest.raises(gpudl.DeterminismError, match="doubled_in_test_cuda"):
                    doubled_in_test(x)
    finally:
        del KERNELS["doubled_in_test"]


X, BINS = np.array([0.5, 1.5, 2.5], "float32"), np.array([0, 1, 1])
# name -> arguments that results depend on the order for, arguments that they do not, and the result of the latter
CALLS = {
    "add.at": ((X, BINS, X), (BINS, BINS, BINS), None),
    "bincount": ((BINS, X), (BINS,), [1, 2]),
    "histogram": ((X, 2, (0, 3), False, X), (X, 2, (0, 3)), None),
    "histogram2d": ((X, X, 2, None, X), (X, X, 2), None),
    "histogramdd": ((X[:, None], 2, None, X), (X[:, None], 2), None),
    "cumsum": ((X,), (X, 0), [0.5, 2, 4.5]),
    "cumprod": ((X,), (BINS,), [0, 0, 0]),
    "nancumsum": ((X,), (X, 0), [0.5, 2, 4.5]),
    "nancumprod": ((BINS, None, "float32"), (BINS,), [0, 0, 0]),
    "put": ((X, BINS, X), None, None),
    "put_along_axis": ((X, BINS, X, 0), None, None),
}


def test_every_function_of_cupy_on_the_list_is_tried():
    assert set(CALLS) == {each.name for each in UNORDERED}


@pytest.mark.parametrize("name", CALLS)
def test_functions_of_cupy_that_depend_on_an_order_raise(device, name):
    if device.type == "cpu":
        pytest.skip("NumPy has one order")
    require(device)

    def moved(args):
        return [transfer(each.copy(), device) if isinstance(each, np.ndarray) else each for each in args]

    function = xp_of(transfer(X, device))
    for part in name.split("."):
        function = getattr(function, part)
    refused, allowed, result = CALLS[name]
    with gpudl.deterministic():
        with pytest.raises(gpudl.DeterminismError, match=f"{name} of CuPy.*is not deterministic.*use .* instead"):
            function(*moved(refused))
        if allowed is not None:
            got = function(*moved(allowed))
            assert result is None or got.tolist() == result


def test_ufuncs_with_marks_are_still_themselves(device):
    require(device)
    x = transfer(X, device)
    xp = xp_of(x)
    assert xp.add(x, 1).tolist() == [1.5, 2.5, 3.5] and xp.add.nin == 2
    total = xp.zeros(3, "float32")
    xp.add.at(total, transfer(BINS, device), x)
    assert total.tolist() == [0.5, 4, 0]


def test_what_adds_at_places_is_deterministic(device):
    """PyTorch refuses some of these on a GPU: gradients of reading, counts with weights, scattered sums."""
    gpudl.manual_seed(0)
    index = gpudl.randint(0, 5, (300,), device=device)
    values = gpudl.randn(300, device=device)
    table = gpudl.randn(5, 4, device=device, requires_grad=True)
    image = gpudl.randn(1, 2, 6, 6, device=device, requires_grad=True)
    grid = gpudl.rand(1, 5, 5, 2, device=device) * 2 - 1

    def results():
        table.grad = image.grad = None
        (nn.functional.embedding(index, table) * values[:, None]).sum().backward()
        table[index].prod(1).sum().backward()
        nn.functional.max_pool2d(image, 3, 1).sum().backward()
        nn.functional.interpolate(image, (9, 9), mode="bilinear").square().sum().backward()
        nn.functional.grid_sample(image, grid, align_corners=False).sum().backward()
        zeros = gpudl.zeros(5, device=device)
        return [
            table.grad,
            image.grad,
            gpudl.bincount(index, values),
            zeros.scatter_add(0, index, values),
            zeros.index_add(0, index, values),
            zeros.index_put((index,), values, accumulate=True),
            zeros.scatter_reduce(0, index, values, "mean"),
            zeros.put(index, values),
            values.cumsum(0),
            nn.functional.nll_loss(values.reshape(100, 3), index[:100] % 3),
        ]

    with warnings.catch_warnings(), gpudl.deterministic():
        warnings.simplefilter("error")
        first, second = results(), results()
    for one, other in zip(first, second):
        assert one.cpu().numpy().tobytes() == other.cpu().numpy().tobytes()
