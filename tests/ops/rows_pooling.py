"""Rows of pooling."""

from cases import floats, ints, row

F = "nn.functional."
SIZES = {1: [11], 2: [7, 6], 3: [5, 4, 6]}
halves = dict.fromkeys(("float16", "special"), "torch has no half floats here")
scalar = {"0d": "torch counts a dimension that is not there and raises IndexError; we RuntimeError for the shape"}
nothing = scalar | {"nocolumns": "torch gives nan for one window of nothing and refuses several; we refuse both"}
# Infinite elements beside others of the other sign make nan only where they are added.
numbers = (float("nan"), 0.0, -0.0, 1.0, -1.0, 0.5, -2.0, 3.0)


def distinct(*shape):
    """A tensor in whose windows one element is the largest, by far."""
    return floats(shape, distinct=True)


for ndim, size in SIZES.items():
    batch = (2, 3, *size)
    for at in ("", F):
        row(f"{at}max_pool{ndim}d", distinct(*batch), 2)
    row(f"{F}max_pool{ndim}d", distinct(*batch), 3, stride=2, padding=1)
    row(f"{F}max_pool{ndim}d", distinct(*batch), 2, stride=3, ceil_mode=True)
    row(f"{F}max_pool{ndim}d", distinct(*batch), 2, stride=1, dilation=2)
    row(f"{F}max_pool{ndim}d", distinct(*batch), 3, 1, 1)
    row(f"{F}max_pool{ndim}d", distinct(*batch), 3, 2, 1, 1, True, return_indices=True)
    row(f"{F}max_pool{ndim}d", distinct(*batch[1:]), 2, stride=1)
    row(f"{F}max_pool{ndim}d", distinct(*batch[1:]), 2, return_indices=True)
    row(f"{F}max_pool{ndim}d", distinct(*batch), size)
    row(f"{F}max_pool{ndim}d", ints(batch, 0, 2), 2, note="ties")
    row(f"{F}max_pool{ndim}d_with_indices", distinct(*batch), 2)
    row(f"{F}max_pool{ndim}d_with_indices", distinct(*batch), 3, padding=1)
    row(
        f"{F}max_pool{ndim}d",
        (2, 3, *([2] * ndim)),
        call=lambda lib, x, n=ndim: getattr(lib.nn.functional, f"max_pool{n}d")(lib.cat([x, x], -1), 3, 1, 1),
        note="ties",
    )
    for settings in (
        {"stride": 0},
        {"padding": 2},
        {"padding": -1},
        {"dilation": 0},
        {"dilation": 9},
        {"stride": [1, 2, 3, 4]},
    ):
        row(f"{F}max_pool{ndim}d", distinct(*batch), 2, **settings)
    row(f"{F}max_pool{ndim}d", distinct(*batch), 12)
    row(f"{F}max_pool{ndim}d", distinct(3), 2)

    uneven = {1: {}, 2: {"unlike": scalar}, 3: {"unlike": halves}}[ndim]
    for at in ("", F) if ndim == 1 else (F,):
        row(f"{at}avg_pool{ndim}d", batch, 2, **uneven)
    row(f"{F}avg_pool{ndim}d", batch, 3, stride=2, padding=1, **uneven)
    row(f"{F}avg_pool{ndim}d", batch, 3, stride=2, padding=1, count_include_pad=False, **uneven)
    row(f"{F}avg_pool{ndim}d", batch, 3, 2, 1, True, **uneven)
    row(f"{F}avg_pool{ndim}d", batch, 3, 2, 1, True, False, **uneven)
    row(f"{F}avg_pool{ndim}d", batch[1:], 2, stride=1, **uneven)
    row(f"{F}avg_pool{ndim}d", batch, size, **uneven)
    row(f"{F}avg_pool{ndim}d", ints(batch, -9, 9), 2, stride=1, **uneven)
    if ndim > 1:
        row(f"{F}avg_pool{ndim}d", batch, 2, divisor_override=3, **uneven)
        row(f"{F}avg_pool{ndim}d", ints(batch, -9, 9), 2, divisor_override=-3, **uneven)
        row(f"{F}avg_pool{ndim}d", batch, 2, divisor_override=0, **uneven)
    for settings in ({"stride": 0}, {"padding": 2}, {"stride": [1, 2, 3, 4]}):
        row(f"{F}avg_pool{ndim}d", batch, 2, **settings, **uneven)
    row(f"{F}avg_pool{ndim}d", batch, 12, **uneven)

    positive_distinct = floats(batch, low=0.1, distinct=True)
    positive = floats(batch, low=0.1, high=2)
    row(f"{F}lp_pool{ndim}d", positive, 2, 2, **uneven)
    row(f"{F}lp_pool{ndim}d", positive, 1.5, 3, stride=2, **uneven)
    row(f"{F}lp_pool{ndim}d", floats(batch[1:], low=0.1), 3, 2, ceil_mode=True, **uneven)
    row(f"{F}lp_pool{ndim}d", positive_distinct, float("inf"), 2)
    row(f"{F}lp_pool{ndim}d", positive_distinct, -float("inf"), 2)

    for out in (1, 2, 3, 4, size[-1], 9):
        unlike = nothing if out == 1 else {}
        row(f"{F}adaptive_avg_pool{ndim}d", batch, out, specials=numbers, slack=2.0, unlike=unlike)
        row(f"{F}adaptive_max_pool{ndim}d", distinct(*batch), out)
    row(f"{F}adaptive_max_pool{ndim}d", distinct(*batch), 2, return_indices=True)
    row(f"{F}adaptive_max_pool{ndim}d", distinct(*batch[1:]), 3, True)
    row(f"{F}adaptive_max_pool{ndim}d_with_indices", distinct(*batch), 3)
    row(f"{F}adaptive_avg_pool{ndim}d", batch[1:], 3, specials=numbers)
    for name in ("adaptive_avg_pool", "adaptive_max_pool"):
        row(f"{F}{name}{ndim}d", batch, -1)
        row(f"{F}{name}{ndim}d", batch, [2] * (ndim + 1))
        row(f"{F}{name}{ndim}d", (3,), 2, unlike=scalar)
        if ndim > 1:
            row(f"{F}{name}{ndim}d", distinct(*batch), [None, *([2] * (ndim - 1))])
            row(f"{F}{name}{ndim}d", distinct(*batch), [2] * ndim)

row("max_pool1d_with_indices", distinct(2, 3, 7), 2)
row("max_pool1d_with_indices", distinct(3, 7), 3, 2, 1)
row("adaptive_avg_pool1d", (2, 3, 7), 3)
row("adaptive_max_pool1d", distinct(2, 3, 7), 3)
row("adaptive_max_pool1d", distinct(3, 7), 7)

drawn = {"special": "the numbers that place the windows are in [0, 1); test_pooling.py has nan in the input"}
for ndim in (2, 3):
    batch = (2, 3, *SIZES[ndim])
    samples = floats((2, 3, ndim), low=0, high=1)
    for name in (f"fractional_max_pool{ndim}d", f"fractional_max_pool{ndim}d_with_indices"):
        for number, settings in enumerate(
            (
                {"output_size": 3},
                {"kernel_size": [1, 2, 2][-ndim:], "output_size": [2, 3, 4][-ndim:]},
                {"output_ratio": [0.5, 0.7, 0.6][:ndim]},
                {"output_size": 1, "return_indices": True},
                {"kernel_size": 4, "output_size": 5},
                {},
            )
        ):

            def pooled(lib, x, samples, name=name, settings=settings):
                given = {"kernel_size": 2, "_random_samples": samples.detach(), **settings}
                return getattr(lib.nn.functional, name)(x, **given)

            row(f"{F}{name}", distinct(*batch), samples, call=pooled, note=str(number), unlike=drawn | scalar)
            single = floats((1, 3, ndim), low=0, high=1)
            row(f"{F}{name}", distinct(*batch[1:]), single, call=pooled, note=str(number), unlike=drawn | scalar)
    row(f"{F}fractional_max_pool{ndim}d", distinct(*batch), 2, 3, _random_samples=samples, unlike=drawn | scalar)
    few = floats((1, 3, ndim), low=0, high=1)
    row(f"{F}fractional_max_pool{ndim}d", distinct(*batch), 2, 3, _random_samples=few, unlike=drawn | scalar)

for ndim, size in {1: [4], 2: [2, 3], 3: [2, 1, 2]}.items():
    places = ints((2, 3, *size), 0, 3)
    name = f"{F}max_unpool{ndim}d"

    def there_and_back(lib, x, n=ndim, **settings):
        y, at = getattr(lib.nn.functional, f"max_pool{n}d")(x, 2, **settings, return_indices=True)
        return getattr(lib.nn.functional, f"max_unpool{n}d")(y, at, 2, **settings)

    row(name, distinct(2, 3, *([6] * ndim)), call=there_and_back, note="back")
    row(name, distinct(3, *([6] * ndim)), call=there_and_back, note="back")
    row(name, (2, 3, *size), ints((2, 3, *size), 99999, 99999), 2, note="beyond", unlike=scalar)
    row(name, (2, 3, *size), ints((2, 3, *size), -1, -1), 2, note="negative", unlike=scalar)
    row(name, (2, 3, *size), ints((2, 3, *size), 0, 0, "int32"), 2, unlike=scalar)
    row(name, (2, 3, *size), ints((2, 2, *size), 0, 0), 2, unlike=scalar)
    row(name, (2, 3, *size), places, 2, output_size=[2 * n + 5 for n in size], unlike=scalar)
    row(name, (2, 3, *size), places, 2, output_size=[1] * (ndim + 1), unlike=scalar)

UNLIKE = {f"nn.functional.fractional_max_pool{n}d": "random, and no samples are given" for n in (2, 3)}
SLACK = {"nn.functional.adaptive_avg_pool3d": 2.0}
