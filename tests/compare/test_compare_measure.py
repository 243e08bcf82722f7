"""The numbers of a difference, and what is allowed."""

from __future__ import annotations

import math

import numpy as np
import pytest

import gpudl
from gpudl.compare.families import OWN
from gpudl.compare.measure import Difference, difference, eps_of, rms
from gpudl.compare.record import Recorder
from gpudl.compare.replay import Ran, Reference, ran
from gpudl.compare.tolerances import factor_of, family_of
from gpudl.ops.arithmetic import Add
from gpudl.ops.matmul import Matmul
from gpudl.ops.relu import Relu

BFLOAT16 = pytest.importorskip("ml_dtypes").bfloat16


def test_numbers_of_a_known_difference():
    got = np.array([1.0, 2.0, -4.5], np.float32)
    want = np.array([1.0, 2.5, -4.0])
    found = difference(got, want)
    assert found.max_abs == 0.5 and found.max_rel == 0.2 and found.excess is None and not found.departs
    assert found.ulp == 0.5 / np.spacing(np.float32(2.5))
    cosine = got.astype(np.float64) @ want / np.linalg.norm(got.astype(np.float64)) / np.linalg.norm(want)
    assert found.cosine == pytest.approx(cosine, rel=1e-12)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_ulp_is_that_of_numpy(dtype):
    want = np.array([1.0, 3.0, 1e-4, 1000.0, float(np.finfo(dtype).tiny) / 2], dtype)
    got = np.nextafter(want, np.array(np.inf, dtype))
    found = difference(got, want.astype(np.float64), factor=4.0, eps=eps_of(np.dtype(dtype).name))
    assert found.ulp == 1.0 and found.excess <= 0.25


def test_ulp_of_bfloat16():
    got = np.array([1.0078125, 256.0], BFLOAT16)
    found = difference(got, np.array([1.0, 256.0]), factor=4.0, eps=eps_of("bfloat16"))
    assert eps_of("bfloat16") == 2**-7 and found.ulp == 1.0 and found.excess == pytest.approx(0.25)


def test_share_of_what_is_allowed():
    want = np.array([1.0, 100.0])
    got = (want * (1 + 3e-6)).astype(np.float32)
    assert difference(got, want, factor=16.0, eps=eps_of("float32")).departs
    assert not difference(got, want, factor=64.0, eps=eps_of("float32")).departs
    # What the inputs' roundings make of the result counts as much as the result.
    assert not difference(got, want, factor=16.0, eps=eps_of("float32"), response=1e-4).departs


@pytest.mark.parametrize(
    ("got", "want", "departs"),
    [
        ([np.nan, 1], [np.nan, 1], False),
        ([np.inf, 1], [np.inf, 1], False),
        ([np.inf, 1], [1e300, 1], False),  # beyond float32
        ([np.inf, 1], [-np.inf, 1], True),
        ([np.nan, 1], [0, 1], True),
        ([3e38, 1], [np.inf, 1], True),
        ([0, 1], [1e-45, 1], False),
        ([0, 0], [0, 0], False),
        ([-0.0, 0], [0, 0], False),
    ],
)
def test_infinities_nans_and_zeros(got, want, departs):
    found = difference(np.array(got, np.float32), np.array(want), factor=16.0, eps=eps_of("float32"))
    assert found.departs == departs and math.isinf(found.max_abs) == departs
    assert found.cosine == 1.0


def test_moves_agree_to_the_bit():
    want = np.array([0.1, 0.2])
    got = want.astype(np.float32)
    assert difference(got, want, factor=0.0) == Difference(excess=0.0)
    got[0] = np.nextafter(got[0], np.float32(1))
    assert difference(got, want, factor=0.0).departs


def test_reference_of_others_is_not_rounded():
    got = np.array([0.1], np.float32)
    for factor in (None, 16.0):
        found = difference(got, np.array([0.1]), factor=factor, eps=eps_of("float32"))
        assert found.max_abs == abs(float(got[0]) - 0.1) > 0 and found.ulp < 0.5


def test_integers_and_bools_agree_exactly():
    assert difference(np.array([1, 2]), np.array([1, 2]), factor=0.0) == Difference(excess=0.0)
    found = difference(np.array([1, 5]), np.array([1, 2]), factor=0.0)
    assert found.departs and found.max_abs == 3
    assert difference(np.array([True]), np.array([False]), factor=0.0).departs


def test_empty_0d_and_other_shapes():
    assert difference(np.zeros((0, 3), np.float32), np.zeros((0, 3)), factor=16.0) == Difference(excess=0.0)
    assert difference(np.array(2.0, np.float32), np.array(2.0), factor=16.0).excess == 0
    assert difference(np.zeros(3, np.float32), np.zeros((1, 3)), factor=16.0).departs
    assert rms(np.zeros(0)) == 0 and rms(np.array([3.0, -3.0, np.nan])) == 3


def test_cosine_of_opposites_and_of_nothing():
    one = np.array([1.0, -2.0], np.float32)
    assert difference(-one, one.astype(np.float64)).cosine == pytest.approx(-1)
    assert difference(one, np.zeros(2)).cosine == 0
    assert difference(np.full(2, 1e-30, np.float32), np.full(2, 1e-30)).cosine == pytest.approx(1)


def test_worse_is_the_worst_of_both():
    one, other = Difference(1, 2, 3, 0.5, None), Difference(2, 1, 4, 0.7, 0.1)
    assert one.worse(other) == Difference(2, 2, 4, 0.5, 0.1)
    assert one.worse(one).excess is None


def test_families_and_factors():
    moves, elements, sums = (family_of(each) for each in (Relu, Add, Matmul))
    assert (moves, elements, sums) == ("moving and choosing", "functions of operands", "products")
    assert [factor_of(each, "float32") for each in (moves, elements, sums)] == [0, 16, 256]
    assert [factor_of(each, "float32", gradient=True) for each in (moves, elements, sums)] == [256, 256, 256]
    assert [factor_of(each, gpudl.float16) for each in (moves, elements, sums)] == [0, 4, 4]
    assert factor_of(sums, "float64", 2.0) == 512 and factor_of(elements, "bfloat16", 0.5) == 2


def test_operations_of_a_program_are_its_own_whatever_they_are_called():
    class Relu(gpudl.autograd.Function):
        pass

    assert family_of(Relu) == family_of(gpudl.autograd.Function) == family_of("NobodyKnowsThis") == OWN
    assert family_of("Relu") != OWN and factor_of(OWN, "float32") == 256


def test_moves_agree_to_the_bit_and_their_gradients_are_sums():
    index = gpudl.arange(60) % 4

    class Taking(gpudl.nn.Module):
        def forward(self, x):
            return x[index]

    x = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    recorder = Recorder(Taking(), None)
    recorder.run((gpudl.tensor(x, requires_grad=True),), None, operations=True)
    (call,) = recorder.calls
    right, reference = ran(call, gpudl.device("cpu")), Reference(call)

    def departs(forward, backward):
        results = [each * np.float32(1 + forward) for each in right.results]
        gradients = [each * np.float32(1 + backward) for each in right.gradients]
        judged = reference.judge(Ran(results, gradients), 1.0)
        return judged.forward.departs, judged.backward.departs

    assert departs(0, 0) == (False, False) and departs(0, 1e-6) == (False, False)
    assert departs(1e-6, 0) == (True, False) and departs(0, 1e-3) == (False, True)
