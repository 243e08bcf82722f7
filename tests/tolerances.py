"""How far two results of one computation may lie apart: one table for all tests against another library.

What gpudl itself promises, on every device against float64, is in gpudl/compare/families.py.
"""

import numpy as np

# dtype: (relative, absolute). Gradients and values alike: both are a few roundings of well-scaled numbers. The
# oracle adds up in another order, and for float16 in another precision.
TOLERANCES = {
    "bfloat16": (1.6e-2, 1e-2),
    "float16": (4e-3, 2e-3),
    "float32": (3e-6, 3e-6),
    "float64": (1e-12, 1e-12),
}


def tolerance(*dtypes):
    """(relative, absolute) for the coarsest of some dtypes; (0, 0) for bools and integers, which must agree exactly."""
    return max(TOLERANCES.get(np.dtype(dtype).name, (0, 0)) for dtype in dtypes)


def assert_close(got, want, label, slack=1.0, along=(), limit=None):
    """Two NumPy arrays agree: shape, dtype, every nan and infinity, and finite values within the tolerance.

    Args:
        got, want: what gpudl gave, and the oracle.
        label: what is compared; opens the message.
        slack: factor on the tolerance.
        along: dtypes that the computation went through.
        limit: the tolerance, relative and absolute, instead of the table's.
    """
    assert got.shape == want.shape, f"{label}: shape {got.shape}, expected {want.shape}"
    assert got.dtype == want.dtype, f"{label}: dtype {got.dtype}, expected {want.dtype}"
    relative, absolute = tolerance(want.dtype, *along) if limit is None else (limit, limit)
    if want.dtype.name == "bfloat16":
        got, want = got.astype("float32"), want.astype("float32")
    with np.errstate(all="ignore"):
        if want.dtype.kind == "f":  # at once where all is well; what follows is slow, and tells what is not
            limits = absolute * slack + relative * slack * np.abs(want)
            if (np.abs(got - want) <= limits).all() and (limits < np.inf).all():
                return
        np.testing.assert_allclose(got, want, relative * slack, absolute * slack, equal_nan=True, err_msg=label)
