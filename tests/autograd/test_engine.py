"""The backward walk: order, accumulation, depth, memory, and what it refuses."""

import gc
import threading
import weakref

import numpy as np
import pytest

import gpudl
from gpudl.autograd import backward, grad


def leaf(*values):
    return gpudl.tensor(values, requires_grad=True)


def test_gradients_add_up_over_every_path():
    x = leaf(2.0, 3.0)
    y = x * x
    (y * x + y).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 3 * np.array([4.0, 9]) + 2 * np.array([2.0, 3]))


def test_backward_twice_accumulates_in_grad():
    x = leaf(1.0, 2.0)
    for _ in range(3):
        (x * 2).sum().backward()
    assert x.grad.tolist() == [6, 6]


def test_gradients_of_two_leaves_share_no_memory():
    x, y = leaf(1.0, 2.0), leaf(3.0, 4.0)
    seed = gpudl.ones(2)
    (x + y).backward(seed)
    assert not np.shares_memory(x.grad.array, y.grad.array)
    assert not np.shares_memory(x.grad.array, seed.array) and not np.shares_memory(y.grad.array, seed.array)
    x.grad.zero_()
    assert y.grad.tolist() == [1, 1] and seed.tolist() == [1, 1]


def test_a_gradient_that_nobody_else_holds_is_not_copied(monkeypatch):
    copies = []

    class Counting(np.ndarray):
        def copy(self, *args):
            copies.append(self.shape)
            return super().copy(*args)

    x = leaf(1.0, 2.0)
    y = x * gpudl.tensor([3.0, 4.0])
    y.backward(gpudl.from_numpy(np.ones(2, "f")))
    assert x.grad.array.base is None and x.grad.array.flags.writeable


def test_gradients_are_writable_even_when_made_by_broadcasting():
    x = gpudl.zeros(3, 2, requires_grad=True)
    x.sum().backward()
    x.grad.add_(1)
    assert x.grad.tolist() == [[2, 2]] * 3


@pytest.mark.parametrize("depth", [100_000])
def test_a_chain_of_100000_operations_needs_no_recursion(depth):
    x = leaf(1.0)
    y = x
    for _ in range(depth):
        y = y + 1
    y.sum().backward()
    assert x.grad.tolist() == [1]
    y = x
    for _ in range(depth):
        y = y * 1.0
    del y  # letting go of a graph that was never walked must not recurse either
    gc.collect()


def test_deep_graphs_of_gradients_work_too():
    x = leaf(1.0)
    y = x
    for _ in range(2000):
        y = y * 1.0
    (dx,) = grad(y.sum(), x, create_graph=True)
    assert dx.tolist() == [1]


def test_saved_values_are_freed_as_backward_passes():
    x = gpudl.ones(4, requires_grad=True)
    inside = x * 2
    watch = weakref.ref(inside)
    loss = (inside * inside).sum()
    del inside
    assert watch() is not None
    loss.backward()
    assert watch() is None and loss.grad_fn is not None


def test_values_that_no_backward_needs_are_freed_at_once():
    x = gpudl.ones(4, requires_grad=True)
    inside = x + 1
    watch = weakref.ref(inside)
    loss = (inside + 1).sum()
    del inside
    assert watch() is None
    loss.backward()


def test_a_result_saved_by_its_own_operation_makes_no_cycle():
    gc.collect()
    gc.disable()
    try:
        y = gpudl.ones(4, requires_grad=True).exp()
        watch = weakref.ref(y)
        node = weakref.ref(y.grad_fn)
        del y
        assert watch() is None and node() is None
    finally:
        gc.enable()


def test_backward_through_a_freed_graph_raises():
    x = leaf(1.0, 2.0)
    y = (x * x).sum()
    y.backward()
    with pytest.raises(gpudl.GraphError, match="retain_graph=True"):
        y.backward()
    assert x.grad.tolist() == [2, 4]


def test_a_graph_without_saved_values_can_be_walked_again():
    x = leaf(1.0, 2.0)
    shared = x + 1
    shared.sum().backward()
    shared.sum().backward()
    assert x.grad.tolist() == [2, 2]


def test_retain_graph_keeps_the_values():
    x = leaf(3.0)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [12]


def test_gradient_shapes_and_devices_are_checked():
    x = leaf(1.0, 2.0)
    y = x * 2
    with pytest.raises(gpudl.GraphError, match="only for scalars"):
        y.backward()
    with pytest.raises(gpudl.ShapeError, match=r"\(3,\).*\(2,\)"):
        y.backward(gpudl.ones(3))
    with pytest.raises(TypeError):
        y.backward(1.0)
    y.backward(gpudl.ones(2, dtype=gpudl.float64))
    assert x.grad.dtype == gpudl.float32


def test_what_does_not_require_grad_cannot_be_differentiated():
    with pytest.raises(gpudl.GraphError, match="does not require grad"):
        gpudl.ones(()).backward()
    x = leaf(1.0)
    with gpudl.no_grad():
        y = (x * 2).sum()
    with pytest.raises(gpudl.GraphError, match="no_grad"):
        y.backward()


def test_one_element_of_any_shape_counts_as_a_scalar():
    x = gpudl.ones(1, 1, requires_grad=True)
    (x * 3).backward()
    assert x.grad.tolist() == [[3]]


def test_backward_of_several_tensors_adds_up():
    x = leaf(1.0, 2.0)
    backward([(x * 2).sum(), x * x], [None, gpudl.tensor([1.0, 10.0])])
    assert x.grad.tolist() == [4, 42]


def test_inputs_limit_where_gradients_go():
    x, y = leaf(1.0), leaf(2.0)
    z = x * y
    z.sum().backward(inputs=[x])
    assert x.grad.tolist() == [2] and y.grad is None
    with pytest.raises(gpudl.GraphError, match="empty"):
        z.sum().backward(inputs=[])


def test_grad_touches_no_grad_attribute():
    x, y = leaf(1.0), leaf(2.0)
    assert [g.tolist() for g in grad((x * y).sum(), [x, y])] == [[2], [1]]
    assert x.grad is None and y.grad is None


def test_grad_with_respect_to_results_of_operations():
    x = leaf(2.0)
    y = x * x
    z = (y * y).sum()
    dy, dx = grad(z, [y, x])
    assert dy.tolist() == [8] and dx.tolist() == [32]


def test_grad_of_a_tensor_by_itself_is_the_seed():
    x = leaf(2.0)
    seed = gpudl.tensor([5.0])
    (dx,) = grad(x, x, seed)
    assert dx.tolist() == [5] and dx is not seed and not np.shares_memory(dx.array, seed.array)


def test_unused_inputs_raise_or_give_none_or_zeros():
    x, y = leaf(1.0), gpudl.ones(2, 3, requires_grad=True)
    out = (x * 2).sum()
    with pytest.raises(gpudl.GraphError, match="allow_unused"):
        grad(out, [x, y], retain_graph=True)
    assert grad(out, [y], retain_graph=True, allow_unused=True) == (None,)
    (zero,) = grad(out, [y], materialize_grads=True)
    assert zero.shape == (2, 3) and not zero.any()


def test_parts_of_the_graph_that_lead_nowhere_are_not_run():
    ran = []

    class Spy(gpudl.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, dy):
            ran.append(True)
            return dy

    x, y = leaf(1.0), leaf(1.0)
    z = (x * 2 + Spy.apply(y)).sum()
    grad(z, [x])
    assert not ran


def test_gradients_of_any_order():
    x = leaf(2.0)
    y = x**4
    expected = [32, 48, 48, 24, 0]
    for value in expected:
        (y,) = grad(y.sum(), x, create_graph=True, materialize_grads=True)
        assert y.tolist() == [value]
        if not y.requires_grad:
            break


def test_create_graph_fills_grad_with_a_differentiable_tensor():
    x = leaf(3.0)
    (x**3).sum().backward(create_graph=True)
    assert x.grad.requires_grad and x.grad.tolist() == [27]
    (second,) = grad(x.grad.sum(), x)
    assert second.tolist() == [18]
    x.grad = None


def test_a_float_intermediate_that_cannot_be_differentiated_is_computed_again_not_dropped():
    x = gpudl.tensor(np.random.default_rng(0).standard_normal((3, 4)), requires_grad=True)
    target = gpudl.tensor([0, 3, 1])
    f = gpudl.nn.functional.cross_entropy
    assert gpudl.autograd.gradgradcheck(lambda x: f(x, target), x)


def test_backward_inside_backward():
    class Nested(gpudl.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, dy):
            (x,) = ctx.saved_tensors
            again = x.detach().requires_grad_()
            with gpudl.enable_grad():
                (again * again).backward(dy)
            return again.grad

    x = leaf(3.0)
    Nested.apply(x * 2).sum().backward()
    assert x.grad.tolist() == [24]


def test_threads_have_graphs_of_their_own():
    x = leaf(1.0)
    failures = []

    def work(scale):
        mine = gpudl.tensor([1.0], requires_grad=True)
        for _ in range(50):
            (mine * scale).sum().backward()
        if mine.grad.tolist() != [50 * scale]:
            failures.append(mine.grad.tolist())

    threads = [threading.Thread(target=work, args=(float(i),)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures and x.grad is None


def test_no_gradient_for_integers_and_comparisons():
    x = leaf(1.0, 2.0)
    assert not (x > 1).requires_grad and not x.argmax().requires_grad
    values, indices = x.max(0)
    assert values.requires_grad and not indices.requires_grad


def test_a_backward_with_too_few_gradients_is_refused():
    class Lazy(gpudl.autograd.Primitive):
        def forward(ctx, x, y):
            return x + y

        def backward(ctx, dz):
            return (dz,)

    with pytest.raises(gpudl.GraphError, match="fewer gradients"):
        Lazy.apply(leaf(1.0), leaf(1.0)).sum().backward()
