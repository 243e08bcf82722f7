"""Function, the user's own operations with PyTorch's contract, and Primitive, operations on arrays."""

import gc
import weakref

import numpy as np
import pytest

import gpudl
from gpudl.autograd import Function, Primitive, grad, gradcheck, gradgradcheck
from gpudl.backend.arrays import xp_of
from gpudl.backend.kernel import KERNELS, kernel


def leaf(*values, dtype=gpudl.float64):
    return gpudl.tensor(values, dtype=dtype, requires_grad=True)


class Exp(Function):
    @staticmethod
    def forward(ctx, x):
        y = x.exp()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, dy):
        (y,) = ctx.saved_tensors
        return dy * y


class ScaledProduct(Function):
    @staticmethod
    def forward(ctx, x, y, scale):
        ctx.save_for_backward(x, y)
        ctx.scale = scale
        return x * y * scale

    @staticmethod
    def backward(ctx, dz):
        x, y = ctx.saved_tensors
        dx = dz * y * ctx.scale if ctx.needs_input_grad[0] else None
        dy = dz * x * ctx.scale if ctx.needs_input_grad[1] else None
        return dx, dy, None


class NewStyle(Function):
    @staticmethod
    def forward(x, power):
        return x**power

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, power = inputs
        ctx.save_for_backward(x)
        ctx.power = power

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        return dy * ctx.power * x ** (ctx.power - 1), None


class SumAndDifference(Function):
    @staticmethod
    def forward(ctx, x, y):
        return x + y, x - y

    @staticmethod
    def backward(ctx, ds, dd):
        ctx_seen.append((ds, dd))
        return ds + dd, ds - dd


ctx_seen = []


def test_gradients_of_first_and_second_order():
    x, y = leaf(0.5, -1.0), leaf(2.0, 3.0)
    assert gradcheck(Exp.apply, x) and gradgradcheck(Exp.apply, x)
    assert gradcheck(ScaledProduct.apply, (x, y, 3.0)) and gradgradcheck(ScaledProduct.apply, (x, y, 3.0))
    assert gradcheck(NewStyle.apply, (y, 3)) and gradgradcheck(NewStyle.apply, (y, 3))
    assert gradcheck(SumAndDifference.apply, (x, y)) and gradgradcheck(SumAndDifference.apply, (x, y))


def test_same_values_and_gradients_as_pytorch():
    torch = pytest.importorskip("torch")

    class TorchExp(torch.autograd.Function):
        forward, backward = Exp.forward, Exp.backward

    values = np.random.default_rng(0).standard_normal((3, 4))
    x, tx = gpudl.tensor(values, requires_grad=True), torch.tensor(values, requires_grad=True)
    (Exp.apply(x) ** 2).sum().backward()
    (TorchExp.apply(tx) ** 2).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), tx.grad.numpy(), rtol=1e-14)


def test_nothing_inside_forward_is_recorded():
    x = leaf(1.0)
    y = Exp.apply(x)
    assert isinstance(y.grad_fn, Exp) and repr(y.grad_fn) == "<ExpBackward>" and y.grad_fn.edges == (x._node,)
    assert repr(SumAndDifference.apply(x, x)[1].grad_fn) == "<SumAndDifferenceBackward, result 1>"


def test_forward_without_gradients_records_nothing():
    assert not Exp.apply(gpudl.tensor([1.0])).requires_grad
    with gpudl.no_grad():
        assert not Exp.apply(leaf(1.0)).requires_grad


def test_needs_input_grad_tells_which_arguments_want_one():
    x, y = leaf(1.0), gpudl.tensor([2.0], dtype=gpudl.float64)
    (dx,) = grad(ScaledProduct.apply(x, y, 2.0).sum(), x)
    assert dx.tolist() == [4]


def test_results_that_were_not_used_get_zeros_or_none():
    ctx_seen.clear()
    x, y = leaf(1.0), leaf(2.0)
    SumAndDifference.apply(x, y)[0].sum().backward()
    assert ctx_seen[0][1].tolist() == [0] and x.grad.tolist() == [1] and y.grad.tolist() == [1]

    class NoZeros(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.set_materialize_grads(False)
            return x * 1, x * 2

        @staticmethod
        def backward(ctx, first, second):
            assert first is None
            return second * 2

    z = leaf(1.0)
    NoZeros.apply(z)[1].sum().backward()
    assert z.grad.tolist() == [2]


def test_results_can_be_marked_as_not_differentiable():
    class WithCount(Function):
        @staticmethod
        def forward(ctx, x):
            count = (x > 0).sum().to(x.dtype)
            ctx.mark_non_differentiable(count)
            return x * 2, count

        @staticmethod
        def backward(ctx, dy, _):
            return dy * 2

    y, count = WithCount.apply(leaf(1.0, -1.0))
    assert y.requires_grad and not count.requires_grad


def test_an_argument_returned_as_it_is_gets_a_node_of_its_own():
    class Straight(Function):
        @staticmethod
        def forward(ctx, x):
            return x

        @staticmethod
        def backward(ctx, dy):
            return dy * 10

    x = leaf(1.0)
    y = Straight.apply(x)
    assert y is not x and x.is_leaf
    y.sum().backward()
    assert x.grad.tolist() == [10]


def test_in_place_changes_in_forward_are_declared():
    class Double(Function):
        @staticmethod
        def forward(ctx, x):
            x.array *= 2
            ctx.mark_dirty(x)
            return x

        @staticmethod
        def backward(ctx, dy):
            return dy * 2

    x = leaf(1.0)
    y = x + 1
    z = Double.apply(y)
    assert z is y and y._version == [1]
    z.sum().backward()
    assert x.grad.tolist() == [2]
    with pytest.raises(RuntimeError, match="leaf"):
        Double.apply(leaf(1.0))


def test_saved_tensors_are_checked_and_freed():
    x = leaf(1.0)
    y = Exp.apply(x)
    y.add_(1)
    with pytest.raises(gpudl.GraphError, match="changed in place"):
        y.sum().backward()
    z = Exp.apply(x).sum()
    z.backward()
    with pytest.raises(gpudl.GraphError, match="retain_graph"):
        z.backward()


def test_a_saved_result_makes_no_cycle():
    gc.collect()
    gc.disable()
    try:
        y = Exp.apply(leaf(1.0))
        watch = weakref.ref(y)
        del y
        assert watch() is None
    finally:
        gc.enable()


def test_wrong_gradients_are_refused():
    def making(result):
        class Wrong(Function):
            @staticmethod
            def forward(ctx, x, y):
                return x * y

            @staticmethod
            def backward(ctx, dz):
                return result(dz)

        return Wrong.apply(leaf(1.0, 2.0), leaf(1.0, 2.0)).sum()

    with pytest.raises(gpudl.GraphError, match="1 gradients for 2 arguments"):
        making(lambda dz: dz).backward()
    with pytest.raises(gpudl.ShapeError, match=r"Wrong.*\(\).*argument 0.*\(2,\)"):
        making(lambda dz: (dz.sum(), dz)).backward()
    with pytest.raises(TypeError, match="Wrong.*float"):
        making(lambda dz: (1.0, dz)).backward()
    making(lambda dz: (dz, None, None)).backward()


def test_bad_definitions_are_named():
    class Empty(Function):
        pass

    with pytest.raises(NotImplementedError, match="forward"):
        Empty.apply(leaf(1.0))

    class NotATensor(Function):
        @staticmethod
        def forward(ctx, x):
            return 3.0

    with pytest.raises(TypeError, match="NotATensor.*float"):
        NotATensor.apply(leaf(1.0))

    class SavesANumber(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(3)
            return x * 1

    with pytest.raises(TypeError, match="attributes of ctx"):
        SavesANumber.apply(leaf(1.0))


def test_a_primitive_with_kernels_of_its_own():
    @kernel
    def soft_step_forward(x):
        return xp_of(x).log(xp_of(x).exp(x) + 1)

    @soft_step_forward.cpu("float32")
    def soft_step_forward_cpu(x):
        return np.logaddexp(x, np.float32(0))

    class SoftStep(Primitive):
        def forward(ctx, x):
            ctx.save(x)
            return soft_step_forward(x)

        def backward(ctx, dy):
            (x,) = ctx.saved
            return dy / (xp_of(x).exp(-x) + 1)

    try:
        x = leaf(-1.0, 0.0, 2.0)
        assert gradcheck(SoftStep.apply, x) and gradgradcheck(SoftStep.apply, x)
        big = gpudl.tensor([100.0])
        assert SoftStep.apply(big).tolist() == [100]  # only the optimized body does not overflow
        assert SoftStep.apply(big.double()).tolist() == [100]
    finally:
        del KERNELS["soft_step_forward"]


def test_the_reference_body_runs_on_tensors_and_records_itself():
    from gpudl.ops.softmax import softmax_forward

    x = gpudl.tensor(np.random.default_rng(0).standard_normal((2, 3)), requires_grad=True)
    y = softmax_forward(x, 1)
    assert isinstance(y, gpudl.Tensor) and y.requires_grad
    np.testing.assert_allclose(y.detach().numpy(), softmax_forward(x.detach().numpy(), 1), rtol=1e-15)
    assert gradcheck(lambda x: softmax_forward(x, 1), x)
    assert gradgradcheck(lambda x: softmax_forward(x, 1), x)


def test_primitives_with_several_results():
    class TwoPowers(Primitive):
        def forward(ctx, x):
            square = x * x
            ctx.save(x, square)
            return square, square * x

        def backward(ctx, d2, d3):
            x, square = ctx.saved
            return d2 * x * 2 + d3 * square * 3

    x = leaf(2.0, 3.0)
    assert gradcheck(TwoPowers.apply, x) and gradgradcheck(TwoPowers.apply, x)
    square, _ = TwoPowers.apply(x)
    square.sum().backward()
    assert x.grad.tolist() == [4, 6]


def test_missing_methods_of_a_primitive_are_named():
    class Half(Primitive):
        def forward(ctx, x):
            return x * 0.5

    with pytest.raises(NotImplementedError, match="Half has no backward"):
        Half.apply(leaf(1.0)).sum().backward()
