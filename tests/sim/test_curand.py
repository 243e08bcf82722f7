"""The cuRAND stand-in: seeds and offsets, the shapes of its distributions, what it refuses."""

import ctypes

import numpy as np
import pytest
from native_driver import RELAXED, requires_driver

pytestmark = requires_driver
COUNT = 20000


@pytest.fixture
def generator(cuda):
    generator = cuda.made("curandCreateGenerator", 100)
    cuda.call("curandSetPseudoRandomGeneratorSeed", generator, 7)
    yield generator
    cuda.call("curandDestroyGenerator", generator)


def draw(cuda, generator, name, dtype, *parameters, count=COUNT):
    pointer = cuda.array(np.zeros(count), dtype)
    kind = ctypes.c_float if dtype == "f4" else ctypes.c_double
    cuda.call(f"curandGenerate{name}", generator, pointer, count, *map(kind, parameters))
    return cuda.get(pointer, count, dtype)


def test_one_seed_gives_one_sequence(cuda, generator):
    first = draw(cuda, generator, "Uniform", "f4")
    second = draw(cuda, generator, "Uniform", "f4")
    assert not (first == second).any()
    cuda.call("curandSetGeneratorOffset", generator, COUNT)
    np.testing.assert_array_equal(draw(cuda, generator, "Uniform", "f4"), second)
    cuda.call("curandSetPseudoRandomGeneratorSeed", generator, 7)
    np.testing.assert_array_equal(draw(cuda, generator, "Uniform", "f4"), first)
    cuda.call("curandSetPseudoRandomGeneratorSeed", generator, 8)
    assert not (draw(cuda, generator, "Uniform", "f4") == first).any()


@pytest.mark.parametrize("name, dtype", [("", "u4"), ("LongLong", "u8")])
def test_every_bit_is_as_often_one_as_zero(cuda, generator, name, dtype):
    bits = np.unpackbits(draw(cuda, generator, name, dtype).view("u1").reshape(COUNT, -1), axis=1)
    assert abs(bits.mean(0) - 0.5).max() < 0.02
    assert abs(np.corrcoef(bits.T) - np.eye(bits.shape[1])).max() < 0.05


@pytest.mark.parametrize("suffix, dtype", [("", "f4"), ("Double", "f8")])
def test_distributions(cuda, generator, suffix, dtype):
    uniform = draw(cuda, generator, f"Uniform{suffix}", dtype)
    assert 0 < uniform.min() < 0.001 and 0.999 < uniform.max() <= 1
    assert abs(np.histogram(uniform, 20)[0] / COUNT - 0.05).max() < 0.01
    normal = draw(cuda, generator, f"Normal{suffix}", dtype, 3, 2)
    assert abs(normal.mean() - 3) < 0.06 and abs(normal.std() - 2) < 0.06
    assert abs((abs(normal - 3) < 2).mean() - 0.6827) < 0.015 and abs((normal > 7).mean() - 0.0228) < 0.005
    logarithms = np.log(draw(cuda, generator, f"LogNormal{suffix}", dtype, 1, 0.5))
    assert abs(logarithms.mean() - 1) < 0.02 and abs(logarithms.std() - 0.5) < 0.02


@pytest.mark.parametrize("rate", [0.5, 5.0, 40.0, 3000.0])
def test_poisson(cuda, generator, rate):
    pointer = cuda.array(np.zeros(COUNT), "u4")
    cuda.call("curandGeneratePoisson", generator, pointer, COUNT, ctypes.c_double(rate))
    values = cuda.get(pointer, COUNT, "u4").astype("f8")
    assert abs(values.mean() - rate) < 5 * (rate / COUNT) ** 0.5
    assert abs(values.var() / rate - 1) < 0.06


def test_what_is_refused(cuda, generator, capfd):
    pointer = cuda.array(np.zeros(8))
    three = generator, pointer, 3, ctypes.c_float(0), ctypes.c_float(1)
    assert cuda.status("curandGenerateNormal", *three) == 105
    assert "in pairs" in capfd.readouterr().err
    assert cuda.status("curandGenerateUniform", generator, pointer, 9) == 201
    assert "operand output" in capfd.readouterr().err
    assert cuda.status("curandGeneratePoisson", generator, pointer, 8, ctypes.c_double(-1)) == 104
    assert cuda.status("curandCreateGenerator", ctypes.byref(ctypes.c_void_p()), 201) == 103
    assert cuda.status("curandSetStream", pointer, 0) == 101


def test_each_replay_draws_anew(cuda, generator):
    pointer, stream = cuda.array(np.zeros(8)), cuda.stream()
    cuda.call("curandSetStream", generator, stream)
    cuda.capture(stream, RELAXED)
    cuda.call("curandGenerateUniform", generator, pointer, 8)
    replay = cuda.instantiate(cuda.end(stream))
    seen = []
    for _ in range(2):
        cuda.call("cudaGraphLaunch", replay, stream)
        seen.append(cuda.get(pointer, 8))
    assert seen[0].all() and not (seen[0] == seen[1]).any()
