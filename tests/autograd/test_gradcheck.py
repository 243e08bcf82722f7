"""The tester tested: a wrong gradient must be caught."""

import numpy as np
import pytest

import gpudl
from gpudl.autograd import GradcheckError, Primitive, gradcheck, gradgradcheck


class Square(Primitive):
    """x**2, with a derivative of `factor` x and a second derivative that may be wrong on its own."""

    factor = 2.0

    def forward(ctx, x):
        ctx.save(x)
        return x * x

    def backward(ctx, dy):
        (x,) = ctx.saved
        return dy * x * ctx.factor


class AlmostSquare(Square):
    factor = 2.001 * 1.01


class CutSquare(Square):
    def backward(ctx, dy):
        (x,) = ctx.saved
        return dy * (x.detach() if isinstance(x, gpudl.Tensor) else x) * 2.0


class OneWrongEntry(Square):
    def backward(ctx, dy):
        (x,) = ctx.saved
        dx = dy * x * 2.0
        if not isinstance(dx, gpudl.Tensor):
            dx[1, 2] *= 1.01
        return dx


@pytest.fixture
def x():
    return gpudl.tensor(np.random.default_rng(3).standard_normal((3, 4)), requires_grad=True)


def test_a_right_gradient_passes(x):
    assert gradcheck(Square.apply, x) and gradgradcheck(Square.apply, x)
    assert x.grad is None


@pytest.mark.parametrize("wrong", [AlmostSquare, OneWrongEntry])
def test_a_wrong_gradient_is_caught(x, wrong):
    with pytest.raises(GradcheckError, match="input 0: backward gives"):
        gradcheck(wrong.apply, x)
    assert gradcheck(wrong.apply, x, raise_exception=False) is False


def test_a_wrong_second_gradient_is_caught(x):
    assert gradcheck(CutSquare.apply, x)
    with pytest.raises(GradcheckError):
        gradgradcheck(CutSquare.apply, x)


def test_the_wrong_input_is_named(x):
    class Product(Primitive):
        def forward(ctx, a, b):
            ctx.save(a, b)
            return a * b

        def backward(ctx, dz):
            a, b = ctx.saved
            return dz * b, dz * a * 1.1

    with pytest.raises(GradcheckError, match="input 1"):
        gradcheck(Product.apply, (x, x.detach().requires_grad_()))


def test_wrong_shapes_and_cut_gradients_are_caught(x):
    class Summed(Primitive):
        def forward(ctx, a):
            return a * 1.0

        def backward(ctx, dy):
            return dy.sum()

    with pytest.raises(GradcheckError, match=r"\(\).*\(3, 4\)"):
        gradcheck(Summed.apply, x)
    with pytest.raises(GradcheckError, match="no output requires grad"):
        gradcheck(lambda x: x.detach() * 2, x)


def test_inputs_that_say_nothing_are_refused(x):
    with pytest.raises(ValueError, match="requires grad"):
        gradcheck(Square.apply, x.detach())
    with pytest.raises(ValueError, match="float32"):
        gradcheck(Square.apply, x.detach().float().requires_grad_())


def test_several_results_and_plain_arguments(x):
    assert gradcheck(lambda x, scale: (x * scale, x.exp(), x > 0), (x, 3.0))
    assert gradcheck(lambda x: x.sum(), gpudl.tensor(2.0, dtype=gpudl.float64, requires_grad=True))
