"""Exponentials and powers of matrices.

The exponential: A. Al-Mohy, N. Higham, "A new scaling and squaring algorithm for the matrix exponential", 2009, in
the form of Higham, "The scaling and squaring method for the matrix exponential revisited", 2005. Its derivative:
Al-Mohy & Higham, "Computing the Frechet derivative of the matrix exponential", 2009.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence

from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.errors import ShapeError
from gpudl.backend.on_host import linalg_of
from gpudl.ops.elementwise import where
from gpudl.ops.gemm import product
from gpudl.ops.matmul import matmul
from gpudl.ops.matrices import identity, need_matrices, turned
from gpudl.ops.solve import inv

__all__ = ["matrix_exp", "matrix_power"]

# Degree of the Pade approximant -> the 1-norm up to which it is as exact as float64 (Higham 2005, table 2.3).
_REACH = {3: 1.495585217958292e-2, 5: 2.539398330063230e-1, 7: 9.504178996162932e-1, 9: 2.097847961257068}
_REACH_13 = 5.371920351148152


class MatrixExp(Primitive):
    __slots__ = ()

    def forward(ctx, x: Array) -> Array:
        ctx.save(x)
        return _exponential(x)

    def backward(ctx, dy: Array) -> Array:
        # exp([[X^T, dY], [0, X^T]]) has the Frechet derivative at X^T in direction dY in its upper right corner, and
        # the adjoint of the derivative at X is the derivative at X^T.
        (x,) = ctx.saved
        xp, count, x = xp_of(x), x.shape[-1], turned(x)
        above = xp.concatenate([x, dy], -1)
        below = xp.concatenate([xp.zeros_like(x), x], -1)
        block = xp.concatenate([above, below], -2)
        y = MatrixExp.apply(block) if isinstance(block, Tensor) else _exponential(block)
        return y[..., :count, count:]


def _exponential(x: Array) -> Array:
    """The exponential of arrays: an approximant of exp(x / 2**s), squared s times."""
    xp = xp_of(x)
    if not x.size:
        return x.copy()
    norms = xp.abs(x).sum(axis=-2).max(axis=-1)
    largest = float(norms.max())
    if not math.isfinite(largest):
        return _exponential_of_each(x)
    degree = next((degree for degree, reach in _REACH.items() if largest <= reach), 13)
    if degree < 13:
        return _approximant(x, degree)
    # frexp, not log2: exact for the bounds, and what is below them is not scaled.
    squarings = xp.maximum(xp.frexp(norms / _REACH_13)[1], 0)
    y = _approximant(x * xp.ldexp(xp.ones_like(norms), -squarings)[..., None, None], 13)
    for step in range(int(squarings.max())):
        y = xp.where((squarings > step)[..., None, None], product(y, y), y)
    return y


def _exponential_of_each(x: Array) -> Array:
    """As _exponential, where some matrices of the batch are not finite: these give nan."""
    xp = xp_of(x)
    bad = ~xp.isfinite(x).all(axis=(-1, -2))
    y = xp.full(x.shape, math.nan, x.dtype)
    if not bool(bad.all()):
        y[~bad] = _exponential(x[~bad])
    return y


def _approximant(x: Array, degree: int) -> Array:
    """The diagonal Pade approximant of exp: q(-x)^-1 q(x), the even powers of q and the odd ones apart."""
    q = [_coefficient(degree, power) for power in range(degree + 1)]
    one = identity(x, x.shape[-1])
    x2 = product(x, x)
    if degree < 13:
        powers = [one, x2]
        while len(powers) <= degree // 2:
            powers.append(product(powers[-1], x2))
        odd = product(x, _combined(q[1::2], powers))
        even = _combined(q[0::2], powers)
    else:
        x4 = product(x2, x2)
        x6 = product(x4, x2)
        odd = product(x6, _combined((q[9], q[11], q[13]), (x2, x4, x6)))
        odd = product(x, odd + _combined(q[1:9:2], (one, x2, x4, x6)))
        even = product(x6, _combined((q[8], q[10], q[12]), (x2, x4, x6))) + _combined(q[0:8:2], (one, x2, x4, x6))
    solution: Array = linalg_of(x).solve(even - odd, even + odd)
    return solution


def _combined(factors: Sequence[float], matrices: Sequence[Array]) -> Array:
    return sum(factor * matrix for factor, matrix in zip(factors, matrices, strict=True))


def _coefficient(degree: int, power: int) -> float:
    """Of x ** power in the approximant's q, which is 1 for the power 0."""
    return math.comb(degree, power) / (math.comb(2 * degree, power) * math.factorial(power))


def matrix_exp(A: Tensor) -> Tensor:
    """The exponentials of square matrices, the sums of A**k / k!.

    Args:
        A: (..., rows, rows), floating point. A matrix with nan or infinities gives nan.
    Raises: ShapeError unless they are square; RuntimeError for other dtypes.
    Gradient: the Frechet derivative at A^T in direction dy. Al-Mohy & Higham 2009.
    """
    need_matrices("linalg.matrix_exp", A, square=True, half=True)
    return MatrixExp.apply(A)  # type: ignore[no-any-return]


def matrix_power(A: Tensor, n: int) -> Tensor:
    """Square matrices multiplied n times with themselves; the identity for 0, powers of the inverse below.

    Args:
        A: (..., rows, rows), a number dtype; floating point if n is negative.
        n: an int.
    Raises: LinAlgError for a singular matrix if n is negative; ShapeError unless they are square.
    Gradient: that of the products.
    """
    n = operator.index(n)
    if A.ndim < 2 or A.shape[-1] != A.shape[-2]:
        raise ShapeError(f"linalg.matrix_power: expected square matrices, got shape {A.shape}")
    if n < 0:
        A, n = inv(A), -n
    if n == 0:
        # As in PyTorch a gradient of 0 comes from here, whatever A has in it.
        return where(A.new_zeros(A.shape, dtype=bool), A, identity(A, A.shape[-1]))
    result: Tensor | None = None
    while True:
        if n % 2:
            result = A if result is None else matmul(result, A)
        n //= 2
        if not n:
            break
        A = matmul(A, A)
    return result.clone() if result is A and result is not None else result  # type: ignore[return-value]
