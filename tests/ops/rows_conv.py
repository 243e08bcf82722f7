"""Rows of convolution, unfold and fold."""

from cases import bools, ints, row

F = "nn.functional."
# Both add up up to 50 products, in another order.
dead = "whether nan in a weight meets the zeros of the padding differs in torch too; test_conv.py has it in the input"
near = {"slack": 4.0, "unlike": {"special": dead}}
laid_out = {"layout": "torch refuses tensors of other memory orders; we take them", "special": dead}
typed = dict.fromkeys(("0d", "bool", "integers"), "torch looks at the types of arguments before all else")
scalar = {"0d": "torch counts a dimension that is not there and raises IndexError; we RuntimeError for the shape"}

for at in ("", F):
    row(f"{at}conv1d", (2, 3, 7), (4, 3, 3), (4,), **near)
    row(f"{at}conv2d", (2, 3, 6, 5), (4, 3, 3, 2), (4,), **near)
    row(f"{at}conv3d", (2, 2, 4, 5, 3), (3, 2, 2, 3, 2), (3,), **near)
    row(f"{at}conv_transpose1d", (2, 3, 4), (3, 2, 3), (2,), **near)
    row(f"{at}conv_transpose2d", (2, 3, 4, 3), (3, 2, 3, 2), (2,), **near)
    row(f"{at}conv_transpose3d", (2, 2, 2, 3, 2), (2, 3, 2, 3, 2), (3,), **near)
    row(f"{at}conv_tbc", (6, 2, 3), (3, 3, 4), (4,), slack=4.0, unlike=laid_out)
    row(f"{at}conv_tbc", (6, 2, 3), (3, 3, 4), (4,), pad=2, slack=4.0, unlike=laid_out)
    row(f"{at}conv_tbc", (6, 3), (3, 3, 4), (4,))

row(f"{F}conv1d", (3, 7), (4, 3, 3), **near)
row(f"{F}conv1d", (2, 4, 7), (6, 2, 3), (6,), 2, 1, 2, 2, **near)
row(f"{F}conv1d", (2, 3, 7), (4, 3, 4), padding="same", **near)
row(f"{F}conv1d", (2, 3, 7), (4, 3, 3), padding="valid", stride=2, **near)
row(f"{F}conv1d", (2, 4, 7), (4, 1, 3), padding=1, groups=4, **near)
row(f"{F}conv1d", (2, 3, 2), (4, 3, 3))
row(f"{F}conv1d", (2, 3, 7), (4, 3))
row(f"{F}conv1d", (7,), (4, 3, 3))

row(f"{F}conv2d", (3, 6, 5), (4, 3, 3, 3), (4,), **near)
row(f"{F}conv2d", (2, 3, 6, 5), (4, 3, 3, 3), padding=1, **near)
row(f"{F}conv2d", (2, 3, 6, 5), (4, 3, 3, 3), padding=[2, 0], stride=[1, 2], **near)
row(f"{F}conv2d", (2, 3, 6, 5), (4, 3, 3, 3), stride=2, padding=1, **near)
row(f"{F}conv2d", (2, 3, 6, 7), (4, 3, 3, 2), dilation=[2, 3], padding=2, **near)
row(f"{F}conv2d", (2, 4, 6, 5), (6, 2, 3, 3), (6,), groups=2, **near)
row(f"{F}conv2d", (2, 4, 6, 5), (4, 1, 3, 3), (4,), padding=1, groups=4, **near)
row(f"{F}conv2d", (2, 4, 6, 5), (8, 1, 3, 3), stride=2, groups=4, **near)
row(f"{F}conv2d", (2, 3, 6, 5), (4, 3, 1, 1), (4,), **near)
row(f"{F}conv2d", (2, 3, 6, 5), (4, 3, 1, 1), stride=2, **near)
row(f"{F}conv2d", (2, 3, 6, 5), (4, 3, 4, 2), (4,), padding="same", **near)
row(f"{F}conv2d", (2, 3, 6, 7), (4, 3, 3, 3), padding="same", dilation=[1, 3], **near)
row(f"{F}conv2d", (1, 1, 6, 6), (1, 1, 6, 6), **near)
row(f"{F}conv2d", (1, 1, 6, 6), (1, 1, 2, 2), stride=4, padding=1, **near)
row(f"{F}conv2d", ints((2, 3, 5, 4)), ints((4, 3, 3, 2)), note="int64")
for dtype in ("uint8", "int8", "int16", "int32"):
    row(f"{F}conv2d", ints((2, 3, 5, 4), 0, 3, dtype), ints((4, 3, 3, 2), 0, 3, dtype), padding=1)
    row(f"{F}conv_transpose2d", ints((2, 3, 5, 4), 0, 3, dtype), ints((3, 4, 3, 2), 0, 3, dtype))
row(f"{F}conv2d", bools((2, 3, 5, 4)), bools((4, 3, 3, 2)))
row(f"{F}conv2d", (2, 3, 5, 4), ints((4, 3, 3, 2)), note="mixed")
for settings in (
    {"stride": 0},
    {"stride": [1, 1, 1]},
    {"padding": -1},
    {"padding": "some"},
    {"padding": "same", "stride": 2},
    {"dilation": 0},
    {"dilation": 4},
    {"groups": 2},
    {"groups": 0},
):
    row(f"{F}conv2d", (2, 3, 6, 5), (4, 3, 3, 3), **settings)
row(f"{F}conv2d", (2, 3, 6, 5), (4, 3, 3, 3), (3,))
row(f"{F}conv2d", (2, 3, 6, 5), (4, 3, 3, 3), stride=1.5, unlike=typed)
row(f"{F}conv_transpose2d", (2, 3, 4, 3), (3, 2, 3, 3), padding="same", unlike=typed)
row(f"{F}conv2d", (2, 2, 6, 5), (4, 3, 3, 3))
row(f"{F}conv2d", (2, 3, 2, 5), (4, 3, 3, 3))
row(f"{F}conv2d", (6, 5), (4, 3, 3, 3))

row(f"{F}conv3d", (2, 4, 5, 3), (3, 2, 2, 3, 2), **near)
row(f"{F}conv3d", (1, 2, 5, 4, 6), (4, 1, 3, 2, 3), (4,), [2, 1, 2], 1, [1, 2, 2], 2, **near)
row(f"{F}conv3d", (1, 2, 3, 4, 3), (2, 1, 2, 3, 3), padding="same", groups=2, **near)

row(f"{F}conv_transpose1d", (3, 4), (3, 2, 3), **near)
row(f"{F}conv_transpose1d", (2, 4, 5), (4, 3, 3), (6,), 2, 1, 1, 2, 2, **near)
row(f"{F}conv_transpose2d", (2, 3, 4, 3), (3, 2, 4, 4), (2,), stride=2, padding=1, **near)
row(f"{F}conv_transpose2d", (2, 3, 4, 3), (3, 2, 2, 2), stride=3, output_padding=[1, 2], **near)
row(f"{F}conv_transpose2d", (2, 4, 4, 3), (4, 1, 3, 3), groups=4, stride=2, dilation=2, padding=[0, 3], **near)
row(f"{F}conv_transpose2d", (3, 4, 3), (3, 2, 3, 3), (2,), stride=[1, 2], **near)
row(f"{F}conv_transpose3d", (2, 2, 3, 2), (2, 3, 2, 3, 2), stride=2, padding=1, output_padding=1, **near)
for settings in (
    {"output_padding": 1},
    {"output_padding": -1, "stride": 2},
    {"padding": -1},
    {"stride": 0},
    {"groups": 2},
    {"padding": 4},
):
    row(f"{F}conv_transpose2d", (2, 3, 4, 3), (3, 2, 3, 3), **settings)
row(f"{F}conv_transpose2d", (2, 2, 4, 3), (3, 2, 3, 3))
row(f"{F}conv_transpose2d", (2, 3, 4, 3), (3, 2, 3, 3), (3,))

for parts in (
    ((2, 3, 7), (4, 3, 3), (4,), [2], [1], [1], False, [0], 1),
    ((2, 4, 6, 5), (4, 1, 3, 3), None, [1, 2], [1, 1], [2, 1], False, [0, 0], 4),
    ((2, 3, 4, 3), (3, 2, 3, 3), (2,), [2, 2], [1, 1], [1, 1], True, [1, 0], 1),
    ((2, 3), (4, 3, 3), (4,), [2], [1], [1], False, [0], 1),
):
    row("convolution", *parts, **near)

for settings in (
    {},
    {"padding": 1},
    {"stride": 2, "padding": [0, 2]},
    {"dilation": [2, 1]},
    {"dilation": 3},
    {"stride": 0},
    {"padding": -1},
    {"stride": [1, 2, 3]},
):
    row(f"{F}unfold", (2, 3, 5, 4), [2, 3], unlike=scalar, **settings)
row(f"{F}unfold", (3, 5, 4), 2, unlike=scalar)
row(f"{F}unfold", bools((2, 3, 5, 4)), 2, unlike=scalar)
row(f"{F}unfold", (2, 3, 5, 4), 6, unlike=scalar)
for columns, settings in (
    (12, {}),
    (30, {"padding": 1}),
    (6, {"stride": 2, "padding": [0, 1]}),
    (9, {"dilation": [2, 1]}),
    (13, {}),
    (12, {"stride": 0}),
):
    row(f"{F}fold", (2, 12, columns), [5, 4], 2, **settings)
row(f"{F}fold", (12, 12), [5, 4], 2)
row(f"{F}fold", (2, 13, 12), [5, 4], 2)
row(f"{F}fold", (2, 12, 12), [5, 4, 2], 2)
row(f"{F}fold", bools((2, 12, 12)), [5, 4], 2)

# The samples of torch add up to 100 products of numbers up to 9; it adds half floats in their own precision.
SLACK = {f"nn.functional.conv{form}{n}d": 60.0 for form in ("", "_transpose") for n in (1, 2, 3)}
