"""Initial values against torch.nn.init: bounds, moments, errors; and one seed, the same bits."""

import math
import re

import numpy as np
import pytest

from gpudl.autograd.tensor import wrap
from gpudl.nn import init
from gpudl.random import init_stream, manual_seed, stream

torch = pytest.importorskip("torch")

RANDOM = {
    "uniform_": lambda t: init.uniform_(t, -0.25, 0.5),
    "normal_": lambda t: init.normal_(t, 1.0, 0.5),
    "trunc_normal_": lambda t: init.trunc_normal_(t, 0.5, 1.0, -1.0, 1.5),
    "xavier_uniform_": init.xavier_uniform_,
    "xavier_normal_": init.xavier_normal_,
    "kaiming_uniform_": lambda t: init.kaiming_uniform_(t, math.sqrt(5)),
    "kaiming_normal_": lambda t: init.kaiming_normal_(t, mode="fan_out", nonlinearity="relu"),
    "orthogonal_": init.orthogonal_,
}


def empty(*shape, dtype="float32"):
    return wrap(np.full(shape, -99, dtype), None)


@pytest.fixture(autouse=True)
def _seed():
    manual_seed(0)


@pytest.mark.parametrize("name", RANDOM)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("shape", [(3, 4), (8, 3, 3, 3)])
def test_fills_in_place_and_counts_the_change(name, dtype, shape):
    t = empty(*shape, dtype=dtype)
    array, version = t.array, t._version[0]
    assert RANDOM[name](t) is t
    assert t.array is array
    assert array.dtype == dtype
    assert t._version[0] == version + 1
    assert np.isfinite(array).all()
    assert (array != -99).all()
    assert len(np.unique(array)) > array.size // 2


@pytest.mark.parametrize("name", RANDOM)
def test_same_seed_same_bits_whatever_else_is_drawn(name):
    first = [RANDOM[name](empty(8, 3, 3, 3)).array for _ in range(2)]
    assert not np.array_equal(*first)
    manual_seed(0)
    again = []
    for _ in range(2):
        stream("dropout", 1).normal(50)
        again.append(RANDOM[name](empty(8, 3, 3, 3)).array)
    assert np.array_equal(first, again)
    manual_seed(1)
    assert not np.array_equal(RANDOM[name](empty(8, 3, 3, 3)).array, first[0])


@pytest.mark.parametrize("name", RANDOM)
def test_each_tensor_takes_one_init_stream_unless_given_a_generator(name):
    RANDOM[name](empty(4, 5))
    assert init_stream().index[1] == 1
    t = empty(8, 3, 3, 3)
    getattr(init, name)(t, generator=stream("mine", seed=3))
    assert init_stream().index[1] == 2
    assert np.array_equal(t.array, getattr(init, name)(empty(8, 3, 3, 3), generator=stream("mine", seed=3)).array)


def test_views_are_written_through():
    whole = np.zeros((6, 8), np.float32)
    init.normal_(wrap(whole[::2, ::2].T, None))
    assert (whole[::2, ::2] != 0).all()
    assert np.count_nonzero(whole) == 12


@pytest.mark.parametrize("shape", [(400, 300), (64, 48, 5, 5)])
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("uniform_", {}),
        ("uniform_", {"a": -3.0, "b": 0.5}),
        ("xavier_uniform_", {}),
        ("xavier_uniform_", {"gain": 5 / 3}),
        ("kaiming_uniform_", {}),
        ("kaiming_uniform_", {"a": math.sqrt(5)}),
        ("kaiming_uniform_", {"mode": "fan_out", "nonlinearity": "relu"}),
        ("kaiming_uniform_", {"mode": "FAN_OUT", "nonlinearity": "tanh"}),
    ],
)
def test_uniform_bounds_are_torchs(name, arguments, shape):
    x = getattr(init, name)(empty(*shape), **arguments).array
    oracle = getattr(torch.nn.init, name)(torch.empty(shape), **arguments)
    width = float(oracle.max() - oracle.min())
    assert x.min() == pytest.approx(float(oracle.min()), abs=2e-4 * width)
    assert x.max() == pytest.approx(float(oracle.max()), abs=2e-4 * width)
    assert x.mean(dtype="f8") == pytest.approx((x.max() + x.min()) / 2, abs=5e-3 * width)
    assert x.std(dtype="f8") == pytest.approx(width / math.sqrt(12), rel=0.01)


@pytest.mark.parametrize("shape", [(400, 300), (64, 48, 5, 5)])
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("normal_", {}),
        ("normal_", {"mean": 3.0, "std": 0.02}),
        ("xavier_normal_", {}),
        ("xavier_normal_", {"gain": math.sqrt(2)}),
        ("kaiming_normal_", {}),
        ("kaiming_normal_", {"a": 0.3, "mode": "fan_out"}),
        ("kaiming_normal_", {"nonlinearity": "selu"}),
        ("trunc_normal_", {}),
        ("trunc_normal_", {"std": 0.02}),
        ("trunc_normal_", {"mean": 1.0, "std": 2.0, "a": 0.5, "b": 1.5}),
        ("trunc_normal_", {"std": 1.0, "a": 1.5, "b": 3.0}),
    ],
)
def test_normal_moments_are_torchs(name, arguments, shape):
    x = getattr(init, name)(empty(*shape), **arguments).array.astype("f8")
    torch.manual_seed(0)
    oracle = getattr(torch.nn.init, name)(torch.empty(shape), **arguments).double().numpy()
    deviation = oracle.std()
    assert x.mean() == pytest.approx(oracle.mean(), abs=0.02 * deviation)
    assert x.std() == pytest.approx(deviation, rel=0.02)
    levels = [0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99]
    np.testing.assert_allclose(np.quantile(x, levels), np.quantile(oracle, levels), rtol=0, atol=0.06 * deviation)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize(
    ("a", "b"), [(-1.0, 1.0), (0.1, 0.2), (1.0, 1.0), (-math.inf, 0.3), (2.0, math.inf), (2.0, 1e9)]
)
def test_trunc_normal_stays_within_its_bounds(a, b, dtype):
    x = init.trunc_normal_(empty(5000, dtype=dtype), a=a, b=b).array
    assert x.min() >= x.dtype.type(a)
    assert float(x.max()) <= float(np.dtype(dtype).type(min(b, 6e4)))
    assert (len(np.unique(x)) > 50) == (a < b)


@pytest.mark.parametrize(("a", "b", "bound"), [(5e8, 1e9, 5e8), (-1e9, -5e8, -5e8)])
def test_trunc_normal_far_from_the_mean_warns_and_ends(a, b, bound):
    with pytest.warns(UserWarning, match="more than 2 std"):
        assert set(init.trunc_normal_(empty(50), a=a, b=b).array.tolist()) == {bound}


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (5, 5), (8, 3, 3, 3), (2, 0), (1, 1)])
def test_orthogonal_rows_or_columns(shape):
    x = init.orthogonal_(empty(*shape, dtype="float64"), gain=2.0).array.reshape(shape[0], -1)
    if x.size:
        product = x @ x.T if x.shape[0] <= x.shape[1] else x.T @ x
        np.testing.assert_allclose(product, 4 * np.eye(min(x.shape)), atol=1e-12)


def test_orthogonal_has_no_preferred_sign():
    diagonals = [init.orthogonal_(empty(2, 2)).array[0, 0] for _ in range(400)]
    assert 150 < sum(value > 0 for value in diagonals) < 250


@pytest.mark.parametrize("shape", [(3, 4), (4, 3), (0, 3)])
def test_eye(shape):
    assert np.array_equal(init.eye_(empty(*shape)).array, torch.nn.init.eye_(torch.empty(shape)).numpy())


def test_constants():
    assert set(init.constant_(empty(3, 4), 0.3).array.ravel().tolist()) == {float(np.float32(0.3))}
    assert set(init.ones_(empty(3, dtype="int64")).array.tolist()) == {1}
    assert set(init.zeros_(empty(2, 2, dtype="bool")).array.ravel().tolist()) == {False}
    assert init.constant_(empty(), 7).array.item() == 7


@pytest.mark.parametrize("shape", [(3, 4), (8, 3, 3, 3), (5, 2, 7), (0, 4), (3, 0, 2)])
def test_fans_are_torchs(shape):
    oracle = torch.nn.init._calculate_fan_in_and_fan_out(torch.empty(shape))
    assert init._calculate_fan_in_and_fan_out(empty(*shape)) == oracle


@pytest.mark.parametrize(
    "arguments",
    [
        *[
            (name,)
            for name in ("linear", "conv2d", "conv_transpose3d", "sigmoid", "tanh", "relu", "selu", "leaky_relu")
        ],
        ("leaky_relu", 0.2),
        ("leaky_relu", 1),
        ("relu", "ignored"),
    ],
)
def test_gains_are_torchs(arguments):
    assert init.calculate_gain(*arguments) == torch.nn.init.calculate_gain(*arguments)


@pytest.mark.parametrize(
    ("name", "shape", "arguments", "message"),
    [
        ("xavier_uniform_", (4,), {}, "2 or more dimensions, got shape (4,)"),
        ("xavier_normal_", (), {}, "2 or more dimensions, got shape ()"),
        ("kaiming_uniform_", (4,), {}, "2 or more dimensions"),
        ("kaiming_normal_", (4,), {}, "2 or more dimensions"),
        ("orthogonal_", (4,), {}, "orthogonal_: needs a tensor of 2 or more dimensions"),
        ("eye_", (4,), {}, "eye_: needs a tensor of 2 dimensions"),
        ("eye_", (2, 3, 4), {}, "got shape (2, 3, 4)"),
        ("kaiming_uniform_", (3, 4), {"mode": "fan"}, "got 'fan'"),
        ("kaiming_normal_", (3, 4), {"nonlinearity": "swish"}, "'swish'"),
        ("kaiming_normal_", (3, 4), {"a": True}, "slope"),
        ("uniform_", (3,), {"a": 1, "b": 0}, "low=1, high=0"),
        ("normal_", (3,), {"std": -1}, "std=-1"),
        ("trunc_normal_", (3,), {"a": 2, "b": -2}, "a <= b"),
        ("xavier_normal_", (3, 3), {"gain": -1}, "std"),
    ],
)
def test_errors_where_torch_has_them(name, shape, arguments, message):
    t = empty(*shape)
    with pytest.raises(ValueError, match=re.escape(message)):
        getattr(init, name)(t, **arguments)
    assert (t.array == -99).all()
    with pytest.raises((ValueError, RuntimeError)):
        getattr(torch.nn.init, name)(torch.empty(shape), **arguments)


@pytest.mark.parametrize("name", RANDOM)
def test_integer_tensors_are_refused(name):
    with pytest.raises(TypeError, match=f"{name}: needs a floating point tensor, got int64"):
        RANDOM[name](empty(3, 4, dtype="int64"))


@pytest.mark.parametrize("std", [0, -1, math.nan, math.inf])
def test_trunc_normal_needs_a_positive_std(std):
    with pytest.raises(ValueError, match="std > 0"):
        init.trunc_normal_(empty(3), std=std)


@pytest.mark.parametrize("name", RANDOM)
def test_tensors_without_elements(name):
    t = empty(0, 4)
    if name.startswith("kaiming"):
        with pytest.warns(UserWarning, match=f"{name}: the tensor has no elements"):
            assert RANDOM[name](t) is t
    else:
        assert RANDOM[name](t) is t
    if name.startswith("xavier"):
        RANDOM[name](empty(0, 0))


def test_degenerate_distributions_are_constants_as_in_torch():
    assert set(init.uniform_(empty(9), 2, 2).array.tolist()) == {2.0}
    assert set(init.normal_(empty(9), 3, 0).array.tolist()) == {3.0}
    assert set(init.xavier_uniform_(empty(3, 3), gain=0).array.ravel().tolist()) == {0.0}
