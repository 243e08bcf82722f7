"""Plans for products of strided arrays are right, whatever the strides, and copy nothing that need not be copied.

A plan is carried out here on NumPy's memory by the rules of cuBLAS, element by element, so no device is needed.
"""

import itertools

import numpy as np
import pytest

from gpudl.backend.gemm_plan import plan, shape_of_product

SIZE = 8


def planned(x, y, out=None):
    where = (None, ()) if out is None else (out.shape, out.strides)
    return plan(x.shape, x.strides, y.shape, y.strides, *where, SIZE)


def elements(array):
    """All memory from an array's first element on, as a function of offsets in elements."""
    address = array.__array_interface__["data"][0]
    base = array
    while base.base is not None:
        base = base.base
    start = (address - base.__array_interface__["data"][0]) // SIZE
    flat = base.reshape(-1, order="A")
    assert np.shares_memory(flat, base)

    def at(offsets):
        places = start + np.asarray(offsets)
        assert places.min() >= 0 and places.max() < flat.size, "outside the memory"
        return flat, places

    return at


def matrix(array, start, leading, rows, columns, turned):
    """op(A) as cuBLAS sees it: column-major with a leading dimension, and transposed if it is to be."""
    stored_rows = columns if turned else rows
    assert leading >= max(1, stored_rows), "cuBLAS refuses this leading dimension"
    i, j = np.ogrid[:rows, :columns]
    flat, places = elements(array)(start + (j + i * leading if turned else i + j * leading))
    return flat, places


def carried_out(x, y, out=None):
    """The product by the plan, and how many copies and calls it took."""
    made, copies = planned(x, y, out), 0
    while made.x_copy is not None or made.y_copy is not None:
        if made.x_copy is not None:
            x = np.array(np.broadcast_to(x, made.x_copy), order="C")
        if made.y_copy is not None:
            y = np.array(np.broadcast_to(y, made.y_copy), order="C")
        made, copies = planned(x, y, out), copies + 1
        assert copies < 4, "no end of copies"
    if made.elsewhere:
        product, _, calls = carried_out(x, y)
        out[...] = product
        return out, copies + 1, calls
    z = np.full(made.shape, np.nan) if out is None else out
    if not made.starts:
        z[...] = 0
        return z, copies, 0
    a, b = (x, y) if made.x_first else (y, x)
    rows, columns, inner = made.sizes
    for x_start, y_start, z_start in made.starts:
        a_start, b_start = (x_start, y_start) if made.x_first else (y_start, x_start)
        for index in range(made.batch):
            starts = [
                start // SIZE + index * stride for start, stride in zip((a_start, b_start, z_start), made.strides)
            ]
            a_flat, a_places = matrix(a, starts[0], made.leading[0], rows, inner, made.turned[0])
            b_flat, b_places = matrix(b, starts[1], made.leading[1], inner, columns, made.turned[1])
            z_flat, z_places = matrix(z, starts[2], made.leading[2], rows, columns, 0)
            z_flat[z_places] = a_flat[a_places] @ b_flat[b_places]
    return z, copies, len(made.starts)


def check(x, y, out=None):
    want = x @ y
    got, copies, calls = carried_out(x, y, out)
    assert got.shape == want.shape
    np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-12)
    return copies, calls


def numbers(*shape):
    return np.random.default_rng(0).standard_normal(shape)


LAYOUTS = {
    "C": lambda x: x.copy(),
    "F": lambda x: x.copy("F"),
    "swapped": lambda x: x.swapaxes(-1, -2).copy().swapaxes(-1, -2) if x.ndim > 1 else x.copy(),
    "outer swapped": lambda x: x.swapaxes(0, -2).copy().swapaxes(0, -2) if x.ndim > 2 else x.copy(),
    "padded": lambda x: np.pad(x, [(0, 0)] * (x.ndim - 1) + [(1, 2)])[..., 1:-2],
    "backward": lambda x: x[..., ::-1].copy()[..., ::-1],
    "first backward": lambda x: x[::-1].copy()[::-1],
    "every second": lambda x: np.repeat(x, 2, axis=-1)[..., ::2],
    "every second row": lambda x: np.repeat(x, 2, axis=0)[::2],
}
SHAPES = [
    ((3, 4), (4, 5)), ((1, 4), (4, 5)), ((3, 4), (4, 1)), ((3, 1), (1, 5)), ((1, 1), (1, 1)),
    ((4,), (4,)), ((4,), (4, 5)), ((3, 4), (4,)), ((2, 3, 4), (4,)), ((4,), (2, 4, 5)), ((1,), (1,)),
    ((2, 3, 4), (4, 5)), ((3, 4), (2, 4, 5)), ((2, 3, 4), (2, 4, 5)), ((2, 1, 4), (2, 4, 5)), ((2, 3, 4), (2, 4, 1)),
    ((2, 3, 3, 4), (2, 3, 4, 5)), ((2, 1, 3, 4), (3, 4, 5)), ((2, 3, 3, 4), (2, 1, 4, 5)), ((2, 1, 3, 4), (2, 3, 4, 5)),
    ((1, 3, 4), (2, 4, 5)), ((3, 2, 3, 2, 3), (2, 1, 3, 2)), ((3, 4), (3, 2, 4, 1)), ((5, 2, 1, 4), (4, 3)),
    ((0, 4), (4, 3)), ((3, 0), (0, 4)), ((2, 3, 0), (2, 0, 4)), ((0, 3, 4), (4, 5)),
]  # fmt: skip


@pytest.mark.parametrize("shapes", SHAPES, ids=str)
def test_every_layout_gives_the_product(shapes):
    for first, second in itertools.product(LAYOUTS.values(), repeat=2):
        check(first(numbers(*shapes[0])), second(numbers(*shapes[1])))


@pytest.mark.parametrize("shapes", SHAPES, ids=str)
def test_every_layout_of_out_is_written(shapes):
    x, y = numbers(*shapes[0]), numbers(*shapes[1])
    for layout in LAYOUTS.values():
        out = layout(np.zeros((x @ y).shape)) if (x @ y).ndim else np.zeros(())
        check(x, y, out)


def test_many_matrices_in_two_batch_dimensions_are_copied_and_large_ones_are_not():
    heads = numbers(20, 5, 12, 3).swapaxes(1, 2)
    assert check(heads, numbers(20, 12, 3, 4)) == (1, 1)
    large = np.lib.stride_tricks.as_strided(numbers(1), (20, 12, 3000, 3000), (0, SIZE, SIZE * 3000, SIZE))
    made = planned(large, large)
    assert made.x_copy is None and (len(made.starts), made.batch) == (12, 20)


@pytest.mark.parametrize(
    ("x", "y", "calls"),
    [
        (numbers(4, 3).T, numbers(4, 5), 1),
        (numbers(3, 4), numbers(5, 4).T, 1),
        (numbers(4, 3).T, numbers(5, 4).T, 1),
        (numbers(3, 9)[:, 2:6], numbers(4, 9)[:, 3:], 1),
        (numbers(6, 4)[::2], numbers(4, 5), 1),
        (numbers(2, 3, 4), numbers(4, 5), 1),
        (numbers(2, 3, 4), numbers(2, 5, 4).swapaxes(1, 2), 1),
        (numbers(3, 4), numbers(2, 4, 5), 1),
        (numbers(6, 2, 3, 4), numbers(6, 1, 4, 5), 1),
        (numbers(3, 4), numbers(7, 4, 1), 1),
        (numbers(7, 1, 4), numbers(4, 5), 1),
        (numbers(2, 3, 5, 4).swapaxes(1, 2), numbers(2, 5, 4, 6), 2),
        (np.broadcast_to(numbers(3, 4), (6, 3, 4)), numbers(6, 4, 5), 1),
        (numbers(8)[::2], numbers(4, 5), 1),
        (np.lib.stride_tricks.sliding_window_view(numbers(10), 4)[:, None], numbers(4, 5), 1),
    ],
)
def test_nothing_is_copied_for(x, y, calls):
    assert check(x, y) == (0, calls)


def test_a_batch_that_goes_backward_is_copied():
    assert check(numbers(2, 3, 4)[::-1], numbers(2, 4, 5)) == (1, 1)
    assert check(numbers(2, 3, 4), numbers(2, 4, 5), numbers(2, 3, 5)[::-1]) == (1, 1)


def test_rows_of_all_batches_are_one_product():
    assert planned(numbers(2, 3, 4), numbers(4, 5)).sizes == (5, 6, 4)
    assert planned(numbers(2, 3, 4), numbers(4, 5)).batch == 1
    assert planned(numbers(3, 4), numbers(7, 4, 1)).sizes == (3, 7, 4)


def test_sizes_beyond_int32_take_the_wide_call():
    many = 1 << 31
    assert plan((2, many), (SIZE * many, SIZE), (many, 3), (3 * SIZE, SIZE), None, (), SIZE).wide
    assert plan((2, 3), (SIZE * many, SIZE), (3, 3), (3 * SIZE, SIZE), None, (), SIZE).wide
    assert not plan((2, 3), (SIZE * 3, SIZE), (3, 3), (3 * SIZE, SIZE), None, (), SIZE).wide


@pytest.mark.parametrize(
    ("x", "y"), [((3, 4), (5, 2)), ((4,), (5,)), ((), (3,)), ((3,), ()), ((2, 3, 4), (3, 4, 5)), ((3, 4), (5,))]
)
def test_shapes_that_do_not_fit_are_refused(x, y):
    with pytest.raises(ValueError, match="product of shapes"):
        shape_of_product(x, y)


def test_an_out_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"the result is \(3, 5\), but out is \(5, 3\)"):
        planned(numbers(3, 4), numbers(4, 5), numbers(5, 3))
