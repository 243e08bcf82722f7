"""assert_close lets pass what agrees, and nothing else."""

import numpy as np
import pytest
from tolerances import TOLERANCES, assert_close, tolerance

NAN, INF = np.nan, np.inf


def pair(got, want, dtype="float32"):
    return np.array(got, dtype), np.array(want, dtype)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("same", [[], 0.0, [NAN], [INF, -INF], [[1.0, NAN, INF, -2.0]], [65504.0]])
def test_what_is_the_same_passes(same, dtype):
    assert_close(*pair(same, same, dtype), "label")


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize(
    "got, want", [(1, NAN), (NAN, 1), (INF, 1), (1, INF), (-INF, INF), (INF, NAN), (65504, INF), (INF, 65504)]
)
def test_nan_and_infinities_must_stand_where_they_stand(got, want, dtype):
    with pytest.raises(AssertionError, match="label"):
        assert_close(*pair([2.0, got], [2.0, want], dtype), "label")


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_the_limit_is_absolute_and_relative_and_has_slack(dtype):
    relative, absolute = TOLERANCES[dtype]
    for value in (0.0, 1.0, -100.0):
        limit = absolute + relative * abs(value)
        assert_close(*pair([value + 0.7 * limit], [value], dtype), "label")
        for factor in (1.5, -1.5):
            with pytest.raises(AssertionError, match="label"):
                assert_close(*pair([value + factor * limit], [value], dtype), "label")
            assert_close(*pair([value + factor * limit], [value], dtype), "label", 2.0)


def test_a_limit_given_counts_instead_of_the_table():
    assert_close(*pair([1.05], [1.0]), "label", limit=0.1)
    with pytest.raises(AssertionError):
        assert_close(*pair([1.0 + 1e-6], [1.0]), "label", limit=0.0)


def test_integers_and_bools_agree_exactly():
    assert tolerance("int64") == tolerance("bool") == (0, 0)
    for dtype in ("int64", "bool", "uint8"):
        assert_close(*pair([1, 0], [1, 0], dtype), "label")
        with pytest.raises(AssertionError, match="label"):
            assert_close(*pair([1, 0], [1, 1], dtype), "label")


def test_shapes_and_dtypes_are_the_same():
    with pytest.raises(AssertionError, match=r"label: shape \(1,\), expected \(\)"):
        assert_close(*pair([1.0], [1.0])[:1], np.float32(1.0), "label")
    with pytest.raises(AssertionError, match="label: dtype float32, expected float64"):
        assert_close(np.zeros(1, "float32"), np.zeros(1), "label")
