"""Random numbers on a device are those of the CPU, bit for bit, and nothing is drawn or fetched by the host."""

from functools import partial

import numpy as np
import pytest
from on_gpu import gpu, launches  # noqa: F401

import gpudl
from gpudl import nn, sim
from gpudl.backend.debug import debug
from gpudl.backend.device import require, to_host
from gpudl.backend.dtypes import dtype_of
from gpudl.nn import functional as F
from gpudl.ops.random_fill import drawn
from gpudl.random import Stream, stream

FLOATS = ("float32", "float64", "float16", "bfloat16")
INTEGERS = ("bool", "uint8", "int8", "int16", "int32", "int64")
LAWS = [
    ("uniform", (0.0, 1.0)),
    ("uniform", (-3.0, 5.5)),
    ("uniform", (1.0, 1.01)),
    ("normal", (0.0, 1.0)),
    ("normal", (-2.0, 0.02)),
    ("log_normal", (0.5, 1.5)),
    ("exponential", (0.7,)),
    ("cauchy", (0.5, 2.0)),
    ("geometric", (0.2,)),
    ("coin", (0.3, False)),
    ("coin", (0.3, True)),
]


@pytest.fixture(autouse=True)
def debug_mode():
    """Off, since debug mode looks at what devices hold."""
    with debug(False):
        yield


def bits(x):
    return np.atleast_1d(np.asarray(x)).view(np.uint8)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(("law", "numbers"), LAWS, ids=str)
def test_numbers_have_the_bits_of_the_cpu(gpu, law, numbers, dtype):  # noqa: F811
    kind = dtype_of(dtype)
    for count, before in ((0, 0), (1, 0), (7, 0), (8, 4), (9, 1), (64, 2), (1031, 3), (40003, 0)):
        outcomes = []
        for place in (gpudl.device("cpu"), gpu):
            require(place)
            made = stream("test", count)
            made.words(before)
            with np.errstate(over="ignore"):
                first = to_host(drawn(place, (count,), kind, made, law, *numbers))
                second = to_host(drawn(place, (3,), kind, made, law, *numbers))
            outcomes.append((first, second, made.position, made.words(2)))
        for got, want in zip(*outcomes[::-1]):
            np.testing.assert_array_equal(bits(got), bits(want), f"{law} of {count} {dtype} after {before} words")


@pytest.mark.parametrize("dtype", [*FLOATS, *INTEGERS])
def test_integers_have_the_bits_of_the_cpu(gpu, dtype):  # noqa: F811
    bounds = [(0, 2), (0, 1)]
    if dtype not in ("bool",):
        bounds += [(3, 100)]
    if dtype in ("int64", "float64"):
        bounds += [(-(2**63), 2**63), (-5, 2**40), (2**62, 2**63)]
    for low, high in bounds:
        for count in (1, 5, 1031):
            got, want = (
                to_host(drawn(place, (count,), dtype_of(dtype), stream("test", 7), "integers", low, high))
                for place in (gpu, gpudl.device("cpu"))
            )
            np.testing.assert_array_equal(bits(got), bits(want), f"{low} to {high} as {dtype}")


CALLS = {
    "rand": lambda place: gpudl.rand(3, 5, device=place),
    "rand_half": lambda place: gpudl.rand(3, 5, device=place, dtype=gpudl.float16),
    "randn": lambda place: gpudl.randn(3, 5, device=place),
    "randint": lambda place: gpudl.randint(2, 9, (3, 5), device=place),
    "randint_bytes": lambda place: gpudl.randint(256, (3, 5), device=place, dtype=gpudl.uint8),
    "rand_like": lambda place: gpudl.rand_like(gpudl.zeros(3, 5, device=place)),
    "normal": lambda place: gpudl.normal(1.0, 2.0, (3, 5), device=place),
    "normal_of": lambda place: gpudl.normal(gpudl.ones(3, 5, device=place), gpudl.full((5,), 2.0, device=place)),
    "bernoulli": lambda place: gpudl.bernoulli(gpudl.full((3, 5), 0.5, device=place)),
    "bernoulli_p": lambda place: gpudl.bernoulli(gpudl.zeros(3, 5, device=place, dtype=gpudl.int32), 0.5),
    "bernoulli_": lambda place: gpudl.zeros(3, 5, device=place).bernoulli_(0.25),
    "bernoulli_of": lambda place: gpudl.zeros(3, 5, device=place).bernoulli_(gpudl.full((5,), 0.5, device=place)),
    "uniform_": lambda place: gpudl.zeros(3, 5, device=place).uniform_(-1, 1),
    "normal_": lambda place: gpudl.zeros(3, 5, device=place).normal_(2, 3),
    "log_normal_": lambda place: gpudl.zeros(3, 5, device=place).log_normal_(),
    "exponential_": lambda place: gpudl.zeros(3, 5, device=place).exponential_(2.0),
    "cauchy_": lambda place: gpudl.zeros(3, 5, device=place).cauchy_(),
    "geometric_": lambda place: gpudl.zeros(3, 5, device=place, dtype=gpudl.int8).geometric_(1e-4),
    "random_": lambda place: gpudl.zeros(3, 5, device=place, dtype=gpudl.int64).random_(),
    "kaiming_uniform_": lambda place: nn.init.kaiming_uniform_(gpudl.zeros(3, 5, device=place)),
    "xavier_normal_": lambda place: nn.init.xavier_normal_(gpudl.zeros(3, 5, device=place)),
    "of_columns": lambda place: nn.init.uniform_(gpudl.zeros(5, 3, device=place).T),
    "linear": lambda place: nn.Linear(3, 5, device=place).weight,
    "dropout": lambda place: F.dropout(gpudl.ones(3, 5, device=place)),
    "dropout2d": lambda place: F.dropout2d(gpudl.ones(3, 5, 2, 2, device=place)),
    "rrelu": lambda place: F.rrelu(gpudl.full((3, 5), -1.0, device=place), training=True),
}


@pytest.mark.parametrize("name", CALLS)
def test_calls_give_the_bits_of_the_cpu(gpu, name):  # noqa: F811
    outcomes = []
    for place in ("cpu", gpu):
        gpudl.manual_seed(11)
        outcomes.append(to_host(CALLS[name](place).detach().array))
    np.testing.assert_array_equal(bits(np.ascontiguousarray(outcomes[1])), bits(np.ascontiguousarray(outcomes[0])))


def test_gumbel_softmax_is_that_of_the_cpu_to_rounding(gpu):  # noqa: F811
    outcomes = []
    for place in ("cpu", gpu):
        gpudl.manual_seed(11)
        outcomes.append(to_host(F.gumbel_softmax(gpudl.zeros(3, 5, device=place)).array))
    np.testing.assert_allclose(outcomes[1], outcomes[0], 1e-5)


@pytest.mark.parametrize("name", [*CALLS, "gumbel_softmax"])
def test_nothing_passes_between_host_and_device(gpu, name):  # noqa: F811
    call = partial(F.gumbel_softmax, gpudl.zeros(3, 5, device=gpu)) if name == "gumbel_softmax" else None
    call = call or partial(CALLS[name], gpu)
    call()
    launches(gpu)  # which skips where nobody counts
    before = sim.counters()
    call()
    passed = sim.counters() - before
    assert (passed.host_to_device, passed.device_to_host, passed.synchronizations) == (0, 0, 0)


@pytest.mark.parametrize(("call", "most"), [("rand", 1), ("randn", 1), ("randint", 1), ("uniform_", 3)])
def test_a_fill_is_one_launch(gpu, call, most):  # noqa: F811
    CALLS[call](gpu)
    before = launches(gpu)
    CALLS[call](gpu)
    assert launches(gpu) - before <= most


def test_what_makes_no_law_is_refused_everywhere(gpu):  # noqa: F811
    for place in (gpudl.device("cpu"), gpu):
        require(place)
        with pytest.raises(ValueError, match="low < high"):
            drawn(place, (3,), dtype_of("float32"), Stream((0, 0)), "uniform", 2.0, 1.0)
        with pytest.raises(ValueError, match="std must be"):
            drawn(place, (3,), dtype_of("float16"), Stream((0, 0)), "normal", 0.0, 1e9)
        with debug(), pytest.raises(RuntimeError, match="probabilities"):
            gpudl.bernoulli(gpudl.full((3,), 1.5, device=place))
        with debug(), pytest.raises(RuntimeError, match="deviations"):
            gpudl.normal(0.0, gpudl.full((3,), -1.0, device=place))


def test_a_stream_goes_on_after_words_that_were_skipped():
    for count in (0, 1, 4, 7, 1000):
        one, other = stream("test"), stream("test")
        one.words(3)
        other.words(3)
        one.skip(count)
        other.words(count)
        assert one.position == other.position
        np.testing.assert_array_equal(one.words(9), other.words(9))
    with pytest.raises(ValueError, match="negative"):
        stream("test").skip(-1)
