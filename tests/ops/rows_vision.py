"""Rows of padding, resizing, sampling on grids and shuffling pixels."""

from cases import floats, row

F = "nn.functional."
# With an empty or 0-d input torch checks these one by one, and not alike in all modes.
shapes = {"degenerate": "torch's own checks of empty inputs differ from mode to mode; see test_vision.py"}

row(F + "pad", (2, 3), [1, 2])
row(F + "pad", (2, 3), [1, 2, 0, 3], value=1.5)
row(F + "pad", (2, 3, 4), [-1, 2], unlike=shapes)
row(F + "pad", (2, 3, 4), [2, -1, -1, 1, 0, 2], mode="constant", unlike=shapes)
row(F + "pad", (2, 3), [0, 0])
row(F + "pad", (), [], note="0d")
for mode in ("reflect", "replicate", "circular"):
    bools = {**shapes, "bool": "torch pads bools in some modes only"}
    row(F + "pad", (2, 4), [2, 1], mode=mode, unlike=bools)
    row(F + "pad", (2, 3, 4), [3, 1], mode=mode, unlike=bools)
    row(F + "pad", (2, 3, 4), [1, 2, 1, 0], mode=mode, unlike=bools)
    row(F + "pad", (2, 2, 3, 4), [1, 2, 2, 1], mode=mode, unlike=bools)
    row(F + "pad", (1, 2, 2, 3, 4), [1, 2, 2, 1, 1, 1], mode=mode, unlike=bools)
    row(F + "pad", (2, 3, 4), [1, -1], mode=mode, unlike=bools)
    row(F + "pad", (2, 3, 4), [5, 1], mode=mode, unlike=bools)  # too long for some
    row(F + "pad", (2, 3), [1, 1, 1, 1], mode=mode)
row(F + "pad", (2, 3), [1])
row(F + "pad", (2, 3), [1, 1, 1, 1, 1, 1])
row(F + "pad", (2, 3), [-2, -2])
row(F + "pad", (2, 3, 4), [1, 1], mode="mirror", unlike=shapes)

empty = {"degenerate": "torch leaves an empty image's shape as it is, and its gradient fails"}
for lib_op in (F + "pixel_shuffle", "pixel_shuffle"):
    row(lib_op, (2, 8, 3, 2), 2, unlike=empty)
row(F + "pixel_shuffle", (9, 1, 2), 3, unlike=empty)
row(F + "pixel_shuffle", (2, 6, 3, 2), 2, unlike=empty)
row(F + "pixel_shuffle", (3, 2), 2, unlike=empty)
for lib_op in (F + "pixel_unshuffle", "pixel_unshuffle"):
    row(lib_op, (2, 2, 6, 4), 2, unlike=empty)
row(F + "pixel_unshuffle", (2, 6, 3), 2, unlike=empty)
row(F + "pixel_unshuffle", (2, 6), 2, unlike=empty)
for lib_op in (F + "channel_shuffle", "channel_shuffle"):
    row(lib_op, (2, 6, 3), 3, unlike={"degenerate": "torch divides by the 0 channels of an empty input"})
row(F + "channel_shuffle", (1, 4, 3, 2), 2, unlike={"degenerate": "as above"})
row(F + "channel_shuffle", (1, 5, 3, 2), 2, unlike={"degenerate": "as above"})

# torch has no second gradients of the antialiased modes, and rounds uint8 images after each dimension.
fixed = {"integers": "torch resizes uint8 images in fixed point, rounding after each dimension; gpudl wants floats"}
scaled = {**shapes, **fixed}
noth = dict.fromkeys(("float16", "special"), "torch does not have it for float16")
for mode, shape in (("nearest", (2, 3, 5)), ("nearest-exact", (2, 3, 5)), ("area", (2, 3, 5)), ("linear", (2, 3, 5))):
    row(F + "interpolate", shape, size=7, mode=mode, unlike=scaled)
    row(F + "interpolate", shape, size=3, mode=mode, unlike=scaled)
    row(F + "interpolate", shape, size=10, mode=mode, unlike=scaled)
    row(F + "interpolate", shape, scale_factor=1.7, mode=mode, unlike=scaled)
    row(F + "interpolate", shape, scale_factor=0.6, mode=mode, recompute_scale_factor=True, unlike=scaled)
for mode in ("nearest", "nearest-exact", "area", "bilinear", "bicubic"):
    row(F + "interpolate", (2, 2, 5, 4), size=(7, 3), mode=mode, unlike=scaled)
    row(F + "interpolate", (2, 2, 5, 4), scale_factor=2, mode=mode, unlike=scaled)
    row(F + "interpolate", (1, 2, 5, 4), scale_factor=(0.5, 1.3), mode=mode, unlike=scaled)
    same = {**scaled, "special": "torch copies in some dtypes, and multiplies neighbors by 0 in others"}
    row(F + "interpolate", (1, 2, 5, 4), size=(5, 4), mode=mode, unlike=same)
row(
    F + "interpolate", (1, 2, 9, 8), size=(4, 11), mode="lanczos", antialias=True,
    unlike={**scaled, **noth, "second": "as below", "gradient": "torch has no gradient of it"},
)  # fmt: skip
row(F + "interpolate", (1, 2, 9, 8), size=(4, 11), mode="lanczos", unlike=scaled)
for mode in ("bilinear", "bicubic"):
    row(F + "interpolate", (1, 2, 5, 4), size=(1, 9), mode=mode, align_corners=True, unlike=scaled)
    row(F + "interpolate", (1, 2, 5, 4), size=(8, 3), mode=mode, align_corners=True, unlike=scaled)
    once = {**scaled, "second": "torch has no second gradient of the antialiased modes", **noth}
    row(F + "interpolate", (1, 2, 9, 8), size=(4, 3), mode=mode, antialias=True, unlike=once)
    row(F + "interpolate", (1, 2, 5, 4), size=(8, 3), mode=mode, antialias=True, unlike=once)
    row(F + "interpolate", (1, 2, 5, 4), scale_factor=0.7, mode=mode, antialias=True, unlike=once)
for mode in ("nearest", "nearest-exact", "area", "trilinear"):
    row(F + "interpolate", (1, 2, 3, 4, 2), size=(5, 2, 3), mode=mode, unlike=scaled)
    row(F + "interpolate", (1, 2, 3, 4, 2), scale_factor=2, mode=mode, unlike=scaled)
row(F + "interpolate", (1, 2, 3, 4, 2), size=(5, 2, 3), mode="trilinear", align_corners=True, unlike=scaled)
for bad in ({}, {"size": 3, "scale_factor": 2}, {"size": (3, 3)}, {"size": 3, "mode": "bilinear"}, {"size": 0}):
    row(
        F + "interpolate",
        (1, 2, 3),
        note=str(bad),
        call=lambda lib, x, a=bad: lib.nn.functional.interpolate(x, **a),
        unlike=shapes,
    )
row(F + "interpolate", (1, 2, 3), size=4, mode="nearest", align_corners=False, unlike=shapes)
row(F + "interpolate", (1, 2, 3), size=4, mode="linear", antialias=True, unlike=shapes)
row(F + "upsample", (1, 2, 3, 4), scale_factor=2, unlike=scaled)
row(F + "upsample_nearest", (1, 2, 3, 4), size=(5, 6), unlike=scaled)
row(F + "upsample_bilinear", (1, 2, 3, 4), scale_factor=2, unlike=scaled)

# Kinks lie where a coordinate meets an element; torch has no second gradient.
image, points = floats((2, 3, 4, 5)), floats((2, 2, 3, 2), low=-0.9, high=0.9)
volume, places = floats((1, 2, 3, 4, 5)), floats((1, 2, 2, 3, 3), low=-0.9, high=0.9)
once = {
    "second": "torch has no second gradient of grid_sample",
    "special": "what lies at a coordinate that is nan, infinite or huge is undefined in torch",
    **shapes,
}
smooth = {**once, "gradcheck": "kinks between the elements"}
for padding in ("zeros", "border", "reflection"):
    for mode in ("bilinear", "nearest", "bicubic"):
        for corners in (False, True):
            row(F + "grid_sample", image, points, mode, padding, corners, unlike=smooth, slack=8)
    row(F + "grid_sample", volume, places, "bilinear", padding, unlike=smooth, slack=8)
    row(F + "grid_sample", image, floats((2, 2, 3, 2), low=-4, high=4), "bilinear", padding, unlike=smooth, slack=8)
row(F + "grid_sample", volume, places, "nearest", unlike=smooth)
row(F + "grid_sample", volume, places, "bicubic", unlike=smooth)
row(F + "grid_sample", image, places, unlike=smooth)
row(F + "grid_sample", image, (1, 2, 3, 2), unlike=smooth)
row(F + "grid_sample", image, points, "cubic", unlike=smooth)
row(F + "grid_sample", image, points, "bilinear", "ones", unlike=smooth)

row(F + "affine_grid", (2, 2, 3), call=lambda lib, x: lib.nn.functional.affine_grid(x, (2, 1, 4, 5)), unlike=shapes)
for corners in (False, True):
    row(
        F + "affine_grid", (1, 3, 4), note=f"volume{corners}", unlike={**shapes, **noth},
        call=lambda lib, x, c=corners: lib.nn.functional.affine_grid(x, [1, 1, 2, 1, 3], align_corners=c),
    )  # fmt: skip
row(
    F + "affine_grid",
    (2, 2, 3),
    note="batch",
    call=lambda lib, x: lib.nn.functional.affine_grid(x, (3, 1, 4, 5)),
    unlike=shapes,
)
row(
    F + "affine_grid",
    (2, 3),
    note="shape",
    call=lambda lib, x: lib.nn.functional.affine_grid(x, (2, 1, 4, 5)),
    unlike=shapes,
)

_uint8 = "torch resizes uint8 images in fixed point, rounding after each dimension; gpudl wants floats"
UNLIKE = {
    "nn.functional.interpolate.bilinear uint8": _uint8,
    "nn.functional.interpolate.bicubic uint8": _uint8,
    "nn.functional.upsample_bilinear uint8": _uint8,
}
SLACK = {"nn.functional.grid_sample float32": 8.0}
