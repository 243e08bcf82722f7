"""The table of tolerances names every operation once, and nothing else."""

import re

import pytest

import gpudl
import gpudl.amp
import gpudl.func
import gpudl.linalg
import gpudl.nn
import gpudl.optim
import gpudl.special
from gpudl.autograd import Primitive
from gpudl.backend.kernel import KERNELS
from gpudl.compare import tolerances
from gpudl.compare.families import FAMILIES, LEVELS, OWN


def primitives(kind=Primitive):
    """The names of gpudl's own, those that others are made from among them."""
    for each in kind.__subclasses__():
        if each.__module__.startswith("gpudl."):
            yield each.name()
        yield from primitives(each)


def plain(name):
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().strip("_")


NAMES = sorted({*primitives(), *KERNELS})


def test_every_operation_has_a_family():
    assert len(NAMES) > 400
    missing = [name for name in NAMES if tolerances.family_of(name) == OWN]
    assert not missing, f"say in gpudl/compare/families.py how exact these are: {missing}"


def test_the_table_names_no_operation_twice_and_none_that_is_gone():
    ops = [op for family in FAMILIES.values() for op in family.ops]
    known = {plain(name) for name in NAMES} | {re.sub(r"_(forward|backward)$", "", plain(name)) for name in NAMES}
    assert len(ops) == len(set(ops)) and not set(ops) - known, set(ops) - known


def test_every_level_is_used_and_every_family_says_why():
    assert {level for family in FAMILIES.values() for level in (family.forward, family.backward)} == set(LEVELS)
    assert all(family.why.endswith(".") and family.name == name for name, family in FAMILIES.items())
    assert not FAMILIES[OWN].ops and list(FAMILIES)[-1] == OWN


def test_limits_are_wider_for_coarser_dtypes():
    for name, level in LEVELS.items():
        values = [level.limits.get(dtype, 0.0) for dtype in ("float64", "float32", "float16", "bfloat16")]
        assert values == sorted(values), name
        assert (values[0] == 0) == (level.factor == 0) == (name == "exact"), name


def test_both_measures_are_stricter_for_stricter_levels():
    levels = list(LEVELS.values())[:-1]
    assert [each.factor for each in levels] == sorted(each.factor for each in levels)
    for dtype in ("float64", "float32", "float16", "bfloat16"):
        limits = [each.limits.get(dtype, 0.0) for each in levels]
        assert limits == sorted(limits), dtype


@pytest.mark.parametrize(
    ("op", "dtype", "gradient", "limit"),
    [
        ("gelu_forward", "float32", False, 2e-6),
        ("Gelu", gpudl.float32, False, 2e-6),
        ("GetItem", "float32", False, 0.0),
        ("GetItem", "float32", True, 4e-6),
        ("max_pool2d_forward", "float16", False, 0.0),
        ("max_pool2d_backward", "float16", False, 6e-3),
        ("LayerNorm", "float64", False, 2e-14),
        ("layer_norm_backward", "float64", False, 6e-14),
        ("adam_step_", "float32", False, 4e-6),
        ("_WeightGradient", "float32", False, 1.6e-5),
        ("Matmul", "int64", False, 0.0),
        ("matmul", "bool", True, 0.0),
        ("NobodyKnowsThis", "float32", False, 2e-5),
    ],
)
def test_tolerance_is_found_by_the_names_of_kernels_and_primitives(op, dtype, gradient, limit):
    assert tolerances.tolerance(op, dtype, gradient=gradient) == limit


def test_bfloat16_is_found_by_its_dtype():
    assert tolerances.tolerance("Softmax", gpudl.bfloat16) == LEVELS["summing"].limits["bfloat16"]


def test_losses_may_part_further_with_each_step():
    assert (
        tolerances.loss_tolerance("float32", 100)
        == 100 * tolerances.loss_tolerance(gpudl.float32, 1)
        == pytest.approx(1e-3)
    )
    limits = [tolerances.loss_tolerance(dtype, 1) for dtype in ("float64", "float32", "float16", gpudl.bfloat16)]
    assert limits == sorted(limits)
    with pytest.raises(KeyError, match="int64"):
        tolerances.loss_tolerance("int64", 1)
    with pytest.raises(ValueError, match="counted from 1, got 0"):
        tolerances.loss_tolerance("float32", 0)
