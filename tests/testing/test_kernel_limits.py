"""check_kernel holds a program's own kernels to the numbers of gpudl/PARITY.md."""

import numpy as np
import pytest
from on_gpu import gpu  # noqa: F401

from gpudl.compare.tolerances import tolerance
from gpudl.testing import check_kernel

X = np.array([0.0, 1.0, 2.0, 3.0])


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_a_kernel_is_held_to_what_is_published_for_a_programs_own(gpu, dtype):  # noqa: F811
    limit = tolerance("NobodyKnowsThis", dtype)
    x = X.astype(dtype)
    for off, right in ((0.5, True), (2.0, False)):
        by = np.dtype(dtype).type(off * limit)

        def kernel(x, by=by):
            return x + by * (1 + x)

        if right:
            check_kernel(kernel, [x], lambda x: x, device=gpu)
        else:
            with pytest.raises(AssertionError, match=f"4 of 4 elements differ .*rtol {limit}, atol {limit}"):
                check_kernel(kernel, [x], lambda x: x, device=gpu)


def test_tolerances_that_are_given_count(gpu):  # noqa: F811
    check_kernel(lambda x: x * 1.5, [X], lambda x: x, rtol=0.6, device=gpu)
    with pytest.raises(AssertionError, match="1 of 4 elements differ .*rtol 0.6, atol 0.01"):
        check_kernel(lambda x: x + 0.1 * (x == 0), [X], lambda x: x, rtol=0.6, atol=0.01, device=gpu)


@pytest.mark.parametrize("dtype", ["int64", "uint64", "int32", "bool"])
def test_integers_agree_exactly(gpu, dtype):  # noqa: F811
    x = np.array([0, 1, 0, 1], dtype) if dtype == "bool" else np.array([0, 1, 2, np.iinfo(dtype).max], dtype)
    check_kernel(lambda x: x.copy(), [x], lambda x: x, device=gpu)
    with pytest.raises(AssertionError, match="1 of 4 elements differ"):
        check_kernel(lambda x: x.copy(), [x], lambda x: np.append(x[:3], x[3:] ^ 1), device=gpu)
    if dtype == "int64":
        check_kernel(lambda x: x.copy(), [x[:3]], lambda x: x + 1, atol=1, device=gpu)
